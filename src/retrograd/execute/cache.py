"""When a plan is compiled, and by whom.

``RETROGRAD_EXECUTOR`` says ``interpreter``, ``native`` (at once) or ``auto``: what has
come back a few times is compiled. Without llvmlite everything is interpreted.
"""

from __future__ import annotations

import importlib.util
import os
import warnings
from typing import Any

EXECUTOR = os.environ.get("RETROGRAD_EXECUTOR", "auto")
if EXECUTOR not in ("auto", "interpreter", "native"):
    raise ValueError(
        f"RETROGRAD_EXECUTOR is {EXECUTOR!r}; it can be 'auto', 'interpreter' or 'native'"
    )
#: how often a plan is interpreted before it is worth compiling
TIMES = 2
_available = importlib.util.find_spec("llvmlite") is not None


def wants_native(runs: int) -> bool:
    """Whether a plan that is run for the *runs*-th time should be compiled."""
    if not _available or EXECUTOR == "interpreter":
        return False
    return EXECUTOR == "native" or runs > TIMES


def native(plan: Any) -> Any:
    """The machine code of a plan; False where it cannot be had."""
    from ..compiler.native import Native

    try:
        return Native(plan)
    except NotImplementedError:
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
