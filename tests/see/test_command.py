"""``retrograd explain``, as it is called, and the catalogues."""

import gettext
import json
import re
from importlib import resources
from pathlib import Path

import pytest
from click.testing import CliRunner

from retrograd.cli import app
from retrograd.see import messages


def call(*args, code=0):
    done = CliRunner().invoke(app, ["explain", *map(str, args)], standalone_mode=False)
    if code:
        assert done.exception is not None
        return str(getattr(done.exception, "message", done.exception))
    assert done.exception is None, done.exception
    return done.output


def test_the_lectures_programs():
    toy, mlp = call("toy"), call("mlp", "--precision", 6)
    assert re.search(
        r"^  f₀ = β₀ \+ ω₀ · x = 1 \+ 0.1 · 2.3 = 1.23 +toy.py:\d+$", toy, re.M
    )
    assert "∂ℓ/∂f₂ = ∂h₃/∂f₂ · ∂ℓ/∂h₃ = −sin(f₂) · ∂ℓ/∂h₃" in toy
    assert "𝕀[f₁ > 0] ⊙ (Ω₂ᵀ · ∂ℓ/∂f₂)" in mlp and "∂ℓ/∂f₁ · h₁ᵀ" in mlp
    assert call() == toy
    assert "Pase hacia atrás" in call("toy", "--lang", "es")
    assert "중심 차분" in call("toy", "--lang", "ko", "--proof")


def test_forms_and_files(tmp_path):
    assert json.loads(call("toy", "--format", "json"))["version"] == 1
    assert call("mlp", "--format", "latex").count(r"\begin{align*}") == 4
    out = tmp_path / "toy.html"
    assert call("toy", "--format", "html", "--out", out) == ""
    assert out.read_text().startswith("<!doctype html>")
    pytest.importorskip("graphlay", reason="drawings need retrograd[see]")
    call("mlp", "--draw", tmp_path / "mlp.svg")
    assert (tmp_path / "mlp.svg").read_text().startswith("<svg")


def test_steps_without_a_terminal_are_all_of_them():
    lines = re.findall(r"^\[\d+/(\d+)\]", call("toy", "--step"), re.M)
    assert len(lines) == int(lines[0]) == 23


def test_a_function_of_ones_own_with_its_names(tmp_path):
    script = tmp_path / "mine.py"
    script.write_text(
        "import retrograd as rg\n\n\ndef train():\n"
        "    slope = rg.tensor(2.0, requires_grad=True)\n"
        "    point = rg.tensor(3.0)\n"
        "    loss = (slope * point) ** 2\n"
        "    return loss\n\n\ndef no():\n    return 3\n\n\ndef bad():\n    1 / 0\n"
    )
    text = call(f"{script}:train")
    assert "ℓ = (slope · point)² = (2 · 3)² = 36" in text and "mine.py:7" in text
    assert "no() returned int; it has to return the loss" in call(
        f"{script}:no", code=1
    )
    assert "mine.py:16: ZeroDivisionError" in call(f"{script}:bad", code=1)
    assert "has no function x; it has train, no, bad" in call(f"{script}:x", code=1)


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (["nothing"], "'nothing': there are toy, mlp, and script.py:function"),
        (["gone.py:f"], "gone.py: there is no such file"),
        (["toy", "--out", "/nowhere/x"], "cannot write /nowhere/x: No such file"),
        (["toy", "--draw", "x.bmp"], "x.bmp: the ending says what to write"),
    ],
)
def test_mistakes_are_one_line(args, text):
    said = call(*args, code=1)
    assert text in said and "\n" not in said


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("def f(a, b=1, *c): ...", "s.py: f() needs a; it has to be callable without"),
        ("def f():\n    raise SystemExit(3)", "s.py:2: the program ended itself (3)"),
        ("def f():\n    return 1 / 0", "s.py:2: ZeroDivisionError: division by zero"),
        ("async def f(): ...", "f() returned coroutine; it has to return the loss"),
        ("def f(:", "s.py:1: SyntaxError: invalid syntax"),
        ("g = 1", "s.py has no function f; it has none"),
    ],
)
def test_mistakes_of_a_program_are_one_line(tmp_path, body, text):
    (tmp_path / "s.py").write_text(body)
    said = call(str(tmp_path / "s.py") + ":f", code=1)
    assert text in said and "\n" not in said


# -- catalogues -------------------------------------------------------------------------


def said():
    """Every message of the package, as Babel finds them."""
    extract = pytest.importorskip("babel.messages.extract", reason="Babel is not there")
    folder = Path(messages.__file__).parent
    found = extract.extract_from_dir(
        str(folder), keywords={"say": None, "many": (1, 2)}
    )
    return {text for _, _, text, *_ in found}


@pytest.mark.parametrize("lang", ["es", "ko"])
def test_catalogues_are_complete_and_compiled(lang):
    pofile = pytest.importorskip("babel.messages.pofile", reason="Babel is not there")
    with open(messages.LOCALE / f"{lang}.po", "rb") as file:
        catalogue = {m.id: m for m in pofile.read_po(file, locale=lang) if m.id}
    assert set(catalogue) == said()
    compiled = gettext.translation("retrograd", messages.LOCALE, [lang])
    for id, message in catalogue.items():
        assert "fuzzy" not in message.flags
        if isinstance(id, tuple):
            strings = message.string
            assert len(strings) == {"es": 2, "ko": 1}[lang]
            for count in (1, 2):
                told = strings[min(count, len(strings)) - 1]
                assert compiled.ngettext(*id, count) == told
        else:
            strings, id = (message.string,), (id,)
            assert compiled.gettext(*id) == strings[0]
        names = re.findall(r"\{\w+\}", id[-1])
        for string in strings:
            assert sorted(re.findall(r"\{\w+\}", string)) == sorted(names)


@pytest.mark.parametrize(
    "lang, one, two",
    [("en", "1 operation: ", "2 operations: "), ("es", "1 operación: ", "2 operaciones: "),
     ("ko", "연산 1개", "연산 2개")],
)  # fmt: skip
def test_one_and_several_are_told_apart(lang, one, two):
    say = messages.translator(lang)
    for count, text in ((1, one), (2, two)):
        told = say.many(
            'made of {count} operation: level="operations" shows it',
            'made of {count} operations: level="operations" shows them',
            count,
        )
        assert text in told.format(count=count)


def test_the_language_of_the_environment(monkeypatch):
    monkeypatch.setenv("RETROGRAD_LANG", "es_CL.UTF-8")
    assert messages.language(None) == "es"
    assert "Pase hacia delante" in call("toy")


def test_the_programs_are_shipped():
    folder = resources.files("retrograd.see").joinpath("programs")
    assert {"toy.py", "mlp.py"} <= {x.name for x in folder.iterdir()}
