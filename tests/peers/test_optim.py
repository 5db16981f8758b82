"""Every optimizer's parameters and state follow PyTorch's, for all its arguments."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import retrograd as rg

torch = pytest.importorskip(
    "torch", reason="comparisons with PyTorch are skipped: it is not installed"
)

GRIDS: dict[str, dict[str, list[Any]]] = {
    "SGD": {
        "lr": [0.1],
        "momentum": [0, 0.9],
        "dampening": [0, 0.3],
        "weight_decay": [0, 0.1],
        "nesterov": [False, True],
        "maximize": [False, True],
    },
    "Adam": {
        "lr": [0.05],
        "betas": [(0.9, 0.999), (0.3, 0.9)],
        "weight_decay": [0, 0.1],
        "amsgrad": [False, True],
        "maximize": [False, True],
    },
    "AdamW": {
        "lr": [0.05],
        "weight_decay": [0, 0.1],
        "amsgrad": [False, True],
        "maximize": [False, True],
    },
    "RMSprop": {
        "alpha": [0.99, 0.4],
        "momentum": [0, 0.9],
        "centered": [False, True],
        "weight_decay": [0, 0.1],
        "maximize": [False, True],
    },
    "Adagrad": {
        "lr": [0.05],
        "lr_decay": [0, 0.1],
        "weight_decay": [0, 0.1],
        "initial_accumulator_value": [0, 0.5],
        "maximize": [False, True],
    },
    "Adamax": {"lr": [0.05], "weight_decay": [0, 0.1], "maximize": [False, True]},
    "NAdam": {
        "weight_decay": [0, 0.1],
        "decoupled_weight_decay": [False, True],
        "maximize": [False, True],
    },
    "RAdam": {
        "weight_decay": [0, 0.1],
        "decoupled_weight_decay": [False, True],
        "maximize": [False, True],
    },
    "Adadelta": {"lr": [0.5], "weight_decay": [0, 0.1], "maximize": [False, True]},
    "Rprop": {"maximize": [False, True], "etas": [(0.5, 1.2), (0.3, 1.5)]},
    "ASGD": {
        "lr": [0.05],
        "t0": [1e6, 5],
        "lambd": [1e-4, 0.1],
        "weight_decay": [0, 0.1],
        "maximize": [False, True],
    },
}
CASES = [
    pytest.param(name, dict(zip(grid, values, strict=True)), id=f"{name}-{i}")
    for name, grid in GRIDS.items()
    for i, values in enumerate(itertools.product(*grid.values()))
]
TOLERANCE = {
    "float64": {"rtol": 1e-12, "atol": 1e-14},
    "float32": {"rtol": 1e-4, "atol": 1e-6},
}


def pair(dtype: str, *shapes: tuple[int, ...]) -> tuple[list[Any], list[Any]]:
    """The same parameters, theirs and ours."""
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(shape).astype(dtype) for shape in shapes]
    return (
        [torch.tensor(a, requires_grad=True) for a in arrays],
        [rg.tensor(a, requires_grad=True) for a in arrays],
    )


def build(name: str, theirs: list[Any], ours: list[Any], **options: Any) -> Any:
    """Both optimizers, or None if both refuse the arguments in the same words."""
    try:
        reference = getattr(torch.optim, name)(theirs, **options)
    except ValueError as error:
        with pytest.raises(ValueError) as mine:
            getattr(rg.optim, name)(ours, **options)
        assert str(mine.value) == str(error)
        return None
    return reference, getattr(rg.optim, name)(ours, **options)


def give_gradients(theirs: list[Any], ours: list[Any], rng: Any) -> None:
    """The same gradients, partly noise and partly towards 0."""
    for a, b in zip(theirs, ours, strict=True):
        noise = rng.standard_normal(a.shape).astype(a.detach().numpy().dtype)
        a.grad = torch.tensor(noise) + 0.1 * a.detach()
        b.grad = rg.tensor(noise) + 0.1 * b.detach()


def same(theirs: Any, ours: Any, dtype: str) -> None:
    np.testing.assert_allclose(
        ours.detach().numpy(), theirs.detach().numpy(), **TOLERANCE[dtype]
    )


def same_state(a: dict[str, Any], b: dict[str, Any], dtype: str) -> None:
    assert a["param_groups"] == b["param_groups"]
    assert a["state"].keys() == b["state"].keys()
    for index, entry in a["state"].items():
        assert list(entry) == list(b["state"][index])
        for key, value in entry.items():
            other = b["state"][index][key]
            assert str(other.dtype).split(".")[1] == str(value.dtype).split(".")[1]
            assert tuple(other.shape) == tuple(value.shape)
            same(value, other, "float32" if value.dtype == torch.float32 else dtype)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(("name", "options"), CASES)
def test_forty_steps(name: str, options: dict[str, Any], dtype: str) -> None:
    theirs, ours = pair(dtype, (4, 3), (5,))
    both = build(name, theirs, ours, **options)
    if both is None:
        return
    reference, optimizer = both
    assert repr(reference) == repr(optimizer)
    rng = np.random.default_rng(1)
    for _ in range(40):
        give_gradients(theirs, ours, rng)
        reference.step()
        optimizer.step()
    for a, b in zip(theirs, ours, strict=True):
        same(a, b, dtype)
    same_state(reference.state_dict(), optimizer.state_dict(), dtype)


def convert(value: Any) -> Any:
    """A state dict of PyTorch's with NumPy arrays for tensors."""
    if isinstance(value, dict):
        return {k: convert(v) for k, v in value.items()}
    return value.numpy() if isinstance(value, torch.Tensor) else value


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("SGD", {"momentum": 0.9, "nesterov": True}),
        ("SGD", {}),
        ("Adam", {"amsgrad": True}),
        ("AdamW", {}),
        ("RMSprop", {"momentum": 0.5, "centered": True}),
        ("Adagrad", {"lr_decay": 0.1}),
        ("Adamax", {}),
        ("NAdam", {}),
        ("RAdam", {}),
        ("Adadelta", {}),
        ("Rprop", {}),
        ("ASGD", {"t0": 3}),
    ],
)
def test_continues_what_pytorch_began(name: str, options: dict[str, Any]) -> None:
    theirs, ours = pair("float64", (4, 3), (5,))
    reference, first = build(name, theirs, ours, lr=0.03, **options)
    rng = np.random.default_rng(1)
    for _ in range(5):
        give_gradients(theirs, ours, rng)
        reference.step()
        first.step()
    optimizer = getattr(rg.optim, name)(ours)
    optimizer.load_state_dict(convert(reference.state_dict()))
    for _ in range(10):
        give_gradients(theirs, ours, rng)
        reference.step()
        optimizer.step()
    for a, b in zip(theirs, ours, strict=True):
        same(a, b, "float64")


