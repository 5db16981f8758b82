"""Where an operation came from, and errors that say so."""

from __future__ import annotations

import os
import sys
import warnings
import weakref
from types import FrameType
from typing import Any

_PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep


class NoCudaError(RuntimeError, AssertionError):
    """CUDA is not there: a device that is not, and what a PyTorch for the CPU raises."""


def no_device(name: Any) -> RuntimeError:
    """What to raise where a device is asked for that is not there."""
    kind = NoCudaError if str(name).startswith("cuda") else RuntimeError
    mend = ""
    if isinstance(name, str) and name.rstrip("0123456789") in ("float", "int", "bool"):
        mend = f"; for a number type use rg.{name}"
    return kind(f"device {str(name)!r} is not available; there is 'cpu'{mend}")


def user_frame(inner: int = 1) -> FrameType | None:
    """The innermost frame that is not the library's own; *inner* are known to be."""
    frame: FrameType | None = sys._getframe(inner)
    while frame is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back
    return frame


class Line(str):
    """``file.py:12``, or ``In[3]:2`` of a notebook, which knows the whole path."""

    path: str
    number: int

    @classmethod
    def of(cls, path: str, number: int) -> Line:
        """One object for a place, however many operations were recorded there."""
        name = _cell(path) if "IPython" in sys.modules else ""
        found = _LINES.get((path, number, name))
        if found is None:
            found = cls(f"{name or os.path.basename(path)}:{number}")
            found.path, found.number = path, number
            found = _LINES.setdefault((path, number, name), found)
        return found


_LINES: dict[tuple[str, int, str], Line] = {}


def _cell(path: str) -> str:
    """``In[3]``: what a notebook calls the cell whose code has this path."""
    try:
        known = sys.modules["IPython"].get_ipython().compile.format_code_name(path)
    except AttributeError:  # no notebook runs, or it is older than such names
        return ""
    return str(known[1]) if known else ""


def user_line() -> str:
    """``file.py:12`` of the user's code that is running now."""
    frame = user_frame()
    return "<unknown>" if frame is None else line_of(frame)


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn at the line of the user's code, wherever the library stands."""
    frame = user_frame()
    if frame is None:
        warnings.warn(message, category, stacklevel=2)
        return
    warnings.warn_explicit(
        message,
        category,
        frame.f_code.co_filename,
        frame.f_lineno,
        registry=frame.f_globals.setdefault("__warningregistry__", {}),
    )


#: how Python puts it where code that counts on a dimension meets none
_WRONG_KIND = ("unsupported operand", "must be real number", "'", "int() argument",
               "float() argument", "invalid literal", "could not convert",
               "Python int too large", "bad operand")  # fmt: skip
_STUMBLES = ("tuple index out of range", "list index out of range", "not enough values to unpack",
             "too many values to unpack")  # fmt: skip


def stumbles(error: BaseException) -> bool:
    """Whether *error* is one of Python's own, over a shape that nobody looked at."""
    return type(error) in (IndexError, ValueError) and str(error).startswith(_STUMBLES)


def raw(error: BaseException) -> bool:
    """Whether *error* is one of Python's own, over an argument that nobody looked at."""
    if stumbles(error) or type(error) is AttributeError:
        return True
    if not isinstance(error, (TypeError, ValueError, OverflowError)):
        return False
    text = str(error)
    return text.startswith(_WRONG_KIND) or text.endswith("keyword argument 'out'")


def at(error: BaseException, what: str) -> BaseException:
    """The same error, its message followed by *what*: the operation and the line."""
    if getattr(error, "_retrograd_located", False):
        return error
    text = str(error.args[0]) if error.args else ""
    kind = type(error)
    if isinstance(error, MemoryError):  # NumPy's is made of a shape and a type
        text, kind = str(error), MemoryError
    if kind is TypeError and text.endswith("unexpected keyword argument 'out'"):
        text += ": write the result with out.copy_(...)"
    if stumbles(error):
        kind = RuntimeError
        text = f"the operands have too many or too few dimensions ({text})"
    elif kind is AttributeError:
        kind, text = TypeError, f"an argument is of another kind than expected: {text}"
    try:
        located = kind(f"{text}\n  {what}")
    except Exception:  # an exception class with its own signature keeps its text
        located = RuntimeError(f"{type(error).__name__}: {text}\n  {what}")
    located._retrograd_located = True  # type: ignore[attr-defined]
    return located


def module_path(frame: FrameType | None, module_type: type[Any] | None) -> Any:
    """A weak reference to the innermost module whose ``forward`` is running, or None:
    what is remembered of a trace keeps no module alive."""
    if module_type is None:
        return None
    depth = 0
    while frame is not None and depth < 40:
        if frame.f_code.co_name == "forward":
            owner = frame.f_locals.get("self")
            if isinstance(owner, module_type):
                return weakref.ref(owner)
        frame, depth = frame.f_back, depth + 1
    return None


def line_of(frame: FrameType) -> str:
    """``file.py:12`` for a frame."""
    return Line.of(frame.f_code.co_filename, frame.f_lineno)


class LinAlgError(RuntimeError):
    """A matrix that an algorithm of linear algebra cannot take: singular where an
    inverse is needed, not positive definite for Cholesky's factor, or without
    convergence."""
