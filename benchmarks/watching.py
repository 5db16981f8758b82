"""What watching costs a training: the same steps unwatched, watched while no page is
open, and with a page that asks.

    python benchmarks/watching.py           # about six minutes
    python benchmarks/watching.py --quick   # does it run?

In each round blocks of the three kinds follow each other on one model, with an unwatched
block before and after; the times of a round are divided by the mean of those two. The
median and the quartiles of the rounds are printed, so that what slows the machine for a
while does not count. The blocks with a page are longer: the first step that is looked at
is in them, and so are the pauses after it. The page is another process that asks for
what is new twice a second, as the browser does; it draws nothing, because the browser's
own work is not the training's. The row "unwatched" compares the two unwatched blocks:
so well can be measured here. Processor time, beside wall time, is that of all threads of
the training's process.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
from collections.abc import Callable
from time import perf_counter, process_time, sleep
from typing import Any

import numpy as np

import retrograd as rg
from programs import PROGRAMS, Work
from retrograd.see.watching.session import Watch

CHOSEN = {
    "the slides' net (10-40-40-5, batch 10)": PROGRAMS[0],
    "digits, 64-128-64-10, batch 32": PROGRAMS[2],
    "LeNet-5, batch 64": PROGRAMS[4],
}
CLIENT = """
import json, sys, threading, time, urllib.request
where = [None]
def listen():
    for line in sys.stdin:
        where[0] = line.split()
threading.Thread(target=listen, daemon=True).start()
last = picture = 0
while True:
    if where[0]:
        url, token = where[0]
        path = f"{url}/data?after={last}&picture={picture}"
        request = urllib.request.Request(path, headers={"X-Token": token})
        try:
            found = json.loads(urllib.request.urlopen(request, timeout=60).read())
            last = found["rows"][-1]["step"] if found["rows"] else last
        except OSError:
            pass
    time.sleep(0.5 if where[0] else 0.02)
"""


def steps(work: Work) -> Callable[[int], None]:
    """So many steps, over the batches in turn; each loss is read."""

    def run(count: int) -> None:
        for k in range(count):
            work.step(*work.batches[k % 4]).item()

    return run


class Page:
    """A client in another process, that asks where it is told to."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", CLIENT], stdin=subprocess.PIPE, text=True
        )

    def open(self, watch: Watch) -> None:
        self._say(f"http://127.0.0.1:{watch.server.port} {watch.server.token}")
        while not watch.server.open:
            sleep(0.01)

    def close(self) -> None:
        self._say("")
        sleep(0.6)  # the question under way

    def _say(self, text: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()


def timed(run: Callable[[int], None], count: int) -> Any:
    """Seconds a step: of the clock and of the processor."""
    wall, own = perf_counter(), process_time()
    run(count)
    return np.array([perf_counter() - wall, process_time() - own]) / count


def measured(work: Work, page: Page, rounds: int, seconds: float) -> dict[str, Any]:
    """Ratios to the unwatched blocks of the round, and what was looked at."""
    run = steps(work)
    run(200)
    step = timed(run, 50)[0]
    count = max(1, round(seconds / step))
    found: dict[str, Any] = {"unwatched": [], "no page": [], "a page": []}
    looked, times = 0, []
    for _ in range(rounds):
        before = timed(run, count)
        watch = Watch(work.model, 0, None, "benchmark")
        idle = timed(run, count)
        page.open(watch)
        busy = timed(run, 4 * count)
        looked += len(watch._rows)
        page.close()
        watch.close()
        after = timed(run, count)
        plain = (before + after) / 2
        found["unwatched"].append(after / before)
        found["no page"].append(idle / plain)
        found["a page"].append(busy / plain)
        times.append(plain[0])
    return {**found, "step": statistics.median(times), "looked": looked / rounds,
            "seconds": 4 * count * statistics.median(times)}  # fmt: skip


def shown(ratios: Any) -> str:
    low, middle, high = statistics.quantiles(ratios, n=4)
    return f"{_percent(middle)} ({_percent(low)} … {_percent(high)})"


def _percent(ratio: float) -> str:
    return f"{100 * (ratio - 1):+.1f} %"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="does it run?")
    parser.add_argument("--rounds", type=int, default=12)
    options = parser.parse_args()
    rounds, seconds = (3, 0.3) if options.quick else (options.rounds, 1.5)
    page = Page()
    try:
        for name, program in CHOSEN.items():
            found = measured(program.build(rg, lambda m: m), page, rounds, seconds)
            print(f"{name}: {1e6 * found['step']:.0f} µs a step; with a page "
                  f"{found['looked']:.0f} steps are looked at in {found['seconds']:.1f} s")  # fmt: skip
            for kind in ("unwatched", "no page", "a page"):
                wall, own = zip(*found[kind], strict=True)
                print(f"  {kind:10} wall {shown(wall):30} processor {shown(own)}")
    finally:
        page.process.kill()


if __name__ == "__main__":
    main()
