"""The mathematics as methods: ``x.exp()`` is ``rg.exp(x)``; ``x.exp_()`` in place.

Every function of ``functions/`` whose first argument is a tensor becomes a method of
the same name, and the element-wise ones get an in-place twin.
"""

from __future__ import annotations

import functools
import importlib
import inspect
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from . import dispatch, dtypes, mutate, storage
from .dispatch import constant
from .functions import (
    create,
    decompositions,
    draws,
    elementwise,
    index,
    indexing,
    norms,
    random,
    reduce,
    shape,
    systems,
)
from .functions import elementwise as F
from .functions.arithmetic import Operand
from .functions.filled import fitting
from .ops.families import Tensors
from .ops.movement import constant_zeros
from .ops.op import Spec
from .refusals import explained
from .tensor import Tensor
from .trace import Handle, is_tensor, spec_of

#: in the package these names are the functions
matmul = importlib.import_module(".functions.matmul", __package__)
products = importlib.import_module(".functions.einsum", __package__)

#: functions that make tensors or take several first: no methods
_NOT_METHODS = {
    "arange", "as_tensor", "asarray", "atleast_1d", "atleast_2d", "atleast_3d",
    "block_diag", "broadcast_tensors", "cartesian_prod", "cat", "chain_matmul",
    "column_stack", "concat", "concatenate", "dstack", "einsum", "empty", "eye",
    "from_numpy", "full", "hstack", "linspace", "logspace", "meshgrid", "multi_dot",
    "ones", "rand", "randint", "randn", "randperm", "result_type", "scalar_tensor",
    "stack", "tensor", "tril_indices", "triu_indices", "vstack", "zeros", "where",
    "can_cast", "promote_types", "poisson", "binomial", "rand_like", "randn_like",
    "randint_like", "manual_seed", "seed", "initial_seed",
    "get_rng_state", "set_rng_state", "cast", "getitem", "normal", "row_stack",
    "real", "imag", "polygamma",
    "broadcast_shapes", "bucketize", "combinations", "isin", "searchsorted",
    "unravel_index", "vander", "bartlett_window",
    "blackman_window", "hamming_window", "hann_window", "kaiser_window", "zeros_like",
    "ones_like", "empty_like", "full_like", "frombuffer", "from_dlpack", "empty_strided",
    "empty_permuted", "range", "fill",
    "lu_unpack", "cdist", "pdist", "matrix_rank", "nuclear_norm", "frobenius_norm",
    "trapezoid", "trapz", "cumulative_trapezoid", "gradient", "histogramdd",
    "tensordot",
}  # fmt: skip

#: functions with an in-place twin, name_ (those that keep the shape)
_IN_PLACE = (
    "abs absolute acos acosh add addcdiv addcmul addmm asin asinh atan atan2 atanh "
    "bitwise_and bitwise_not bitwise_or bitwise_xor ceil clamp clamp_max clamp_min "
    "clip copysign cos cosh cumprod cumsum deg2rad digamma div divide eq erf erfc "
    "erfinv exp exp2 expm1 floor floor_divide fmod frac ge gt heaviside hypot index_add "
    "index_copy addbmm addmv addr renorm index_reduce le lerp log log10 log1p "
    "log2 logical_and logical_not logical_or logical_xor logit lt masked_scatter mul "
    "multiply nan_to_num ne neg negative pow put rad2deg reciprocal relu remainder "
    "round rsqrt scatter scatter_add scatter_reduce sgn sigmoid sign sin sinc sinh "
    "sqrt square sub subtract tan tanh true_divide trunc xlogy baddbmm "
    "float_power threshold leaky_relu elu selu softplus arccos arccosh arcsin "
    "arcsinh arctan arctan2 arctanh bitwise_left_shift bitwise_right_shift "
    "conj_physical fix gcd greater greater_equal i0 igamma igammac lcm ldexp less "
    "less_equal lgamma mvlgamma nextafter not_equal polygamma"
).split()
#: … that give some elements a value, and leave the others
_FILLING = ("masked_fill", "index_fill", "fill_diagonal", "tril", "triu")
#: functions whose in-place twin changes the shape (views made in place)
_IN_PLACE_VIEWS = (
    "squeeze",
    "unsqueeze",
    "transpose",
    "t",
    "swapaxes",
    "swapdims",
    "as_strided",
)


