"""Hooks of all modules at once, under the names and in the place that PyTorch has them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ...trace import changes
from ...utils.hooks import RemovableHandle
from ..calling import look_for_hooks, of_all
from ..members import BUFFER, MODULE, PARAMETER, on_registration
from ..module import Module
from ..saving import IncompatibleKeys as _IncompatibleKeys

Hook = Callable[..., Any]


def _classes(cls: type[Module]) -> Iterator[type[Module]]:
    yield cls
    for below in cls.__subclasses__():
        yield from _classes(below)


def _on_calls(
    kind: str, hook: Hook, with_kwargs: bool = False, always: bool = False
) -> RemovableHandle:
    changes[0] += 1
    for cls in _classes(Module):
        look_for_hooks(cls)
    return RemovableHandle(of_all, (kind, (hook, with_kwargs, always)))


def _on_registration(role: str, hook: Hook) -> RemovableHandle:
    return RemovableHandle(on_registration, (role, hook))


def register_module_forward_pre_hook(hook: Hook) -> RemovableHandle:
    """``hook(module, args)`` before each forward of every module, before the module's own
    hooks; it may return changed args.

    >>> import retrograd as rg
    >>> from retrograd.nn.modules.module import register_module_forward_pre_hook
    >>> def show(module, args):
    ...     print(module)
    >>> with register_module_forward_pre_hook(show):
    ...     y = rg.nn.Sequential(rg.nn.ReLU(), rg.nn.Tanh())[1](rg.zeros(2))
    Tanh()
    """
    return _on_calls("forward_pre", hook)


def register_module_forward_hook(
    hook: Hook, *, with_kwargs: bool = False, always_call: bool = False
) -> RemovableHandle:
    """``hook(module, args, output)`` after each forward of every module, before the
    module's own hooks; it may return another output. *with_kwargs* and *always_call* as
    of ``Module.register_forward_hook``."""
    return _on_calls("forward", hook, with_kwargs, always_call)


def register_module_full_backward_pre_hook(hook: Hook) -> RemovableHandle:
    """``hook(module, grad_output)`` of every module; it may return other gradients."""
    return _on_calls("backward_pre", hook)


def register_module_full_backward_hook(hook: Hook) -> RemovableHandle:
    """``hook(module, grad_input, grad_output)`` of every module; it may return other
    gradients of the inputs."""
    return _on_calls("backward", hook)


def register_module_parameter_registration_hook(hook: Hook) -> RemovableHandle:
    """``hook(module, name, parameter)`` when any module gets a parameter; what it returns
    is taken instead, unless it is None."""
    return _on_registration(PARAMETER, hook)


def register_module_buffer_registration_hook(hook: Hook) -> RemovableHandle:
    """``hook(module, name, buffer)`` when any module gets a buffer; what it returns is
    taken instead, unless it is None."""
    return _on_registration(BUFFER, hook)


def register_module_module_registration_hook(hook: Hook) -> RemovableHandle:
    """``hook(module, name, submodule)`` when any module gets a submodule; what it returns
    is taken instead, unless it is None."""
    return _on_registration(MODULE, hook)


__all__ = [
    "Module",
    "_IncompatibleKeys",
    "register_module_buffer_registration_hook",
    "register_module_forward_hook",
    "register_module_forward_pre_hook",
    "register_module_full_backward_hook",
    "register_module_full_backward_pre_hook",
    "register_module_module_registration_hook",
    "register_module_parameter_registration_hook",
]
