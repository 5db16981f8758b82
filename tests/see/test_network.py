"""The K-layer network, (7.13) of the lectures line by line, and matrix calculus in both
layouts, against closed forms in NumPy."""

import numpy as np
import pytest

import retrograd as rg
from retrograd import nn

K = 3
SIZES = (4, 3, 5, 3, 2)


def arrays(seed=0):
    rng = np.random.default_rng(seed)
    weights = [rng.standard_normal((SIZES[k + 1], SIZES[k])) for k in range(K + 1)]
    biases = [rng.standard_normal((SIZES[k + 1], 1)) for k in range(K + 1)]
    x, y = rng.standard_normal((SIZES[0], 1)), rng.standard_normal((SIZES[-1], 1))
    return weights, biases, x, y


def closed_form():
    """Algorithm (7.13): values and gradients by the names that the slides give them."""
    W, b, x, y = arrays()
    f, h = [b[0] + W[0] @ x], [x]
    for k in range(1, K + 1):
        h.append(np.maximum(f[k - 1], 0))
        f.append(b[k] + W[k] @ h[k])
    g = {f"f{K}": 2 * (f[K] - y)}
    for k in range(K, 0, -1):
        g[f"β{k}"] = g[f"f{k}"]
        g[f"Ω{k}"] = g[f"f{k}"] @ h[k].T
        g[f"h{k}"] = W[k].T @ g[f"f{k}"]
        g[f"f{k - 1}"] = (f[k - 1] > 0) * g[f"h{k}"]
    g["β0"] = g["f0"]
    g["Ω0"] = g["f0"] @ x.T
    v = {f"f{k}": f[k] for k in range(K + 1)} | {f"h{k}": h[k] for k in range(1, K + 1)}
    v["ℓ"] = ((f[K] - y) ** 2).sum()
    below = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
    return tuple({n.translate(below): x for n, x in d.items()} for d in (v, g))


def network(**options):
    made = arrays()
    Omega = [rg.tensor(w, requires_grad=True) for w in made[0]]
    beta = [rg.tensor(b, requires_grad=True) for b in made[1]]
    x, y = rg.tensor(made[2]), rg.tensor(made[3])
    h = x
    for k in range(K):
        f = beta[k] + Omega[k] @ h
        h = rg.relu(f)
    f = beta[K] + Omega[K] @ h
    loss = ((f - y) ** 2).sum()
    return rg.explain(loss, **options)


@pytest.mark.parametrize("lang", ["en", "es", "ko"])
def test_every_line_of_7_13_and_its_numbers(lang):
    story = network(lang=lang)
    d = story.description
    v, g = closed_form()
    lines = {x.name.text: x for x in d.nodes if x.formula is not None}
    assert list(lines) == ["f₀", "h₁", "f₁", "h₂", "f₂", "h₃", "f₃", "ℓ"]
    assert lines["f₀"].formula.text == "β₀ + Ω₀ · x"
    assert lines["f₂"].formula.text == "β₂ + Ω₂ · h₂"
    assert lines["h₂"].formula.text == "ReLU(f₁)"
    for name, value in v.items():
        np.testing.assert_allclose(np.array(lines[name].value.data), value, rtol=1e-12)
    found = {x.name.text.removeprefix("∂ℓ/∂"): x for x in d.gradients}
    order = [x.name.text for x in d.gradients if x.phase == "backward"]
    assert order == [f"∂ℓ/∂{x}" for x in ("f₃", "h₃", "f₂", "h₂", "f₁", "h₁", "f₀")]
    for name, value in g.items():
        np.testing.assert_allclose(
            np.array(found[name].value.data), value, rtol=1e-11, atol=1e-13
        )
    assert found["f₁"].opened.text == "𝕀[f₁ > 0] ⊙ (Ω₂ᵀ · ∂ℓ/∂f₂)"
    assert found["h₂"].formula.text == "Ω₂ᵀ · ∂ℓ/∂f₂"
    assert found["β₂"].formula.text == "∂ℓ/∂f₂"
    assert found["Ω₂"].formula.text == "∂ℓ/∂f₂ · h₂ᵀ"
    assert found["Ω₀"].formula.text == "∂ℓ/∂f₀ · xᵀ"
    text = story.text(width=300)
    for name in g:
        assert f"\n  ∂ℓ/∂{name} = " in text


def test_shapes_of_the_products_in_both_layouts():
    columns, rows = (
        network(layout=x).description for x in ("denominator", "numerator")
    )
    for d, text in ((columns, "[5×1] = [5×3]·[3×1]"), (rows, "[1×5] = [1×3]·[3×5]")):
        (product,) = next(g for g in d.gradients if g.name.text == "∂ℓ/∂h₂").products
        assert product.text == text
        assert product.jacobian.matrix.text == ("Ω₂ᵀ" if d is columns else "Ω₂")
        assert d[product.incoming].name.text == "∂ℓ/∂f₂"
    assert "gradients are columns" in str(network())
    assert "gradients are rows" in str(network(layout="numerator"))


