"""Operations with a derivative of one's own."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from .. import dispatch
from ..dtypes import float64
from ..hooks import StateHooks
from ..mutate import changes
from ..ops.op import Op, Rule, Spec
from ..trace import Handle, State, spec_of
from .modes import no_grad


class FunctionCtx:
    """Carries what ``forward`` leaves for ``backward``."""

    def __init__(self) -> None:
        self._saved: tuple[Any, ...] = ()
        #: of each saved tensor, how often it had been changed when ``forward`` ended
        self._versions: list[int] = []
        self._places: dict[int, int] = {}  # saved tensors that are outputs: which
        self._outputs: dict[int, Any] = {}  # outputs with their history, in backward
        self._no_grad_outputs: tuple[Any, ...] = ()
        self._dirty: tuple[Any, ...] = ()
        self.needs_input_grad: tuple[bool, ...] = ()
        self.materialize_grads = True

    def save_for_backward(self, *tensors: Any) -> None:
        """Keep tensors for ``backward``."""
        for x in tensors:
            if x is not None and not isinstance(x, Handle):
                raise TypeError(
                    "save_for_backward can only save variables, but got a "
                    f"{type(x).__name__}: keep it as an attribute of ctx"
                )
        self._saved = tensors

    def save_for_forward(self, *tensors: Any) -> None:
        """Keep tensors for ``jvp``, which finds them in ``saved_tensors``."""
        if not self._saved:
            self.save_for_backward(*tensors)

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """What was saved; RuntimeError if it was changed in place since."""
        found = list(self._saved)
        rec = dispatch.recorder()
        for i, before in enumerate(self._versions):
            place = self._places.get(i)
            if place in self._outputs:
                found[i] = self._outputs[place]
            elif found[i] is not None and changes(rec, found[i]) != before:
                raise RuntimeError(
                    "one of the variables needed for gradient computation has been "
                    f"modified by an inplace operation: {spec_of(found[i])!r}, which "
                    "save_for_backward has kept. Change a clone instead: x = x.clone()"
                )
        return tuple(found)

    def _seal(self, outputs: tuple[Any, ...]) -> None:
        """``forward`` has ended: what was saved must stay as it is."""
        rec = dispatch.recorder()
        self._versions = [0 if x is None else changes(rec, x) for x in self._saved]
        for i, x in enumerate(self._saved):
            for place, out in enumerate(outputs):
                if out is x and x is not None:
                    self._places[i] = place

    def mark_non_differentiable(self, *tensors: Any) -> None:
        """Outputs that get no gradient."""
        self._no_grad_outputs = tensors

    def mark_dirty(self, *tensors: Any) -> None:
        """Inputs that ``forward`` changed in place and returns."""
        self._dirty = tensors

    def set_materialize_grads(self, value: bool) -> None:
        """Whether gradients of outputs that have none are zeros, or None."""
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

    def __init__(self, cls: Any, ctx: FunctionCtx, args: tuple[Any, ...]) -> None:
        self.cls, self.ctx = cls, ctx
        #: tensors have a place among the operands, what is none is kept
        tensors = [isinstance(a, Handle) for a in args]
        self.slots = [i if t else None for i, t in enumerate(tensors)]
        self.others = [None if t else a for a, t in zip(args, tensors, strict=True)]
        #: what vmap made of the outputs
        self.batched: tuple[Any, ...] = ()
        self.shapes: list[Spec | None] = []  # None: an output that is no tensor
        self.gathered: dict[int, Any] = {}  # gradients of the outputs, by position
        self.specs: list[Spec | None] = []  # None: an argument that is no tensor
        self._last: Any = None
        self._asked: set[int] = set()  # in this backward pass
        self._mode = False
        self._along: tuple[Any, ...] = ()

    def gradient(self, g: Any, index: int) -> Any:
        """The gradient of an input; all outputs have theirs, and *g* is the last."""
        mode = dispatch.recorder().grad_mode
        if self._last is not g or index in self._asked or mode != self._mode:
            self._asked, self._mode = set(), mode
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
        self._asked.add(index)
        found = [
            r for r, s in zip(self._result, self.slots, strict=True) if s is not None
        ]
        return found[index]

    @property
    def forward_mode(self) -> bool:
        """Whether the user has written the derivative in forward mode."""
        return self.cls.jvp is not Function.jvp

    def tangents(self, given: list[Any]) -> tuple[Any, ...]:
        """The tangents of the outputs from those of the operands (after the first)."""
        operands = iter(given[1:])
        found = []
        for spec in self.specs:
            t = next(operands) if spec is not None else None
            if t is None and spec is not None and self.ctx.materialize_grads:
                t = _zeros(spec)
            found.append(t)
        result = self.cls.jvp(self.ctx, *found)
        self._along = result if isinstance(result, tuple) else (result,)
        return self._along

    def _checked(self, result: tuple[Any, ...]) -> tuple[Any, ...]:
        """One gradient for each argument of ``forward``; None may follow."""
        expected = len(self.slots)
        if len(result) < expected or any(r is not None for r in result[expected:]):
            raise RuntimeError(
                f"function {self.cls.__name__}Backward returned an incorrect number of "
                f"gradients (expected {expected}, got {len(result)}): backward returns "
                "one for each argument of forward, None where there is none"
            )
        for r in result:
            if r is not None and not isinstance(r, Handle):
                raise RuntimeError(
                    f"function {self.cls.__name__}Backward returned "
                    f"{type(r).__name__}: expected a Tensor or None"
                )
        return result[:expected]


class Pullback:
    """The rule of one result: ``position`` says which output it is, None what the outputs
    depend on together; ``nothing`` flows on from one output of several."""

    __slots__ = ("call", "position", "nothing", "jvp")

    def __init__(
        self, call: _Call, position: int | None = None, nothing: Any = None
    ) -> None:
        self.call, self.position, self.nothing = call, position, nothing
        #: the tangent of the result from those of the operands, where the user wrote it
        self.jvp = self._tangent if call.cls.jvp is not Function.jvp else None

    @property
    def ctx(self) -> FunctionCtx:
        return self.call.ctx

    @property
    def function(self) -> Callable[..., Any]:
        """What a backward pass calls."""
        saved = self.position in self.call.ctx._places.values()
        return self.pull_saved if saved else self.pull

    def pull(self, g: Any, index: int) -> Any:
        """The gradient of an input of ``forward``, from that of the output."""
        call = self.call
        if self.nothing is not None:  # remembered until all are known
            call.gathered[self.position], call._last = g, None  # type: ignore[index]
            return self.nothing
        if self.position is not None:
            call.gathered = {self.position: g}
        return call.gradient(g, index)

    def pull_saved(self, g: Any, index: int, out: Any) -> Any:
        """The same for an output that is saved: the tensor with its history."""
        self.call.ctx._outputs[self.position] = out  # type: ignore[index]
        return self.pull(g, index)

    def _tangent(self, given: list[Any]) -> Any:
        call = self.call
        if self.position is None:
            call.tangents(given)
            return _zeros(Spec((), float64))
        return (call.tangents(given) if self.nothing is None else call._along)[
            self.position
        ]


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

    @staticmethod
    def jvp(ctx: Any, *grad_inputs: Any) -> Any:
        """The tangents of the outputs from those of the inputs; where it is not written,
        forward mode turns ``backward`` around."""
        raise NotImplementedError("a Function may define a static method jvp")

    #: PyTorch's flag; here a rule is made wherever none is written
    generate_vmap_rule = False

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *args: Any) -> Any:
        """``(outputs, out_dims)`` for a whole batch: *args* are those of ``forward``, with
        the examples along the dimensions *in_dims* (None: the same for all of them), and
        *info* has ``batch_size`` and ``randomness``. Where it is not written, ``forward``
        and ``backward`` themselves are mapped."""
        raise NotImplementedError("a Function may define a static method vmap")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError(
            f"a Function is applied, not called: {type(self).__name__}.apply(…)"
        )

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Run ``forward`` and attach ``backward`` to its result."""
        ctx = FunctionCtx()
        ctx.needs_input_grad = tuple(
            isinstance(a, Handle) and bool(a.requires_grad)  # type: ignore[attr-defined]
            for a in args
        )
        with no_grad():
            if hasattr(cls, "setup_context"):
                outputs = cls.forward(*args, **kwargs)
                cls.setup_context(ctx, args, outputs)
            else:
                outputs = cls.forward(ctx, *args, **kwargs)
        rec = dispatch.recorder()
        reverse = any(ctx.needs_input_grad) and rec.grad_mode
        mapped = cls.vmap is not Function.vmap and _is_mapped(cls, rec, args)
        if not (reverse or mapped or _forward_mode(rec)):
            return outputs
        tensors: list[Any] = [a for a in args if isinstance(a, Handle)]
        call = _Call(cls, ctx, args)
        several = isinstance(outputs, tuple)
        listed = outputs if several else (outputs,)
        ctx._seal(listed)
        call.shapes = [spec_of(o) if isinstance(o, Handle) else None for o in listed]
        call.specs = [spec_of(a) if isinstance(a, Handle) else None for a in args]
        smooth = [
            isinstance(o, Handle) and not any(o is n for n in ctx._no_grad_outputs)
            for o in listed
        ]
        zero = None
        if mapped:  # what the user's rule returns takes the place of them all
            smooth = [isinstance(o, Handle) for o in listed]
        if sum(smooth) > 1:
            # The outputs depend on the inputs through one number: the reverse pass
            # comes to it once, when the gradients of all outputs are known.
            kinds = [t.dtype for t in tensors if t.dtype.is_floating_point]
            if not kinds and not mapped:
                return outputs
            zero = _zeros(Spec((), kinds[0] if kinds else float64))
            tensors = [_attach(cls, Pullback(call), zero, tensors)]
        results = tuple(
            _attach(cls, Pullback(call, i, zero), o, tensors) if own else o
            for i, (o, own) in enumerate(zip(listed, smooth, strict=True))
        )
        results = tuple(
            o._assign(r) if any(o is d for d in ctx._dirty) else r
            for o, r in zip(listed, results, strict=True)
        )
        if ctx._dirty:
            ctx._seal(listed)
        return results if several else results[0]


