"""Parametrizations beside PyTorch's: values, gradients, state dicts, training, removal."""

from __future__ import annotations

import copy
import pickle
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import retrograd as rg
from peers.cases import number
from peers.twins import follow, raises_alike
from retrograd.nn.utils import parametrize

torch: Any = pytest.importorskip(
    "torch", reason="comparisons with PyTorch are skipped: it is not installed"
)

WEIGHTS = {
    "linear": (lambda lib: lib.nn.Linear(4, 3), (5, 4)),
    "wide": (lambda lib: lib.nn.Linear(3, 5), (5, 3)),
    "square": (lambda lib: lib.nn.Linear(4, 4), (5, 4)),
    "conv": (lambda lib: lib.nn.Conv2d(2, 3, 2), (2, 2, 4, 4)),
    "transposed": (lambda lib: lib.nn.ConvTranspose2d(2, 3, 2), (2, 2, 4, 4)),
}  # fmt: skip


def both(make: Callable[[Any], Any], how: Callable[[Any, Any], Any]) -> tuple[Any, Any]:
    """``how(lib, make(lib))`` in both libraries, in float64, ours from their state."""
    theirs, ours = make(torch).double(), make(rg).double()
    rng = np.random.default_rng(0)
    with torch.no_grad():
        for p in theirs.parameters():
            p.copy_(torch.tensor(rng.normal(size=tuple(p.shape))))
    state = {k: v.numpy().copy() for k, v in theirs.state_dict().items()}
    assert not any(ours.load_state_dict(state))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        theirs, ours = how(torch, theirs), how(rg, ours)
    assert repr(ours) == repr(theirs)
    load(ours, theirs)
    return ours, theirs


def load(ours: Any, theirs: Any) -> None:
    """Every name of their state is one of ours, and loads."""
    state = {k: v.numpy().copy() for k, v in theirs.state_dict().items()}
    assert list(ours.state_dict()) == list(state)
    assert not any(ours.load_state_dict(state))
    names = [[n for n, _ in m.named_parameters()] for m in (ours, theirs)]
    assert names[0] == names[1]


def train(pair: tuple[Any, Any], shape: tuple[int, ...], steps: int = 4) -> None:
    """Some steps with SGD lead to the same state."""
    x = number(*shape)
    optimizers = [
        lib.optim.SGD(m.parameters(), lr=0.05)
        for lib, m in zip((rg, torch), pair, strict=True)
    ]
    for _ in range(steps):
        losses = []
        for lib, m, o in zip((rg, torch), pair, optimizers, strict=True):
            o.zero_grad()
            loss = m(lib.tensor(x)).sin().pow(2).mean()
            loss.backward()
            o.step()
            losses.append(loss.item())
        assert losses[0] == pytest.approx(losses[1], rel=1e-10)
    same_state(pair)


def same_state(pair: tuple[Any, Any], rtol: float = 1e-9) -> None:
    states = [{k: v.numpy() for k, v in m.state_dict().items()} for m in pair]
    assert list(states[0]) == list(states[1])
    for key, value in states[0].items():
        np.testing.assert_allclose(
            value, states[1][key], rtol=rtol, atol=1e-12, err_msg=key
        )


def P(lib: Any) -> Any:
    return lib.nn.utils.parametrizations


HOW: dict[str, Callable[[Any, Any], Any]] = {
    "weight_norm": lambda lib, m: P(lib).weight_norm(m),
    "weight_norm dim 1": lambda lib, m: P(lib).weight_norm(m, dim=1),
    "weight_norm of all": lambda lib, m: P(lib).weight_norm(m, dim=None),
    "weight_norm bias": lambda lib, m: P(lib).weight_norm(m, "bias"),
    "spectral_norm": lambda lib, m: P(lib).spectral_norm(m),
    "spectral_norm more": lambda lib, m: P(lib).spectral_norm(m, n_power_iterations=3),
    "spectral_norm bias": lambda lib, m: P(lib).spectral_norm(m, "bias"),
    "spectral_norm dim 1": lambda lib, m: P(lib).spectral_norm(m, dim=1),
    "old weight_norm": lambda lib, m: lib.nn.utils.weight_norm(m),
    "old weight_norm of all": lambda lib, m: lib.nn.utils.weight_norm(m, dim=None),
    "old spectral_norm": lambda lib, m: lib.nn.utils.spectral_norm(m),
    "old spectral_norm more": lambda lib, m: lib.nn.utils.spectral_norm(
        m, n_power_iterations=2, dim=1
    ),
}


