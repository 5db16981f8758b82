"""Sequences of different lengths in one tensor: padded, or packed.

A packed batch has the elements of the first step of all sequences, longest first, then
those of the second step of all that have one, and so on; ``batch_sizes`` says how many
there are at each step.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple, TypeVar

import numpy as np

from ... import dtypes
from ...dispatch import apply, composite, constant
from ...functions.create import full
from ...functions.joining import stack
from ...ops.index import Index, IndexPut
from ...ops.movement import Pad
from ...tensor import Tensor

__all__ = [
    "PackedSequence",
    "invert_permutation",
    "pack_padded_sequence",
    "pad_packed_sequence",
    "pad_sequence",
    "unpad_sequence",
    "pack_sequence",
    "unpack_sequence",
]

Self = TypeVar("Self", bound="PackedSequence")


class _Packed(NamedTuple):
    data: Any
    batch_sizes: Any
    sorted_indices: Any
    unsorted_indices: Any


# The fields' class has PyTorch's name as well, which shows in the text of a packed batch.
_Packed.__name__ = "PackedSequence_"


class PackedSequence(_Packed):
    """A packed batch: its elements, how many there are at each step, and where the
    sequences stood before they were sorted by length, and back.

    ``pack_padded_sequence`` and ``pack_sequence`` make them.
    """

    def __new__(
        cls: type[Self],
        data: Any,
        batch_sizes: Any = None,
        sorted_indices: Any = None,
        unsorted_indices: Any = None,
    ) -> Self:
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        if batch_sizes is None:
            if not (isinstance(data, (list, tuple)) and len(data) == 2):
                raise AssertionError("Expected data to be a list or tuple of length 2")
            data, batch_sizes = data
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def to(self: Self, *args: Any, **kwargs: Any) -> Self:
        """The elements in another type; itself, if they have it."""
        data = self.data.to(*args, **kwargs)
        return self if data is self.data else type(self)(data, *self[1:])

    def cpu(self: Self, *args: Any, **kwargs: Any) -> Self:
        """Itself: everything is on the CPU already."""
        return self

    def cuda(self: Self, *args: Any, **kwargs: Any) -> Self:
        """There is no such device: RuntimeError."""
        return self.to("cuda")

    def double(self: Self) -> Self:
        return self.to(dtypes.float64)

    def float(self: Self) -> Self:
        return self.to(dtypes.float32)

    def half(self: Self) -> Self:
        return self.to(dtypes.float16)

    def long(self: Self) -> Self:
        return self.to(dtypes.int64)

    def int(self: Self) -> Self:
        return self.to(dtypes.int32)

    def short(self: Self) -> Self:
        return self.to(dtypes.int16)

    def char(self: Self) -> Self:
        return self.to(dtypes.int8)

    def byte(self: Self) -> Self:
        return self.to(dtypes.uint8)

    @property
    def is_cuda(self) -> bool:
        return False

    def is_pinned(self) -> bool:
        return False

    def pin_memory(self: Self) -> Self:
        """Memory of the CPU is all there is: NotImplementedError."""
        raise NotImplementedError(
            "pin_memory: there is no device to copy to; use the sequence as it is"
        )


def invert_permutation(permutation: Any) -> Any:
    """The permutation q with q[p[i]] = i; None for None."""
    if permutation is None:
        return None
    p = _read(permutation)
    back = np.empty_like(p)
    back[p] = np.arange(p.size)
    return constant(back)


def _read(values: Any) -> np.ndarray[Any, Any]:
    """Whole numbers as an array: they decide the shapes of what follows."""
    if isinstance(values, Tensor):
        values = values.detach().numpy()
    elif isinstance(values, (list, tuple)):
        values = [int(v) for v in values]
    return np.array(values, np.int64)


def _places(lengths: Any, order: Any, batch: int, steps: int, batch_first: bool) -> Any:
    """Where the elements of a packed batch stand among the rows of the padded one."""
    t = np.repeat(np.arange(steps)[:, None], batch, 1)
    there = t < lengths[None, :]
    b = np.broadcast_to(order[None, :], t.shape)
    flat = b * steps + t if batch_first else t * batch + b
    return flat[there], there.sum(1)


@composite
def _gathered(input: Any, places: Any) -> Any:
    """Rows of the first two dimensions as one."""
    rest = tuple(input.shape[2:])
    rows = input.reshape(input.shape[0] * input.shape[1], -1 if input.numel() else 0)
    return apply(Index, rows, places, dims=(0,)).reshape(places.shape[0], *rest)


def pack_padded_sequence(
    input: Any,
    lengths: Any,
    batch_first: bool = False,
    enforce_sorted: bool = True,
) -> PackedSequence:
    """A padded batch, [T, B, …] or [B, T, …] (*batch_first*), as a packed one: of
    sequence b the first lengths[b] elements.

    Sequences have to be sorted, longest first, unless *enforce_sorted* is False: then
    they are sorted here, and layers put their results back in order.

    >>> import retrograd as rg
    >>> x = rg.tensor([[1, 2, 0], [3, 0, 0], [4, 5, 6]])
    >>> p = pack_padded_sequence(x, [2, 1, 3], batch_first=True, enforce_sorted=False)
    >>> p.data, p.batch_sizes
    (tensor([4, 1, 3, 5, 2, 6]), tensor([3, 2, 1]))
    """
    n = _read(lengths)
    batch, steps = input.shape[:2] if batch_first else input.shape[1::-1]
    if n.ndim != 1 or n.size != batch:
        raise RuntimeError(
            f"Expected `len(lengths)` to be equal to batch_size, but got {n.size} "
            f"(batch_size={batch}): the input has shape {list(input.shape)}"
        )
    if not n.size or n.min() <= 0:
        raise RuntimeError(
            "Length of all samples has to be greater than 0, but found an element in "
            "'lengths' that is <= 0"
        )
    order, indices = np.arange(batch), None
    if not enforce_sorted:
        order = np.argsort(-n, kind="stable")
        n, indices = n[order], constant(order)
    elif np.any(n[1:] > n[:-1]):
        raise RuntimeError(
            "`lengths` array must be sorted in decreasing order when `enforce_sorted` is "
            "True. You can pass `enforce_sorted=False` to pack_padded_sequence and/or "
            "pack_sequence to sidestep this requirement"
        )
    if n[0] > steps:
        raise RuntimeError(
            f"a sequence of length {n[0]} does not fit into {steps} steps: the input has "
            f"shape {list(input.shape)}"
        )
    places, sizes = _places(n, order, batch, steps, batch_first)
    data = _gathered(input, constant(places))
    return PackedSequence(data, constant(sizes[: n[0]]), indices, None)


@composite
def _spread(base: Any, data: Any, places: Any) -> Any:
    rows = data.reshape(data.shape[0], -1 if data.numel() else 0)
    return apply(IndexPut, base, rows, places, dims=(0,), accumulate=False)


def pad_packed_sequence(
    sequence: PackedSequence,
    batch_first: bool = False,
    padding_value: float = 0.0,
    total_length: int | None = None,
) -> tuple[Any, Any]:
    """(padded, lengths): a packed batch as [T, B, …] or [B, T, …], in the order it had
    before it was sorted; T is *total_length*, if given."""
    sizes = _read(sequence.batch_sizes)
    steps = sizes.size
    if total_length is not None:
        if total_length < steps:
            raise ValueError(
                "Expected total_length to be at least the length of the longest sequence "
                f"in input, but got total_length={total_length} and max sequence length "
                f"being {steps}"
            )
        steps = total_length
    batch = int(sizes[0])
    lengths = (sizes[:, None] > np.arange(batch)).sum(0)
    order = np.arange(batch)
    if sequence.sorted_indices is not None:
        order = _read(sequence.sorted_indices)
    elif sequence.unsorted_indices is not None:
        order = np.argsort(_read(sequence.unsorted_indices), kind="stable")
    places, _ = _places(lengths, order, batch, steps, batch_first)
    data = sequence.data
    rest = tuple(data.shape[1:])
    wide = int(np.prod(rest, dtype=np.int64))
    base = full((steps * batch, wide), padding_value, dtype=data.dtype)
    lead = (batch, steps) if batch_first else (steps, batch)
    padded = _spread(base, data, constant(places)).reshape(*lead, *rest)
    back = np.empty_like(lengths)
    back[order] = lengths
    return padded, constant(back)


def pad_sequence(
    sequences: Any,
    batch_first: bool = False,
    padding_value: float = 0.0,
    padding_side: str = "right",
) -> Any:
    """Sequences [L, …] of different lengths as one tensor, [T, B, …] or [B, T, …].

    >>> import retrograd as rg
    >>> pad_sequence([rg.tensor([1, 2]), rg.tensor([3])], batch_first=True)
    tensor([[1, 2],
            [3, 0]])
    """
    if not isinstance(sequences, Iterable):
        raise RuntimeError(
            "pad_sequence: Expected iterable for input sequences, but got arg of type: "
            f"{type(sequences)}"
        )
    given: list[Any] = list(sequences)
    if not given:
        raise RuntimeError("received an empty list of sequences")
    if padding_side not in ("left", "right"):
        raise RuntimeError(
            f"Expected padding_side to be one of left or right, but got {padding_side}"
        )
    steps = max(s.shape[0] for s in given)
    padded = []
    for s in given:
        missing = steps - s.shape[0]
        ends = (missing, 0) if padding_side == "left" else (0, missing)
        s = s.to(given[0].dtype)
        if missing:
            pad = (ends, *[(0, 0)] * (s.ndim - 1))
            s = apply(Pad, s, pad=pad, value=padding_value)
        padded.append(s)
    return stack(padded, 0 if batch_first else 1)


def unpad_sequence(
    padded_sequences: Any, lengths: Any, batch_first: bool = False
) -> list[Any]:
    """The sequences of a padded batch: of sequence b the first lengths[b] elements."""
    x = padded_sequences if batch_first else padded_sequences.transpose(0, 1)
    n = _read(lengths)
    if n.size != x.shape[0]:
        raise ValueError(f"there are {x.shape[0]} sequences and {n.size} lengths")
    return [x[b, : max(int(k), 0)] for b, k in enumerate(n)]


def pack_sequence(sequences: Any, enforce_sorted: bool = True) -> PackedSequence:
    """Sequences [L, …] of different lengths as a packed batch.

    >>> import retrograd as rg
    >>> p = pack_sequence([rg.tensor([1, 2, 3]), rg.tensor([4, 5]), rg.tensor([6])])
    >>> p.data, p.batch_sizes
    (tensor([1, 4, 6, 2, 5, 3]), tensor([3, 2, 1]))
    """
    lengths = [s.shape[0] for s in sequences]
    padded = pad_sequence(sequences)
    return pack_padded_sequence(padded, lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Any]:
    """The sequences of a packed batch, in their own order."""
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)