def _is_mapped(cls: Any, rec: dispatch.Recorder, args: tuple[Any, ...]) -> bool:
    """Whether a vmap goes over one of the arguments."""
    trace = rec.tracing
    keys = [rec.keys((a,))[0] for a in args if isinstance(a, Handle)]
    while trace is not None:
        if trace.size is not None and any(map(trace.mapped, keys)):
            if cls.generate_vmap_rule:
                raise RuntimeError(
                    f"You tried to vmap over {cls.__name__}, but it has both "
                    "generate_vmap_rule=True and an overridden vmap staticmethod: drop "
                    "one of the two"
                )
            return True
        trace = trace.outer
    return False


def _forward_mode(rec: dispatch.Recorder) -> bool:
    """Whether tangents may be asked for: within jvp, or a dual level."""
    trace = rec.tracing
    while trace is not None and trace.size is not None:
        trace = trace.outer
    return trace is not None


def _attach(cls: Any, pullback: Pullback, value: Any, tensors: list[Any]) -> Any:
    """The value again, as the result of an operation on *tensors* with the rule *pullback*."""
    rule = Rule(pullback.function, (), False)
    rule.holds = True
    op: Any = type(
        cls.__name__,
        (Result,),
        {
            "name": cls.__name__,
            "inputs": ("value", "inputs"),
            "variadic": True,
            "rules": {"inputs": rule},
        },
    )
    rec = dispatch.recorder()
    out = dispatch.apply(op, value, *tensors, call=pullback)
    state = out._key
    if type(state) is State:  # a backward that reads values finds them computed
        rec.hooks.setdefault(state, StateHooks())
    return out


def once_differentiable(function: Callable[..., Any]) -> Any:
    """Mark a ``backward`` whose result is not to be differentiated again."""

    @functools.wraps(function)
    def inside(ctx: Any, *grads: Any) -> Any:
        with no_grad():
            return function(ctx, *grads)

    return inside
