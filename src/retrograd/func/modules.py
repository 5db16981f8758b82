"""Modules as functions of their parameters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..nn import Module


def functional_call(
    module: Module,
    parameter_and_buffer_dicts: Any,
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """module(*args), with the given tensors in the place of parameters and buffers.

    A dict (or several, as a tuple) of names as in ``named_parameters``; what it leaves
    out stays. With *tie_weights* what the module shares stays shared; with *strict* the
    names must be just those of the module.

    >>> import retrograd as rg
    >>> net = rg.nn.Linear(2, 1, bias=False)
    >>> rg.func.functional_call(net, {"weight": rg.ones(1, 2)}, rg.tensor([1.0, 2.0]))
    tensor([3.])
    """
    given = _merged(parameter_and_buffer_dicts)
    arguments = () if args is None else args if isinstance(args, tuple) else (args,)
    places = _places(module, given, tie_weights, strict)
    before = []
    try:
        for holder, name, value in places:
            before.append((holder, name, holder.__dict__.get(name, _NOTHING), value))
            _set(holder, name, value)
        return module(*arguments, **(kwargs or {}))
    finally:
        for holder, name, old, value in reversed(before):
            # A buffer that the module itself replaced goes to the caller's dict.
            new = holder.__dict__.get(name)
            if new is not value and isinstance(parameter_and_buffer_dicts, dict):
                for full in given:
                    if given[full] is value:
                        parameter_and_buffer_dicts[full] = new
            _set(holder, name, old)


_NOTHING = object()


def _set(holder: Module, name: str, value: Any) -> None:
    """Set a member, or an attribute that the module did not have; or take that away."""
    if name in holder._roles:
        holder._put(name, value, holder._roles[name])
    elif value is _NOTHING:
        holder.__dict__.pop(name, None)
    else:
        holder.__dict__[name] = value


def _merged(dicts: Any) -> dict[str, Any]:
    if isinstance(dicts, dict):
        return dicts
    if not isinstance(dicts, Sequence) or not all(isinstance(d, dict) for d in dicts):
        raise ValueError(
            "Expected parameter_and_buffer_dicts to be a dict, or a list/tuple of dicts, "
            f"but got {type(dicts).__name__}"
        )
    merged: dict[str, Any] = {}
    for d in dicts:
        for name in d:
            if name in merged:
                raise ValueError(f"{name} appears in multiple dictionaries")
        merged |= d
    return merged


def _places(
    module: Module, given: dict[str, Any], tie: bool, strict: bool
) -> list[tuple[Module, str, Any]]:
    """Where each tensor goes: (module, name there, tensor)."""
    slots: dict[str, tuple[Module, str]] = {}
    for prefix, holder in module.named_modules(remove_duplicate=False):
        for name, role in holder._roles.items():
            if role != "module" and holder.__dict__[name] is not None:
                slots[f"{prefix}.{name}" if prefix else name] = (holder, name)
    unknown = [name for name in given if name not in slots]
    if strict and unknown:
        raise RuntimeError(
            f"Unexpected key(s): {', '.join(unknown)}: the module has no such parameters "
            "or buffers"
        )
    for full in unknown:  # as PyTorch does: an attribute for the time of the call
        prefix, _, name = full.rpartition(".")
        slots[full] = (module.get_submodule(prefix), name)
    alike: dict[int, list[str]] = {}
    for full, (holder, name) in slots.items():
        if full not in unknown:
            alike.setdefault(id(holder.__dict__[name]), []).append(full)
    wanted = dict(given)
    if tie:
        for names in alike.values():
            values = {id(given[n]): given[n] for n in names if n in given}
            if len(values) > 1:
                raise ValueError(
                    f"functional_call got multiple values for keys {sorted(names)}, which "
                    "are tied. Consider using tie_weights=False"
                )
            for value in values.values():
                wanted |= dict.fromkeys(names, value)
    missing = [name for name in slots if name not in wanted]
    if strict and missing:
        raise RuntimeError(f"Missing key(s): {', '.join(missing)}")
    return [(*slots[full], value) for full, value in wanted.items()]


def stack_module_state(
    models: Sequence[Module] | Any,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The parameters and the buffers of several alike modules, stacked: to be mapped
    over with ``vmap`` and ``functional_call`` (an ensemble in one call)."""
    from ..functions.joining import stack

    models = list(models)
    if not models:
        raise RuntimeError("stack_module_state: Expected at least one model, got 0.")
    if not (all(m.training for m in models) or not any(m.training for m in models)):
        raise RuntimeError(
            "stack_module_state: Expected all models to have the same training/eval mode."
        )
    kind = type(models[0])
    if not all(type(m) is kind for m in models):
        raise RuntimeError(
            "stack_module_state: Expected all models to be of the same class."
        )
    params = [dict(m.named_parameters()) for m in models]
    buffers = [dict(m.named_buffers()) for m in models]
    stacked = {}
    for name in params[0]:
        parts = [p[name] for p in params]
        if len({p.requires_grad for p in parts}) > 1:
            raise RuntimeError(
                f"Expected {name} to have consistent requires_grad, got some that "
                "require grad and some that do not"
            )
        whole = stack([p.detach() for p in parts])
        stacked[name] = whole.requires_grad_(parts[0].requires_grad)
    return stacked, {
        name: stack([b[name].detach() for b in buffers]) for name in buffers[0]
    }


def functionalize(
    func: Callable[..., Any], *, remove: str = "mutations"
) -> Callable[..., Any]:
    """*func* itself: what is recorded here has no mutation to be removed. In-place
    methods are recorded as new values, and views as operations of their own."""
    if remove not in ("mutations", "mutations_and_views"):
        raise RuntimeError(
            "functionalize(f, remove='mutations'): remove must be 'mutations' or "
            f"'mutations_and_views', not {remove!r}"
        )
    return func


def debug_unwrap(tensor: Any, *, recurse: bool = True) -> Any:
    """*tensor* itself: a transformation wraps nothing, it records."""
    return tensor


def replace_all_batch_norm_modules_(root: Module) -> Module:
    """Let every batch normalization below *root* use the statistics of its batch alone,
    in place: running averages cannot be updated for one example of many."""
    for module in root.modules():
        if hasattr(module, "running_mean") and hasattr(module, "track_running_stats"):
            module.running_mean = module.running_var = None
            module.num_batches_tracked = None
            module.track_running_stats = False
    return root


__all__ = ["debug_unwrap", "functional_call", "functionalize", "replace_all_batch_norm_modules_",
           "stack_module_state"]  # fmt: skip
