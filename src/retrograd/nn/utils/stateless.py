"""Modules called with other parameters than their own; ``func.functional_call``."""

from __future__ import annotations

from typing import Any

from ..functional.common import warn

__all__ = ["functional_call"]


def functional_call(
    module: Any,
    parameters_and_buffers: Any,
    args: Any = None,
    kwargs: Any = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """``module(*args, **kwargs)`` with these tensors in the places of its own; deprecated
    for ``func.functional_call``, which it calls."""
    warn(
        "`nn.utils.stateless.functional_call` is deprecated: use `func.functional_call`, "
        "which does the same",
        FutureWarning,
    )
    try:
        from ... import func
    except ImportError:
        raise NotImplementedError(
            "stateless.functional_call needs func.functional_call, which is not there: "
            "give a copy of the module these tensors with load_state_dict, and call it"
        ) from None
    args = () if args is None else args
    return func.functional_call(
        module, parameters_and_buffers, args, kwargs, tie_weights=tie_weights, strict=strict
    )  # fmt: skip
