"""Module: the base of all networks and of their parts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from .. import dispatch, dtypes
from ..autograd import no_grad
from ..functions import empty, empty_like
from ..tensor import Tensor, device
from .calling import Called, ModuleType, look_for_hooks
from .members import MODULE, PARAMETER, Holder, settle
from .parameter import is_lazy
from .saving import Saved

Self = TypeVar("Self", bound="Module")


class Module(Holder, Called, Saved, metaclass=ModuleType):
    """The base of all modules: f(x; w), and what is needed to train, save and show it.

    Subclasses call ``super().__init__()``, assign parameters and submodules as
    attributes, and define ``forward``.

    >>> import retrograd as rg
    >>> class Affine(rg.nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.scale = rg.nn.Parameter(rg.tensor([2.0, 3.0]))
    ...         self.shift = rg.nn.Parameter(rg.zeros(2))
    ...
    ...     def forward(self, x):
    ...         return self.scale * x + self.shift
    >>> Affine()(rg.ones(2)).tolist()
    [2.0, 3.0]
    >>> [name for name, _ in Affine().named_parameters()]
    ['scale', 'shift']
    """

    # -- modes and gradients ---------------------------------------------------------

    def train(self: Self, mode: bool = True) -> Self:
        """Switch to training (dropout drops, batch norm uses the batch), or from it."""
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        self.training = mode
        for module in self.children():
            module.train(mode)
        return self

    def eval(self: Self) -> Self:
        """Switch to evaluation: ``train(False)``."""
        return self.train(False)

    def requires_grad_(self: Self, requires_grad: bool = True) -> Self:
        """Learn all parameters, or freeze them."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters, or set them to 0."""
        for parameter in self.parameters():
            if parameter.grad is not None:
                if set_to_none:
                    parameter.grad = None
                else:
                    parameter.grad = parameter.grad.detach().zero_()

    def apply(self: Self, fn: Callable[[Module], Any]) -> Self:
        """Call *fn* on every module, submodules first."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    # -- types and places ------------------------------------------------------------

    def _apply(self: Self, fn: Callable[[Any], Any], recurse: bool = True) -> Self:
        """Replace the values of all parameters, gradients and buffers by *fn* of them;
        parameters stay the objects they are."""
        for _, module in self._children() if recurse else ():
            module._apply(fn)
        have = self.__dict__
        for name, role in self._roles.items():
            tensor = have[name]
            if tensor is None or role == MODULE:
                continue
            if is_lazy(tensor):
                tensor.cast(fn(empty(0, dtype=tensor.dtype)).dtype)
                continue
            with no_grad():
                new = fn(tensor.detach())
                if new.dtype is tensor.dtype:
                    continue
                if role != PARAMETER:
                    have[name] = settle(new)
                    continue
                grad = tensor.grad
                tensor.grad = None
                tensor.data = new
                if grad is not None:
                    tensor.grad = fn(grad.detach())
        return self

    def to(self: Self, *args: Any, **kwargs: Any) -> Self:
        """Bring parameters and buffers to another floating type: ``to(dtype)``,
        ``to(device)``, ``to(device, dtype)``, ``to(tensor)``; integers stay."""
        target = kwargs.get("dtype")
        places = [kwargs["device"]] if kwargs.get("device") is not None else []
        for arg in args:
            if isinstance(arg, dtypes.dtype):
                target = arg
            elif isinstance(arg, Tensor):
                target = arg.dtype
            elif isinstance(arg, (str, device)):
                places.append(arg)
        for place in places:
            device(place)  # raises where there is no such device
        if target is None:
            return self
        if not target.is_floating_point:
            raise TypeError(
                "nn.Module.to only accepts floating point dtypes, but got desired "
                f"dtype={target}"
            )
        return self._apply(lambda t: t.to(target) if t.is_floating_point() else t)

    def to_empty(self: Self, *, device: Any, recurse: bool = True) -> Self:
        """Give parameters and buffers new memory, with numbers that are still to be set;
        what shared the old memory keeps it."""
        for name, role in self._roles.items():
            tensor = self.__dict__[name]
            if tensor is not None and role != MODULE and not is_lazy(tensor):
                tensor.data = empty_like(tensor, device=device)
        for child in self.children() if recurse else ():
            child.to_empty(device=device)
        return self

    def type(self: Self, dst_type: Any) -> Self:
        """Cast all parameters and buffers, integers as well, to *dst_type*."""
        target = dtypes.as_dtype(dst_type)
        return self._apply(lambda t: t.to(target))

    def float(self: Self) -> Self:
        """Floating parameters and buffers in float32."""
        return self.to(dtypes.float32)

    def double(self: Self) -> Self:
        """Floating parameters and buffers in float64."""
        return self.to(dtypes.float64)

    def half(self: Self) -> Self:
        """Floating parameters and buffers in float16."""
        return self.to(dtypes.float16)

    def bfloat16(self: Self) -> Self:
        """Floating parameters and buffers in bfloat16."""
        return self.to(dtypes.bfloat16)

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Nothing is left to be done: what comes back is compiled by itself."""

    def cpu(self: Self) -> Self:
        """Everything is on the CPU already."""
        return self

    def cuda(self: Self, device: Any = None) -> Self:
        """There is no such device: RuntimeError."""
        return self.to("cuda")

    # -- showing and copying ---------------------------------------------------------

    def _get_name(self) -> str:
        return type(self).__name__

    def extra_repr(self) -> str:
        """What stands between the parentheses besides submodules; for overriding."""
        return ""

    def __repr__(self) -> str:
        extra = self.extra_repr()
        lines = extra.split("\n") if extra else []
        have = self.__dict__
        named = [(n, have[n]) for n, role in self._roles.items() if role == MODULE]
        if not named and len(lines) <= 1:
            return f"{self._get_name()}({extra})"
        lines += [f"({name}): {indented(repr(child))}" for name, child in named]
        return "\n  ".join([f"{self._get_name()}(", *lines]) + "\n)"

    def _repr_html_(self) -> str:
        from ..see.notebook import module

        return module(self)

    def __dir__(self) -> list[str]:
        return sorted(n for n in super().__dir__() if not n[:1].isdigit())

    def __getstate__(self) -> dict[str, Any]:
        # A shallow copy has members and hooks of its own.
        state = self.__dict__.copy()
        if "_roles" in state:
            state["_roles"] = dict(state["_roles"])
        if "_hooks" in state:
            state["_hooks"] = {k: dict(v) for k, v in state["_hooks"].items()}
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if state.get("_hooks") or "forward" in state:
            look_for_hooks(type(self))


def indented(text: str) -> str:
    return text.replace("\n", "\n  ")


dispatch._module_type = Module
