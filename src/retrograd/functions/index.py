"""Indexing: reading and writing parts, by place or by computed indices; searching."""

from . import indexing, masks, scattering, searching
from .indexing import *  # noqa: F403
from .masks import *  # noqa: F403
from .scattering import *  # noqa: F403
from .searching import *  # noqa: F403

__all__ = [*indexing.__all__, *scattering.__all__, *masks.__all__, *searching.__all__]