#: methods that a step calls in number: not worth a wrapper that explains failures
_OFTEN = set(
    "add sub mul div neg pow view reshape permute transpose t flatten squeeze unsqueeze "
    "expand contiguous sum mean matmul getitem detach clone to".split()
)


def _public(module: ModuleType) -> dict[str, Callable[..., Any]]:
    names = getattr(module, "__all__", None) or [
        n for n in vars(module) if not n.startswith("_")
    ]
    found = {}
    for name in names:
        value = getattr(module, name)
        if callable(value) and not inspect.isclass(value):
            origin = getattr(value, "__module__", "")
            if origin.startswith("retrograd.functions"):
                found[name] = value
    return found


#: the most used functions whose derivative needs no value of the first argument
_KEEPS_NOTHING = {"add", "sub", "relu", "sigmoid", "tanh", "exp", "zeros_like"}


def _before(x: Any, args: tuple[Any, ...]) -> Any:
    """The operand of an in-place operation. Its own derivative may ask for the value
    that is about to be changed, so where one is wanted it works on a copy."""
    if not dispatch.recorder().grad_mode:
        return x
    if x.requires_grad or any(is_tensor(a) and a.requires_grad for a in args):
        return x.clone()
    return x


def _no_tensor(name: str, value: Any) -> TypeError:
    return TypeError(
        f"{name}(): argument 'input' must be Tensor, not {type(value).__name__}"
    )


