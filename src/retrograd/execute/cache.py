"""When a plan is compiled, and by whom.

``RETROGRAD_EXECUTOR`` says ``interpreter``, ``native`` (at once) or ``auto``: what has
come back a few times is compiled. Without llvmlite everything is interpreted.

To compile a graph costs about as much as to interpret it a hundred times. What comes
back after few other runs is part of a loop, and worth it at once. Where graphs are always
different ones (a number of rounds that depends on the data) each comes back late or never,
and no more is compiled than has been interpreted a hundred times. Operations are counted,
not seconds, so that a program does the same each time.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..dispatch import Recorder

EXECUTOR = os.environ.get("RETROGRAD_EXECUTOR", "auto")
#: how often a plan is interpreted before it is worth compiling, if it comes back at once
TIMES = 2
#: other runs of that size in between after which a return counts half
HALF = 8
#: to compile an operation costs as much as to interpret it so often
PRICE = 100
_available = importlib.util.find_spec("llvmlite") is not None
_at_once = 0


@contextmanager
def at_once() -> Iterator[None]:
    """Within it ``auto`` compiles what it meets for the first time, too: which runs are
    interpreted, and how they round, then does not depend on what ran before."""
    global _at_once
    _at_once += 1
    try:
        yield
    finally:
        _at_once -= 1


def wants_native(plan: Any, rec: Recorder) -> bool:
    """Whether a plan that is run should be compiled first."""
    if EXECUTOR not in ("auto", "interpreter", "native"):
        raise ValueError(
            f"RETROGRAD_EXECUTOR is {EXECUTOR!r}; it can be 'auto', 'interpreter' or "
            "'native'"
        )
    if EXECUTOR == "interpreter":
        return False
    if not _available:
        if plan.runs > TIMES:
            _say_once()
        return False
    if EXECUTOR == "native" or _at_once:
        return True
    size = len(plan.nodes)
    # Many small runs (numbers that are read to make a batch) are soon over.
    passed = min(rec.epoch - plan.last, (rec.interpreted - plan.before) / max(size, 1))
    plan.last, plan.before = rec.epoch, rec.interpreted
    plan.returns = 1 + plan.returns * 0.5 ** (max(passed - 1, 0) / HALF)
    if plan.runs > TIMES and (
        plan.returns > TIMES
        or rec.capture is not None  # somebody asked for it
        or (rec.compiled + size) * PRICE <= rec.interpreted
    ):
        rec.compiled += size
        return True
    if plan.runs == TIMES and plan.returns > TIMES - 1:
        _get_ready()
    rec.interpreted += size
    return False


@functools.cache
def _get_ready() -> None:
    """What will soon be compiled needs LLVM: to import it now, and to compile with the
    next run, is two short waits for one long one."""
    with contextlib.suppress(Exception):  # whoever compiles says what is wrong
        from ..compiler.pool import get_ready

        get_ready()


@functools.cache
def _say_once() -> None:
    warnings.warn(
        "llvmlite is not installed, so graphs that come back are interpreted and not "
        "compiled: pip install llvmlite, or RETROGRAD_EXECUTOR=interpreter if that is "
        "meant",
        RuntimeWarning,
        stacklevel=2,
    )


def native(plan: Any) -> Any:
    """The machine code of a plan; False where it cannot be had."""
    from ..compiler.native import Native

    try:
        return Native(plan)
    except (NotImplementedError, MemoryError):
        return False
    except Exception as error:
        if EXECUTOR == "native":
            raise
        # The interpreter gives the same numbers; the user should know, and tell us.
        warnings.warn(
            f"retrograd could not compile a graph and interprets it: {error!r}. Please "
            "report this; RETROGRAD_EXECUTOR=native shows where it happens",
            RuntimeWarning,
            stacklevel=2,
        )
        return False
