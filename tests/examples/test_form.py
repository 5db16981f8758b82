"""What is asked of every program: short, self-explaining, with a page in the gallery."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "examples").glob("*.py"))
PROGRAMS = [p for p in FILES if p.stem != "pole"]
every_program = pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.stem)


@pytest.mark.parametrize("file", FILES, ids=lambda p: p.stem)
def test_it_is_short_and_says_what_it_is_about(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    about = ast.get_docstring(ast.parse(text))
    assert about and len(about.splitlines()) > 2
    assert len(text.splitlines()) < 100


@every_program
def test_it_has_a_page_made_from_its_own_output(program: Path) -> None:
    page = (ROOT / "docs" / "gallery" / f"{program.stem}.md").read_text("utf-8")
    about = ast.get_docstring(ast.parse(program.read_text("utf-8"))) or ""
    assert about.partition("\n")[2].strip() in page
    assert f"$ python examples/{program.stem}.py" in page
    assert "    measured: " in page
    assert f"docs/gallery/{program.stem}.md" in (ROOT / "README.md").read_text("utf-8")


def test_the_command_line_runs_a_program_and_writes_its_figure(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="figures need the extra [examples]")
    program = ROOT / "examples" / "initialisation.py"
    done = subprocess.run(
        [sys.executable, "-W", "error", str(program), "--quick", "--figure", "made.png"],
        capture_output=True, text=True, encoding="utf-8", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Holds: " in done.stdout and "figure: made.png" in done.stdout
    assert (tmp_path / "made.png").stat().st_size > 5000
