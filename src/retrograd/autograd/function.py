"""Operations with a derivative of one's own."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from .. import dispatch
from ..hooks import StateHooks
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


class Result(Op):
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
        self.gathered: dict[int, Any] = {}  # gradients of the outputs, by position
        self._last: Any = None

    def gradient(self, g: Any, index: int) -> Any:
        """The gradient of an input; all outputs have theirs, and *g* is the last."""
        if self._last is not g:
            grads = [
                self.gathered.get(
                    i, _zeros(s) if s and self.ctx.materialize_grads else None
                )
                for i, s in enumerate(self.shapes)
            ]
            self.gathered = {}
            result = self.cls.backward(self.ctx, *grads)
            self._result = self._checked(
                result if isinstance(result, tuple) else (result,)
            )
            self._last = g
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


class Pullback:
    """The rule of one result: ``position`` says which output it is, None what the outputs
    depend on together; ``nothing`` flows on from one output of several."""

    __slots__ = ("call", "position", "nothing")

    def __init__(
        self, call: _Call, position: int | None = None, nothing: Any = None
    ) -> None:
        self.call, self.position, self.nothing = call, position, nothing

    def pull(self, g: Any, index: int) -> Any:
        """The gradient of an input of ``forward``, from that of the output."""
        call = self.call
        if self.nothing is not None:  # remembered until all are known
            call.gathered[self.position] = g  # type: ignore[index]
            return self.nothing
        if self.position is not None:
            call.gathered = {self.position: g}
        return call.gradient(g, index)


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
        tensors: list[Any] = [a for a in args if isinstance(a, Handle)]
        slots = [i if isinstance(a, Handle) else None for i, a in enumerate(args)]
        call = _Call(cls, ctx, slots)
        several = isinstance(outputs, tuple)
        listed = outputs if several else (outputs,)
        call.shapes = [spec_of(o) if isinstance(o, Handle) else None for o in listed]
        smooth = [
            isinstance(o, Handle) and not any(o is n for n in ctx._no_grad_outputs)
            for o in listed
        ]
        rules = [Pullback(call, i) for i in range(len(listed))]
        if sum(smooth) > 1:
            # The outputs depend on the inputs through one number: the reverse pass
            # comes to it once, when the gradients of all outputs are known.
            kind = next(t.dtype for t in tensors if t.requires_grad)
            zero = _zeros(Spec((), kind))
            tensors = [_attach(cls, Pullback(call), zero, tensors)]
            rules = [Pullback(call, i, zero) for i in range(len(listed))]
        results = tuple(
            _attach(cls, rule, o, tensors) if own else o
            for o, own, rule in zip(listed, smooth, rules, strict=True)
        )
        results = tuple(
            o._assign(r) if any(o is d for d in ctx._dirty) else r
            for o, r in zip(listed, results, strict=True)
        )
        return results if several else results[0]


def _attach(cls: Any, pullback: Pullback, value: Any, tensors: list[Any]) -> Any:
    """The value again, as the result of an operation on *tensors* with the rule *pullback*."""
    op: Any = type(
        cls.__name__,
        (Result,),
        {
            "name": cls.__name__,
            "inputs": ("value", "inputs"),
            "variadic": True,
            "rules": {"inputs": Rule(pullback.pull, (), False)},
        },
    )
    rec = dispatch.recorder()
    out = dispatch.apply(op, value, *tensors, call=pullback)
    state = out._key
    if type(state) is State:  # a backward that reads values finds them computed
        rec.hooks.setdefault(state, StateHooks())
    return out


def once_differentiable(function: Callable[..., Any]) -> Callable[..., Any]:
    """Mark a ``backward`` whose result is not to be differentiated again."""

    @functools.wraps(function)
    def inside(ctx: Any, *grads: Any) -> Any:
        with no_grad():
            return function(ctx, *grads)

    return inside
