"""Checkpoints around any part of any program change no number."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import given, reject, settings
from hypothesis import strategies as st

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
from retrograd.utils.checkpoint import checkpoint

quick = settings(
    derandomize=True, deadline=None, database=None, report_multiple_bugs=False
)


def parts(program: Program, cuts: tuple[int, int]) -> list[Program]:
    """The program as three that follow each other."""
    first, second = (c % (len(program.steps) + 1) for c in sorted(cuts))
    first, second = min(first, second), max(first, second)
    steps = program.steps
    return [
        Program(program.leaves, program.seed, part, program.heads)
        for part in (steps[:first], steps[first:second], steps[second:])
    ]


def inside(
    pieces: list[Program],
    nested: bool,
    keeps: bool,
    read: bool,
    entered: list[tuple[Any, int]] | None = None,
) -> Outcome:
    """Play with the parts in checkpoints; the middle one in the last if *nested*. What
    enters a checkpoint is *entered*, with how often it had been changed by then."""

    def run(program: Program, values: list[Any]) -> list[Any]:
        return play(rg, program, values)

    def wrap(f: Callable[..., Any], *args: Any) -> Any:
        if entered is not None:
            entered.extend((x, x._version) for x in args[-1])
        return f(*args) if keeps else checkpoint(f, *args, use_reentrant=False)

    leaves = leaves_of(rg, pieces[0])
    values = wrap(run, pieces[0], leaves)
    if nested:
        values = wrap(lambda v: run(pieces[2], wrap(run, pieces[1], v)), values)
    else:
        values = run(pieces[2], wrap(run, pieces[1], values))
    loss = loss_of(rg, pieces[0], values)
    if read:
        loss.item()
    return Outcome.of(loss, values, leaves)


cuts = st.tuples(st.integers(0, 14), st.integers(0, 14))


@settings(quick, max_examples=120)
@given(programs(), cuts, st.booleans(), st.booleans())
def test_in_any_program(
    program: Program, where: tuple[int, int], nested: bool, read: bool
) -> None:
    expected = outcome(rg, program)
    for _ in range(2):
        found = inside(parts(program, where), nested, keeps=False, read=read)
        found.assert_same(expected, rtol=1e-11)


@settings(quick, max_examples=80)
@given(programs(changes=True), cuts, st.booleans())
def test_in_programs_that_change_things(
    program: Program, where: tuple[int, int], read: bool
) -> None:
    expected = outcome(rg, program)
    entered: list[tuple[Any, int]] = []
    try:
        found = inside(parts(program, where), True, False, read, entered)
    except RuntimeError as error:
        # What a region overwrites of what entered it, it cannot start from again;
        # PyTorch refuses it with the same words.
        assert "has been modified by an inplace operation" in str(error)
        assert any(x._version > before for x, before in entered)
        reject()
    found.assert_same(expected, rtol=1e-11)


@settings(quick, max_examples=60)
@given(programs(max_length=8, smooth=True), st.booleans())
def test_second_derivatives(program: Program, read: bool) -> None:
    found = []
    for keeps in (True, False):
        leaves = leaves_of(rg, program)
        if keeps:
            values = play(rg, program, leaves)
        else:
            values = checkpoint(
                lambda xs: play(rg, program, xs), leaves, use_reentrant=False
            )
        loss = loss_of(rg, program, values)
        if read:
            loss.item()
        options = {"allow_unused": True, "materialize_grads": True}
        first = rg.autograd.grad(loss, leaves, create_graph=True, **options)
        total: Any = sum((g * g).sum() for g in first)
        second = list(first)
        if total.requires_grad:
            second += rg.autograd.grad(total, leaves, **options)
        found.append([g.detach().numpy() for g in second])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(
            b, a, rtol=1e-9, atol=1e-9 * (1 + np.abs(a).max(initial=0))
        )
