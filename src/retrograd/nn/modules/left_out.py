"""What PyTorch has and this library does not: each says what to use instead."""

from __future__ import annotations

from typing import Any

from ..module import Module


class DataParallel(Module):
    """Not there: one process uses all cores. Call the module itself."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise NotImplementedError(
            "DataParallel is for several devices of one machine: use the module itself"
        )


class LinearCrossEntropyOptions:
    """Not there: linear_cross_entropy and its module work without options."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise NotImplementedError(
            "LinearCrossEntropyOptions (work in pieces): use LinearCrossEntropyLoss or "
            "linear_cross_entropy without options"
        )
