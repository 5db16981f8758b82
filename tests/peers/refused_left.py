"""Which changed calls are known to end otherwise than in PyTorch, and why.

``refused_left.txt`` has a line for each function and reason: the changes that differ.
"""

from __future__ import annotations

import functools
from pathlib import Path

#: why calls differ; the lines of the list refer to these
REASONS = {
    "accepts: None": "the argument may be left out, and None says so; PyTorch's parser "
    "tells the two apart",
    "accepts: huge": "a whole number of any size is a number; PyTorch's scalars have 64 "
    "bits for it and overflow",
    "accepts: kind": "the call has one meaning: True for 1, one number in a list for all "
    "dimensions, a default given by position; PyTorch has no overload for it",
    "accepts: type": "the formula holds for whole numbers; PyTorch has no kernel for them",
    "accepts: shape": "what is given broadcasts, or there is nothing to do: a meaning is "
    "there, of which PyTorch's kernel has no case",
    "class: huge": "both refuse a number beyond 64 bits: a ValueError that says so, or the "
    "error over what it is used for; PyTorch's parser fails in several ways",
    "class: no dimension": "both refuse a tensor without dimensions. Here it is told as any "
    "other wrong number of dimensions; PyTorch's code stumbles where it counts along one",
    "class: several": "both refuse a tensor of several elements for a number: a TypeError, "
    "or in schedules a ValueError; PyTorch's Python code compares it first, or adds it",
    "class: shape": "both refuse the shapes: which of two sizes that do not fit is told "
    "first differs, and so the class",
    "class: type": "both refuse the number type: one class for the function and its "
    "operator, or for all functions that take indices",
    "class: one by one": "functions take sizes and dimensions one by one as methods do, so "
    "that what is wrong is their number; PyTorch's function wants a tuple",
    "class: kind": "both refuse a wrong kind, which PyTorch's Python code meets as a wrong "
    "value, or as one more thing that is wrong with the call",
    "refuses: kind": "PyTorch's Python code takes a value of another kind unseen, or "
    "ignores it: most likely a slip",
    "refuses: type": "PyTorch takes a number type silently with which the call makes no "
    "sense, or casts weights of another precision: most likely a slip",
    "refuses: shape": "PyTorch takes shapes silently that leave nothing to do",
    "refuses: value": "PyTorch takes a value outside of the range that it documents",
    "in place: type": "the result in another type is cast to that of the tensor that is "
    "changed, as every other in-place method does",
}
#: calls that end PyTorch's process, or take it hours
CRASHES = {
    "lu_unpack": {"1: no element"},
    "mvlgamma": {"1: huge"},
    "nn.functional.embedding_bag": {"offsets: no element"},
    "new Transformer": {"num_encoder_layers: huge", "num_decoder_layers: huge"},
    "new RNN": {"num_layers: huge"},
    "new GRU": {"num_layers: huge"},
    "new LSTM": {"num_layers: huge"},
}


@functools.cache
def _table() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    lines = Path(__file__).with_suffix(".txt").read_text().splitlines()
    for line in lines:
        name, why, labels = line.split(" | ")
        assert why in REASONS, line
        found.setdefault(name, set()).update(labels.split(" ; "))
    return found


def left(name: str) -> set[str]:
    """The changes of calls of a function that are known to differ."""
    return _table().get(name, set())
