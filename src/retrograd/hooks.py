"""The handle with which a registered hook is taken out again."""

from __future__ import annotations

import itertools
from typing import Any, ClassVar


class RemovableHandle:
    """Removes one hook from the dict it was registered in; also a context manager."""

    _numbers: ClassVar[itertools.count[int]] = itertools.count()

    def __init__(self, hooks: dict[int, Any], hook: Any = None) -> None:
        self.id = next(self._numbers)
        self._hooks = hooks
        if hook is not None:
            hooks[self.id] = hook

    def remove(self) -> None:
        """Take the hook out; doing it twice is harmless."""
        self._hooks.pop(self.id, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *exception: object) -> None:
        self.remove()
