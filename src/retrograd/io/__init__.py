"""Saving and loading: safetensors files, written atomically, read with suspicion."""

from .atomic import write_atomically as write_atomically
from .safetensors import FileError as FileError
from .safetensors import load_safetensors as load_safetensors
from .safetensors import save_safetensors as save_safetensors
from .state import load as load
from .state import save as save

__all__ = [
    "FileError",
    "load",
    "load_safetensors",
    "save",
    "save_safetensors",
    "write_atomically",
]