@pytest.mark.parametrize("weight", ["linear", "conv", "transposed"])
@pytest.mark.parametrize("how", HOW)
def test_norms(weight: str, how: str) -> None:
    make, shape = WEIGHTS[weight]
    if (weight, how) == ("transposed", "spectral_norm bias"):
        raises_alike(torch, lambda lib: HOW[how](lib, make(lib)))
        return
    pair = both(make, HOW[how])
    for m in pair:
        m.eval()
    follow(torch, pair, number(*shape), rtol=1e-9)
    for m in pair:
        m.train()
    train(pair, shape)


@pytest.mark.parametrize("weight", ["linear", "wide", "square"])
@pytest.mark.parametrize("kind", ["matrix_exp", "cayley", "householder", None])
@pytest.mark.parametrize("based", [True, False])
def test_orthogonal(weight: str, kind: str | None, based: bool) -> None:
    make, shape = WEIGHTS[weight]

    def how(lib: Any, m: Any) -> Any:
        return P(lib).orthogonal(m, orthogonal_map=kind, use_trivialization=based)

    pair = both(make, how)
    w = pair[0].weight.detach().numpy()
    w = w if w.shape[0] >= w.shape[1] else w.T
    if based or kind != "householder":
        np.testing.assert_allclose(w.T @ w, np.eye(w.shape[1]), atol=1e-10)
    follow(torch, pair, number(*shape), rtol=1e-8)
    train(pair, shape)


@pytest.mark.parametrize("based", [True, False])
def test_assigning_an_orthogonal_matrix(based: bool) -> None:
    q, _ = np.linalg.qr(number(5, 3))
    made = []
    for lib in (rg, torch):
        m = P(lib).orthogonal(
            lib.nn.Linear(3, 5, False).double(), use_trivialization=based
        )
        m.weight = lib.tensor(q)
        np.testing.assert_allclose(m.weight.detach().numpy(), q, atol=1e-12)
        made.append(m)
    if not based:
        same_state((made[0], made[1]))
    exp = P(rg).orthogonal(
        rg.nn.Linear(3, 3), orthogonal_map="cayley", use_trivialization=False
    )
    with pytest.raises(NotImplementedError, match="use_trivialization"):
        exp.weight = rg.eye(3)


def test_a_norm_that_is_given_stays() -> None:
    m = P(rg).weight_norm(rg.nn.Linear(4, 3))
    w = rg.tensor(number(3, 4), dtype=rg.float32)
    m.weight = w
    np.testing.assert_allclose(m.weight.detach().numpy(), w.numpy(), rtol=1e-6)
    g = m.parametrizations.weight.original0
    np.testing.assert_allclose(
        g.detach().numpy(), np.linalg.norm(w.numpy(), axis=1, keepdims=True), rtol=1e-6
    )


# -- one's own parametrizations --------------------------------------------------------


def own(lib: Any) -> Any:
    class Symmetric(lib.nn.Module):  # type: ignore[misc]
        def forward(self, x: Any) -> Any:
            return x.triu() + x.triu(1).mT

        def right_inverse(self, a: Any) -> Any:
            return a.triu()

    class Exp(lib.nn.Module):  # type: ignore[misc]
        def forward(self, x: Any) -> Any:
            return x.exp()

        def right_inverse(self, a: Any) -> Any:
            return a.log()

    class Outer(lib.nn.Module):  # type: ignore[misc]
        def forward(self, a: Any, b: Any) -> Any:
            return a.unsqueeze(1) * b

        def right_inverse(self, w: Any) -> Any:
            return w[:, 0].clone(), w[0].clone() / w[0, 0]

    class Bad(lib.nn.Module):  # type: ignore[misc]
        def __init__(self, f: Any) -> None:
            super().__init__()
            self.f = f

        def forward(self, x: Any) -> Any:
            return self.f(x)

    return Symmetric, Exp, Outer, Bad


