"""Batches, splits and errors of the data part are PyTorch's."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import numpy as np
import pytest

import retrograd as rg

torch = pytest.importorskip(
    "torch", reason="comparisons with PyTorch are skipped: it is not installed"
)
BOTH = (torch, rg)
Point = namedtuple("Point", "x y")


def plain(value: Any) -> Any:
    """Tensors as (dtype, nested lists), containers kept."""
    if isinstance(value, (torch.Tensor, rg.Tensor)):
        return (str(value.dtype).split(".")[1], value.tolist())
    if isinstance(value, np.ndarray):
        return ("array", value.tolist())
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if hasattr(value, "_fields"):
        return type(value)(*map(plain, value))
    if isinstance(value, (list, tuple)):
        return type(value)(map(plain, value))
    return value


SAMPLES: dict[str, Any] = {
    "tensors": lambda m: [m.tensor([1.0, 2.0]), m.tensor([3.0, 4.0])],
    "int": lambda m: [1, 2, 3],
    "float": lambda m: [1.0, 2.5],
    "bool": lambda m: [True, False],
    "str": lambda m: ["a", "b"],
    "bytes": lambda m: [b"a", b"b"],
    "arrays": lambda m: [np.arange(3.0), np.arange(3.0) + 1],
    "arrays-f32": lambda m: [np.zeros((2, 2), np.float32)] * 3,
    "arrays-u8": lambda m: [np.zeros(2, np.uint8)] * 3,
    "numpy-scalars": lambda m: [np.float32(1), np.float32(2)],
    "numpy-doubles": lambda m: [np.float64(1), np.float64(2)],
    "numpy-ints": lambda m: [np.int32(1), np.int32(2)],
    "0-d": lambda m: [np.array(1), np.array(2)],
    "tuples": lambda m: [(m.tensor(1.0), 1, "a"), (m.tensor(2.0), 2, "b")],
    "lists": lambda m: [[1, 2.0], [3, 4.0]],
    "dicts": lambda m: [{"x": 1, "y": [1, 2]}, {"x": 2, "y": [3, 4]}],
    "named": lambda m: [Point(1, 2.0), Point(3, 4.0)],
    "nested": lambda m: [{"a": (np.ones(2), {"b": 1})}, {"a": (np.ones(2), {"b": 2})}],
    "one": lambda m: [m.tensor([1.0])],
}


@pytest.mark.parametrize("kind", SAMPLES)
def test_collate(kind: str) -> None:
    expected, found = (m.utils.data.default_collate(SAMPLES[kind](m)) for m in BOTH)
    assert plain(found) == plain(expected)


@pytest.mark.parametrize("kind", SAMPLES)
def test_convert(kind: str) -> None:
    expected, found = (m.utils.data.default_convert(SAMPLES[kind](m)) for m in BOTH)
    assert plain(found) == plain(expected)


@pytest.mark.parametrize(
    "make",
    [
        lambda m: [m.tensor([1.0, 2.0]), m.tensor([3.0])],
        lambda m: [[1, 2], [3]],
        lambda m: [object(), object()],
        lambda m: [np.array(["a"]), np.array(["b"])],
        lambda m: [None, None],
    ],
)
def test_collate_refuses_what_pytorch_refuses(make: Any) -> None:
    with pytest.raises(Exception) as expected:
        torch.utils.data.default_collate(make(torch))
    with pytest.raises(expected.type):
        rg.utils.data.default_collate(make(rg))


LOADERS: dict[str, Any] = {
    "default": {},
    "batches": {"batch_size": 3},
    "drop": {"batch_size": 3, "drop_last": True},
    "whole": {"batch_size": 100},
    "single": {"batch_size": None},
    "sampler": {"batch_size": 2, "sampler": [4, 1, 1, 0, 6]},
    "batch-sampler": {"batch_sampler": [[0, 3], [5], [1, 2, 6]]},
    "collate": {"batch_size": 3, "collate_fn": lambda batch: len(batch)},
    "workers": {"batch_size": 2, "num_workers": 2, "collate_fn": len},
}


@pytest.mark.parametrize(
    "kind", ["tensors", "subset", "list", "concat", "own", "stack"]
)
@pytest.mark.parametrize("options", LOADERS)
def test_loader(kind: str, options: str) -> None:
    results = []
    for m in BOTH:
        d = m.utils.data
        data: Any = d.TensorDataset(
            m.arange(14.0).reshape(7, 2), m.tensor([1, 2, 3, 4, 5, 6, 7])
        )
        if kind == "subset":
            data = d.Subset(d.Subset(d.ConcatDataset([data]).datasets[0], range(7)),
                            [6, 5, 4, 3, 2, 1, 0])  # fmt: skip
        elif kind == "list":
            data = [1, 2, 3, 4, 5, 6, 7]
        elif kind == "concat":
            data = d.ConcatDataset([data, data])
        elif kind == "stack":
            data = d.StackDataset(a=data, b=[1.0] * 7)
        elif kind == "own":

            class Own(d.Dataset):  # type: ignore[name-defined, misc]
                def __getitem__(self, i: int) -> Any:
                    return {"x": np.full(2, i, np.float32), "i": i, "s": str(i)}

                def __len__(self) -> int:
                    return 7

            data = Own()
        keywords = dict(LOADERS[options])
        if m is torch and "num_workers" in keywords:
            keywords.pop(
                "num_workers"
            )  # processes: slow to start, and the same batches
        loader = d.DataLoader(data, **keywords)
        results.append((len(loader), [plain(batch) for batch in loader]))
    assert results[0] == results[1]


def test_streams() -> None:
    results = []
    for m in BOTH:

        class Stream(m.utils.data.IterableDataset):  # type: ignore[name-defined, misc]
            def __iter__(self) -> Any:
                return iter(range(7))

            def __len__(self) -> int:
                return 7

        for options in ({"batch_size": 3}, {"batch_size": 3, "drop_last": True},
                        {"batch_size": None}, {}):  # fmt: skip
            loader = m.utils.data.DataLoader(Stream() + Stream(), **options)
            results.append((len(loader), [plain(batch) for batch in loader]))
    assert results[:4] == results[4:]


@pytest.mark.parametrize("n", [1, 7, 10, 100])
@pytest.mark.parametrize(
    "lengths", [[0.5, 0.5], [0.7, 0.2, 0.1], [1 / 3] * 3, [1.0], "all", [0.0, 1.0]]
)
@pytest.mark.filterwarnings("ignore:Length of split")
def test_split_sizes(n: int, lengths: Any) -> None:
    lengths = [n] if lengths == "all" else lengths
    expected, found = (
        [len(part) for part in m.utils.data.random_split(range(n), lengths)]
        for m in BOTH
    )
    assert found == expected


def stream(d: Any) -> Any:
    class Stream(d.IterableDataset):  # type: ignore[name-defined, misc]
        def __iter__(self) -> Any:
            return iter(())

    return Stream()


WRONG: list[Any] = [
    lambda m, d: d.DataLoader([1], num_workers=-1),
    lambda m, d: d.DataLoader([1], timeout=-1),
    lambda m, d: d.DataLoader([1], prefetch_factor=2),
    lambda m, d: d.DataLoader([1], num_workers=1, prefetch_factor=-2),
    lambda m, d: d.DataLoader([1], persistent_workers=True),
    lambda m, d: d.DataLoader([1], sampler=[0], shuffle=True),
    lambda m, d: d.DataLoader([1], batch_sampler=[[0]], batch_size=2),
    lambda m, d: d.DataLoader([1], batch_sampler=[[0]], shuffle=True),
    lambda m, d: d.DataLoader([1], batch_sampler=[[0]], drop_last=True),
    lambda m, d: d.DataLoader([1], batch_size=None, drop_last=True),
    lambda m, d: d.DataLoader([1], batch_size=0),
    lambda m, d: d.DataLoader([1], batch_size=1.5),
    lambda m, d: d.DataLoader([], shuffle=True),
    lambda m, d: d.DataLoader(stream(d), shuffle=True),
    lambda m, d: d.DataLoader(stream(d), sampler=[1]),
    lambda m, d: d.DataLoader(stream(d), batch_sampler=[[1]]),
    lambda m, d: len(d.DataLoader(stream(d))),
    lambda m, d: setattr(d.DataLoader([1]), "batch_size", 3),
    lambda m, d: d.TensorDataset(m.zeros(2), m.zeros(3)),
    lambda m, d: d.TensorDataset(m.zeros(2))[2],
    lambda m, d: d.ConcatDataset([]),
    lambda m, d: d.ConcatDataset([stream(d)]),
    lambda m, d: d.ConcatDataset([[1, 2]])[2],
    lambda m, d: d.ConcatDataset([[1, 2]])[-3],
    lambda m, d: list(d.ChainDataset([[1, 2]])),
    lambda m, d: d.StackDataset([1], [1, 2]),
    lambda m, d: d.StackDataset(),
    lambda m, d: d.StackDataset([1], a=[1]),
    lambda m, d: d.random_split(range(5), [2, 2]),
    lambda m, d: d.random_split(range(5), [1.5, -0.5]),
    lambda m, d: d.RandomSampler([1, 2], replacement=1),
    lambda m, d: d.RandomSampler([1, 2], num_samples=0),
    lambda m, d: d.RandomSampler([]),
    lambda m, d: d.WeightedRandomSampler([1.0], 0),
    lambda m, d: d.WeightedRandomSampler([1.0], True),
    lambda m, d: d.WeightedRandomSampler([1.0], 1, replacement=0),
    lambda m, d: d.WeightedRandomSampler([[1.0]], 1),
    lambda m, d: list(d.WeightedRandomSampler([1.0, -1.0], 1)),
    lambda m, d: d.BatchSampler([1], 0, False),
    lambda m, d: d.BatchSampler([1], 1, 0),
    lambda m, d: d.Dataset()[0],
    lambda m, d: next(iter(d.Sampler())),
]


@pytest.mark.parametrize("make", WRONG)
def test_wrong_arguments_raise_the_same(make: Any) -> None:
    with pytest.raises(Exception) as expected:
        make(torch, torch.utils.data)
    with pytest.raises(expected.type):
        make(rg, rg.utils.data)
