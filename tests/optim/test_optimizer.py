"""What all optimizers share, and closed forms of a few steps."""

from __future__ import annotations

import copy
import math
import pickle
from typing import Any

import numpy as np
import pytest

import retrograd as rg
from retrograd import dispatch
from retrograd.optim import (
    ASGD,
    SGD,
    Adadelta,
    Adagrad,
    Adam,
    Adamax,
    AdamW,
    NAdam,
    Optimizer,
    PreconditionedSGD,
    ProximalSGD,
    RAdam,
    RMSprop,
    Rprop,
)

ALL: list[tuple[Any, dict[str, Any]]] = [
    (SGD, {"lr": 0.1}),
    (SGD, {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    (Adam, {"lr": 0.1}),
    (Adam, {"lr": 0.1, "amsgrad": True}),
    (AdamW, {"lr": 0.1}),
    (RMSprop, {"lr": 0.1, "centered": True, "momentum": 0.5}),
    (Adagrad, {"lr": 0.5}),
    (Adamax, {"lr": 0.1}),
    (NAdam, {"lr": 0.1}),
    (RAdam, {"lr": 0.1}),
    (Adadelta, {"lr": 20.0}),
    (Rprop, {"lr": 0.1}),
    (ASGD, {"lr": 0.1}),
    (ProximalSGD, {"lr": 0.1, "momentum": 0.5, "l1": 0.01}),
    (PreconditionedSGD, {"lr": 0.1, "preconditioner": np.diag([2.0, 0.5])}),
]


def parameter(*values: float, dtype: Any = None) -> Any:
    return rg.tensor(list(values), dtype=dtype or rg.float64, requires_grad=True)


def descend(optimizer: Any, w: Any, steps: int) -> None:
    """Steps along the gradient of ½‖w − (1, −2)‖²."""
    target = rg.tensor([1.0, -2.0], dtype=w.dtype)
    for _ in range(steps):
        optimizer.zero_grad()
        (((w - target) ** 2).sum() / 2).backward()
        optimizer.step()


@pytest.mark.parametrize(("kind", "options"), ALL)
def test_every_optimizer_finds_the_bottom_of_a_bowl(kind: Any, options: Any) -> None:
    w = parameter(0.0, 0.0)
    descend(kind([w], **options), w, 300)
    decay = options.get("weight_decay", 0.0)
    slack = 0.15 if kind is AdamW else 0.05
    expected = np.array([1.0, -2.0]) / (1 + decay)
    np.testing.assert_allclose(w.detach().numpy(), expected, atol=slack)


@pytest.mark.parametrize(("kind", "options"), ALL)
def test_a_saved_state_continues_bit_for_bit(kind: Any, options: Any) -> None:
    a = parameter(0.3, 0.7)
    first = kind([a], **options)
    descend(first, a, 5)
    b = parameter(*a.tolist())
    second = kind([b], lr=0.7)
    second.load_state_dict(pickle.loads(pickle.dumps(first.state_dict())))
    descend(first, a, 6)
    descend(second, b, 6)
    assert a.tolist() == b.tolist()
    # what was loaded is a copy: the two do not disturb each other
    descend(first, a, 1)
    descend(second, b, 1)
    assert a.tolist() == b.tolist()


eager = pytest.mark.skipif(dispatch.EAGER, reason="eager mode remembers nothing")


@eager
@pytest.mark.parametrize(("kind", "options"), ALL)
def test_a_step_is_recorded_once(
    kind: Any, options: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Steps that come back need no rule, whatever the rate and the count."""
    w = parameter(0.3, 0.7)
    optimizer = kind([w], **options)
    descend(optimizer, w, 6)
    states = dispatch.recorder().count
    monkeypatch.setattr(optimizer, "update", None)
    for _ in range(20):
        optimizer.param_groups[0]["lr"] *= 0.9
        descend(optimizer, w, 1)
    assert dispatch.recorder().count == states


@eager
@pytest.mark.parametrize("kind", [SGD, Adam])
def test_cycling_momenta_are_not_recorded_anew(
    kind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    w = parameter(0.3, 0.7)
    optimizer = kind([w], **({"momentum": 0.9} if kind is SGD else {}))
    schedule = rg.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=40)
    for step in range(30):
        descend(optimizer, w, 1)
        schedule.step()
        if step == 5:
            monkeypatch.setattr(optimizer, "update", None)
            states = dispatch.recorder().count
    assert dispatch.recorder().count == states


@pytest.mark.parametrize("read", ["loss", "gradient", "parameter", "nothing"])
def test_reading_between_backward_and_step_changes_nothing(read: str) -> None:
    w = parameter(0.3, 0.7)
    optimizer = Adam([w], lr=0.1)
    for _ in range(10):
        optimizer.zero_grad()
        loss = (w * w).sum()
        loss.backward()
        if read == "loss":
            loss.item()
        elif read == "gradient":
            w.grad.tolist()
        elif read == "parameter":
            w.tolist()
        optimizer.step()
    v = parameter(0.3, 0.7)
    optimizer = Adam([v], lr=0.1)
    for _ in range(10):
        v.grad = 2 * v.detach()
        optimizer.step()
    np.testing.assert_allclose(w.tolist(), v.tolist(), rtol=1e-14)


def test_sgd_by_hand() -> None:
    w = parameter(2.0)
    optimizer = SGD([w], lr=0.1, momentum=0.5, weight_decay=1.0)
    w.grad = rg.tensor([3.0], dtype=rg.float64)
    optimizer.step()  # g = 3 + 2, b = 5
    assert w.item() == pytest.approx(2 - 0.1 * 5)
    optimizer.step()  # g = 3 + 1.5, b = 0.5·5 + 4.5
    assert w.item() == pytest.approx(1.5 - 0.1 * 7)


def test_adam_by_hand() -> None:
    """The first step is η·sign(g), however large the gradient."""
    w = parameter(1.0, 1.0)
    w.grad = rg.tensor([1e-3, -1e3], dtype=rg.float64)
    Adam([w], lr=0.1).step()
    np.testing.assert_allclose(w.detach().numpy(), [0.9, 1.1], rtol=1e-5)


def test_weight_decay_is_the_gradient_of_a_penalty() -> None:
    """θ ← (1 − ηλ)θ − η∂C/∂θ, coupled (SGD) and decoupled (AdamW with no gradient)."""
    w = parameter(4.0)
    w.grad = rg.tensor([0.0], dtype=rg.float64)
    SGD([w], lr=0.1, weight_decay=0.5).step()
    assert w.item() == pytest.approx(4.0 * (1 - 0.05))
    AdamW([w], lr=0.1, weight_decay=0.5).step()
    assert w.item() == pytest.approx(4.0 * (1 - 0.05) ** 2)


@pytest.mark.parametrize("dtype", [rg.float32, rg.float16, rg.bfloat16])
def test_the_type_of_a_parameter_stays(dtype: Any) -> None:
    if dtype is rg.bfloat16:
        pytest.importorskip("ml_dtypes")
    w = parameter(1.0, 2.0, dtype=dtype)
    optimizer = Adam([w], lr=0.1)
    descend(optimizer, w, 3)
    assert w.dtype is dtype
    assert optimizer.state[w]["exp_avg"].dtype is dtype


def test_parameters_without_gradients_are_left_alone() -> None:
    a, b = parameter(1.0), parameter(1.0)
    optimizer = Adam([a, b], lr=0.1, weight_decay=0.1)
    a.grad = rg.tensor([1.0], dtype=rg.float64)
    optimizer.step()
    assert b.item() == 1.0
    assert b not in optimizer.state
    b.grad = rg.tensor([1.0], dtype=rg.float64)
    optimizer.step()
    assert (optimizer.state[a]["step"], optimizer.state[b]["step"]) == (2, 1)
    assert b.item() == pytest.approx(0.9)


def test_zero_grad() -> None:
    w = parameter(1.0)
    optimizer = SGD([w])
    (w * w).backward()
    grad = w.grad
    optimizer.zero_grad(set_to_none=False)
    assert w.grad is grad
    assert w.grad.tolist() == [0.0]
    optimizer.zero_grad()
    assert w.grad is None


def test_eager_steps_are_the_same_steps() -> None:
    results = []
    for at_once in (False, True):
        w = parameter(0.3, 0.7)
        optimizer = Adam([w], lr=0.1, amsgrad=True)
        descend(optimizer, w, 2)
        with rg.eager(at_once):
            descend(optimizer, w, 3)
        descend(optimizer, w, 2)
        results.append(w.tolist())
    assert results[0] == results[1]


def test_a_closure_is_run_with_gradients_and_its_loss_returned() -> None:
    w = parameter(3.0)
    optimizer = SGD([w], lr=0.5)

    def closure() -> Any:
        optimizer.zero_grad()
        loss = (w * w).sum()
        loss.backward()
        return loss

    with rg.no_grad():
        loss = optimizer.step(closure)
    assert loss.item() == 9.0
    assert w.item() == 0.0
    assert optimizer.step() is None


def test_groups_fill_in_defaults() -> None:
    a, b = parameter(1.0), parameter(1.0)
    optimizer = SGD([{"params": a}, {"params": iter([b]), "lr": 0.5}], lr=0.1)
    assert [g["lr"] for g in optimizer.param_groups] == [0.1, 0.5]
    assert optimizer.param_groups[0]["params"] == [a]
    c = parameter(1.0)
    optimizer.add_param_group({"params": [c], "momentum": 0.3})
    assert optimizer.param_groups[2]["lr"] == 0.1
    for w in (a, b, c):
        w.grad = rg.tensor([1.0], dtype=rg.float64)
    optimizer.step()
    assert [w.item() for w in (a, b, c)] == [0.9, 0.5, 0.9]


def test_named_parameters() -> None:
    model = rg.nn.Linear(2, 1)
    optimizer = SGD(model.named_parameters(), lr=0.1)
    assert optimizer.param_groups[0]["param_names"] == ["weight", "bias"]
    assert optimizer.state_dict()["param_groups"][0]["param_names"][1] == "bias"
    with pytest.raises(ValueError, match="with/without names"):
        SGD([("w", parameter(1.0)), parameter(1.0)])
    with pytest.raises(ValueError, match="without names"):
        optimizer.add_param_group({"params": [parameter(1.0)]})


@pytest.mark.parametrize(
    ("params", "error", "words"),
    [
        (lambda w: w, TypeError, "iterable"),
        (lambda w: [], ValueError, "empty parameter list"),
        (lambda w: [1.0], TypeError, "can only optimize Tensors"),
        (lambda w: {"params": [w]}, TypeError, "can only optimize Tensors"),
        (lambda w: [w * 2], ValueError, "non-leaf"),
        (lambda w: [{"params": {w}}], TypeError, "ordered collection"),
        (lambda w: [{"params": [w]}, {"params": [w]}], ValueError, "more than one"),
        (lambda w: [{"params": [w]}, [w]], TypeError, "must be a dict"),
    ],
)
def test_wrong_parameters(params: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        SGD(params(parameter(1.0)), lr=0.1)


def test_duplicates_are_warned_of() -> None:
    w = parameter(1.0)
    with pytest.warns(UserWarning, match="duplicate parameters"):
        SGD([w, w], lr=0.1)


def test_a_state_that_does_not_fit() -> None:
    one, two = SGD([parameter(1.0)]), SGD([parameter(1.0), parameter(1.0)])
    with pytest.raises(ValueError, match="size of optimizer's group"):
        one.load_state_dict(two.state_dict())
    groups = SGD([{"params": [parameter(1.0)]}, {"params": [parameter(1.0)]}])
    with pytest.raises(ValueError, match="number of parameter groups"):
        one.load_state_dict(groups.state_dict())


def test_the_state_dict_is_laid_out_as_pytorch_does() -> None:
    a, b = parameter(1.0), parameter(2.0)
    optimizer = Adam([{"params": [a]}, {"params": [b], "lr": 0.5}])
    a.grad = rg.tensor([1.0], dtype=rg.float64)
    optimizer.step()
    saved = optimizer.state_dict()
    assert [g["params"] for g in saved["param_groups"]] == [[0], [1]]
    assert list(saved["state"]) == [0]
    assert list(saved["state"][0]) == ["step", "exp_avg", "exp_avg_sq"]
    step = saved["state"][0]["step"]
    assert (step.dtype, step.shape, step.item()) == (rg.float32, (), 1.0)


def test_loading_takes_the_type_of_the_parameter() -> None:
    w = parameter(1.0, 2.0)
    descend(first := Adam([w]), w, 2)
    v = parameter(1.0, 2.0, dtype=rg.float32)
    second = Adam([v])
    second.load_state_dict(first.state_dict())
    descend(second, v, 1)
    assert second.state[v]["exp_avg"].dtype is rg.float32
    assert second.state[v]["step"] == 3


def test_hooks() -> None:
    w = parameter(1.0)
    optimizer = SGD([w], lr=0.1)
    calls: list[str] = []
    handles = [
        optimizer.register_step_pre_hook(lambda o, a, k: calls.append("pre")),
        optimizer.register_step_post_hook(lambda o, a, k: calls.append("post")),
        optimizer.register_state_dict_pre_hook(lambda o: calls.append("saving")),
        optimizer.register_state_dict_post_hook(lambda o, d: {**d, "extra": 1}),
        optimizer.register_load_state_dict_pre_hook(lambda o, d: calls.append("in")),
        optimizer.register_load_state_dict_post_hook(lambda o: calls.append("loaded")),
    ]
    optimizer.register_state_dict_pre_hook(
        lambda o: calls.append("first"), prepend=True
    )
    optimizer.step()
    saved = optimizer.state_dict()
    assert saved["extra"] == 1
    optimizer.load_state_dict(saved)
    assert calls == ["pre", "post", "first", "saving", "in", "loaded"]
    for handle in handles:
        handle.remove()
        handle.remove()
    optimizer.step()
    assert "extra" not in optimizer.state_dict()
    with optimizer.register_step_pre_hook(lambda o, a, k: 3):
        with pytest.raises(RuntimeError, match="pre-hook"):
            optimizer.step()
    optimizer.step()


def test_an_optimizer_of_ones_own() -> None:
    """A rule with a constant of its own, and a step written by hand."""

    class Signs(Optimizer):
        counts_steps = False

        def __init__(self, params: Any, lr: float) -> None:
            super().__init__(params, {"lr": lr})

        def scalars(self, group: Any, step: int) -> tuple[float, ...]:
            return (group["lr"],)

        def update(
            self, param: Any, grad: Any, state: Any, scalars: Any, group: Any
        ) -> Any:
            half = rg.tensor([0.5], dtype=param.dtype)
            return param - scalars[0] * grad.sign() * half, {}

    class ByHand(Optimizer):
        def __init__(self, params: Any, lr: float) -> None:
            super().__init__(params, {"lr": lr})

        @rg.no_grad()
        def step(self, closure: Any = None) -> None:
            for group in self.param_groups:
                for p in group["params"]:
                    p -= group["lr"] * p.grad

    w = parameter(1.0)
    descents: list[Any] = [Signs([w], 0.1), ByHand([w], 0.1)]
    for _ in range(4):
        w.grad = rg.tensor([3.0], dtype=rg.float64)
        descents[0].step()
    assert w.item() == pytest.approx(0.8)
    calls: list[int] = []
    descents[1].register_step_post_hook(lambda o, a, k: calls.append(1))
    descents[1].step()
    assert w.item() == pytest.approx(0.5)
    assert calls == [1]
    rg.optim.lr_scheduler.StepLR(descents[1], 1).step()  # no warning: it did step

    class Required(Optimizer):
        def __init__(self, params: Any) -> None:
            super().__init__(params, {"lr": rg.optim.optimizer.required})

    with pytest.raises(ValueError, match="required optimization parameter lr"):
        Required([parameter(1.0)])
    Required([{"params": [parameter(1.0)], "lr": 1.0}])


def test_writes_to_a_group_take_effect() -> None:
    """By whatever method of a dict they are made."""
    w = parameter(1.0)
    optimizer = SGD([w], lr=1.0)
    group = optimizer.param_groups[0]

    def move() -> float:
        before = w.item()
        w.grad = rg.tensor([1.0], dtype=rg.float64)
        optimizer.step()
        return float(w.item()) - before

    assert move() == move() == -1.0
    group["maximize"] = True
    assert move() == 1.0
    group.update(maximize=False)
    assert move() == -1.0
    group |= {"maximize": True}
    assert move() == 1.0
    assert group.pop("maximize") is True
    group.setdefault("maximize", False)
    assert move() == -1.0
    group["lr"] = 0.25
    assert move() == -0.25
    group["momentum"] = 0.5
    assert move() == -0.25
    assert move() == pytest.approx(-0.375)


def test_a_parameter_that_takes_the_place_of_another() -> None:
    a, b = parameter(1.0), parameter(5.0)
    optimizer = SGD([a], lr=1.0)
    for w in (a, a, a, b, b):
        optimizer.param_groups[0]["params"][0] = w
        w.grad = rg.tensor([1.0], dtype=rg.float64)
        optimizer.step()
    assert (a.item(), b.item()) == (-2.0, 3.0)


def test_copies_and_pickles() -> None:
    w = parameter(0.5, 0.5)
    optimizer = Adam([w], lr=0.1)
    descend(optimizer, w, 2)
    for twin in (copy.deepcopy(optimizer), pickle.loads(pickle.dumps(optimizer))):
        (v,) = twin.param_groups[0]["params"]
        assert v is not w
        assert v.tolist() == w.tolist()
        assert twin.state[v]["step"] == 2
        u = parameter(*w.tolist())
        same = Adam([u], lr=0.1)
        same.load_state_dict(optimizer.state_dict())
        descend(twin, v, 3)
        descend(same, u, 3)
        assert u.tolist() == v.tolist()


def test_shown_as_pytorch_does() -> None:
    text = repr(SGD([parameter(1.0)], lr=0.1))
    assert text.startswith("SGD (\nParameter Group 0\n    dampening: 0\n")
    assert "    lr: 0.1\n" in text


def test_nan_is_refused_as_a_rate() -> None:
    with pytest.raises(ValueError, match="Invalid learning rate: nan"):
        Adam([parameter(1.0)], lr=math.nan)
