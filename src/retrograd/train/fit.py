"""The training run: split, train, stop early, keep the best, leave a folder.

A random part of the rows (a fifth) is held out and looked at once, at the end. Of the
rest, a tenth tells when to stop and which epoch was best.
"""

from __future__ import annotations

import json
import math
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from threadpoolctl import threadpool_limits

import retrograd as rg
from retrograd import nn
from retrograd.compiler.step import Compiled
from retrograd.utils.data import DataLoader, TensorDataset

from ..execute.cache import at_once
from ..io import write_atomically
from . import audio, metrics, model, resume
from .data import Examples, stratified
from .errors import DataError, TrainingError, quoted
from .saved import save_model
from .settings import Settings
from .stopping import Stopping

#: Rows that go through the network at once when nothing is learned from them.
CHUNK = 1024
#: Below this many multiplications, waking the threads of BLAS costs more than they give;
#: on a busy machine ten times more.
WORTH_THREADS = 1 << 26
SECONDS_BETWEEN_SAVES = 1.0


class Progress(Protocol):
    """Who is told how the training goes."""

    def begin(self, epochs: int, steps: int, done: int) -> None: ...
    def step(self) -> None: ...
    def epoch(self, row: dict[str, Any]) -> None: ...


class Silent:
    """A progress that tells nobody."""

    def begin(self, epochs: int, steps: int, done: int) -> None: ...
    def step(self) -> None: ...
    def epoch(self, row: dict[str, Any]) -> None: ...


@dataclass
class Split:
    """Row numbers: to learn from, to decide when to stop, and held out."""

    train: Any
    validation: Any
    test: Any


def split(data: Examples, holdout: float, seed: int) -> Split:
    """A random split, of each class alike; the windows of a song stay together."""
    if data.songs is not None:
        songs, first = np.unique(data.songs, return_index=True)
        parts = _split(data.y[first], len(data.classes), holdout, seed)
        return Split(*(np.flatnonzero(np.isin(data.songs, songs[p])) for p in parts))
    return Split(*_split(data.y, len(data.classes), holdout, seed))


def _split(y: Any, k: int, holdout: float, seed: int) -> tuple[Any, Any, Any]:
    """Row numbers to learn from, to decide when to stop, and held out."""
    generator = rg.Generator().manual_seed(seed)
    order = rg.randperm(len(y), generator=generator).numpy()
    test = stratified(y, holdout, order, k)
    rest = order[~test[order]]
    # Again on what is left, in its own numbering.
    left = np.flatnonzero(~test)
    position = np.full(len(y), -1)
    position[left] = np.arange(len(left))
    inner = stratified(y[left], 0.1, position[rest], k)
    return left[~inner], left[inner], np.flatnonzero(test)


