"""How a module is called: ``module(x)`` is ``module.forward(x)``, and hooks around it.

Most modules have no hooks, and a network calls thousands of modules a second. So
``Cls.__call__`` *is* ``Cls.forward`` until the first hook is registered on an instance
of the class; from then on it is a function that looks for hooks.
"""

from __future__ import annotations

import warnings
from abc import ABCMeta
from collections.abc import Callable, Sequence
from typing import Any

from ..autograd import Function, is_grad_enabled
from ..tensor import Tensor
from ..trace import changes
from ..utils.hooks import RemovableHandle

Hook = Callable[..., Any]
Hooks = dict[int, Any]

#: hooks of every module by the number of their handle, each with its kind
of_all: dict[int, tuple[str, Any]] = {}


class ModuleType(ABCMeta):
    """Keeps ``Cls.__call__`` and ``Cls.forward`` the same function.

    It derives from ABCMeta so that a module can also be an abstract base class.
    """

    def __init__(
        cls, name: str, bases: tuple[type, ...], names: dict[str, Any], **kwargs: Any
    ) -> None:
        super().__init__(name, bases, names, **kwargs)
        if "__call__" in names:
            # Its super().__call__() must find the forward of the instance's class.
            for base in cls.__mro__[1:]:
                look_for_hooks(base)
        elif "forward" in names:
            if _links(_provider(cls, "__call__")):
                type.__setattr__(cls, "__call__", names["forward"])
        elif _provider(cls, "forward") is not _provider(cls, "__call__"):
            look_for_hooks(cls)  # forward comes from a mixin
        if of_all:
            look_for_hooks(cls)

    def __setattr__(cls, name: str, value: Any) -> None:
        relink = name == "forward" and _links(_provider(cls, "__call__"))
        changes[0] += 1
        super().__setattr__(name, value)
        if relink and cls.__dict__.get("__call__") is not call_with_hooks:
            super().__setattr__("__call__", value)

    def __delattr__(cls, name: str) -> None:
        linked = cls.__dict__.get("__call__")
        linked = (
            name == "forward" and linked is not None and linked is cls.__dict__[name]
        )
        super().__delattr__(name)
        if linked:
            super().__delattr__("__call__")


def _provider(cls: type, name: str) -> type:
    return next((base for base in cls.__mro__ if name in base.__dict__), object)


def _links(cls: type) -> bool:
    """Whether the ``__call__`` written in *cls* is ours, not a user's own."""
    call = cls.__dict__.get("__call__")
    return call is call_with_hooks or call is cls.__dict__.get("forward")


def look_for_hooks(cls: type) -> None:
    """From now on, calls of instances of *cls* look for hooks."""
    provider = _provider(cls, "__call__")
    if isinstance(cls, ModuleType) and _links(provider):
        if provider.__dict__["__call__"] is not call_with_hooks:
            type.__setattr__(cls, "__call__", call_with_hooks)


def call_with_hooks(self: Any, /, *args: Any, **kwargs: Any) -> Any:
    """``self.forward``, with the hooks of all modules and of this one around it."""
    hooks = self.__dict__.get("_hooks")
    if of_all:
        hooks = _joined(hooks or {})
    if not hooks:
        return self.forward(*args, **kwargs)
    called: set[int] = set()
    try:
        return _call(self, hooks, args, kwargs, called)
    except Exception:
        for number, (hook, with_kwargs, always) in list(
            hooks.get("forward", {}).items()
        ):
            if always and number not in called:
                try:
                    hook(self, args, *([kwargs] if with_kwargs else []), None)
                except Exception as error:
                    warnings.warn(
                        "a forward hook registered with always_call=True raised "
                        f"while another error was handled: {error}",
                        stacklevel=2,
                    )
        raise


def _joined(own: dict[str, Hooks]) -> dict[str, Hooks]:
    """The hooks of all modules, and after them those of one."""
    every: dict[str, Hooks] = {}
    for number, (kind, entry) in of_all.items():
        every.setdefault(kind, {})[number] = entry
    for kind, hooks in own.items():
        every.setdefault(kind, {}).update(hooks)
    return every


