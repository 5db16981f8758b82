"""The description of a calculation, from which text, Markdown, LaTeX, HTML, drawings and
the browser page all come. It is data: every part is a data class, and
:meth:`Description.as_dict` turns it into what JSON can hold.

The JSON (``version`` 1)
========================
Numbers that JSON has no word for are the strings ``"NaN"``, ``"Infinity"`` and
``"-Infinity"``. Everything that is said to people is in ``language``. What is not known
is ``null``. Identifiers say what they are: ``n…`` a node, ``g…`` a gradient, ``o…`` an
operation, ``k…`` a kernel; a module is named by its path.

``nodes``
    What has a name: first the leaves (``role`` "parameter", "input" or "random"; also
    "element", a part of a leaf such as β₀ of beta), then the lines of the forward pass
    (``role`` "value", the last one "loss") in the order in which they are computed.
    ``block`` says how the lecture's notation draws the function that makes it:
    "variable" (a circle alone), "function" (rounded on the side that is easy to compute)
    or "scalar" (a square: one number comes out).
``edges``
    From each node to the nodes computed from it, with the sizes of the chain rule's
    product along it.
``gradients``
    ∂ℓ/∂node, in the order of the backward pass (``phase`` "backward"), then those of the
    leaves (``phase`` "parameters"). ``products`` has one entry for each way in which the
    node acts on the loss: incoming gradient × local Jacobian; several are summed.
``operations``
    The graph that runs, one entry for each recorded operation, forward and backward, with
    the node or gradient whose formula it is part of, and the kernel that computes it.
``modules``
    The tree of modules that operations were recorded in, the outermost first.
``kernels``
    What the compiler makes of ``operations``; empty unless asked for.
``steps``
    Identifiers of nodes and gradients in the order in which they are computed: what
    stepping walks along.

A formula is ``{"text", "latex", "mathml"}``: plain Unicode, what goes between dollar
signs, and the inside of a ``<math>`` element, already escaped. All other strings are
plain text that a page has to escape.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field, fields
from typing import Any

from . import latex, mathml, typeset
from .notation import Expr

VERSION = 1


class Formula:
    """An expression, with the number of digits that it is shown with."""

    __slots__ = ("expr", "precision")

    def __init__(self, expr: Expr, precision: int = 4) -> None:
        self.expr, self.precision = expr, precision

    @property
    def text(self) -> str:
        return typeset.text(self.expr, self.precision)

    @property
    def latex(self) -> str:
        return latex.latex(self.expr, self.precision)

    @property
    def mathml(self) -> str:
        return mathml.mathml(self.expr, self.precision)

    def as_dict(self) -> dict[str, str]:
        return {"text": self.text, "latex": self.latex, "mathml": self.mathml}

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"Formula({self.text!r})"


@dataclass
class Source:
    """A line of the user's program."""

    file: str  # as it is shown: without folders
    line: int
    text: str  # what stands there; "" where it cannot be read


@dataclass
class Value:
    """Numbers: whole if there are few, and what they look like as a whole."""

    shape: list[int]
    dtype: str
    #: "given" (a leaf), "run" (kept by the run) or "recomputed" (by NumPy, for this: the
    #: run kept no copy, as is usual for values inside fused kernels)
    origin: str
    size: int
    data: Any = None  # nested lists, or a number, if size is at most WHOLE
    min: float | None = None  # of the finite numbers; so are the next four
    max: float | None = None
    mean: float | None = None
    std: float | None = None
    norm: float | None = None  # √Σx²
    zeros: int = 0
    nan: int = 0
    inf: int = 0
    #: {"edges": n + 1 numbers, "counts": n numbers} of the finite numbers
    histogram: dict[str, list[float]] | None = None
    #: rows of numbers: the value as a matrix, averaged down to at most HEAT × HEAT
    heat: list[list[float]] | None = None
    text: str = ""  # as the lines show it


@dataclass
class Node:
    """One named value of the forward pass."""

    id: str
    role: str  # "parameter" "input" "random" "element" "value" "loss"
    block: str  # "variable" "function" "scalar"
    name: Formula
    label: str  # what the user calls it; of a value the function: "linear", "sin"
    function: str  # the function that makes it, as a block is labelled; "" of a leaf
    shape: list[int]
    dtype: str
    formula: Formula | None = None  # f₁ = …; None of a leaf
    numbers: Formula | None = None  # the formula with numbers; None if they are many
    value: Value | None = None  # None where it was not kept
    inputs: list[str] = field(default_factory=list)  # nodes
    gradient: str | None = None
    wants_grad: bool = False
    module: str = ""  # path; "" outside modules
    source: Source | None = None
    operations: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass
class Edge:
    """A use of one node by another."""

    source: str
    target: str
    shape: list[int]  # of the value that goes along it
    #: [rows, columns] of the local Jacobian ∂target/∂source, in the layout of the
    #: description; None where no gradient comes back
    jacobian: list[int] | None = None


