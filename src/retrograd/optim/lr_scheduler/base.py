"""What every schedule shares."""

from __future__ import annotations

import types
import warnings
from collections.abc import Callable, Iterable
from typing import Any

from ...tensor import Tensor
from ..optimizer import Group, Optimizer


def rates(groups: Iterable[Group], key: str = "lr") -> list[Any]:
    """The groups' values of *key*, safe from later changes in place."""
    return [g[key].clone() if isinstance(g[key], Tensor) else g[key] for g in groups]


def set_rate(group: Group, lr: Any) -> None:
    """Change a group's learning rate, in place if it is a tensor."""
    if isinstance(group["lr"], Tensor):
        group["lr"].fill_(float(lr))
    else:
        group["lr"] = lr


def per_group(name: str, optimizer: Optimizer, value: Any) -> list[Any]:
    """One value for each group, from a list or from a single value."""
    groups = optimizer.param_groups
    if not isinstance(value, (list, tuple)):
        return [value] * len(groups)
    if len(value) != len(groups):
        raise ValueError(
            f"{name} must have the same length as optimizer.param_groups. "
            f"{name} has {len(value)} values, param_groups has {len(groups)}."
        )
    return list(value)


def check_optimizer(optimizer: Any) -> None:
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"{type(optimizer).__name__} is not an Optimizer")


def saved_callable(f: Callable[..., Any] | None) -> dict[str, Any] | None:
    """What a state dict keeps of a callable: an object's attributes; of a function
    nothing, as code is not state."""
    if f is None or isinstance(f, types.FunctionType):
        return None
    return dict(f.__dict__)


class LRScheduler:
    """The base of schedules: η of the groups as a function of the epoch.

    A subclass defines ``get_lr()``, the rates for ``last_epoch``, usually from the
    present ones, so that schedules can be chained; and, where there is one, a closed
    form from ``base_lrs``, used when a schedule jumps to an epoch.
    *last_epoch* = −1 starts anew; otherwise the groups must know their ``initial_lr``.
    """

    _get_lr_called_within_step = False
    _is_initial = False
    _last_lr: list[Any]

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        check_optimizer(optimizer)
        self.optimizer = optimizer
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", rates([group])[0])
            elif "initial_lr" not in group:
                raise KeyError(
                    f"param 'initial_lr' is not specified in param_groups[{i}] when "
                    "resuming scheduler with last_epoch >= 0: load the optimizer's "
                    "state first, or leave last_epoch at -1 for a new run"
                )
        self.base_lrs: list[Any] = rates(optimizer.param_groups, "initial_lr")
        self.last_epoch = last_epoch
        self._initial_step()

    def _initial_step(self) -> None:
        self._step_count = 0
        self._is_initial = True
        try:
            self.step()
        finally:
            self._is_initial = False

    def get_lr(self) -> list[Any]:
        """The groups' rates for ``last_epoch``. Called by ``step``; to see the present
        rates use ``get_last_lr``."""
        raise NotImplementedError

    def _get_closed_form_lr(self) -> list[Any]:
        return self.get_lr()

    def get_last_lr(self) -> list[Any]:
        """The rates that were set last, one for each group."""
        return self._last_lr

    def step(self, epoch: int | None = None) -> None:
        """Go to the next epoch, or (deprecated in PyTorch) to the one given."""
        optimizer = self.optimizer
        # A step() put on the instance from outside cannot be seen to have run.
        if self._step_count == 1 and "step" not in vars(optimizer):
            if not optimizer._stepped:
                warnings.warn(
                    "lr_scheduler.step() was called before optimizer.step(): the first "
                    "value of the schedule is skipped. Call optimizer.step() first.",
                    UserWarning,
                    stacklevel=2,
                )
        self._step_count += 1
        if epoch is not None:
            warnings.warn(
                "the epoch argument of scheduler.step() is deprecated: call "
                "scheduler.step() once an epoch instead",
                UserWarning,
                stacklevel=2,
            )
        self._update_lr(epoch)

    def _update_lr(self, epoch: int | None = None) -> None:
        self._get_lr_called_within_step = True
        try:
            if epoch is None:
                self.last_epoch += 1
                values = self.get_lr()
            else:
                self.last_epoch = epoch
                values = self._get_closed_form_lr()
        finally:
            self._get_lr_called_within_step = False
        self._set(values)

    def _set(self, values: list[Any]) -> None:
        groups = self.optimizer.param_groups
        for group, lr in zip(groups, values, strict=True):
            set_rate(group, lr)
        self._last_lr = rates(groups)

    def _warn_outside_step(self) -> None:
        if not self._get_lr_called_within_step:
            warnings.warn(
                "get_lr() is for step() alone; to see the last learning rate computed "
                "by the scheduler, please use `get_last_lr()`.",
                UserWarning,
                stacklevel=3,
            )

    def _present(self, factor: float | None = None) -> list[Any]:
        """The groups' present rates, times *factor*."""
        groups = self.optimizer.param_groups
        if factor is None:
            return rates(groups)
        return [group["lr"] * factor for group in groups]

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer."""
        return {k: v for k, v in self.__dict__.items() if k != "optimizer"}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what ``state_dict`` saved."""
        self.__dict__.update(state_dict)
