"""Whether gradients are recorded, and whether operations wait."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from .. import dispatch


class _Mode:
    """A setting that holds in a ``with`` block or in a decorated function."""

    def __enter__(self) -> Any:
        raise NotImplementedError

    def __exit__(self, *exc: object) -> None:
        raise NotImplementedError

    def _again(self) -> Any:
        return type(self)()

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        if inspect.isgeneratorfunction(function):
            return self._around_generator(function)

        @functools.wraps(function)
        def inside(*args: Any, **kwargs: Any) -> Any:
            with self._again():
                return function(*args, **kwargs)

        return inside

    def _around_generator(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The setting holds while the generator runs, and not between its values."""

        @functools.wraps(function)
        def inside(*args: Any, **kwargs: Any) -> Any:
            made = function(*args, **kwargs)
            go_on: Callable[[], Any] = functools.partial(next, made)
            while True:
                try:
                    with self._again():
                        value = go_on()
                except StopIteration as end:
                    return end.value
                try:
                    given = yield value
                except GeneratorExit:
                    with self._again():
                        made.close()
                    raise
                except BaseException as error:
                    go_on = functools.partial(made.throw, error)
                else:
                    go_on = functools.partial(made.send, given)

        return inside


class set_grad_enabled(_Mode):
    """Record gradients, or do not; takes effect at once, and until the block ends."""

    def __init__(self, mode: bool) -> None:
        self.mode = bool(mode)
        self.before = is_grad_enabled()
        _set(self.mode)

    def _again(self) -> Any:
        return set_grad_enabled(self.mode)

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        _set(self.before)
        return super().__call__(function)

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *exc: object) -> None:
        _set(self.before)


class no_grad(_Mode):
    """What is computed inside requires no gradient."""

    wanted = False

    def __new__(cls, function: Callable[..., Any] | None = None) -> Any:
        made = super().__new__(cls)
        return made if function is None else made(function)

    def __enter__(self) -> Any:
        self.before = is_grad_enabled()
        _set(self.wanted)
        return self

    def __exit__(self, *exc: object) -> None:
        _set(self.before)


class enable_grad(no_grad):
    """Record gradients inside, also within ``no_grad``."""

    wanted = True


class inference_mode(_Mode):
    """As ``no_grad``; a promise that nothing made inside will need a gradient."""

    def __new__(cls, mode: Any = True) -> Any:
        made = super().__new__(cls)
        if callable(mode):
            made.mode = True
            return made(mode)
        return made

    def __init__(self, mode: bool = True) -> None:
        self.mode = mode

    def _again(self) -> Any:
        return inference_mode(self.mode)

    def __enter__(self) -> Any:
        self.before = is_grad_enabled(), dispatch.recorder().inference
        dispatch.set_inference(self.mode)
        _set(not self.mode)
        return self

    def __exit__(self, *exc: object) -> None:
        dispatch.set_inference(self.before[1])
        _set(self.before[0])


class eager(_Mode):
    """Run every operation as it is recorded, for debugging: an error then appears at
    the line that caused it, and a debugger sees every value."""

    def __init__(self, mode: bool = True) -> None:
        self.mode = mode

    def _again(self) -> Any:
        return eager(self.mode)

    def __enter__(self) -> Any:
        self.before = dispatch.recorder().eager
        dispatch.set_eager(self.mode)
        return self

    def __exit__(self, *exc: object) -> None:
        dispatch.set_eager(self.before)


def _set(grad: bool) -> None:
    """The mode from here on; inference_mode has the last word."""
    grad = grad and not dispatch.recorder().inference
    if grad and not dispatch.recorder().grad_mode:
        dispatch.settle()
    dispatch.set_mode(grad)


def is_grad_enabled() -> bool:
    """Whether gradients are recorded now, in this thread."""
    return dispatch.recorder().grad_mode


def is_inference_mode_enabled() -> bool:
    """Whether an ``inference_mode`` block is open in this thread."""
    return dispatch.recorder().inference
