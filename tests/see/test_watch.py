"""``rg.watch``: what it measures, what it leaves behind, who may ask it, and its page."""

import copy
import json
import os
import re
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import retrograd as rg
from retrograd import backward, nn
from retrograd.cli import app
from retrograd.nn import functional as F
from see.browser import chromium, opened


class Training:
    def __init__(self):
        rg.manual_seed(1)
        self.model = nn.Sequential(
            nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 4), nn.Sigmoid(), nn.Linear(4, 1)
        )
        self.optimizer = rg.optim.SGD(self.model.parameters(), lr=0.1)
        self.x, self.y = rg.randn(16, 3), rg.randn(16, 1)

    def step(self):
        self.optimizer.zero_grad()
        loss = F.mse_loss(self.model(self.x), self.y)
        loss.backward()
        self.optimizer.step()
        return loss


def ask(watch, path, token=None, host=None, body=None, origin=None):
    """(status, text)"""
    url = f"http://127.0.0.1:{watch.server.port}{path}"
    request = urllib.request.Request(url, data=body)
    request.add_header("X-Token", watch.server.token if token is None else token)
    if host:
        request.add_header("Host", host)
    if origin:
        request.add_header("Origin", origin)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def measured(watch, training, rows=1):
    """Step until something was measured; a page is open meanwhile."""
    end = time.monotonic() + 60
    losses = []
    while time.monotonic() < end:
        data = json.loads(ask(watch, "/data?after=0")[1])
        if len(data["rows"]) >= rows:
            return data, losses
        look(watch)
        losses.append(training.step().item())
    raise AssertionError("nothing was measured")


def look(watch):
    """At the next step."""
    watch._next = 0.0
    watch._arm()


@pytest.fixture(scope="module")
def browser():
    with chromium() as found:
        yield found


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """A page that asked stays open until the test says that it was closed, however busy
    the machine is."""
    monkeypatch.setattr("retrograd.see.watching.server.OPEN", 1e6)


def test_numbers_are_those_of_the_step():
    training = Training()
    with rg.watch(training.model, quiet=True) as watch:
        watch.log(accuracy=0.25)
        data, losses = measured(watch, training)
        row = data["rows"][0]
        assert row["loss"] == pytest.approx(losses[row["step"] - 1], rel=1e-6)
        assert row["lr"] == [0.1] and row["metrics"] == {"accuracy": 0.25}
        weight = training.model[0].weight
        first = data["layers"][0]
        assert first["name"] == "0.weight"
        norm = float(np.linalg.norm(weight.grad.numpy()))
        assert first["gradient"] == pytest.approx(norm, rel=1e-5)
        # Δw = −0.1 ∂ℓ/∂w
        assert first["ratio"] == pytest.approx(0.1 * norm / first["norm"], rel=1e-3)
        kinds = {a["kind"]: a for a in data["activations"]}
        assert set(kinds) == {"Linear", "ReLU", "Sigmoid"}
        assert "dead" in kinds["ReLU"] and "saturated" in kinds["Sigmoid"]


def test_dead_and_saturated_units_are_counted():
    from retrograd.see.watching.measure import activation

    units = np.array([[0.0, 1.0, 0.0, 2.0], [0.0, 0.0, 0.0, 1.0]], np.float32)
    assert activation("a", "ReLU", units)["dead"] == 0.5
    tanh = np.array([[0.999, -0.999, 0.0, 0.5]], np.float32)
    assert activation("a", "Tanh", tanh)["saturated"] == 0.5
    image = np.zeros((2, 3, 2, 2), np.float32)
    image[0, 1, 0, 0] = 1.0
    assert activation("a", "ReLU", image)["dead"] == pytest.approx(2 / 3)


