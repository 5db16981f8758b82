"""Schedules give PyTorch's rates and momenta over whole runs, to the last digit."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest

import retrograd as rg

torch = pytest.importorskip(
    "torch", reason="comparisons with PyTorch are skipped: it is not installed"
)

Make = Callable[[Any, Any], Any]  # (lr_scheduler module, optimizer) → scheduler

CASES: dict[str, Make] = {
    "lambda": lambda m, o: m.LambdaLR(o, lambda t: 0.95**t),
    "lambdas": lambda m, o: m.LambdaLR(o, [lambda t: 0.95**t, lambda t: 1 / (1 + t)]),
    "multiplicative": lambda m, o: m.MultiplicativeLR(o, lambda t: 0.95 + 0.001 * t),
    "step": lambda m, o: m.StepLR(o, 7, 0.5),
    "step-default": lambda m, o: m.StepLR(o, step_size=10),
    "multistep": lambda m, o: m.MultiStepLR(o, [3, 8, 8, 21], gamma=0.3),
    "constant": lambda m, o: m.ConstantLR(o, 0.4, 9),
    "linear": lambda m, o: m.LinearLR(o, 0.1, 0.9, 11),
    "linear-default": lambda m, o: m.LinearLR(o),
    "exponential": lambda m, o: m.ExponentialLR(o, 0.9),
    "polynomial": lambda m, o: m.PolynomialLR(o, 13, 1.7),
    "cosine": lambda m, o: m.CosineAnnealingLR(o, 10, 1e-3),
    "cosine-long": lambda m, o: m.CosineAnnealingLR(o, 100),
    "restarts": lambda m, o: m.CosineAnnealingWarmRestarts(o, 5),
    "restarts-growing": lambda m, o: m.CosineAnnealingWarmRestarts(o, 3, 2, 1e-4),
    "onecycle": lambda m, o: m.OneCycleLR(o, 0.5, total_steps=60),
    "onecycle-linear": lambda m, o: m.OneCycleLR(
        o, [0.5, 0.2], epochs=6, steps_per_epoch=10, anneal_strategy="linear"
    ),
    "onecycle-three": lambda m, o: m.OneCycleLR(
        o, 0.5, total_steps=60, three_phase=True, pct_start=0.25, div_factor=10.0
    ),
    "onecycle-no-momentum": lambda m, o: m.OneCycleLR(
        o, 0.5, total_steps=60, cycle_momentum=False
    ),
    "cyclic": lambda m, o: m.CyclicLR(o, 0.01, 0.1, step_size_up=4),
    "cyclic-2": lambda m, o: m.CyclicLR(o, 0.01, 0.1, 4, 9, mode="triangular2"),
    "cyclic-exp": lambda m, o: m.CyclicLR(
        o, [0.01, 0.02], 0.1, 4, mode="exp_range", gamma=0.97, base_momentum=0.7
    ),
    "cyclic-own": lambda m, o: m.CyclicLR(
        o, 0.01, 0.1, 4, scale_fn=lambda x: 0.9**x, scale_mode="iterations"
    ),
    "warm-up": lambda m, o: m.SequentialLR(
        o, [m.LinearLR(o, 0.1, total_iters=5), m.CosineAnnealingLR(o, 20)], [5]
    ),
    "sequence": lambda m, o: m.SequentialLR(
        o,
        [
            m.ConstantLR(o, 0.1, 4),
            m.ExponentialLR(o, 0.9),
            m.StepLR(o, 4, 0.5),
            m.PolynomialLR(o, 30),
            m.CosineAnnealingWarmRestarts(o, 6),
        ],
        [4, 11, 25, 40],
    ),
    "nested": lambda m, o: m.SequentialLR(
        o,
        [
            m.SequentialLR(o, [m.ConstantLR(o), m.ExponentialLR(o, 0.9)], [3]),
            m.MultiplicativeLR(o, lambda t: 0.97),
            m.LambdaLR(o, lambda t: 0.9**t),
        ],
        [9, 30],
    ),
    "chained": lambda m, o: m.ChainedScheduler(
        [m.ConstantLR(o, 0.1, 4), m.ExponentialLR(o, 0.9), m.MultiStepLR(o, [5, 9])]
    ),
}


def optimizers(kind: str = "SGD") -> tuple[Any, Any]:
    """The same optimizer with two groups, theirs and ours."""
    result = []
    for library in (torch, rg):
        groups = [
            {"params": [library.zeros(3, requires_grad=True)]},
            {"params": [library.zeros(2, requires_grad=True)], "lr": 0.02},
        ]
        extra = {"momentum": 0.9} if kind == "SGD" else {}
        result.append(getattr(library.optim, kind)(groups, lr=0.1, **extra))
    return result[0], result[1]


def shown(optimizer: Any) -> list[dict[str, Any]]:
    return [
        {k: v for k, v in g.items() if k != "params"} for g in optimizer.param_groups
    ]


# PyTorch warns without cause when it builds a sequence within a sequence.
@pytest.mark.filterwarnings("ignore:Detected call of")
@pytest.mark.parametrize("kind", ["SGD", "Adam"])
@pytest.mark.parametrize("case", CASES)
def test_a_run(case: str, kind: str) -> None:
    theirs, ours = optimizers(kind)
    a = CASES[case](torch.optim.lr_scheduler, theirs)
    b = CASES[case](rg.optim.lr_scheduler, ours)
    assert a.get_last_lr() == b.get_last_lr()
    for _ in range(59):
        theirs.step()
        ours.step()
        a.step()
        b.step()
        assert shown(theirs) == shown(ours)
        assert a.get_last_lr() == b.get_last_lr()


@pytest.mark.filterwarnings("ignore:Detected call of")
@pytest.mark.parametrize("case", CASES)
def test_state_goes_both_ways(case: str) -> None:
    theirs, ours = optimizers()
    a = CASES[case](torch.optim.lr_scheduler, theirs)
    b = CASES[case](rg.optim.lr_scheduler, ours)
    for _ in range(17):
        theirs.step(), ours.step(), a.step(), b.step()
    saved = b.state_dict()
    assert a.state_dict().keys() - saved.keys() <= {"_scale_fn_ref"}
    again = optimizers()[1]
    c = CASES[case](rg.optim.lr_scheduler, again)
    again.load_state_dict(theirs.state_dict())
    c.load_state_dict(a.state_dict())
    for _ in range(20):
        theirs.step(), again.step(), a.step(), c.step()
        assert shown(theirs) == shown(again)


@pytest.mark.parametrize(
    "case",
    ["step", "multistep", "constant", "linear", "exponential", "polynomial", "cosine",
     "lambda", "restarts", "restarts-growing"],
)  # fmt: skip
def test_jumping_to_an_epoch(case: str) -> None:
    theirs, ours = optimizers()
    a = CASES[case](torch.optim.lr_scheduler, theirs)
    b = CASES[case](rg.optim.lr_scheduler, ours)
    theirs.step(), ours.step()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for epoch in (5, 2, 10, 23, 0, 9):
            a.step(epoch)
            b.step(epoch)
            assert shown(theirs) == shown(ours)


def test_fractions_of_an_epoch() -> None:
    theirs, ours = optimizers()
    a = CASES["restarts-growing"](torch.optim.lr_scheduler, theirs)
    b = CASES["restarts-growing"](rg.optim.lr_scheduler, ours)
    for i in range(100):
        a.step(i / 3)
        b.step(i / 3)
        assert shown(theirs) == shown(ours)


@pytest.mark.parametrize("case", CASES)
def test_resuming_at_an_epoch(case: str) -> None:
    if case in ("warm-up", "sequence", "nested", "chained") or "cycl" in case:
        pytest.skip("takes no last_epoch in this form")
    runs = []
    for library, optimizer in zip((torch, rg), optimizers(), strict=True):
        module = library.optim.lr_scheduler
        for group in optimizer.param_groups:
            group["initial_lr"] = group["lr"]

        class At:
            def __getattr__(self, name: str) -> Any:
                return lambda *a, **k: getattr(module, name)(*a, last_epoch=8, **k)

        scheduler = CASES[case](At(), optimizer)
        seen = [shown(optimizer)]
        for _ in range(12):
            optimizer.step()
            scheduler.step()
            seen.append(shown(optimizer))
        runs.append(seen)
    assert runs[0] == runs[1]


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("threshold_mode", ["rel", "abs"])
@pytest.mark.parametrize("cooldown", [0, 2])
@pytest.mark.parametrize("min_lr", [0, [0.01, 0.02]])
def test_plateau(mode: str, threshold_mode: str, cooldown: int, min_lr: Any) -> None:
    theirs, ours = optimizers()
    options = {
        "mode": mode,
        "threshold_mode": threshold_mode,
        "cooldown": cooldown,
        "min_lr": min_lr,
    }
    make = lambda m, o: m.ReduceLROnPlateau(  # noqa: E731
        o, factor=0.6, patience=2, threshold=1e-2, **options
    )
    a = make(torch.optim.lr_scheduler, theirs)
    b = make(rg.optim.lr_scheduler, ours)
    noise = torch.rand(60, generator=torch.Generator().manual_seed(3)).tolist()
    for i, u in enumerate(noise):
        metric = float("nan") if i == 20 else (1 / (1 + i) + 0.02 * u)
        metric = metric if mode == "min" else -metric
        a.step(metric)
        b.step(metric)
        assert shown(theirs) == shown(ours)
        assert (a.best, a.num_bad_epochs, a.in_cooldown) == (
            b.best, b.num_bad_epochs, b.in_cooldown,
        )  # fmt: skip


WRONG: list[Make] = [
    lambda m, o: m.StepLR(3, 1),
    lambda m, o: m.OneCycleLR(3, 1),
    lambda m, o: m.LambdaLR(o, [lambda t: 1.0]),
    lambda m, o: m.MultiplicativeLR(o, 3),
    lambda m, o: m.ConstantLR(o, 2.0),
    lambda m, o: m.LinearLR(o, 0.0),
    lambda m, o: m.LinearLR(o, 0.5, 2.0),
    lambda m, o: m.CosineAnnealingWarmRestarts(o, 0),
    lambda m, o: m.CosineAnnealingWarmRestarts(o, 5, 1.5),
    lambda m, o: m.CosineAnnealingWarmRestarts(o, 5, 1, "0"),
    lambda m, o: m.OneCycleLR(o, 0.1),
    lambda m, o: m.OneCycleLR(o, 0.1, total_steps=0),
    lambda m, o: m.OneCycleLR(o, 0.1, epochs=1.5, steps_per_epoch=3),
    lambda m, o: m.OneCycleLR(o, 0.1, epochs=1, steps_per_epoch=-3),
    lambda m, o: m.OneCycleLR(o, [0.1], total_steps=3),
    lambda m, o: m.OneCycleLR(o, 0.1, total_steps=3, pct_start=2.0),
    lambda m, o: m.OneCycleLR(o, 0.1, total_steps=3, anneal_strategy="sine"),
    lambda m, o: m.CyclicLR(o, 0.1, 0.2, mode="square"),
    lambda m, o: m.CyclicLR(o, [0.1], 0.2),
    lambda m, o: m.ReduceLROnPlateau(o, factor=1.0),
    lambda m, o: m.ReduceLROnPlateau(o, mode="least"),
    lambda m, o: m.ReduceLROnPlateau(o, threshold_mode="least"),
    lambda m, o: m.ReduceLROnPlateau(o, min_lr=[1]),
    lambda m, o: m.SequentialLR(o, [], []),
    lambda m, o: m.SequentialLR(o, [m.ExponentialLR(o, 0.9)], [3]),
    lambda m, o: m.SequentialLR(o, [m.ReduceLROnPlateau(o)], []),
    lambda m, o: m.ChainedScheduler([]),
    lambda m, o: m.StepLR(o, 3, last_epoch=3),
]


@pytest.mark.parametrize("make", WRONG)
def test_wrong_arguments_raise_the_same(make: Make) -> None:
    theirs, ours = optimizers()
    with pytest.raises(Exception) as expected:
        make(torch.optim.lr_scheduler, theirs)
    with pytest.raises(expected.type):
        make(rg.optim.lr_scheduler, ours)


def test_cycling_wants_a_momentum() -> None:
    theirs, ours = optimizers("Adagrad")
    for m, o in ((torch.optim.lr_scheduler, theirs), (rg.optim.lr_scheduler, ours)):
        with pytest.raises(ValueError, match="momentum"):
            m.OneCycleLR(o, 0.1, total_steps=3)
        m.OneCycleLR(o, 0.1, total_steps=3, cycle_momentum=False)


@pytest.mark.filterwarnings("ignore:Detected call of")
@pytest.mark.parametrize("case", CASES)
def test_rates_that_are_tensors(case: str) -> None:
    """They stay the tensors that they were, and follow PyTorch's."""
    runs = []
    for library in (torch, rg):
        p = library.zeros(3, requires_grad=True)
        q = library.zeros(2, requires_grad=True)
        rates = [library.tensor(v, dtype=library.float64) for v in (0.1, 0.02)]
        groups = [{"params": [p], "lr": rates[0]}, {"params": [q], "lr": rates[1]}]
        optimizer = library.optim.SGD(groups, momentum=0.9)
        schedule = CASES[case](library.optim.lr_scheduler, optimizer)
        seen = []
        for _ in range(25):
            optimizer.step()
            schedule.step()
            seen.append([float(g["lr"]) for g in optimizer.param_groups])
            last = [float(r) for r in schedule.get_last_lr()]
            assert last == pytest.approx(seen[-1])
        kept = [
            g["lr"] is r for g, r in zip(optimizer.param_groups, rates, strict=True)
        ]
        runs.append((seen, kept))
    assert runs[1][1] == runs[0][1]
    for mine, theirs in zip(runs[1][0], runs[0][0], strict=True):
        assert mine == pytest.approx(theirs, rel=1e-9, abs=1e-15)