@dataclass
class Jacobian:
    """∂(node that uses)/∂(node): what kind of matrix it is."""

    name: Formula
    shape: list[int]  # [rows, columns], in the layout of the description
    kind: str  # "identity" "mask" "diagonal" "matrix" "Kronecker" "dense" …
    words: str  # the kind, for people
    matrix: Formula | None = None  # what it is made of: Ωᵀ, or I ⊗ x
    built: bool = True  # False: too large, and nobody needs it whole
    entries: list[list[float]] | None = None  # if asked for


@dataclass
class Product:
    """One product of the chain rule: outgoing = incoming × Jacobian, with shapes."""

    through: str  # the node that uses this one
    incoming: str  # the gradient of that node
    shapes: list[list[int]]  # of the outgoing gradient, and of the two factors in order
    text: str  # "[1×5] = [1×10]·[10×5]"
    jacobian: Jacobian


@dataclass
class Check:
    """A gradient beside central differences in float64."""

    way: str  # "each" number was changed, or all along one random "direction"
    derivative: list[float]
    difference: list[float]
    error: float  # the largest difference of the two, relative to the largest of them
    kink: bool  # the loss bends here: one side differs from the other
    holds: bool
    #: it does not hold, and on the way to the loss the program sets a derivative itself
    stopped: bool = False


@dataclass
class Gradient:
    """∂ℓ/∂node."""

    id: str
    node: str
    phase: str  # "backward" or "parameters"
    name: Formula
    formula: Formula
    rule: Formula | None = None  # the chain rule itself, Σ ∂c/∂v · ∂ℓ/∂c
    opened: Formula | None = None  # the formula with the gradient above written out
    numbers: Formula | None = None
    value: Value | None = None
    products: list[Product] = field(default_factory=list)
    ways: int = 0  # how many products it is the sum of; the first 64 are listed
    reuses: list[str] = field(default_factory=list)  # nodes and gradients
    check: Check | None = None
    operations: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass
class Operation:
    """One recorded operation."""

    id: str
    phase: str  # "forward" or "backward"
    op: str
    formula: str  # of the op, in its own letters
    inputs: list[Any]  # ids of operations and of leaves; numbers
    shape: list[int]
    dtype: str
    home: str | None = None  # the node or gradient whose formula it is part of
    of: str | None = None  # backward: the operation that it differentiates
    module: str = ""
    group: list[str] = field(default_factory=list)  # compositions, the outermost first
    source: Source | None = None
    kernel: str | None = None


@dataclass
class Module:
    path: str
    kind: str  # its class
    parent: str | None
    nodes: list[str] = field(default_factory=list)


@dataclass
class Kernel:
    """Operations that are computed together."""

    id: str
    kind: str  # "loop" "product" "convolution" "columns" … "call" (NumPy)
    words: str
    shape: list[int]
    operations: list[str] = field(default_factory=list)
    writes: int = 0  # numbers that it leaves in memory


@dataclass
class Description:
    """A calculation and its derivative; see the module for what the fields mean."""

    title: str
    language: str
    level: str  # "modules" "operations" "kernels"
    layout: str  # "denominator" (gradients are columns) or "numerator" (rows)
    precision: int
    loss: str
    seeded: bool  # a gradient was given for the loss
    nodes: list[Node]
    gradients: list[Gradient]
    edges: list[Edge] = field(default_factory=list)
    operations: list[Operation] = field(default_factory=list)
    modules: list[Module] = field(default_factory=list)
    kernels: list[Kernel] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)
    nonfinite: str | None = None  # the first node or gradient with a NaN or infinity
    source: Source | None = None  # the line of the loss
    notes: list[str] = field(default_factory=list)
    #: how many nodes, gradients and operations are in the graph but not in here
    omitted: dict[str, int] = field(default_factory=dict)
    #: titles and labels in the language: "forward", "backward", "parameters", …
    words: dict[str, str] = field(default_factory=dict)
    version: int = VERSION

    def __post_init__(self) -> None:
        self._by_id: dict[str, Any] = {}

    def __getitem__(self, id: str) -> Any:
        """The node, gradient, operation or kernel of that identifier."""
        if not self._by_id:
            for part in (self.nodes, self.gradients, self.operations, self.kernels):
                self._by_id.update((x.id, x) for x in part)
        return self._by_id[id]

    def __contains__(self, id: str) -> bool:
        try:
            self[id]
        except KeyError:
            return False
        return True

    def as_dict(self) -> dict[str, Any]:
        """The whole as dictionaries, lists, strings, numbers and None."""
        found: dict[str, Any] = _plain(self)
        return found

    def json(self, indent: int | None = None) -> str:
        """The whole as JSON text."""
        return json.dumps(
            self.as_dict(), ensure_ascii=False, allow_nan=False, indent=indent
        )


def _plain(x: Any) -> Any:
    if x is None or isinstance(x, (str, bool, int)):
        return x
    if isinstance(x, float):
        if math.isfinite(x):
            return x
        return "NaN" if x != x else "Infinity" if x > 0 else "-Infinity"
    if isinstance(x, Formula):
        return x.as_dict()
    if isinstance(x, (list, tuple)):
        return [_plain(v) for v in x]
    if isinstance(x, dict):
        return {str(k): _plain(v) for k, v in x.items()}
    return {f.name: _plain(getattr(x, f.name)) for f in fields(x)}
