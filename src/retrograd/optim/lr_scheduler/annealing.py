"""Schedules along a cosine."""

from __future__ import annotations

import math
from typing import Any

from ..optimizer import Optimizer
from ..rules import check_number
from .base import LRScheduler


class CosineAnnealingLR(LRScheduler):
    """ηₜ = η_min + (η₀ − η_min)(1 + cos(πt/T_max))/2, up again after T_max.

    Loshchilov and Hutter, SGDR: stochastic gradient descent with warm restarts, 2017
    (without the restarts).
    """

    def __init__(
        self,
        optimizer: Optimizer,
        T_max: int,
        eta_min: float = 0.0,
        last_epoch: int = -1,
    ) -> None:
        self.T_max = T_max
        self.eta_min = eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        self._warn_outside_step()
        if self._is_initial:
            return self._present()
        epoch, low, period = self.last_epoch, self.eta_min, self.T_max
        if self._step_count == 1 and epoch > 0:
            return self._along(epoch * math.pi / period)
        groups = self.optimizer.param_groups
        if (epoch - 1 - period) % (2 * period) == 0:
            # The last rate was η_min, from where no ratio leads up again.
            rise = 1 - math.cos(math.pi / period)
            pairs = zip(groups, self.base_lrs, strict=True)
            return [group["lr"] + (lr - low) * rise / 2 for group, lr in pairs]
        now = 1 + math.cos(math.pi * epoch / period)
        ratio = now / (1 + math.cos(math.pi * (epoch - 1) / period))
        return [ratio * (group["lr"] - low) + low for group in groups]

    def _along(self, angle: float) -> list[Any]:
        low, height = self.eta_min, 1 + math.cos(angle)
        return [low + (lr - low) * height / 2 for lr in self.base_lrs]

    def _get_closed_form_lr(self) -> list[Any]:
        return self._along(math.pi * self.last_epoch / self.T_max)


class CosineAnnealingWarmRestarts(LRScheduler):
    """ηₜ = η_min + (η₀ − η_min)(1 + cos(πT_cur/T_i))/2, where T_cur counts the epochs
    since the last restart and T_i, at first T_0, is multiplied by T_mult at each.

    ``step(epoch)`` also takes fractions of an epoch. Loshchilov and Hutter, 2017.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        T_0: int,
        T_mult: int = 1,
        eta_min: float = 0.0,
        last_epoch: int = -1,
    ) -> None:
        check_number("T_0", T_0)
        check_number("T_mult", T_mult)
        if not isinstance(T_0, int) or T_0 <= 0:
            raise ValueError(f"Expected positive integer T_0, but got {T_0}")
        if not isinstance(T_mult, int) or T_mult < 1:
            raise ValueError(f"Expected integer T_mult >= 1, but got {T_mult}")
        if not isinstance(eta_min, (float, int)):
            raise ValueError(
                f"Expected float or int eta_min, but got {eta_min} of type "
                f"{type(eta_min)}"
            )
        self.T_0 = T_0
        self.T_i: float = T_0
        self.T_mult = T_mult
        self.eta_min = eta_min
        self.T_cur: float = last_epoch
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        self._warn_outside_step()
        low, height = self.eta_min, 1 + math.cos(math.pi * self.T_cur / self.T_i)
        return [low + (lr - low) * height / 2 for lr in self.base_lrs]

    def step(self, epoch: float | None = None) -> None:
        """One epoch further, or to any point in time, as ``epoch + i / batches``."""
        if epoch is None and self.last_epoch < 0:
            epoch = 0
        if epoch is None:
            epoch = self.last_epoch + 1
            self.T_cur += 1
            if self.T_cur >= self.T_i:
                self.T_cur %= self.T_i
                self.T_i *= self.T_mult
        else:
            self._jump(epoch)
        self.last_epoch = math.floor(epoch)
        self._get_lr_called_within_step = True
        try:
            values = self.get_lr()
        finally:
            self._get_lr_called_within_step = False
        self._set(values)

    def _jump(self, epoch: float) -> None:
        if epoch < 0:
            raise ValueError(f"Expected non-negative epoch, but got {epoch}")
        if epoch < self.T_0:
            self.T_i, self.T_cur = self.T_0, epoch
        elif self.T_mult == 1:
            self.T_cur = epoch % self.T_0
        else:
            # The first n periods end at T₀(T_multⁿ − 1)/(T_mult − 1).
            growth = self.T_mult - 1
            n = int(math.log(epoch / self.T_0 * growth + 1, self.T_mult))
            self.T_cur = epoch - self.T_0 * (self.T_mult**n - 1) / growth
            self.T_i = self.T_0 * self.T_mult**n