def test_units_that_are_known_to_be_dead_or_saturated_are_found():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.line = nn.Conv2d(1, 8, 3), nn.Conv1d(3, 4, 1)
            self.relu, self.tanh = nn.ReLU(), nn.Tanh()
            self.first, self.last = nn.Linear(6, 10), nn.Linear(10, 1)

        def forward(self, image, signal, x):
            dead = self.relu(self.conv(image))
            along = F.relu(self.line(signal))
            full = self.tanh(self.first(x))
            return dead.sum() + along.sum() + self.last(full).sum()

    rg.manual_seed(3)
    net = Net()
    with rg.no_grad():
        for layer, count, bias in (
            (net.conv, 3, -99.0), (net.line, 1, -99.0), (net.first, 4, 99.0)
        ):  # fmt: skip
            layer.bias.fill_(5.0 if bias < 0 else 0.0)
            layer.bias[:count] = bias
    optimizer = rg.optim.SGD(net.parameters(), lr=1e-9)
    data = rg.randn(4, 1, 6, 6), rg.randn(4, 3, 7), 0.1 * rg.randn(4, 6)
    with rg.watch(net, quiet=True) as watch:
        ask(watch, "/data?after=0")  # a page is open
        for _ in range(3):
            look(watch)
            net(*data).backward()
            optimizer.step()
        shown = watch._latest["activations"]
    assert not watch._problem
    dead = {tuple(a["shape"]): a["dead"] for a in shown if a["kind"] == "ReLU"}
    assert dead == {(4, 8, 4, 4): 3 / 8, (4, 4, 7): 1 / 4}  # of the channels of each
    found = {a["name"]: a for a in shown}
    assert found["tanh"]["saturated"] == pytest.approx(0.4)
    assert found["tanh"]["stuck"] == pytest.approx(0.4)


def test_the_model_is_unchanged_afterwards(short):
    watched, alone = Training(), Training()
    method = rg.Tensor.backward
    with rg.watch(watched.model, quiet=True) as watch:
        _, losses = measured(watch, watched, 3)
        for action in (b"surface", b"descent"):
            assert ask(watch, "/do", body=action)[0] == 200
            while watch.descent._number < 1 + (action == b"descent"):
                losses.append(watched.step().item())
        steps = len(losses)
        assert watch.step == steps and not watch._problem
    assert rg.Tensor.backward is method and not backward.watchers
    for module in watched.model.modules():
        assert not any((module.__dict__.get("_hooks") or {}).values())
    from retrograd.optim import optimizer

    assert not any(optimizer._of_all.values()) and not watched.optimizer._hooks
    for _ in range(steps):
        alone.step()
    for a, b in zip(watched.model.parameters(), alone.model.parameters(), strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=2e-5)


def test_nothing_is_measured_while_no_page_is_open():
    training = Training()
    with rg.watch(training.model, quiet=True) as watch:
        from retrograd.optim import optimizer

        for _ in range(5):
            training.step()
            assert not any(optimizer._of_all.values()) and not backward.watchers
        assert watch.step == 5
        assert not watch._rows
        measured(watch, training)
        watch.server.seen = -1e9  # the page was closed
        look(watch)
        training.step()
        training.step()
        assert not any(optimizer._of_all.values()) and not backward.watchers
        assert watch.step == training.optimizer._stepped


def test_what_a_closed_page_asked_for_is_given_up():
    from retrograd.optim import optimizer

    training = Training()
    with rg.watch(training.model, quiet=True) as watch:
        measured(watch, training)
        ask(watch, "/do", body=b"descent")
        training.step()
        assert backward.watchers
        watch.server.seen = -1e9  # the page was closed
        training.step()
        training.step()
        assert not any(optimizer._of_all.values()) and not backward.watchers
        assert "closed" in watch.descent._picture["why"]


def test_a_paused_training_goes_on_when_its_page_was_closed(monkeypatch):
    training = Training()
    with rg.watch(training.model, quiet=True) as watch:
        measured(watch, training)
        assert ask(watch, "/do", body=b"pause")[0] == 200
        with Running(training) as running:
            running.watch = watch
            while not json.loads(ask(watch, "/data?after=0")[1])["resting"]:
                time.sleep(0.01)
            at = watch.step
            monkeypatch.setattr("retrograd.see.watching.session.LEFT", 0.0)
            watch.opened()
            while watch.step <= at + 1:
                time.sleep(0.01)
        assert not watch._paused


