"""What is said to people, in English, Spanish and Korean, from gettext catalogues.

The words stand in the program in English. ``locale/*.po`` has the translations, and
``locale/*/LC_MESSAGES/retrograd.mo`` what gettext reads; a test compares the two.
"""

from __future__ import annotations

import gettext
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path

LANGUAGES = {"en": "English", "es": "español", "ko": "한국어"}
LOCALE = Path(__file__).parent / "locale"

Say = Callable[[str], str]


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
    """A function from English words to those of *lang*."""
    if lang == "en":
        return str
    return gettext.translation("retrograd", LOCALE, [lang]).gettext
