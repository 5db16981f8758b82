"""Drawings in block notation: what is in them, and that they are valid."""

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

import retrograd as rg
from retrograd import nn

graphlay = pytest.importorskip("graphlay", reason="drawings need retrograd[see]")
SVG = "{http://www.w3.org/2000/svg}"


def toy():
    x, y = rg.tensor([[1.0], [2.0]]), rg.tensor([[0.5], [1.0]])
    w = rg.tensor([[0.3, -0.2], [1.0, 2.0]], requires_grad=True)
    b = rg.tensor([[0.1], [0.0]], requires_grad=True)
    f = b + w @ x
    h = rg.relu(f)
    loss = ((h - y) ** 2).sum()
    return loss


def marks(drawing, scene=0):
    return {m.id: m for m in drawing.scenes[scene][1].marks}


def label(mark):
    return getattr(mark.label, "text", mark.label)


def test_circles_blocks_and_squares():
    drawing = rg.draw(toy())
    found = {}
    for m in marks(drawing).values():
        found.setdefault(m.kind, set()).add(label(m))
    assert found["variable"] >= {"h", "f", "ℓ"} and len(found["variable"]) == 7
    assert found["function"] == {"b + w · x", "ReLU"}
    assert found["scalar"] == {"Σ (h − y)²"}
    roles = {label(m): m.role for m in marks(drawing).values()}
    assert roles["ℓ"] == "loss" and roles["h"] == "value"
    assert sorted(roles.values()).count("input") == 2
    assert sorted(roles.values()).count("parameter") == 2


def test_the_derivative_graph_is_the_graph_reversed_with_shapes():
    drawing = rg.draw(toy())
    back = drawing.scenes[1][1]
    kinds = [m.kind for m in back.marks]
    assert kinds.count("gradient") == 5 and kinds.count("jacobian") == 4
    name = {m.id: label(m) for m in back.marks}
    ways = {(name[a.source], name[a.target]): a.label for a in back.links}
    assert ways[("∂ℓ/∂h", "∂h/∂f")] == "2×1" and ("1", "∂ℓ/∂h") in ways
    # forward edges run one way, those of the derivative the other
    ahead = {label(m) for m in drawing.scenes[0][1].marks if m.kind == "variable"}
    assert {n.removeprefix("∂ℓ/∂") for n in name.values() if n != "1"} & ahead
    wide = rg.tensor(np.ones((4, 1)), requires_grad=True)
    matrix = rg.tensor(np.ones((3, 4)), requires_grad=True)
    z = matrix @ wide
    columns = rg.draw((z * z).sum()).scenes[1][1]
    rows = rg.draw((z * z).sum(), layout="numerator").scenes[1][1]
    for scene, shapes in (
        (columns, {"3×1", "4×1", "12×1"}),
        (rows, {"1×3", "1×4", "1×12"}),
    ):
        assert {a.label for a in scene.links} - {""} == shapes
    assert {m.role for m in columns.marks if m.kind == "jacobian"} == {
        "3×1", "4×3", "12×3",
    }  # fmt: skip


@pytest.mark.parametrize("direction", ["right", "up"])
def test_the_svg_is_valid_and_complete(direction):
    drawing = rg.draw(toy(), direction=direction)
    tree = ET.fromstring(drawing.svg())
    assert tree.tag == SVG + "svg"
    circles = list(tree.iter(SVG + "circle"))
    variables = [m for m in marks(drawing).values() if m.kind == "variable"]
    gradients = [m for m in marks(drawing, 1).values() if m.kind == "gradient"]
    assert len(circles) == len(variables) + len(gradients)
    lines = [p for p in tree.iter(SVG + "path") if p.get("marker-end")]
    assert len(lines) == sum(len(s.links) for _, s in drawing.scenes)
    width, height = float(tree.get("width")), float(tree.get("height"))
    for c in circles:
        assert 0 < float(c.get("cx")) < width and 0 < float(c.get("cy")) < height
    assert "<script" not in drawing.svg() and drawing.svg() == drawing._repr_svg_()


