"""The switches of cuDNN, which is not used: set, they change nothing.

>>> import retrograd.backends.cudnn as cudnn
>>> cudnn.benchmark, cudnn.deterministic = False, True
>>> cudnn.is_available()
False
"""

from __future__ import annotations

enabled = True
benchmark = False
benchmark_limit = None
deterministic = False
allow_tf32 = True


def is_available() -> bool:
    """Whether it can be used: no."""
    return False


def version() -> None:
    """Its version: None, as it is not there."""
