"""``rg.compile``: a function of tensors as one guard and one native call.

The function is called as it is until what it does comes back as native code; from then
on only that is called, with new arguments. So the function must do the same thing each
time: Python code in it that has other effects runs only while recording. What looks at
values (``item``, ``print``, ``if``) is not compiled.
"""

from __future__ import annotations

import functools
import threading
import warnings
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import dispatch
from ..backward import watchers
from ..dispatch import constant
from ..execute import cache
from ..mutate import hold
from ..trace import Arg, Handle, captures, changes, settings, spec_of
from .capture import Capture
from .trees import Refused, flatten, name
from .usual import UNUSUAL, usual
from .variant import Variant, twins

#: calls without success before giving up, and saying so
PATIENCE = 12
#: ways of calling with the same shapes, and other numbers, that are worth compiling
MOST_NUMBERS = 8
#: ways of calling that are remembered
MOST = 256
_FLAT = (list, tuple, dict)
_lock = threading.Lock()


class Compiled:
    """A function that :func:`compile` has taken; ``history`` says what was compiled,
    when it was recorded anew, and why, or why it cannot be compiled."""

    #: whether it warns where it cannot compile
    warns = True

    def __init__(self, function: Callable[..., Any]) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.history: list[str] = []
        self.why = "it was not called often enough"  # there is no native call
        self.variants: dict[Any, Variant] = {}
        self.misses: dict[Any, int] = {}
        self._seen: dict[Any, dict[str, Any]] = {}
        self._numbers: dict[Any, int] = {}  # keys by what their tensors have in common
        self.last: Variant | None = None  # of the last call
        self.usual: Callable[[Any], Any] | None = None  # … if there was little to it

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.usual is not None and not kwargs and not watchers:
            result = self.usual(args)
            if result is not UNUSUAL:
                return result
            self.usual = None
        rec = dispatch.recorder()
        if (
            rec.capture is not None
            or rec.tracing is not None
            or rec.eager
            or cache.EXECUTOR == "interpreter"
            or watchers  # what is looked at runs as it is
        ):
            return self.function(*args, **kwargs)
        if rec.state.kind != "root" or rec.pending:
            rec.flush()
        form: Any = None
        flat: Any = args
        variant, key = self.last, None
        if (
            variant is None
            or variant.recorder is not rec
            or variant.grad_mode is not rec.grad_mode
            or variant.autocast is not rec.autocast
            # what is called with tensors and numbers alone is not taken apart first
            or variant.form is not None
            or kwargs
            or not variant.fits(None, args)
        ):
            if kwargs or any([isinstance(a, _FLAT) for a in args]):  # noqa: C419
                flat = []
                form = flatten((args, kwargs), flat)
            try:
                key = self._key(rec, form, flat)
                variant = self.variants.get(key)
            except TypeError:
                return self._unknown(flat, args, kwargs)
            if variant is not None and (
                variant.recorder is not rec or not variant.fits(form, flat)
            ):
                variant = None
        if variant is not None:
            why = variant.stale(rec)
            if not why:
                self.last = variant
                result = variant.run(flat)
                if result is None:
                    return self.function(*args, **kwargs)
                if variant.root is not rec.state:
                    variant.root, variant.usual = rec.state, usual(variant)
                self.usual = variant.usual
                return result[0]
            key = key or self._key(rec, form, flat)
            self.last = self.usual = None
            del self.variants[key]
            for part in variant.parts:
                part.call.clear()  # what somebody holds is not written later
            self.misses[key] = 0 if variant.used else self.misses.get(key, 0) + 1
            if self.misses[key] > PATIENCE:
                self._warn(f"is not one native call: each time {why}")
            self._say(f"recorded anew: {why}")
        if key is not None and self.misses.get(key, 0) > PATIENCE:
            return self.function(*args, **kwargs)
        return self._record(rec, key, form, flat, args, kwargs)

    def over(
        self,
        *data: Any,
        batch_size: int = 1,
        shuffle: bool = False,
        generator: Any = None,
        drop_last: bool = False,
        order: Any = None,
        proceed: Callable[[int], Any] | None = None,
    ) -> Any:
        """Call the function on batches of *data*, once through; the results, one a row.

        The tensors of *data* have the same length; a batch is *batch_size* rows of
        each, in order or shuffled. Once the function is compiled, whole batches run in
        one native loop, without Python between them. The results have no history.
        ``order`` are the numbers of the rows, instead of all of them or *shuffle*;
        ``proceed(n)`` is called after each *n* further batches, now and then; the rest
        is left out when it gives something false.

        >>> import retrograd as rg
        >>> _ = rg.manual_seed(0)
        >>> layer = rg.nn.Linear(3, 1)
        >>> optimizer = rg.optim.SGD(layer.parameters(), lr=0.1)
        >>> @rg.compile
        ... def step(x, y):
        ...     optimizer.zero_grad()
        ...     loss = (layer(x) - y).square().mean()
        ...     loss.backward()
        ...     optimizer.step()
        ...     return loss
        >>> x, y = rg.randn(200, 3), rg.ones(200, 1)
        >>> losses = step.over(x, y, batch_size=10, shuffle=True)
        >>> losses.shape
        retrograd.Size([20])
        """
        from ..functions.random import randperm

        n = _length(data)
        if not isinstance(batch_size, int) or batch_size < 1:
            raise ValueError(f"batch_size is a positive integer, not {batch_size!r}")
        if order is not None:
            order = np.asarray(order, np.int64).reshape(-1)
            if shuffle or not order.size or not (0 <= order.min() <= order.max() < n):
                raise ValueError(
                    f"order is the numbers of rows, 0 to {n - 1}, and excludes shuffle"
                )
            n = len(order)
        elif shuffle:
            order = randperm(n, generator=generator).numpy()
        else:
            order = np.arange(n)
        arrays = [np.ascontiguousarray(t.detach().numpy()) for t in data]
        rec = dispatch.recorder()
        found: list[Any] = []
        at, whole, more = 0, n - n % batch_size, True

        def note(steps: int) -> Any:
            nonlocal more
            more = proceed is None or bool(proceed(steps))
            return more

        while more and at < n and not (drop_last and at >= whole):
            rows = order[at : at + batch_size]
            result = self(*(constant(a[rows]) for a in arrays))
            if not isinstance(result, Handle):
                raise TypeError("over() is for functions that give one tensor")
            value: Any = result
            found.append(value.detach().numpy()[None])
            at += len(rows)
            steps = (whole - at) // batch_size
            variant = self.last
            if not note(1) or variant is None or not variant.repeats() or steps < 1:
                continue
            if watchers:
                continue
            some = tuple(constant(a[order[at : at + batch_size]]) for a in arrays)
            if variant.fits(None, some) and not variant.stale(rec):
                kept = np.empty((steps, *found[-1].shape[1:]), found[-1].dtype)
                done, error = variant.repeat(arrays, order[at:whole], kept, note)
                if error is not None:
                    raise error
                found.append(kept[:done])
                at += done * batch_size
        return constant(np.concatenate(found))

    def explain(self, measure: bool = True) -> Any:
        """The kernels of the newest native call, with their times; see
        :func:`retrograd.plans`."""
        if not self.variants:
            raise RuntimeError(f"there is no native call to explain: {self.why}")
        from .explain import joined

        parts = list(self.variants.values())[-1].parts
        return joined([part.native.explain(measure) for part in parts])

    def _key(self, rec: Any, form: Any, flat: Any) -> Any:
        """What two calls must have in common to be the same native call."""
        mode = (rec.grad_mode, rec.inference, rec.autocast)
        key = (id(rec), mode, form, *map(name, flat))
        same = twins(flat) if len(flat) > 1 else ()
        key = (*key, *same) if same else key
        hash(key)
        return key

    def _say(self, text: str) -> None:
        if text not in self.history:
            self.history.append(text)

    def _warn(self, text: str) -> None:
        name = getattr(self.function, "__name__", type(self.function).__name__)
        text = f"{name} {text}. It runs uncompiled"
        if text not in self.history:
            self.history.append(text)
            if self.warns:
                warnings.warn(f"rg.compile: {text}", stacklevel=4)

    def _unknown(self, flat: Any, args: Any, kwargs: Any) -> Any:
        """A call with something that cannot be compared with that of another call."""
        kinds = {type(a).__name__ for a in flat if not _hashable(a)}
        what = ", ".join(sorted(kinds))
        self.why = f"an argument is a {what}, which may change. Give tensors"
        self._warn(f"is not compiled: {self.why}")
        return self.function(*args, **kwargs)

    def _record(
        self, rec: Any, key: Any, form: Any, flat: Any, args: Any, kwargs: Any
    ) -> Any:
        if key not in self.misses:
            shapes = tuple(name(a) for a in flat if isinstance(a, Handle))
            often = self._numbers.get(shapes, 0) + 1
            if len(self.misses) >= MOST:
                for known in (self.misses, self.variants, self._seen, self._numbers):
                    known.clear()
            if often > MOST_NUMBERS and len(shapes) < len(flat):
                self.why = "it is called with ever new numbers; tensors may change"
                self._warn(f"is not compiled for all calls: {self.why}")
                return self.function(*args, **kwargs)
            self._numbers[shapes] = often
        capture = rec.capture = Capture()
        before = changes[0], settings[0]
        with _lock:
            captures[0] += 1
        try:
            result = self.function(*args, **kwargs)
            rec.flush()
        finally:
            rec.capture = None
            with _lock:
                captures[0] -= 1
        self.misses[key] = self.misses.get(key, 0) + 1
        try:
            self._check(capture, flat, before)
            seen = self._seen.setdefault(key, {})
            variant = Variant(capture, form, list(flat), result, seen)
        except Refused as error:
            self.why = str(error)
            _settle(capture, flat, self._seen.setdefault(key, {}))
            if self.misses[key] > PATIENCE:
                self._warn(f"is not one native call: {error}")
        else:
            self.variants[key] = variant
            shown = ", ".join(repr(spec_of(a)) if isinstance(a, Handle) else repr(a)
                              for a in flat)  # fmt: skip
            self._say(f"compiled for ({shown})")
        return result

    def _check(self, capture: Capture, flat: Any, before: tuple[int, int]) -> None:
        """Refused where what the call did shows that it is not the same each time."""
        if any(getattr(a, "requires_grad", False) for a in flat):
            raise Refused("an argument requires gradients")
        if capture.read:
            raise Refused(f"it looks at a value at {capture.read}")
        if capture.refused:
            raise Refused(capture.refused)
        if changes[0] != before[0]:
            raise Refused("it changes a module, or writes to an attribute of one")
        if settings[0] != before[1]:
            raise Refused(
                "it changes an option of an optimizer, such as the learning rate. Do "
                "that between the calls"
            )


