"""``vmap``: a function of one example, applied to many at once.

The function is recorded with placeholders that stand for one example; the recorded
operations are then recorded again for the whole batch, by the rules of
:mod:`retrograd.func.batching`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from .. import dispatch, mutate
from ..dispatch import apply
from ..ops.movement import Cat, Expand, Slice
from ..ops.op import Spec
from . import batched_functions, batched_places, batched_products  # noqa: F401  (rules)
from .batched_moves import RANDOM
from .batching import Operands, moved, rule_of
from .tracing import (
    Rewriting,
    Trace,
    is_tensor,
    key_of,
    needed,
    recall,
    released,
    remember,
    tensor_of,
)
from .tree import Tree, flatten, spread


def vmap(
    func: Callable[..., Any],
    in_dims: Any = 0,
    out_dims: Any = 0,
    randomness: str = "error",
    *,
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """out[i] = func(x[i], y[i], …) for all i at once.

    *in_dims* says along which dimension each argument is mapped (None: it is the same
    for every example); it may have the arguments' form or a prefix of it. *out_dims*
    says where the new dimension of each result stands. *randomness* is what drawing
    random numbers means: an "error", the "same" numbers for every example, or
    "different" ones. With *chunk_size* the examples go through in chunks.

    >>> import retrograd as rg
    >>> x, y = rg.tensor([[1.0, 2.0], [3.0, 4.0]]), rg.tensor([1.0, 10.0])
    >>> rg.vmap(rg.dot, in_dims=(0, None))(x, y)
    tensor([21., 43.])
    """
    if randomness not in ("error", "same", "different"):
        raise RuntimeError(
            "Only allowed values for randomness are 'error', 'different', or 'same'. "
            f"Got {randomness}"
        )
    if not (chunk_size is None or chunk_size > 0):
        raise ValueError(
            f"vmap: chunk_size should be None or greater than 0. (got {chunk_size})"
        )
    name = getattr(func, "__name__", repr(func))

    @functools.wraps(func, updated=())
    def mapped(*args: Any, **kwargs: Any) -> Any:
        values, dims, size, form = _inputs(name, in_dims, args)
        if chunk_size is None or size <= chunk_size:
            return _mapped(
                func, name, values, dims, size, form, out_dims, randomness, kwargs
            )
        return _in_chunks(
            func, name, values, dims, size, form, out_dims, randomness, kwargs, chunk_size
        )  # fmt: skip

    return mapped


# -- the arguments ------------------------------------------------------------------------


def _inputs(
    name: str, in_dims: Any, args: tuple[Any, ...]
) -> tuple[list[Any], list[int | None], int, Tree]:
    """The values among the arguments, the dimension of each, and the size."""
    if not isinstance(in_dims, (int, tuple)):
        raise ValueError(
            f"vmap({name}, in_dims={in_dims}, ...)(<inputs>): expected `in_dims` to be "
            "int or a (potentially nested) tuple matching the structure of inputs, got: "
            f"{type(in_dims).__name__}"
        )
    if not args:
        raise ValueError(
            f"vmap({name})(<inputs>): got no inputs. Maybe you forgot to add inputs, or "
            "you are trying to vmap over a function with no inputs"
        )
    values, form = flatten(args)
    entries = spread(in_dims, form)
    if entries is None:
        raise ValueError(
            f"vmap({name}, in_dims={in_dims}, ...)(<inputs>): in_dims is not compatible "
            f"with the structure of inputs. in_dims has to be a prefix of {form!r}"
        )
    dims: list[int | None] = []
    sizes: list[int] = []
    for x, d in zip(values, entries, strict=True):
        if d is not None and (not isinstance(d, int) or isinstance(d, bool)):
            raise ValueError(
                f"vmap({name}, in_dims={in_dims}, ...)(<inputs>): Got in_dim={d} for an "
                "input but in_dim must be either an integer dimension or None"
            )
        if d is None:
            dims.append(None)
            continue
        if not is_tensor(x):
            raise ValueError(
                f"vmap({name}, in_dims={in_dims}, ...)(<inputs>): Got in_dim={d} for an "
                f"input but the input is of type {type(x).__name__}. We cannot vmap over "
                "non-Tensor arguments, please use None as the respective in_dim"
            )
        rank = x.ndim
        if not -rank <= d < rank:
            raise ValueError(
                f"vmap({name}, in_dims={in_dims}, ...)(<inputs>): Got in_dim={d} for some "
                f"input, but that input is a Tensor of dimensionality {rank} so expected "
                f"in_dim to satisfy -{rank} <= in_dim < {rank}"
            )
        dims.append(d % rank)
        sizes.append(x.shape[d])
    if not sizes:
        raise ValueError(
            f"vmap({name}, in_dims={in_dims}, ...)(<inputs>): at least one input has to "
            "be mapped over: all in_dims are None, or there is no tensor"
        )
    if len(set(sizes)) > 1:
        raise ValueError(
            "vmap: Expected all tensors to have the same size in the mapped dimension, "
            f"got sizes {sizes} for the mapped dimension"
        )
    return values, dims, sizes[0], form


def _out_places(name: str, out_dims: Any, outs: list[Any], form: Tree) -> list[Any]:
    wanted: Any = out_dims
    if form.kind is None and isinstance(out_dims, (tuple, list)) and len(out_dims) == 1:
        (wanted,) = out_dims
    entries = spread(wanted, form)
    if entries is None or not all(
        d is None or (isinstance(d, int) and not isinstance(d, bool)) for d in entries
    ):
        raise ValueError(
            f"vmap({name}, ..., out_dims={out_dims})(<inputs>): out_dims is not compatible "
            f"with the structure of outputs: {form!r}"
        )
    for out, d in zip(outs, entries, strict=True):
        if d is not None and not is_tensor(out):
            raise ValueError(
                f"vmap({name}, ...): `{name}` must only return Tensors, got type "
                f"{type(out).__name__}. Did you mean to set out_dims= to None for it?"
            )
    return entries


# -- the function -------------------------------------------------------------------------


def _mapped(
    func: Callable[..., Any],
    name: str,
    values: list[Any],
    dims: list[int | None],
    size: int,
    form: Tree,
    out_dims: Any,
    randomness: str,
    kwargs: dict[str, Any],
) -> Any:
    rec = dispatch.recorder()
    with Trace(size, randomness) as trace:
        given: list[Any] = list(values)
        whole: list[Any] = []
        places = [i for i, d in enumerate(dims) if d is not None]
        for i in places:
            d: Any = dims[i]
            whole.append(moved(values[i], d, 0) if d else values[i])
        sources = [key_of(x) for x in whole]
        trace.start = rec.state
        for i, key in zip(places, sources, strict=True):
            spec = Spec(key.spec.shape[1:], key.spec.dtype)
            given[i] = trace.placeholder(spec, bool(key.grad))
        inputs = [given[i]._key for i in places]
        args = form.build(given)
        result = func(*args, **kwargs)
        outs, out_form = flatten(result)
        entries = _out_places(name, out_dims, outs, out_form)
        plain = {i: out for i, out in enumerate(outs) if not is_tensor(out)}
        outs = [out for out in outs if is_tensor(out)]
        entries = [d for i, d in enumerate(entries) if i not in plain]
        # An argument that was changed in place: the change reaches the whole.
        now = [given[i]._key for i in places]
        changed = [
            n for n, (a, b) in enumerate(zip(inputs, now, strict=True)) if a is not b
        ]
        wanted = [key_of(x) for x in outs] + [now[n] for n in changed]
        out_places = [
            _place(name, d, key) for d, key in zip(entries, wanted, strict=False)
        ]
        del result, outs, args, given
        trace.stop()
        trace.clean_up()
        made = _batched(trace, sources, inputs, wanted, out_places)
    for n, new in zip(changed, made[len(out_places) :], strict=True):
        if tuple(new.shape) != tuple(whole[n].shape):
            _turn(values[places[n]], dims[places[n]] or 0, new)
        else:
            mutate.assign(whole[n], new)
    results = iter(made)
    return out_form.build(
        [plain[i] if i in plain else next(results) for i in range(out_form.size)]
    )


def _turn(whole: Any, d: int, new: Any) -> None:
    """An argument that is mapped over takes the shape that its examples took."""
    shape = tuple(new.shape)
    whole.resize_((*shape[1 : d + 1], shape[0], *shape[d + 1 :]))
    mutate.assign(whole, moved(new, 0, d) if d else new)


def _place(name: str, d: int | None, key: Any) -> int | None:
    """The dimension of a result in which the batch is to stand."""
    rank = len(key.spec.shape) + 1
    if d is None:
        return None
    if not -rank <= d < rank:
        raise IndexError(
            f"vmap({name}): out_dim {d} is out of range for a result of {rank - 1} "
            "dimensions and the one that vmap adds"
        )
    return d % rank


def _batched(
    trace: Trace,
    sources: list[Any],
    inputs: list[Any],
    wanted: list[Any],
    places: list[int | None],
) -> list[Any]:
    """The results for the whole batch, each with the batch where it is to stand."""
    rec = trace.rec
    known = ("vmap", trace.size, trace.randomness, tuple(sources), tuple(inputs),
             tuple(wanted), tuple(places), frozenset(rec.variables))  # fmt: skip
    found = recall(known)
    if found is not None:
        return found
    start, arguments, pending = rec.state, len(rec.args), len(rec.pending)
    batch: dict[Any, Any] = {
        key: tensor_of(source) for key, source in zip(inputs, sources, strict=True)
    }
    states = trace.path()
    use = needed(states, wanted)
    size = trace.size
    assert size is not None
    different = trace.randomness == "different"
    with Rewriting() as now:
        for state in states:
            if state.kind != "op" or state not in use:
                continue
            flags = [k in batch for k in state.inputs]
            own = state.op in RANDOM and different
            if not (any(flags) or own):
                continue
            tensors = [
                batch[k] if b else tensor_of(k)
                for k, b in zip(state.inputs, flags, strict=True)
            ]
            of = batch.get(state.of) if state.of is not None else None
            now.at(state, None if of is None else of._key)
            at = Operands(state, tensors, flags, size, different)
            batch[state] = rule_of(state.op)(at)  # type: ignore[arg-type]
    outs = [
        _placed(batch.get(key), key, d, size)
        for key, d in zip(wanted, places + [0] * len(wanted), strict=False)
    ]
    outs = released(*outs)
    return remember(known, start, arguments, pending, outs)


def _placed(x: Any, key: Any, d: int | None, size: int) -> Any:
    if d is None:
        if x is not None:
            raise ValueError(
                "vmap: out_dims is None for a result that depends on the mapped arguments"
            )
        return tensor_of(key)
    if x is None:
        spec = key.spec
        x = apply(Expand, tensor_of(key), shape=(size, *spec.shape))
    return moved(x, 0, d) if d else x


def _in_chunks(
    func: Callable[..., Any],
    name: str,
    values: list[Any],
    dims: list[int | None],
    size: int,
    form: Tree,
    out_dims: Any,
    randomness: str,
    kwargs: dict[str, Any],
    chunk: int,
) -> Any:
    rows: list[list[Any]] = []
    for begin in range(0, size, chunk):
        n = min(chunk, size - begin)
        part = ("s", begin, begin + n, None)
        some = [
            x if d is None
            else apply(Slice, x, index=(*[("s", None, None, None)] * d, part))
            for x, d in zip(values, dims, strict=True)
        ]  # fmt: skip
        out = _mapped(func, name, some, dims, n, form, out_dims, randomness, kwargs)
        flat, out_form = flatten(out)
        rows.append(flat)
    entries = _out_places(name, out_dims, rows[0], out_form)
    joined = [
        parts[0] if d is None else apply(Cat, *parts, dim=d)
        for d, parts in zip(entries, zip(*rows, strict=True), strict=True)
    ]
    return out_form.build(joined)


__all__ = ["vmap"]
