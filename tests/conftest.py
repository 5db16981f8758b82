"""Every test starts from the same state, whatever ran before it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import retrograd as rg


@pytest.fixture(autouse=True)
def _fresh_state() -> Iterator[None]:
    rg.manual_seed(0)
    default = rg.get_default_dtype()
    yield
    rg.set_default_dtype(default)
