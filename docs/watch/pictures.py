"""The pictures of docs/watch.md: pages in headless Chromium (playwright; a Chromium on
the path). ``python docs/watch/pictures.py`` writes them beside this file."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

import retrograd as rg
from retrograd import nn

HERE = Path(__file__).parent


def convolutional(path: Path) -> None:
    rg.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(256, 10),
    )  # fmt: skip
    x, y = rg.randn(16, 1, 8, 8), rg.randint(0, 10, (16,))
    loss = nn.functional.cross_entropy(model(x), y)
    rg.page(loss, path)


def transformer(path: Path) -> None:
    rg.manual_seed(0)
    layer = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.0, batch_first=True)
    model = nn.TransformerEncoder(layer, 2)
    head = nn.Linear(16, 5)
    x, y = rg.randn(2, 6, 16), rg.randint(0, 5, (2,))
    loss = nn.functional.cross_entropy(head(model(x)[:, 0]), y)
    rg.page(loss, path)


def smaller(path: Path) -> None:
    """Fewer colours: a quarter of the bytes, and nobody sees it."""
    from PIL import Image

    with Image.open(path) as picture:
        picture.convert("RGB").quantize(128).save(path, optimize=True)


def until(page: Page, what: str) -> None:
    """Waits for what the page has to show."""
    while not page.evaluate(what):
        page.wait_for_timeout(100)


def main() -> None:
    shapes = {"light": (1280, 620), "dark": (1280, 620), "phone": (390, 780)}
    with sync_playwright() as p, tempfile.TemporaryDirectory() as folder:
        browser = p.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )

        def shot(
            url: str, name: str, kind: str, *actions: str, height: int = 0
        ) -> None:
            width, tall = shapes[kind]
            page = browser.new_page(
                viewport={"width": width, "height": height or tall},
                color_scheme="dark" if kind == "dark" else "light",
            )
            page.goto(url)
            for action in actions:
                page.evaluate(action)
                page.wait_for_timeout(400)
            page.screenshot(path=HERE / name)
            smaller(HERE / name)
            page.close()

        conv, trans = Path(folder, "conv.html"), Path(folder, "transformer.html")
        convolutional(conv)
        transformer(trans)
        select = "visit(D.nodes.find(n => n.name.text === 'W₃').id)"
        shot(conv.as_uri(), "convolutional.png", "light", "go(16, true)", select)
        shot(conv.as_uri(), "phone.png", "phone", "go(11, true)", "whole()", select)
        inner = (
            "visit(D.nodes.find(n => n.module === 'layers.0.norm1' && n.formula).id)"
        )
        shot(trans.as_uri(), "transformer.png", "dark", inner)

        command = [sys.executable, "-m", "retrograd", "watch", "--wait"]
        running = subprocess.Popen(
            [*command, str(HERE / "digits.py")], stderr=subprocess.PIPE, text=True,
            env=dict(os.environ),
        )  # fmt: skip
        try:
            assert running.stderr is not None
            found = re.search(r"http\S+", running.stderr.readline())
            assert found is not None
            page = browser.new_page(viewport={"width": 1280, "height": 1080})
            page.goto(found.group())
            until(page, "rows.length > 7")
            page.click("#descent")
            until(page, "surface")
            page.click(
                "#pause"
            )  # however quick the training is, it waits for the graph
            with page.context.expect_page() as other:
                page.click("#graph")
            other.value.set_viewport_size({"width": 1280, "height": 620})
            other.value.wait_for_selector("#now")
            page.click("#step")
            until(other.value, "step > 0")
            other.value.screenshot(path=HERE / "live.png")
            smaller(HERE / "live.png")
            other.value.close()
            page.click("#pause")
            until(page, "rows.length > 120 || rows.length && $('pause').disabled")
            page.screenshot(path=HERE / "digits.png")
            smaller(HERE / "digits.png")
        finally:
            running.terminate()
            running.wait()
        browser.close()


if __name__ == "__main__":
    main()