def test_kinds_of_jacobians():
    kinds = {}
    for g in network().description.gradients:
        for p in g.products:
            kinds[p.jacobian.name.text] = p.jacobian
    assert kinds["∂f₂/∂β₂"].kind == "identity"
    assert kinds["∂h₂/∂f₁"].kind == "mask"
    assert kinds["∂f₂/∂h₂"].kind == "matrix"
    assert kinds["∂f₂/∂Ω₂"].kind == "Kronecker"
    assert kinds["∂f₂/∂Ω₂"].matrix.text == "I₃ ⊗ h₂"
    assert kinds["∂f₂/∂Ω₂"].shape == [15, 3]


def test_jacobians_written_out_are_what_they_are_said_to_be():
    W, _, _, _ = arrays()
    v, _ = closed_form()
    columns, rows = network(), network(layout="numerator")
    np.testing.assert_allclose(columns.jacobian("f₂", "h₂"), W[2].T)
    np.testing.assert_allclose(rows.jacobian("f₂", "h₂"), W[2])
    np.testing.assert_allclose(columns.jacobian("f₂", "β₂"), np.eye(3))
    np.testing.assert_allclose(
        columns.jacobian("h₂", "f₁"), np.diag((v["f₁"][:, 0] > 0).astype(float))
    )
    np.testing.assert_allclose(
        columns.jacobian("f₂", "Ω₂"), np.kron(np.eye(3), v["h₂"]), atol=1e-15
    )
    with pytest.raises(ValueError, match="not computed from β₂ directly"):
        columns.jacobian("f₁", "β₂")


def test_the_homework_f_is_B_a():
    B = rg.tensor(np.arange(12.0).reshape(3, 4), requires_grad=True)
    a = rg.tensor(np.ones((4, 1)), requires_grad=True)
    f = B @ a
    story = rg.explain(f, gradient=rg.tensor([[1.0], [2.0], [3.0]], dtype=rg.float64))
    np.testing.assert_array_equal(story.jacobian("f", "a"), B.detach().numpy().T)
    np.testing.assert_array_equal(
        story.layout("numerator").jacobian("f", "a"), B.detach().numpy()
    )
    np.testing.assert_allclose(
        story.gradient("a"), B.detach().numpy().T @ [[1], [2], [3]]
    )


def test_a_value_that_is_used_twice_gets_the_sum():
    x = rg.tensor([1.0, 2.0, 3.0], dtype=rg.float64, requires_grad=True)
    a = x.exp()
    b = a * a
    c = a + b
    loss = c.sum()
    story = rg.explain(loss)
    g = story.description[story.find("a").gradient]
    assert len(g.products) == g.ways == 2
    assert {story.description[p.through].name.text for p in g.products} == {"b", "c"}
    np.testing.assert_allclose(g.value.data, 1 + 2 * np.exp([1.0, 2.0, 3.0]))
    assert "sum over what uses it: " in str(story)


def test_modules_name_their_lines_and_large_values_are_summaries():
    rg.manual_seed(0)
    model = nn.Sequential(nn.Linear(10, 40), nn.ReLU(), nn.Linear(40, 5))
    x, y = rg.randn(20, 10), rg.randn(20, 5)
    pred = model(x)
    loss = nn.functional.mse_loss(pred, y)
    d = rg.explain(loss).description
    lines = {n.name.text: n for n in d.nodes}
    assert lines["f₀"].formula.text == "x · W₀ᵀ + b₀"
    assert lines["f₀"].module == "0" and lines["pred"].module == "2"
    assert lines["W₀"].label == "0.weight"
    assert [m.path for m in d.modules][:3] == ["0", "1", "2"]
    assert lines["f₀"].value.data is None  # 800 numbers
    assert lines["f₀"].value.histogram["counts"] and len(lines["f₀"].value.heat) == 20
    expected = model[0](x).detach().numpy()
    assert lines["f₀"].value.norm == pytest.approx(
        float(np.linalg.norm(expected)), 1e-5
    )
    loss.backward()
    for parameter, name in ((model[0].weight, "W₀"), (model[2].bias, "b₂")):
        g = d[lines[name].gradient].value
        assert g.norm == pytest.approx(float(parameter.grad.norm()), rel=1e-5)
    big = next(p for g in d.gradients for p in g.products if p.jacobian.shape[0] > 500)
    assert not big.jacobian.built and big.jacobian.entries is None


def test_rounds_of_a_loop_are_told_apart():
    W = rg.tensor([[0.5, -0.2], [0.1, 0.3]], requires_grad=True)
    h = rg.tensor([1.0, -1.0])
    for _ in range(3):
        h = rg.tanh(W @ h)
    d = rg.explain(h.sum()).description
    names = [x.name.text for x in d.nodes if x.formula is not None]
    assert names[:3] == ["h₁", "h₂", "h₃"]
