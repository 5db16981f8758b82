"""Arguments of the wrong kind: a TypeError that names the function, the argument, what it
got, and the mend.

What a function takes is what its annotations say, so nothing is declared twice. They are
looked at where that costs nothing: by a composition that is met for the first time
(dispatch), and by every other function after it has failed, or has recorded something new
(:func:`explained`).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from inspect import CO_VARARGS
from types import CodeType, FunctionType
from typing import Any, NamedTuple

import numpy as np

from . import errors
from .dtypes import INTEGRAL, is_type
from .number_types import RULES, wrong_type
from .trace import Handle, spec_of

#: annotated Any, these are tensors wherever they occur
_TENSORS = frozenset(
    "input other A B mat mat1 mat2 mat3 batch1 batch2 vec vec1 vec2 mask src "
    "weight target tensor tensor1 tensor2 input1 input2 condition grid self query key "
    "linear_weight linear_bias pos_weight offsets per_sample_weights".split()
)

#: flags that PyTorch's Python code only tests, and words that it looks up: functions
#: refuse those by themselves
_TESTED = frozenset(
    "inplace return_indices recompute_scale_factor need_weights center reduction mode "
    "padding_mode compute_mode".split()
)


def _is_tensor(x: Any) -> bool:
    return isinstance(x, Handle)


def _is_scalar(x: Any) -> bool:
    """A Python number, or a tensor or an array of one: all of them convert."""
    if isinstance(x, (int, float, np.number, np.bool_)):
        return True
    return isinstance(x, Handle) and not spec_of(x).shape


def _is_int(x: Any) -> bool:
    if isinstance(x, (bool, np.bool_)):
        return False
    if isinstance(x, (int, np.integer)):
        return bool(-(2**63) <= x < 2**63)
    if isinstance(x, Handle):
        spec = spec_of(x)
        return not spec.shape and spec.dtype.category == INTEGRAL
    return not isinstance(x, (float, np.ndarray)) and hasattr(x, "__index__")


def _are_ints(x: Any) -> bool:
    if isinstance(x, (list, tuple)):
        return all(map(_is_int, x))
    return _is_int(x)


def _are_several_ints(x: Any) -> bool:
    return isinstance(x, (list, tuple)) and all(map(_is_int, x))


def _are_lengths(x: Any) -> bool:
    """Sizes of which None leaves one as it is."""
    if isinstance(x, (list, tuple)):
        return all(v is None or _is_int(v) for v in x)
    return _is_int(x)


def _are_tensors(x: Any) -> bool:
    return all(map(_is_tensor, x)) if isinstance(x, (list, tuple)) else _is_tensor(x)


def _is_operand(x: Any) -> bool:
    return _is_tensor(x) or isinstance(x, (int, float, np.number, np.bool_))


#: what an annotation asks for: how to tell, and in words
KINDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "Tensor": (_is_tensor, "Tensor"),
    "Operand": (_is_operand, "Tensor or Number"),
    "int": (_is_int, "int"),
    "float": (_is_scalar, "float"),
    "bool": (lambda x: isinstance(x, (bool, np.bool_)), "bool"),
    "str": (lambda x: isinstance(x, str), "str"),
    "Ints": (_are_ints, "int or tuple of ints"),
    "Sizes": (_are_several_ints, "tuple of ints"),
    "Lengths": (_are_lengths, "int or tuple of ints (None: as it is)"),
    "Number": (_is_scalar, "Number"),
    "Dim": (lambda x: x is None or _are_ints(x), "int or tuple of ints"),
    "Sequence[int]": (_are_ints, "tuple of ints"),
    "Sequence[Tensor]": (_are_tensors, "tuple of Tensors"),
    "dtypes.dtype": (is_type, "dtype"),
    "Tensors": (_are_tensors, "tuple of Tensors"),
    "None": (lambda x: x is None, "None"),
}
KINDS["builtins.bool"] = KINDS["bool"]


class Parameter(NamedTuple):
    name: str
    fits: tuple[Callable[[Any], bool], ...]
    wanted: str


class Declared(NamedTuple):
    """What a function takes: its parameters, and what may follow those by position."""

    parameters: tuple[Parameter, ...]
    positional: int
    rest: Parameter | None


#: ``function(*tensors)``
SEVERAL = Parameter("tensors", (_are_tensors,), "Tensor or tuple of Tensors")

#: arguments by the names that NumPy has for them, which PyTorch takes as well
NUMPY_NAMES = {"axis": "dim", "keepdims": "keepdim", "x": "input", "a": "input",
               "x1": "input", "x2": "other"}  # fmt: skip

#: what two operands are, of which one has to be a tensor
OPERAND = KINDS["Operand"][1]
TENSOR = Parameter("input", (_is_tensor,), "Tensor")

_declared: dict[CodeType, Declared] = {}


def declared(function: FunctionType) -> Declared:
    """What the annotations of a function say; a parameter without ``fits`` takes all."""
    while hasattr(function, "__wrapped__"):
        function = function.__wrapped__
    code, found = function.__code__, []
    known = _declared.get(code)
    if known is not None:
        return known
    n = code.co_argcount + code.co_kwonlyargcount
    rest: Parameter | None = None
    several = bool(code.co_flags & CO_VARARGS)
    names = code.co_varnames[: n + several]
    defaults: dict[str, Any] = dict(function.__kwdefaults__ or {})
    given = function.__defaults__ or ()
    defaults.update(zip(names[code.co_argcount - len(given) :], given, strict=False))
    for name in names:
        written = str(function.__annotations__.get(name, "Any"))
        words = [word.lstrip("_") for word in written.split(" | ")]
        if words == ["Any"] and name in _TENSORS:
            words = ["Tensor"]
        elif words == ["Any"] and name == "tensors":
            words = ["Sequence[Tensor]"]
        unset = name in defaults and defaults[name] is None
        if (unset or name == "requires_grad") and "None" not in words:
            words.append("None")
        known_words = name not in _TESTED and all(word in KINDS for word in words)
        kinds = [KINDS[word] for word in words] if known_words else []
        wanted = " or ".join(k[1] for k in kinds if k[1] != "None")
        found.append(Parameter(name, tuple(k[0] for k in kinds), wanted))
    if several:
        rest = found.pop()
        rest = SEVERAL if rest.name == "tensors" else rest
    return _declared.setdefault(code, Declared(tuple(found), code.co_argcount, rest))


def renamed(function: Any, kwargs: dict[str, Any]) -> dict[str, Any]:
    """Arguments with the names that *function* has for them, where NumPy's were given."""
    names = {parameter.name for parameter in declared(function).parameters}
    own = names.union(kwargs)
    return {
        NUMPY_NAMES[k]
        if k in NUMPY_NAMES and k not in names and NUMPY_NAMES[k] in own - kwargs.keys()
        else k: value
        for k, value in kwargs.items()
    }


