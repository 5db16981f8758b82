"""Which accelerator there is: none.

>>> import retrograd as rg
>>> found = rg.accelerator.current_accelerator()
>>> (found.type if rg.accelerator.is_available() else "cpu")
'cpu'
"""

from __future__ import annotations


def is_available() -> bool:
    """Whether there is an accelerator: no."""
    return False


def device_count() -> int:
    """How many there are: none."""
    return 0


def current_accelerator(check_available: bool = False) -> None:
    """The kind of accelerator: None."""