def test_between_looks_the_loss_alone_is_read_and_nothing_computed():
    training = Training()
    for _ in range(8):
        training.step()
    with rg.watch(training.model, quiet=True) as watch:
        data, _ = measured(watch, training)
        training.step()
        plans, after = len(rg.plans()), data["step"]
        watch._next = time.perf_counter() + 1e6
        watch._arm()
        loss = training.step().item()
        data = json.loads(ask(watch, f"/data?after={after}")[1])
        row = data["rows"][-1]
        assert row["step"] == watch.step and row["loss"] == pytest.approx(
            loss, rel=1e-6
        )
        assert row["gradient"] is None and row["lr"] == [0.1]
        assert "layers" not in data and len(rg.plans()) == plans
        count = len(watch._rows)
        watch._arm()
        training.optimizer.zero_grad()
        F.mse_loss(training.model(training.x), training.y).backward()
        training.optimizer.step()
        assert len(watch._rows) == count, "nobody holds that loss"
        assert not watch._problem


def calls(work):
    """Functions that are called, by Python."""
    count = 0

    def seen(frame, event, arg):
        nonlocal count
        count += event == "call"

    sys.setprofile(seen)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


def test_a_step_that_is_not_looked_at_calls_nothing_more():
    """With a page open or not: the price of watching is that of the looks."""
    training = Training()
    for _ in range(8):
        training.step()
    plain = calls(training.step)
    with rg.watch(training.model, quiet=True) as watch:
        training.step()  # the first one says which optimizer it is
        training.step()
        assert calls(training.step) == plain
        measured(watch, training)
        with watch._lock:
            watch._next = watch._soon = time.perf_counter() + 1e6
            watch._disarm()
        assert watch.server.open
        training.step()
        assert calls(training.step) == plain
    assert calls(training.step) == plain


def test_the_loss_surface_is_that_of_the_model():
    training = Training()
    with rg.watch(training.model, quiet=True) as watch:
        measured(watch, training, 4)
        from retrograd.see.watching.surface import plane

        ask(watch, "/do", body=b"surface")
        training.step()
        found = json.loads(ask(watch, "/data?after=0")[1])["surface"]
        here, directions, share = plane(watch.descent.way.places)
        np.testing.assert_allclose(directions @ directions.T, np.eye(2), atol=1e-6)
        assert len(found["way"]) == len(watch.descent.way.places)
        assert found["share"] == pytest.approx(share) and 0.5 < share <= 1
        assert np.isfinite(np.array(found["loss"])).all()
        at = here + found["x"][3] * directions[0] + found["y"][11] * directions[1]
    start = 0
    with rg.no_grad():
        for p in training.model.parameters():
            p.copy_(rg.tensor(at[start : start + p.numel()].reshape(tuple(p.shape)), dtype=p.dtype))  # fmt: skip
            start += p.numel()
        loss = F.mse_loss(training.model(training.x), training.y).item()
    assert found["loss"][11][3] == pytest.approx(loss, rel=1e-4)


@pytest.fixture
def short(monkeypatch):
    """Few steps beside descent with all batches, each looked at, on a coarse surface; no
    hurry on a busy machine."""
    monkeypatch.setattr("retrograd.see.watching.surface.POINTS", 5)
    monkeypatch.setattr("retrograd.see.watching.descent.STEPS", 10)
    monkeypatch.setattr("retrograd.see.watching.descent.FEW", 100)
    monkeypatch.setattr("retrograd.see.watching.descent.LATE", 1e6)
    monkeypatch.setattr("retrograd.see.watching.session.SHARE", 1e6)
    monkeypatch.setattr("retrograd.see.watching.session.PAUSE", 0.0)


def test_sgd_goes_beside_descent_with_the_mean_gradient(short):
    """One batch alone has no noise: both ways are the same, by any optimizer."""
    for kind, options in ((rg.optim.SGD, {"momentum": 0.9}), (rg.optim.Adam, {})):
        training = Training()
        training.optimizer = kind(training.model.parameters(), lr=0.05, **options)
        with rg.watch(training.model, quiet=True) as watch:
            measured(watch, training, 2)
            ask(watch, "/do", body=b"descent")
            while not watch.descent._number:
                training.step()
            found = watch.descent._picture
            assert len(found["way"]) == 11 and found["averaged"] == 10
            size = np.abs(found["way"]).max()
            np.testing.assert_allclose(found["batch"], found["way"], atol=1e-3 * size)