def _settle(capture: Capture, flat: Any, seen: dict[str, Any]) -> None:
    """Tensors of the outer program that are written each time (averages, weights that
    no optimizer has) get an identity in traces, as parameters have."""
    own = {id(a) for a in flat}
    written: list[Any] = []
    for plan, taken, _ in capture.runs:
        for target, _ in plan.writes:
            t = taken[target.index] if type(target) is Arg else None
            if t is not None and id(t) not in own and t._key is None:
                meta = t._meta
                if meta is None or (meta.base is None and meta.history is None):
                    written.append(t)
    before = seen.get("written", ())
    seen["written"] = [weakref.ref(t) for t in written]
    if len(before) == len(written):
        for ref, t in zip(before, written, strict=True):
            if ref() is t:
                hold(t)


def _hashable(a: Any) -> bool:
    try:
        hash(a)
    except TypeError:
        return False
    return True


def _length(data: tuple[Any, ...]) -> int:
    """The common length of tensors."""
    if not data or not all(isinstance(t, Handle) for t in data):
        kinds = ", ".join(type(t).__name__ for t in data) or "nothing"
        raise TypeError(f"over() takes tensors of data, not {kinds}")
    shapes = [spec_of(t).shape for t in data]
    if not all(s and s[0] == shapes[0][0] for s in shapes) or not shapes[0][0]:
        raise ValueError(
            "over() takes tensors of the same length, at least 1; their shapes are "
            + ", ".join(str(list(s)) for s in shapes)
        )
    return int(shapes[0][0])


