"""The usual run of a plan that is one native call, as one closure.

A step of training comes back a thousand times a second: it takes arguments and
parameters, and nobody holds views of what it makes. Nothing is looked up here that is
the same each time; what does not hold goes the general way, by ``Plan.run``.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter
from typing import Any

import numpy as np

from .. import dispatch
from ..trace import Meta, Segment, State


def usual(plan: Any) -> Callable[[Any, dispatch.Recorder], bool] | None:
    """What runs the plan, which it is given; False from it if this time the general way
    is to be gone."""
    native = plan.native
    if not native.whole:
        return None
    step = native.steps[0]
    function, arena, results = step.function, step.arena, step.results
    arguments, parameters = native.arguments, native.parameters
    shown, copied = native.shown, native.copied
    bundles = [(i, entries(places)) for i, places in native.bundles]
    counters = native.counters
    kept = [(k, native.kept[k] if type(k) is State else None) for k in plan.saved]
    records = bool(shown) and plan.records

    def run(plan: Any, rec: dispatch.Recorder) -> bool:
        if rec.writes or rec.snapshots or rec.orphans:
            return False
        pending, args = rec.pending, rec.args
        for i, _, _ in shown:
            tensor = pending[i]
            if tensor._meta is not None or tensor._array is not None:
                return False
        try:
            outs = results()
        except MemoryError:
            return False  # the interpreter says which operation wanted so much
        if function(
            *[args[i]._array for i in arguments],
            *[ref()._array for ref in parameters],
            *outs,
            arena,
        ):
            return False
        if rec.capture is not None:
            rec.capture.outs[len(rec.capture.runs) - 1] = outs
        segment: Any = None
        if records:
            segment = Segment(plan, rec.hooks)
            for key, n in kept:
                plan._save(segment, rec, key, None if n is None else outs[n])
            if rec.saving is not None:
                rec.saving.made.append(segment)
        for i, key, n in shown:
            tensor = pending[i]
            tensor._key, tensor._array = None, outs[n]
            if key.grad or key.inference:
                meta = tensor._meta = Meta()
                meta.inference = key.inference
                if key.grad:
                    meta.history = (segment, key)
        for i, gradients in bundles:
            pending[i]._array = gradients(outs)
        for ref, n in copied:
            np.copyto(ref()._array, outs[n])
        for counter in counters:
            counter[0] += 1
        return True

    return run


def entries(places: list[int]) -> Callable[[list[Any]], Any]:
    """The entries of a list at some places."""
    if len(places) < 2:
        start = places[0] if places else 0
        return itemgetter(slice(start, start + len(places)))
    return itemgetter(*places)
