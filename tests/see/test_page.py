"""``rg.page``: the file, and what it does in a browser."""

import json
import re

import pytest
from click.testing import CliRunner

import retrograd as rg
from retrograd import nn
from retrograd.cli import app
from see.browser import chromium, opened

pytest.importorskip("graphlay", reason="the page needs retrograd[see]")


@pytest.fixture(scope="module")
def browser():
    with chromium() as found:
        yield found


def convolutional():
    rg.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3)
    )
    x, y = rg.randn(2, 1, 8, 8), rg.tensor([0, 2])
    return model, nn.functional.cross_entropy(model(x), y)


def data_of(path):
    text = path.read_text("utf-8")
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text)
    return text, json.loads(found.group(1))


def test_the_file_is_whole_and_has_the_numbers_of_the_run(tmp_path):
    model, loss = convolutional()
    rg.page(loss, tmp_path / "x.html")
    text, data = data_of(tmp_path / "x.html")
    assert "default-src 'none'" in text and "'unsafe" not in text
    assert not re.search(r'(src|href)="', text.split('id="data"')[0])
    levels = data["levels"]
    assert list(levels) == ["modules", "operations", "kernels"]
    d = levels["modules"]["description"]
    shown = next(n for n in d["nodes"] if n["id"] == d["loss"])
    assert shown["value"]["data"] == pytest.approx(loss.item(), rel=1e-5)
    bias = next(n for n in d["nodes"] if n["name"]["text"] == "b₃")
    gradient = next(g for g in d["gradients"] if g["id"] == bias["gradient"])
    loss.backward()
    ours = model[3].bias.grad.tolist()
    assert gradient["value"]["data"] == pytest.approx(ours, rel=1e-4)
    assert list(model.state_dict()) == ["0.weight", "0.bias", "3.weight", "3.bias"]


def test_every_mark_is_in_a_box_and_nothing_overlaps(tmp_path):
    _, loss = convolutional()
    rg.page(loss, tmp_path / "x.html")
    for level in data_of(tmp_path / "x.html")[1]["levels"].values():
        boxes = level["view"]["boxes"]
        placed = [t[0] for b in boxes.values() for t in b["things"]]
        marks = [m[0] for m in level["view"]["marks"]]
        assert sorted(placed) == sorted([*marks, *(b for b in boxes if b)])
        for b in boxes.values():
            for i, (_, x, y, w, h) in enumerate(b["things"]):
                for _, u, v, p, q in b["things"][:i]:
                    assert abs(x - u) >= (w + p) / 2 - 1 or abs(y - v) >= (h + q) / 2 - 1  # fmt: skip


