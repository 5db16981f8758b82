"""Stories: what they leave alone, their forms, stepping, and bad input."""

import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest

import retrograd as rg
from retrograd import nn


def small(**options):
    w = rg.tensor([[0.5, -1.0], [2.0, 0.25]], requires_grad=True)
    x = rg.tensor([1.0, 2.0])
    s = w @ x
    z = rg.tanh(s)
    loss = z.sum()
    return rg.explain(loss, **options)


def state_of(model):
    return {k: v.detach().numpy().copy() for k, v in model.state_dict().items()}


def test_nothing_of_the_program_changes():
    rg.manual_seed(3)
    model = nn.Sequential(
        nn.Linear(4, 3), nn.BatchNorm1d(3), nn.ReLU(), nn.Dropout(0.5)
    )
    x = rg.randn(6, 4)
    loss = model(x).square().mean()
    state, numbers = state_of(model), rg.get_rng_state()
    hooks = [len(m.__dict__.get("_hooks") or {}) for m in model.modules()]
    story = rg.explain(loss, proof=True)
    str(story), story.html(), story.json(), story.draw(derivative=True).mermaid()
    rg.find_nonfinite(loss)
    assert all(p.grad is None for p in model.parameters())
    assert all((state_of(model)[k] == v).all() for k, v in state.items())
    assert (rg.get_rng_state() == numbers).all()
    assert [len(m.__dict__.get("_hooks") or {}) for m in model.modules()] == hooks
    shown = story.gradient("0.weight")
    loss.backward()  # the graph is there, and gives what was shown
    np.testing.assert_allclose(
        model[0].weight.grad.numpy(), shown, rtol=1e-4, atol=1e-7
    )


def test_a_graph_that_has_run_says_what_was_recomputed():
    w = rg.tensor([1.0, 2.0], requires_grad=True)
    a = w * 3
    b = rg.sin(a)
    loss = (b * b).sum()
    fresh = rg.explain(loss)
    assert "has not run" in str(fresh)
    value = loss.item()
    ran = rg.explain(loss)
    assert "recomputed with NumPy" in str(ran)
    assert ran.value("ℓ") == pytest.approx(value, rel=1e-6)
    for name in ("a", "b", "w"):
        np.testing.assert_allclose(ran.value(name), fresh.value(name), rtol=1e-6)
        np.testing.assert_allclose(ran.gradient(name), fresh.gradient(name), rtol=1e-5)


def test_values_are_those_of_the_moment():
    w = rg.tensor([1.0, 2.0], requires_grad=True)
    loss = (w * w).sum()
    story = rg.explain(loss)
    with rg.no_grad():
        w.fill_(7.0)
    assert story.value("w").tolist() == [1.0, 2.0]
    assert story.gradient("w").tolist() == [2.0, 4.0]


def test_the_json_is_json_and_complete():
    story = small()
    d = json.loads(story.json())
    assert d["version"] == 1 and d["language"] == "en"
    ids = {x["id"] for part in ("nodes", "gradients", "operations") for x in d[part]}
    assert set(d["steps"]) <= ids and d["loss"] in ids
    for edge in d["edges"]:
        assert edge["source"] in ids and edge["target"] in ids
    for o in d["operations"]:
        assert all(not isinstance(i, str) or i in ids for i in o["inputs"])
        assert o["home"] in ids or o["home"] is None
    names = {x["name"]["text"]: x for x in d["nodes"]}
    assert names["s"]["source"]["text"] == "s = w @ x"
    assert names["z"]["formula"] == {
        "text": "tanh(s)",
        "latex": r"\tanh\left(s\right)",
        "mathml": names["z"]["formula"]["mathml"],
    }
    assert "<mi>tanh</mi>" in names["z"]["formula"]["mathml"]


def test_numbers_that_json_has_no_word_for():
    w = rg.tensor([0.0, 1.0], requires_grad=True)
    loss = w.log().sum()
    d = json.loads(rg.explain(loss).json())
    (root,) = (x for x in d["nodes"] if x["id"] == d["loss"])
    assert root["value"]["data"] == "-Infinity"
    assert d["nonfinite"] in {x["id"] for x in d["nodes"]}


def test_forms_are_of_one_description():
    story = small()
    assert r"\begin{align*}" in story.latex() and r"\tanh" in story.latex()
    assert "$z = \\tanh" in story.markdown()
    page = story.html()
    assert page.startswith("<!doctype html>") and "<math>" in page
    for outside in ("http", "<script", "@import", "url("):
        assert outside not in page
    assert story._repr_html_() in page
    assert repr(story) == "<story of ℓ: 5 values, 3 gradients>"


def test_names_of_the_user_are_escaped():
    module = nn.Module()
    module.register_parameter("p<b>", nn.Parameter(rg.tensor([1.0])))
    loss = (module.get_parameter("p<b>") * 2).sum()
    story = rg.explain(loss)
    assert "p<b>" in str(story) and "p<b>" not in story.html()


