"""The programs of docs/coming-from-pytorch.md, run with both libraries."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

torch: Any = pytest.importorskip(
    "torch", reason="comparisons with PyTorch are skipped: it is not installed"
)
PAGE = Path(__file__).parents[2] / "docs" / "coming-from-pytorch.md"


def programs() -> list[str]:
    """The blocks of code that are no dialogues (those are doctests)."""
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
    return [b for b in blocks if not b.startswith(">>>")]


def test_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    blocks = programs()
    assert len(blocks) >= 4
    names: dict[str, Any] = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "checkpoint.pt", "weights.pt", "weights.safetensors",
    ]  # fmt: skip
