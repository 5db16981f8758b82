"""Which changed calls are known to end otherwise than in PyTorch, and why.

``refused_left.txt`` has a line for each function and reason: the changes that differ.
"""

from __future__ import annotations

import functools
from pathlib import Path

#: why calls differ; the lines of the list refer to these
REASONS = {
    "accepts: kind": "taken as NumPy would take it: 2.0 for 2, 1 for True, a number, list "
    "or array for a tensor; PyTorch's parser refuses it",
    "accepts: type": "the formula holds for this number type, for which PyTorch has no "
    "kernel, or wants equal types",
    "accepts: shape": "shapes broadcast, or leave dimensions to a batch, further than in "
    "PyTorch",
    "refuses": "PyTorch takes what it does not look at, or what stands for another value; "
    "here it is an error, as it is most likely a slip",
    "class: kind": "both refuse a wrong kind of argument, after looking at it at another "
    "place: another class of exception",
    "class: type": "both refuse the number type, with another class of exception",
    "class: shape": "both refuse the shape, with another class of exception",
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