def numbers(model):
    return np.concatenate([p.detach().numpy().reshape(-1) for p in model.parameters()])


def test_batch_descent_is_that_of_the_mean_loss(short):
    training = Training()
    x, y = rg.randn(80, 3), rg.randn(80, 1)
    with rg.watch(training.model, quiet=True) as watch:
        measured(watch, training)
        start, count = numbers(training.model), watch.step
        alone = copy.deepcopy(training.model)
        ask(watch, "/do", body=b"descent")
        while not watch.descent._number:
            i = watch.step % 5
            training.x, training.y = x[16 * i : 16 * i + 16], y[16 * i : 16 * i + 16]
            before = len(rg.plans())  # each slice has graphs of its own
            training.step()
        found = watch.descent._picture
        assert not watch._problem and watch.step == count + 10
    assert found["batches"] == found["averaged"] == 10
    assert len(rg.plans()) <= before + 8  # not one for each batch
    training.model, training.x, training.y = alone, x, y
    training.optimizer = rg.optim.SGD(alone.parameters(), lr=0.1)
    for _ in range(10):
        training.step()
    # in a plane that was put through both ways, distances are hardly shorter
    shown = np.linalg.norm(np.subtract(found["batch"][-1], found["batch"][0]))
    true = np.linalg.norm(numbers(alone) - start)
    assert shown == pytest.approx(true, rel=0.05)

    def turns(way):
        """The mean change of direction from step to step."""
        steps = np.diff(np.array(way), axis=0)
        unit = steps / np.linalg.norm(steps, axis=1)[:, None]
        return float(np.mean(np.linalg.norm(np.diff(unit, axis=0), axis=1)))

    assert turns(found["way"]) > 3 * turns(found["batch"])


def test_compiled_steps_are_looked_at_as_well():
    watched, alone = Training(), Training()
    one, other = rg.compile(watched.step), rg.compile(alone.step)
    with rg.watch(watched.model, quiet=True) as watch:
        for _ in range(12):
            assert one().item() == pytest.approx(other().item(), rel=1e-5)
        assert watch.step == 12
        watched.step, before = one, len(one.history)
        data, losses = measured(watch, watched, 3)
        assert data["rows"][0]["step"] > 12 and not watch._problem
        for _ in range(6):
            losses.append(one().item())
        assert watch.step == 12 + len(losses)
        assert len(one.history) == before  # nothing was recorded anew
    for loss in losses:
        assert loss == pytest.approx(other().item(), rel=1e-4)


def test_looking_is_no_new_work_for_the_compiler():
    training = Training()
    for _ in range(8):
        training.step().item()
    compiled = len(rg.plans())
    with rg.watch(training.model, quiet=True) as watch:
        measured(watch, training, 6)
        for _ in range(8):
            training.step().item()
        assert len(rg.plans()) == compiled
        assert not watch._problem


def test_only_who_has_the_token_and_the_address_is_answered():
    with rg.watch(nn.Linear(2, 1), quiet=True) as watch:
        assert watch.server.server_address[0] == "127.0.0.1"
        assert ask(watch, "/data?after=0")[0] == 200
        assert ask(watch, "/data?after=0", token="wrong")[0] == 403
        assert ask(watch, "/", token="é")[0] == 403
        assert ask(watch, "/", token="")[0] == 403
        assert ask(watch, "/data", host="evil.example")[0] == 403
        assert ask(watch, "/do", token="", body=b"pause")[0] == 403
        assert not watch._paused
        assert ask(watch, "/do", body=b"rm")[0] == 400
        assert ask(watch, "/data?after=x")[0] == 400
        assert ask(watch, "/data?after=-1")[0] == 400
        for path in ("/etc/passwd", "/../../etc/passwd", "/%2e%2e/etc/passwd", "//x/"):
            assert ask(watch, path)[0] == 404
        assert ask(watch, "/do", origin="http://evil.example", body=b"pause")[0] == 403
        assert ask(watch, "/data", origin="null")[0] == 403
        assert not watch._paused
        token = f"?token={watch.server.token}"
        assert ask(watch, "/data" + token, token="")[0] == 200
        assert ask(watch, "/do" + token, token="", body=b"pause")[0] == 403