@pytest.mark.parametrize("name", ["SGD", "Adam", "RMSprop"])
def test_groups_and_changing_hyperparameters(name: str) -> None:
    """What is written into a group takes effect, whatever was recorded before."""
    theirs, ours = pair("float64", (4, 3), (5,), (2,))
    options = [{"lr": 0.05}, {"weight_decay": 0.1}, {}]
    groups = [
        [{"params": [p], **dict(o)} for p, o in zip(params, options, strict=True)]
        for params in (theirs, ours)
    ]
    extra = {} if name == "Adam" else {"momentum": 0.9}
    reference, optimizer = build(name, *groups, lr=0.02, **extra)
    rng = np.random.default_rng(1)
    for step in range(40):
        give_gradients(theirs, ours, rng)
        if step % 5 == 3:
            theirs[1].grad = ours[1].grad = None
        for o in (reference, optimizer):
            group = o.param_groups[step % 3]
            if step % 7 == 0:
                group["lr"] *= 0.9
            if step == 12:
                group["weight_decay"] = 0.2
            if step == 16:
                group.update(weight_decay=0.3)
            if step == 20:
                group["maximize"] = True
            if step in (24, 25, 26) and name == "Adam":
                group["betas"] = (0.9 - 0.02 * step, 0.99)
            elif step in (24, 25, 26):
                group["momentum"] = 0.5 + 0.01 * step
            o.step()
    for a, b in zip(theirs, ours, strict=True):
        same(a, b, "float64")


