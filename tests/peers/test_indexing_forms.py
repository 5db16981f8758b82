"""x[key] and x[key] = value for keys put together at random: what is selected, whether it
is a view, gradients to the second order, and refusals, beside PyTorch's."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import retrograd as rg

torch: Any = pytest.importorskip(
    "torch", reason="comparisons with PyTorch are skipped: it is not installed"
)
Make = Callable[[Any], Any]

SHAPES = [(3, 4), (3,), (3, 3, 4), (2, 3, 4), (), (3, 4, 2), (3, 0)]
#: of three numbers within the bounds of most dimensions, and a chance
PARTS: dict[str, Callable[[Any, list[int], bool], Any]] = {
    "integer": lambda lib, n, b: n[0],
    "negative": lambda lib, n, b: -1,
    "out of range": lambda lib, n, b: 7,
    "from": lambda lib, n, b: slice(n[0], None),
    "to": lambda lib, n, b: slice(None, n[1]),
    "steps": lambda lib, n, b: slice(n[0], 9, 1 + abs(n[2])),
    "all": lambda lib, n, b: slice(None),
    "nothing": lambda lib, n, b: slice(2, 1),
    "new": lambda lib, n, b: None,
    "dots": lambda lib, n, b: ...,
    "number in a tensor": lambda lib, n, b: lib.tensor(n[0]),
    "vector": lambda lib, n, b: lib.tensor(n),
    "short vector": lambda lib, n, b: lib.tensor(n, dtype=lib.int32),
    "matrix": lambda lib, n, b: lib.tensor([n, n]),
    "column": lambda lib, n, b: lib.tensor([[i] for i in n]),
    "no indices": lambda lib, n, b: lib.tensor([], dtype=lib.int64),
    "list": lambda lib, n, b: list(n),
    "tuple": lambda lib, n, b: tuple(n),
    "range": lambda lib, n, b: range(2),
    "array": lambda lib, n, b: np.array(n),
    "truth": lambda lib, n, b: b,
    "truth in a tensor": lambda lib, n, b: lib.tensor(b),
    "mask": lambda lib, n, b: lib.tensor([True, b, not b]),
    "mask of none": lambda lib, n, b: lib.tensor([False] * 3),
    "mask of a matrix": lambda lib, n, b: lib.tensor([[b, True, False, True]] * 3),
    "mask in a list": lambda lib, n, b: [b, True, True],
    "real number": lambda lib, n, b: 1.5 if b else lib.tensor([1.0]),
}  # fmt: skip
VALUES: dict[str, Callable[[Any, Any], Any]] = {
    "number": lambda lib, y: 2.5,
    "integer": lambda lib, y: 3,
    "truth": lambda lib, y: True,
    "tensor of one": lambda lib, y: lib.tensor(2.5, dtype=lib.float64),
    "other type": lambda lib, y: lib.tensor(2.5),
    "others of other type": lambda lib, y: lib.zeros(tuple(y.shape)),
    "as many": lambda lib, y: counted(lib, tuple(y.shape)),
    "a row": lambda lib, y: counted(lib, tuple(y.shape[-1:])),
    "with ones in front": lambda lib, y: counted(lib, (1, 1, *y.shape)),
    "too many": lambda lib, y: counted(lib, (7,)),
    "itself": lambda lib, y: y,
    "array": lambda lib, y: np.zeros(tuple(y.shape)),
    "list": lambda lib, y: [1.0, 2.0],
    "complex": lambda lib, y: 1j,
    "none": lambda lib, y: None,
}


def counted(lib: Any, shape: tuple[int, ...]) -> Any:
    n = int(np.prod(shape))
    return lib.arange(1.0, n + 1, dtype=lib.float64).reshape(shape)


def loss(lib: Any, y: Any) -> Any:
    return (y * counted(lib, tuple(y.shape))).sum() + (y**3).sum()


def derivatives(lib: Any, y: Any, leaves: list[Any]) -> list[Any]:
    first = lib.autograd.grad(
        loss(lib, y), leaves, create_graph=True, allow_unused=True
    )
    total = sum(((g * g).sum() for g in first if g is not None), lib.zeros(()))
    again = (
        lib.autograd.grad(total, leaves, allow_unused=True)
        if total.requires_grad
        else [None] * len(leaves)
    )
    return [None if g is None else g.tolist() for g in first] + [
        None if g is None or not g.any() else g.tolist() for g in again
    ]


def got(lib: Any, shape: tuple[int, ...], key: Make, tracked: bool) -> list[Any]:
    x = counted(lib, shape).requires_grad_(tracked)
    y = x[key(lib)]
    found = [tuple(y.shape), y.tolist(), y._base is not None]
    return found + (derivatives(lib, y, [x]) if tracked else [])


def put(
    lib: Any, shape: tuple[int, ...], key: Make, tracked: bool, value: str
) -> list[Any]:
    x = counted(lib, shape).requires_grad_(tracked)
    z = x * 1
    v = VALUES[value](lib, z[key(lib)])
    leaves = [x]
    if tracked and isinstance(v, lib.Tensor) and value != "itself":
        leaves.append(v.requires_grad_())
    z[key(lib)] = v
    return [z.tolist()] + (derivatives(lib, z, leaves) if tracked else [])


def outcome(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except Exception as error:
        return next(k for k in (IndexError, TypeError, ValueError, RuntimeError)
                    if isinstance(error, k)).__name__  # fmt: skip


def program(seed: int) -> tuple[tuple[int, ...], Make, bool, str]:
    chance = random.Random(seed)
    parts = [
        (chance.choice(list(PARTS)), [chance.randint(-2, 1) for _ in range(3)],
         chance.random() < 0.5)
        for _ in range(chance.choice([1, 1, 2, 2, 3, 4]))
    ]  # fmt: skip
    alone = len(parts) == 1 and chance.random() < 0.6

    def key(lib: Any) -> Any:
        made = tuple(PARTS[name](lib, n, b) for name, n, b in parts)
        return made[0] if alone else made

    shape = chance.choice(SHAPES)
    return shape, key, chance.random() < 0.5, chance.choice(list(VALUES))


@pytest.mark.filterwarnings("ignore:Using a non-tuple:UserWarning")
@pytest.mark.parametrize("block", range(8))
def test_same_as_pytorch(block: int) -> None:
    for seed in range(block * 100, block * 100 + 100):
        shape, key, tracked, value = program(seed)
        shown = f"seed {seed}: shape {shape}, key {key(torch)}, {tracked}, {value}"
        mine = outcome(lambda s=shape, k=key, t=tracked: got(rg, s, k, t))
        theirs = outcome(lambda s=shape, k=key, t=tracked: got(torch, s, k, t))
        np.testing.assert_equal(mine, theirs, shown)
        if isinstance(theirs, str):
            continue
        args = (shape, key, tracked, value)
        mine = outcome(lambda a=args: put(rg, *a))
        np.testing.assert_equal(mine, outcome(lambda a=args: put(torch, *a)), shown)