def _in_place(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    @functools.wraps(function)
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            old = _before(self, args) if keeps else self
        except AttributeError:
            raise _no_tensor(name, self) from None
        return self._assign(function(old, *args, **kwargs))

    keeps = function.__name__ not in _KEEPS_NOTHING
    method.__name__ = name
    method.__doc__ = f"In-place version of :func:`{function.__name__}`."
    return method


def _filling(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    @functools.wraps(function)
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        return mutate.put(self, lambda old: function(old, *args, **kwargs))

    method.__name__ = name
    method.__doc__ = f"In-place version of :func:`{function.__name__}`."
    return method


def _in_place_view(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        mutate.refuse_leaf(dispatch.recorder(), self)
        if self._base is not None:
            mutate.refuse_leaf(dispatch.recorder(), self._base)
        before = dispatch.recorder().grad_mode
        dispatch.set_mode(not self.is_leaf)  # a change of shape is part of the history
        try:
            new = function(self.detach() if self.is_leaf else self, *args, **kwargs)
        finally:
            dispatch.set_mode(before)
        return mutate.become(self, new)

    method.__name__ = name
    return method


def _bind() -> None:
    modules = (elementwise, reduce, matmul, index, shape, random, create,
               decompositions, systems, norms, products)  # fmt: skip
    for module in modules:
        for name, function in _public(module).items():
            if name not in _NOT_METHODS and not hasattr(Tensor, name):
                if name not in _OFTEN:
                    function = explained(function)
                setattr(Tensor, name, function)
    polygamma = explained(F.polygamma)
    Tensor.polygamma = lambda self, n: polygamma(n, self)  # type: ignore[attr-defined]
    for name in _IN_PLACE:
        plain: Any = getattr(Tensor, name, None)
        if plain is not None and not hasattr(Tensor, name + "_"):
            setattr(Tensor, name + "_", _in_place(plain, name + "_"))
    for name in _FILLING:
        setattr(Tensor, name + "_", _filling(getattr(Tensor, name), name + "_"))
    for name in _IN_PLACE_VIEWS:
        setattr(Tensor, name + "_", _in_place_view(getattr(Tensor, name), name + "_"))


# -- operators ------------------------------------------------------------------------


def _operator(function: Callable[..., Any]) -> Callable[..., Any]:
    def method(self: Any, other: Any) -> Any:
        if isinstance(other, (Handle, int, float)) or _is_number(other):
            return function(self, other)
        if hasattr(other, "__array__"):
            return function(self, create.as_tensor(other))
        return NotImplemented

    return method


def _reflected(function: Callable[..., Any]) -> Callable[..., Any]:
    def method(self: Any, other: Any) -> Any:
        if isinstance(other, (Handle, int, float)) or _is_number(other):
            return function(other, self)
        if hasattr(other, "__array__"):
            return function(create.as_tensor(other), self)
        return NotImplemented

    return method


def _is_number(x: Any) -> bool:
    return (
        hasattr(x, "__array__")
        and getattr(x, "shape", None) == ()
        and hasattr(x, "item")
    )


_BINARY = {
    "add": F.add, "sub": F.sub, "mul": F.mul, "truediv": F.div, "pow": F.pow,
    "floordiv": F.floor_divide, "mod": F.remainder, "and": F.bitwise_and,
    "or": F.bitwise_or, "xor": F.bitwise_xor, "matmul": matmul.matmul,
    "lshift": F.bitwise_left_shift, "rshift": F.bitwise_right_shift,
}  # fmt: skip
_COMPARE = {"eq": F.eq, "ne": F.ne, "lt": F.lt, "le": F.le, "gt": F.gt, "ge": F.ge}


def _bind_operators() -> None:
    for name, function in _BINARY.items():
        setattr(Tensor, f"__{name}__", _operator(function))
        setattr(Tensor, f"__r{name}__", _reflected(function))
        setattr(Tensor, f"__i{name}__", _in_place(function, f"__i{name}__"))
    for name, function in _COMPARE.items():
        setattr(Tensor, f"__{name}__", _operator(function))
    members: dict[str, Any] = {
        "__neg__": F.neg,
        "__pos__": lambda self: self,
        "__abs__": F.abs,
        "__invert__": F.bitwise_not,
        "__getitem__": indexing.getitem,
        "real": property(F.real),
        "imag": property(F.imag),
        "T": property(lambda self: self.permute(*range(self.ndim)[::-1])),
        "mT": property(_matrix_transposed),
        "where": lambda self, condition, other: F.where(condition, self, other),
        "copy_": lambda self, source, non_blocking=False: mutate.assign(
            self, _cast_like(source, self), anew=True
        ),
        "fill_": explained(fill_),
        "index_put_": explained(index_put_),
        "zero_": lambda self: mutate.fill(
            self, constant_zeros(Spec((), spec_of(self).dtype))
        ),
    }
    casts = {
        "float": dtypes.float32, "double": dtypes.float64, "half": dtypes.float16,
        "bfloat16": dtypes.bfloat16, "long": dtypes.int64, "int": dtypes.int32,
        "short": dtypes.int16, "char": dtypes.int8, "byte": dtypes.uint8,
        "bool": dtypes.bool_,
    }  # fmt: skip
    for name, dtype in casts.items():
        members[name] = _cast_to(name, dtype)
    members["type_as"] = lambda self, other: self.type(other.dtype)
    for name, member in members.items():
        setattr(Tensor, name, member)
    for name in draws.__all__:
        setattr(Tensor, name, explained(getattr(draws, name)))


def _cast_to(name: str, dtype: dtypes.dtype) -> Callable[..., Any]:
    def method(self: Any, *, memory_format: Any = None) -> Any:
        return self.type(dtype)

    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"The values as {dtype.name}."
    return method


def _cast_like(source: Any, target: Any) -> Any:
    if not isinstance(source, Handle):
        source = create.as_tensor(source)
    if source.dtype is not target.dtype:
        source = shape.cast(source, target.dtype)
    return source


def _matrix_transposed(self: Any) -> Any:
    """The last two dimensions exchanged."""
    if self.ndim >= 2:
        return self.transpose(-2, -1)
    if not self.ndim:
        return self
    raise RuntimeError(
        "tensor.mT is only supported on matrices or batches of matrices, not on a tensor "
        f"of shape {list(self.shape)}"
    )


def fill_(self: Any, value: Operand) -> Any:
    """Set every element to *value*."""
    if not isinstance(value, Handle):
        number = np.array(fitting(_one_number(self, value), self.dtype))
        value = constant(number.astype(self.dtype.np))
    elif dimensions := len(spec_of(value).shape):
        raise RuntimeError(
            "fill_ only supports 0-dimension value tensor but got tensor with "
            f"{dimensions} dimensions: use copy_ for one value each"
        )
    return mutate.fill(self, _cast_like(value, self))


def index_put_(
    self: Any, indices: Tensors, values: Any, accumulate: bool = False
) -> Any:
    """In-place version of :func:`index_put`."""

    def change(old: Any) -> Any:
        return index.index_put(old, indices, values, accumulate)

    return self._assign(change(self)) if accumulate else mutate.put(self, change)


def set_item(self: Any, key: Any, value: Any) -> None:
    """``self[key] = value``: written through the view that the basic part selects."""
    if key is True or key is False:
        if key:
            set_item(self, None, value)
        elif not isinstance(value, Handle):
            _one_number(self, value)
        return
    basic, advanced = indexing.split_key(tuple(self.shape), key)
    part = self if basic is None else indexing.basic_view(self, basic)
    if isinstance(value, Handle):
        if advanced is not None:
            _check_put(self, key, value)
    else:
        value = create.tensor(_one_number(self, value), dtype=self.dtype)
    value = _cast_like(value, self)
    given = tuple(value.shape)
    if given and given[0] == 1:  # leading dimensions of length 1 say nothing
        lead = next((i for i, n in enumerate(given) if n != 1), len(given))
        value = value.reshape(given[lead:])
    if part is not self and value.requires_grad and mutate.is_detached(self):
        # the alias itself takes the history: what shows a part of it goes away
        if advanced is not None:
            value = indexing.put(part, advanced, value)
        self._assign(mutate.with_part(self, part, value))
    elif advanced is not None:
        mutate.put(part, lambda old: indexing.put(old, advanced, value))
    else:
        mutate.assign(part, value, anew=True)


def _check_put(target: Any, key: Any, value: Any) -> None:
    """RuntimeError where a tensor of another type is put at indices, other than one
    number where a mask is true."""
    parts = key if type(key) is tuple else (key,)
    if value.numel() == 1:
        chosen: list[Any] = [
            p for p in parts if isinstance(p, (Handle, list, np.ndarray, range, bool))
        ]
        if len(chosen) == 1 and indexing.is_mask(chosen[0]) and np.ndim(chosen[0]):
            return
    if value.dtype is not target.dtype:
        raise RuntimeError(
            "Index put requires the source and destination dtypes match, got "
            f"{target.dtype.name} for the destination and {value.dtype.name} for the "
            f"source: use value.to({target.dtype})"
        )


def _one_number(target: Any, value: Any) -> Any:
    """A Python number that is assigned; TypeError for anything else that is no tensor."""
    if isinstance(value, complex):
        raise RuntimeError(
            f"value cannot be converted to type {target.dtype.name} without losing its "
            "imaginary part"
        )
    if not isinstance(value, (int, float, np.number, np.bool_)):
        raise TypeError(
            f"can't assign a {type(value).__name__} to a tensor of {target.dtype.name}: "
            "assign a number or a tensor, such as rg.tensor(value)"
        )
    if value != value and not target.dtype.is_floating_point:
        if target.dtype is not dtypes.bool_:
            raise RuntimeError(
                f"value cannot be converted to type {target.dtype.name} without "
                "overflow: it is NaN"
            )
    return value


_bind()
_bind_operators()
storage.bind()
