"""What a primitive is: one class that shows its formula, shape rule, NumPy meaning,
derivative and samples together.

    class Mul(Elementwise):
        formula, adjoint = "a · b", ("ḡ · b", "ḡ · a")

        @staticmethod
        def forward(a, b):
            return a * b

        @staticmethod
        def vjp_a(g, b):          # keeps only b
            return g * b

        @staticmethod
        def vjp_b(g, a):          # keeps only a
            return g * a

``forward`` names the inputs. For each input with a derivative there is one rule,
``vjp_<input>``: it maps the gradient *g* of the output to the gradient of that input
and is written in Tensor operations, so that it can be recorded, differentiated again
and compiled. A rule's argument names say what it needs, and nothing else is kept:

=====================  ==========================================================
``g``                  the gradient of the output, of the output's shape and dtype
``out``                the output's value (kept)
``a``                  the value of the input *a* (kept)
``a_spec``, ``out_spec``  shape and dtype only (nothing kept)
an attribute's name    the attribute, as normalised
=====================  ==========================================================

A rule may return a gradient of a shape to which the input broadcast: the reverse loop
sums it back. An op with a variable number of inputs names them ``*inputs`` and has one
rule ``vjp_inputs``, which also takes ``index``, and gets ``inputs``/``inputs_spec`` as
tuples.
"""

from __future__ import annotations

import inspect
import math
import operator
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from .. import dtypes

Array = np.ndarray[Any, Any]
Shape = tuple[int, ...]


class Spec:
    """Shape and number type of a value. Interned: equal specs are the same object."""

    __slots__ = ("shape", "dtype", "size", "nbytes", "__weakref__")
    shape: Shape
    dtype: dtypes.dtype
    size: int  # the number of elements
    nbytes: int
    _known: ClassVar[dict[tuple[Shape, dtypes.dtype], Spec]] = {}

    def __new__(cls, shape: Shape, dtype: dtypes.dtype) -> Spec:
        found = cls._known.get((shape, dtype))
        if found is None:
            # 8.0 and True are equal to whole numbers, and would stand for them ever after
            shape = tuple([operator.index(n) for n in shape])
            found = super().__new__(cls)
            found.shape, found.dtype = shape, dtype
            found.size = math.prod(shape)
            found.nbytes = found.size * dtype.itemsize
            # setdefault: two threads that race agree on one object.
            found = cls._known.setdefault((shape, dtype), found)
        return found

    def __repr__(self) -> str:
        return f"{self.dtype.short}[{','.join(map(str, self.shape))}]"

    def __reduce__(self) -> tuple[Any, ...]:
        return Spec, (self.shape, self.dtype)


class Sample:
    """Arguments on which every test tries an op: float64 arrays and attributes."""

    __slots__ = ("arrays", "attrs")

    def __init__(self, *arrays: Any, **attrs: Any) -> None:
        self.arrays, self.attrs = arrays, attrs


def probe(*shape: int, low: float = -2.0, high: float = 2.0, seed: int = 0) -> Array:
    """Distinct, reproducible numbers in (low, high): multiples of the golden ratio
    modulo 1 (a low-discrepancy sequence), so that no two are equal."""
    n = int(np.prod(shape)) if shape else 1
    u = ((np.arange(1, n + 1) + 97 * seed) * 0.6180339887498949) % 1.0
    return np.asarray(low + (high - low) * u).reshape(shape)


def _names(function: Any) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """The names of a function's arguments: positional, variadic, by keyword only.

    Read from the code object: inspect.signature takes a hundred times as long, for
    hundreds of functions at each import.
    """
    bound = inspect.ismethod(function)
    code = (function.__func__ if bound else function).__code__
    n, k = code.co_argcount, code.co_kwonlyargcount
    names = code.co_varnames
    rest = (names[n + k],) if code.co_flags & inspect.CO_VARARGS else ()
    return names[int(bound) : n], rest, names[n : n + k]


class Rule:
    """The derivative of one input: the function and what it asks for by name."""

    __slots__ = ("function", "asks", "keeps_out", "keeps", "holds", "refuses")

    def __init__(
        self, function: Callable[..., Any], inputs: tuple[str, ...], variadic: bool
    ) -> None:
        self.function = function
        self.asks = sum(_names(function), ())
        self.keeps_out = "out" in self.asks
        #: the function itself holds values of the forward pass
        self.holds = False
        #: not implemented: says so when it is asked for
        self.refuses = getattr(function, "refuses", False)
        # positions of the inputs whose values it needs (-1: all of the variadic ones)
        last = inputs[-1] if variadic else None
        self.keeps = tuple(
            -1 if name == last else inputs.index(name)
            for name in self.asks
            if name in inputs
        )