def refusal(
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    types: bool = True,
) -> Exception | None:
    """The error for the first argument that is of the wrong kind, or (if *types*) number
    type; None: there is none."""
    if type(function) is not FunctionType or function.__name__[0] == "_":
        return None  # what is private gets what the library gives it
    known, positional, rest = declared(function)
    given = args[:positional]
    for i, (value, parameter) in enumerate(zip(given, known, strict=False)):
        if not _takes(parameter, value):
            return _error(function.__name__, i + 1, parameter, value)
    if len(given) > 1 and known[0].wanted == known[1].wanted == OPERAND:
        if not (_is_tensor(given[0]) or _is_tensor(given[1])):
            return _error(function.__name__, 1, TENSOR, given[0])
    if rest is not None:
        for i, value in enumerate(args[positional:], len(given)):
            if not _takes(rest, value):
                return _error(function.__name__, i + 1, rest, value)
    if kwargs:
        for i, parameter in enumerate(known):
            if parameter.name in kwargs and not _takes(
                parameter, kwargs[parameter.name]
            ):
                return _error(
                    function.__name__, i + 1, parameter, kwargs[parameter.name]
                )
    if types and function.__name__ in RULES:
        named = {p.name: x for p, x in zip(known, given, strict=False)} | kwargs
        tensors = {name: x for name, x in named.items() if isinstance(x, Handle)}
        return wrong_type(function.__name__, tensors)
    return None


def _takes(parameter: Parameter, value: Any) -> bool:
    fits = parameter.fits
    return not fits or any(fit(value) for fit in fits)


def _error(name: str, place: int, parameter: Parameter, value: Any) -> Exception:
    wanted = parameter.wanted
    if type(value) is int and "int" in wanted and not -(2**63) <= value < 2**63:
        return ValueError(
            f"{name}(): argument '{parameter.name}' does not fit into 64 bits: {value}"
            f"\n  at {errors.user_line()}"
        )
    if wanted in ("float", "Number") and isinstance(value, Handle):
        count: Any = value
        return TypeError(
            f"{name}(): argument '{parameter.name}' must be a number: a Tensor with "
            f"{count.numel()} elements cannot be converted\n  at {errors.user_line()}"
        )
    text = (
        f"{name}(): argument '{parameter.name}' (position {place}) must be {wanted}, "
        f"not {_described(value)}{_mend(wanted, value)}\n  at {errors.user_line()}"
    )
    return TypeError(text)


