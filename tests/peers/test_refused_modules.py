"""What PyTorch's modules refuse is refused here, with the same class of exception: its own
sample modules and calls of them, with one thing wrong at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import module_tables
import retrograd as rg
from peers import mutations
from peers.test_refused_calls import check_calls

torch: Any = pytest.importorskip(
    "torch", reason="comparisons with PyTorch are skipped: it is not installed"
)


def _names() -> list[str]:
    """One of each family: those of one and three dimensions check as that of two."""
    try:
        table = module_tables.table()
    except pytest.skip.Exception:  # while tests are collected
        return []
    found = []
    for name in table:
        alike = name.startswith("Lazy") or name[-2:] in ("1d", "3d")
        # an encoder is made of a layer, which would be the other library's
        if hasattr(rg.nn, name) and not alike and name != "TransformerEncoder":
            found.append(name)
    return found


def _sample(name: str) -> Any:
    """The module with the most arguments."""
    entry = module_tables.table()[name]
    every = entry.module_inputs_func(
        entry, device="cpu", dtype=torch.float64, requires_grad=False, training=True
    )
    return max(
        every,
        key=lambda s: len(s.constructor_input.args) + len(s.constructor_input.kwargs),
    )


def _given(lib: Any, value: Any) -> Any:
    return mutations.copied(value) if lib is torch else module_tables.translated(value)


@pytest.mark.parametrize("name", _names())
def test_constructors(name: str) -> None:
    """With a call of what they have made."""
    sample = _sample(name)
    made, called = sample.constructor_input, sample.forward_input

    def maker(lib: Any) -> Callable[..., Any]:
        def make(*args: Any, **kwargs: Any) -> Any:
            module = getattr(lib.nn, name)(*args, **kwargs).double()
            given, named = _given(lib, (called.args, called.kwargs))
            return module(*given, **named)

        return make

    kwargs = {k: v for k, v in made.kwargs.items() if k not in ("device", "dtype")}
    check_calls(f"new {name}", maker(rg), maker(torch), list(made.args), kwargs)


@pytest.mark.parametrize("name", _names())
def test_calls(name: str) -> None:
    sample = _sample(name)
    made, called = sample.constructor_input, sample.forward_input
    kwargs = {k: v for k, v in made.kwargs.items() if k not in ("device", "dtype")}

    def caller(lib: Any) -> Callable[..., Any]:
        given, named = _given(lib, (made.args, kwargs))

        def call(*args: Any, **more: Any) -> Any:
            return getattr(lib.nn, name)(*given, **named).double()(*args, **more)

        return call

    check_calls(
        f"call {name}", caller(rg), caller(torch), list(called.args), called.kwargs
    )
