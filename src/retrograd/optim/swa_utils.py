"""Averages of a model's weights over training: equal weights (SWA) or exponential.

Izmailov et al., Averaging weights leads to wider optima and better generalization, UAI
2018; Polyak and Juditsky, 1992.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ..autograd import no_grad
from ..dispatch import constant
from ..nn.module import Module
from ..nn.modules.norm import _BatchNorm
from .lr_scheduler.base import LRScheduler, per_group
from .optimizer import Optimizer


def _check_decay(decay: float) -> None:
    if not 0.0 <= decay <= 1.0:
        raise ValueError(
            f"Invalid decay value {decay} provided. Please provide a value in [0,1] "
            "range."
        )


def get_ema_avg_fn(decay: float = 0.999) -> Callable[..., Any]:
    """(W̄, W, n) ↦ decay·W̄ + (1 − decay)·W."""
    _check_decay(decay)

    def ema_update(ema_param: Any, current_param: Any, num_averaged: Any) -> Any:
        with no_grad():
            return decay * ema_param + (1 - decay) * current_param

    return ema_update


def get_swa_avg_fn() -> Callable[..., Any]:
    """(W̄, W, n) ↦ W̄ + (W − W̄)/(n + 1), the mean of n + 1 weights."""

    def swa_update(averaged_param: Any, current_param: Any, num_averaged: Any) -> Any:
        with no_grad():
            change = (current_param - averaged_param) / (num_averaged + 1)
            return averaged_param + change

    return swa_update


def _in_place(one: Callable[..., Any]) -> Callable[..., None]:
    """An average of one tensor, for lists of them and in place."""

    def update(averaged: Any, current: Any, num_averaged: Any) -> None:
        with no_grad():
            for mean, value in zip(averaged, current, strict=True):
                new = one(mean, value, num_averaged)
                # A count of batches is averaged, too, and rounded towards zero.
                mean.copy_(new if mean.is_floating_point() else new.to(mean.dtype))

    return update


def get_ema_multi_avg_fn(decay: float = 0.999) -> Callable[..., None]:
    """:func:`get_ema_avg_fn` for lists of tensors, in place."""
    return _in_place(get_ema_avg_fn(decay))


def get_swa_multi_avg_fn() -> Callable[..., None]:
    """:func:`get_swa_avg_fn` for lists of tensors, in place."""
    return _in_place(get_swa_avg_fn())


class AveragedModel(Module):
    """A copy of *model* whose parameters are averages of those it had at each
    ``update_parameters(model)``; by default their mean.

    *avg_fn* ``(averaged, current, n)`` returns another average, *multi_avg_fn* writes it
    into the first of two lists. *use_buffers* averages the buffers as well; otherwise
    they are copied. ``n_averaged`` counts the updates.
    """

    n_averaged: Any

    def __init__(
        self,
        model: Module,
        device: Any = None,
        avg_fn: Callable[..., Any] | None = None,
        multi_avg_fn: Callable[..., None] | None = None,
        use_buffers: bool = False,
    ) -> None:
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError(
                "Only one of avg_fn and multi_avg_fn should be provided"
            )
        self.module = copy.deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        self.register_buffer("n_averaged", constant(np.array(0)))
        self.avg_fn = avg_fn
        self.multi_avg_fn = multi_avg_fn
        self.use_buffers = use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.module(*args, **kwargs)

    def update_parameters(self, model: Module) -> None:
        """Take the present weights of *model* into the average."""
        with no_grad():
            self._update(model)

    def _update(self, model: Module) -> None:
        means: list[Any] = list(self.module.parameters())
        values: list[Any] = list(model.parameters())
        buffers = list(zip(self.module.buffers(), model.buffers(), strict=True))
        if self.use_buffers:
            means += [own for own, _ in buffers]
            values += [other for _, other in buffers]
        pairs = list(zip(means, values, strict=False))
        if int(self.n_averaged) == 0:
            for mean, value in pairs:
                mean.copy_(value)
        elif self.avg_fn is None:
            update = self.multi_avg_fn or get_swa_multi_avg_fn()
            for dtype in dict.fromkeys(mean.dtype for mean in means):
                same = [(m.detach(), v.detach()) for m, v in pairs if m.dtype is dtype]
                update([m for m, _ in same], [v for _, v in same], self.n_averaged)
        else:
            for mean, value in pairs:
                new = self.avg_fn(mean.detach(), value.detach(), self.n_averaged)
                mean.copy_(new)
        if not self.use_buffers:
            for own, other in buffers:
                own.copy_(other)
        self.n_averaged += 1


def update_bn(loader: Iterable[Any], model: Module, device: Any = None) -> None:
    """Set the running statistics of the batch normalisations in *model* to the means
    over one pass through *loader* (of each batch, the first of its tensors)."""
    momenta: dict[Any, Any] = {}
    for module in model.modules():
        if isinstance(module, _BatchNorm):
            module.reset_running_stats()
            momenta[module] = module.momentum
    if not momenta:
        return
    training = model.training
    model.train()
    for norm in momenta:
        norm.momentum = None  # the mean over all batches, not a moving one
    with no_grad():
        for batch in loader:
            first = batch[0] if isinstance(batch, (list, tuple)) else batch
            model(first if device is None else first.to(device))
    for norm, momentum in momenta.items():
        norm.momentum = momentum
    model.train(training)


class SWALR(LRScheduler):
    """η goes to *swa_lr* within *anneal_epochs*, along a line or a half cosine, and
    stays there."""

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: float | list[float],
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ) -> None:
        values = per_group("swa_lr", optimizer, swa_lr)
        for value, group in zip(values, optimizer.param_groups, strict=True):
            group["swa_lr"] = value
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(
                "anneal_strategy must be one of 'cos' or 'linear', "
                f"instead got {anneal_strategy}"
            )
        self._anneal_strategy = anneal_strategy
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(
                f"anneal_epochs must be equal or greater than 0, got {anneal_epochs}"
            )
        self.anneal_epochs = anneal_epochs
        super().__init__(optimizer, last_epoch)

    def _share(self, step: int) -> float:
        """How much of *swa_lr* there is in the rate of a step, from 0 to 1."""
        t = max(0.0, min(1.0, step / max(1, self.anneal_epochs)))
        return (
            t if self._anneal_strategy == "linear" else (1 - math.cos(math.pi * t)) / 2
        )

    def get_lr(self) -> list[Any]:
        self._warn_outside_step()
        step = self._step_count - 1
        if self.anneal_epochs == 0:
            step = max(1, step)
        before, now = self._share(step - 1), self._share(step)
        result = []
        for group in self.optimizer.param_groups:
            last, end = group["lr"], group["swa_lr"]
            # The rate that annealing began with, from the present one.
            first = end if before == 1 else (last - before * end) / (1 - before)
            result.append(end * now + first * (1 - now))
        return result


__all__ = [
    "AveragedModel",
    "SWALR",
    "get_ema_avg_fn",
    "get_ema_multi_avg_fn",
    "get_swa_avg_fn",
    "get_swa_multi_avg_fn",
    "update_bn",
]