@pytest.mark.parametrize("names", [(0,), (1,), (1, 0), (2,)])
def test_own(names: tuple[int, ...]) -> None:
    def how(lib: Any, m: Any) -> Any:
        with lib.no_grad():
            m.weight.copy_(lib.tensor(np.abs(number(4, 4)) + 0.1))
        for k in names:
            lib.nn.utils.parametrize.register_parametrization(
                m, "weight", own(lib)[k](), unsafe=k == 2
            )
        return m

    pair = both(WEIGHTS["square"][0], how)
    assert isinstance(pair[0], rg.nn.Linear)
    assert type(pair[0]).__name__ == type(pair[1]).__name__ == "ParametrizedLinear"
    follow(torch, pair, number(5, 4))
    train(pair, (5, 4))
    values = [m.weight.detach().numpy() for m in pair]
    np.testing.assert_allclose(values[0], values[1], rtol=1e-10)
    for lib, m in zip((rg, torch), pair, strict=True):
        u = lib.nn.utils.parametrize
        assert u.is_parametrized(m) and u.is_parametrized(m, "weight")
        assert not u.is_parametrized(m, "bias")
        assert u.type_before_parametrizations(m) is lib.nn.Linear
        if names == (1,):
            m.weight = lib.tensor(np.abs(number(4, 4, seed=3)) + 0.1)
        u.remove_parametrizations(m, "weight")
        assert type(m) is lib.nn.Linear and not u.is_parametrized(m)
    assert repr(pair[0]) == repr(pair[1])
    same_state(pair)
    train(pair, (5, 4))


@pytest.mark.parametrize("leave", [True, False])
def test_removal_keeps_the_parameter_object(leave: bool) -> None:
    layer = rg.nn.Linear(3, 3)
    weight = layer.weight
    before = weight.detach().clone()
    parametrize.register_parametrization(layer, "weight", own(rg)[0]())
    shown = layer.weight.detach().clone()
    parametrize.remove_parametrizations(layer, "weight", leave_parametrized=leave)
    assert layer.weight is weight and isinstance(weight, rg.nn.Parameter)
    expected = shown if leave else before.triu()
    assert layer.weight.tolist() == expected.tolist()
    assert [n for n, _ in layer.named_parameters()] == ["bias", "weight"]


def test_cached_computes_once() -> None:
    calls = []

    class Count(rg.nn.Module):
        def forward(self, x: Any) -> Any:
            calls.append(1)
            return x * 2

    layer = rg.nn.Linear(2, 2)
    parametrize.register_parametrization(layer, "weight", Count())
    calls.clear()
    with parametrize.cached():
        first = layer.weight
        with parametrize.cached():
            assert layer.weight is first
        layer(rg.ones(1, 2)).sum().backward()
        assert len(calls) == 1
    assert layer.parametrizations.weight.original.grad is not None
    assert layer.weight is not first
    assert len(calls) == 2


def test_buffers_and_copies() -> None:
    norm = rg.nn.BatchNorm1d(3)
    parametrize.register_parametrization(
        norm, "running_mean", own(rg)[1](), unsafe=True
    )
    assert "parametrizations.running_mean.original" in norm.state_dict()
    layer = P(rg).weight_norm(P(rg).spectral_norm(rg.nn.Linear(3, 3)), "bias")
    twin = copy.deepcopy(layer)
    assert list(twin.state_dict()) == list(layer.state_dict())
    x = rg.ones(2, 3)
    assert twin.eval()(x).tolist() == layer.eval()(x).tolist()
    parametrize.remove_parametrizations(layer, "weight")
    parametrize.remove_parametrizations(layer, "bias")
    assert parametrize.is_parametrized(twin, "weight")  # its class is its own
    twin(x).sum().backward()
    assert twin.parametrizations.weight.original.grad is not None
    with pytest.raises(RuntimeError, match="state_dict"):
        pickle.dumps(twin)
    again = pickle.loads(pickle.dumps(layer))
    assert again(x).tolist() == layer(x).tolist()


def test_a_sequential_sees_the_parametrization() -> None:
    """Though it may have recorded itself without."""
    net = rg.nn.Sequential(rg.nn.Linear(3, 3), rg.nn.Tanh())
    x = rg.ones(2, 3)
    plain = [net(x).tolist() for _ in range(3)][-1]

    class Zero(rg.nn.Module):
        def forward(self, w: Any) -> Any:
            return w * 0

    parametrize.register_parametrization(net[0], "weight", Zero())
    expected = np.tanh(net[0].bias.detach().numpy())
    for _ in range(3):
        np.testing.assert_allclose(net(x).detach().numpy(), [expected] * 2, rtol=1e-6)
    parametrize.remove_parametrizations(net[0], "weight", leave_parametrized=False)
    np.testing.assert_allclose(net(x).detach().numpy(), plain, rtol=1e-6)


