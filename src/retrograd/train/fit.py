"""The training run: split, train, stop early, keep the best, leave a folder."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import retrograd as rg
from retrograd.io import save_safetensors
from retrograd.nn import functional as F
from retrograd.utils.data import DataLoader, TensorDataset

from . import model as networks
from .data import DataError, Table

OPTIMIZERS = {"adam": rg.optim.Adam, "adamw": rg.optim.AdamW, "sgd": rg.optim.SGD,
              "rmsprop": rg.optim.RMSprop}  # fmt: skip


def split(table: Table, rows: Any, generator: Any, fraction: float) -> tuple[Any, Any]:
    """*rows* in two random parts, the second a *fraction*: of each class alike."""
    order = rows[rg.randperm(len(rows), generator=generator).numpy()]
    if table.task == "regression":
        k = max(1, round(len(rows) * fraction))
        return order[k:], order[:k]
    taken: list[int] = []
    for c in range(len(table.classes)):
        of_class = order[table.targets[order] == c]
        k = max(int(len(of_class) > 1), round(len(of_class) * fraction))
        taken.extend(of_class[:k].tolist())
    chosen = np.isin(order, taken)
    return order[~chosen], order[chosen]


#: the part of all rows that judges, and the part of the others that says when to stop
HELD, WATCHED = 0.2, 0.15


class Run:
    """One training, and the folder it leaves."""

    def __init__(
        self, table: Table, options: dict[str, Any], folder: Path, command: str
    ) -> None:
        self.table, self.options, self.folder, self.command = (
            table,
            options,
            folder,
            command,
        )
        if len(table.inputs) < 5:
            raise DataError(
                f"{table.name}: {len(table.inputs)} rows are too few to train on"
            )
        # A fifth judges the result and is looked at once, when training is over; a part
        # of the rest says when to stop.
        generator = rg.Generator().manual_seed(options["seed"])
        rows = np.arange(len(table.inputs))
        rest, self.held_rows = split(table, rows, generator, HELD)
        self.train_rows, self.watched_rows = split(table, rest, generator, WATCHED)
        rg.manual_seed(options["seed"])
        shape = list(table.inputs.shape[1:])
        outputs = len(table.classes) if table.task == "classification" else 1
        self.architecture = networks.describe(shape, outputs, options)
        self.model = networks.build(self.architecture)
        self.model[0].fit(table.inputs[self.train_rows])
        self.offset, self.scale = 0.0, 1.0
        targets = table.targets
        if table.task == "regression":
            self.offset = float(targets[self.train_rows].mean())
            self.scale = max(float(targets[self.train_rows].std()), 1e-8)
            targets = (targets - self.offset) / self.scale
        self.targets = targets
        self.history: list[dict[str, Any]] = []
        self.best: dict[str, Any] = {}
        self.judged: dict[str, float] = {}
        self.best_state: dict[str, Any] = {}
        self.interrupted = False
        self.seconds = 0.0

    def criterion(self, out: Any, y: Any) -> Any:
        """Cross-entropy, or the squared error of standardised targets."""
        if self.table.task == "classification":
            return F.cross_entropy(out, y)
        return F.mse_loss(out.squeeze(1), y)

    def outputs(self, rows: Any) -> Any:
        """What the network says of some rows, as an array."""
        self.model.eval()
        with rg.no_grad():
            parts = [
                self.model(rg.tensor(self.table.inputs[rows[i : i + 512]])).numpy()
                for i in range(0, len(rows), 512)
            ]
        self.model.train()
        return np.concatenate(parts)

    def evaluate(self, rows: Any, prefix: str) -> dict[str, float]:
        """Loss and score on some rows."""
        out = self.outputs(rows)
        y = self.targets[rows]
        loss = self.criterion(rg.tensor(out), rg.tensor(y)).item()
        if self.table.task == "classification":
            return {
                f"{prefix}_loss": loss,
                f"{prefix}_accuracy": float((out.argmax(1) == y).mean()),
            }
        error = (out[:, 0] - y) * self.scale
        spread = float(np.var(self.table.targets[rows]))
        return {
            f"{prefix}_loss": loss,
            f"{prefix}_rmse": float(np.sqrt((error**2).mean())),
            f"{prefix}_r2": 1 - float((error**2).mean()) / max(spread, 1e-12),
        }

    def loader(self) -> Any:
        dataset = TensorDataset(
            rg.tensor(self.table.inputs[self.train_rows]),
            rg.tensor(self.targets[self.train_rows]),
        )
        return DataLoader(dataset, batch_size=self.options["batch_size"], shuffle=True)

    def train(self, progress: Callable[[dict[str, Any]], None]) -> None:
        """Train until the epochs, or the patience, are used up, or Ctrl-C."""
        options = self.options
        make = OPTIMIZERS[options["optimizer"]]
        more = {"momentum": 0.9} if options["optimizer"] == "sgd" else {}
        optimizer = make(
            self.model.parameters(),
            lr=options["lr"],
            weight_decay=options["weight_decay"],
            **more,
        )
        epochs = options["epochs"]
        schedules: dict[str, Any] = {
            "cosine": lambda: rg.optim.lr_scheduler.CosineAnnealingLR(
                optimizer, epochs
            ),
            "step": lambda: rg.optim.lr_scheduler.StepLR(
                optimizer, max(1, epochs // 3), 0.3
            ),
            "constant": lambda: None,
        }
        schedule = schedules[options["schedule"]]()
        loader = self.loader()
        began, since_best = time.perf_counter(), 0
        try:
            for epoch in range(1, epochs + 1):
                total, count = 0.0, 0
                for x, y in loader:
                    optimizer.zero_grad()
                    loss = self.criterion(self.model(x), y)
                    loss.backward()
                    optimizer.step()
                    total, count = total + loss.item() * len(x), count + len(x)
                rate = optimizer.param_groups[0]["lr"]
                if schedule is not None:
                    schedule.step()
                row = {
                    "epoch": epoch,
                    "loss": total / max(count, 1),
                    "lr": rate,
                    **self.evaluate(self.watched_rows, "valid"),
                }
                row["seconds"] = round(time.perf_counter() - began, 3)
                if not np.isfinite(row["loss"]):
                    raise DataError(
                        f"the loss became {row['loss']} in epoch {epoch}: try a smaller --lr "
                        f"than {options['lr']}"
                    )
                self.history.append(row)
                since_best += 1
                if not self.best or row["valid_loss"] < self.best["valid_loss"]:
                    self.best, since_best = row, 0
                    self.best_state = {
                        k: v.clone() for k, v in self.model.state_dict().items()
                    }
                    rg.dispatch.realize(*self.best_state.values())
                    self.save()
                self._log(row)
                progress(row)
                if since_best >= options["patience"]:
                    break
        except KeyboardInterrupt:
            self.interrupted = True
        self.seconds = time.perf_counter() - began
        if self.best_state:
            self.model.load_state_dict(self.best_state)
            self.judged = self.evaluate(self.held_rows, "held")
            self._log({"best_epoch": self.best["epoch"], **self.judged})
            self.save()

    def _log(self, row: dict[str, Any]) -> None:
        with open(self.folder / "metrics.jsonl", "a", encoding="utf-8") as f:
            f.write(json.dumps(row) + "\n")

    def save(self) -> None:
        """The best model so far, with all that prediction needs beside the weights."""
        t = self.table
        about = {
            "architecture": self.architecture, "task": t.task, "classes": t.classes,
            "columns": t.columns, "target": t.target_name, "image": t.image,
            "offset": self.offset, "scale": self.scale, "data": t.name,
            "metrics": {**self.best, **self.judged},
        }  # fmt: skip
        save_safetensors(self.best_state, self.folder / "model.safetensors",
                         {"retrograd.model": json.dumps(about)})  # fmt: skip

    def summary(self) -> dict[str, Any]:
        """What the report says of the run."""
        weights = sum(p.numel() for p in self.model.parameters())
        return {
            "Data": f"{self.table.name}: {len(self.table.inputs)} rows, {len(self.train_rows)} "
            f"for training, {len(self.watched_rows)} to stop by and {len(self.held_rows)} held out",
            "Network": f"{weights} parameters: "
            + " → ".join(str(m) for m in list(self.model)[1:]),
            "Best epoch": f"{self.best.get('epoch')} of {len(self.history)}, in {self.seconds:.1f} s",
            "Command": self.command,
            "Seed": self.options["seed"],
            "Versions": f"retrograd {rg.__version__}, NumPy {np.__version__}, "
            f"Python {platform.python_version()}",
        }


def new_folder(out: str, name: str) -> Path:
    """runs/<name>-<n>, the first n that is free."""
    base = Path(out)
    try:
        base.mkdir(parents=True, exist_ok=True)
        n = 1
        while True:
            folder = base / f"{name}-{n}"
            try:
                folder.mkdir()
                return folder
            except FileExistsError:
                if not folder.is_dir() and n > 10_000:
                    raise
                n += 1
    except OSError as error:
        raise DataError(f"cannot write to {base}: {error.strerror or error}") from None


__all__ = ["OPTIMIZERS", "Run", "new_folder", "split"]
