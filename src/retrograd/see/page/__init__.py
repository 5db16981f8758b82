"""``rg.page``: a loss, its derivative and every number on the way as one file for the
browser, without anything from elsewhere."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import os
import re
from dataclasses import fields
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from ...collector import paused
from ..description import Description, Formula
from ..mathml import SIDES
from ..messages import translator
from ..notation import escape
from ..story import Story, explain
from . import boxes
from .words import words

#: lines that a page has at most; of more the first and the last
LINES = 6000
#: lines of a graph up to which its operations are a level of their own
OPERATIONS = 3000
#: numbers of a Jacobian that is shown, and Jacobians that are
ENTRIES, JACOBIANS = 576, 240


def page(
    loss: Any,
    path: str | os.PathLike[str],
    gradient: Any = None,
    *,
    layout: str = "denominator",
    lang: str | None = None,
    proof: bool = False,
    precision: int = 4,
) -> None:
    """Write the graph of *loss* and its derivative as one HTML file, to be opened in a
    browser: without a server, without network.

    The graph is in block notation; modules open and close. Forward and backward pass are
    stepped through with buttons or arrow keys, values and gradients appear as they are
    computed, and what is selected opens to its formula, its numbers, heat map and
    histogram, the Jacobians and products of the chain rule, and the line of the program.
    The arguments are those of :func:`retrograd.explain`.

    Raises OSError if *path* cannot be written, RuntimeError if there is no graph.

    >>> import retrograd as rg
    >>> x = rg.tensor([1.0, 2.0], requires_grad=True)
    >>> rg.page((x * x).sum(), "square.html")  # doctest: +SKIP
    """
    story = explain(
        loss, gradient, layout=layout, lang=lang, precision=precision,
        limit=LINES, proof=proof,
    )  # fmt: skip
    save(story, path)


def save(story: Story, path: str | os.PathLike[str]) -> None:
    """Write the page of a story."""
    from ...io.atomic import write_atomically

    text = document(levels(story))
    try:
        write_atomically(Path(path), text.encode())
    except OSError as error:
        reason = error.strerror or str(error)
        raise OSError(f"cannot write {path}: {reason}") from None


@paused
def levels(story: Story) -> dict[str, Story]:
    """The story at the levels of detail that its page has."""
    story = story._with(limit=LINES, level="modules")
    found = {"modules": story}
    if len(story.description.operations) <= OPERATIONS:
        found["operations"] = story._with(level="operations")
        kernel = story._with(level="kernels")
        if kernel.description.kernels:
            found["kernels"] = kernel
    return found


@paused
def document(stories: dict[str, Story], live: dict[str, Any] | None = None) -> str:
    """The page of a story at these levels, as HTML. With *live*, it asks the server that
    it came from for the values of later steps."""
    shown = {}
    for level, story in stories.items():
        d = story.description
        if level == "kernels":
            shown[level] = _level(d, boxes.kernels(d))
        else:
            _jacobians(story, d)
            shown[level] = _level(d, boxes.lines(d, story._names.roots.values()))
    d = stories["modules"].description
    data = {
        "title": d.title, "language": d.language, "levels": shown, "live": live,
        "words": words(translator(d.language)),
    }  # fmt: skip
    return shell("page", d.title, d.language, data, "'self'" if live else "'none'")


def _level(d: Description, view: boxes.View) -> dict[str, Any]:
    few = ("id", "op", "formula", "shape", "home", "phase")
    left = ("edges", "steps", "modules", "operations")
    about = {
        name: _lean(getattr(d, name))
        for name in _fields(Description)
        if name not in left and not name.startswith("_")
    }
    about["operations"] = [
        _lean(o if d.kernels else {k: getattr(o, k) for k in few}) for o in d.operations
    ]
    return {"description": about, "view": view.as_dict()}


#: of these the page shows the MathML alone
_FORMULAS = ("formula", "numbers", "opened", "rule")


def _lean(x: Any, name: str = "") -> Any:
    """As JSON has it, without what the page does not show: LaTeX, and what is empty."""
    kind = type(x)
    if kind is str or kind is int or x is None or kind is bool:
        return x
    if isinstance(x, float):
        if math.isfinite(x):
            return float(f"{x:.6g}")
        return "NaN" if x != x else "Infinity" if x > 0 else "-Infinity"
    if isinstance(x, Formula):
        told = x.mathml.replace(f'style="{SIDES}"', 'class="matrix"')
        return (
            {"mathml": told} if name in _FORMULAS else {"text": x.text, "mathml": told}
        )
    if kind is list or kind is tuple:
        return [_lean(v) for v in x]
    if kind is dict:
        parts = x.items()
    else:
        parts = [(f, getattr(x, f)) for f in _fields(x.__class__)]
    return {
        str(k): _lean(v, k) for k, v in parts if v is not None and v != "" and v != []
    }


@cache
def _fields(kind: type) -> tuple[str, ...]:
    return tuple(f.name for f in fields(kind))


def _jacobians(story: Story, d: Description) -> None:
    """Write out the small ones."""
    from ..jacobian import written_out

    left = JACOBIANS
    chain = story.describer.chain
    by_id: dict[str, Any] = {id: x for x, id in story.describer.id.items()}
    for g in d.gradients:
        if left <= 0 or chain is None:
            return
        found = chain.by_line.get(by_id[g.node]) if g.node in by_id else None
        if found is None:
            continue
        terms = {
            story.describer.id.get(t.through): t
            for t in found.terms
            if not t.through.element
        }
        for product in g.products:
            rows, columns = product.jacobian.shape
            term = terms.get(product.through)
            if term is None or not 1 < rows * columns <= ENTRIES:
                continue
            left -= 1
            try:
                entries = written_out(story._capture, term, d.layout)
            except ValueError:  # a function of the user's own, computed by NumPy
                continue
            product.jacobian.entries = entries.tolist()


# -- the file -------------------------------------------------------------------------


@cache
def static(name: str) -> str:
    """One of the page's own files."""
    return resources.files(__package__).joinpath("static", name).read_text("utf-8")


def _digest(text: str) -> str:
    found = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(found).decode()}'"


def shell(name: str, title: str, language: str, data: Any, connect: str = "'none'") -> str:  # fmt: skip
    """The HTML file *name* with its style, its program and its data inside. The policy
    lets nothing run or load but these."""
    style = static("base.css") + static(f"{name}.css")
    script = static("base.js") + static(f"{name}.js")
    policy = (
        f"default-src 'none'; style-src {_digest(style)}; "
        f"script-src {_digest(script)}; connect-src {connect}; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    content = json.dumps(data, ensure_ascii=False, allow_nan=False, default=str)
    # nothing in it can end the element that it is in, or begin another
    content = re.sub(r"<(?=!--|/?script)", r"\\u003c", content, flags=re.IGNORECASE)
    parts = {
        "POLICY": policy, "TITLE": escape(title), "LANG": escape(language),
        "STYLE": style, "BODY": static(f"{name}.html"), "DATA": content,
        "SCRIPT": script,
    }  # fmt: skip
    out = []
    for i, piece in enumerate(static("shell.html").split("%%")):
        out.append(parts[piece] if i % 2 else piece)
    return "".join(out)
