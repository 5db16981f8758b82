"""Utilities; data loading is in ``utils.data``."""

from . import data as data
