"""Operations with a derivative of one's own."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from .. import dispatch
from ..ops.op import Op, Rule, Spec
from ..trace import Handle, State, spec_of
from .modes import no_grad


class FunctionCtx:
    """Carries what ``forward`` leaves for ``backward``."""

    def __init__(self) -> None:
        self._saved: tuple[Any, ...] = ()
        self._no_grad_outputs: tuple[Any, ...] = ()
        self._dirty: tuple[Any, ...] = ()
        self.needs_input_grad: tuple[bool, ...] = ()
        self.materialize_grads = True

    def save_for_backward(self, *tensors: Any) -> None:
        """Keep tensors for ``backward``."""
        self._saved = tensors

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        return self._saved

    def mark_non_differentiable(self, *tensors: Any) -> None:
        """Outputs that get no gradient."""
        self._no_grad_outputs = tensors

    def mark_dirty(self, *tensors: Any) -> None:
        """Inputs that ``forward`` changed in place and returns."""
        self._dirty = tensors

    def set_materialize_grads(self, value: bool) -> None:
        self.materialize_grads = value


class _Result(Op):
    """One output of a custom function: the value, with the user's derivative."""

    formula = "f(inputs)"

    @staticmethod
    def infer(*specs: Spec, **attrs: Any) -> Spec:
        return specs[0]

    @staticmethod
    def forward(value: Any, *inputs: Any, call: Any) -> Any:
        return value


class _Call:
    """One application: gathers the gradients of its outputs, runs ``backward`` once."""

    def __init__(self, cls: Any, ctx: FunctionCtx, slots: list[int | None]) -> None:
        self.cls, self.ctx, self.slots = cls, ctx, slots
        self.shapes: list[Spec | None] = []  # None: an output that is no tensor

    def gradient(self, position: int, g: Any, index: int) -> Any:
        key = (position, id(g))
        if getattr(self, "_key", None) != key:
            grads = [
                g
                if i == position
                else (_zeros(s) if s and self.ctx.materialize_grads else None)
                for i, s in enumerate(self.shapes)
            ]
            result = self.cls.backward(self.ctx, *grads)
            self._result = self._checked(
                result if isinstance(result, tuple) else (result,)
            )
            self._key, self._g = key, g
        found = [
            r for r, s in zip(self._result, self.slots, strict=True) if s is not None
        ]
        return found[index]

    def _checked(self, result: tuple[Any, ...]) -> tuple[Any, ...]:
        """One gradient for each argument of ``forward``; None may follow."""
        expected = len(self.slots)
        if len(result) < expected or any(r is not None for r in result[expected:]):
            raise RuntimeError(
                f"function {self.cls.__name__}Backward returned an incorrect number of "
                f"gradients (expected {expected}, got {len(result)}): backward returns "
                "one for each argument of forward, None where there is none"
            )
        return result[:expected]


def _zeros(spec: Spec) -> Any:
    import numpy as np

    return dispatch.constant(np.zeros(spec.shape, spec.dtype.np))


class Function:
    """A function whose derivative is written by the user.

    Subclasses define ``forward(ctx, *args)`` and ``backward(ctx, *grad_outputs)`` as
    static methods and are called by ``apply``; or ``forward(*args)`` with
    ``setup_context(ctx, inputs, output)``.

    >>> import retrograd as rg
    >>> class Cube(rg.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return x**3
    ...
    ...     @staticmethod
    ...     def backward(ctx, g):
    ...         (x,) = ctx.saved_tensors
    ...         return g * 3 * x**2
    >>> x = rg.tensor(2.0, requires_grad=True)
    >>> Cube.apply(x).backward()
    >>> x.grad
    tensor(12.)
    """

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError("a Function must define a static method forward")

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        raise NotImplementedError("a Function must define a static method backward")

    @classmethod
    def apply(cls, *args: Any) -> Any:
        """Run ``forward`` and attach ``backward`` to its result."""
        ctx = FunctionCtx()
        ctx.needs_input_grad = tuple(
            isinstance(a, Handle) and bool(a.requires_grad)  # type: ignore[attr-defined]
            for a in args
        )
        with no_grad():
            if hasattr(cls, "setup_context"):
                outputs = cls.forward(*args)
                cls.setup_context(ctx, args, outputs)
            else:
                outputs = cls.forward(ctx, *args)
        if not (any(ctx.needs_input_grad) and dispatch.recorder().grad_mode):
            return outputs
        tensors = [a for a in args if isinstance(a, Handle)]
        slots = [i if isinstance(a, Handle) else None for i, a in enumerate(args)]
        call = _Call(cls, ctx, slots)
        several = isinstance(outputs, tuple)
        listed = outputs if several else (outputs,)
        call.shapes = [spec_of(o) if isinstance(o, Handle) else None for o in listed]
        results = tuple(
            o
            if not isinstance(o, Handle) or any(o is n for n in ctx._no_grad_outputs)
            else _attach(call, i, o, tensors)
            for i, o in enumerate(listed)
        )
        results = tuple(
            o._assign(r) if any(o is d for d in ctx._dirty) else r
            for o, r in zip(listed, results, strict=True)
        )
        return results if several else results[0]


def _attach(call: _Call, position: int, value: Any, tensors: list[Any]) -> Any:
    """The value again, as the result of an operation with the user's rule."""

    def vjp(g: Any, index: int) -> Any:
        return call.gradient(position, g, index)

    rule = Rule(vjp, (), False)
    op: Any = type(
        call.cls.__name__,
        (_Result,),
        {
            "name": call.cls.__name__,
            "inputs": ("value", "inputs"),
            "variadic": True,
            "rules": {"inputs": rule},
        },
    )
    rec = dispatch.recorder()
    out = dispatch.apply(op, value, *tensors, call=call)
    state = out._key
    if type(state) is State:  # a backward that reads values finds them computed
        from ..tensor import StateHooks

        rec.hooks.setdefault(state, StateHooks())
    return out


def once_differentiable(function: Callable[..., Any]) -> Callable[..., Any]:
    """Mark a ``backward`` whose result is not to be differentiated again."""

    @functools.wraps(function)
    def inside(ctx: Any, *grads: Any) -> Any:
        with no_grad():
            return function(ctx, *grads)

    return inside
