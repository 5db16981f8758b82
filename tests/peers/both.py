"""Programs for both libraries: each is a function of the library, and what it returns, or
the class of what it raises, is the same."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import retrograd as rg


@contextlib.contextmanager
def double(lib: Any) -> Iterator[None]:
    """Numbers of float64 by default: PyTorch keeps the number of steps in the default
    type, and corrects averages for it in that."""
    before = lib.get_default_dtype()
    lib.set_default_dtype(lib.float64)
    try:
        yield
    finally:
        lib.set_default_dtype(before)


def programs_of(names: dict[str, Any]) -> list[Callable[[Any], Any]]:
    """The functions that a test file defines, but for tests and helpers (_named)."""
    return [
        f
        for name, f in names.items()
        if getattr(f, "__module__", "") == names["__name__"]
        and not name.startswith(("_", "test"))
    ]


def result(lib: Any, program: Callable[[Any], Any]) -> Any:
    try:
        return program(lib)
    except Exception as error:
        return type(error)


def same(torch: Any, program: Callable[[Any], Any], eager: bool) -> None:
    """Also when it comes back, and whether operations wait or are run at once."""
    with rg.eager(eager):
        mine = [result(rg, program) for _ in range(4)]
    assert mine == [result(torch, program)] * 4


def tried(*calls: Callable[[], Any]) -> list[Any]:
    """What each call gives: its value, or the class of its error."""
    found = []
    for call in calls:
        try:
            value = call()
        except Exception as error:
            value = type(error)
        found.append(value.tolist() if hasattr(value, "tolist") else value)
    return found
