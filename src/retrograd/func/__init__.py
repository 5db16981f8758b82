"""Transformations of functions."""

from .vmapping import vmap
from .forward import jvp, linearize
from .reverse import grad, grad_and_value, vjp