class Op:
    """A primitive. Subclasses are never instantiated: the class is the op."""

    formula: ClassVar[str] = ""
    adjoint: ClassVar[tuple[str, ...]] = ()
    name: ClassVar[str] = ""
    #: "same": operands take one promoted type; "float": and integers become floating;
    #: "": the op wants its inputs as they are.
    promotion: ClassVar[str] = ""
    #: Why truth values are refused as operands, if they are.
    no_truths: ClassVar[str] = ""
    #: Python numbers may stand in for inputs.
    numbers: ClassVar[bool] = True
    #: The output may share the first input's memory: writing to one writes the other.
    view: ClassVar[bool] = False
    inputs: ClassVar[tuple[str, ...]] = ()
    variadic: ClassVar[bool] = False
    rules: ClassVar[dict[str, Rule]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "name" not in cls.__dict__:
            cls.name = "".join(
                "_" + c.lower() if c.isupper() and i else c.lower()
                for i, c in enumerate(cls.__name__)
            )
        if "forward" not in cls.__dict__:
            return  # an abstract family
        positional, rest, _ = _names(cls.forward)
        cls.inputs, cls.variadic = positional + rest, bool(rest)
        cls.rules = {
            name: Rule(getattr(cls, f"vjp_{name}"), cls.inputs, cls.variadic)
            for name in cls.inputs
            if hasattr(cls, f"vjp_{name}")
        }
        REGISTRY[cls.name] = cls

    @staticmethod
    def normalize(*specs: Spec, **attrs: Any) -> dict[str, Any]:
        """Check the attributes and bring them to one form (dimensions ≥ 0, …)."""
        return attrs

    @staticmethod
    def infer(*specs: Spec, **attrs: Any) -> Spec:
        """Shape and type of the output; raises what PyTorch raises."""
        raise NotImplementedError

    forward: ClassVar[Callable[..., Any]]

    @staticmethod
    def samples() -> list[Sample]:
        """Inputs away from kinks, edge cases included."""
        return []


REGISTRY: dict[str, type[Op]] = {}


def broadcast_shapes(*shapes: Shape) -> Shape:
    """The common shape under NumPy's rules; RuntimeError where there is none."""
    result: list[int] = []
    for shape in shapes:
        if len(shape) > len(result):
            result[:0] = [1] * (len(shape) - len(result))
        for i in range(1, len(shape) + 1):
            have, want = result[-i], shape[-i]
            if have == 1:
                result[-i] = want
            elif want != 1 and want != have:
                raise RuntimeError(
                    f"The size of tensor a ({have}) must match the size of tensor b "
                    f"({want}) at non-singleton dimension {len(result) - i}"
                )
    return tuple(result)


def whole_number(value: Any, what: str) -> int:
    """*value* as a Python integer; TypeError for what is none, truth values included."""
    if isinstance(value, (bool, np.bool_)) or not hasattr(value, "__index__"):
        mend = ""
        if isinstance(value, float) and value.is_integer():
            mend = f": use {int(value)}"
        raise TypeError(f"{what} must be int, not {type(value).__name__}{mend}")
    return int(value.__index__())


def truth_value(value: Any, what: str) -> bool:
    """*value* itself; TypeError for what is no bool."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{what} must be bool, not {type(value).__name__}")
    return bool(value)


def normalize_dim(dim: int, ndim: int) -> int:
    """A dimension counted from the front; IndexError outside [-ndim, ndim)."""
    if type(dim) is not int:
        dim = whole_number(dim, "argument 'dim'")
    n = max(ndim, 1)
    if not -n <= dim < n:
        if not -(2**63) <= dim < 2**63:
            raise ValueError(f"argument 'dim' does not fit into 64 bits: {dim}")
        raise IndexError(
            f"Dimension out of range (expected to be in range of [{-n}, {n - 1}], "
            f"but got {dim})"
        )
    return dim % n


def normalize_dims(dim: Any, ndim: int) -> Shape:
    """Dimensions as a sorted tuple from the front; None or () means all of them."""
    if dim is None or (isinstance(dim, (tuple, list)) and not dim):
        return tuple(range(ndim))
    dims = [
        normalize_dim(d, ndim)
        for d in (dim if isinstance(dim, (tuple, list)) else [dim])
    ]
    if len(set(dims)) != len(dims):
        raise RuntimeError(f"dim {dims[0]} appears multiple times in the list of dims")
    return tuple(sorted(dims)) if ndim else ()


class Elementwise(Op):
    """out[i] = f(a[i], b[i], …) under broadcasting; operands of one type."""

    promotion = "same"

    @staticmethod
    def infer(*specs: Spec, **attrs: Any) -> Spec:
        if len(specs) == 1:
            return specs[0]
        return Spec(broadcast_shapes(*[s.shape for s in specs]), specs[0].dtype)


class Comparison(Elementwise):
    """An element-wise truth value; has no derivative."""

    @staticmethod
    def infer(*specs: Spec, **attrs: Any) -> Spec:
        return Spec(broadcast_shapes(*[s.shape for s in specs]), dtypes.bool_)
