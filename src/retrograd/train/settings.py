"""How a network is trained: what the user may choose, and what is chosen otherwise."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Any

#: Learning rate and weight decay that suit each optimizer when none is given.
OPTIMIZERS = {
    "adamw": (4e-3, 1e-2),
    "adam": (4e-3, 1e-5),
    "sgd": (3e-2, 1e-4),
    "rmsprop": (1e-3, 1e-5),
    "adagrad": (2e-2, 1e-5),
}
SCHEDULES = ("cosine", "onecycle", "step", "plateau", "constant")


@dataclass(frozen=True)
class Settings:
    """The choices of a training; None: chosen for the data by :meth:`for_data`."""

    layers: tuple[int, ...] | None = None
    activation: str = "relu"
    dropout: float = 0.0
    label_smoothing: float = 0.1
    optimizer: str = "adamw"
    lr: float | None = None
    weight_decay: float | None = None
    schedule: str = "cosine"
    epochs: int | None = None
    batch_size: int | None = None
    patience: int | None = None
    holdout: float = 0.2
    seed: int = 0

    def for_data(self, rows: int) -> Settings:
        """All choices made, for a number of training rows."""
        lr, weight_decay = OPTIMIZERS[self.optimizer]
        batch = self.batch_size or (32 if rows < 1000 else 64 if rows < 20000 else 256)
        batch = min(batch, rows)
        # Small data need more passes: about a thousand steps, within bounds.
        epochs = self.epochs or min(300, max(40, 1000 // math.ceil(rows / batch)))
        return replace(
            self,
            lr=lr if self.lr is None else self.lr,
            weight_decay=weight_decay
            if self.weight_decay is None
            else self.weight_decay,
            batch_size=batch,
            epochs=epochs,
            patience=self.patience or max(15, epochs // 5),
        )

    def to_json(self) -> dict[str, Any]:
        return asdict(self)