def test_transfer() -> None:
    made = []
    for lib in (rg, torch):
        a, b = (lib.nn.Linear(3, 3).double() for _ in range(2))
        with lib.no_grad():
            a.weight.copy_(lib.tensor(np.abs(number(3, 3)) + 0.1))
            a.bias.zero_()
            b.bias.zero_()
            b.weight.fill_(1.0)
        u = lib.nn.utils.parametrize
        u.register_parametrization(a, "weight", own(lib)[1]())
        u.register_parametrization(a, "weight", own(lib)[0]())
        u.transfer_parametrizations_and_params(a, b)
        assert b.parametrizations.weight.original is a.parametrizations.weight.original
        made.append(b)
    same_state((made[0], made[1]))
    np.testing.assert_allclose(
        made[0].weight.detach().numpy(), made[1].weight.detach().numpy(), rtol=1e-12
    )


def test_state_dicts_of_the_older_weight_norm_load() -> None:
    with pytest.warns(FutureWarning, match="parametrizations.weight_norm"):
        old = rg.nn.utils.weight_norm(rg.nn.Linear(4, 3))
    new = P(rg).weight_norm(rg.nn.Linear(4, 3))
    assert not any(new.load_state_dict(old.state_dict()))
    x = rg.ones(2, 4)
    assert new(x).tolist() == old(x).tolist()


def test_old_norms_are_removed() -> None:
    for kind in ("weight_norm", "spectral_norm"):

        def how(lib: Any, m: Any, kind: str = kind) -> Any:
            return getattr(lib.nn.utils, kind)(m)

        pair = both(WEIGHTS["linear"][0], how)
        x = number(5, 4)
        for lib, m in zip((rg, torch), pair, strict=True):
            m(lib.tensor(x))
            getattr(lib.nn.utils, f"remove_{kind}")(m)
            with pytest.raises(ValueError, match="not found"):
                getattr(lib.nn.utils, f"remove_{kind}")(m)
        assert repr(pair[0]) == repr(pair[1])
        same_state(pair)
        follow(torch, pair, x)


def test_a_recurrent_layer_with_normed_weights() -> None:
    def how(lib: Any, m: Any) -> Any:
        m = lib.nn.utils.weight_norm(m, "weight_hh_l0")
        return P(lib).weight_norm(m, "weight_ih_l0")

    pair = both(lambda lib: lib.nn.LSTM(4, 3), how)
    follow(torch, pair, number(5, 2, 4), rtol=1e-9)


def test_refusals() -> None:
    def with_(k: Any, unsafe: bool = False) -> Any:
        def run(lib: Any) -> Any:
            bad = own(lib)[3]
            f = (
                lambda x: x[:1], lambda x: x.double(), lambda x: [x], lambda x: x
            )[k]  # fmt: skip
            u = lib.nn.utils.parametrize
            m = lib.nn.Linear(3, 3)
            u.register_parametrization(m, "weight", bad(f), unsafe=unsafe)
            return m

        return run

    def twice(lib: Any) -> None:
        u = lib.nn.utils.parametrize
        u.register_parametrization(with_(3)(lib), "weight", own(lib)[3](lambda x: x[0]))

    cases: list[Any] = [
        with_(0),
        with_(1),
        with_(2),
        twice,
        lambda lib: lib.nn.utils.parametrize.remove_parametrizations(
            lib.nn.Linear(3, 3), "weight"
        ),
        lambda lib: lib.nn.utils.parametrize.register_parametrization(
            lib.nn.Linear(3, 3), "wait", lib.nn.Identity()
        ),
        lambda lib: setattr(with_(3)(lib), "weight", lib.ones(3, 3)),
        lambda lib: lib.nn.utils.parametrize.remove_parametrizations(
            P(lib).weight_norm(lib.nn.Linear(3, 3)), "weight", leave_parametrized=False
        ),
        lambda lib: P(lib).orthogonal(lib.nn.Linear(3, 3), "bias"),
        lambda lib: P(lib).orthogonal(lib.nn.Linear(3, 3), "wait"),
        lambda lib: P(lib).orthogonal(lib.nn.Linear(3, 3), orthogonal_map="qr"),
        lambda lib: P(lib).spectral_norm(lib.nn.Linear(3, 3), dim=2),
        lambda lib: P(lib).spectral_norm(lib.nn.Linear(3, 3), n_power_iterations=0),
        lambda lib: P(lib).spectral_norm(lib.nn.Linear(3, 3, bias=False), "bias"),
        lambda lib: lib.nn.utils.spectral_norm(
            lib.nn.utils.spectral_norm(lib.nn.Linear(3, 3))
        ),
        lambda lib: lib.nn.utils.spectral_norm(lib.nn.Linear(3, 3, bias=False), "bias"),
        lambda lib: lib.nn.utils.parametrize.ParametrizationList([], lib.ones(2)),
    ]
    for case in cases:
        raises_alike(torch, case)