@dataclass
class Run:
    """One training: what goes in, what is known so far, and what it leaves."""

    data: Examples
    settings: Settings
    folder: Path
    rows: Split
    architecture: model.Architecture
    network: Any
    offset: float = 0.0  # of regression targets, which are standardised
    scale: float = 1.0
    history: list[dict[str, Any]] = field(default_factory=list)
    best: dict[str, Any] = field(default_factory=dict)
    weights: dict[str, Any] = field(default_factory=dict)  # of the best epoch
    stopped: int = 0  # the signal that asked to stop
    note: str = ""
    seconds: float = 0.0
    print: str = ""  # of the data
    outputs: Any = None  # for the rows held out
    score: dict[str, float] = field(default_factory=dict)
    _x: Any = None
    _y: Any = None
    _saved: float = 0.0
    _left: float = 0.0

    @classmethod
    def prepare(cls, data: Examples, settings: Settings, folder: Path) -> Run:
        """Split, normalise and build the network."""
        rows = split(data, settings.holdout, settings.seed)
        settings = settings.for_data(len(rows.train))
        data.inputs.fit(data.x[rows.train])
        rg.manual_seed(settings.seed)
        architecture = model.describe(
            data.inputs.shape,
            len(data.classes) or 1,
            None if settings.layers is None else list(settings.layers),
            settings.activation,
            settings.dropout,
        )
        run = cls(data, settings, folder, rows, architecture, model.build(architecture))
        run.print = resume.fingerprint(data)
        run._x = data.inputs.normalised(data.x)
        run._y = data.y
        if not data.classes:
            learned = data.y[rows.train]
            run.offset = float(learned.mean())
            run.scale = float(learned.std()) or 1.0
            run._y = ((data.y - run.offset) / run.scale).astype(np.float32)
        return run

    # -- learning --------------------------------------------------------------------

    def criterion(self, out: Any, y: Any) -> Any:
        """Cross-entropy, or the squared error of standardised targets.

        The labels are smoothed (Szegedy et al. 2016): a network that need not be
        certain errs less. On the digits it gains half a per cent.
        """
        if self.data.classes:
            smoothing = self.settings.label_smoothing
            return nn.functional.cross_entropy(out, y, label_smoothing=smoothing)
        return nn.functional.mse_loss(out.squeeze(1), y)

    def _learn(self, optimizer: Any, x: Any, y: Any) -> Any:
        """One step; the loss before it."""
        optimizer.zero_grad()
        loss = self.criterion(self.network(x), y)
        loss.backward()
        optimizer.step()
        return loss

    def train(
        self, progress: Progress | None = None, state: dict[str, Any] | None = None
    ) -> None:
        """Learn until the epochs or the patience are used up, or until asked to stop;
        then go back to the best epoch and look at the rows held out. It goes on from
        *state*, which an interrupted training left."""
        progress = progress or Silent()
        chosen = self.settings
        x, y = (
            rg.from_numpy(np.ascontiguousarray(a[self.rows.train]))
            for a in (self._x, self._y)
        )
        size = chosen.batch_size or 1
        loader = DataLoader(TensorDataset(x, y), batch_size=size, shuffle=True)
        optimizer = make_optimizer(self.network.parameters(), chosen)
        epochs = chosen.epochs or 1
        schedule, per_step = make_schedule(optimizer, chosen, len(loader))
        waited = resume.go_on(self, state, optimizer, schedule) if state else 0
        done = len(self.history)
        if state:  # without what came after it
            lines = "".join(json.dumps(row) + "\n" for row in self.history)
            write_atomically(self.folder / "metrics.jsonl", lines.encode())
        progress.begin(epochs, len(loader), done)
        step = Compiled(lambda x, y: self._learn(optimizer, x, y))
        step.warns = False
        began = time.perf_counter() - (self.history[-1]["seconds"] if done else 0.0)
        standing = resume.standing(self, optimizer, schedule, waited)
        # at once: which steps machine code takes must not depend on where one began
        with Stopping() as stopping, self._threads(), at_once():
            for epoch in range(done + 1, epochs + 1):
                if waited >= (chosen.patience or epochs):
                    break
                rate, total, count = optimizer.param_groups[0]["lr"], 0.0, 0
                self.network.train()

                def proceed(steps: int) -> bool:
                    for _ in range(steps):
                        progress.step()
                    return not stopping.asked

                if per_step:
                    for inputs, targets in loader:
                        loss = step(inputs, targets)
                        schedule.step()
                        total += loss.item() * len(inputs)
                        count += len(inputs)
                        if not proceed(1):
                            break
                else:  # in one native call, as far as it can be
                    order = loader.sampler.order()
                    losses = step.over(
                        x, y, batch_size=size, order=order, proceed=proceed
                    ).tolist()
                    for loss in losses:
                        rows = min(size, len(x) - count)
                        total, count = total + loss * rows, count + rows
                row = {"epoch": epoch, "loss": total / count, "lr": rate}
                row |= self.validate()
                row["seconds"] = round(time.perf_counter() - began, 3)
                if not (math.isfinite(row["loss"]) and math.isfinite(row["val_loss"])):
                    self._diverged(row)
                    break
                self._record(row)
                progress.epoch(row)
                if schedule is not None and not per_step:
                    schedule.step(
                        *([row["val_loss"]] if chosen.schedule == "plateau" else [])
                    )
                waited = 0 if row is self.best else waited + 1
                if count == len(x):
                    standing = resume.standing(self, optimizer, schedule, waited)
                self._leave(standing, stopping.asked)
                if stopping.asked:
                    break
            self.stopped = stopping.asked
            self.seconds = time.perf_counter() - began
            self.network.load_state_dict(self.weights)
            self._test()
            self.save()
            judged = {f"test_{k}": v for k, v in self.score.items()}
            self._log({"best_epoch": self.best["epoch"], **judged})
            if not self.stopped:
                (self.folder / resume.NAME).unlink(missing_ok=True)

    def _leave(self, standing: dict[str, Any], last: int) -> None:
        """Write from where to go on, now and then and at *last*."""
        now = time.perf_counter()
        if last or now - self._left > SECONDS_BETWEEN_SAVES:
            rg.save(standing, self.folder / resume.NAME)
            self._left = now

    def _threads(self) -> Any:
        """As many BLAS threads as the products of this network are worth."""
        shape, batch = self.data.inputs.shape, self.settings.batch_size or 1
        work = batch * model.heaviest_product(self.architecture, shape)
        return threadpool_limits(None if work > WORTH_THREADS else 1, user_api="blas")

    def _record(self, row: dict[str, Any]) -> None:
        self.history.append(row)
        self._log(row)
        if self.best and row["val_loss"] >= self.best["val_loss"]:
            return
        self.best = row
        self.weights = {k: v.clone() for k, v in self.network.state_dict().items()}
        # Now and then, so that even a kill leaves a good model.
        if time.perf_counter() - self._saved > SECONDS_BETWEEN_SAVES:
            self.save()
            self._saved = time.perf_counter()

    def _log(self, row: dict[str, Any]) -> None:
        with open(self.folder / "metrics.jsonl", "a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")

    def _diverged(self, row: dict[str, Any]) -> None:
        what = f"the loss became {row['loss']:g} in epoch {row['epoch']}"
        if not self.best:
            raise TrainingError(
                f"{what}: try a smaller --lr than {self.settings.lr:g}, or look for "
                "extreme values in the data"
            )
        self.note = f"{what}; the best model before it is kept. Try a smaller --lr."

    # -- trying ----------------------------------------------------------------------

    def predict(self, rows: Any) -> Any:
        """The network's outputs for rows, as an array."""
        return outputs_of(self.network, self._x[rows])

    def validate(self) -> dict[str, float]:
        """Loss and score on the rows that decide when to stop."""
        rows = self.rows.validation
        return {f"val_{k}": v for k, v in self._score(self.predict(rows), rows).items()}

    def _test(self) -> None:
        self.outputs = self.predict(self.rows.test)
        self.score = self._score(self.outputs, self.rows.test)
        if (
            self.data.songs is not None
        ):  # from here on a row is a song: its windows vote
            windows = self.score["accuracy"]
            songs = self.data.songs[self.rows.test]
            self.outputs, voted = audio.vote(self.outputs, songs)
            self.rows.test = np.searchsorted(self.data.songs, voted)
            self.score = self._score(self.outputs, self.rows.test)
            self.score["window_accuracy"] = windows

    def _score(self, out: Any, rows: Any) -> dict[str, float]:
        targets = self._y[rows]
        with rg.no_grad():
            loss = self.criterion(rg.from_numpy(out), rg.from_numpy(targets)).item()
        if self.data.classes:
            return {"loss": loss, "accuracy": float((out.argmax(1) == targets).mean())}
        values, truth = self.values(out), self.data.y[rows]
        return {
            "loss": loss,
            "rmse": metrics.rmse(values, truth),
            "r2": metrics.r2(values, truth) if len(rows) > 1 else 0.0,
        }

    def values(self, out: Any) -> Any:
        """Outputs of a regression in the units of the target."""
        return out[:, 0].astype(np.float64) * self.scale + self.offset

    def save(self) -> None:
        """The best model so far, with all that a prediction needs, in one file."""
        save_model(self, self.folder / "model.safetensors")