def boxes(svg):
    """Circles and rectangles of each group as (x0, y0, x1, y1)."""
    found = []
    for c in re.finditer(r'<circle cx="([\d.-]+)" cy="([\d.-]+)" r="([\d.]+)"', svg):
        x, y, r = map(float, c.groups())
        if r > 8:
            found.append((x - r, y - r, x + r, y + r))
    return found


def test_circles_do_not_overlap():
    rg.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 4), nn.Tanh())
    for direction in ("right", "up"):
        svg = rg.draw(model(rg.ones(2, 6)), direction=direction).svg()
        found = boxes(svg)
        assert len(found) > 6
        for i, a in enumerate(found):
            for b in found[:i]:
                apart = a[0] >= b[2] or b[0] >= a[2] or a[1] >= b[3] or b[1] >= a[3]
                assert apart, (direction, a, b)


def test_png_is_a_picture():
    pytest.importorskip("resvg_py", reason="PNG needs retrograd[see]")
    data = rg.draw(toy()).png()
    assert data.startswith(b"\x89PNG") and len(data) > 5000
    double = rg.draw(toy()).png(scale=4)
    size = [int.from_bytes(d[16:20], "big") for d in (data, double)]
    assert size[1] == pytest.approx(2 * size[0], abs=2)


def test_mermaid_and_dot():
    drawing = rg.draw(toy())
    mermaid, dot = drawing.mermaid(), drawing.dot()
    assert mermaid.startswith("flowchart LR") and '(("ℓ"))' in mermaid
    assert '["Σ #40;h − ' in mermaid  # what Mermaid would read as its own is written so
    assert dot.startswith("digraph retrograd {") and 'label="ReLU"' in dot
    links = sum(len(s.links) for _, s in drawing.scenes)
    assert mermaid.count("-->") == dot.count(" -> ") == links


def test_a_model_is_drawn_and_left_as_it_was():
    rg.manual_seed(1)
    model = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Dropout(0.5))
    before = {k: v.numpy().copy() for k, v in model.state_dict().items()}
    numbers = rg.get_rng_state()
    drawing = rg.draw(model, rg.ones(5, 4))
    assert len(drawing.scenes) == 1
    after = {k: v.numpy() for k, v in model.state_dict().items()}
    assert all(np.array_equal(before[k], after[k]) for k in before)
    assert (rg.get_rng_state() == numbers).all() and model.training
    assert "Linear" in {label(m) for m in marks(drawing).values()}
    assert rg.draw(nn.Linear(3, 2)).scenes  # its input is told from the layer
    with pytest.raises(TypeError, match="cannot be told from its first layer"):
        rg.draw(nn.Conv2d(1, 2, 3))


def test_modules_as_one_block_each():
    block = lambda: nn.Sequential(nn.Linear(4, 4), nn.ReLU())  # noqa: E731
    model = nn.Sequential(block(), block(), nn.Linear(4, 2))
    whole = rg.draw(model, rg.ones(1, 4))
    folded = rg.draw(model, rg.ones(1, 4), depth=1)
    blocks = [m for m in marks(folded).values() if m.kind == "function"]
    assert [m.caption for m in blocks] == ["0", "1", "2"]
    assert len(marks(folded)) < len(marks(whole))


def test_save_says_what_is_wrong(tmp_path):
    drawing = rg.draw(toy())
    for ending in ("svg", "mmd", "dot", "html"):
        drawing.save(tmp_path / f"a.{ending}")
        assert (tmp_path / f"a.{ending}").stat().st_size > 500
    with pytest.raises(
        ValueError, match=r"a\.bmp: the ending says what to write: \.svg"
    ):
        drawing.save(tmp_path / "a.bmp")
    with pytest.raises(OSError, match="cannot write .*No such file"):
        drawing.save(tmp_path / "nowhere" / "a.svg")
    with pytest.raises(ValueError, match="direction is 'down'; there are right, up"):
        rg.draw(toy(), direction="down")
    with pytest.raises(TypeError, match="takes a tensor or a model, not int"):
        rg.draw(3)
    x = rg.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match="is drawn of one number"):
        rg.draw(x * 2, derivative=True)
