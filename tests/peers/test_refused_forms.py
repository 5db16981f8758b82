"""What PyTorch refuses is refused here, in the other forms of a function: methods, in
place, ``out=``; and the refused inputs of PyTorch's own tests."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest

import op_tables
import retrograd as rg
from peers import mutations
from peers.refused_left import left
from peers.test_refused_calls import check_calls, names, sample_of

torch: Any = pytest.importorskip(
    "torch", reason="comparisons with PyTorch are skipped: it is not installed"
)


def _refuses(entry: Any) -> bool:
    return entry.error_inputs_func is not None


def _forms() -> list[tuple[str, str]]:
    found = []
    for name in names():
        entry = op_tables.table()[name][0]
        for form, theirs in (("", entry.method_variant), ("_", entry.inplace_variant)):
            if theirs is not None and hasattr(rg.Tensor, name + form):
                found.append((name, form))
    return found


@pytest.mark.parametrize(("name", "form"), _forms())
def test_forms(name: str, form: str) -> None:
    """Methods and their in-place twins: every fifth of the calls."""
    entry = op_tables.table()[name][0]
    theirs = entry.inplace_variant if form else entry.method_variant
    ours = getattr(rg.Tensor, name + form)
    sample = sample_of(name)
    kwargs = {k: v for k, v in sample.kwargs.items() if k != "device"}
    phase = sum(name.encode())

    def chosen(place: int, call: mutations.Call) -> bool:
        own = bool(call.args) and isinstance(call.args[0], torch.Tensor)
        return own and (place + phase) % 5 == 0

    check_calls(f"{name}{form} (method)", ours, theirs, [sample.input, *sample.args], kwargs,
             left(name), chosen)  # fmt: skip


#: refusals over memory: what is carried over to this library has memory of its own
_MEMORY = ("unsupported operation: ", "Trying to resize storage")
#: PyTorch's own refused inputs that end otherwise here: name and number → why
_OTHERWISE = {
    ("masked_fill", 1): "a complex number is no number here",
    ("narrow_copy", 1): "a dimension out of range is an IndexError in every function",
}


@pytest.mark.parametrize(
    "name", [n for n in names() if any(map(_refuses, op_tables.table()[n]))]
)
def test_error_inputs(name: str) -> None:
    """What PyTorch's own tests say is refused."""
    for entry in op_tables.table()[name]:
        function = op_tables.ours(name, entry.variant_test_name)
        for i, bad in enumerate(entry.error_inputs("cpu") if _refuses(entry) else ()):
            sample = bad.sample_input
            args, kwargs = [sample.input, *sample.args], sample.kwargs
            mutations.forget()
            try:
                ours = op_tables.translated((args, kwargs))
            except (pytest.skip.Exception, AttributeError):
                continue  # complex numbers, other devices
            theirs = mutations.outcome(entry.op, args, kwargs)
            if str(theirs.error).startswith(_MEMORY):
                continue
            mine = mutations.outcome(function, *ours)
            differs = mutations.compared(mine, theirs)
            assert bool(differs) is ((name, i) in _OTHERWISE), (
                i,
                differs,
                mine,
                theirs,
            )


#: what may stand in the place of ``out=``, from the result
_OUTS: dict[str, Callable[[Any], Any]] = {
    "str": lambda r: "a",
    "list": lambda r: [1.0],
    "int64": lambda r: r.to(torch.int64),
    "float32": lambda r: r.detach().to(torch.float32),
    "requires_grad": lambda r: torch.empty_like(
        r, dtype=torch.float64
    ).requires_grad_(),
    "another shape": lambda r: r.new_empty((*r.shape, 2)),
    "the result": lambda r: r.detach().clone(),
}
#: layers' functions, which PyTorch gives ``out=`` and documents without: a TypeError here
_NO_OUT = set(
    "avg_pool2d avg_pool3d linear logsigmoid softshrink hardshrink gelu softplus".split()
)
#: name → what ends otherwise here
_OUT_OTHERWISE = {
    "bernoulli": {"int64"},  # draws in the type of the input, as it says
    "conj_physical": {"float32"},  # written to as by any cast
    "linalg.cholesky": {"float32"},  # as torch.cholesky, which is the same function
    "linalg.solve": {"float32"},
    "nanmean": {"int64"},  # refused as every result of a higher kind
    "nansum": {"int64"},
    "histc": {"requires_grad"},
}


@pytest.mark.parametrize(
    "name", [n for n in names() if op_tables.table()[n][0].supports_out]
)
def test_out(name: str) -> None:
    """``out=`` that PyTorch refuses."""
    entry = op_tables.table()[name][0]
    sample = sample_of(name)
    kwargs = {
        k: v for k, v in sample.kwargs.items() if k != "device" and not callable(v)
    }
    args = [sample.input, *sample.args]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = entry.op(*args, **kwargs)
    if not isinstance(result, torch.Tensor):
        return  # several results
    function = op_tables.ours(name, entry.variant_test_name)
    for label, wrong in _OUTS.items():
        out = wrong(result)
        mutations.forget()
        try:
            mine = op_tables.translated((args, {**kwargs, "out": out}))
        except (pytest.skip.Exception, AttributeError):
            continue
        theirs = mutations.outcome(
            entry.op, mutations.copied(args), {**kwargs, "out": out}
        )
        differs = mutations.compared(mutations.outcome(function, *mine), theirs)
        if name.removeprefix("nn.functional.") in _NO_OUT:
            with pytest.raises(TypeError, match="out"):
                function(*mine[0], **mine[1])
        elif differs == "refused here":
            assert label in ("str", "requires_grad", "int64"), label
        else:
            known = label in _OUT_OTHERWISE.get(name, ())
            assert bool(differs) is known, (label, differs, theirs)
