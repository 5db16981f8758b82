"""Build the gallery: run each program of examples/, and make a page of what it says.

``make gallery`` builds all pages, the index and the table in the README;
``python docs/gallery/build.py NAME …`` builds those that are named.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS, PAGES = ROOT / "examples", ROOT / "docs" / "gallery"
NOT_PROGRAMS = ("pole",)
START, END = "<!-- gallery: made by make gallery -->", "<!-- end of the gallery -->"
VERDICT = re.compile(r"^(Holds|DOES NOT HOLD): (.*)\n {4}measured: (.*)$", re.MULTILINE)


def programs() -> list[str]:
    return sorted(p.stem for p in PROGRAMS.glob("*.py") if p.stem not in NOT_PROGRAMS)


def build(name: str) -> None:
    """Run the program from a neutral place, and write its page and its figure."""
    source = PROGRAMS / f"{name}.py"
    figure = PAGES / f"{name}.png"
    done = subprocess.run(
        [sys.executable, str(source), "--figure", str(figure)],
        capture_output=True, text=True, encoding="utf-8", check=False, cwd=PAGES,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTHONUTF8": "1"},
    )  # fmt: skip
    if done.returncode:
        sys.exit(f"{name} failed:\n{done.stderr}")
    about = ast.get_docstring(ast.parse(source.read_text(encoding="utf-8"))) or name
    title, _, rest = about.partition("\n")
    output = done.stdout.removeprefix(about).split("\nfigure: ")[0].strip("\n")
    picture = f"![{title}]({figure.name})\n\n" if figure.exists() else ""
    page = (
        f"# {title.rstrip('.')}\n\n{rest.strip()}\n\n{picture}"
        f"```text\n$ python examples/{name}.py\n{output}\n```\n\n"
        f"The program: [examples/{name}.py](../../examples/{name}.py). "
        "This page is its output, made by `make gallery`.\n"
    )
    (PAGES / f"{name}.md").write_text(page, encoding="utf-8")
    print(f"{name}: {done.stderr.strip().splitlines()[-1]}")


def table(link: str, most: int) -> str:
    """The programs with their first claims and what was measured, out of their pages."""
    rows = ["| program | claim | measured |", "| --- | --- | --- |"]
    for name in programs():
        page = PAGES / f"{name}.md"
        if not page.exists():
            continue
        for i, (word, claim, found) in enumerate(
            VERDICT.findall(page.read_text("utf-8"))[:most]
        ):
            first = f"[{name}]({link}{name}.md)" if i == 0 else ""
            failed = "" if word == "Holds" else "**does not hold**: "
            cells = (first, claim, failed + found)
            rows.append("| " + " | ".join(c.replace("|", "\\|") for c in cells) + " |")
    return "\n".join(rows)


def write_tables() -> None:
    (PAGES / "README.md").write_text(
        "# Gallery\n\nThe systems that the lectures describe, each a program of under a "
        "hundred lines in `examples/`,\nwith its claim, what was measured, and whether "
        f"the claim holds.\n\n{table('', 9)}\n",
        encoding="utf-8",
    )
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    before, rest = text.split(START)
    after = rest.split(END)[1]
    made = f"{START}\n{table('docs/gallery/', 1)}\n{END}"
    readme.write_text(before + made + after, encoding="utf-8")


if __name__ == "__main__":
    for name in sys.argv[1:] or programs():
        build(name)
    write_tables()