def _call(
    module: Any,
    hooks: dict[str, Hooks],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    called: set[int],
) -> Any:
    for hook, with_kwargs, _ in list(hooks.get("forward_pre", {}).values()):
        if with_kwargs:
            changed = hook(module, args, kwargs)
            if changed is not None:
                if not (isinstance(changed, tuple) and len(changed) == 2):
                    raise RuntimeError(
                        "forward pre-hook must return None or a tuple of (new_args, "
                        f"new_kwargs), but got {changed}"
                    )
                args, kwargs = changed
        else:
            changed = hook(module, args)
            if changed is not None:
                args = changed if isinstance(changed, tuple) else (changed,)
    backward = None
    if (hooks.get("backward") or hooks.get("backward_pre")) and is_grad_enabled():
        backward = _BackwardHooks(module, hooks)
        args = backward.watch_inputs(args)
    result = module.forward(*args, **kwargs)
    for number, (hook, with_kwargs, _) in list(hooks.get("forward", {}).items()):
        called.add(number)
        if with_kwargs:
            changed = hook(module, args, kwargs, result)
        else:
            changed = hook(module, args, result)
        if changed is not None:
            result = changed
    return result if backward is None else backward.watch_outputs(result)


class _BackwardHooks:
    """One call of a module, seen from its backward pass.

    Inputs and outputs pass through operations that do nothing, whose gradients are
    those of this call alone: a tensor may be used elsewhere too.
    """

    def __init__(self, module: Any, hooks: dict[str, Hooks]) -> None:
        self.module = module
        self.pre_hooks = [entry[0] for entry in hooks.get("backward_pre", {}).values()]
        self.hooks = [entry[0] for entry in hooks.get("backward", {}).values()]
        self.grad_outputs: tuple[Any, ...] = ()
        self.count = 0  # of the inputs
        self.places: list[int] = []  # those that require gradients

    def watch_inputs(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        if not self.hooks:
            return args
        self.count = len(args)
        args, self.places = _watch(args, self.inputs_ready)
        return args

    def watch_outputs(self, result: Any) -> Any:
        outputs = result if isinstance(result, tuple) else (result,)
        total = len(outputs)

        def ready(grads: Sequence[Any]) -> Sequence[Any]:
            return self.outputs_ready(grads, places, total)

        watched, places = _watch(outputs, ready)
        if not isinstance(result, tuple):
            return watched[0]
        if hasattr(result, "_fields"):  # a named tuple stays one
            return type(result)(*watched)
        return watched

    def outputs_ready(
        self, grads: Sequence[Any], places: list[int], total: int
    ) -> Sequence[Any]:
        full = _spread(grads, places, total)
        for hook in self.pre_hooks:
            full = _replaced(full, hook(self.module, full), "grad_output")
        self.grad_outputs = full
        if self.hooks and not self.places:  # no gradient will reach the inputs
            nothing = (None,) * self.count
            for hook in self.hooks:
                changed = hook(self.module, nothing, full)
                if changed is not None and not (
                    isinstance(changed, tuple) and all(g is None for g in changed)
                ):
                    raise RuntimeError(
                        "a backward hook cannot change grad_input of a module none of "
                        "whose inputs requires a gradient; it must return None"
                    )
        return [full[i] for i in places]

    def inputs_ready(self, grads: Sequence[Any]) -> Sequence[Any]:
        full = _spread(grads, self.places, self.count)
        for hook in self.hooks:
            changed = hook(self.module, full, self.grad_outputs)
            full = _replaced(full, changed, "grad_input")
        return [full[i] for i in self.places]


def _spread(values: Sequence[Any], places: list[int], total: int) -> tuple[Any, ...]:
    full: list[Any] = [None] * total
    for i, value in zip(places, values, strict=True):
        full[i] = value
    return tuple(full)


def _replaced(old: tuple[Any, ...], new: Any, what: str) -> tuple[Any, ...]:
    if new is None:
        return old
    grads = tuple(new) if isinstance(new, (tuple, list)) else (new,)
    if len(grads) != len(old):
        raise RuntimeError(
            f"a backward hook returned {len(grads)} gradients for {what}, which "
            f"has {len(old)}"
        )
    return grads


def _watch(
    values: tuple[Any, ...], ready: Callable[[Sequence[Any]], Sequence[Any]]
) -> tuple[tuple[Any, ...], list[int]]:
    """The values again, so that ``ready(gradients)`` is called once, in the backward
    pass, when the gradients of all of them are known; what it returns flows on.

    Returns the places of those that require gradients too.
    """
    places = [
        i for i, v in enumerate(values) if isinstance(v, Tensor) and v.requires_grad
    ]
    watched = list(values)
    if len(places) == 1:
        one = values[places[0]].clone()
        one.register_hook(lambda g: ready([g])[0])
        watched[places[0]] = one
    elif places:
        passed = _Watched.apply(ready, *[values[i] for i in places])
        for i, part in zip(places, passed, strict=True):
            watched[i] = part
    return tuple(watched), places


class _Watched(Function):
    """Several tensors again, whose gradients are known at one moment."""

    @staticmethod
    def forward(ctx: Any, ready: Any, *tensors: Any) -> Any:
        ctx.ready = ready
        ctx.set_materialize_grads(False)
        return tuple(x.clone() for x in tensors)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        return None, *ctx.ready(grads)


class Called:
    """The part of a module that is about being called."""

    _hooks: dict[str, Hooks]

    __call__ = call_with_hooks

    def forward(self, *input: Any) -> Any:
        """What the module computes; every subclass defines it."""
        raise NotImplementedError(
            f'Module [{type(self).__name__}] is missing the required "forward" function'
        )

    def _hooks_of(self, kind: str) -> Hooks:
        changes[0] += 1
        every: dict[str, Hooks] = self.__dict__.setdefault("_hooks", {})
        return every.setdefault(kind, {})

    def _add_hook(
        self, kind: str, entry: Any, prepend: bool = False
    ) -> RemovableHandle:
        hooks = self._hooks_of(kind)
        handle = RemovableHandle(hooks)
        before = dict(hooks) if prepend else {}
        if prepend:
            hooks.clear()
        hooks[handle.id] = entry
        hooks.update(before)
        return handle

    def _add_call_hook(
        self,
        kind: str,
        hook: Hook,
        prepend: bool,
        with_kwargs: bool = False,
        always: bool = False,
    ) -> RemovableHandle:
        look_for_hooks(type(self))
        return self._add_hook(kind, (hook, with_kwargs, always), prepend)

    def register_forward_pre_hook(
        self, hook: Hook, *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """``hook(module, args)`` before each forward; it may return changed args.

        With *with_kwargs*: ``hook(module, args, kwargs)``, returning None or
        ``(args, kwargs)``.
        """
        return self._add_call_hook("forward_pre", hook, prepend, with_kwargs)

    def register_forward_hook(
        self,
        hook: Hook,
        *,
        prepend: bool = False,
        with_kwargs: bool = False,
        always_call: bool = False,
    ) -> RemovableHandle:
        """``hook(module, args, output)`` after each forward; it may return another
        output. With *with_kwargs*: ``hook(module, args, kwargs, output)``; with
        *always_call* it is called (with None) even when forward raises."""
        return self._add_call_hook("forward", hook, prepend, with_kwargs, always_call)

    def register_full_backward_pre_hook(
        self, hook: Hook, prepend: bool = False
    ) -> RemovableHandle:
        """``hook(module, grad_output)`` when the gradients of the outputs are known;
        it may return others in their place."""
        return self._add_call_hook("backward_pre", hook, prepend)

    def register_full_backward_hook(
        self, hook: Hook, prepend: bool = False
    ) -> RemovableHandle:
        """``hook(module, grad_input, grad_output)`` when the gradients of the inputs
        are known; it may return others in their place. Both are tuples, with None for
        what is no tensor or requires no gradient."""
        return self._add_call_hook("backward", hook, prepend)

    @property
    def _forward_hooks(self) -> Hooks:
        return self._hooks_of("forward")

    @property
    def _forward_pre_hooks(self) -> Hooks:
        return self._hooks_of("forward_pre")

    @property
    def _backward_hooks(self) -> Hooks:
        return self._hooks_of("backward")
