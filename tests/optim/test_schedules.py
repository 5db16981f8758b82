"""Schedules: their formulas, and the rules of using them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

import retrograd as rg
from retrograd.optim import SGD
from retrograd.optim import lr_scheduler as lrs


def optimizer(lr: float = 0.4) -> SGD:
    return SGD([rg.zeros(1, requires_grad=True)], lr=lr, momentum=0.9)


def rates(make: Callable[[Any], Any], steps: int, lr: float = 0.4) -> list[float]:
    o = optimizer(lr)
    schedule = make(o)
    found = [schedule.get_last_lr()[0]]
    for _ in range(steps):
        o.step()
        schedule.step()
        assert schedule.get_last_lr() == [g["lr"] for g in o.param_groups]
        found.append(schedule.get_last_lr()[0])
    return found


FORMULAS: dict[str, tuple[Callable[[Any], Any], Callable[[int], float]]] = {
    "lambda": (lambda o: lrs.LambdaLR(o, lambda t: 1 / (1 + t)), lambda t: 1 / (1 + t)),
    "multiplicative": (
        lambda o: lrs.MultiplicativeLR(o, lambda t: 0.9),
        lambda t: 0.9**t,
    ),
    "step": (lambda o: lrs.StepLR(o, 10, 0.5), lambda t: 0.5 ** (t // 10)),
    "multistep": (
        lambda o: lrs.MultiStepLR(o, [3, 8]),
        lambda t: 0.1 ** ((t >= 3) + (t >= 8)),
    ),
    "constant": (lambda o: lrs.ConstantLR(o, 0.5, 4), lambda t: 0.5 if t < 4 else 1),
    "linear": (
        lambda o: lrs.LinearLR(o, 0.2, 0.8, 6),
        lambda t: 0.2 + 0.6 * min(t, 6) / 6,
    ),
    "exponential": (lambda o: lrs.ExponentialLR(o, 0.9), lambda t: 0.9**t),
    "polynomial": (
        lambda o: lrs.PolynomialLR(o, 9, 2.0),
        lambda t: (1 - min(t, 9) / 9) ** 2,
    ),
    "cosine": (
        lambda o: lrs.CosineAnnealingLR(o, 7),
        lambda t: (1 + math.cos(math.pi * t / 7)) / 2,
    ),
    "restarts": (
        lambda o: lrs.CosineAnnealingWarmRestarts(o, 5),
        lambda t: (1 + math.cos(math.pi * (t % 5) / 5)) / 2,
    ),
    "triangle": (
        lambda o: lrs.CyclicLR(o, 0.0, 0.4, 4),
        lambda t: 1 - abs(t % 8 / 4 - 1),
    ),
}


@pytest.mark.parametrize("name", FORMULAS)
def test_formulas(name: str) -> None:
    make, formula = FORMULAS[name]
    expected = [0.4 * formula(t) for t in range(31)]
    assert rates(make, 30) == pytest.approx(expected, abs=1e-12)


def test_constant_from_zero() -> None:
    assert rates(lambda o: lrs.ConstantLR(o, 0.0, 2), 3) == [0.0, 0.0, 0.4, 0.4]


def test_one_cycle() -> None:
    o = optimizer()
    schedule = lrs.OneCycleLR(o, 1.0, total_steps=11, pct_start=0.5)
    lr, momentum = [], []
    for _ in range(11):
        lr.append(o.param_groups[0]["lr"])
        momentum.append(o.param_groups[0]["momentum"])
        o.step()
        schedule.step()
    assert lr[0] == pytest.approx(1 / 25)
    assert max(lr) == pytest.approx(lr[4], abs=0.05)
    assert lr[-1] == pytest.approx(1 / 25 / 1e4)
    assert momentum[0] == momentum[-1] == pytest.approx(0.95)
    assert min(momentum) == pytest.approx(0.85, abs=0.01)
    with pytest.raises(ValueError, match="Tried to step 12 times"):
        schedule.step()


def test_warm_up_then_cosine() -> None:
    def make(o: Any) -> Any:
        parts = [lrs.LinearLR(o, 0.25, total_iters=3), lrs.CosineAnnealingLR(o, 10)]
        return lrs.SequentialLR(o, parts, [3])

    found = rates(make, 8)
    assert found[:4] == pytest.approx([0.1, 0.2, 0.3, 0.4])
    assert found[8] == pytest.approx(0.2)


def test_chained() -> None:
    def make(o: Any) -> Any:
        return lrs.ChainedScheduler([lrs.ExponentialLR(o, 0.5), lrs.StepLR(o, 2, 0.1)])

    assert rates(make, 3, lr=1.0) == pytest.approx([1, 0.5, 0.025, 0.0125])


def test_plateau() -> None:
    o = optimizer(1.0)
    schedule = lrs.ReduceLROnPlateau(o, factor=0.5, patience=1, min_lr=0.3)
    seen = []
    for metric in [3.0, 2.0, rg.tensor(2.0), 2.0, 1.0, float("nan"), 1.0, 1.0, 1.0]:
        schedule.step(metric)
        seen.append(o.param_groups[0]["lr"])
    assert seen == [1, 1, 1, 0.5, 0.5, 0.5, 0.3, 0.3, 0.3]
    assert schedule.get_last_lr() == [0.3]


def test_a_saved_schedule_continues() -> None:
    for make, _ in FORMULAS.values():
        o = optimizer()
        schedule = make(o)
        for _ in range(6):
            o.step()
            schedule.step()
        p = optimizer()
        again = make(p)
        again.load_state_dict(schedule.state_dict())
        p.load_state_dict(o.state_dict())
        for _ in range(6):
            o.step(), p.step(), schedule.step(), again.step()
            assert o.param_groups[0]["lr"] == p.param_groups[0]["lr"]


def test_objects_as_functions_are_saved() -> None:
    class Decay:
        def __init__(self, base: float) -> None:
            self.base = base

        def __call__(self, t: float) -> float:
            return float(self.base**t)

    saved = lrs.LambdaLR(optimizer(), Decay(0.5)).state_dict()
    assert saved["lr_lambdas"] == [{"base": 0.5}]
    other = lrs.LambdaLR(optimizer(), Decay(0.9))
    other.load_state_dict(saved)
    assert other.lr_lambdas[0](1) == 0.5
    cycle = lrs.CyclicLR(optimizer(), 0.1, 0.2, scale_fn=Decay(0.5)).state_dict()
    twin = lrs.CyclicLR(optimizer(), 0.1, 0.2, scale_fn=Decay(0.9))
    twin.load_state_dict(cycle)
    assert twin.scale_fn(1) == 0.5


def test_the_wrong_order_is_warned_of() -> None:
    o = optimizer()
    schedule = lrs.StepLR(o, 1)
    with pytest.warns(UserWarning, match=r"before optimizer\.step\(\)"):
        schedule.step()
    schedule.step()  # once is enough
    right = lrs.StepLR(o, 1)
    o.step()
    right.step()


def test_get_lr_is_for_step_alone() -> None:
    schedule = lrs.ExponentialLR(optimizer(), 0.9)
    with pytest.warns(UserWarning, match="get_last_lr"):
        schedule.get_lr()
    with pytest.warns(UserWarning, match="deprecated"):
        schedule.optimizer.step()
        schedule.step(5)
    assert schedule.get_last_lr() == pytest.approx([0.4 * 0.9**5])


def test_a_schedule_of_ones_own() -> None:
    class Halving(lrs.LRScheduler):
        def get_lr(self) -> list[float]:
            return [lr / 2**self.last_epoch for lr in self.base_lrs]

    assert rates(Halving, 3) == [0.4, 0.2, 0.1, 0.05]


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda o: lrs.StepLR(3, 1), TypeError, "int is not an Optimizer"),
        (lambda o: lrs.LambdaLR(o, [abs, abs]), ValueError, "Expected 1 lr_lambdas"),
        (lambda o: lrs.LambdaLR(o, 2), TypeError, "should be a function, but got int"),
        (lambda o: lrs.StepLR(o, 3, last_epoch=2), KeyError, "initial_lr"),
        (lambda o: lrs.SequentialLR(o, [3], []), TypeError, "got int at index 0"),
        (
            lambda o: lrs.ChainedScheduler([lrs.StepLR(optimizer(), 1)], o),
            ValueError,
            "belongs to another",
        ),
    ],
)
def test_errors(make: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        make(optimizer())


def test_a_new_group_at_a_plateau() -> None:
    o = optimizer()
    free = lrs.ReduceLROnPlateau(o, patience=0)
    fixed = lrs.ReduceLROnPlateau(o, patience=0, min_lr=[0.1])
    o.add_param_group({"params": [rg.zeros(1, requires_grad=True)]})
    for schedule in (free, fixed):
        schedule.step(1.0)
    free.step(1.0)
    with pytest.raises(RuntimeError, match="min_lrs"):
        fixed.step(1.0)
