"""The other forms of functions: methods, in place, and ``out=``, on PyTorch's samples."""

from __future__ import annotations

import functools
from typing import Any

import pytest

import op_tables
import retrograd as rg

torch: Any = pytest.importorskip(
    "torch", reason="comparisons with PyTorch are skipped: it is not installed"
)
pytestmark = [
    pytest.mark.filterwarnings(
        "ignore:(Using )?torch\\.[a-z_]+ (is deprecated|without)"
    ),
    pytest.mark.filterwarnings(
        "ignore:.*(degrees of freedom|non-resizable|is in beta)"
    ),
]

#: what is drawn at random or left as it was found in memory
CHANCE = {"bernoulli", "normal", "uniform", "multinomial", "exponential", "cauchy",
          "geometric", "log_normal", "rand_like", "randn_like", "randint_like",
          "empty_like", "new_empty", "new_empty_strided", "empty", "randn", "randint",
          "empty_strided", "empty_permuted", "resize_", "resize_as_",
          "histogramdd"}  # fmt: skip


@functools.cache
def entries() -> dict[str, Any]:
    """Name → the first entry of each function that is here too."""
    found = {}
    for name, variants in op_tables.table().items():
        if name.startswith(("nn.", "fft.", "_", "torch.", "signal.", "masked")):
            continue
        if name in CHANCE:
            continue
        try:
            op_tables.ours(name)
        except AttributeError:
            continue
        found[name] = variants[0]
    return found


@functools.cache
def _sample(name: str, grad: bool = False) -> Any:
    """One sample that is no empty case, in float64 where there is one."""
    entry = entries()[name]
    kinds = (torch.float64, torch.float32, torch.int64, torch.bool)
    dtype = next(k for k in kinds if k in entry.dtypes)
    made = op_tables.first(entry, dtype, 8, grad)
    full = [s for s in made if _size(s.input) and not s.broadcasts_input]
    if not full:
        pytest.skip("no sample that can be changed in place")
    return full[0]


def _size(x: Any) -> int:
    return x.numel() if isinstance(x, torch.Tensor) else 1


def _names(form: str) -> list[str]:
    try:
        table = entries()
    except pytest.skip.Exception:  # while tests are collected
        return []
    if form == "out":
        return [n for n, e in table.items() if e.supports_out]
    member = "inplace_variant" if form == "in place" else "method_variant"
    return [n for n, e in table.items() if getattr(e, member) is not None]


def _same(mine: Any, theirs: Any, rtol: float = 1e-9) -> None:
    a, b = op_tables.flat(mine), op_tables.flat(theirs)
    assert len(a) == len(b)
    for i, (x, y) in enumerate(zip(a, b, strict=True)):
        size = max(1.0, op_tables.scale(y)) if isinstance(y, torch.Tensor) else 1
        op_tables.same(x, y, rtol, rtol / 1000 * size, f"result {i}")


#: whose results have signs, or an order, that the problem leaves open
OPEN = {"svd", "linalg.svd", "linalg.eigh", "linalg.eig", "lu_unpack"}


@pytest.mark.parametrize("name", _names("method"))
def test_methods(name: str) -> None:
    entry = entries()[name]
    method = entry.method_variant.__name__
    function = op_tables.ours(name)
    if getattr(rg.Tensor, method) in (function, getattr(function, "__wrapped__", None)):
        return  # the same function, which is compared elsewhere
    sample = _sample(name)
    x, args, kwargs = op_tables.translated((sample.input, sample.args, sample.kwargs))
    if not isinstance(x, rg.Tensor):
        pytest.skip("the first argument is no tensor")
    mine = getattr(x, method)(*args, **kwargs)
    theirs = entry.method_variant(sample.input, *sample.args, **sample.kwargs)
    if name in OPEN:
        assert [o.shape for o in mine] == [tuple(o.shape) for o in theirs]
        return
    _same(mine, theirs)


#: which refuse what wants a gradient as soon as they are called, not in backward
NO_DERIVATIVE = {"nextafter"}


@pytest.mark.parametrize("name", _names("in place"))
def test_in_place(name: str) -> None:
    """The same tensor, with the values and the derivative of PyTorch's."""
    entry = entries()[name]
    grad = entry.supports_autograd and entry.supports_inplace_autograd
    grad = grad and name not in NO_DERIVATIVE
    sample = _sample(name, grad)
    method = entry.inplace_variant.__name__
    ins = op_tables.translated((sample.input, sample.args, sample.kwargs))
    outs, leaves = [], []
    for (x, args, kwargs), lib in (
        (ins, rg), ((sample.input, sample.args, sample.kwargs), torch)
    ):  # fmt: skip
        y = x.clone()
        call = getattr(y, method) if lib is rg else functools.partial(
            entry.inplace_variant, y)  # fmt: skip
        try:
            out = call(*args, **kwargs)
        except RuntimeError as error:
            if lib is torch and "can't be cast" in str(error):
                pytest.skip("PyTorch cannot write this result in place")
            outs.append(error)
            continue
        assert out is y
        outs.append(y)
        leaves.append(list(op_tables.leaves((x, args, kwargs), lib.Tensor)))
    _same(*outs)
    if not outs[1].requires_grad:
        return
    try:
        outs[1].sum().backward()
    except NotImplementedError:
        return
    outs[0].sum().backward()
    for a, b in zip(*leaves, strict=True):
        if b.grad is not None:
            mine = rg.zeros_like(a) if a.grad is None else a.grad
            op_tables.same(mine, b.grad, 1e-8, 1e-10, "gradient")


@pytest.mark.parametrize("name", _names("out"))
def test_out(name: str) -> None:
    """The result is written into tensors that are there, and these are returned."""
    entry = entries()[name]
    sample = _sample(name)
    if name == "special.airy_ai":  # PyTorch has few digits left of −2: test_rarer.py
        sample = sample.transform(lambda x: x.clamp(min=-2))
    ins = op_tables.translated((sample.input, sample.args, sample.kwargs))
    theirs = entry.op(sample.input, *sample.args, **sample.kwargs)
    if not isinstance(theirs, (torch.Tensor, tuple)):
        pytest.skip("the result is no tensor")
    function = op_tables.ours(name, entry.variant_test_name)
    parts = op_tables.flat(theirs)
    made = [
        rg.zeros(tuple(p.shape), dtype=getattr(rg, str(p.dtype)[6:])) for p in parts
    ]
    many = isinstance(theirs, tuple)
    out = function(ins[0], *ins[1], out=tuple(made) if many else made[0], **ins[2])
    for a, b in zip(op_tables.flat(out), made, strict=True):
        assert a is b
    if name not in OPEN:
        # PyTorch's Bessel functions have fewer digits
        _same(list(made), list(parts), 1e-4 if "bessel" in name else 1e-9)
