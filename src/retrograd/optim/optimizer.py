"""What every optimizer shares: groups of parameters, their state, saving and loading.

An optimizer is a pure update rule, θ, g, s ↦ θ′, s′. A subclass says three things:

``scalars``     the host numbers that change from step to step (learning rate, bias
                corrections, …), as Python floats
``init_state``  the state of a parameter that has not been updated yet
``update``      the rule itself, in Tensor operations: nothing is written, no value is
                read, and Python only branches on hyperparameters and on which entries
                the state has. So the rule can be recorded, compiled and fused.

``step`` applies it to every parameter that has a gradient and writes the results.
"""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from functools import wraps
from typing import Any, ClassVar, TypeAlias

import numpy as np

from .. import dtypes
from ..autograd import enable_grad
from ..dispatch import constant
from ..tensor import Tensor
from ..trace import settings
from ..utils.hooks import RemovableHandle
from .implementations import check_at_start
from .record import ParamGroup, StepEdges, bind

Group: TypeAlias = dict[str, Any]
State: TypeAlias = dict[str, Any]
Params: TypeAlias = Iterable[Any]
Closure: TypeAlias = Callable[[], Any]


class _Required:
    def __repr__(self) -> str:
        return "<required parameter>"


#: A default that every parameter group must replace by a value of its own.
required = _Required()


def _hooked(step: Callable[..., Any]) -> Callable[..., Any]:
    """*step* with the registered hooks around it, noting that a step was made."""

    @wraps(step)
    def run(self: Optimizer, *args: Any, **kwargs: Any) -> Any:
        self._stepped += 1
        if not (self._hooks or _of_all):
            return step(self, *args, **kwargs)
        for hook in _of("step_pre", _of_all, self._hooks):
            result = hook(self, args, kwargs)
            if result is not None:
                if not isinstance(result, tuple) or len(result) != 2:
                    raise RuntimeError(
                        "a step pre-hook must return None or a tuple of "
                        f"(new_args, new_kwargs), but got {result!r}"
                    )
                args, kwargs = result
        out = step(self, *args, **kwargs)
        for hook in _of("step_post", self._hooks, _of_all):
            hook(self, args, kwargs)
        return out

    return run


#: Hooks by the number of their handle, each with its kind: empty again when the last
#: one is taken out, so that a step asks nothing more.
Hooks: TypeAlias = dict[int, tuple[str, Callable[..., Any]]]

#: the hooks of every optimizer
_of_all: Hooks = {}


def _of(kind: str, *registered: Hooks) -> list[Callable[..., Any]]:
    return [hook for hooks in registered for k, hook in hooks.values() if k == kind]


def _register(
    hooks: Hooks, kind: str, hook: Callable[..., Any], prepend: bool = False
) -> RemovableHandle:
    handle = RemovableHandle(hooks)
    others = dict(hooks) if prepend else {}
    if prepend:
        hooks.clear()
    hooks[handle.id] = (kind, hook)
    hooks.update(others)
    return handle


def register_optimizer_step_pre_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """``hook(optimizer, args, kwargs)`` before each step of every optimizer."""
    return _register(_of_all, "step_pre", hook)


def register_optimizer_step_post_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """``hook(optimizer, args, kwargs)`` after each step of every optimizer."""
    return _register(_of_all, "step_post", hook)


