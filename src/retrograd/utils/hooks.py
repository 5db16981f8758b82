"""The handle with which a registered hook is taken out again."""

from ..hooks import RemovableHandle as RemovableHandle
