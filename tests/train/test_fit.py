"""Training on data in memory: many steps in one call, and the same as step by step."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from retrograd.compiler.variant import Variant
from retrograd.train.data import read
from retrograd.train.fit import Run, Silent
from retrograd.train.settings import Settings

pytest.importorskip("llvmlite", reason="without llvmlite there is no native loop")


def trained(folder: Path, progress: Any = None, **settings: Any) -> Run:
    folder.mkdir()
    run = Run.prepare(read(None), Settings(**settings), folder)
    run.train(progress)
    return run


@pytest.mark.parametrize(
    "settings",
    [
        {"epochs": 3, "dropout": 0.2},
        {"epochs": 2, "optimizer": "sgd", "schedule": "plateau", "batch_size": 50},
        {"epochs": 2, "schedule": "onecycle"},  # another rate at each step
    ],
    ids=lambda s: s.get("schedule", "usual"),
)
def test_many_steps_in_one_call_are_the_same_steps(
    settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    repeat = Variant.repeat

    def counted(self: Variant, *args: Any) -> Any:
        done = repeat(self, *args)
        calls.append(done[0])
        return done

    monkeypatch.setattr(Variant, "repeat", counted)
    quick = trained(tmp_path / "quick", **settings)
    assert bool(calls) == (settings.get("schedule") != "onecycle")
    monkeypatch.setattr(Variant, "repeats", lambda self: False)
    slow = trained(tmp_path / "slow", **settings)
    for a, b in zip(quick.history, slow.history, strict=True):
        assert (a["loss"], a["lr"]) == (b["loss"], b["lr"])
        # how often an evaluation ran before decides who runs it, and how it rounds
        assert a["val_loss"] == pytest.approx(b["val_loss"], rel=1e-5)
    assert quick.best["epoch"] == slow.best["epoch"]
    for name, value in quick.weights.items():
        np.testing.assert_array_equal(value.numpy(), slow.weights[name].numpy())


def test_the_wish_to_stop_is_heard_within_an_epoch(tmp_path: Path) -> None:
    class Impatient(Silent):
        steps = 0

        def step(self) -> None:
            self.steps += 1
            if self.steps == 60:
                os.kill(os.getpid(), signal.SIGINT)

    progress = Impatient()
    run = trained(tmp_path / "run", progress, epochs=1000, batch_size=4)
    assert run.stopped == signal.SIGINT
    assert len(run.history) == 1 and progress.steps >= 60
    assert (tmp_path / "run" / "model.safetensors").exists()