def test_a_browser_that_hangs_up_is_no_news_and_the_port_is_free_afterwards(capfd):
    with rg.watch(nn.Linear(2, 1), quiet=True) as watch:
        where = watch.server.server_address
        for text in (b"GET /da", b"POST /do HTTP/1.1\r\nContent-Length: 9\r\n\r\n"):
            line = socket.create_connection(where)
            line.sendall(text)
            line.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )
            line.close()  # a reset
        assert ask(watch, "/data")[0] == 200
    with pytest.raises(OSError):
        socket.create_connection(where, 1)
    assert "Traceback" not in capfd.readouterr().err
    assert not [t for t in threading.enumerate() if t.name == "retrograd watch"]


def test_a_taken_port_and_no_model_are_one_line():
    model = nn.Linear(2, 1)
    with rg.watch(model, quiet=True) as watch:
        from retrograd.see.watching.session import Watch

        with pytest.raises(OSError, match=r"^cannot open port \d+ on 127.0.0.1: it is taken"):  # fmt: skip
            Watch(model, watch.server.port, None, "second")
    with pytest.raises(TypeError, match="takes a model"):
        rg.watch(3)


def test_event_files(tmp_path, monkeypatch):
    if "torch" not in sys.modules:  # it would be imported, for seconds, and not used
        monkeypatch.setitem(sys.modules, "torch", None)
    pytest.importorskip("tensorboardX", reason="needs retrograd[tensorboard]")
    training = Training()
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="^cannot write .*file"):
        rg.watch(training.model, tensorboard=tmp_path / "file", quiet=True)
    with rg.watch(training.model, tensorboard=tmp_path / "runs", quiet=True) as watch:
        while not watch._rows:
            look(watch)
            training.step()
    files = list((tmp_path / "runs").iterdir())
    assert len(files) == 1
    written = files[0].read_bytes()
    for tag in ("loss", "gradient_norm", "learning_rate", "update_to_weight/0.weight",
                "gradients/2.bias", "activations/1", "dead/1", "saturated/3"):  # fmt: skip
        assert tag.encode() in written, tag


SCRIPT = """
import sys
import retrograd as rg
from retrograd import nn
assert __name__ == "__main__" and sys.argv[1:] == ["--steps", "3"]
model = nn.Linear(4, 2)
opt = rg.optim.SGD(model.parameters(), lr=0.01)
for _ in range(3):
    opt.zero_grad()
    model(rg.randn(8, 4)).square().sum().backward()
    opt.step()
print("trained")
"""


def test_the_command_runs_a_program(tmp_path):
    """What goes wrong in one is told in test_cli.py."""
    (tmp_path / "train.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, "-m", "retrograd", "watch", "train.py", "--steps", "3"],
        capture_output=True, text=True, timeout=600, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(rg.__file__).parents[1])},
    )  # fmt: skip
    assert done.returncode == 0 and done.stdout == "trained\n"
    assert "http://127.0.0.1:" in done.stderr
    gone = CliRunner().invoke(app, ["watch", "gone.py"], standalone_mode=False)
    assert str(gone.exception.message) == "gone.py: there is no such file"


def until(page, what, seconds=120):
    """Waits for an expression; the page's policy lets nothing be evaluated inside, so
    the page is asked after each of its own questions."""
    end = time.monotonic() + seconds
    while not page.evaluate(what):
        assert time.monotonic() < end, what
        page.evaluate("(window.poll || window.follow)()")
        page.wait_for_timeout(20)


class Running:
    """A training in a thread of its own."""

    def __init__(self, training):
        self.training, self.stop = training, threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.stop.is_set():
            self.training.step()
            time.sleep(0.001)  # the others' turn, at once

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *exception):
        self.stop.set()
        self.watch.do("resume")
        self.thread.join(60)


