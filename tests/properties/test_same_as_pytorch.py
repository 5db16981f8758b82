"""Random programs mean in retrograd what they mean in PyTorch: values and gradients."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings

import retrograd as rg
from random_programs import Program, outcome, programs

torch = pytest.importorskip(
    "torch", reason="comparisons with PyTorch are skipped: it is not installed"
)

quick = settings(
    derandomize=True, deadline=None, database=None, report_multiple_bugs=False
)


def compare(program: Program) -> None:
    theirs = outcome(torch, program, watch=True)
    # Where numbers explode, a difference in the last bit does too.
    assume(theirs.largest < 1e3)
    outcome(rg, program).assert_same(theirs, rtol=1e-9)


@settings(quick, max_examples=250)
@given(programs())
def test_random_programs(program: Program) -> None:
    compare(program)


@settings(quick, max_examples=150)
@given(programs(reads=False))
def test_random_programs_that_read_nothing_before_the_end(program: Program) -> None:
    compare(program)


@settings(quick, max_examples=20)
@given(programs(max_length=60))
def test_long_random_programs(program: Program) -> None:
    compare(program)


@settings(quick, max_examples=150)
@given(programs(changes=True))
def test_random_changes_of_aliased_memory(program: Program) -> None:
    compare(program)
