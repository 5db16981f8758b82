"""Modules that take the number of features from their first input."""

from __future__ import annotations

from typing import Any

import pytest

import retrograd as rg
from retrograd import nn

CASES = [
    (lambda: nn.LazyLinear(3), (2, 5), {"weight": (3, 5), "bias": (3,)}),
    (lambda: nn.LazyConv1d(4, 3), (2, 6, 9), {"weight": (4, 6, 3), "bias": (4,)}),
    (lambda: nn.LazyConv2d(4, 3, groups=2, bias=False), (6, 9, 9), {"weight": (4, 3, 3, 3)}),
    (lambda: nn.LazyConv3d(4, 1), (2, 6, 2, 2, 2), {"weight": (4, 6, 1, 1, 1), "bias": (4,)}),
    (lambda: nn.LazyConvTranspose1d(4, 3), (2, 6, 9), {"weight": (6, 4, 3), "bias": (4,)}),
    (lambda: nn.LazyConvTranspose2d(4, 3, groups=2), (2, 6, 9, 9),
     {"weight": (6, 2, 3, 3), "bias": (4,)}),
    (lambda: nn.LazyConvTranspose3d(4, 1), (2, 6, 2, 2, 2),
     {"weight": (6, 4, 1, 1, 1), "bias": (4,)}),
    (lambda: nn.LazyBatchNorm1d(), (4, 5), {"weight": (5,), "bias": (5,)}),
    (lambda: nn.LazyBatchNorm2d(affine=False), (4, 5, 2, 2), {}),
    (lambda: nn.LazyBatchNorm3d(bias=False), (4, 5, 2, 2, 2), {"weight": (5,)}),
    (lambda: nn.LazyInstanceNorm1d(), (4, 5, 3), {"weight": (5,), "bias": (5,)}),
    (lambda: nn.LazyInstanceNorm2d(), (4, 5, 3, 3), {"weight": (5,), "bias": (5,)}),
    (lambda: nn.LazyInstanceNorm3d(), (4, 5, 3, 3, 3), {"weight": (5,), "bias": (5,)}),
]  # fmt: skip


@pytest.mark.parametrize(("make", "shape", "wanted"), CASES)
def test_the_first_call_makes_an_ordinary_module(
    make: Any, shape: Any, wanted: Any
) -> None:
    module = make()
    kind = type(module)
    assert module.has_uninitialized_params() and "Uninit" in repr(module.state_dict())
    saved = [*module.state_dict()]
    parameters = [*module.parameters()]
    x = rg.randn(*shape)
    module(x)
    assert type(module) is kind.cls_to_become
    assert {n: tuple(p.shape) for n, p in module.named_parameters()} == wanted
    assert all(a is b for a, b in zip(parameters, module.parameters(), strict=True))
    assert [*module.state_dict()] == saved
    # a second one learns its shapes from the first one's state
    other = make()
    other.load_state_dict(module.state_dict())
    assert rg.equal(other.eval()(x), module.eval()(x))
    assert repr(other) == repr(module)


def test_training_from_the_first_step_on() -> None:
    rg.manual_seed(0)
    model = nn.Sequential(nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(), nn.ReLU(),
                          nn.Flatten(), nn.LazyLinear(1))  # fmt: skip
    optimizer = rg.optim.SGD(model.parameters(), lr=0.05)
    x, losses = rg.randn(8, 2, 5, 5), []
    for _ in range(20):
        loss = (model(x) - 1).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.1 * losses[0]
    assert repr(model[4]) == "Linear(in_features=36, out_features=1, bias=True)"


def test_types_and_hooks_from_before_the_first_call() -> None:
    seen: list[int] = []
    layer = nn.LazyLinear(2).double()
    layer.register_forward_hook(lambda *a: seen.append(1))
    assert layer(rg.ones(1, 3, dtype=rg.float64)).dtype is rg.float64
    layer(rg.ones(1, 3, dtype=rg.float64))
    assert seen == [1, 1]


def test_refused() -> None:
    with pytest.raises(RuntimeError, match="uninitialized"):
        nn.LazyLinear(2).weight.shape
    with pytest.raises(RuntimeError, match="Expected 3D"):
        nn.LazyConv2d(2, 1)(rg.ones(3, 3))
    with pytest.raises(ValueError, match="divisible"):
        nn.LazyConv2d(4, 1, groups=2)(rg.ones(3, 4, 4))
