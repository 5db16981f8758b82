"""How memory is laid out: names that functions accept."""

from __future__ import annotations

__all__ = ["channels_last", "channels_last_3d", "contiguous_format", "layout",
           "memory_format", "preserve_format", "strided"]  # fmt: skip


class layout:
    """How elements lie in memory; there is ``strided`` alone."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"retrograd.{self.name}"

    def __reduce__(self) -> str:
        return self.name


class memory_format(layout):
    """In which order the dimensions of new memory follow each other."""

    __slots__ = ()


strided = layout("strided")
preserve_format = memory_format("preserve_format")
contiguous_format = memory_format("contiguous_format")
channels_last = memory_format("channels_last")
channels_last_3d = memory_format("channels_last_3d")
