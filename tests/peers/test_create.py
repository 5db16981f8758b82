"""Making tensors as PyTorch does: values, types, flags, layouts and refusals."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import op_tables
import retrograd as rg

torch: Any = pytest.importorskip(
    "torch", reason="comparisons with PyTorch are skipped: it is not installed"
)

KNOWN = """zeros ones full zeros_like ones_like full_like new_zeros new_ones new_full eye
arange linspace logspace tril_indices triu_indices scalar_tensor""".split()
#: what they hold is not said
SHAPED = """empty empty_like new_empty empty_strided new_empty_strided empty_permuted
randn rand_like randn_like randint randint_like""".split()
TYPES = ["float32", "float64", "int64", "uint8", "bool", "bfloat16", "float16"]


def call(name: str) -> Callable[..., Any]:
    """The function, or the method, of that name."""
    if hasattr(rg, name):
        found: Callable[..., Any] = op_tables.ours(name)
        return found
    return lambda x, *args, **kwargs: getattr(x, name)(*args, **kwargs)


@pytest.mark.parametrize("name", KNOWN + SHAPED)
def test_tables(name: str) -> None:
    for entry in op_tables.table()[name]:
        for word in TYPES[: 3 if "space" in name else None]:
            dtype = getattr(torch, word)
            if dtype not in entry.dtypes:
                continue
            for sample in op_tables.samples(entry, dtype, most=12, grad=False):
                given = (sample.input, sample.args, sample.kwargs)
                want = entry.op(given[0], *given[1], **given[2])
                x, args, kwargs = op_tables.translated(given)
                have = call(name)(x, *args, **kwargs)
                if name in SHAPED:
                    have, want = have.detach().zero_(), want.detach().zero_()
                op_tables.same(have, want, 1e-6, 1e-6, f"{name}{given}")


@pytest.mark.parametrize(
    "name", [*KNOWN, *SHAPED, "normal", "bernoulli", "multinomial", "uniform",
             "exponential", "geometric", "log_normal", "cauchy"]
)  # fmt: skip
def test_refused_samples(name: str) -> None:
    for entry in op_tables.table()[name]:
        for sample, kind in op_tables.refusals(entry):
            if (
                isinstance(sample.kwargs.get("out"), torch.Tensor)
                and name == "bernoulli"
            ):
                continue  # about memory that overlaps, which a translation has not
            x, args, kwargs = op_tables.translated(
                (sample.input, sample.args, sample.kwargs)
            )
            placed = entry.variant_test_name == "in_place" or not hasattr(rg, name)
            ours = call(name + "_" if placed else name)
            with pytest.raises(kind):
                ours(x, *args, **kwargs).tolist()


X = [[1.5, -2.0, 3.0], [4.0, 5.0, -6.5]]
#: one program for both libraries each
SAME: list[Callable[[Any], Any]] = [
    lambda lib: lib.tensor(3),
    lambda lib: lib.tensor(True),
    lambda lib: lib.tensor(2.5),
    lambda lib: lib.tensor([]),
    lambda lib: lib.tensor([[], []]),
    lambda lib: lib.tensor([1, 2.5, True]),
    lambda lib: lib.tensor([True, 2]),
    lambda lib: lib.tensor(((1, 2), (3, 4))),
    lambda lib: lib.tensor(np.float64(2.0)),
    lambda lib: lib.tensor(np.int16(2)),
    lambda lib: lib.tensor(np.arange(3, dtype=np.uint8)),
    lambda lib: lib.tensor([np.float32(1), np.float32(2)]),
    lambda lib: lib.tensor([lib.tensor(1), lib.tensor(2)]),
    lambda lib: lib.tensor([lib.tensor(1.5), 2]),
    lambda lib: lib.tensor(range(4)),
    lambda lib: lib.tensor([1.9, -1.9], dtype=lib.int32),
    lambda lib: lib.tensor([0.0, 0.3], dtype=lib.bool),
    lambda lib: lib.tensor(-1, dtype=lib.uint8),
    lambda lib: lib.tensor(300, dtype=lib.uint8),
    lambda lib: lib.tensor(2**70),
    lambda lib: lib.tensor(2**63),
    lambda lib: lib.tensor([1, [2]]),
    lambda lib: lib.tensor([[1, 2], [3]]),
    lambda lib: lib.tensor("a"),
    lambda lib: lib.tensor(["a"]),
    lambda lib: lib.tensor(None),
    lambda lib: lib.tensor([None]),
    lambda lib: lib.tensor(object()),
    lambda lib: lib.tensor({}),
    lambda lib: lib.tensor([1, 2], requires_grad=True),
    lambda lib: lib.tensor([1.0], requires_grad=True),
    lambda lib: lib.tensor([1.0], requires_grad=True, dtype=lib.float64),
    lambda lib: lib.tensor([1.0], device="cpu", pin_memory=False),
    lambda lib: lib.tensor(lib.tensor([1.0], requires_grad=True)),
    lambda lib: lib.Tensor([1, 2]),
    lambda lib: lib.Tensor(2, 0),
    lambda lib: lib.as_tensor([1, 2]),
    lambda lib: lib.as_tensor(np.arange(3), dtype=lib.float32),
    lambda lib: lib.as_tensor(lib.ones(2), dtype=lib.int64, device="cpu"),
    lambda lib: lib.asarray([1.5, 2]),
    lambda lib: lib.asarray(np.ones(2), copy=True),
    lambda lib: lib.asarray(np.ones(2), requires_grad=True),
    lambda lib: lib.asarray([1.0], copy=False),
    lambda lib: lib.asarray(lib.ones(2, requires_grad=True)),
    lambda lib: lib.asarray(lib.ones(2), dtype=lib.float64, copy=False),
    lambda lib: lib.from_numpy(np.ones((2, 3))[:, ::2]),
    lambda lib: lib.from_numpy([1.0]),
    lambda lib: lib.from_numpy(np.array(["a"])),
    lambda lib: lib.from_numpy(np.ones(3)[::-1]),
    lambda lib: lib.from_numpy(np.ones(2, ">f4")),
    lambda lib: lib.frombuffer(bytearray(b"\1\0\2\0"), dtype=lib.int16),
    lambda lib: lib.frombuffer(bytearray(16), dtype=lib.float32, count=2, offset=4),
    lambda lib: lib.frombuffer(bytearray(15), dtype=lib.float32),
    lambda lib: lib.frombuffer(bytearray(16), dtype=lib.float32, count=5),
    lambda lib: lib.frombuffer(bytearray(16), dtype=lib.float32, offset=16),
    lambda lib: lib.frombuffer(bytearray(0), dtype=lib.float32),
    lambda lib: lib.frombuffer(bytearray(4), dtype=lib.float32, count=0),
    lambda lib: lib.frombuffer([1], dtype=lib.float32),
    lambda lib: lib.from_dlpack(np.arange(3)),
    lambda lib: lib.scalar_tensor(3),
    lambda lib: lib.scalar_tensor(3, dtype=lib.int64),
    lambda lib: lib.zeros(2, 3),
    lambda lib: lib.zeros((2, 3)),
    lambda lib: lib.zeros([2, 3]),
    lambda lib: lib.zeros(()),
    lambda lib: lib.zeros(0, 2),
    lambda lib: lib.zeros(size=(2,)),
    lambda lib: lib.zeros(),
    lambda lib: lib.zeros(-1),
    lambda lib: lib.zeros(2.0),
    lambda lib: lib.zeros("a"),
    lambda lib: lib.zeros(lib.tensor(2)),
    lambda lib: lib.zeros([2, lib.tensor(2)]),
    lambda lib: lib.zeros(2, foo=1),
    lambda lib: lib.zeros(2, device="nowhere"),
    lambda lib: lib.zeros(2, requires_grad=True),
    lambda lib: lib.zeros(2, dtype=lib.int64, requires_grad=True),
    lambda lib: lib.zeros(2, layout=lib.strided, device="cpu", pin_memory=False),
    lambda lib: lib.zeros(2, out=lib.ones(2)),
    lambda lib: lib.zeros(2, out=lib.ones(3)),
    lambda lib: lib.ones(2, dtype=lib.bool),
    lambda lib: lib.full((2,), 3),
    lambda lib: lib.full((2,), 3.0),
    lambda lib: lib.full((2,), True),
    lambda lib: lib.full((), lib.tensor(2.0)),
    lambda lib: lib.full((2,), 300, dtype=lib.uint8),
    lambda lib: lib.full((2,), -1, dtype=lib.uint8),
    lambda lib: lib.full((2,), 2.7, dtype=lib.int64),
    lambda lib: lib.full((2,), float("nan")),
    lambda lib: lib.full(2, 3),
    lambda lib: lib.full((2,), 3, out=lib.zeros(2)),
    lambda lib: lib.full_like(lib.zeros(2, dtype=lib.int64), 3.7),
    lambda lib: lib.full_like(lib.zeros(2), 3, dtype=lib.int64, requires_grad=False),
    lambda lib: lib.zeros_like(lib.tensor(X, requires_grad=True)),
    lambda lib: lib.ones_like(lib.tensor(X), dtype=lib.bool),
    lambda lib: lib.ones_like(lib.tensor(X), requires_grad=True),
    lambda lib: lib.zeros_like(
        lib.tensor(X), memory_format=lib.preserve_format, device="cpu"
    ),
    lambda lib: lib.zeros_like([1.0]),
    lambda lib: lib.tensor(X).new_tensor([1, 2]),
    lambda lib: lib.tensor(X).new_tensor([1, 2], dtype=lib.int64),
    lambda lib: lib.tensor(X).new_full((2,), 3),
    lambda lib: lib.tensor(X).new_zeros(2, 3, requires_grad=True),
    lambda lib: lib.tensor([1]).new_ones((2,), dtype=lib.float64),
    lambda lib: lib.eye(2, 3),
    lambda lib: lib.eye(0),
    lambda lib: lib.eye(2, dtype=lib.int64, out=lib.zeros(2, 2, dtype=lib.int64)),
    lambda lib: lib.eye(-1),
    lambda lib: lib.eye(2.0),
    lambda lib: lib.arange(5),
    lambda lib: lib.arange(0),
    lambda lib: lib.arange(1, 4),
    lambda lib: lib.arange(5, 1, -2),
    lambda lib: lib.arange(1, 2, 0.3),
    lambda lib: lib.arange(2.0),
    lambda lib: lib.arange(0, 1, 0.1, dtype=lib.float64),
    lambda lib: lib.arange(3, dtype=lib.float32, requires_grad=True),
    lambda lib: lib.arange(1, 1),
    lambda lib: lib.arange(1, 4, -1),
    lambda lib: lib.arange(1, 4, 0),
    lambda lib: lib.arange(float("inf")),
    lambda lib: lib.arange(0, 3, dtype=lib.bool),
    lambda lib: lib.arange(start=1, end=7, step=3),
    lambda lib: lib.arange(end=3),
    lambda lib: lib.arange(lib.tensor(3)),
    lambda lib: lib.arange(2.7, dtype=lib.int64),
    lambda lib: lib.arange(0.5, 5.2, 1.3, dtype=lib.int64),
    lambda lib: lib.arange(2**60, 2**60 + 2),
    lambda lib: lib.arange(3, out=lib.zeros(3)),
    lambda lib: lib.linspace(0, 1, 5),
    lambda lib: lib.linspace(0, 1, 1),
    lambda lib: lib.linspace(0, 1, 0),
    lambda lib: lib.linspace(1, -1, 4, dtype=lib.float64),
    lambda lib: lib.linspace(0, 10, 4, dtype=lib.int64),
    lambda lib: lib.linspace(-10, 10, 7, dtype=lib.int32),
    lambda lib: lib.linspace(lib.tensor(1.0), 2, 3),
    lambda lib: lib.linspace(lib.tensor([1.0, 2.0]), 2, 3),
    lambda lib: lib.linspace(0, 1, -1),
    lambda lib: lib.linspace(0, 1, 2.5),
    lambda lib: lib.linspace(start=0, end=1, steps=3, requires_grad=True),
    lambda lib: lib.linspace(0, 1),
    lambda lib: lib.linspace(0, 1, 3, out=lib.zeros(3)),
    lambda lib: lib.logspace(0, 3, 4),
    lambda lib: lib.logspace(0, 3, 4, base=2),
    lambda lib: lib.logspace(0, 3, 4, base=2, dtype=lib.int64),
    lambda lib: lib.logspace(-1, 1, 3, 2.0, dtype=lib.float64),
    lambda lib: lib.logspace(0, 1, 1),
    lambda lib: lib.logspace(0, 1, -2),
    lambda lib: lib.tril_indices(3, 4, 1),
    lambda lib: lib.triu_indices(3, 4, -1, dtype=lib.int32),
    lambda lib: lib.tril_indices(-1, 2),
    lambda lib: lib.tril_indices(0, 2),
    lambda lib: lib.vander(lib.tensor([1.0, 2.0, 3.0])),
    lambda lib: lib.vander(lib.tensor([1, 2, 3]), 2, True),
    lambda lib: lib.vander(lib.tensor([1, 2, 3]), 0),
    lambda lib: lib.vander(lib.tensor([[1]])),
    lambda lib: lib.vander(lib.tensor([1]), -1),
    lambda lib: lib.empty_strided((2, 3), (1, 2)).stride(),
    lambda lib: lib.empty_strided((2, 3), (1,)),
    lambda lib: lib.empty_permuted((2, 3, 4), (2, 0, 1)).stride(),
    lambda lib: lib.empty_permuted((2, 3), (0, 0)),
    lambda lib: lib.rand(2, dtype=lib.int64),
    lambda lib: lib.rand(),
    lambda lib: lib.rand(-1),
    lambda lib: lib.rand(2.0),
    lambda lib: lib.rand(2, foo=1),
    lambda lib: lib.randn(2, dtype=lib.int64),
    lambda lib: lib.randint(0, (2,)),
    lambda lib: lib.randint(3, 1, (2,)),
    lambda lib: lib.randint(3, 2),
    lambda lib: lib.randint(0.5, (2,)),
    lambda lib: lib.randint(0, 300, (2,), dtype=lib.uint8),
    lambda lib: lib.randint(-300, 3, (2,), dtype=lib.int8),
    lambda lib: lib.randint(0, 3, (2,), requires_grad=True),
    lambda lib: lib.randint(3, 4, (2,)),
    lambda lib: lib.randint(low=3, high=4, size=(2,), dtype=lib.float32),
    lambda lib: lib.randint(high=1, size=(2, 2)),
    lambda lib: lib.randint(1, (2,), dtype=lib.bool),
    lambda lib: lib.randint_like(lib.zeros(2), 1),
    lambda lib: lib.randint_like(lib.zeros(2), 1, 2, dtype=lib.int64),
    lambda lib: lib.randint_like(lib.zeros(2), low=1, high=2),
    lambda lib: lib.randperm(5, dtype=lib.int32).sort()[0],
    lambda lib: lib.randperm(0),
    lambda lib: lib.randperm(-1),
    lambda lib: lib.randperm(2.5),
    lambda lib: lib.randperm(3, dtype=lib.bool),
    lambda lib: lib.randperm(300, dtype=lib.uint8),
    lambda lib: lib.randperm(5000, dtype=lib.float16),
    lambda lib: lib.randperm(1, dtype=lib.float32, requires_grad=True),
    lambda lib: lib.normal(0.0, -1.0, (2,)),
    lambda lib: lib.normal(lib.zeros(2), -1.0),
    lambda lib: lib.normal(0.0, -lib.ones(2)),
    lambda lib: lib.normal(lib.zeros(2, dtype=lib.int64), 1.0),
    lambda lib: lib.normal(lib.zeros(2), lib.ones(3)),
    lambda lib: lib.normal(0.0, 1.0),
    lambda lib: lib.normal(lib.tensor([1.0, 2.0]), 0.0),
    lambda lib: lib.normal(lib.tensor([1.0, 2.0]), lib.zeros(2, 1)),
    lambda lib: lib.normal(2.0, 0.0, (2,), dtype=lib.float64, requires_grad=True),
    lambda lib: lib.bernoulli(lib.tensor([0.0, 1.0])),
    lambda lib: lib.bernoulli(lib.tensor([0.0, 1.0], requires_grad=True)),
    lambda lib: lib.bernoulli(lib.tensor([1.5])),
    lambda lib: lib.bernoulli(lib.tensor([float("nan")])),
    lambda lib: lib.bernoulli(lib.tensor([1])),
    lambda lib: lib.bernoulli(lib.tensor([1, 3]), 1.0),
    lambda lib: lib.multinomial(lib.tensor([0.0, 2.0]), 2, True),
    lambda lib: lib.multinomial(lib.tensor([[0.0, 2.0], [1.0, 0.0]]), 1),
    lambda lib: lib.multinomial(lib.tensor([1.0, 2.0]), 3),
    lambda lib: lib.multinomial(lib.tensor([1.0, 2.0]), 0),
    lambda lib: lib.multinomial(lib.tensor([-1.0, 2.0]), 1),
    lambda lib: lib.multinomial(lib.tensor([float("inf"), 2.0]), 1),
    lambda lib: lib.multinomial(lib.zeros(2), 1, True),
    lambda lib: lib.multinomial(lib.ones(2, 2, 2), 1),
    lambda lib: lib.multinomial(lib.tensor([1]), 1),
    lambda lib: lib.multinomial(lib.tensor(1.0), 1),
    lambda lib: lib.multinomial(lib.zeros(0, 3), 2),
    lambda lib: lib.poisson(lib.zeros(2)),
    lambda lib: lib.poisson(-lib.ones(2)),
    lambda lib: lib.poisson(lib.tensor(float("nan"))),
    lambda lib: lib.poisson(lib.tensor([1])),
    lambda lib: lib.poisson(lib.zeros(2, requires_grad=True)),
    lambda lib: lib.binomial(lib.tensor([10.0]), lib.tensor([1.0])),
    lambda lib: lib.binomial(lib.tensor([10.0, 0.0, -3.0]), lib.tensor(1.5)),
    lambda lib: lib.binomial(lib.tensor([10]), lib.tensor([0.5])),
    lambda lib: lib.binomial(lib.ones(1, dtype=lib.float64), lib.ones(1)),
    lambda lib: lib.zeros(2).uniform_(2, 1),
    lambda lib: lib.zeros(2).uniform_(2, 2),
    lambda lib: lib.zeros(2).uniform_(0, float("inf")),
    lambda lib: lib.zeros(2, dtype=lib.int64).uniform_(),
    lambda lib: lib.zeros(2).normal_(3, 0),
    lambda lib: lib.zeros(2).normal_(0, -1),
    lambda lib: lib.zeros(2, dtype=lib.int64).normal_(),
    lambda lib: lib.zeros(2).exponential_(0),
    lambda lib: lib.zeros(2, dtype=lib.int64).exponential_(),
    lambda lib: lib.zeros(2).log_normal_(0, 0),
    lambda lib: lib.zeros(2, dtype=lib.int64).log_normal_(),
    lambda lib: lib.zeros(2).cauchy_(0, 0),
    lambda lib: lib.zeros(2, dtype=lib.int64).cauchy_(),
    lambda lib: lib.zeros(2).geometric_(0.0),
    lambda lib: lib.zeros(2).geometric_(1.0),
    lambda lib: lib.zeros(2, dtype=lib.bool).geometric_(0.5),
    lambda lib: lib.zeros(2, dtype=lib.int64).geometric_(1 - 1e-15),
    lambda lib: lib.zeros(2).bernoulli_(1.5),
    lambda lib: lib.zeros(2).bernoulli_(1),
    lambda lib: lib.zeros(2, dtype=lib.bool).bernoulli_(1.0),
    lambda lib: lib.zeros(2, dtype=lib.int64).bernoulli_(lib.tensor([0.0, 1.0])),
    lambda lib: lib.zeros(2).random_(3, 3),
    lambda lib: lib.zeros(2).random_(1),
    lambda lib: lib.zeros(2).random_(-5, -4),
    lambda lib: lib.zeros(2, dtype=lib.uint8).random_(0, 1000),
    lambda lib: lib.zeros(2, requires_grad=True).uniform_(),
    lambda lib: (lib.zeros(2, requires_grad=True) * 1).uniform_(1, 1),
]


def shown(lib: Any, function: Callable[[Any], Any]) -> Any:
    """Everything about the result; the class of the error where there is one."""
    try:
        out = function(lib)
        if isinstance(out, tuple):
            return out
        made = out.detach()
        made = made.double() if made.is_floating_point() else made
        values = np.asarray(made.numpy(), np.float64)
        kind = str(out.dtype).split(".")[-1]
        return kind, tuple(out.shape), out.requires_grad, np.round(values, 5).tolist()
    except Exception as error:
        return type(error)


@pytest.mark.filterwarnings("ignore:torch.asarray. unspecified:UserWarning")
@pytest.mark.parametrize("i", range(len(SAME)))
def test_one_by_one(i: int) -> None:
    np.testing.assert_equal(shown(rg, SAME[i]), shown(torch, SAME[i]))


WINDOWS = ["hann", "hamming", "bartlett", "blackman", "kaiser"]


@pytest.mark.parametrize("name", WINDOWS)
def test_windows(name: str) -> None:
    get = operator.attrgetter(f"{name}_window")
    for n in (0, 1, 2, 3, 8, 13):
        for periodic in (True, False):
            for kind in ("float32", "float64"):
                mine = get(rg)(n, periodic, dtype=getattr(rg, kind))
                theirs = get(torch)(n, periodic, dtype=getattr(torch, kind))
                op_tables.same(mine, theirs, 1e-6, 1e-6, f"{name} {n}")
    for bad in ({"window_length": -1}, {"window_length": 3, "dtype": "int64"}):
        for lib in (rg, torch):
            given = {
                k: getattr(lib, str(v)) if k == "dtype" else v for k, v in bad.items()
            }
            with pytest.raises(RuntimeError):
                get(lib)(**given)
    assert get(rg)(4, requires_grad=True).requires_grad


def test_shared_memory() -> None:
    a = np.arange(4.0)
    for share in (rg.from_numpy, rg.as_tensor, rg.asarray, rg.from_dlpack):
        x = share(a)
        x[0] = 7.0
        assert a[0] == 7.0
        a[0] = 1.0
        assert x[0].item() == 1.0
    for copy in (rg.tensor, lambda v: rg.asarray(v, copy=True)):
        copy(a)[1] = 9.0
        assert a[1] == 1.0
    x = rg.ones(2)
    assert rg.as_tensor(x) is x
    seen = np.from_dlpack(x)
    x.mul_(3.0)
    assert seen.tolist() == [3.0, 3.0]
    store = bytearray(8)
    rg.frombuffer(store, dtype=rg.int32).fill_(1)
    assert bytes(store) == b"\1\0\0\0\1\0\0\0"
    foreign = torch.zeros(3)
    rg.from_dlpack(foreign).add_(2.0)
    assert foreign.tolist() == [2.0, 2.0, 2.0]


def test_default_type() -> None:
    rg.set_default_dtype(rg.float64)
    made = [rg.zeros(1), rg.rand(1), rg.tensor(1.0), rg.arange(1.0), rg.linspace(0, 1, 2),
            rg.full((1,), 2.0), rg.eye(1), rg.hann_window(2), rg.tensor([]),
            rg.normal(0, 1, (1,))]  # fmt: skip
    assert all(x.dtype is rg.float64 for x in made)
