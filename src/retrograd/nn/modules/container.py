"""Modules made of modules: one after another, in lists, under names."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from operator import is_
from typing import Any, TypeVar

from ...dispatch import stacked
from ...trace import changes
from ..calling import of_all
from ..members import MODULE
from ..module import Module, indented

Self = TypeVar("Self", bound="_Row")


class _Row(Module):
    """Submodules in a row, named "0", "1", … unless they were given names."""

    def _names(self) -> list[str]:
        return [name for name, role in self._roles.items() if role == MODULE]

    def _row(self) -> list[Any]:
        have = self.__dict__
        return [have[name] for name in self._names()]

    def _name_at(self, index: Any) -> str:
        names = self._names()
        i: int = operator.index(index)
        if not -len(names) <= i < len(names):
            raise IndexError(f"index {i} is out of range")
        return names[i]

    def _renumber(self, modules: Iterable[Any]) -> None:
        modules = list(modules)
        for name in self._names():
            self._drop(name)
        for i, module in enumerate(modules):
            self.add_module(str(i), module)

    def __len__(self) -> int:
        return len(self._names())

    def __iter__(self) -> Iterator[Any]:
        return iter(self._row())

    def __setitem__(self, index: Any, module: Module) -> None:
        setattr(self, self._name_at(index), module)

    def __delitem__(self, index: Any) -> None:
        rest = self._row()
        if not isinstance(index, slice):
            self._name_at(index)  # raises as reading does
        del rest[index]
        self._renumber(rest)

    def append(self: Self, module: Module) -> Self:
        """Add a module at the end."""
        self.add_module(str(len(self)), module)
        return self

    def extend(self: Self, modules: Iterable[Module]) -> Self:
        """Add modules at the end."""
        for module in list(modules):
            self.append(module)
        return self

    def pop(self, index: Any) -> Any:
        """Take a module out and return it."""
        module = self[index]
        del self[index]
        return module

    def __getitem__(self, index: Any) -> Any:
        raise NotImplementedError

    def __dir__(self) -> list[str]:
        return [name for name in super().__dir__() if not name.isdigit()]


class Stack:
    """A chain of modules that, while nothing about them changes, is one event.

    Only for the library's own modules that compute and do nothing else, without hooks.
    """

    def __init__(self, chain: tuple[Any, ...]) -> None:
        self.chain = chain
        self.seen = -1  # changes so far when the chain was looked at
        self.known: list[dict[str, Any]] = []
        self.keys: list[tuple[Any, Any]] = []
        self.pure = False

    def run(self, x: Any) -> Any:
        for module in self.chain:
            x = module(x)
        return x

    def stands(self) -> bool:
        """Whether the chain is as it was when it was recorded."""
        if changes[0] != self.seen:
            self._look()
        if not self.pure:
            return False
        for p, key in self.keys:
            if p._key is not key:
                return False  # one that waits for a value is not what was recorded
        return True

    def _look(self) -> None:
        self.seen = changes[0]
        self.pure = bool(self.chain) and all(map(_is_pure, self.chain))
        if not self.pure:
            return
        modules = [m for part in self.chain for m in part.modules()]
        now = [dict(m.__dict__) for m in modules]
        params = [p for m in self.chain for p in m.parameters()]
        keys = [(p, None if p._meta is None else p._meta.home) for p in params]
        same = len(now) == len(self.known) and all(
            a.keys() == b.keys() and all(map(is_, a.values(), b.values()))
            for a, b in zip(now, self.known, strict=True)
        )
        if not same or [k for _, k in keys] != [k for _, k in self.keys]:
            self.known, self.keys = now, keys
            self.token = object()


def _is_pure(module: Any) -> bool:
    if of_all or module.__dict__.get("_hooks") or module.__dict__.get("inplace"):
        return False
    if type(module) is Sequential:
        return all(map(_is_pure, module._chain))
    return type(module) in PURE


#: the library's modules that compute and do nothing else; filled in by the package
PURE: set[type[Module]] = set()


class Sequential(_Row):
    """y = fₙ(… f₂(f₁(x))): modules one after another.

    Backward: each module's rule in turn, from the last to the first.

    >>> import retrograd as rg
    >>> net = rg.nn.Sequential(rg.nn.Linear(2, 3), rg.nn.ReLU(), rg.nn.Linear(3, 1))
    >>> net
    Sequential(
      (0): Linear(in_features=2, out_features=3, bias=True)
      (1): ReLU()
      (2): Linear(in_features=3, out_features=1, bias=True)
    )
    >>> net[:2](rg.randn(5, 2)).shape
    retrograd.Size([5, 3])
    """

    def __init__(self, *args: Any) -> None:
        super().__init__()
        named: Iterable[tuple[str, Any]]
        if len(args) == 1 and isinstance(args[0], Mapping):
            named = args[0].items()
        else:
            named = ((str(i), module) for i, module in enumerate(args))
        for name, module in named:
            self.add_module(name, module)

    @cached_property
    def _chain(self) -> tuple[Any, ...]:
        return tuple(self._row())

    @cached_property
    def _stack(self) -> Stack:
        return Stack(self._chain)

    def _structure_changed(self) -> None:
        self.__dict__.pop("_chain", None)
        self.__dict__.pop("_stack", None)

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        state.pop("_chain", None)
        state.pop("_stack", None)
        return state

    def forward(self, input: Any) -> Any:
        stack = self._stack
        if stack.stands():
            return stacked(stack.token, stack.run, input)
        return stack.run(input)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            have = self.__dict__
            return type(self)({name: have[name] for name in self._names()[index]})
        return self.__dict__[self._name_at(index)]

    def insert(self, index: int, module: Module) -> Sequential:
        """Put a module before position *index*."""
        if not isinstance(module, Module):
            raise AssertionError(f"module should be of type: {Module}")
        n = len(self)
        if not -n <= index <= n:
            raise IndexError(f"Index out of range: {index}")
        rest = self._row()
        rest.insert(index, module)
        self._renumber(rest)
        return self

    def __add__(self, other: Sequential) -> Sequential:
        if not isinstance(other, Sequential):
            raise ValueError(
                "add operator supports only objects of Sequential class, but "
                f"{type(other)} is given."
            )
        return Sequential(*self, *other)

    def __iadd__(self, other: Sequential) -> Sequential:
        if not isinstance(other, Sequential):
            raise ValueError(
                "add operator supports only objects of Sequential class, but "
                f"{type(other)} is given."
            )
        return self.extend(other)

    def __mul__(self, times: int) -> Sequential:
        _check_times(times)
        return Sequential(*(list(self) * times))

    __rmul__ = __mul__

    def __imul__(self, times: int) -> Sequential:
        _check_times(times)
        return self.extend(list(self) * (times - 1))


def _check_times(times: Any) -> None:
    if not isinstance(times, int):
        raise TypeError(
            "unsupported operand type(s) for *: 'Sequential' and "
            f"'{type(times).__name__}'"
        )
    if times <= 0:
        raise ValueError(f"Non-positive multiplication factor {times} for Sequential")


class Container(Module):
    """Submodules under names, without a forward (PyTorch's older base of containers)."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__()
        warnings.warn(
            "nn.Container is deprecated. All of its functionality is now implemented in "
            "nn.Module. Subclass that instead.",
            stacklevel=2,
        )
        for name, module in kwargs.items():
            self.add_module(name, module)


class ModuleList(_Row):
    """Modules in a list, so that their parameters are found; it has no forward.

    >>> import retrograd as rg
    >>> rg.nn.ModuleList([rg.nn.Linear(2, 2) for _ in range(3)])
    ModuleList(
      (0-2): 3 x Linear(in_features=2, out_features=2, bias=True)
    )
    """

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        if modules is not None:
            self.extend(modules)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return type(self)(self._row()[index])
        return self.__dict__[self._name_at(index)]

    def __setitem__(self, index: Any, module: Module) -> None:
        setattr(self, self._name_at(index), module)

    def insert(self, index: int, module: Module) -> None:
        """Put a module before position *index*."""
        rest = self._row()
        rest.insert(index, module)
        self._renumber(rest)

    def extend(self: Self, modules: Iterable[Module]) -> Self:
        """Add modules at the end."""
        if not isinstance(modules, Iterable):
            raise TypeError(
                "ModuleList.extend should be called with an iterable, but got "
                + type(modules).__name__
            )
        return super().extend(modules)

    def __iadd__(self: Self, modules: Iterable[Module]) -> Self:
        return self.extend(modules)

    def __add__(self, other: Iterable[Module]) -> ModuleList:
        return ModuleList([*self, *other])

    def __repr__(self) -> str:
        """Equal neighbours are shown once, with their number."""
        runs: list[list[Any]] = []  # first index, last index, text
        for i, module in enumerate(self):
            text = repr(module)
            if runs and runs[-1][2] == text:
                runs[-1][1] = i
            else:
                runs.append([i, i, text])
        if not runs:
            return f"{self._get_name()}()"
        lines = [f"{self._get_name()}("]
        for first, last, text in runs:
            if first == last:
                line = f"({first}): {text}"
            else:
                line = f"({first}-{last}): {last - first + 1} x {text}"
            lines.append(indented(line))
        return "\n  ".join(lines) + "\n)"


class ModuleDict(Module):
    """Modules under names, so that their parameters are found; it has no forward."""

    def __init__(self, modules: Any = None) -> None:
        super().__init__()
        if modules is not None:
            self.update(modules)

    def __getitem__(self, key: str) -> Any:
        return self._modules[key]

    def __setitem__(self, key: str, module: Module) -> None:
        self.add_module(key, module)

    def __delitem__(self, key: str) -> None:
        del self._modules[key]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __contains__(self, key: object) -> bool:
        return key in self._modules

    def clear(self) -> None:
        """Take all modules out."""
        self._modules.clear()

    def pop(self, key: str) -> Any:
        """Take a module out and return it."""
        return self._modules.pop(key)

    def keys(self) -> Iterable[str]:
        """The names."""
        return self._modules.keys()

    def items(self) -> Iterable[tuple[str, Any]]:
        """Names and modules."""
        return self._modules.items()

    def values(self) -> Iterable[Any]:
        """The modules."""
        return self._modules.values()

    def update(self, modules: Any) -> None:
        """Add or replace modules: from a mapping, or from (name, module) pairs."""
        for key, module in pairs(modules, "ModuleDict"):
            self[key] = module


def pairs(source: Any, name: str) -> list[tuple[str, Any]]:
    """(key, value) pairs of a mapping or of an iterable of pairs; checked."""
    if isinstance(source, (Mapping, ModuleDict)):
        return list(source.items())
    if not isinstance(source, Iterable):
        raise TypeError(
            f"{name}.update should be called with an iterable of key/value pairs, but "
            f"got {type(source).__name__}"
        )
    found = []
    for i, pair in enumerate(source):
        if not isinstance(pair, Iterable):
            raise TypeError(
                f"{name} update sequence element #{i} should be Iterable; is "
                f"{type(pair).__name__}"
            )
        listed = list(pair)
        if len(listed) != 2:
            raise ValueError(
                f"{name} update sequence element #{i} has length {len(listed)}; "
                "2 is required"
            )
        found.append((listed[0], listed[1]))
    return found
