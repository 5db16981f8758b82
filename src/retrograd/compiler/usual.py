"""The usual call of a compiled function: the guards and the native call as one closure.

Most compiled functions are a step of training: some tensors go in, one native call runs,
the loss comes out and the parameters have new gradients. For these the guards and the
deliveries of :class:`~retrograd.compiler.variant.Variant` are put together with nothing
in them that is not needed, as each line counts: for a small network they take longer
than the arithmetic. What does not hold goes the general way.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import dispatch
from ..dispatch import constant
from ..execute import cache
from ..execute.usual import entries
from ..gradients import Bundle, Gradients
from ..trace import Meta, changes, settings
from .parts import Part
from .trees import Made

#: what a usual call gives where it has to go the general way
UNUSUAL = object()


def usual(variant: Any) -> Callable[[tuple[Any, ...]], Any] | None:
    """The function of the arguments, for a variant that has run; None if there is more
    to it than that."""
    part, result = variant.parts[0], variant.result
    if (
        len(variant.parts) > 1
        or type(part) is not Part
        or type(result) is not Made
        or [m for m, _, _ in variant.shown] != [result]
        or part.plan.saved
        or part.held
        or part.fed
        or part.writes_after
        or variant.form is not None
        or variant.others
        or variant.twins
        or variant.draws
        or variant.looks
        or variant.lists
        or variant.singles
        or variant.fresh
        or len(variant.promises) > 1
        or any(type(owner) is not Gradients for owner in variant.cleared)
        or not all(swift.fixed for _, swift in variant.steps)
    ):
        return None
    rec, local = variant.recorder, dispatch._local
    root = rec.state  # there is one for each combination of modes
    count, known = variant.count, variant.changes
    tensors = [(n, shape, dtype, [p for _, p in wanted])
               for n, shape, dtype, wanted in variant.tensors]  # fmt: skip
    call, outputs, counters = part.call, part.outputs, part.counters
    parameters, cleared = part.parameters, variant.cleared
    function, results = part.step.function, part.step.results
    nothing = [None] * len(part.step.outs)
    optimizers = [optimizer for optimizer, _ in variant.steps]
    (_, out), key, history = variant.shown[0]
    lineage: Any = (variant._segment(part, []), key) if history else None
    owner, gradients = None, entries([])
    if variant.promises:
        owner, _, places, _ = variant.promises[0]
        gradients = entries(places)
    new, promised = object.__new__, Bundle

    def run(args: tuple[Any, ...]) -> Any:
        if (
            local.rec is not rec
            or rec.state is not root
            or rec.pending
            or rec.capture is not None
            or rec.tracing is not None
            or cache.EXECUTOR == "interpreter"
            or len(args) != count
            or changes[0] != known
            or settings[0] != variant.settings
        ):
            return UNUSUAL
        for n, shape, dtype, wanted in tensors:
            t = args[n]
            try:
                array, meta = t._array, t._meta
                if array.shape != shape or array.dtype is not dtype:
                    return UNUSUAL
            except AttributeError:
                return UNUSUAL
            if meta is not None and (meta.requires_grad or meta.history is not None):
                return UNUSUAL
            for place in wanted:
                call[place] = array
        for common in cleared:
            if not common.alive:
                return UNUSUAL
        for common in cleared:
            common.value = None
        for t, place in parameters:
            call[place] = t._array
        outs: list[Any] = results()
        call[outputs] = outs
        status = function(*call)
        call[outputs] = nothing
        if status:
            return UNUSUAL
        for counter in counters:
            counter[0] += 1
        for optimizer in optimizers:
            optimizer._stepped += 1
        variant.used += 1
        tensor = constant(outs[out])
        if history:
            tensor._meta = meta = Meta()
            meta.history = lineage
        if owner is not None:
            promise = new(promised)
            promise._key = promise._grad = promise._meta = None
            promise._array = gradients(outs)
            owner.value = promise
        return tensor

    return run
