"""The lectures' toy function, line by line as the slides have it, against closed forms."""

import math
import re

import pytest

import retrograd as rg

BETA, OMEGA = (1.0, 2.0, -3.0, 0.4), (0.1, -0.4, 2.0, 3.0)
X, Y = 2.3, 2.0
LANGUAGES = ("en", "es", "ko")


def closed_form():
    """The slides' formulas, with Python's own numbers."""
    v = {}
    v["f₀"] = BETA[0] + OMEGA[0] * X
    v["h₁"] = math.sin(v["f₀"])
    v["f₁"] = BETA[1] + OMEGA[1] * v["h₁"]
    v["h₂"] = math.exp(v["f₁"])
    v["f₂"] = BETA[2] + OMEGA[2] * v["h₂"]
    v["h₃"] = math.cos(v["f₂"])
    v["f₃"] = BETA[3] + OMEGA[3] * v["h₃"]
    v["ℓ"] = (v["f₃"] - Y) ** 2
    g = {}
    g["f₃"] = 2 * (v["f₃"] - Y)
    g["h₃"] = OMEGA[3] * g["f₃"]
    g["f₂"] = -math.sin(v["f₂"]) * g["h₃"]
    g["h₂"] = OMEGA[2] * g["f₂"]
    g["f₁"] = math.exp(v["f₁"]) * g["h₂"]
    g["h₁"] = OMEGA[1] * g["f₁"]
    g["f₀"] = math.cos(v["f₀"]) * g["h₁"]
    before = {"₀": X, "₁": v["h₁"], "₂": v["h₂"], "₃": v["h₃"]}
    for k, h in before.items():
        g[f"β{k}"] = g[f"f{k}"]
        g[f"ω{k}"] = h * g[f"f{k}"]
    return v, g


def toy(dtype=rg.float64, **options):
    beta0, beta1, beta2, beta3 = (
        rg.tensor(b, dtype=dtype, requires_grad=True) for b in BETA
    )
    omega0, omega1, omega2, omega3 = (
        rg.tensor(w, dtype=dtype, requires_grad=True) for w in OMEGA
    )
    x, y = rg.tensor(X, dtype=dtype), rg.tensor(Y, dtype=dtype)
    f0 = beta0 + omega0 * x
    h1 = rg.sin(f0)
    f1 = beta1 + omega1 * h1
    h2 = rg.exp(f1)
    f2 = beta2 + omega2 * h2
    h3 = rg.cos(f2)
    f3 = beta3 + omega3 * h3
    loss = (f3 - y) ** 2
    return rg.explain(loss, **options)


FORWARD = {
    "f₀": "β₀ + ω₀ · x",
    "h₁": "sin(f₀)",
    "f₁": "β₁ + ω₁ · h₁",
    "h₂": "exp(f₁)",
    "f₂": "β₂ + ω₂ · h₂",
    "h₃": "cos(f₂)",
    "f₃": "β₃ + ω₃ · h₃",
    "ℓ": "(f₃ − y)²",
}
#: (formula, what it uses again), in the slides' order
BACKWARD = {
    "f₃": ("2 · (f₃ − y)", {"f₃"}),
    "h₃": ("ω₃ · ∂ℓ/∂f₃", {"∂ℓ/∂f₃"}),
    "f₂": ("−sin(f₂) · ∂ℓ/∂h₃", {"f₂", "∂ℓ/∂h₃"}),
    "h₂": ("ω₂ · ∂ℓ/∂f₂", {"∂ℓ/∂f₂"}),
    "f₁": ("h₂ · ∂ℓ/∂h₂", {"h₂", "∂ℓ/∂h₂"}),
    "h₁": ("ω₁ · ∂ℓ/∂f₁", {"∂ℓ/∂f₁"}),
    "f₀": ("cos(f₀) · ∂ℓ/∂h₁", {"f₀", "∂ℓ/∂h₁"}),
}
PARAMETERS = {
    "β₀": "∂ℓ/∂f₀",
    "ω₀": "x · ∂ℓ/∂f₀",
    "β₁": "∂ℓ/∂f₁",
    "ω₁": "h₁ · ∂ℓ/∂f₁",
    "β₂": "∂ℓ/∂f₂",
    "ω₂": "h₂ · ∂ℓ/∂f₂",
    "β₃": "∂ℓ/∂f₃",
    "ω₃": "h₃ · ∂ℓ/∂f₃",
}


def values(entries):
    return {x.name.text: x.value.data for x in entries}


def test_the_forward_list():
    d = toy().description
    lines = [x for x in d.nodes if x.formula is not None]
    assert {x.name.text: x.formula.text for x in lines} == FORWARD
    assert [x.name.text for x in lines] == list(FORWARD)  # the order of the slides
    expected, _ = closed_form()
    assert values(lines) == pytest.approx(expected, rel=1e-14)