def test_the_page_pauses_steps_and_resumes(short, browser):
    training = Training()
    with (
        rg.watch(training.model, quiet=True) as watch,
        Running(training) as running,
        opened(browser, watch.url) as page,
    ):
        running.watch = watch
        until(page, "rows.length > 1")
        page.keyboard.press("p")
        until(page, "$('state').textContent === 'paused'")
        at = watch.step
        page.click("#step")
        until(page, f"latest.step === {at + 1}")
        assert watch.step == at + 1
        page.keyboard.press("s")
        page.keyboard.press("s")
        until(page, f"latest.step === {at + 3}")
        page.click("#compute")
        until(page, "surface && surface.loss")
        page.click("#descent")
        until(page, "surface && surface.batch")
        assert "mean gradient" in page.inner_text("#ways")
        assert page.evaluate("paused")
        assert "0.weight" in page.inner_text("#layers")
        assert "ReLU" in page.inner_text("#activations")
        with page.context.expect_page() as other:
            page.click("#graph")
        graph = other.value
        graph.wait_for_selector("#now", timeout=60_000)
        assert "self.y" in graph.title()
        assert graph.locator("#levels button").count() == 3
        first = graph.evaluate("by.get(D.loss).value.data")
        page.bring_to_front()
        page.click("#pause")
        until(page, f"latest.step > {at + 4}")
        until(graph, f"step > 0 && by.get(D.loss).value.data !== {first}")
        page.set_viewport_size({"width": 390, "height": 844})
        assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_two_pages_show_the_same_training(short, browser):
    training = Training()
    with rg.watch(training.model, quiet=True) as watch:
        measured(watch, training, 2)
        with opened(browser, watch.url) as one, opened(browser, watch.url) as two:
            for page in (one, two):
                until(page, "rows.length >= 2")
            one.evaluate("act('pause')")
            until(two, "paused")
            assert "Resume" in two.inner_text("#pause")
            two.evaluate("act('resume')")
            until(one, "!paused")
            watch.end()
            for page in (one, two):
                until(page, "$('state').textContent === 'ended'")
                assert page.is_disabled("#pause")


def test_what_the_page_shows_of_a_training_is_escaped(browser):
    evil = "<img src=x onerror=alert(1)>"

    class Evil(nn.Module):
        def __init__(self):
            super().__init__()
            self.add_module("</script>" + evil, nn.Linear(3, 2))

        def forward(self, x):
            return next(self.children())(x)

    Evil.__name__ = "</title><script>alert(2)</script>"
    training = Training()
    training.model = nn.Sequential(Evil(), nn.Linear(2, 1))
    training.optimizer = rg.optim.SGD(training.model.parameters(), lr=0.1)
    with rg.watch(training.model, quiet=True) as watch:
        watch.title = Evil.__name__
        watch.log(**{evil: 1.0})
        watch._problem = evil
        measured(watch, training)
        with opened(browser, watch.url) as page:
            until(page, "rows.length > 0")
            assert page.locator("img").count() == 0
            assert page.locator("script").count() == 2
            assert evil in page.inner_text("#problem")
            assert evil in page.inner_text("#loss-now")
            assert "</script>" in page.inner_text("#layers")


@pytest.mark.parametrize("lang, words", [
    ("es", "Pausa Pérdida Activaciones gradiente unidades"), ("ko", "손실 활성값 학습률 유닛"),
])  # fmt: skip
def test_the_page_of_a_training_speaks_the_three_languages(browser, lang, words):
    from retrograd.see.page import static
    from retrograd.see.page.words import _watched

    said = _watched()
    known = {*said.plain, *(t for pair in said.counted for t in pair)}
    script, body = static("watch.js"), static("watch.html")
    assert set(re.findall(r'say\("([^"]+)"', script)) <= set(said.plain)
    assert set(re.findall(r'many\("([^"]+)", "([^"]+)"', script)) == set(said.counted)
    texts = re.findall(r">([^<>\n]*[a-z][^<>\n]*)<", body)
    assert {t.replace("❚❚", "").strip() for t in texts} <= known
    training = Training()
    with rg.watch(training.model, quiet=True, lang=lang) as watch:
        measured(watch, training)
        with opened(browser, watch.url) as page:
            until(page, "rows.length > 0")
            assert page.get_attribute("html", "lang") == lang
            shown = page.inner_text("body") + page.inner_html("main")
            for word in words.split():
                assert word in shown
            for word in known - {"std"}:
                assert not re.search(rf'(>|label="){re.escape(word)}["<]', shown), word
    with pytest.raises(ValueError, match="lang is 'xx'"):
        rg.watch(training.model, lang="xx")
