"""What is wrong with the data, in one line that a user can act on."""

from __future__ import annotations

from collections.abc import Iterable


class DataError(ValueError):
    """Data that cannot be learned from: says what, where, and the mend."""


class TrainingError(RuntimeError):
    """A training that cannot go on: says why, and the mend."""


def quoted(text: object, longest: int = 40) -> str:
    """A cell or a name as it may be shown: quoted, control characters escaped, short."""
    shown = repr(str(text))
    return shown if len(shown) <= longest else shown[: longest - 2] + "…'"


def listed(names: Iterable[object], most: int = 12) -> str:
    """Names for a message: all of a few, the first of many."""
    every = list(names)
    text = ", ".join(quoted(name) for name in every[:most])
    return text if len(every) <= most else f"{text} and {len(every) - most} more"
