"""What the user calls things: variables, modules, and the lines they wrote.

A tensor that a variable still holds has that variable's name. A value that is gone has
the name that its line assigned it to. A parameter is named by its module's path.
"""

from __future__ import annotations

import ast
import linecache
import sys
import weakref
from collections.abc import Iterable
from types import FrameType
from typing import Any

from .. import dispatch, errors
from ..trace import Handle, State
from . import reading

_DEPTH = 30  # frames that are searched
_MANY = 2000  # entries of one container


class Names:
    """Names of tensors, of recorded states and of modules."""

    def __init__(self, frame: FrameType | None) -> None:
        self.tensors: dict[int, str] = {}  # id of a tensor → name
        self.states: dict[Any, str] = {}  # (segment, state) → name
        self.modules: dict[int, str] = {}  # id of a module → path
        self.roots: dict[int, str] = {}  # id of an outermost module → variable
        self._root_of: dict[
            int, str
        ] = {}  # id of a module or parameter → that variable
        self.numbers: dict[str, Any] = {}  # variables that are plain numbers
        self.words: dict[str, Any] = {}  # variables that are tensors
        self.kept: list[Any] = []  # an id means something only while its owner lives
        self._seen: set[int] = set()
        depth = 0
        while frame is not None and depth < _DEPTH:
            if not frame.f_code.co_filename.startswith(errors._PACKAGE):
                self._scope(dict(frame.f_locals))
                if depth == 0 or frame.f_locals is not frame.f_globals:
                    self._scope(_own_globals(frame))
            frame, depth = frame.f_back, depth + 1

    @classmethod
    def here(cls) -> Names:
        """The names in sight of the user's line that is running."""
        return cls(errors.user_frame())

    def _scope(self, scope: dict[str, Any]) -> None:
        for word, value in scope.items():
            if not word.startswith("_"):
                self.add(word, value)

    def add(self, word: str, value: Any, depth: int = 0) -> None:
        """Note what *word* stands for, and what is in it."""
        if isinstance(value, Handle):
            self._tensor(word, value)
            return
        if type(value) in (int, float, bool):
            self.numbers.setdefault(word, value)
            return
        module_type = dispatch._module_type
        if module_type is not None and isinstance(value, module_type):
            self._module(word, value)
            return
        if depth >= 2 or id(value) in self._seen:
            return
        if type(value) in (list, tuple) and len(value) <= _MANY:
            self._remember(value)
            for i, item in enumerate(value):
                self.add(f"{word}[{i}]", item, depth + 1)
        elif type(value) is dict and len(value) <= _MANY:
            self._remember(value)
            for key, item in value.items():
                if type(key) is str:
                    self.add(f"{word}.{key}", item, depth + 1)
        elif word == "self" and hasattr(value, "__dict__"):
            self._remember(value)
            for key, item in vars(value).items():
                self.add(f"self.{key}", item, depth + 1)

    def _remember(self, value: Any) -> None:
        self._seen.add(id(value))
        self.kept.append(value)

    def _tensor(self, word: str, tensor: Any) -> None:
        self.tensors.setdefault(id(tensor), word)
        self.words.setdefault(word, tensor)
        self.kept.append(tensor)
        if type(tensor._key) is State:
            self.states.setdefault((None, tensor._key), word)
        elif tensor._meta is not None and tensor._meta.history is not None:
            self.states.setdefault(tensor._meta.history, word)

    def _module(self, word: str, module: Any) -> None:
        if id(module) in self._seen:
            return
        self.roots.setdefault(id(module), word)
        for path, part in module.named_modules():
            self._remember(part)
            self._root_of.setdefault(id(part), word)
            if id(part) not in self.modules or len(path) > len(self.modules[id(part)]):
                self.modules[id(part)] = path
        for path, tensor in (*module.named_parameters(), *module.named_buffers()):
            own = path in ("weight", "bias")  # of a layer that is no part of a model
            self.tensors[id(tensor)] = f"{word}.{path}" if own else path
            self._root_of[id(tensor)] = word
            self.kept.append(tensor)

    def keep_apart(self, refs: Iterable[Any]) -> None:
        """Of the modules that a graph was recorded in, no two have one path: where two
        models have, paths begin with the model's variable, and modules that no variable
        in sight holds are counted."""
        alive = (ref() for ref in refs if ref is not None)
        used = {id(m): m for m in alive if m is not None}
        roots: dict[str, set[str]] = {}  # path → the variables of its models
        count: dict[str, int] = {}
        for i, module in used.items():
            if i in self._root_of:
                roots.setdefault(self.modules[i], set()).add(self._root_of[i])
                continue
            kind = type(module).__name__
            count[kind] = count.get(kind, 0) + 1
            self.modules[i] = kind if count[kind] == 1 else f"{kind}#{count[kind]}"
            self.kept.append(module)
        words = {w for path, of in roots.items() if path and len(of) > 1 for w in of}
        for named in (self.modules, self.tensors):
            for i, path in named.items():
                word = self._root_of.get(i)
                if word in words and path and not path.startswith(f"{word}."):
                    named[i] = f"{word}.{path}"

    def of_tensor(self, tensor: Any) -> str:
        return "" if tensor is None else self.tensors.get(id(tensor), "")

    def of_module(self, ref: Any) -> tuple[str, str]:
        """(path, class) of the module that a state was recorded in."""
        module = ref() if isinstance(ref, weakref.ref) else None
        if module is None:
            return "", ""
        known = self.modules.get(id(module))
        kind = type(module).__name__
        if known is None:
            return kind, kind
        return known or self.roots.get(id(module), kind), kind

    def kind_of(self, path: str) -> str:
        """The class of the module at that path, if one is known."""
        for part in self.kept:
            if path in (self.modules.get(id(part)), self.roots.get(id(part))):
                return type(part).__name__
        return ""


