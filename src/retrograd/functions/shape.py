"""Shapes: reshaping, parts, joining, splitting, rearranging."""

from . import joining, parts, rearrange, splitting, views
from .joining import *  # noqa: F403
from .parts import *  # noqa: F403
from .rearrange import *  # noqa: F403
from .splitting import *  # noqa: F403
from .views import *  # noqa: F403

__all__ = [*views.__all__, *parts.__all__, *joining.__all__, *splitting.__all__,
           *rearrange.__all__]  # fmt: skip
