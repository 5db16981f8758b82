"""What a module saves and loads: its state dict, names ↦ tensors."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from ..autograd import no_grad
from ..dispatch import constant
from ..tensor import Parameter, Tensor
from ..utils.hooks import RemovableHandle

EXTRA = "_extra_state"


class IncompatibleKeys(NamedTuple):
    """What ``load_state_dict`` did not find, and what it did not want."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return (
            f"_IncompatibleKeys(missing_keys={self.missing_keys}, "
            f"unexpected_keys={self.unexpected_keys})"
        )


class Saved:
    """The part of a module that is about its state dict."""

    #: Counts the changes of what the class saves; kept in the state dict's metadata.
    _version: int = 1
    _roles: dict[str, str]
    _hooks_of: Callable[[str], dict[int, Any]]
    _add_hook: Callable[..., RemovableHandle]

    # -- saving ----------------------------------------------------------------------

    def state_dict(
        self,
        *args: Any,
        destination: Any = None,
        prefix: str = "",
        keep_vars: bool = False,
    ) -> Any:
        """Parameters and persistent buffers by their full names, in order.

        The tensors are detached and share the module's memory; with *keep_vars* they
        are the module's own. A tensor that is shared appears under each of its names.
        """
        named = dict(zip(("destination", "prefix", "keep_vars"), args, strict=False))
        destination = named.get("destination", destination)
        prefix, keep_vars = (
            named.get("prefix", prefix),
            named.get("keep_vars", keep_vars),
        )
        if destination is None:
            destination = OrderedDict()
            destination._metadata = OrderedDict()
        metadata = {"version": self._version}
        if hasattr(destination, "_metadata"):
            destination._metadata[prefix[:-1]] = metadata
        hooks: dict[str, dict[int, Any]] = self.__dict__.get("_hooks", {})
        for hook in list(hooks.get("save_pre", {}).values()):
            hook(self, prefix, keep_vars)
        self._save_to_state_dict(destination, prefix, keep_vars)
        for name, module in self._children():
            module.state_dict(
                destination=destination, prefix=f"{prefix}{name}.", keep_vars=keep_vars
            )
        for hook in list(hooks.get("save_post", {}).values()):
            changed = hook(self, destination, prefix, metadata)
            if changed is not None:
                raise RuntimeError("a state_dict post-hook must return None")
        for hook in list(hooks.get("save_change", {}).values()):
            changed = hook(self, destination, prefix, metadata)
            destination = destination if changed is None else changed
        return destination

    def _save_to_state_dict(
        self, destination: Any, prefix: str, keep_vars: bool
    ) -> None:
        """Put what this module itself saves into *destination*."""
        for name, tensor in self._saved_here().items():
            destination[prefix + name] = tensor if keep_vars else tensor.detach()
        if self._has_extra_state("get_extra_state"):
            destination[prefix + EXTRA] = self.get_extra_state()

    def _saved_here(self) -> dict[str, Tensor]:
        """Parameters, then persistent buffers, without those of submodules."""
        have, roles = self.__dict__, self._roles.items()
        names = [name for name, role in roles if role == "parameter"]
        names += [name for name, role in roles if role == "buffer"]
        return {name: have[name] for name in names if have[name] is not None}

    def _children(self) -> list[tuple[str, Any]]:
        raise NotImplementedError

    def _has_extra_state(self, method: str) -> bool:
        return getattr(type(self), method) is not getattr(Saved, method)

    def get_extra_state(self) -> Any:
        """Override with ``set_extra_state`` to save more than tensors."""
        raise RuntimeError("get_extra_state is not defined by this module")

    def set_extra_state(self, state: Any) -> None:
        """Takes over what ``get_extra_state`` gave."""
        raise RuntimeError("set_extra_state is not defined by this module")

    # -- loading ---------------------------------------------------------------------

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> IncompatibleKeys:
        """Copy saved values into the parameters and buffers of the same names.

        *strict* wants the names to be exactly the module's; shapes always have to
        agree. With *assign* the tensors themselves are taken over, in their own type.
        Values may be anything that NumPy can read as an array. Raises RuntimeError
        that lists everything that does not fit; what fits is loaded all the same.
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(
                f"Expected state_dict to be dict-like, got {type(state_dict)}."
            )
        given = OrderedDict(state_dict)
        metadata = getattr(state_dict, "_metadata", None)
        if metadata is not None:
            given._metadata = metadata  # type: ignore[attr-defined]
        missing: list[str] = []
        unexpected: list[str] = []
        errors: list[str] = []
        result = IncompatibleKeys(missing, unexpected)
        _load(self, given, "", metadata, assign, missing, unexpected, errors, result)
        if strict:
            for what, keys in (("Unexpected", unexpected), ("Missing", missing)):
                if keys:
                    listed = ", ".join(f'"{key}"' for key in keys)
                    errors.insert(0, f"{what} key(s) in state_dict: {listed}. ")
        if errors:
            text = "\n\t".join(errors)
            raise RuntimeError(
                f"Error(s) in loading state_dict for {type(self).__name__}:\n\t{text}"
            )
        return result

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        """Take this module's own part of *state_dict*; append what goes wrong."""
        hooks: dict[str, dict[int, Any]] = self.__dict__.get("_hooks", {})
        for hook in list(hooks.get("load_pre", {}).values()):
            hook(self, state_dict, prefix, local_metadata, strict, missing_keys,
                 unexpected_keys, error_msgs)  # fmt: skip
        assign = bool(local_metadata.get("assign_to_params_buffers", False))
        mine = self._saved_here()
        for name, tensor in mine.items():
            key = prefix + name
            if key not in state_dict:
                missing_keys.append(key)
                continue
            try:
                self._load_one(name, tensor, key, state_dict[key], assign)
            except Exception as error:
                error_msgs.append(str(error))
        extra = prefix + EXTRA
        if self._has_extra_state("set_extra_state"):
            if extra in state_dict:
                self.set_extra_state(state_dict[extra])
            else:
                missing_keys.append(extra)
        elif extra in state_dict:
            unexpected_keys.append(extra)
        children = {name for name, _ in self._children()}
        for key in state_dict:
            if key.startswith(prefix) and key != extra:
                first, dot, _ = key[len(prefix) :].partition(".")
                if first not in (children if dot else mine):
                    unexpected_keys.append(key)

    def _load_one(
        self, name: str, tensor: Any, key: str, value: Any, assign: bool
    ) -> None:
        if not isinstance(value, Tensor):
            if not hasattr(value, "__array__"):
                raise TypeError(
                    f'While copying the parameter named "{key}", expected Tensor or '
                    f"Tensor-like object from checkpoint but received {type(value)}"
                )
            # A copy: its owner may write to it before the loading is run.
            value = constant(np.asarray(value).copy())
        if value.shape != tensor.shape:
            raise RuntimeError(
                f"size mismatch for {key}: copying a param with shape {value.shape} "
                "from checkpoint, the shape in current model is "
                f"{tensor.shape}."
            )
        if assign:
            if isinstance(tensor, Parameter):
                if not isinstance(value, Parameter):
                    value = Parameter(value, requires_grad=tensor.requires_grad)
                value.requires_grad_(tensor.requires_grad)
            setattr(self, name, value)
            return
        with no_grad():
            tensor.copy_(value)

    # -- hooks -----------------------------------------------------------------------

    def register_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """``hook(module, prefix, keep_vars)`` before the module's part is saved."""
        return self._add_hook("save_pre", hook)

    def register_state_dict_post_hook(
        self, hook: Callable[..., Any]
    ) -> RemovableHandle:
        """``hook(module, state_dict, prefix, metadata)`` after it is saved; it may
        change the state dict in place."""
        return self._add_hook("save_post", hook)

    def _register_state_dict_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """The older form of a post-hook: what it returns is taken instead."""
        return self._add_hook("save_change", hook)

    def _register_load_state_dict_pre_hook(
        self, hook: Callable[..., Any], with_module: bool = False
    ) -> RemovableHandle:
        """The older form of a load pre-hook, which is not told the module."""
        entry = hook if with_module else lambda module, *args: hook(*args)
        return self._add_hook("load_pre", entry)

    def register_load_state_dict_pre_hook(
        self, hook: Callable[..., Any]
    ) -> RemovableHandle:
        """``hook(module, state_dict, prefix, metadata, strict, missing_keys,
        unexpected_keys, error_msgs)`` before the module's part is loaded."""
        return self._add_hook("load_pre", hook)

    def register_load_state_dict_post_hook(
        self, hook: Callable[..., Any]
    ) -> RemovableHandle:
        """``hook(module, incompatible_keys)`` after loading; it may edit the lists."""
        return self._add_hook("load_post", hook)


def _load(
    module: Any,
    given: Any,
    prefix: str,
    metadata: Any,
    assign: bool,
    missing: list[str],
    unexpected: list[str],
    errors: list[str],
    result: IncompatibleKeys,
) -> None:
    local = {} if metadata is None else dict(metadata.get(prefix[:-1], {}))
    if assign:
        local["assign_to_params_buffers"] = True
    module._load_from_state_dict(
        given, prefix, local, True, missing, unexpected, errors
    )
    for name, child in module._children():
        start = f"{prefix}{name}."
        part = OrderedDict((k, v) for k, v in given.items() if k.startswith(start))
        _load(child, part, start, metadata, assign, missing, unexpected, errors, result)
    hooks: dict[str, dict[int, Any]] = module.__dict__.get("_hooks", {})
    for hook in list(hooks.get("load_post", {}).values()):
        if hook(module, result) is not None:
            raise RuntimeError("a load_state_dict post-hook must return None")
