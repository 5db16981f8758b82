"""Every function of many elements: sums, softmax and its kin, extremes and order."""

from __future__ import annotations

from . import extremes, probabilities, statistics, sums
from .extremes import *  # noqa: F403
from .probabilities import *  # noqa: F403
from .statistics import *  # noqa: F403
from .sums import *  # noqa: F403

__all__ = [*sums.__all__, *probabilities.__all__, *extremes.__all__,
           *statistics.__all__]  # fmt: skip