def outputs_of(network: Any, x: Any) -> Any:
    """What a network gives for normalised inputs, a part at a time."""
    network.eval()
    with rg.no_grad():
        parts = [
            network(rg.from_numpy(np.ascontiguousarray(x[i : i + CHUNK]))).numpy()
            for i in range(0, len(x), CHUNK)
        ]
    return np.concatenate(parts)


def make_optimizer(parameters: Any, chosen: Settings) -> Any:
    """The optimizer that the settings name."""
    optim = rg.optim
    more = {"lr": chosen.lr, "weight_decay": chosen.weight_decay}
    if chosen.optimizer == "sgd":
        return optim.SGD(parameters, momentum=0.9, nesterov=True, **more)
    kinds = {"adamw": optim.AdamW, "adam": optim.Adam, "rmsprop": optim.RMSprop,
             "adagrad": optim.Adagrad}  # fmt: skip
    return kinds[chosen.optimizer](parameters, **more)


def make_schedule(optimizer: Any, chosen: Settings, steps: int) -> tuple[Any, bool]:
    """The schedule of the learning rate, and whether it moves at every step."""
    schedules, epochs = rg.optim.lr_scheduler, chosen.epochs or 1
    match chosen.schedule:
        case "cosine":
            return schedules.CosineAnnealingLR(optimizer, epochs), False
        case "onecycle":
            group = optimizer.param_groups[0]  # Adagrad has no momentum to be cycled
            cycled = "momentum" in group or "betas" in group
            return schedules.OneCycleLR(
                optimizer, chosen.lr, epochs * steps, cycle_momentum=cycled
            ), True
        case "step":
            return schedules.StepLR(optimizer, max(1, epochs // 3), 0.3), False
        case "plateau":
            patience = max(2, (chosen.patience or 15) // 3)
            return schedules.ReduceLROnPlateau(optimizer, patience=patience), False
    return None, False


def new_folder(out: str, name: str) -> Path:
    """``out/name-n`` with the first n that is free."""
    if not name or name in (".", "..") or any(c in name for c in "/\\\0"):
        raise DataError(f"{quoted(name)} is no name for a folder")
    base = Path(out)
    try:
        base.mkdir(parents=True, exist_ok=True)
        taken = [p.name.removeprefix(f"{name}-") for p in base.glob("*-*")]
        n = 1 + max((int(t) for t in taken if t.isdecimal() and len(t) < 10), default=0)
        while True:
            folder = base / f"{name}-{n}"
            try:
                folder.mkdir()
                return folder
            except FileExistsError:  # another run was faster
                n += 1
    except OSError as error:
        raise DataError(f"cannot write to {base}: {error.strerror or error}") from None
