"""What a module is made of: parameters, buffers and submodules, under names.

They live in the instance's ``__dict__`` under their own names, so that reading
``self.weight`` costs what any attribute costs. ``_roles`` says which names are members,
what they are, and in which order they came.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, MutableMapping
from typing import TYPE_CHECKING, Any

from .. import mutate
from ..tensor import Buffer, Parameter, Tensor
from ..trace import changes
from .calling import look_for_hooks

if TYPE_CHECKING:
    from .module import Module

PARAMETER, MODULE = "parameter", "module"
BUFFER, TRANSIENT = "buffer", "transient buffer"  # a transient one is not saved

_MISSING = object()
_WANTED = {
    PARAMETER: ("parameter", "nn.Parameter"),
    MODULE: ("child module", "nn.Module"),
    BUFFER: ("buffer", "Tensor"),
    TRANSIENT: ("buffer", "Tensor"),
}


#: what is told when any module gets a member, by the number of its handle, with its role
on_registration: dict[int, tuple[str, Callable[..., Any]]] = {}


def _registered(module: Any, name: str, value: Any, role: str) -> Any:
    """A new member, as those who want to know of it leave it."""
    wanted = BUFFER if role == TRANSIENT else role
    for kind, hook in list(on_registration.values()):
        if kind == wanted and not (kind == PARAMETER and value is None):
            changed = hook(module, name, value)
            value = value if changed is None else changed
    return value


class View(MutableMapping[str, Any]):
    """The members of some roles by name: a live view of a module."""

    __slots__ = ("_holder", "_roles")

    def __init__(self, holder: Holder, *roles: str) -> None:
        self._holder, self._roles = holder, roles

    def __getitem__(self, name: str) -> Any:
        if self._holder._roles.get(name) not in self._roles:
            raise KeyError(name)
        return self._holder.__dict__[name]

    def __setitem__(self, name: str, value: Any) -> None:
        role = self._holder._roles.get(name)
        self._holder._put(name, value, role if role in self._roles else self._roles[0])

    def __delitem__(self, name: str) -> None:
        if name not in self:
            raise KeyError(name)
        self._holder._drop(name)

    def __contains__(self, name: object) -> bool:
        return self._holder._roles.get(name) in self._roles  # type: ignore[call-overload]

    def __iter__(self) -> Iterator[str]:
        wanted = self._roles
        return iter([n for n, role in self._holder._roles.items() if role in wanted])

    def __len__(self) -> int:
        return sum(role in self._roles for role in self._holder._roles.values())

    def __repr__(self) -> str:
        return repr(dict(self))


class Holder:
    """The part of a module that is about its members."""

    training: bool
    _roles: dict[str, str]

    def __init__(self) -> None:
        state = self.__dict__
        state["training"] = True
        state["_roles"] = {}

    @property
    def _parameters(self) -> View:
        return View(self, PARAMETER)

    @property
    def _buffers(self) -> View:
        return View(self, BUFFER, TRANSIENT)

    @property
    def _modules(self) -> View:
        return View(self, MODULE)

    @property
    def _non_persistent_buffers_set(self) -> set[str]:
        return {name for name, role in self._roles.items() if role == TRANSIENT}

    def _put(self, name: str, value: Any, role: str) -> None:
        """Make *value* the member *name*; a new one comes last."""
        changes[0] += 1
        if on_registration:
            value = _registered(self, name, value, role)
        if self._roles.get(name) != role:
            self._roles.pop(name, None)
            self._roles[name] = role
        self.__dict__[name] = value
        if role == MODULE:
            self._structure_changed()

    def _drop(self, name: str) -> None:
        changes[0] += 1
        role = self._roles.pop(name)
        del self.__dict__[name]
        if role == MODULE:
            self._structure_changed()

    def _structure_changed(self) -> None:
        """Called when a submodule came, went or was replaced."""

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...

    def __setattr__(self, name: str, value: Any) -> None:
        state = self.__dict__
        if type(value) is bool and state.get(name) is value:
            return  # such as training, which train() sets in each epoch
        changes[0] += 1
        roles = state.get("_roles")
        role = None
        if isinstance(value, Parameter):
            role = PARAMETER
        elif isinstance(value, Holder):
            role = MODULE
        elif isinstance(value, Buffer):
            role = BUFFER if value.persistent else TRANSIENT
        if role is not None:
            if roles is None:
                raise AttributeError(
                    f"cannot assign {role}s before Module.__init__() call: the class's "
                    "__init__ has to begin with super().__init__()"
                )
            if roles.get(name) == role:
                self._put(name, value, role)
                return
            if name in roles:
                self._drop(name)
            else:
                state.pop(name, None)
            self._register(name, value, role)
            return
        if roles is not None and name in roles:
            role = roles[name]
            what, wanted = _WANTED[role]
            buffer = role in (BUFFER, TRANSIENT)
            if not (value is None or (buffer and isinstance(value, Tensor))):
                raise TypeError(
                    f"cannot assign '{type_name(value)}' as {what} '{name}' "
                    f"({wanted} or None expected)"
                )
            self._put(name, value, role)
            return
        object.__setattr__(self, name, value)
        if name == "forward":
            look_for_hooks(type(self))

    def __delattr__(self, name: str) -> None:
        changes[0] += 1
        if name in self.__dict__.get("_roles", ()):
            self._drop(name)
        else:
            object.__delattr__(self, name)

    def _register(self, name: str, value: Any, role: str) -> None:
        what = "buffer" if role == TRANSIENT else role
        if "_roles" not in self.__dict__:
            raise AttributeError(
                f"cannot assign {what} before Module.__init__() call: the class's "
                "__init__ has to begin with super().__init__()"
            )
        if not isinstance(name, str):
            raise TypeError(f"{what} name should be a string. Got {type_name(name)}")
        if "." in name:
            raise KeyError(f'{what} name can\'t contain ".", got: {name}')
        if name == "":
            raise KeyError(f'{what} name can\'t be empty string ""')
        known = self._roles.get(name)
        same = known == role or {known, role} == {BUFFER, TRANSIENT}
        if hasattr(self, name) and not same:
            raise KeyError(f"attribute '{name}' already exists")
        self._put(name, value, role)

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter; None keeps the name for later."""
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(
                f"cannot assign '{type_name(param)}' object to parameter '{name}' "
                "(nn.Parameter or None required)"
            )
        self._register(name, param, PARAMETER)

    def register_buffer(
        self, name: str, tensor: Tensor | None, persistent: bool = True
    ) -> None:
        """Add a tensor that is not learned; a persistent one is saved."""
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(
                f"cannot assign '{type_name(tensor)}' object to buffer '{name}' "
                "(Tensor or None required)"
            )
        self._register(name, tensor, BUFFER if persistent else TRANSIENT)
        settle(tensor)

    def register_module(self, name: str, module: Module | None) -> None:
        """Add a submodule; the same as ``add_module``."""
        self.add_module(name, module)

    def add_module(self, name: str, module: Module | None) -> None:
        """Add a submodule; None keeps the name for later."""
        if module is not None and not isinstance(module, Holder):
            raise TypeError(f"{type_name(module)} is not a Module subclass")
        self._register(name, module, MODULE)

    # -- walking through them --------------------------------------------------------

    def _children(self) -> list[tuple[str, Module]]:
        """Names and submodules that are there, the same one as often as it is named."""
        have = self.__dict__
        return [
            (name, have[name])
            for name, role in self._roles.items()
            if role == MODULE and have[name] is not None
        ]

    def named_modules(
        self,
        memo: set[Module] | None = None,
        prefix: str = "",
        remove_duplicate: bool = True,
    ) -> Iterator[tuple[str, Module]]:
        """This module (named *prefix*) and all below it, parents first."""
        memo = set() if memo is None else memo
        stack: list[tuple[str, Module]] = [(prefix, self)]  # type: ignore[list-item]
        while stack:
            name, module = stack.pop()
            if module in memo:
                continue
            if remove_duplicate:
                memo.add(module)
            yield name, module
            start = f"{name}." if name else ""
            stack += [(start + n, m) for n, m in reversed(module._children())]

    def modules(self, remove_duplicate: bool = True) -> Iterator[Module]:
        """This module and all below it, each once."""
        for _, module in self.named_modules(remove_duplicate=remove_duplicate):
            yield module

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The modules directly below this one, each once."""
        seen = set()
        for name, module in self._children():
            if module not in seen:
                seen.add(module)
                yield name, module

    def children(self) -> Iterator[Module]:
        """The modules directly below this one, each once."""
        for _, module in self.named_children():
            yield module

    def _named_tensors(
        self, roles: tuple[str, ...], prefix: str, recurse: bool, once: bool
    ) -> Iterator[tuple[str, Any]]:
        seen: set[int] = set()
        below: Any = [(prefix, self)]
        if recurse:
            below = self.named_modules(prefix=prefix, remove_duplicate=once)
        for start, module in below:
            have = module.__dict__
            start = f"{start}." if start else ""
            for name, role in list(module._roles.items()):
                if role in roles:
                    tensor = have[name]
                    if tensor is None or id(tensor) in seen:
                        continue
                    if once:
                        seen.add(id(tensor))
                    yield start + name, tensor

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """Parameters by their full names; a shared one once, by its first name."""
        return self._named_tensors((PARAMETER,), prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """All parameters, for an optimizer: each once, in order."""
        for _, parameter in self.named_parameters(recurse=recurse):
            yield parameter

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """Buffers by their full names; a shared one once, by its first name."""
        roles = (BUFFER, TRANSIENT)
        return self._named_tensors(roles, prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """All buffers, each once."""
        for _, tensor in self.named_buffers(recurse=recurse):
            yield tensor

    def get_submodule(self, target: str) -> Module:
        """The submodule with a full name such as ``"encoder.layers.0"``."""
        module: Any = self
        for name in target.split(".") if target else ():
            found = getattr(module, name, _MISSING)
            if found is _MISSING:
                raise AttributeError(f"{module._get_name()} has no attribute `{name}`")
            if not isinstance(found, Holder):
                raise AttributeError(f"`{name}` is not an nn.Module")
            module = found
        return module  # type: ignore[no-any-return]

    def set_submodule(self, target: str, module: Module, strict: bool = False) -> None:
        """Put *module* in the place named *target*; *strict*: one has to be there."""
        if not target:
            raise ValueError("Cannot set the submodule without a target name!")
        path, _, name = target.rpartition(".")
        parent = self.get_submodule(path)
        if strict and not isinstance(getattr(parent, name, None), Holder):
            raise AttributeError(f"{parent._get_name()} has no submodule `{name}`")
        if not isinstance(module, Holder):
            raise ValueError(f"{type_name(module)} is not an nn.Module")
        setattr(parent, name, module)

    def _get_tensor(self, target: str, roles: tuple[str, ...], what: str) -> Any:
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        if not hasattr(module, name):
            raise AttributeError(f"{module._get_name()} has no attribute `{name}`")
        if module._roles.get(name) not in roles:
            raise AttributeError(f"`{name}` is not {what}")
        return module.__dict__[name]

    def get_parameter(self, target: str) -> Parameter:
        """The parameter with a full name such as ``"encoder.0.weight"``."""
        found: Parameter = self._get_tensor(target, (PARAMETER,), "an nn.Parameter")
        return found

    def get_buffer(self, target: str) -> Tensor:
        """The buffer with a full name such as ``"encoder.1.running_mean"``."""
        found: Tensor = self._get_tensor(target, (BUFFER, TRANSIENT), "a buffer")
        return found


def type_name(value: Any) -> str:
    cls = type(value)
    prefix = "" if cls.__module__ == "builtins" else f"{cls.__module__}."
    return f"{prefix}{cls.__qualname__}"


def settle(tensor: Any) -> Any:
    """Let traces know a long-lived tensor by identity, as they know parameters."""
    if (
        tensor is not None
        and tensor._array is not None
        and tensor._key is None
        and tensor._meta is None
    ):
        mutate.hold(tensor)
    return tensor
