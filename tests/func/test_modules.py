"""Modules under the transformations: per-sample gradients, ensembles, swapped weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import retrograd as rg
from retrograd import nn
from retrograd.func import (
    functional_call,
    grad,
    jvp,
    replace_all_batch_norm_modules_,
    stack_module_state,
    vjp,
    vmap,
)
from retrograd.ops.op import probe


def t(*shape: int, seed: int = 0) -> Any:
    return rg.tensor(probe(*shape, seed=seed))


def close(a: Any, b: Any, tolerance: float = 1e-10) -> None:
    assert a.shape == b.shape
    np.testing.assert_allclose(
        a.detach().numpy(), b.detach().numpy(), rtol=tolerance, atol=tolerance
    )


def first(m: Any) -> Callable[..., Any]:
    """A module that gives several results, as a function of one."""

    class First(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = m

        def forward(self, *args: Any) -> Any:
            return self.inner(*args)[0]

    return First()


#: module, and inputs of one example (with a batch of one where the module wants one)
MODULES: dict[str, tuple[Callable[[], Any], tuple[Any, ...]]] = {
    "linear": (lambda: nn.Linear(3, 2), ((3,),)),
    "bilinear": (lambda: nn.Bilinear(3, 2, 4), ((1, 3), (1, 2))),
    "sequential": (
        lambda: nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)),
        ((3,),),
    ),
    "conv1d": (lambda: nn.Conv1d(2, 4, 3, stride=2, padding=1, groups=2), ((2, 7),)),
    "conv2d": (
        lambda: nn.Conv2d(2, 3, 3, padding=1, dilation=2, bias=False),
        ((1, 2, 5, 6),),
    ),
    "conv2d circular": (
        lambda: nn.Conv2d(1, 2, 3, padding=1, padding_mode="circular"),
        ((1, 4, 4),),
    ),
    "conv_transpose2d": (
        lambda: nn.ConvTranspose2d(2, 4, 3, stride=2, output_padding=1, groups=2),
        ((2, 3, 3),),
    ),
    "conv3d": (lambda: nn.Conv3d(1, 2, 2), ((1, 3, 3, 3),)),
    "layer norm": (lambda: nn.LayerNorm(4), ((3, 4),)),
    "rms norm": (lambda: nn.RMSNorm(4), ((3, 4),)),
    "group norm": (lambda: nn.GroupNorm(2, 4), ((2, 4, 3),)),
    "instance norm": (lambda: nn.InstanceNorm1d(3, affine=True), ((2, 3, 4),)),
    "batch norm": (lambda: nn.BatchNorm1d(3).eval(), ((4, 3),)),
    "batch norm without statistics": (
        lambda: nn.BatchNorm1d(3, track_running_stats=False),
        ((4, 3),),
    ),
    "max pool": (
        lambda: nn.Sequential(nn.Conv2d(1, 2, 1), nn.MaxPool2d(2)),
        ((1, 4, 4),),
    ),
    "average pool": (
        lambda: nn.Sequential(nn.Conv2d(1, 2, 1), nn.AvgPool2d(3, 2, 1)),
        ((1, 5, 5),),
    ),
    "adaptive pool": (
        lambda: nn.Sequential(nn.Conv1d(1, 2, 1), nn.AdaptiveAvgPool1d(2)),
        ((1, 5),),
    ),
    "attention": (
        lambda: first(nn.MultiheadAttention(4, 2, batch_first=True)),
        ((1, 3, 4), (1, 3, 4), (1, 3, 4)),
    ),
    "encoder layer": (
        lambda: nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0, batch_first=True),
        ((1, 3, 4),),
    ),
    "prelu": (lambda: nn.Sequential(nn.Linear(3, 4), nn.PReLU()), ((3,),)),
}


@pytest.mark.parametrize("name", MODULES)
def test_per_sample_gradients(name: str) -> None:
    """vmap(grad) of a loss with respect to all parameters is the loop, and so are the
    tangents and their gradients."""
    make, shapes = MODULES[name]
    rg.manual_seed(3)
    net = make().double()
    params = {k: p.detach() for k, p in net.named_parameters()}
    batch = [t(3, *s, seed=i) for i, s in enumerate(shapes)]

    def loss(p: Any, *xs: Any) -> Any:
        out = functional_call(net, p, xs)
        return (out * out).sum() + out.sin().sum()

    dims = (None, *(0 for _ in batch))
    found = vmap(grad(loss), dims)(params, *batch)
    for i in range(3):
        net.zero_grad()
        out = net(*[b[i] for b in batch])
        ((out * out).sum() + out.sin().sum()).backward()
        for k, p in net.named_parameters():
            close(found[k][i], p.grad)
    along = {k: t(*p.shape, seed=9) for k, p in params.items()}

    def tangent(*xs: Any) -> Any:
        return jvp(lambda p: loss(p, *xs), (params,), (along,))[1]

    slopes = vmap(tangent)(*batch)
    expected = sum((found[k] * along[k]).flatten(1).sum(1) for k in params)
    close(slopes, expected, 1e-9)


@pytest.mark.parametrize("name", ["RNN", "GRU", "LSTM"])
def test_recurrent_layers(name: str) -> None:
    net = getattr(nn, name)(2, 3, num_layers=2, batch_first=True).double()
    params = {k: p.detach() for k, p in net.named_parameters()}
    xs = t(2, 1, 4, 2)

    def loss(p: Any, x: Any) -> Any:
        return (functional_call(net, p, (x,))[0] ** 2).sum()

    found = vmap(grad(loss), (None, 0))(params, xs)
    for i in range(2):
        one = grad(loss)(params, xs[i])
        for k in params:
            close(found[k][i], one[k])


def test_embedding_and_losses() -> None:
    net = nn.Embedding(5, 3).double()
    weight = net.weight.detach()
    ids = rg.tensor([[0, 1], [4, 4], [2, 0]])
    targets = rg.tensor([[0, 1], [2, 0], [1, 1]])

    def loss(w: Any, i: Any, y: Any) -> Any:
        return nn.functional.cross_entropy(functional_call(net, {"weight": w}, (i,)), y)

    found = vmap(grad(loss), (None, 0, 0))(weight, ids, targets)
    close(found, rg.stack([grad(loss)(weight, ids[i], targets[i]) for i in range(3)]))


def test_an_ensemble_is_one_call() -> None:
    nets = [
        nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)) for _ in range(5)
    ]
    params, buffers = stack_module_state(nets)
    assert params["0.weight"].shape == (5, 4, 3) and params["0.weight"].is_leaf
    x = rg.randn(7, 3)

    def call(p: Any, b: Any, x: Any) -> Any:
        return functional_call(nets[0], (p, b), (x,))

    out = vmap(call, (0, 0, None))(params, buffers, x)
    close(out, rg.stack([net(x) for net in nets]), 1e-6)
    (out**2).sum().backward()
    (nets[2](x) ** 2).sum().backward()
    close(params["0.weight"].grad[2], nets[2][0].weight.grad, 1e-5)
    with pytest.raises(RuntimeError, match="at least one model"):
        stack_module_state([])
    with pytest.raises(RuntimeError, match="same class"):
        stack_module_state([nn.Linear(1, 1), nn.Tanh()])
    with pytest.raises(RuntimeError, match="same training/eval mode"):
        stack_module_state([nn.Linear(1, 1), nn.Linear(1, 1).eval()])


def test_swapping_parameters() -> None:
    net = nn.Linear(2, 2)
    before = net.weight
    out = functional_call(net, {"weight": rg.eye(2)}, rg.tensor([1.0, 2.0]))
    close(out, rg.tensor([1.0, 2.0]) + net.bias, 1e-6)
    assert net.weight is before
    seen = nn.Linear(2, 2)
    functional_call(seen, {"extra": before}, rg.ones(2))  # an attribute meanwhile
    assert not hasattr(seen, "extra")
    with pytest.raises(AttributeError, match="layer"):
        functional_call(net, {"layer.w": before}, rg.ones(2))
    with pytest.raises(RuntimeError, match="Missing key"):
        functional_call(net, {"weight": before}, rg.ones(2), strict=True)
    with pytest.raises(RuntimeError, match="Unexpected key"):
        functional_call(net, {"w": before}, rg.ones(2), strict=True)
    with pytest.raises(ValueError, match="multiple dictionaries"):
        functional_call(net, ({"weight": before}, {"weight": before}), rg.ones(2))
    with pytest.raises(ValueError, match="to be a dict"):
        functional_call(net, 3, rg.ones(2))
    with pytest.raises(RuntimeError, match="cannot be multiplied|size"):
        functional_call(net, {"weight": rg.eye(3)}, rg.ones(2))
    assert net.weight is before


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(2, 2, bias=False)
        self.b = nn.Linear(2, 2, bias=False)
        self.b.weight = self.a.weight

    def forward(self, x: Any) -> Any:
        return self.b(self.a(x))


def test_what_is_shared_stays_shared() -> None:
    net, x = Tied(), rg.tensor([1.0, 2.0])
    close(functional_call(net, {"a.weight": 2 * rg.eye(2)}, x), 4 * x)
    alone = functional_call(net, {"a.weight": 2 * rg.eye(2)}, x, tie_weights=False)
    close(alone, 2 * (net.a.weight @ x), 1e-6)
    with pytest.raises(ValueError, match="tied"):
        functional_call(net, {"a.weight": rg.eye(2), "b.weight": rg.ones(2, 2)}, x)


def test_running_statistics() -> None:
    net = nn.BatchNorm1d(3).double()
    xs = t(2, 4, 3)
    with pytest.raises(RuntimeError, match="inplace arithmetic is not possible"):
        vmap(lambda x: net(x))(xs)
    state = dict(net.named_buffers())
    fresh = {k: b.clone() for k, b in state.items()}
    functional_call(net, fresh, (xs[0],))
    close(fresh["running_mean"], 0.1 * xs[0].mean(0))
    assert not bool(state["running_mean"].any())
    root = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3)).double()
    replace_all_batch_norm_modules_(root)
    out = vmap(root)(xs)
    close(out, rg.stack([root(x) for x in xs]))


def test_a_training_step_with_functions_alone() -> None:
    """Gradient descent on a dict of parameters follows the optimizer's."""
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)).double()
    x, y = t(8, 3), t(8, 1, seed=4)
    params = {k: p.detach().clone() for k, p in net.named_parameters()}

    def loss(p: Any) -> Any:
        return nn.functional.mse_loss(functional_call(net, p, (x,)), y)

    opt = rg.optim.SGD(net.parameters(), lr=0.1)
    for _ in range(6):
        grads = grad(loss)(params)
        params = {k: p - 0.1 * grads[k] for k, p in params.items()}
        opt.zero_grad()
        nn.functional.mse_loss(net(x), y).backward()
        opt.step()
    for k, p in net.named_parameters():
        close(params[k], p)


def test_vjp_of_a_module_by_its_input() -> None:
    net = nn.Linear(3, 2).double()
    _, pull = vjp(net, t(3))
    (g,) = pull(t(2, seed=1))
    close(g, t(2, seed=1) @ net.weight)
    assert net.weight.grad is None