def test_the_backward_list():
    d = toy().description
    back = [g for g in d.gradients if g.phase == "backward"]
    assert [g.name.text for g in back] == [f"∂ℓ/∂{v}" for v in BACKWARD]
    _, expected = closed_form()
    for g, (v, (formula, reuses)) in zip(back, BACKWARD.items(), strict=True):
        assert g.formula.text == formula
        assert {d[i].name.text for i in g.reuses} == reuses
        assert g.value.data == pytest.approx(expected[v], rel=1e-13)


def test_the_chain_rule_is_written_out():
    rules = {g.name.text: g.rule.text for g in toy().description.gradients if g.rule}
    assert rules["∂ℓ/∂f₂"] == "∂h₃/∂f₂ · ∂ℓ/∂h₃"
    assert rules["∂ℓ/∂ω₂"] == "∂f₂/∂ω₂ · ∂ℓ/∂f₂"
    rows = toy(layout="numerator").description
    rules = {g.name.text: g.rule.text for g in rows.gradients if g.rule}
    assert rules["∂ℓ/∂f₂"] == "∂ℓ/∂h₃ · ∂h₃/∂f₂"


def test_the_eight_derivatives_of_parameters():
    d = toy().description
    found = [g for g in d.gradients if g.phase == "parameters"]
    assert {
        g.name.text.removeprefix("∂ℓ/∂"): g.formula.text for g in found
    } == PARAMETERS
    _, expected = closed_form()
    for g in found:
        v = g.name.text.removeprefix("∂ℓ/∂")
        assert g.value.data == pytest.approx(expected[v], rel=1e-13)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_text_has_every_line_in_each_language(lang):
    text = toy(lang=lang, precision=12).text(width=400)
    v, g = closed_form()
    numbers = dict(re.findall(r"^  (\S+) = .*= (−?[\d.e−]+)(?:\s{3,}.*)?$", text, re.M))
    shown = {k: float(x.replace("−", "-")) for k, x in numbers.items()}
    for name, value in v.items():
        assert shown[name] == pytest.approx(value, rel=1e-10), name
    for name, value in g.items():
        assert shown[f"∂ℓ/∂{name}"] == pytest.approx(value, rel=1e-10), name
    order = [
        text.index(f"\n  {x} = ") for x in (*FORWARD, *(f"∂ℓ/∂{b}" for b in BACKWARD))
    ]
    assert order == sorted(order)


def test_each_language_says_it_in_its_own_words():
    said = {lang: str(toy(lang=lang)) for lang in LANGUAGES}
    assert "Backward pass" in said["en"] and "already computed: f₃" in said["en"]
    assert "Pase hacia atrás" in said["es"] and "ya está computado: f₃" in said["es"]
    assert "역방향 계산" in said["ko"] and "이미 계산됨: f₃" in said["ko"]
    for lang, text in said.items():
        for other, words in (("en", "Backward"), ("es", "Pase"), ("ko", "계산")):
            assert (words in text) == (lang == other)


def test_proofs_hold_and_a_wrong_gradient_would_not():
    d = toy(proof=True).description
    assert all(g.check.holds and g.check.error < 1e-6 for g in d.gradients)
    story = toy(proof=True)
    capture = story._capture
    name = capture.gradient[capture.root]
    node = story.find("f₃")
    state = story._line(node).key
    capture.gradient[state] = name  # 1 in the place of ∂ℓ/∂f₃
    assert not story.prove("f₃").holds


@pytest.mark.parametrize("name", ["f₁", "h₂", "ω₀"])
def test_a_perturbation_is_predicted_by_the_chain_rule(name):
    story = toy()
    small = story.perturb(name, 1e-6)
    _, g = closed_form()
    assert small.predicted == pytest.approx(g[name] * 1e-6, rel=1e-10)
    assert small.measured == pytest.approx(small.predicted, rel=1e-3)
    ((_, predicted, measured),) = small.through
    assert float(measured) == pytest.approx(float(predicted), rel=1e-3)
    # halving the change quarters what the prediction misses
    a, b = story.perturb(name, 1e-3), story.perturb(name, 5e-4)
    miss = (a.measured - a.predicted, b.measured - b.predicted)
    assert abs(miss[1]) == pytest.approx(abs(miss[0]) / 4, rel=0.1)


def test_parts_of_one_tensor_are_parameters_of_their_own():
    beta = rg.tensor(BETA, dtype=rg.float64, requires_grad=True)
    f0 = beta[0] * beta[1]
    loss = rg.sin(f0) + beta[3]
    d = rg.explain(loss).description
    found = {g.name.text: g.value.data for g in d.gradients}
    assert found["∂ℓ/∂β₀"] == pytest.approx(math.cos(2.0) * 2)
    assert found["∂ℓ/∂β₃"] == 1
    assert found["∂ℓ/∂β"] == pytest.approx([math.cos(2.0) * 2, math.cos(2.0), 0, 1])