def test_steps_forwards_and_backwards():
    story = small()
    names = [step.name for step in iter(story.step, None)]
    assert names == ["s", "z", "ℓ", "∂ℓ/∂z", "∂ℓ/∂s", "∂ℓ/∂w"]
    assert story.step() is None
    assert [story.back().name for _ in range(2)] == ["∂ℓ/∂w", "∂ℓ/∂s"]
    story.rewind()
    assert story.back() is None
    first = story.step()
    assert (first.name, first.phase, first.value.data) == ("s", "forward", [-1.5, 2.5])
    assert "[1/6] s = w · x" in str(first)


def test_breakpoints_on_a_value_a_module_and_the_first_nonfinite():
    story = small().break_at("z")
    assert [s.name for s in iter(story.run, None)] == ["z", "∂ℓ/∂z"]
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    loss = model(rg.ones(1, 2)).log().sum()
    story = rg.explain(loss).break_at("1")
    assert [s.entry.id[0] for s in iter(story.run, None)] == ["n", "g"]
    with rg.no_grad():
        model[0].weight.zero_()
        model[0].bias.zero_()
    loss = model(rg.ones(1, 2)).log().sum()
    story = rg.explain(loss).break_at("nonfinite")
    assert story.run().value.inf > 0 or story.walk.here().value.nan > 0


def test_three_levels_of_detail():
    lines = small().description
    operations = small(level="operations").description
    count = sum(1 for x in operations.nodes if x.formula is not None)
    assert count == len([o for o in operations.operations if o.phase == "forward"])
    assert count > len([x for x in lines.nodes if x.formula is not None])
    kernels = small(level="kernels").description
    assert kernels.kernels and not lines.kernels
    homes = {o.kernel for o in kernels.operations if o.kernel}
    assert homes <= {k.id for k in kernels.kernels} and homes
    text = str(small(level="kernels"))
    assert "Kernels" in text and "k0: " in text
    assert small().level("operations").description.level == "operations"


def test_things_are_found_by_symbol_label_identifier_and_tensor():
    w = rg.tensor([1.0, 2.0], requires_grad=True)
    a = w * 3
    story = rg.explain(a.sum())
    assert story.find(w).id == story.find("w").id == story.find(story.find(w).id).id
    assert story.find(a).name.text == "a"
    with pytest.raises(KeyError, match="nothing here is called 'q'; there are w, a"):
        story.find("q")


BAD = [
    (lambda x: x.detach() * 2, RuntimeError, "does not require grad|nothing to show"),
    (lambda x: x * 2, RuntimeError, "only for scalar outputs"),
    (lambda x: 3.0, TypeError, "takes a tensor, the loss, not float"),
    (lambda x: x, RuntimeError, "nothing to show"),
]


@pytest.mark.parametrize(("make", "error", "text"), BAD)
def test_bad_input_gets_one_clear_line(make, error, text):
    x = rg.tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(error, match=text) as found:
        rg.explain(make(x))
    lines = str(found.value).split("\n  ")
    assert len(lines) == 2 and lines[1].startswith("at test_story.py:")


def test_a_freed_graph_is_refused():
    x = rg.tensor([1.0, 2.0], requires_grad=True)
    loss = (x * x).sum()
    loss.item()
    loss.backward()
    x.grad.tolist()
    with pytest.raises(RuntimeError, match="was freed by a backward"):
        rg.explain(loss)


def test_unknown_choices_are_named():
    with pytest.raises(ValueError, match="level is 'all'; there are modules, op"):
        small(level="all")
    with pytest.raises(ValueError, match="layout is 'mixed'"):
        small(layout="mixed")
    with pytest.raises(ValueError, match="lang is 'xx'; there are 'en'"):
        small(lang="xx")


def test_a_long_graph_is_cut_and_does_not_hang():
    w = rg.tensor([1.0, 0.5], dtype=rg.float64, requires_grad=True)
    x, value, slope = w, np.array([1.0, 0.5]), np.ones(2)
    for _ in range(500):
        x = rg.sin(x)
        x = x * 1.001
        slope = slope * np.cos(value) * 1.001
        value = np.sin(value) * 1.001
    story = rg.explain(x.sum(), limit=40)
    d = story.description
    assert len(d.nodes) < 60 and d.omitted["nodes"] > 900
    assert "lines are left out" in str(story)
    assert len(story.draw(derivative=True).scenes[0][1].marks) < 120
    np.testing.assert_allclose(story.gradient("w"), slope, rtol=1e-10)


def test_lines_of_a_notebook_are_named_by_their_cells(monkeypatch):
    """As IPython's compiler names them; it is not started here, because it would leave
    its marks in the process."""
    cells = {"/tmp/ipykernel_7/81.py": ("Cell", "In[3]")}
    shell = SimpleNamespace(compile=SimpleNamespace(format_code_name=cells.get))
    stand_in = SimpleNamespace(get_ipython=lambda: shell)
    monkeypatch.setitem(sys.modules, "IPython", stand_in)
    names = {"rg": rg, "x": rg.tensor([1.0, 2.0], requires_grad=True)}
    exec(compile("\n\ny = x * x", "/tmp/ipykernel_7/81.py", "exec"), names)
    assert "In[3]:3" in rg.explain(names["y"].sum()).text()
    stand_in.get_ipython = lambda: None  # IPython is imported, but no notebook runs
    exec(compile("z = x + x", "/tmp/ipykernel_7/82.py", "exec"), names)
    assert "82.py:1" in rg.explain(names["z"].sum()).text()