@pytest.mark.parametrize("name", ["SGD", "Adam"])
def test_one_cycle(name: str) -> None:
    theirs, ours = pair("float64", (4, 3))
    extra = {"momentum": 0.9} if name == "SGD" else {}
    both = build(name, theirs, ours, lr=0.02, **extra)
    schedules = [
        library.optim.lr_scheduler.OneCycleLR(o, 0.1, total_steps=31)
        for library, o in zip((torch, rg), both, strict=True)
    ]
    rng = np.random.default_rng(1)
    for _ in range(30):
        give_gradients(theirs, ours, rng)
        for o, s in zip(both, schedules, strict=True):
            o.step()
            s.step()
    same(theirs[0], ours[0], "float64")


def test_a_rate_that_is_a_tensor() -> None:
    theirs, ours = pair("float64", (4, 3))
    a = torch.optim.Adam(theirs, lr=torch.tensor(0.05, dtype=torch.float64))
    b = rg.optim.Adam(ours, lr=rg.tensor(0.05, dtype=rg.float64))
    s = torch.optim.lr_scheduler.ExponentialLR(a, 0.9)
    t = rg.optim.lr_scheduler.ExponentialLR(b, 0.9)
    rng = np.random.default_rng(1)
    for _ in range(20):
        give_gradients(theirs, ours, rng)
        a.step(), b.step(), s.step(), t.step()
    same(theirs[0], ours[0], "float64")
    assert float(b.param_groups[0]["lr"]) == pytest.approx(0.05 * 0.9**20)


WRONG: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {"lr": -1.0}),
    ("SGD", {"momentum": -0.1}),
    ("SGD", {"weight_decay": -0.1}),
    ("SGD", {"nesterov": True}),
    ("Adam", {"lr": -1.0}),
    ("Adam", {"eps": -1.0}),
    ("Adam", {"betas": (1.0, 0.9)}),
    ("Adam", {"betas": (0.9, -0.1)}),
    ("AdamW", {"weight_decay": -1}),
    ("RMSprop", {"alpha": -1}),
    ("RMSprop", {"momentum": -1}),
    ("Adagrad", {"lr_decay": -1}),
    ("Adagrad", {"initial_accumulator_value": -1}),
    ("Adadelta", {"rho": 1.5}),
    ("NAdam", {"momentum_decay": -1}),
    ("Rprop", {"etas": (1.5, 0.5)}),
]


@pytest.mark.parametrize(("name", "options"), WRONG)
def test_wrong_arguments_raise_the_same_words(name: str, options: Any) -> None:
    theirs, ours = pair("float32", (2,))
    assert build(name, theirs, ours, **options) is None


def test_training_a_network_gives_the_same_weights() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((20, 6)), rng.standard_normal((20, 2))
    arrays = [rng.standard_normal(s) / 3 for s in [(8, 6), (8,), (2, 8), (2,)]]
    weights = []
    for library in (torch, rg):
        w = [library.tensor(a, requires_grad=True) for a in arrays]
        optimizer = library.optim.SGD(w, lr=0.1, momentum=0.9, weight_decay=1e-3)
        schedule = library.optim.lr_scheduler.StepLR(optimizer, 10, 0.5)
        inputs, targets = library.tensor(x), library.tensor(y)
        for _epoch in range(30):
            for i in range(0, 20, 5):
                optimizer.zero_grad()
                h = (inputs[i : i + 5] @ w[0].T + w[1]).tanh()
                loss = ((h @ w[2].T + w[3] - targets[i : i + 5]) ** 2).mean()
                loss.backward()
                optimizer.step()
            schedule.step()
        weights.append([p.detach().numpy() for p in w])
    for a, b in zip(*weights, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-10)
