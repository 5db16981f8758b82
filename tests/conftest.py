"""Every test starts from the same state, whatever ran before it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator

import pytest

# The user's own store of compiled code is left alone.
_store = tempfile.TemporaryDirectory(prefix="retrograd-")
os.environ["RETROGRAD_CACHE"] = _store.name
# Whatever is compiled is checked after each pass.
os.environ.setdefault("RETROGRAD_PASSES", "verify")

import retrograd as rg  # noqa: E402


@pytest.fixture(autouse=True)
def _fresh_state() -> Iterator[None]:
    rg.manual_seed(0)
    default = rg.get_default_dtype()
    yield
    rg.set_default_dtype(default)