class Optimizer:
    """The base of all optimizers.

    *params* are tensors, (name, tensor) pairs, or dicts with an entry ``"params"`` and
    hyperparameters of their own; *defaults* fills in what a group does not say.
    ``foreach``, ``fused``, ``capturable`` and ``differentiable``, which in PyTorch
    choose between implementations, are accepted everywhere: see ``implementations.py``.
    """

    #: Whether ``state`` counts the steps of each parameter (under ``"step"``).
    counts_steps: ClassVar[bool] = True

    defaults: dict[str, Any]
    state: defaultdict[Any, State]
    param_groups: list[Group]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "step" in cls.__dict__:
            cls.step = _hooked(cls.__dict__["step"])  # type: ignore[method-assign]

    def __init__(self, params: Params, defaults: dict[str, Any]) -> None:
        if isinstance(params, Tensor):
            raise TypeError(
                "params argument given to the optimizer should be an iterable of "
                f"Tensors or dicts, but got {type(params).__name__}; "
                "put the tensor in a list"
            )
        check_at_start(defaults)
        self.defaults = defaults
        self.state = defaultdict(dict)
        self.param_groups = []
        self._hooks: Hooks = {}
        self._stepped = 0  # the steps made
        self._edges = StepEdges()
        groups = list(params)
        if not groups:
            raise ValueError("optimizer got an empty parameter list")
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    # The rule.

    def scalars(self, group: Group, step: int) -> tuple[float, ...]:
        """Host numbers of the *step*-th update (counted from 1) of a group."""
        raise NotImplementedError

    def init_state(self, param: Tensor, group: Group) -> State:
        """The state before the first update; entries may also appear later."""
        return {}

    def update(
        self,
        param: Tensor,
        grad: Tensor,
        state: State,
        scalars: Sequence[Any],
        group: Group,
    ) -> tuple[Tensor, State]:
        """The new parameter and the new state. *scalars* are what ``scalars`` returned,
        as floats or as 0-d tensors of the parameter's dtype."""
        raise NotImplementedError

    @staticmethod
    def built_in(key: str, value: Any) -> Any:
        """What ``update`` fixes of a hyperparameter; None where ``scalars`` brings it.
        A recorded step is made anew when this changes."""
        return None if key == "lr" else value

    # Using it.

    @_hooked
    def step(self, closure: Closure | None = None) -> Any:
        """Update every parameter that has a gradient.

        *closure* recomputes the loss, with gradients enabled; its result is returned.
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        self._edges.step(self)
        return loss

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients, or set them to zero."""
        swift = self._edges.swift
        if set_to_none and swift is not None and swift.forgets(self):
            return
        for group in self.param_groups:
            for param in group["params"]:
                if set_to_none:
                    param.grad = None
                elif param.grad is not None:
                    param.grad.detach_().zero_()

    def add_param_group(self, param_group: Group) -> None:
        """Optimize more parameters, with hyperparameters of their own."""
        if not isinstance(param_group, dict):
            raise TypeError(
                f"param_group must be a dict, but got {type(param_group).__name__}"
            )
        params = param_group["params"]
        if isinstance(params, set):
            raise TypeError(
                "optimizer parameters need to be in an ordered collection: the order "
                "of a set changes between runs; use a list"
            )
        params = [params] if isinstance(params, Tensor) else list(params)
        pairs = [p for p in params if isinstance(p, tuple)]
        if pairs:
            if len(pairs) != len(params):
                raise ValueError(
                    "all optimizer params should be with/without names. "
                    "Some param names are missing"
                )
            param_group["param_names"] = [name for name, _ in pairs]
            params = [p for _, p in pairs]
        param_group["params"] = params
        self._check_params(params)
        for name, default in self.defaults.items():
            if default is required and name not in param_group:
                raise ValueError(
                    "parameter group didn't specify a value of required optimization "
                    f"parameter {name}"
                )
            param_group.setdefault(name, default)
        named = "param_names" in param_group
        if any(named != ("param_names" in group) for group in self.param_groups):
            raise ValueError(
                "all optimizer param groups should be with/without names. cannot add "
                f"param group {'with' if named else 'without'} names to the optimizer"
            )
        if not self.defaults.get("differentiable"):
            for param in params:
                bind(param)
        self.param_groups.append(ParamGroup(param_group, self.built_in))

    def _check_params(self, params: list[Any]) -> None:
        for param in params:
            if not isinstance(param, Tensor):
                raise TypeError(
                    "optimizer can only optimize Tensors, but one of the params is "
                    f"{type(param).__name__}"
                )
            if self.defaults.get("differentiable"):
                continue  # it may be the result of a step before
            if not (param.is_leaf or param.retains_grad):
                raise ValueError("can't optimize a non-leaf Tensor")
        ids = {id(p) for p in params}
        if len(ids) != len(params):
            warnings.warn(
                "optimizer contains a parameter group with duplicate parameters; "
                "each of them is updated more than once per step",
                stacklevel=4,
            )
        if any(id(p) in ids for group in self.param_groups for p in group["params"]):
            raise ValueError("some parameters appear in more than one parameter group")

    # Saving and loading.

    def state_dict(self) -> dict[str, Any]:
        """``{"state": {index: …}, "param_groups": […]}``: parameters are replaced by
        their indices, counted through the groups; step counts are 0-d tensors."""
        for hook in _of("state_dict_pre", self._hooks):
            hook(self)
        index: dict[int, int] = {}
        groups = []
        for group in self.param_groups:
            for param in group["params"]:
                index.setdefault(id(param), len(index))
            packed = {k: v for k, v in group.items() if k != "params"}
            packed["params"] = [index[id(p)] for p in group["params"]]
            groups.append(packed)
        state = {
            index[id(key)] if isinstance(key, Tensor) else key: (
                _pack(entry) if isinstance(key, Tensor) else entry
            )
            for key, entry in self.state.items()
        }
        result: dict[str, Any] = {"state": state, "param_groups": groups}
        for hook in _of("state_dict_post", self._hooks):
            changed = hook(self, result)
            result = result if changed is None else changed
        return result

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what ``state_dict`` saved, here or by PyTorch. Tensors (or arrays)
        are copied, in the dtype of their parameter; ValueError where groups or their
        lengths differ."""
        state_dict = state_dict.copy()
        for hook in _of("load_state_dict_pre", self._hooks):
            changed = hook(self, state_dict)
            state_dict = state_dict if changed is None else changed
        groups, owners = self._load_groups(state_dict["param_groups"])
        state: defaultdict[Any, State] = defaultdict(dict)
        for key, entry in state_dict["state"].items():
            if key in owners:
                param, group = owners[key]
                state[param] = _unpack(entry, param, self.init_state(param, group))
            else:
                state[key] = deepcopy(entry)
        self.state, self.param_groups = state, groups
        settings[0] += 1
        self._edges = StepEdges()
        for hook in _of("load_state_dict_post", self._hooks):
            hook(self)

    def _load_groups(
        self, saved: list[Group]
    ) -> tuple[list[Group], dict[Any, tuple[Tensor, Group]]]:
        """New groups, and to whom each saved index belongs."""
        if len(saved) != len(self.param_groups):
            raise ValueError(
                "loaded state dict has a different number of parameter groups: "
                f"{len(saved)}, but the optimizer has {len(self.param_groups)}"
            )
        groups: list[Group] = []
        owners: dict[Any, tuple[Tensor, Group]] = {}
        for number, (old, new) in enumerate(zip(self.param_groups, saved, strict=True)):
            if len(old["params"]) != len(new["params"]):
                raise ValueError(
                    "loaded state dict contains a parameter group that doesn't match "
                    f"the size of optimizer's group: group {number} has "
                    f"{len(new['params'])} parameters, not {len(old['params'])}"
                )
            group = {k: deepcopy(v) for k, v in new.items() if k != "params"}
            if "param_names" in old:
                group.setdefault("param_names", old["param_names"])
            group = {"params": old["params"], **self.defaults, **group}
            groups.append(ParamGroup(group, self.built_in))
            for index, param in zip(new["params"], old["params"], strict=True):
                owners[index] = (param, group)
        return groups, owners

    def __getstate__(self) -> dict[str, Any]:
        # Hooks belong to the program, not to what is saved.
        return {k: v for k, v in self.__dict__.items() if k not in ("_hooks", "_edges")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._hooks = {}
        self._edges = StepEdges()

    # Hooks.

    def register_step_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """``hook(optimizer, args, kwargs)`` before each step; it may return changed
        ``(args, kwargs)``."""
        return _register(self._hooks, "step_pre", hook)

    def register_step_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """``hook(optimizer, args, kwargs)`` after each step."""
        return _register(self._hooks, "step_post", hook)

    def register_state_dict_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """``hook(optimizer)`` before ``state_dict``."""
        return _register(self._hooks, "state_dict_pre", hook, prepend)

    def register_state_dict_post_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """``hook(optimizer, state_dict)`` may return a changed state dict."""
        return _register(self._hooks, "state_dict_post", hook, prepend)

    def register_load_state_dict_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """``hook(optimizer, state_dict)`` may return the state dict to load."""
        return _register(self._hooks, "load_state_dict_pre", hook, prepend)

    def register_load_state_dict_post_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """``hook(optimizer)`` after ``load_state_dict``."""
        return _register(self._hooks, "load_state_dict_post", hook, prepend)

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for i, group in enumerate(self.param_groups):
            lines += [""] * (i > 0) + [f"Parameter Group {i}"]
            lines += [f"    {k}: {group[k]}" for k in sorted(group) if k != "params"]
        return "\n".join([*lines, ")"])


def _pack(entry: State) -> State:
    if "step" not in entry:
        return dict(entry)
    return {**entry, "step": constant(np.array(entry["step"], dtype=counting_type()))}


def counting_type() -> Any:
    """Of what type PyTorch keeps numbers about a run, such as its steps: single
    precision, unless double is the default type."""
    wide = dtypes.get_default_dtype() is dtypes.float64
    return np.float64 if wide else np.float32


def _unpack(entry: State, param: Tensor, fresh: State) -> State:
    """A saved entry in copies, in the types that it would have started with, so that a
    run continues bit for bit."""
    result: State = {}
    for key, value in entry.items():
        if key == "step":
            result[key] = int(float(value))
        elif value is not None:  # PyTorch's SGD may save a buffer that is None
            dtype = getattr(fresh.get(key, param), "dtype", param.dtype).np
            result[key] = _copied(value, dtype)
    return result


def _copied(value: Any, dtype: Any) -> Any:
    if isinstance(value, Tensor):
        value = value.detach().numpy()
    if getattr(type(value), "__array__", None) is not None:  # PyTorch's tensors, too
        return constant(np.array(np.asarray(value), dtype))
    if type(value) in (list, tuple):
        return type(value)(_copied(v, dtype) for v in value)
    return deepcopy(value)
