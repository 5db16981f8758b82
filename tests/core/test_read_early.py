"""A loss that is read before its backward: the same derivatives, worked out once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import retrograd as rg
from retrograd import backward, nn


def parameter(*values: float) -> Any:
    return nn.Parameter(rg.tensor(values))


@pytest.fixture
def rules(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The operations whose rules were applied."""
    applied: list[Any] = []
    plain = backward._Reverse.pullback

    def noted(self: Any, segment: Any, state: Any, g: Any) -> Any:
        applied.append(state)
        return plain(self, segment, state, g)

    monkeypatch.setattr(backward._Reverse, "pullback", noted)
    return applied


def train(early: bool, build: Callable[[], Any], steps: int = 12) -> list[Any]:
    rg.manual_seed(1)
    model = build()
    optimizer = rg.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    seen = []
    for step in range(steps):
        x = rg.randn(6, 4)
        optimizer.zero_grad()
        loss = (model(x) - x[:, :2]).square().mean()
        if early:
            seen.append(loss.item())
        loss.backward()
        if step % 5 == 4:  # somebody looks at a gradient from time to time
            seen.append(next(model.parameters()).grad.tolist())
        optimizer.step()
        if not early:
            seen.insert(len(seen) - (step % 5 == 4), loss.item())
    return [*seen, *(t.tolist() for t in model.state_dict().values())]


@pytest.mark.parametrize(
    "build",
    [
        lambda: nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 2)),
        lambda: nn.Sequential(
            nn.Linear(4, 5),
            nn.BatchNorm1d(5),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Linear(5, 2),
        ),
    ],
    ids=["plain", "with state and chance"],
)
def test_a_training_is_the_same(build: Callable[[], Any]) -> None:
    assert flat(train(True, build)) == pytest.approx(
        flat(train(False, build)), rel=1e-5
    )


def flat(values: Any) -> list[float]:
    if isinstance(values, list):
        return [x for value in values for x in flat(value)]
    return [values]


def gradient_of_parts(w: Any, x: Any) -> list[float]:
    """Of Σ tanh(w·x) + w²."""
    return (x / (w * x).cosh() ** 2 + 2 * w).tolist()


def loss_of_parts(w: Any, x: Any) -> Any:
    return (w * x).tanh().sum() + (w * w).sum()


@pytest.mark.parametrize("bound", [True, False])
def test_rules_are_applied_only_while_it_is_new(rules: list[Any], bound: bool) -> None:
    w = parameter(0.1, 0.2) if bound else rg.tensor([0.1, 0.2], requires_grad=True)
    counts = []
    for step in range(6):
        x = rg.tensor([0.5, step - 2.0])
        w.grad = None
        loss = loss_of_parts(w, x)
        loss.item()
        before = len(rules)
        loss.backward()
        counts.append(len(rules) - before)
        assert w.grad.tolist() == pytest.approx(
            gradient_of_parts(w.detach(), x), rel=1e-5
        )
        with rg.no_grad():
            w.add_(0.1)
    assert counts[0] > 0 and counts[2:] == [0] * 4


def test_gradients_add_up_and_are_seen_by_hooks() -> None:
    x = rg.tensor([0.5, -1.0])
    for step in range(5):
        w, seen = parameter(0.1, 0.2), []
        w.register_hook(seen.append)
        for _ in range(3):
            loss = loss_of_parts(w, x)
            loss.item()
            loss.backward()
        want = gradient_of_parts(w.detach(), x)
        assert w.grad.tolist() == pytest.approx([3 * g for g in want], rel=1e-5), step
        assert [g.tolist() for g in seen] == [pytest.approx(want, rel=1e-5)] * 3


def test_two_losses_of_one_run() -> None:
    w, x = parameter(0.1, 0.2), rg.tensor([0.5, -1.0])
    for _ in range(5):
        w.grad = None
        common = (w * x).tanh()
        first, second = common.sum(), (common * common).sum()
        first.item()
        first.backward(retain_graph=True)
        second.backward()
        t = (w.detach() * x).tanh()
        want = (x * (1 - t * t) * (1 + 2 * t)).tolist()
        assert w.grad.tolist() == pytest.approx(want, rel=1e-5)
        with pytest.raises(RuntimeError, match="a second time"):
            first.backward()


def test_errors_are_those_of_the_first_time() -> None:
    w, x = parameter(0.1, 0.2), rg.tensor([0.5, -1.0])
    for step in range(8):
        loss = loss_of_parts(w, x)
        loss.item()
        if step % 2:
            with rg.no_grad():
                w.mul_(1.0)
            with pytest.raises(RuntimeError, match="modified by an inplace operation"):
                loss.backward()
            continue
        loss.backward()
        with pytest.raises(RuntimeError, match="a second time"):
            loss.backward()


def test_a_change_in_one_step_is_no_error_in_the_next() -> None:
    w, x = parameter(0.1, 0.2), rg.tensor([0.5, -1.0])
    for step in range(12):
        w.grad = None
        y = (w * x).tanh()
        loss = y.sum()
        loss.item()
        if step == 6:
            y.add_(1)  # what the derivative of tanh needs
            with pytest.raises(RuntimeError, match="modified by an inplace operation"):
                loss.backward()
        else:
            loss.backward()
            assert w.grad is not None


def test_a_new_parameter_of_the_same_shape_gets_its_own() -> None:
    x = rg.tensor([0.5, -1.0])
    for step in range(6):
        w = parameter(0.1 * step, 0.2)
        loss = loss_of_parts(w, x)
        loss.item()
        loss.backward()
        want = gradient_of_parts(w.detach(), x)
        assert w.grad.tolist() == pytest.approx(want, rel=1e-5)


def test_what_follows_the_reading_is_in_the_same_trace() -> None:
    w, x = parameter(0.1, 0.2), rg.tensor([0.5, -1.0])
    for _ in range(6):
        w.grad = None
        out = (w * x).tanh()
        loss = out.sum()
        loss.item()
        right = (out.detach() > 0).sum()  # takes a kept value into the trace first
        loss.backward()
        scaled = x * 2
        t = (w.detach() * x).tanh()
        assert w.grad.tolist() == pytest.approx((x * (1 - t * t)).tolist(), rel=1e-5)
        assert right.item() == 1 and scaled.tolist() == [1.0, -2.0]
