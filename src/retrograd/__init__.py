"""retrograd: deep learning whose heart is backpropagation.

PyTorch's interface on tensors that are promises: operations are recorded, ``backward()``
reverses the recorded graph, and what is pending runs as one program when numbers are
asked for.

>>> import retrograd as rg
>>> x = rg.tensor([1.0, 2.0], requires_grad=True)
>>> y = (x * x).sum()
>>> y.backward()
>>> x.grad
tensor([2., 4.])
"""

from __future__ import annotations

import importlib as _importlib
import os as _os
from typing import Any as _Any

from . import dispatch as _dispatch

_dispatch.EAGER = _os.environ.get("RETROGRAD_EAGER", "0") not in ("", "0")
_dispatch.recorder().eager = _dispatch.EAGER
_dispatch.recorder().reset()

from . import autograd as autograd  # noqa: E402
from . import methods as _methods  # noqa: E402, F401
from .autograd import (  # noqa: E402
    eager,
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)
from .dtypes import (  # noqa: E402
    bfloat16,
    dtype,
    finfo,
    float16,
    float32,
    float64,
    get_default_dtype,
    iinfo,
    int8,
    int16,
    int32,
    int64,
    promote_types,
    set_default_dtype,
    uint8,
)
from .dtypes import bool_ as bool  # noqa: E402
from .execute import interpreter as _interpreter  # noqa: E402, F401
from .functions import *  # noqa: E402, F403
from .functions.create import tensor as tensor  # noqa: E402  (not the module)
from .graph import graph  # noqa: E402
from .layouts import *  # noqa: E402, F403
from .tensor import Size, Tensor, device  # noqa: E402

float, double, half = float32, float64, float16
long, int, short = int64, int32, int16
inf, nan, pi, e = (
    __import__("math").inf,
    __import__("math").nan,
    __import__("math").pi,
    __import__("math").e,
)
__version__ = "0.1.0"

#: parts that are imported when they are first used, so that importing costs little
_LAZY = {"nn", "optim", "utils", "io", "datasets", "train", "func", "linalg",
         "special", "see"}  # fmt: skip
_LAZY_NAMES = {"save": "io", "load": "io", "Generator": "functions.random",
               "compile": "compiler.step", "get_num_threads": "threads",
               "set_num_threads": "threads", "plans": "compiler.explain",
               "explain": "see.story", "draw": "see.draw",
               "find_nonfinite": "see.nonfinite",
               "page": "see.page", "watch": "see.watching"}  # fmt: skip
_LAZY_NAMES |= {f"{name}{cell}": "nn.functional.recurrent" for cell in ("", "_cell")
                for name in ("rnn_tanh", "rnn_relu", "gru", "lstm")}  # fmt: skip


def __getattr__(name: str) -> _Any:
    if name in _LAZY:
        return _importlib.import_module(f"retrograd.{name}")
    if name in _LAZY_NAMES:
        module = _importlib.import_module(f"retrograd.{_LAZY_NAMES[name]}")
        return getattr(module, name)
    raise AttributeError(f"module 'retrograd' has no attribute {name!r}")


def is_tensor(obj: _Any) -> _Any:
    """Whether *obj* is a tensor."""
    return isinstance(obj, Tensor)


def is_floating_point(input: _Any) -> _Any:
    """Whether the tensor's type is a floating one."""
    return input.is_floating_point()


def is_inference(input: _Any) -> _Any:
    """Whether the tensor was made in ``inference_mode``."""
    return input.is_inference()


def numel(input: _Any) -> _Any:
    """The number of elements."""
    return input.numel()


def clone(input: _Any) -> _Any:
    """A copy in memory of its own, through which gradients flow."""
    return input.clone()


def detach(input: _Any) -> _Any:
    """The same values without history, sharing memory."""
    return input.detach()


def result_type(a: _Any, b: _Any) -> _Any:
    """The type that an operation on *a* and *b* gives."""
    from .dtypes import of_scalar, result_type_of

    ranked = [
        (x.dtype, 2 if x.ndim else 1) if is_tensor(x) else (of_scalar(x), 0)
        for x in (a, b)
    ]
    return result_type_of(ranked)


__all__ = [name for name in dir() if not name.startswith("_")]
__all__ += ["autograd", "bfloat16", "bool", "device", "dtype", "eager", "enable_grad",
            "finfo", "float16", "float32", "float64", "get_default_dtype", "graph",
            "iinfo", "inference_mode", "int16", "int32", "int64", "int8",
            "is_grad_enabled", "is_inference_mode_enabled", "no_grad",
            "promote_types", "set_default_dtype", "set_grad_enabled", "Size", "Tensor",
            "uint8"]  # fmt: skip