def compile(function: Callable[..., Any] | None = None, **_: Any) -> Any:
    """*function* as one native call, for functions that do the same thing each time.

    It may use modules and an optimizer; it is recorded while it is called as usual, a
    few times for each combination of shapes, and afterwards its Python code no longer
    runs. What changes (a learning rate, the arguments) is passed on; a changed module
    or optimizer is recorded anew, which ``history`` tells with the reason. What cannot
    be one native call runs as it is, with a warning that says why.

    >>> import retrograd as rg
    >>> _ = rg.manual_seed(0)
    >>> model = rg.nn.Linear(2, 1)
    >>> optimizer = rg.optim.SGD(model.parameters(), lr=0.1)
    >>> @rg.compile
    ... def step(x, y):
    ...     optimizer.zero_grad()
    ...     loss = ((model(x) - y) ** 2).mean()
    ...     loss.backward()
    ...     optimizer.step()
    ...     return loss
    >>> x, y = rg.ones(4, 2), rg.zeros(4, 1)
    >>> losses = [step(x, y).item() for _ in range(60)]
    >>> losses[-1] < 1e-3
    True
    """
    if function is None:
        return compile
    if not callable(function):
        raise TypeError(f"compile() takes a function, not {type(function).__name__}")
    from ..nn import Module

    if isinstance(function, Module):
        from ..nn.compiled import OptimizedModule

        return OptimizedModule(function)
    return Compiled(function)


__all__ = ["Compiled", "compile"]