def _own_globals(frame: FrameType) -> dict[str, Any]:
    module = frame.f_globals.get("__name__", "")
    if module.startswith(("_pytest", "pluggy", "pytest", "IPython", "ipykernel")):
        return {}
    return dict(frame.f_globals)


def caller() -> FrameType | None:
    """The user's frame, as seen from a function of this package."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(errors._PACKAGE):
        frame = frame.f_back
    return frame


# -- the source -------------------------------------------------------------------------


_SEVERAL = (ast.List, ast.Tuple, ast.Dict, ast.Set, ast.ListComp, ast.DictComp,
            ast.GeneratorExp, ast.Lambda)  # fmt: skip


class Statement:
    """The statement that a line belongs to: its target, its names, its numbers."""

    __slots__ = ("place", "target", "words", "literals", "calls")

    def __init__(self, place: tuple[str, int], node: ast.stmt) -> None:
        self.place = place
        self.target = ""
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            self.target = _target(node.targets[0])
        elif isinstance(node, (ast.AnnAssign, ast.AugAssign)):
            self.target = _target(node.target)
        if isinstance(getattr(node, "value", None), _SEVERAL):
            self.target = ""  # the name of all, not of the last
        parts = [] if hasattr(node, "body") else list(ast.walk(node))
        self.calls = sum(isinstance(n, (ast.Call, ast.BinOp)) for n in parts)
        self.words = {
            n.id
            for n in parts
            if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)
        }
        if isinstance(node, ast.AugAssign):
            self.words.add(self.target)
        self.literals = {
            (type(n.value), n.value)
            for n in parts
            if isinstance(n, ast.Constant) and type(n.value) in (int, float)
        }


def _target(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return node.attr if node.value.id == "self" else ""
    return ""


class Source:
    """The statements of the files that operations were recorded in."""

    def __init__(self) -> None:
        self._files: dict[str, dict[int, ast.stmt]] = {}
        self._imports: dict[str, set[str]] = {}
        self._known: dict[Any, Statement | None] = {}
        self._taken: dict[Any, list[str] | None] = {}

    def text(self, line: Any) -> str:
        """The line as it stands in the file; "" where there is none."""
        path = getattr(line, "path", "")
        return linecache.getline(path, line.number).strip() if path else ""

    def statement(self, line: Any) -> Statement | None:
        """The statement that a line belongs to, if its file can be read."""
        if line not in self._known:
            self._known[line] = self._find(line)
        return self._known[line]

    def operands(self, line: Any) -> list[str] | None:
        """The variables that its operations take, in order; None if unclear."""
        if line not in self._taken:
            node = self._node(line)
            self._taken[line] = (
                None
                if node is None
                else reading.operands(node, self._imports[line.path])
            )
        return self._taken[line]

    def _find(self, line: Any) -> Statement | None:
        node = self._node(line)
        return None if node is None else Statement((line.path, node.lineno), node)

    def _node(self, line: Any) -> ast.stmt | None:
        path = getattr(line, "path", "")
        if not path:
            return None
        if path not in self._files:
            self._files[path], self._imports[path] = _statements(path)
        return self._files[path].get(line.number)


def _statements(path: str) -> tuple[dict[int, ast.stmt], set[str]]:
    found: dict[int, ast.stmt] = {}
    several: set[int] = set()
    try:
        tree = ast.parse("".join(linecache.getlines(path)))
    except (SyntaxError, ValueError):
        return found, set()
    for node in ast.walk(tree):  # outer statements first: the innermost wins
        if isinstance(node, ast.stmt):
            body = getattr(node, "body", None)
            last = body[0].lineno - 1 if body else (node.end_lineno or node.lineno)
            for number in range(node.lineno, max(last, node.lineno) + 1):
                if body is None and (before := found.get(number)) is not None:
                    if not hasattr(before, "body"):
                        several.add(number)  # a = 1; b = 2: which of them is not known
                found[number] = node
    return (
        {number: node for number, node in found.items() if number not in several},
        reading.imports(tree),
    )
