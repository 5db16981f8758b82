"""Every primitive's samples pass gradient checks to second order, in both executors
the same: a primitive with a rule and without a sample fails here."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import retrograd as rg
import retrograd.nn  # registers the primitives of layers
from retrograd.dispatch import apply
from retrograd.ops.op import REGISTRY, Op, Sample

OPS = {name: op for name, op in REGISTRY.items() if not name.startswith("_")}


def cases() -> list[Any]:
    return [
        pytest.param(op, sample, id=f"{name}-{i}")
        for name, op in OPS.items()
        for i, sample in enumerate(op.samples())
    ]


def tensors(op: type[Op], sample: Sample) -> list[Any]:
    """The sample's arrays as tensors; those with a rule want their gradient."""
    result = []
    for i, array in enumerate(sample.arrays):
        t = rg.tensor(np.asarray(array))
        name = op.inputs[min(i, len(op.inputs) - 1)]
        rule = op.rules.get(name)
        if rule and not rule.refuses and t.is_floating_point():
            t.requires_grad_()
        result.append(t)
    return result


@pytest.mark.parametrize("name", [n for n, op in OPS.items() if op.rules])
def test_it_has_samples(name: str) -> None:
    assert OPS[name].samples(), f"{name} has a rule and no sample to check it on"


@pytest.mark.parametrize(("op", "sample"), cases())
def test_gradients_to_second_order(op: type[Op], sample: Sample) -> None:
    inputs = tensors(op, sample)
    wanted = [t for t in inputs if t.requires_grad and t.numel()]
    if not wanted:
        assert not apply(op, *inputs, **sample.attrs).requires_grad or op.rules
        return

    def function(*given: Any) -> Any:
        rest = iter(given)
        full = [next(rest) if t.requires_grad and t.numel() else t for t in inputs]
        return apply(op, *full, **sample.attrs)

    if not function(*wanted).is_floating_point():
        return
    assert rg.autograd.gradcheck(function, wanted)
    assert rg.autograd.gradgradcheck(function, wanted)


@pytest.mark.parametrize(("op", "sample"), cases())
def test_both_executors_agree(
    op: type[Op], sample: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = []
    for executor in ("interpreter", "native"):
        monkeypatch.setattr("retrograd.execute.cache.EXECUTOR", executor)
        inputs = tensors(op, sample)
        out = apply(op, *inputs, **sample.attrs)
        values = [out.detach().numpy()]
        if out.requires_grad and out.numel():
            weights = rg.tensor(np.cos(np.arange(out.numel())).reshape(out.shape))
            (out * weights).sum().backward()
            values += [t.grad.numpy() for t in inputs if t.grad is not None]
        results.append(values)
    for a, b in zip(*results, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)
