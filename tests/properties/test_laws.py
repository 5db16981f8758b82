"""Laws that hold for every program, whatever it computes: laziness, repetition and the
moment of reading change nothing; the gradient is linear, and it is the slope."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import assume, given, settings

import retrograd as rg
from random_programs import (
    Outcome,
    Program,
    leaves_of,
    loss_of,
    outcome,
    play,
    programs,
)
from retrograd.execute import cache

quick = settings(
    derandomize=True, deadline=None, database=None, report_multiple_bugs=False
)
Array = np.ndarray[Any, Any]


def finite(result: Outcome) -> bool:
    return result.largest < 1e3


@settings(quick, max_examples=100)
@given(programs())
def test_running_at_once_and_running_later_agree(program: Program) -> None:
    lazy = outcome(rg, program)
    with rg.eager():
        eager = outcome(rg, program)
    lazy.assert_same(eager, rtol=1e-12)


@settings(quick, max_examples=100)
@given(programs(changes=True))
def test_changing_at_once_and_changing_later_agree(program: Program) -> None:
    lazy = outcome(rg, program)
    with rg.eager():
        eager = outcome(rg, program)
    lazy.assert_same(eager, rtol=1e-12)


@settings(quick, max_examples=100)
@given(programs(changes=True))
def test_looking_between_changes_changes_nothing(program: Program) -> None:
    outcome(rg, program).assert_same(outcome(rg, program.without("look")), rtol=1e-12)


@settings(quick, max_examples=100)
@given(programs())
def test_looking_at_values_changes_nothing(program: Program) -> None:
    outcome(rg, program).assert_same(outcome(rg, program.without("look")), rtol=1e-12)


@settings(quick, max_examples=60)
@given(programs())
def test_looking_at_every_value_changes_nothing(program: Program) -> None:
    outcome(rg, program, watch=True).assert_same(outcome(rg, program), rtol=1e-12)


@settings(quick, max_examples=60)
@given(programs())
def test_holding_every_value_changes_nothing(program: Program) -> None:
    held, dropped = outcome(rg, program.without("drop")), outcome(rg, program)
    kept = [
        None if d is None else h
        for h, d in zip(held.values, dropped.values, strict=True)
    ]
    Outcome(held.loss, kept, held.grads, held.largest).assert_same(dropped, rtol=1e-12)


# One executor gives the same bits each time; where they change places, the last differ.
BITS = {"interpreter": 0.0, "native": 0.0, "auto": 1e-11}
each_executor = pytest.mark.parametrize(
    "executor", BITS if cache.EXECUTOR == "auto" else [cache.EXECUTOR]
)


@contextlib.contextmanager
def executed_by(executor: str) -> Iterator[float]:
    """Run what follows with that executor; how far repeated results may differ."""
    with mock.patch.object(cache, "EXECUTOR", executor):
        yield BITS[executor]


@each_executor
@settings(quick, max_examples=100)
@given(program=programs())
def test_the_same_program_gives_the_same_numbers_each_time(
    executor: str, program: Program
) -> None:
    with executed_by(executor) as rtol:
        first = outcome(rg, program)
        for _ in range(3):
            again = outcome(rg, program)
            again.assert_same(first, rtol=rtol)


@each_executor
@settings(quick, max_examples=60)
@given(one=programs(max_length=8), two=programs(max_length=8))
def test_programs_that_take_turns_do_not_mix(
    executor: str, one: Program, two: Program
) -> None:
    with executed_by(executor) as rtol:
        alone = outcome(rg, one), outcome(rg, two)
        for _ in range(2):
            outcome(rg, one).assert_same(alone[0], rtol=rtol)
            outcome(rg, two).assert_same(alone[1], rtol=rtol)


@each_executor
@settings(quick, max_examples=60)
@given(programs())
def test_gradients_add_up_until_they_are_cleared(
    executor: str, program: Program
) -> None:
    with executed_by(executor) as rtol:
        leaves = leaves_of(rg, program)
        loss = loss_of(rg, program, play(rg, program, leaves))
        assume(loss.requires_grad)
        loss.backward(retain_graph=True)
        once = [None if x.grad is None else x.grad.numpy().copy() for x in leaves]
        loss.backward()
        for x, g in zip(leaves, once, strict=True):
            assert (x.grad is None) == (g is None)
            if g is not None:
                np.testing.assert_allclose(x.grad.numpy(), 2 * g, rtol=rtol, atol=rtol)
                x.grad = None


def slope(loss: Any, leaves: list[Any]) -> list[Array]:
    found = rg.autograd.grad(loss, leaves, allow_unused=True, retain_graph=True)
    return [
        np.zeros(tuple(x.shape)) if g is None else g.numpy().copy()
        for x, g in zip(leaves, found, strict=True)
    ]


@settings(quick, max_examples=60)
@given(programs(max_length=10))
def test_the_gradient_is_linear(program: Program) -> None:
    """∇(2f − 3g) = 2∇f − 3∇g, for two functions that share their graph."""
    leaves = leaves_of(rg, program)
    values = play(rg, program, leaves)
    f = loss_of(rg, program, values)
    g = (values[program.heads[-1]].tanh()).sum()
    assume(f.requires_grad and g.requires_grad)
    both = slope(2 * f - 3 * g, leaves)
    for together, of_f, of_g in zip(
        both, slope(f, leaves), slope(g, leaves), strict=True
    ):
        scale = 1 + np.abs(of_f).max(initial=0) + np.abs(of_g).max(initial=0)
        np.testing.assert_allclose(
            together, 2 * of_f - 3 * of_g, rtol=1e-9, atol=1e-11 * scale
        )


def directions(program: Program) -> list[Array]:
    return [np.sin(1.0 + np.arange(x.size)).reshape(x.shape) for x in program.arrays()]


def central_difference(
    program: Program, f: Callable[[list[Any]], float], step: float
) -> float:
    """(f(x + εv) − f(x − εv)) / 2ε, extrapolated once: error O(ε⁴)."""

    def at(scale: float) -> float:
        points = [
            rg.tensor(a + scale * v, dtype=rg.float64, requires_grad=True)
            for a, v in zip(program.arrays(), directions(program), strict=True)
        ]
        return f(points)

    def plain(h: float) -> float:
        return (at(h) - at(-h)) / (2 * h)

    return (4 * plain(step / 2) - plain(step)) / 3


@settings(quick, max_examples=60)
@given(programs(max_length=8, smooth=True))
def test_the_gradient_is_the_slope(program: Program) -> None:
    """⟨∇f, v⟩ is what f changes by along v."""
    found = outcome(rg, program, watch=True)
    assume(finite(found))
    by_rule = sum(
        float((g * v).sum())
        for g, v in zip(found.grads, directions(program), strict=True)
        if g is not None
    )
    by_difference = central_difference(
        program,
        lambda leaves: loss_of(rg, program, play(rg, program, leaves)).item(),
        1e-3,
    )
    scale = (
        1
        + abs(found.loss)
        + sum(float(np.abs(g).sum()) for g in found.grads if g is not None)
    )
    assert abs(by_rule - by_difference) <= 1e-5 * scale


@settings(quick, max_examples=60)
@given(programs(max_length=8, smooth=True))
def test_the_second_derivative_is_the_slope_of_the_first(program: Program) -> None:
    """vᵀHv by two backward passes, and by differences of ⟨∇f, v⟩."""
    v = [rg.tensor(d, dtype=rg.float64) for d in directions(program)]

    def along(leaves: list[Any]) -> Any:
        loss = loss_of(rg, program, play(rg, program, leaves))
        assert loss.requires_grad
        found = rg.autograd.grad(loss, leaves, create_graph=True, allow_unused=True)
        parts = [(g * d).sum() for g, d in zip(found, v, strict=True) if g is not None]
        return sum(parts, start=rg.zeros((), dtype=rg.float64))

    assume(finite(outcome(rg, program, watch=True)))
    leaves = leaves_of(rg, program)
    first = along(leaves)
    assume(first.requires_grad)  # else f is linear: nothing is left to differentiate
    curved = rg.autograd.grad(first, leaves, allow_unused=True)
    by_rule = sum(
        float((g * d).sum()) for g, d in zip(curved, v, strict=True) if g is not None
    )
    by_difference = central_difference(program, lambda x: along(x).item(), 1e-3)
    scale = (
        1
        + abs(first.item())
        + sum(float(g.abs().sum()) for g in curved if g is not None)
    )
    assert abs(by_rule - by_difference) <= 1e-5 * scale