def _described(value: Any) -> str:
    if isinstance(value, (list, tuple)) and value:
        kinds = dict.fromkeys(type(v).__name__ for v in value)
        return f"{type(value).__name__} of {', '.join(kinds)}"
    kind = type(value)
    return f"{kind.__module__}.Tensor" if kind.__name__ == "Tensor" else kind.__name__


def _mend(wanted: str, value: Any) -> str:
    """What to write instead, where that can be told."""
    if "Tensor" in wanted and wanted != "tuple of Tensors":
        if isinstance(value, np.ndarray):
            return ": use rg.from_numpy(array)"
        if type(value).__name__ == "Tensor" and hasattr(value, "__dlpack__"):
            return ", which is another library's: use rg.from_dlpack(tensor)"
        if isinstance(value, (int, float, list, tuple)) and value != []:
            return f": use rg.tensor({value!r})" if len(repr(value)) < 40 else ""
    if wanted.startswith("int") and isinstance(value, float) and value == int(value):
        return f": use {int(value)}"
    if wanted == "bool" and isinstance(value, (int, float)):
        return f": use {bool(value)}"
    return ""


#: set by dispatch, which this module must not import; ``rec`` is the thread's recorder
_local: Any = None
_undo: Callable[[Any, Any], None] = None  # type: ignore[assignment]


def bind(local: Any, undo: Callable[[Any, Any], None]) -> None:
    """How to come by what is being recorded, and to take it back."""
    global _local, _undo
    _local, _undo = local, undo


def _say(
    error: Exception,
    rec: Any,
    start: Any,
    function: Callable[..., Any],
    args: Any,
    kwargs: Any,
) -> None:
    """A failure, told as one over an argument where it is that."""
    shapes = isinstance(error, (ValueError, IndexError)) and not errors.raw(error)
    wrong = refusal(function, args, kwargs, types=not shapes)
    if wrong is None and errors.raw(error):
        given = ", ".join(
            repr(spec_of(x)) if isinstance(x, Handle) else repr(x)
            for x in (*args, *kwargs.values())
        )
        what = f"in {function.__name__}({given}) at {errors.user_line()}"
        raise errors.at(error, what) from None
    if wrong is not None:
        # part of it may be recorded with 2.0 where 2 belongs, and the two are equal
        _undo(rec, start)
        raise wrong from None


def _check(
    rec: Any, start: Any, function: Callable[..., Any], args: Any, kwargs: Any
) -> None:
    """Refuse what was recorded since *start*, if an argument is of the wrong kind."""
    wrong = refusal(function, args, kwargs)
    if wrong is not None:
        _undo(rec, start)
        raise wrong


def _kinds(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What arguments are, as far as that decides whether they are refused; a list of
    many is looked at each time."""
    found: list[Any] = []
    for x in (*args, *kwargs.values()) if kwargs else args:
        kind = type(x)
        if kind is tuple or kind is list:
            found.append((kind, *map(type, x)) if len(x) < 9 else object())
        else:
            found.append(kind)
    return (*found, *kwargs) if kwargs else tuple(found)


def explained(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, which refuses arguments of the wrong kind: where it failed, and where
    something was recorded that was not known. Itself where that is so already."""
    if hasattr(function, "tells") or type(function) is not FunctionType:
        return function
    code = function.__code__
    if code.co_argcount == 1 and code.co_names[:1] == ("apply1",):
        return function  # the doorway itself refuses what is no tensor

    looked_at: set[Any] = set()

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        rec = _local.rec
        start, known = rec.state, rec.count
        if kwargs and not NUMPY_NAMES.keys().isdisjoint(kwargs):
            kwargs = renamed(function, kwargs)
        try:
            result = function(*args, **kwargs)
        except Exception as error:
            _say(error, rec, start, function, args, kwargs)
            raise
        if rec.count != known:
            _check(rec, start, function, args, kwargs)
        elif rec.state is start:  # nothing to record: made at once, or handed back
            kinds = _kinds(args, kwargs)
            if kinds not in looked_at:
                _check(rec, start, function, args, kwargs)
                looked_at.add(kinds)
        return result

    call.tells = True  # type: ignore[attr-defined]
    return call


def explain_all(namespace: dict[str, Any], names: Iterable[str]) -> None:
    """Let every function of these names in a module explain its failures."""
    for name in names:
        if name in namespace:
            namespace[name] = explained(namespace[name])


__all__ = ["explain_all", "explained", "refusal"]
