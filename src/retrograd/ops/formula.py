"""What an op displays, evaluated: ``formula`` and ``adjoint`` are mathematics, and so
they can be compared with ``forward`` and the rules.

The language is arithmetic as it is written on paper: ``·`` for a product, ``−``, ``²``,
``^`` for a power, ``√a`` or ``√(…)``, ``|a|``, ``[a > 0]`` for 1 where it holds and 0
elsewhere (with ``=``, ``≠``, ``≤``, ``≥``), functions by their NumPy name, and the
names of the op: its inputs, ``ḡ`` and ``out``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from . import airy, bessel, erf, gamma

_SIGNS = {"·": "*", "−": "-", "²": "**2", "³": "**3", "^": "**",
          "≤": "<=", "≥": ">=", "≠": "!="}  # fmt: skip
_FUNCTIONS = {
    name: getattr(module, name)
    for module, names in (
        (erf, "erf erfc erfcx erfinv ndtri"),
        (gamma, "lgamma digamma zeta gammainc gammaincc"),
        (bessel, "bessel_i bessel_j bessel_k bessel_y"),
        (airy, "airy"),
    )
    for name in names.split()
} | {"π": np.pi}


def to_python(text: str) -> str:
    """The expression as Python writes it.

    >>> to_python("−ḡ · √(1 − a²) + |a| · [a = 0]")
    '-ḡ * sqrt(1 - a**2) + abs(a) * indicator(a == 0)'
    """
    for sign, python in _SIGNS.items():
        text = text.replace(sign, python)
    text = re.sub(r"(?<![<>!=])=(?!=)", "==", text)
    text = re.sub(r"√(\w+)", r"sqrt(\1)", text).replace("√", "sqrt")
    text = text.replace("[", "indicator(").replace("]", ")")
    return re.sub(r"\|([^|]+)\|", r"abs(\1)", text)


class _Names(dict[str, Any]):
    def __missing__(self, name: str) -> Any:
        return getattr(np, name)


def evaluate(text: str, values: Mapping[str, Any]) -> Any:
    """The value of a displayed formula; *values* are its names, and override NumPy's.

    >>> float(evaluate("ḡ · 2 / √π", {"ḡ": 1.0}).round(6))
    1.128379
    """
    names = _Names(_FUNCTIONS, indicator=lambda truth: np.where(truth, 1.0, 0.0))
    names.update(values)
    return eval(to_python(text), {"__builtins__": {}}, names)
