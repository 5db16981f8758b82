"""In-place operations, at the edge: the program stays free of side effects.

A value that is still pending is replaced by another, and its views are derived anew. A
tensor that has memory keeps it: the new value is written there when the work is run (at
once where somebody else holds the memory), so that views, ``.data`` and NumPy arrays
see the change.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from . import dispatch, dtypes, errors
from .dispatch import Recorder, apply, apply1, apply2, constant, stand_in
from .execute.interpreter import UNHELD, view_path, whole_path
from .ops.core import Clone
from .ops.op import REGISTRY, Shape, Spec
from .strides import follow_model, model, model_of
from .trace import (
    Arg,
    Failed,
    Handle,
    Meta,
    Path,
    State,
    base_path,
    follow_base,
    memory_of,
    meta_of,
    spec_of,
)


def refuse_leaf(rec: Recorder, x: Any, what: str = "a leaf Variable") -> None:
    """RuntimeError for a change of a leaf whose gradient is recorded."""
    leaf = x.is_leaf and x.requires_grad
    if rec.grad_mode and (leaf or (rec.variables and _is_variable(rec, x))):
        raise RuntimeError(
            f"{what} that requires grad is being used in an in-place operation. "
            "Do it under rg.no_grad(), or on tensor.data, or use the out-of-place "
            f"form\n  at {errors.user_line()}"
        )


def _is_variable(rec: Recorder, x: Any) -> bool:
    """Whether func.grad or func.vjp is deriving with respect to *x*."""
    key = x._key
    if type(key) is not State and x._meta is not None and x._meta.history is not None:
        key = x._meta.history[1]
    return type(key) is State and key in rec.variables


def become(x: Any, view: Any) -> Any:
    """*x* becomes a view of itself, such as its transpose; returns *x*."""
    if view is x:
        return x
    rec = dispatch.recorder()
    memory_of(x)[1] += 1
    meta, new = meta_of(x), meta_of(view)
    shape = spec_of(x).shape
    back = _back(shape, view) if new.base is x else None
    if rec.tracing is not None and type(x._key) is State and x._array is None:
        if meta.base is None:
            meta.turns += ((back, x._key),)
        x._key = view._key
        return x
    dispatch.realize(view, x)
    if rec.args or rec.pending:
        rec.flush()  # what is recorded knows the old shape
    x._array = view._array
    if meta.base is not None:
        meta.path, meta.since = base_path(new), new.since
    else:
        meta.turns += ((back, None),)
    if new.history is not None:
        meta.history = new.history
    if meta.home is not None:
        rebind(x)
    return x


def _back(shape: Shape, view: Any) -> Path | None:
    """The views that lead from *view* back to what it is a view of, a tensor of that
    shape; None where some of the elements are not in it."""
    back: Path = ()
    whole = model(shape)
    for name, attrs in whole_path(view._key, meta_of(view)):
        if name == "permute":
            dims = tuple(sorted(range(whole.ndim), key=dict(attrs)["dims"].__getitem__))
            back = (("permute", (("dims", dims),)), *back)
        elif name == "reshape":
            back = (("reshape", (("shape", whole.shape),)), *back)
        elif name != "detach":
            return None
        whole = REGISTRY[name].forward(whole, **dict(attrs))
    return back


def _fitting(x: Any, new: Any) -> Any:
    """The new value in the shape and type of *x*."""
    spec, given = spec_of(x), spec_of(new)
    if given.dtype.category > spec.dtype.category:
        raise RuntimeError(
            f"result type {given.dtype.name} can't be cast to the desired output type "
            f"{spec.dtype.name}\n  at {errors.user_line()}"
        )
    if given.dtype is not spec.dtype:
        new = apply(REGISTRY["cast"], new, dtype=spec.dtype)
    if given.shape != spec.shape:
        if len(given.shape) > len(spec.shape):
            raise RuntimeError(
                f"output with shape {list(spec.shape)} doesn't match the broadcast "
                f"shape {list(given.shape)}\n  at {errors.user_line()}"
            )
        try:
            new = apply(REGISTRY["expand"], new, shape=spec.shape)
        except RuntimeError:
            raise RuntimeError(
                f"output with shape {list(spec.shape)} doesn't match the broadcast "
                f"shape {list(given.shape)}\n  at {errors.user_line()}"
            ) from None
    return new


def _shares(path: tuple[Any, ...], root: Any) -> bool:
    """Whether the views of *path* lead into the memory of a tensor."""
    array = root._array
    whole = model(spec_of(root).shape) if array is None else model_of(array)
    return follow_model(whole, path) is not None


def _repeated(x: Any) -> list[int]:
    """The dimensions along which all elements of *x* are one place in memory."""
    meta = x._meta
    if meta is None or meta.base is None or type(x._key) is Failed:
        return []
    if type(x._key) is State:
        root, steps = meta.base, whole_path(x._key, meta)
        if not any(name in ("expand", "as_strided") for name, _ in steps):
            return []
        whole = root._array
        array = follow_model(
            model(spec_of(root).shape) if whole is None else model_of(whole), steps
        )
        if array is None:
            return []
    else:
        array = x._array
    if not array.size:
        return []
    pairs = enumerate(zip(array.shape, array.strides, strict=True))
    return [d for d, (n, step) in pairs if n > 1 and step == 0]


def _once(x: Any, repeated: list[int]) -> Any:
    """The view of *x* that shows each place once."""
    index: list[Any] = [("s", None, None, None)] * (repeated[-1] + 1)
    for d in repeated:
        index[d] = ("s", 0, 1, None)
    return apply(REGISTRY["slice"], x, index=tuple(index))


def fill(x: Any, value: Any) -> Any:
    """Give every element of *x* the same *value*, places that are several elements
    too; returns *x*."""
    repeated = _repeated(x)
    assign(_once(x, repeated) if repeated else x, value)
    return x


def put(x: Any, change: Callable[[Any], Any]) -> Any:
    """*x* becomes ``change(x)``, which gives values to some of its elements. A place that
    is several elements takes the value that any of them is given; returns *x*."""
    repeated = _repeated(x)
    if not repeated:
        return assign(x, change(x))
    errors.warn(
        "writing to some elements of an expanded tensor is deprecated, as several of its "
        "elements are one place in memory: clone() it before",
        UserWarning,
    )
    new, spec = change(x), spec_of(x)
    # what does not depend on what was there: equal, or NaN
    a, b = (change(constant(np.full(spec.shape, old, spec.dtype.np))) for old in (0, 1))
    equal, nan = apply2(REGISTRY["eq"], a, b), apply2(REGISTRY["ne"], a, a)
    given = apply2(REGISTRY["logical_or"], equal, nan)
    given = apply(REGISTRY["cast"], given, dtype=dtypes.uint8)
    for d in repeated:
        place = apply(REGISTRY["argmax"], given, dim=d, keepdim=True)
        new = apply(REGISTRY["gather"], new, place, dim=d)
        given = apply(REGISTRY["amax"], given, dim=d, keepdim=True)
    assign(_once(x, repeated), new)
    return x


def _materialized(x: Any) -> bool:
    return x._array is not None and type(x._key) is not State


def assign(x: Any, new: Any, anew: bool = False) -> Any:
    """Give *x* a new value in place, perhaps one that has nothing to do with the old one
    (*anew*); returns *x*."""
    rec = dispatch.recorder()
    before = changes(rec, x)
    # The change is several events, and they are run together.
    eager, rec.eager = rec.eager, False
    try:
        shared = _assign(rec, x, new, anew)
    finally:
        rec.eager = eager
    if (eager or shared) and not rec.running and rec.tracing is None:
        rec.flush()
    memory_of(x)[1] += before + 1 - changes(rec, x)
    return x


def changes(rec: Recorder, x: Any) -> int:
    """How often *x*, or what it shares memory with, was changed in place."""
    base = None if x._meta is None else x._meta.base
    waits = id(x if base is None else base) in rec.targets
    return sum(memory_of(x)) + waits


def _assign(rec: Recorder, x: Any, new: Any, anew: bool) -> bool:
    """Record the change; whether others hold the memory, and must see it at once."""
    if type(x._key) is Failed:
        raise x._key.error
    meta = x._meta
    root = x if meta is None or meta.base is None else meta.base
    new = _fitting(x, new)
    if root is not x and type(x._key) is State:
        steps = view_path(x._key, root._key)
        if any(name == "detach" for name, _ in steps):
            rec.flush()
            root = x if meta is None or meta.base is None else meta.base
        elif not meta.path and not _shares(steps, root):
            meta.base, root = None, x
    if root is not x:
        if _repeated(x):
            raise RuntimeError(
                "unsupported operation: more than one element of the written-to tensor "
                f"{spec_of(x)!r} refers to a single memory location. Please clone() the "
                f"tensor before performing the operation\n  at {errors.user_line()}"
            )
    detached = is_detached(x)
    if not rec.inference and not detached and x.is_inference():
        raise RuntimeError(
            "Inplace update to inference tensor outside InferenceMode is not allowed. "
            f"Make a clone of it first\n  at {errors.user_line()}"
        )
    refuse_leaf(rec, x)
    if not detached and root is not x:
        refuse_leaf(rec, root, "a view of a leaf Variable")
    if rec.tracing is not None:
        rec.tracing.check_write(root, new)
    tracked = rec.grad_mode and (new.requires_grad or x.requires_grad)
    unrelated = not new.requires_grad or (anew and x.requires_grad)
    if tracked and unrelated and spec_of(new).dtype.is_floating_point:
        # what is replaced gets a gradient of zeros
        new = apply(REGISTRY["where"], False, x, new)
    if _materialized(x) and _materialized(root) and not tracked:
        _write(rec, x, root, new)
        return False
    if root is x:
        _replace(rec, x, new)
    elif detached and rec.grad_mode:
        _behind(rec, x, root, new, tracked)
        return True
    else:
        _through_view(rec, x, root, new)
    array = root._array
    # the slot, this name and the argument of getrefcount
    return array is not None and (array.base is not None or sys.getrefcount(array) > 3)


def _aliases(rec: Recorder, root: Any) -> list[Any]:
    """Pending views of *root* that somebody holds."""
    if id(root) not in rec.bases:
        return []
    counts = tuple(map(sys.getrefcount, rec.pending))
    return [
        t
        for t, held in zip(rec.pending, counts, strict=True)
        if held > UNHELD
        and t is not root
        and type(t._key) is State
        and t._meta is not None
        and t._meta.base is root
    ]


def _write(rec: Recorder, x: Any, root: Any, new: Any) -> None:
    """The new value goes to memory: later if nobody else holds it, else now."""
    array = x._array
    # the slot, this name and the argument of getrefcount
    alone = array.base is None and sys.getrefcount(array) <= 3
    if rec.tracing is not None and root is x and alone and not x.requires_grad:
        _replace(rec, x, new)  # nothing is run now
        return
    if root is x and alone and not _aliases(rec, x):
        key = new._key or rec.leaf(new)
        if type(key) is not State or key.view or key.grad:
            # memory of its own, not a view's, and (here) no history
            key = apply1(Clone, new)._key
        _later(rec, x, key)
        return
    dispatch.realize(new)
    rec.flush()
    value = new._array
    if rec.capture is not None:
        rec.capture.write(x, value)
    np.copyto(x._array, value, casting="unsafe")
    memory_of(x)[0] += 1


def _later(rec: Recorder, x: Any, key: State) -> None:
    """Write the value *key* to the memory of *x* when the work is run."""
    if x.requires_grad and not key.grad:
        rec.unsettled = True
    target = rec.targets.get(id(x))
    if target is None:
        target = x._key or rec.leaf(x)
        if x._key.recorder not in (None, rec):
            target = rec.leaf(x)
        rec.targets[id(x)] = target
        rec.writes.append(x)
    rec.mark("write", (target, key), {"inputs": (target, key)})
    x._key = key


def _replace(rec: Recorder, x: Any, new: Any) -> None:
    """A pending (or tracked) value is replaced, and its views with it."""
    views = [(t, whole_path(t._key, meta_of(t))) for t in _aliases(rec, x)]
    key = new._key
    if (
        type(key) is not State
        or key.recorder is not rec
        or key.view
        or (key.grad and not rec.grad_mode)
    ):
        new = apply1(Clone, new)
    old = x._key
    key = _with_history(rec, new._key, old)
    if x._meta is not None and x._meta.history is not None:
        segment, state = x._meta.history
        segment.overwritten[state] = errors.user_line()
    if x._array is not None:
        _later(rec, x, key)
    else:
        rec.mark("inplace", (old, key), {"inputs": (old, key)})
        x._key = key
    if x.retains_grad:
        x._retain()
    for view, path in views:
        before = view._key
        _rederive(view, x, path)
        view._key = _with_history(rec, view._key, before)
        if view.retains_grad:
            view._retain()


def _with_history(rec: Recorder, new: Any, old: Any) -> Any:
    """The key of a changed value. Without gradients only its numbers change: the history
    stays what it was."""
    if rec.grad_mode or type(old) is not State or not old.grad:
        return new
    dispatch.set_mode(True)
    key = apply(REGISTRY["_overwrite"], stand_in(new), stand_in(old))._key
    dispatch.set_mode(False)
    return key


def _through_view(rec: Recorder, x: Any, root: Any, new: Any) -> None:
    """Write through a view: the whole is rebuilt around the part."""
    path = whole_path(x._key, x._meta)
    whole = apply(REGISTRY["view_write"], root, new, path=path)
    pending = type(x._key) is State
    _replace(rec, root, whole)
    if not pending:
        _rederive(x, root, path)
        _settled(rec, x)


def is_detached(x: Any) -> bool:
    """Whether *x* shows memory of a tensor whose history it does not share."""
    meta = x._meta
    return meta is not None and any(name == "detach" for name, _ in meta.path)


def with_part(x: Any, part: Any, new: Any) -> Any:
    """*x*, with another value where its view *part* is."""
    path = view_path(part._key, x._key)
    return apply(REGISTRY["view_write"], x, _fitting(part, new), path=path)


def _behind(rec: Recorder, x: Any, root: Any, new: Any, tracked: bool) -> None:
    """Write to memory behind the back of its owner: only the detached alias *x* takes
    the history of the new value, if there is one."""
    dispatch.set_mode(False)
    try:
        _through_view(rec, x, root, new)
    finally:
        dispatch.set_mode(True)
    if tracked:
        x._key = apply(REGISTRY["_overwrite"], stand_in(x._key), new)._key
        _settled(rec, x)


def _settled(rec: Recorder, view: Any) -> None:
    """A view of memory that is written has its history from the run that writes."""
    rec.writes.append(view)
    rec.mark("settle", view._key, {"inputs": (view._key,)})


def _rederive(view: Any, root: Any, path: tuple[Any, ...]) -> None:
    rec = dispatch.recorder()
    epoch, pending = rec.epoch, len(rec.pending)
    value = root
    for name, attrs in path:
        value = apply(REGISTRY[name], value, **dict(attrs))
    view._key = value._key
    if rec.epoch == epoch:
        del rec.pending[pending:]  # or they would be views to be derived anew, too


def refresh(rec: Recorder, view: Any, meta: Meta) -> Any:
    """A view of something that was changed in place has the history of what it shows.

    Returns the view's new key; None if it is as it was.
    """
    base: Any = meta.base
    writes = memory_of(base)[0]
    if meta.seen == writes or any(name == "detach" for name, _ in meta.path):
        return None
    meta.seen = writes
    if base.is_leaf or type(view._key) is State:
        return None
    before, eager = rec.grad_mode, rec.eager
    dispatch.set_mode(True)
    rec.eager = False
    try:
        _rederive(view, base, base_path(meta))
    finally:
        dispatch.set_mode(before)
        rec.eager = eager
    _settled(rec, view)
    return view._key


dispatch._refresh = refresh


def share(source: Any) -> Any:
    """A tensor on the same memory without history: ``detach`` and ``.data``."""
    key = source._key
    if type(key) is State or type(key) is Failed:
        return apply(REGISTRY["detach"], source)
    out: Any = object.__new__(dispatch._tensor_type)
    out._key, out._array, out._grad, out._meta = None, source._array, None, None
    meta = meta_of(out)
    origin = source._meta
    follow_base(meta, source)
    meta.path = (*meta.path, ("detach", ()))
    if origin is not None:
        meta.exposed, meta.inference = origin.exposed, origin.inference
    return out


def set_data(x: Any, value: Any) -> None:
    """``x.data = value``: *x* takes over the memory of *value*."""
    rec = dispatch.recorder()
    dispatch.realize(value)
    if rec.capture is not None:
        rec.capture.refuse("it gives a tensor other memory")
    if value._array is x._array and x._array is not None:
        return  # x.data += 1 changed the memory, and now gives it back
    if type(x._key) in (State, Arg) or dispatch.awaits(rec, x):
        rec.flush()
    x._array = value._array
    meta = meta_of(x)
    meta.base, meta.path = value, (("detach", ()),)
    meta.since = 0 if value._meta is None else len(value._meta.turns)
    if meta.home is not None:
        meta.base = None
        rebind(x)


def hold(x: Handle) -> None:
    """Give a tensor that lives on an identity in traces, as parameters have."""
    rebind(x)
    kind = type(x)
    if kind is dispatch._tensor_type:
        x.__class__ = dispatch._held_type
    elif not hasattr(kind, "__del__"):  # a class of the user's
        kind.__del__ = dispatch._held_type.__del__  # type: ignore[attr-defined]


def rebind(x: Handle) -> None:
    """Give a long-lived leaf a key that fits its present shape, type and flag: the one
    that it had when they were the same."""
    from .trace import Bound, changes

    changes[0] += 1
    meta = meta_of(x)
    array: Any = x._array
    spec = Spec(array.shape, dtypes.from_numpy_dtype(array.dtype))
    if meta.homes is None:
        meta.homes = {}
    known = (spec, int(meta.requires_grad))
    home = meta.homes.get(known)
    if home is None:
        home = meta.homes[known] = Bound(x, *known)
    x._key = meta.home = home