class Cube(rg.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return 3 * x * x * g


class CubeByNumPy(Cube):
    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return rg.tensor(3 * x.detach().numpy() ** 2 * g.numpy())


@pytest.mark.parametrize("cube", [Cube, CubeByNumPy])
def test_functions_of_the_user_s_own_have_pages(tmp_path, cube):
    x = rg.tensor([1.0, -2.0], requires_grad=True)
    y = cube.apply(x)
    rg.page((y * x).sum(), tmp_path / "x.html")
    d = data_of(tmp_path / "x.html")[1]["levels"]["modules"]["description"]
    leaf = next(n for n in d["nodes"] if n["name"]["text"] == "x")
    gradient = next(g for g in d["gradients"] if g["id"] == leaf["gradient"])
    assert gradient["value"]["data"] == [4.0, -32.0]  # ∂x⁴/∂x
    through = next(n for n in d["nodes"] if n["name"]["text"] == "y")
    found = [
        p["jacobian"] for p in gradient["products"] if p["through"] == through["id"]
    ]
    if cube is Cube:
        assert found[0]["entries"] == [[3.0, 0.0], [0.0, 12.0]]
    else:
        assert "entries" not in found[0], "it computes by NumPy, on numbers alone"


def test_bad_input_is_one_line(tmp_path):
    x = rg.tensor(2.0, requires_grad=True)
    with pytest.raises(OSError, match=r"^cannot write .*x\.html: "):
        rg.page(x * x, tmp_path / "no" / "x.html")
    with pytest.raises(RuntimeError, match="does not require grad"):
        rg.page((x * x).detach(), tmp_path / "x.html")
    with pytest.raises(TypeError, match="takes a tensor"):
        rg.page(3, tmp_path / "x.html")
    assert not (tmp_path / "x.html").exists()
    out = CliRunner().invoke(
        app, ["explain", "toy", "--page", str(tmp_path)], standalone_mode=False
    )
    assert "cannot write" in str(out.exception.message)


def test_text_has_contrast_in_both_themes():
    """4.5 to 1 at least (WCAG 2.2, 1.4.3), for each colour of text on what it stands on."""
    from retrograd.see.page import static

    def light(color):
        color = color if len(color) == 7 else "#" + "".join(2 * c for c in color[1:])
        parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [
            c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts
        ]
        return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    def contrast(a, b):
        low, high = sorted((light(a), light(b)))
        return (high + 0.05) / (low + 0.05)

    style = static("base.css")
    for theme in style.split("@media(prefers-color-scheme:dark)"):
        color = dict(re.findall(r"--([\w-]+):(#\w+)", theme.split("}")[0]))
        pairs = [("ink", x) for x in ("paper", "panel", "value", "loss", "input", "parameter",
                                      "random", "function", "back-fill", "box")]  # fmt: skip
        pairs += [(x, y) for x in ("soft", "back", "focus", "loss-line") for y in ("paper", "panel")]  # fmt: skip
        pairs += [("soft", "box"), ("back", "back-fill"), ("paper", "ink"), ("soft", "function"), ("soft", "random")]  # fmt: skip
        for a, b in pairs:
            assert contrast(color[a], color[b]) >= 4.5, (
                a,
                b,
                contrast(color[a], color[b]),
            )
    assert ":focus-visible" in style and "prefers-reduced-motion" in style


def test_steps_with_keys_alone(browser, tmp_path):
    rg.page(toy(), tmp_path / "toy.html")
    with opened(browser, (tmp_path / "toy.html").as_uri()) as page:
        assert page.inner_text("#now").startswith("6 / 6")
        page.keyboard.press("Home")
        assert page.inner_text("#now") == "0 / 6"
        for name in ("s = 1.5", "z = 0.9051", "C = 0.8193", "∂C/∂z = 1.81"):
            page.keyboard.press("ArrowRight")
            assert name in page.inner_text("#now")
        assert "In the program" in page.inner_text("#panel")
        assert page.locator("#panel math").count() > 3
        page.keyboard.press("ArrowLeft")
        assert "C = 0.8193" in page.inner_text("#now")
        page.keyboard.press("/")
        page.keyboard.type("tanh")
        page.keyboard.press("Enter")
        assert "tanh(s)" in page.inner_text("#panel").replace(" ", "").replace("\n", "")
        assert page.evaluate("document.activeElement.id") == "graph"
        page.keyboard.press("ArrowDown")  # to what is computed from it
        page.keyboard.press("End")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.tagName") == "BUTTON"


def test_the_words_of_the_page_are_those_of_the_catalogues(browser, tmp_path):
    from retrograd.see.page import static
    from retrograd.see.page.words import _texts

    texts = _texts()
    known = {*texts.plain, *(t for pair in texts.counted for t in pair)}
    script, body = static("page.js"), static("page.html")
    assert set(re.findall(r'say\("([^"]+)"', script)) <= set(texts.plain)
    counted = re.findall(r'many\("([^"]+)", "([^"]+)"', script)
    assert set(counted) == set(texts.counted)
    attributes = re.findall(r'(?:aria-label|title|placeholder)="([^"]+)"', body)
    assert {*attributes, *re.findall(r"<dd>(.*?)</dd>", body)} <= known
    for lang, words in (("es", "Módulos Buscar Abrir"), ("ko", "모듈 찾기 열기")):
        rg.page(toy(), tmp_path / "x.html", lang=lang)
        with opened(browser, (tmp_path / "x.html").as_uri()) as page:
            page.evaluate("select(D.loss)")
            shown = page.inner_text("#app") + page.locator("#app").inner_html()
            for word in words.split():
                assert word in shown
            for word in known - {"Zoom", "std"}:
                said = rf'(>|label="|title="|holder="){re.escape(word)}["<]'
                assert not re.search(said, shown), word


def toy():
    x = rg.tensor(0.5, requires_grad=True)
    s = 3 * x
    z = rg.tanh(s)
    C = z * z
    return C


@pytest.mark.parametrize("size", [(1280, 800), (390, 844)])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_boxes_open_and_levels_change(browser, tmp_path, size, scheme):
    _, loss = convolutional()
    rg.page(loss, tmp_path / "x.html")
    with opened(browser, (tmp_path / "x.html").as_uri(), *size, scheme) as page:
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= size[0], "it scrolls sideways"
        page.click("#close-all")
        closed = page.evaluate("shown.length")
        page.click("#open-all")
        assert page.evaluate("shown.length") > closed
        page.evaluate("visit(D.nodes.find(n => n.function === 'Conv2d').id)")
        assert "heat map" in page.locator("#panel canvas").first.get_attribute("aria-label")  # fmt: skip
        for level in ("Operations", "Kernels"):
            page.get_by_role("button", name=level, exact=True).click()
            assert page.evaluate("shown.length") > 1
        page.evaluate("select('k0')")
        assert "kernel" in page.inner_text("#panel")
        ink = page.evaluate("ctx.getImageData(0, 0, stage.width, stage.height).data.some(v => v)")  # fmt: skip
        assert ink, "nothing is drawn"


def test_models_with_equal_paths_have_boxes_of_their_own(tmp_path):
    one, two = nn.Sequential(nn.Linear(2, 2)), nn.Sequential(nn.Linear(2, 2))
    rg.page(two(one(rg.ones(1, 2))).sum(), tmp_path / "x.html")
    boxes = data_of(tmp_path / "x.html")[1]["levels"]["modules"]["view"]["boxes"]
    assert set(boxes) == {"", "one", "one.0", "two", "two.0"}


def test_what_is_shown_is_escaped(browser, tmp_path):
    class Evil(nn.Module):
        def __init__(self):
            super().__init__()
            self.add_module("</script><img src=x onerror=alert(1)>", nn.Linear(2, 1))

        def forward(self, x):
            return next(self.children())(x)

    model = Evil()
    loss = model(rg.ones(1, 2)).sum()  # "</script><script>alert(2)</script>"
    rg.page(loss, tmp_path / "x.html")
    with opened(browser, (tmp_path / "x.html").as_uri()) as page:
        page.keyboard.press("ArrowLeft")
        page.click("#open-all")
        assert page.locator("img").count() == 0
        assert page.locator("script").count() == 2
        assert "onerror" in page.evaluate("JSON.stringify(V.boxes)")


@pytest.fixture(scope="module")
def thousands(tmp_path_factory):
    """The page of 5,000 values and functions."""
    w = rg.tensor([0.5, 0.2], requires_grad=True)
    h = rg.tensor([1.0, 2.0])
    for _ in range(1250):
        a = rg.tanh(h * w)
        h = a + w
    path = tmp_path_factory.mktemp("page") / "x.html"
    rg.page(h.sum(), path)
    return path.as_uri()


def test_thousands_of_lines_stay_quick(browser, thousands):
    with opened(browser, thousands) as page:
        assert page.evaluate("shown.length") < 100
        assert page.evaluate("marks.size") >= 5000
        page.evaluate("go(700, true)")
        assert page.evaluate(DRAWN)["calls"] < 1000
        there = "(() => shown.filter(s => s.box && !s.open).map(s => state(s).value))()"
        page.evaluate("go(0)")
        assert not any(page.evaluate(there)), (
            "a closed box is empty before its first step"
        )
        page.evaluate("go(800)")
        assert {*page.evaluate(there)} == {True, False}
        page.evaluate("go(V.steps.length)")
        assert all(page.evaluate(there))
        page.evaluate("visit(V.steps[500])")
        assert page.evaluate("place.has(selected)")


#: what a step draws: calls, and the length of the paths in screens
DRAWN = """(() => {
    const P = CanvasRenderingContext2D.prototype, had = {}, found = {calls: 0, far: 0};
    const across = innerWidth + innerHeight;
    for (const k of ["stroke", "fill", "fillRect", "strokeRect", "fillText", "strokeText",
                     "lineTo", "bezierCurveTo", "quadraticCurveTo", "roundRect", "moveTo"]) {
        had[k] = P[k];
        P[k] = function (...a) {
            found.calls++;
            if (this === ctx && typeof a[0] === "number")
                found.far = Math.max(found.far, Math.abs(view.x + a[0] * view.k) / across);
            return had[k].apply(this, a);
        };
    }
    go(at + 1, true); paint();
    Object.assign(P, had);
    return found;
})()"""


def test_a_step_with_every_box_open_draws_what_is_in_sight(browser, thousands):
    """So that its cost depends on the screen, and not on the graph."""
    with opened(browser, thousands) as page:
        page.evaluate("go(700, true)")
        closed = page.evaluate(DRAWN)
        page.evaluate(
            "(() => { for (const id in V.boxes) open.add(id); arrange(); whole(); })()"
        )
        assert page.evaluate("shown.length") > 5000
        page.evaluate("go(700, true)")
        opened_ = page.evaluate(DRAWN)
        assert opened_["calls"] < 1000 and opened_["far"] < 3, (closed, opened_)
        elements = page.evaluate("document.getElementsByTagName('*').length")
        assert elements < 1000, "the graph is a canvas, and the panel one line"
        page.evaluate("whole()")
        whole = page.evaluate(DRAWN.replace("go(at + 1, true);", ""))
        assert whole["calls"] < 6000, whole
