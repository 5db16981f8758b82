"""The tensors that a module holds: learned ones, and ones that are only kept."""

from __future__ import annotations

from ..tensor import Buffer, Parameter

__all__ = ["Buffer", "Parameter"]
