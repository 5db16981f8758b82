"""Graphs of many operations: drawings, stories and pages stay quick, and stay true."""

import json
import re

import numpy as np
import pytest

import retrograd as rg
from retrograd import nn
from retrograd.see.far import PASSED, _layers, shortened
from retrograd.see.scene import forward


def recurrence(rounds):
    """h = tanh(h · w + b): both are used in every round."""
    w = rg.tensor([0.9, -0.4], dtype=rg.float64, requires_grad=True)
    b = rg.tensor([0.1, 0.2], dtype=rg.float64, requires_grad=True)
    h = rg.tensor([0.5, 0.3], dtype=rg.float64)
    for _ in range(rounds):
        h = rg.tanh(h * w + b)
    return h.sum(), w, b


def test_rules_that_are_repeated_give_the_gradients_of_backward():
    loss, w, b = recurrence(60)
    other = (rg.relu(w * b) * w / (b * b + 1)).sum() + (w @ b) * (w * 2 - w * 3).sum()
    whole = loss + other
    story = rg.explain(whole)
    shown = [np.asarray(story.gradient(x)) for x in (w, b)]
    whole.backward()
    np.testing.assert_allclose(shown[0], w.grad.numpy(), rtol=1e-12)
    np.testing.assert_allclose(shown[1], b.grad.numpy(), rtol=1e-12)


def test_operands_that_are_the_same_are_not_taken_for_others():
    x = rg.tensor([2.0, 3.0], requires_grad=True)
    y = rg.tensor([5.0, 7.0], requires_grad=True)
    story = rg.explain((x * x).sum() + (x * y).sum() + (y * y).sum() + (y * x).sum())
    np.testing.assert_allclose(story.gradient(x), [14.0, 20.0])
    np.testing.assert_allclose(story.gradient(y), [14.0, 20.0])


def test_links_that_pass_many_layers_are_cut_and_none_is_lost():
    loss, *_ = recurrence(150)
    scene = forward(rg.explain(loss, limit=None).description)
    short = shortened(scene)
    layer = _layers(short)
    passed = sum(max(0, layer[x.target] - layer[x.source] - 1) for x in short.links)
    before = _layers(scene)
    assert (
        passed
        <= PASSED
        < sum(before[x.target] - before[x.source] - 1 for x in scene.links)
    )
    ends = [(x.source.split("@")[0], x.target.split("@")[0]) for x in short.links]
    assert ends == [(x.source, x.target) for x in scene.links]
    again = [m for m in short.marks if m.again]
    assert {m.label.text for m in again} == {"w", "b"}
    few, *_ = recurrence(5)
    small = forward(rg.explain(few).description)
    assert shortened(small) is small


def test_a_long_flat_drawing_is_cut_before_it_is_laid_out():
    pytest.importorskip("graphlay", reason="drawings need retrograd[see]")
    loss, *_ = recurrence(200)  # takes minutes uncut
    picture = rg.draw(loss, limit=None).svg()
    assert picture.count("stroke-dasharray") > 100


def test_a_page_of_a_very_large_graph_has_its_ends(tmp_path, monkeypatch):
    pytest.importorskip("graphlay", reason="the page needs retrograd[see]")
    from retrograd.see import page

    monkeypatch.setattr(page, "LINES", 100)
    loss, w, _ = recurrence(400)
    rg.page(loss, tmp_path / "x.html")
    text = (tmp_path / "x.html").read_text("utf-8")
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text)
    d = json.loads(found.group(1))["levels"]["modules"]["description"]
    lines = len(rg.explain(loss, limit=None).describer.lines.forward)
    kept = sum("formula" in n for n in d["nodes"])
    assert d["omitted"]["nodes"] == lines - kept and 100 <= kept < 110
    loss.backward()
    leaf = next(n for n in d["nodes"] if n["name"]["text"] == "w")
    shown = next(g for g in d["gradients"] if g["id"] == leaf["gradient"])
    assert shown["value"]["data"] == pytest.approx(w.grad.tolist(), rel=1e-4)


def test_a_model_s_own_lines_stand_beside_its_parts(tmp_path):
    pytest.importorskip("graphlay", reason="the page needs retrograd[see]")
    from retrograd.see.page import boxes

    class Residual(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner, self.outer = nn.Linear(2, 2), nn.Linear(2, 2)

        def forward(self, x):
            return self.outer(rg.tanh(self.inner(x)) + x)

    net = Residual()
    story = rg.explain(net(rg.ones(1, 2)).sum())
    view = boxes.lines(story.description, story._names.roots.values())
    assert set(view.boxes) == {"", "inner", "outer"}
    assert any(
        m.parent is view.root and m.kind == "function" for m in view.marks.values()
    )
