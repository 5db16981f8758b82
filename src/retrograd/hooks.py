"""What users have called during a backward pass, and how it is taken out again."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, ClassVar

from .trace import Handle, spec_of


class RemovableHandle:
    """Removes one hook from the dict it was registered in; also a context manager."""

    _numbers: ClassVar[itertools.count[int]] = itertools.count()

    def __init__(self, hooks: dict[int, Any], hook: Any = None) -> None:
        self.id = next(self._numbers)
        self._hooks = hooks
        self.also: RemovableHandle | None = None  # goes with this one
        if hook is not None:
            hooks[self.id] = hook

    def remove(self) -> None:
        """Take the hook out; doing it twice is harmless."""
        self._hooks.pop(self.id, None)
        if self.also is not None:
            self.also.remove()

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *exception: object) -> None:
        self.remove()


def told(hooks: dict[int, Callable[[Any], Any]], g: Any) -> Any:
    """The gradient as the hooks of a tensor leave it."""
    for hook in list(hooks.values()):
        changed = hook(g)
        if changed is None:
            continue
        name = getattr(hook, "__name__", repr(hook))
        if not isinstance(changed, Handle):
            raise TypeError(
                f"expected a Tensor, but hook {name!r} returned "
                f"{type(changed).__name__!r}: return the new gradient, or None"
            )
        have, want = spec_of(changed), spec_of(g)
        if have is not want:
            what = "type" if have.shape == want.shape else "size"
            raise RuntimeError(
                f"hook {name!r} has changed the {what} of value (was {want!r} got "
                f"{have!r})"
            )
        g = changed
    return g


class StateHooks:
    """What is to happen when the gradient of a computed value is known."""

    def __init__(self) -> None:
        #: of the tensor: one gradient
        self.functions: dict[int, Callable[[Any], Any]] = {}
        #: of the node: tuples of gradients, before its rules are applied and after
        self.before: dict[int, Callable[[Any], Any]] = {}
        self.after: dict[int, Callable[[Any, Any], Any]] = {}
        self.metadata: dict[Any, Any] = {}
        #: keeps the gradient in ``.grad``, as the functions leave it
        self.keep: Callable[[Any], None] | None = None

    def run(self, g: Any) -> Any:
        """Tell the hooks of the tensor, which may change the gradient."""
        g = told(self.functions, g)
        if self.keep is not None:
            self.keep(g)
        return g

    def enter(self, g: Any) -> Any:
        """Tell the hooks of the node before its rules are applied."""
        for function in list(self.before.values()):
            changed = function((g,))
            if changed is not None:
                (g,) = changed if isinstance(changed, tuple) else (changed,)
        return g
