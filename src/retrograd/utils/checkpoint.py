"""Less memory for more work: what a function computes inside is not kept for the
backward pass but computed again there.

Chen et al., Training deep nets with sublinear memory cost, arXiv:1604.06174, 2016.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from .. import dispatch
from ..autograd import no_grad
from ..trace import is_tensor


class CheckpointError(RuntimeError):
    """The name PyTorch has for a recomputation that went another way; it cannot here."""


def noop_context_fn() -> tuple[
    AbstractContextManager[None], AbstractContextManager[None]
]:
    """Nothing around the function, and nothing around its recomputation."""
    return nullcontext(), nullcontext()


@contextmanager
def set_checkpoint_early_stop(enable: bool) -> Iterator[None]:
    """Accepted: only what the backward pass asks for is ever computed again."""
    yield


@contextmanager
def set_checkpoint_debug_enabled(enabled: bool | None) -> Iterator[None]:
    """Accepted: a recomputation cannot differ, so there is nothing to explain."""
    yield


@contextmanager
def region() -> Iterator[None]:
    """What is recorded here is not kept for the backward pass."""
    rec = dispatch.recorder()
    if rec.state.kind == "root":
        rec.enter(("checkpoint", None))
    outer, epoch = rec.region, rec.epoch
    mark = rec.mark("checkpoint", None, {})
    rec.region = mark
    try:
        yield
    finally:
        if rec.epoch == epoch and rec.region is mark:
            rec.region = outer
            rec.mark("end", None, {})


def checkpoint(
    function: Callable[..., Any],
    *args: Any,
    use_reentrant: bool | None = None,
    context_fn: Callable[[], tuple[Any, Any]] = noop_context_fn,
    determinism_check: str = "default",
    debug: bool = False,
    early_stop: bool = True,
    preserve_rng_state: bool = True,
    **kwargs: Any,
) -> Any:
    """``function(*args, **kwargs)``, with the same gradients, but only the values that
    enter it are kept for the backward pass; the others are computed again there.

    The recorded operations are repeated, not the Python function: it runs once, random
    numbers are the same (whatever *preserve_rng_state*), running statistics move once,
    and every way of differentiating works, ``create_graph`` and nesting included. What
    is not needed is not repeated (*early_stop*), and *determinism_check* and *debug* are
    accepted. If the function reads a value (``item``, ``print``, ``if``), the region ends
    there and what follows is kept as usual: keep such readings outside.

    *use_reentrant* = True gives, as in PyTorch, a result without gradient if no tensor
    among *args* requires one.

    >>> import retrograd as rg
    >>> from retrograd.utils.checkpoint import checkpoint
    >>> x = rg.tensor([0.5, 1.0], requires_grad=True)
    >>> checkpoint(lambda x: x.exp().sin().sum(), x, use_reentrant=False).backward()
    >>> x.grad
    tensor([-0.1283, -2.4784])
    """
    if use_reentrant is None:
        warnings.warn(
            "checkpoint: the use_reentrant parameter should be passed explicitly; True "
            "is taken, as PyTorch does, and use_reentrant=False is recommended",
            UserWarning,
            stacklevel=2,
        )
        use_reentrant = True
    if determinism_check not in ("default", "none"):
        raise ValueError(
            "determinism_check should be one of ['default', 'none'], but got "
            f"{determinism_check}"
        )
    if use_reentrant:
        if kwargs:
            raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
        if context_fn is not noop_context_fn or debug is not False:
            raise ValueError(
                "Passing `context_fn` or `debug` is only supported when "
                "use_reentrant=False."
            )
        if not any(is_tensor(a) and a.requires_grad for a in args):
            warnings.warn(
                "None of the inputs have requires_grad=True. Gradients will be None",
                UserWarning,
                stacklevel=2,
            )
            with no_grad():
                return function(*args)
    elif context_fn is not noop_context_fn:
        raise NotImplementedError(
            "checkpoint(context_fn=…): recorded operations are repeated, and no Python "
            "code runs again that a context could surround; checkpoint a smaller "
            "function, and leave out what should be kept"
        )
    if not dispatch.recorder().grad_mode:
        return function(*args, **kwargs)
    with region():
        return function(*args, **kwargs)


def checkpoint_sequential(
    functions: Any,
    segments: int,
    input: Any,
    use_reentrant: bool | None = None,
    **kwargs: Any,
) -> Any:
    """Run *functions* (a ``Sequential``, or a sequence of modules) one after the other,
    checkpointing each of *segments* equal stretches but the last.

    For n layers, √n segments keep about 2√n values instead of n.
    """
    if use_reentrant is None:
        warnings.warn(
            "checkpoint_sequential: the use_reentrant parameter should be passed "
            "explicitly; True is taken, as PyTorch does, and use_reentrant=False is "
            "recommended",
            UserWarning,
            stacklevel=2,
        )
        use_reentrant = True
    preserve = kwargs.pop("preserve_rng_state", True)
    if kwargs:
        raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
    parts: Sequence[Any] = (
        list(functions.children()) if hasattr(functions, "children") else functions
    )
    size = len(parts) // segments
    first = 0
    for _ in range(segments - 1):
        input = checkpoint(
            _run,
            parts[first : first + size],
            input,
            use_reentrant=use_reentrant,
            preserve_rng_state=preserve,
        )
        first += size
    return _run(parts[first:], input)


def _run(functions: Sequence[Any], input: Any) -> Any:
    for function in functions:
        input = function(input)
    return input


__all__ = [
    "CheckpointError",
    "checkpoint",
    "checkpoint_sequential",
    "noop_context_fn",
    "set_checkpoint_debug_enabled",
    "set_checkpoint_early_stop",
]
