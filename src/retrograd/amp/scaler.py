"""Scaling a loss so that small gradients do not vanish in a narrow type."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

from ..autograd import no_grad
from ..tensor import Tensor

_ENTRIES = ("scale", "growth_factor", "backoff_factor", "growth_interval",
            "_growth_tracker")  # fmt: skip


class GradScaler:
    """c·ℓ instead of ℓ, and ∂(cℓ)/∂w · 1/c as the gradient.

    ``step`` leaves the parameters alone where a gradient is not finite; ``update`` then
    multiplies c by *backoff_factor*, and by *growth_factor* after *growth_interval*
    steps without. For the device ``"cuda"``, which is not there, nothing is scaled.

    >>> import retrograd as rg
    >>> w = rg.ones(2, requires_grad=True)
    >>> optimizer, scaler = rg.optim.SGD([w], lr=0.5), rg.amp.GradScaler("cpu")
    >>> scaler.scale(w.sum()).backward()
    >>> scaler.step(optimizer)
    >>> scaler.update()
    >>> w.tolist(), scaler.get_scale()
    ([0.5, 0.5], 65536.0)

    Micikevicius et al., Mixed precision training, ICLR 2018.
    """

    def __init__(
        self,
        device: str = "cuda",
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        if enabled and device == "cuda":
            warnings.warn(
                "GradScaler is enabled, but CUDA is not available.  Disabling. "
                "GradScaler('cpu') scales here",
                stacklevel=2,
            )
            enabled = False
        if enabled and not growth_factor > 1.0:
            raise AssertionError("The growth factor must be > 1.0.")
        if enabled and not backoff_factor < 1.0:
            raise AssertionError("The backoff factor must be < 1.0.")
        self._device, self._enabled = device, enabled
        self._scale = float(init_scale)
        self._growth_factor = growth_factor
        self._backoff_factor = backoff_factor
        self._growth_interval = growth_interval
        self._growth_tracker = 0
        #: by optimizer: whether its gradients were all finite, and whether it stepped
        self._finite: dict[int, bool] = {}
        self._stepped: set[int] = set()

    def scale(self, outputs: Any) -> Any:
        """c times a tensor, or each of several."""
        if not self._enabled:
            return outputs
        if isinstance(outputs, Tensor):
            return outputs * self._scale
        if not isinstance(outputs, Iterable):
            raise ValueError("outputs must be a Tensor or an iterable of Tensors")
        scaled = map(self.scale, outputs)
        return type(outputs)(scaled) if isinstance(outputs, (list, tuple)) else scaled

    def unscale_(self, optimizer: Any) -> None:
        """Divide the gradients of the optimizer's parameters by c, once a step: to clip
        or look at them before ``step``."""
        if not self._enabled:
            return
        if id(optimizer) in self._finite:
            raise RuntimeError(
                "unscale_() has already been called on this optimizer since the last "
                "update()."
                if id(optimizer) not in self._stepped
                else "unscale_() is being called after step()."
            )
        finite = True
        with no_grad():
            grads = [
                p.grad
                for group in optimizer.param_groups
                for p in group["params"]
                if p.grad is not None
            ]
            if not grads:
                raise AssertionError(
                    "No inf checks were recorded for this optimizer: none of its "
                    "parameters has a gradient"
                )
            for grad in grads:
                grad.mul_(1.0 / self._scale)
                finite = finite and bool(grad.isfinite().all())
        self._finite[id(optimizer)] = finite

    def step(self, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        """``optimizer.step()`` on unscaled gradients, if all of them are finite."""
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        if "closure" in kwargs:
            raise RuntimeError(
                "Closure use is not currently supported if GradScaler is enabled."
            )
        if id(optimizer) in self._stepped:
            raise RuntimeError(
                "step() has already been called since the last update()."
            )
        if id(optimizer) not in self._finite:
            self.unscale_(optimizer)
        self._stepped.add(id(optimizer))
        if self._finite[id(optimizer)]:
            return optimizer.step(*args, **kwargs)
        return None

    def update(self, new_scale: float | Tensor | None = None) -> None:
        """The next c: smaller after a gradient that was not finite, larger after many
        steps without, or *new_scale*."""
        if not self._enabled:
            return
        if new_scale is not None:
            self._scale = float(new_scale)
        elif not self._finite:
            raise AssertionError("No inf checks were recorded prior to update.")
        elif not all(self._finite.values()):
            self._scale *= self._backoff_factor
            self._growth_tracker = 0
        else:
            self._growth_tracker += 1
            if self._growth_tracker == self._growth_interval:
                self._scale *= self._growth_factor
                self._growth_tracker = 0
        self._finite, self._stepped = {}, set()

    def is_enabled(self) -> bool:
        """Whether anything is scaled."""
        return self._enabled

    def get_scale(self) -> float:
        """c."""
        return self._scale if self._enabled else 1.0

    def get_growth_factor(self) -> float:
        """What c is multiplied by after many good steps."""
        return self._growth_factor

    def set_growth_factor(self, new_factor: float) -> None:
        self._growth_factor = new_factor

    def get_backoff_factor(self) -> float:
        """What c is multiplied by after a bad step."""
        return self._backoff_factor

    def set_backoff_factor(self, new_factor: float) -> None:
        self._backoff_factor = new_factor

    def get_growth_interval(self) -> int:
        """After how many good steps c grows."""
        return self._growth_interval

    def set_growth_interval(self, new_interval: int) -> None:
        self._growth_interval = new_interval

    def state_dict(self) -> dict[str, Any]:
        """c, the factors, the interval and the good steps so far; empty if disabled."""
        if not self._enabled:
            return {}
        return {name: getattr(self, "_" + name.lstrip("_")) for name in _ENTRIES}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what ``state_dict`` saved, here or by PyTorch."""
        if not self._enabled:
            return
        if not state_dict:
            raise RuntimeError(
                "The source state dict is empty, possibly because it was saved from a "
                "disabled instance of GradScaler."
            )
        for name in _ENTRIES:
            setattr(self, "_" + name.lstrip("_"), state_dict[name])
