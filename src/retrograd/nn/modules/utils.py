"""Small things that several modules need."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def ntuple(value: Any, n: int) -> tuple[Any, ...]:
    """A number as *n* equal ones; a sequence as a tuple."""
    return tuple(value) if isinstance(value, Iterable) else (value,) * n
