"""Reading a pickle without running it: an interpreter that can only build data.

A pickle is a program for a small stack machine, and it may call any function that can be
imported. This one knows the instructions that make numbers, text and containers, and
calls nothing but the functions of a table that it is given.
"""

from __future__ import annotations

import pickletools
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NoReturn


class Refused(ValueError):
    """The pickle asks for something that data never needs."""


class Named:
    """Something importable that the pickle names; only ``call`` is ever called."""

    __slots__ = ("name", "call")

    def __init__(self, name: str, call: Callable[..., Any] | None) -> None:
        self.name, self.call = name, call

    def __repr__(self) -> str:
        return self.name


class Buildable:
    """A value that takes over a state after it was made, as some classes do."""

    def build(self, state: Any) -> None:
        """Take over *state*."""
        raise NotImplementedError


_MARK = object()
#: instructions that push their argument
_PUSH = set(
    """
    INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT STRING BINSTRING
    SHORT_BINSTRING UNICODE BINUNICODE SHORT_BINUNICODE BINUNICODE8 BINBYTES
    SHORT_BINBYTES BINBYTES8
    """.split()
)
_CONSTANT = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_EMPTY: dict[str, Callable[[], Any]] = {
    "EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple, "EMPTY_SET": set,
}  # fmt: skip
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
#: containers inside each other: more is no data, and what would be slow to look through
_DEEPEST = 5000


class Machine:
    """Builds what a pickle describes, from the functions of *allowed* alone."""

    def __init__(
        self, allowed: Mapping[str, Any], persistent: Callable[[Any], Any]
    ) -> None:
        self.allowed, self.persistent = allowed, persistent
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.wraps = 0  # tuples made of little but tuples, one after another

    def load(self, data: bytes) -> Any:
        """The value. Refused for what is not allowed; other errors, such as ValueError
        and IndexError, mean that the pickle is damaged."""
        for opcode, argument, _ in pickletools.genops(data):
            if opcode.name == "STOP":
                (value,) = self.stack
                return value
            self._step(opcode.name, argument)
        raise ValueError("no end")

    def _step(self, name: str, argument: Any) -> None:
        stack = self.stack
        if name in _PUSH:
            stack.append(argument)
        elif name in _CONSTANT:
            stack.append(_CONSTANT[name])
        elif name in _EMPTY:
            stack.append(_EMPTY[name]())
            if len(stack) % _DEEPEST == 0 and all(
                isinstance(x, (list, dict, tuple, set)) and not x
                for x in stack[-_DEEPEST:]
            ):
                self._too_deep()
        elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
            self.memo[argument] = stack[-1]
        elif name == "MEMOIZE":
            self.memo[len(self.memo)] = stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            stack.append(self.memo[argument])
        elif name in _TUPLES:
            n = _TUPLES[name]
            self.wraps = self.wraps + 1 if type(stack[-1]) is tuple else 0
            if self.wraps > _DEEPEST:
                self._too_deep()
            stack[-n:] = [tuple(self._last(n))]
        elif name not in ("PROTO", "FRAME"):
            action = getattr(self, f"_{name.lower()}", None)
            if action is None:
                raise Refused(f"has the instruction {name}, which data never needs")
            action(argument)

    def _too_deep(self) -> NoReturn:
        raise Refused(f"has containers inside each other, more than {_DEEPEST} deep")

    def _last(self, n: int) -> list[Any]:
        if len(self.stack) < n or any(x is _MARK for x in self.stack[-n:]):
            raise ValueError("the stack is too short")
        return self.stack[-n:]

    def _take(self) -> Any:
        (value,) = self._last(1)
        del self.stack[-1]
        return value

    def _marked(self) -> list[Any]:
        """What lies above the last mark."""
        at = len(self.stack) - 1
        while self.stack[at] is not _MARK:  # IndexError where there is none
            at -= 1
            if at < 0:
                raise ValueError("no mark")
        values = self.stack[at + 1 :]
        del self.stack[at:]
        return values

    # -- instructions ----------------------------------------------------------------

    def _mark(self, _: Any) -> None:
        self.stack.append(_MARK)

    def _tuple(self, _: Any) -> None:
        values = tuple(self._marked())
        self.stack.append(values)

    def _list(self, _: Any) -> None:
        self.stack.append(self._marked())

    def _dict(self, _: Any) -> None:
        values = self._marked()
        self.stack.append(dict(zip(values[::2], values[1::2], strict=True)))

    def _frozenset(self, _: Any) -> None:
        self.stack.append(frozenset(self._marked()))

    def _append(self, _: Any) -> None:
        value = self._take()
        self._container(list).append(value)

    def _appends(self, _: Any) -> None:
        values = self._marked()
        self._container(list).extend(values)

    def _additems(self, _: Any) -> None:
        values = self._marked()
        self._container(set).update(values)

    def _setitem(self, _: Any) -> None:
        key, value = self._last(2)
        del self.stack[-2:]
        self._container(dict)[key] = value

    def _setitems(self, _: Any) -> None:
        values = self._marked()
        pairs = zip(values[::2], values[1::2], strict=True)
        self._container(dict).update(pairs)

    def _container(self, kind: type[Any]) -> Any:
        (top,) = self._last(1)
        if not isinstance(top, kind):
            raise ValueError(f"{type(top).__name__} is no {kind.__name__}")
        return top

    def _pop(self, _: Any) -> None:
        del self.stack[-1]

    def _pop_mark(self, _: Any) -> None:
        self._marked()

    def _global(self, argument: str) -> None:
        module, _, name = argument.partition(" ")
        self.stack.append(self._find(module, name))

    def _stack_global(self, _: Any) -> None:
        module, name = self._last(2)
        del self.stack[-2:]
        self.stack.append(self._find(module, name))

    def _find(self, module: Any, name: Any) -> Any:
        if not isinstance(module, str) or not isinstance(name, str):
            raise ValueError("a name that is no text")
        path = f"{module}.{name}"
        if path not in self.allowed:
            return Named(path, None)  # refused when it is used
        found = self.allowed[path]
        return Named(path, found) if callable(found) else found

    def _reduce(self, _: Any) -> None:
        function, arguments = self._last(2)
        del self.stack[-2:]
        self.stack.append(self._call(function, arguments))

    def _newobj(self, _: Any) -> None:
        self._reduce(None)

    def _call(self, function: Any, arguments: Any) -> Any:
        if not isinstance(function, Named) or not isinstance(arguments, tuple):
            raise ValueError("a call of no function")
        if function.call is None:
            raise Refused(f"asks for {function.name}")
        return function.call(*arguments)

    def _build(self, _: Any) -> None:
        target, state = self._last(2)
        del self.stack[-1]
        if isinstance(target, Buildable):
            target.build(state)
        elif isinstance(target, OrderedDict) and isinstance(state, dict):
            if set(state) - {"_metadata"}:
                raise Refused("gives a dict attributes")
            target.__dict__.update(state)
        else:
            raise Refused(f"gives {type(target).__name__} a state")

    def _binpersid(self, _: Any) -> None:
        key = self._take()
        self.stack.append(self.persistent(key))


def parts(value: Any) -> Iterator[Any]:
    """Everything in a value that is no container, each container visited once."""
    seen: set[int] = set()
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if not isinstance(item, (dict, list, tuple, set, frozenset)):
            yield item
        elif id(item) not in seen:
            seen.add(id(item))
            waiting.extend(item)
            if isinstance(item, dict):
                waiting.extend(item.values())


__all__ = ["Buildable", "Machine", "Named", "Refused", "parts"]
