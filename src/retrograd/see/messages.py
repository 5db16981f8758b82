"""What is said to people, in English, Spanish and Korean, from gettext catalogues.

The words stand in the program in English. ``locale/*.po`` has the translations, and
``locale/*/LC_MESSAGES/retrograd.mo``, which Babel compiles from it, is what gettext
reads; a test compares the two.
"""

from __future__ import annotations

import gettext
import os
from functools import cache
from pathlib import Path

LANGUAGES = {"en": "English", "es": "español", "ko": "한국어"}
LOCALE = Path(__file__).parent / "locale"


class Say:
    """From English words to those of a language: ``say("Forward pass")``."""

    def __init__(self, lang: str) -> None:
        self._catalogue = (
            gettext.NullTranslations() if lang == "en"
            else gettext.translation("retrograd", LOCALE, [lang])
        )  # fmt: skip

    def __call__(self, text: str) -> str:
        return self._catalogue.gettext(text)

    def many(self, one: str, more: str, count: int) -> str:
        """What is said of *count* things, in the number that the language asks for;
        ``format(count=count)`` puts it in."""
        return self._catalogue.ngettext(one, more, count)


def language(lang: str | None) -> str:
    """The language asked for: *lang*, or what ``RETROGRAD_LANG`` says, or English."""
    wanted = lang or os.environ.get("RETROGRAD_LANG", "en")
    short = wanted.split("_")[0].split("-")[0].lower()
    if short not in LANGUAGES:
        known = ", ".join(f"{k!r} ({v})" for k, v in LANGUAGES.items())
        raise ValueError(f"lang is {wanted!r}; there are {known}")
    return short


@cache
def translator(lang: str) -> Say:
    """What says things in that language."""
    return Say(lang)


def labels(say: Say) -> dict[str, str]:
    """Titles and labels, by a key that does not change with the language."""
    return {
        "given": say("Given"),
        "forward": say("Forward pass"),
        "backward": say("Backward pass"),
        "parameters": say("Gradients of the parameters"),
        "kernels": say("Kernels"),
        "reused": say("already computed"),
        "sum": say("sum over what uses it"),
        "shapes": say("shapes"),
        "not built": say("not built"),
        "value": say("value"),
        "gradient": say("gradient"),
        "denominator": say("denominator layout: gradients are columns"),
        "numerator": say("numerator layout: gradients are rows"),
        "difference": say("central difference"),
        "error": say("error"),
        "input": say("input"),
        "parameter": say("parameter"),
        "random": say("random"),
        "element": say("part"),
        "loss": say("loss"),
        "left out": _left_out(say, 2),
        "left out, one": _left_out(say, 1),
        "module": say("module"),
        "recomputed": say("recomputed"),
        "kink": say("the loss has a kink here"),
        "stopped": say(
            "the program has a derivative of its own on the way: detach(), no_grad() or an "
            "autograd.Function"
        ),
    }


def _left_out(say: Say, count: int) -> str:
    return say.many("{count} line is left out", "{count} lines are left out", count)


def kinds(kind: str, layout: str, say: Say) -> str:
    """The kind of a Jacobian in words."""
    rows = layout == "numerator"
    words = {
        "identity": say("the identity"),
        "scaled identity": say("a multiple of the identity"),
        "mask": say("diagonal, of zeros and ones"),
        "diagonal": say("diagonal"),
        "matrix": say("a matrix that is there already"),
        "Kronecker": say("a Kronecker product"),
        "selection": (
            say("a selection: one 1 in each row")
            if rows
            else say("a selection: one 1 in each column")
        ),
        "placement": (
            say("the identity among rows of zeros")
            if rows
            else say("the identity among columns of zeros")
        ),
        "repetition": (
            say("identities, one below the other")
            if rows
            else say("identities, side by side")
        ),
        "sum": say("ones where terms are added"),
        "row": say("one row") if rows else say("one column"),
        "number": say("a number"),
        "block diagonal": say("block diagonal"),
        "dense": say("dense"),
    }
    return " · ".join(words.get(k, k) for k in kind.split(" · "))
