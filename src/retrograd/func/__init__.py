"""Transformations of functions."""
from .vmapping import vmap
