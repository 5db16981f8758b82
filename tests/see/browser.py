"""A headless Chromium for the tests of pages; they are skipped where there is none."""

import contextlib
import shutil

import pytest

WHERE = ("chromium", "chromium-browser", "google-chrome", "chrome")


@contextlib.contextmanager
def chromium():
    sync_api = pytest.importorskip(
        "playwright.sync_api", reason="pages are not opened: no playwright"
    )
    path = next(filter(None, map(shutil.which, WHERE)), None)
    if path is None:
        pytest.skip("pages are not opened: there is no Chromium")
    with sync_api.sync_playwright() as p:
        found = p.chromium.launch(executable_path=path, args=["--no-sandbox"])
        try:
            yield found
        finally:
            found.close()


@contextlib.contextmanager
def opened(browser, url, width=1280, height=800, scheme="light"):
    """A page without network; what it complains of fails the test."""
    wrong = []
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme
    )
    page = context.new_page()
    page.on("pageerror", lambda e: wrong.append(str(e)))
    page.on("console", lambda m: wrong.append(m.text) if m.type == "error" else None)
    page.on("dialog", lambda d: wrong.append(d.message))
    page.goto(url)
    try:
        yield page
    finally:
        context.close()
    assert not wrong, wrong
