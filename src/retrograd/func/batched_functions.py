"""``vmap`` of the user's own functions: by the rule that they wrote, or by a vmap of
``forward`` and one of ``backward``."""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

from ..autograd.function import Function, FunctionCtx, Result
from .batching import Operands, moved, repeated, rule


class VmapInfo(NamedTuple):
    """What a static method ``vmap`` is told."""

    batch_size: int
    randomness: str


@rule(Result)
def _custom(at: Operands) -> Any:
    """The value of a function of the user's, for the whole batch.

    Several outputs depend on the arguments through one number that comes before them:
    with that, all of them are made.
    """
    pullback = at.attrs["call"]
    call, position = pullback.call, pullback.position
    if position is not None and pullback.nothing is not None:  # one of several
        if not call.batched:
            return at.full(0)
        return call.batched[position]
    written = call.cls.vmap is not Function.vmap
    outer = any(x.requires_grad for x in at.tensors[1:])
    if not (written or outer) or not any(at.batched[1:]):
        return at.full(0)
    tensors = iter(zip(at.tensors[1:], at.batched[1:], strict=True))
    args, dims = [], []
    for slot, other in zip(call.slots, call.others, strict=True):
        x, batched = (other, False) if slot is None else next(tensors)
        args.append(x)
        dims.append(0 if batched else None)
    info = VmapInfo(at.size, "different" if at.different else "same")
    mapped = call.cls.vmap if written else _generated(call.cls)
    outs = _results(call.cls, at, mapped(info, tuple(dims), *args))
    if position is not None:
        return outs[position]
    call.batched = outs
    return at.full(0)


def _results(cls: Any, at: Operands, result: Any) -> tuple[Any, ...]:
    """The outputs of a rule, each with the batch first."""
    if not isinstance(result, tuple) or len(result) != 2:
        raise RuntimeError(
            f"{cls.__name__}.vmap must return (outputs, out_dims), not "
            f"{type(result).__name__}"
        )
    outs, dims = result
    outs = outs if isinstance(outs, tuple) else (outs,)
    if not isinstance(dims, tuple):
        dims = (dims,) * len(outs)
    if len(dims) != len(outs):
        raise RuntimeError(
            f"{cls.__name__}.vmap returned {len(outs)} outputs and {len(dims)} out_dims: "
            "there has to be one for each"
        )
    return tuple(
        x if not hasattr(x, "ndim")
        else repeated(x, at) if d is None
        else moved(x, d % x.ndim, 0)
        for x, d in zip(outs, dims, strict=True)
    )  # fmt: skip


def _generated(cls: Any) -> Any:
    """The rule of a function for which none is written: ``forward`` and ``backward``
    are mapped, and what is saved between them is the batch's."""
    from .vmapping import vmap

    def rule(info: VmapInfo, dims: tuple[int | None, ...], *args: Any) -> Any:
        class Mapped(Function):
            @staticmethod
            def forward(ctx: Any, *args: Any) -> Any:
                def one(*args: Any) -> Any:
                    inner = FunctionCtx()
                    inner.needs_input_grad = ctx.needs_input_grad
                    if hasattr(cls, "setup_context"):
                        outs = cls.forward(*args)
                        cls.setup_context(inner, args, outs)
                    else:
                        outs = cls.forward(inner, *args)
                    ctx.inner = inner
                    return outs, tuple(x for x in inner._saved if x is not None)

                outs, saved = vmap(one, dims, randomness=info.randomness)(*args)
                ctx.save_for_backward(*saved)
                ctx.set_materialize_grads(ctx.inner.materialize_grads)
                return outs

            @staticmethod
            def backward(ctx: Any, *grads: Any) -> Any:
                inner = ctx.inner
                present: list[bool] = []

                def one(saved: Any, grads: Any) -> Any:
                    values = iter(saved)
                    inner._saved = tuple(
                        None if x is None else next(values) for x in inner._saved
                    )
                    inner._versions, inner._places = [], {}
                    found = cls.backward(inner, *grads)
                    found = found if isinstance(found, tuple) else (found,)
                    present[:] = [g is not None for g in found]
                    return tuple(g for g in found if g is not None)

                there = tuple(None if g is None else 0 for g in grads)
                mapped = vmap(one, (0, there), randomness=info.randomness)
                made = iter(mapped(ctx.saved_tensors, grads))
                found = [next(made) if p else None for p in present]
                # what was the same for all examples gets the gradients of all
                return tuple(
                    g.sum(0) if g is not None and d is None else g
                    for g, d in itertools.zip_longest(found, dims)
                )

        return Mapped.apply(*args), 0

    return rule
