"""Hooks that compute a tensor of a module before each of its forwards."""

from __future__ import annotations

from typing import Any


class PreHook:
    """Sets the attribute *name*, which is no parameter any more."""

    name: str

    def __call__(self, module: Any, inputs: Any) -> None:
        raise NotImplementedError


def find(module: Any, kind: type[Any], name: str | None = None) -> Any:
    """The hook of a kind that sets *name*; None if there is none."""
    for entry in module._forward_pre_hooks.values():
        hook = entry[0]
        if isinstance(hook, kind) and name in (None, hook.name):
            return hook
    return None


def drop(module: Any, hook: Any) -> None:
    """Take a hook away, and what it registered for state dicts."""
    for kind in ("forward_pre", "save_post", "load_pre"):
        hooks = module._hooks_of(kind)
        for number, entry in list(hooks.items()):
            of = entry[0] if isinstance(entry, tuple) else entry
            if of is hook or getattr(of, "of", None) is hook:
                del hooks[number]
