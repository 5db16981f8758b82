"""Wild programs mean the same in both executors and in PyTorch, on each visit."""

from __future__ import annotations

from typing import Any

import pytest

import retrograd as rg
import wild_programs as wild
from retrograd.execute import cache

#: programs for each test; a campaign by hand takes thousands
COUNT = 60


def check(seed: int, theirs: list[Any], visits: int) -> None:
    steps = wild.program(seed)
    for visit in range(visits):
        mine = wild.play(rg, steps, wanted=seed % 5 > 0)
        place = wild.first_difference(mine, theirs)
        assert place is None, (
            f"program {seed}, visit {visit}: {wild.described(steps, place)}\n"
            f"have {mine[place : place + 1]}\nwant {theirs[place : place + 1]}"
        )


@pytest.mark.filterwarnings("ignore::UserWarning")  # PyTorch's, about odd programs
@pytest.mark.parametrize("block", range(4))
def test_as_in_pytorch(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip(
        "torch", reason="comparisons with PyTorch are skipped: it is not installed"
    )
    monkeypatch.setattr(cache, "EXECUTOR", "interpreter")
    for seed in range(block * COUNT, (block + 1) * COUNT):
        theirs = wild.play(torch, wild.program(seed), wanted=seed % 5 > 0)
        check(seed, theirs, visits=2)


@pytest.mark.parametrize("block", range(2))
def test_native_as_interpreted(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(10_000 + block * 12, 10_000 + (block + 1) * 12):
        monkeypatch.setattr(cache, "EXECUTOR", "interpreter")
        interpreted = wild.play(rg, wild.program(seed), wanted=seed % 5 > 0)
        monkeypatch.setattr(cache, "EXECUTOR", "native")
        check(seed, interpreted, visits=2)
