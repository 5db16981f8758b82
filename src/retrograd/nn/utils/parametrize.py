"""Parameters that are functions of others: W = f(V), and V is what is learned.

The module's class is replaced by a subclass of it in which the parameter's name is a
property; what is learned lies in ``module.parametrizations.<name>`` as ``original``, or
``original0``, ``original1``, … if the function takes several.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ...autograd import no_grad
from ...tensor import Parameter, Tensor
from ..module import Module
from ..modules.container import ModuleDict, ModuleList

__all__ = [
    "cached",
    "ParametrizationList",
    "register_parametrization",
    "is_parametrized",
    "remove_parametrizations",
    "type_before_parametrizations",
    "transfer_parametrizations_and_params",
]

#: values that stay while somebody is in ``cached()``: (module, name) → tensor
_known: dict[tuple[int, str], Any] = {}
_caching = 0


@contextmanager
def cached() -> Iterator[None]:
    """Inside, each parametrized tensor is computed once, at its first use."""
    global _caching
    _caching += 1
    try:
        yield
    finally:
        _caching -= 1
        if not _caching:
            _known.clear()


def _keep(module: Module, name: str, tensor: Any) -> None:
    """As a parameter if it is one, as a buffer otherwise."""
    if isinstance(tensor, Parameter):
        module.register_parameter(name, tensor)
    else:
        module.register_buffer(name, tensor)


def _set(tensor: Any, value: Any) -> None:
    with no_grad():
        tensor.data = value.detach().clone()


def _same_kind(what: str, found: Any, like: Any, of: str) -> None:
    """ValueError unless *found* is a tensor of the type and shape of *like*."""
    if not isinstance(found, Tensor):
        raise ValueError(f"{what} must return a tensor. Got {type(found).__name__}.")
    for name in ("dtype", "shape"):
        old, new = getattr(like, name), getattr(found, name)
        if old != new:
            raise ValueError(
                f"{what} may not change the {name} of the tensor, unless the `unsafe` "
                f"flag is enabled: {of} has {old}, and the result {new}"
            )


class ParametrizationList(ModuleList):
    """fₙ(… f₂(f₁(original))): what a parameter is a function of, and the functions."""

    original: Any
    unsafe: bool

    def __init__(
        self, modules: Sequence[Module], original: Any, unsafe: bool = False
    ) -> None:
        if not len(modules):
            raise ValueError("ParametrizationList requires one or more modules.")
        super().__init__(modules)
        self.unsafe = unsafe
        with no_grad():
            new = original
            for module in reversed(list(self)):
                if hasattr(module, "right_inverse"):
                    try:
                        new = module.right_inverse(new)
                    except NotImplementedError:
                        pass
        self.is_tensor = isinstance(new, Tensor)
        if not self.is_tensor and not isinstance(new, Sequence):
            raise ValueError(
                "'right_inverse' must return a Tensor or a Sequence of tensors (list, "
                f"tuple...). Got {type(new).__name__}"
            )
        self.ntensors = 1 if self.is_tensor else len(new)
        like = original.detach()
        if self.is_tensor:
            self._take_one(original, new)
        else:
            self._take_all(original, new)
        if not unsafe:
            _same_kind("A parametrization", self(), like, "the tensor")

    def _take_one(self, original: Any, new: Any) -> None:
        if original.dtype != new.dtype:
            raise ValueError(
                "When `right_inverse` outputs one tensor, it may not change the dtype: "
                f"the tensor has {original.dtype}, and the result {new.dtype}"
            )
        if new is not original:
            _set(original, new)
        _keep(self, "original", original)

    def _take_all(self, original: Any, new: Sequence[Any]) -> None:
        for i, part in enumerate(new):
            if not isinstance(part, Tensor):
                raise ValueError(
                    "'right_inverse' must return a Tensor or a Sequence of tensors "
                    f"(list, tuple...). Got element {i} of the sequence with type "
                    f"{type(part).__name__}."
                )
            value: Any = part.detach().clone()
            if isinstance(original, Parameter):
                value = Parameter(value, requires_grad=original.requires_grad)
            value.requires_grad_(original.requires_grad)
            _keep(self, f"original{i}", value)

    def _originals(self) -> list[Any]:
        if self.is_tensor:
            return [self.original]
        return [getattr(self, f"original{i}") for i in range(self.ntensors)]

    def right_inverse(self, value: Any) -> None:
        """Make the parameter *value*: what is learned becomes what gives it."""
        with no_grad():
            for module in reversed(list(self)):
                if not hasattr(module, "right_inverse"):
                    raise RuntimeError(
                        f"parametrization {type(module).__name__} does not implement "
                        "right_inverse."
                    )
                value = module.right_inverse(value)
            if self.is_tensor and not isinstance(value, Tensor):
                raise ValueError(
                    "`right_inverse` should return a tensor. Got "
                    f"{type(value).__name__}"
                )
            if not self.is_tensor and not isinstance(value, Sequence):
                raise ValueError(
                    "'right_inverse' must return a sequence of tensors. Got "
                    f"{type(value).__name__}."
                )
            values: list[Any] = [value] if isinstance(value, Tensor) else list(value)
            if len(values) != self.ntensors:
                raise ValueError(
                    "'right_inverse' must return a sequence of tensors of length "
                    f"{self.ntensors}. Got a sequence of length {len(values)}."
                )
            for old, new in zip(self._originals(), values, strict=True):
                if not isinstance(new, Tensor) or new.dtype != old.dtype:
                    kind = getattr(new, "dtype", type(new).__name__)
                    raise ValueError(
                        f"`right_inverse` returned {kind} where what is learned has "
                        f"{old.dtype}"
                    )
                _set(old, new)

    def forward(self) -> Any:
        first, *rest = self
        x = first(*self._originals())
        for module in rest:
            x = module(x)
        return x


# -- classes ---------------------------------------------------------------------------


def _property(name: str) -> property:
    def get(self: Any) -> Any:
        functions = self.parametrizations[name]
        if not _caching:
            return functions()
        key = (id(self), name)
        if key not in _known:
            _known[key] = functions()
        return _known[key]

    def put(self: Any, value: Any) -> None:
        self.parametrizations[name].right_inverse(value)

    return property(get, put)


def _new_class(module: Any, plain: type[Any]) -> None:
    """Give a module a class of its own, a subclass of *plain*."""

    def __deepcopy__(self: Any, memo: dict[int, Any]) -> Any:
        replica: Any = object.__new__(plain)
        memo[id(self)] = replica
        replica.__dict__.update(copy.deepcopy(self.__dict__, memo))
        _new_class(replica, plain)
        for name in self.parametrizations:
            setattr(type(replica), name, _property(name))
        return replica

    def __getstate__(self: Any) -> Any:
        raise RuntimeError(
            "Serialization of parametrized modules is only supported through "
            "state_dict(): save that, and load it into a module parametrized alike"
        )

    names = {"__deepcopy__": __deepcopy__, "__getstate__": __getstate__}
    meta: Any = type(plain)
    module.__class__ = meta(f"Parametrized{plain.__name__}", (plain,), names)


# -- functions -------------------------------------------------------------------------


def register_parametrization(
    module: Any, tensor_name: str, parametrization: Any, *, unsafe: bool = False
) -> Any:
    """Make the parameter or buffer *tensor_name* a function of what is learned:
    W = parametrization(original). A second one is applied to what the first gives.

    If the parametrization has a ``right_inverse``, it says what the original has to be
    for the tensor to keep its value (and takes what is assigned to the tensor later).
    The result must have the tensor's shape and type unless *unsafe*.

    >>> import retrograd as rg
    >>> class Symmetric(rg.nn.Module):
    ...     def forward(self, x):
    ...         return x.triu() + x.triu(1).T
    >>> layer = register_parametrization(rg.nn.Linear(3, 3), "weight", Symmetric())
    >>> bool((layer.weight == layer.weight.T).all())
    True
    >>> [name for name, _ in layer.named_parameters()]
    ['bias', 'parametrizations.weight.original']
    """
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        if not unsafe:
            old = getattr(module, tensor_name)
            new = parametrization(old)
            _same_kind("A parametrization", new, old, f"module.{tensor_name}")
            if hasattr(parametrization, "right_inverse"):
                try:
                    back = parametrization.right_inverse(new)
                except NotImplementedError:
                    back = old
                what = "parametrization.right_inverse"
                _same_kind(what, back, old, f"module.{tensor_name}")
        module.parametrizations[tensor_name].append(parametrization)
        module.parametrizations[tensor_name].unsafe |= unsafe
    elif tensor_name in module._buffers or tensor_name in module._parameters:
        original = getattr(module, tensor_name)
        functions = ParametrizationList([parametrization], original, unsafe=unsafe)
        delattr(module, tensor_name)
        if not is_parametrized(module):
            _new_class(module, type(module))
            module.parametrizations = ModuleDict()
        setattr(type(module), tensor_name, _property(tensor_name))
        module.parametrizations[tensor_name] = functions
    else:
        raise ValueError(
            f"Module '{module}' does not have a parameter, a buffer, or a parametrized "
            f"element with name '{tensor_name}'"
        )
    return module


def is_parametrized(module: Any, tensor_name: str | None = None) -> bool:
    """Whether the tensor of that name, or any of the module, is parametrized."""
    found = getattr(module, "parametrizations", None)
    if not isinstance(found, ModuleDict):
        return False
    return len(found) > 0 if tensor_name is None else tensor_name in found


def remove_parametrizations(
    module: Any, tensor_name: str, leave_parametrized: bool = True
) -> Any:
    """Make *tensor_name* a parameter (or buffer) as it was, with the value it has now,
    or, unless *leave_parametrized*, that of the original."""
    if not is_parametrized(module, tensor_name):
        raise ValueError(
            f"Module {module} does not have a parametrization on {tensor_name}"
        )
    functions = module.parametrizations[tensor_name]
    if functions.is_tensor:
        tensor = functions.original
        if leave_parametrized:
            with no_grad():
                _set(tensor, getattr(module, tensor_name))
    elif leave_parametrized:
        tensor = getattr(module, tensor_name)
        if tensor.requires_grad:
            tensor = Parameter(tensor.detach())
    else:
        raise ValueError(
            "Cannot leave unparametrized (`leave_parametrized=False`) a tensor that is "
            "parametrized in terms of a sequence of tensors."
        )
    delattr(type(module), tensor_name)
    del module.parametrizations[tensor_name]
    _keep(module, tensor_name, tensor)
    if not is_parametrized(module):
        delattr(module, "parametrizations")
        module.__class__ = type(module).__bases__[0]
    return module


def type_before_parametrizations(module: Any) -> type[Any]:
    """The class that the module had before any parametrization."""
    cls = type(module)
    return cls.__bases__[0] if is_parametrized(module) else cls


def transfer_parametrizations_and_params(
    from_module: Any, to_module: Any, tensor_name: str | None = None
) -> Any:
    """Parametrize *to_module* as *from_module* is (or only *tensor_name*), by the same
    functions and originals."""
    if not is_parametrized(from_module):
        return to_module
    names = [*from_module.parametrizations] if tensor_name is None else [tensor_name]
    for name in names:
        functions = from_module.parametrizations[name]
        if not hasattr(to_module, name):
            value = getattr(from_module, name).detach()
            setattr(to_module, name, Parameter(value))
        for function in functions:
            register_parametrization(to_module, name, function)
        target = to_module.parametrizations[name]
        for key in [k for k in functions._roles if k.startswith("original")]:
            setattr(target, key, getattr(functions, key))
    return to_module
