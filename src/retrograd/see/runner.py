"""A program run for its loss: a bundled one, or ``script.py:function``."""

from __future__ import annotations

import inspect
import linecache
import sys
from importlib import resources
from pathlib import Path
from types import FrameType
from typing import Any

from .. import dispatch
from ..trace import Handle
from .names import Names

PROGRAMS = ("toy", "mlp")


class ProgramError(ValueError):
    """What is wrong with a program that was to be explained, in one line."""


def loss_of(what: str) -> tuple[Any, Names]:
    """The tensor that a program returns, with the names that its variables had."""
    if what in PROGRAMS:
        folder = resources.files(__package__).joinpath("programs")
        source, file = folder.joinpath(f"{what}.py").read_text("utf-8"), f"{what}.py"
        name = what
        scope: dict[str, Any] = {"__name__": what}
        linecache.cache[file] = (len(source), None, source.splitlines(True), file)
    else:
        file, colon, name = what.rpartition(":")
        if not colon or not file or not name.isidentifier():
            raise ProgramError(
                f"{what!r}: there are {', '.join(PROGRAMS)}, and script.py:function"
            )
        path = Path(file)
        if not path.is_file():
            raise ProgramError(f"{file}: there is no such file")
        try:
            source = path.read_text("utf-8")
        except UnicodeDecodeError:
            raise ProgramError(f"{file}: this is not a Python program") from None
        file = str(path.resolve())
        scope = {"__name__": path.stem, "__file__": file}
        sys.path.insert(0, str(path.resolve().parent))
    dispatch.recorder().flush()  # a trace of its own, with its own lines
    try:
        exec(compile(source, file, "exec"), scope)
    except (Exception, SystemExit) as error:
        raise _told(error, file) from error
    function = scope.get(name)
    if not callable(function):
        known = ", ".join(k for k, v in scope.items() if _own(v, scope))
        raise ProgramError(
            f"{Path(file).name} has no function {name}; it has {known or 'none'}"
        )
    needed = _needed(function)
    if needed:
        raise ProgramError(
            f"{Path(file).name}: {name}() needs {', '.join(needed)}; it has to be callable "
            "without arguments: give them defaults, or name a function that calls it"
        )
    found, kept = _call(function, file)
    names = Names(None)
    for variables in (kept, scope):
        for word, value in variables.items():
            if not word.startswith("_"):
                names.add(word, value)
    tensor = found[0] if isinstance(found, tuple) and found else found
    if not isinstance(tensor, Handle):
        if inspect.iscoroutine(tensor):
            tensor.close()
        raise ProgramError(
            f"{name}() returned {type(found).__name__}; it has to return the loss"
        )
    return tensor, names


def _own(value: Any, scope: dict[str, Any]) -> bool:
    code = getattr(value, "__code__", None)
    return code is not None and getattr(value, "__globals__", None) is scope


def _needed(function: Any) -> list[str]:
    """The arguments that a call needs."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return []
    return [
        p.name
        for p in parameters
        if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    ]


def _call(function: Any, file: str) -> tuple[Any, dict[str, Any]]:
    """Its result, and its variables when it returned."""
    code = getattr(function, "__code__", None)
    kept: dict[str, Any] = {}

    def watch(frame: FrameType, event: str, arg: Any) -> None:
        if event == "return" and frame.f_code is code:
            kept.update(frame.f_locals)

    before = sys.getprofile()
    sys.setprofile(watch)
    try:
        return function(), kept
    except (Exception, SystemExit) as error:
        raise _told(error, file) from error
    finally:
        sys.setprofile(before)


def _told(error: BaseException, file: str) -> ProgramError:
    """The user's own error, with their line."""
    number, trace = 0, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == file:
            number = trace.tb_lineno
        trace = trace.tb_next
    if isinstance(error, SyntaxError) and error.lineno:
        number = error.lineno
    where = f"{Path(file).name}:{number}" if number else Path(file).name
    if isinstance(error, SystemExit):
        return ProgramError(f"{where}: the program ended itself ({error})")
    return ProgramError(f"{where}: {type(error).__name__}: {error}")
