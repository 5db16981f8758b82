"""Every element-wise function: arithmetic, logic, and exponentials with their kin."""

from __future__ import annotations

from . import arithmetic, bits, logic, special_functions, transcendental
from .arithmetic import *  # noqa: F403
from .bits import *  # noqa: F403
from .logic import *  # noqa: F403
from .special_functions import *  # noqa: F403
from .transcendental import *  # noqa: F403

__all__ = [*arithmetic.__all__, *logic.__all__, *transcendental.__all__,
           *bits.__all__, *special_functions.__all__]  # fmt: skip
