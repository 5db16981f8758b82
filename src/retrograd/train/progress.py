"""How the training goes, while it runs: a live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from typing import Any


def score(row: dict[str, Any]) -> str:
    """``loss 0.531 (training 0.502), accuracy 98.6 %``."""
    text = f"loss {row['val_loss']:.4f} (training {row['loss']:.4f}), "
    if "val_accuracy" in row:
        return text + f"accuracy {row['val_accuracy']:.1%}"
    return text + f"R² {row['val_r2']:.3f}, RMSE {row['val_rmse']:.4g}"


class Lines:
    """About twenty lines, and one whenever ten seconds have gone by without."""

    def __init__(self) -> None:
        self.epochs, self.every, self.done, self.began, self.last = 1, 1, 0, 0.0, 0.0

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *exc: object) -> None: ...

    def begin(self, epochs: int, steps: int, done: int) -> None:
        self.epochs, self.every, self.done = epochs, max(1, epochs // 20), done
        self.began = self.last = time.perf_counter()

    def step(self) -> None: ...

    def epoch(self, row: dict[str, Any]) -> None:
        now, n = time.perf_counter(), row["epoch"]
        if n % self.every and n > self.done + 1 and now - self.last < 10:
            return
        self.last = now
        left = (now - self.began) / (n - self.done) * (self.epochs - n)
        print(
            f"epoch {n}/{self.epochs}  {score(row)}, at most {left:.0f} s left",
            file=sys.stderr, flush=True,
        )  # fmt: skip


class Live:
    """One line that is drawn again ten times a second, by rich."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self.progress = Progress(
            TextColumn("epoch {task.fields[n]}/{task.fields[epochs]}"),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[score]}", markup=False),
            TimeRemainingColumn(),
            TextColumn("left at most"),
            console=Console(stderr=True),
            transient=True,
        )
        self.epochs = self.steps = 1
        self.task: Any = None

    def __enter__(self) -> Live:
        self.progress.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.progress.stop()

    def begin(self, epochs: int, steps: int, done: int) -> None:
        self.epochs, self.steps = epochs, steps
        self.task = self.progress.add_task(
            "", total=epochs * steps, completed=done * steps, n=min(done + 1, epochs),
            epochs=epochs, score="starting",
        )  # fmt: skip

    def step(self) -> None:
        self.progress.advance(self.task)

    def epoch(self, row: dict[str, Any]) -> None:
        after = min(row["epoch"] + 1, self.epochs)
        self.progress.update(self.task, n=after, score=score(row))


def progress() -> Lines | Live:
    """The one that suits where standard error goes."""
    return Live() if sys.stderr.isatty() else Lines()
