"""What a training step costs, beside PyTorch and JAX: the same work in one process.

    python benchmarks/bench.py                 # prints the tables
    python benchmarks/bench.py --write FOLDER  # and writes them, and a picture, there
    python benchmarks/bench.py --quick         # a few repetitions: does it run?
    python benchmarks/bench.py --compile       # torch.compile too (many minutes)

Each row times blocks of steps, one library after the other, round after round, once all
are warm: medians of a step's time, and medians of the ratios within a round, so that
what slows the machine for a while slows all. ``loss.item()`` is read each step. Each
thread count runs in a process of its own, kept on one processor for one thread; with
two threads a second process has OMP_PROC_BIND=true, and of PyTorch's figures the better
one counts.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import resource
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import varied

from programs import PROGRAMS, Program, Work

Block = Callable[[int], float]
THREADS = (1, 2)
NAMES = {"loop": "retrograd, loop", "compiled": "retrograd, compiled",
         "torch": "PyTorch", "torch.compile": "torch.compile", "jax": "JAX, jitted"}  # fmt: skip


def block(work: Work) -> Block:
    """Steps over the batches in turn; the sum of the losses."""

    def run(steps: int) -> float:
        total, batches, step = 0.0, work.batches, work.step
        for k in range(steps):
            total += step(*batches[k % 4]).item()
        return total

    return run


def plain(model: Any) -> Any:
    return model


def contestants(program: Program, compile_too: bool) -> dict[str, Block]:
    import torch

    import retrograd as rg

    found = {"loop": block(program.build(rg, plain))}
    work = program.build(rg, plain)
    found["compiled"] = block(work._replace(step=rg.compile(work.step)))
    found["torch"] = block(program.build(torch, plain))
    if compile_too:
        found["torch.compile"] = block(program.build(torch, torch.compile))
    if program.layers and has_jax():
        import jax_programs

        found["jax"] = block(jax_programs.build(program))
    return found


def has_jax() -> bool:
    import importlib.util

    return importlib.util.find_spec("jax") is not None


def seconds_a_step(run: Block, steps: int) -> float:
    start = perf_counter()
    run(steps)
    return (perf_counter() - start) / steps


def measured(program: Program, rounds: int, quick: bool, compile_too: bool) -> Any:
    """Medians in µs, and of the ratios to each peer."""
    import torch

    import retrograd as rg

    runs = contestants(program, compile_too)
    steps = max(program.steps // 10, 2) if quick else program.steps
    mine, theirs = (block(program.build(lib, plain))(8) for lib in (rg, torch))
    if "dropout" not in program.name and not np.isclose(mine, theirs, rtol=1e-3):
        raise SystemExit(f"{program.name}: losses differ, {mine} and {theirs}")
    for run in runs.values():
        run(max(steps, 16))
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            times[name].append(seconds_a_step(run, steps))
    ratios = {
        f"{ours}/{peer}": statistics.median(
            t / u for t, u in zip(times[peer], times[ours], strict=True)
        )
        for ours in ("loop", "compiled")
        for peer in runs
        if peer not in ("loop", "compiled")
    }
    medians = {n: 1e6 * statistics.median(t) for n, t in times.items()}
    return {"times": medians, "ratios": ratios, "floor": program.flops / speed() * 1e6}


_speed: list[float] = []


def speed() -> float:
    """Operations a second of this machine: a product of large matrices, in PyTorch."""
    import torch

    if not _speed:
        a, b = torch.randn(768, 768), torch.randn(768, 768)
        times = []
        for _ in range(20):
            start = perf_counter()
            a @ b
            times.append(perf_counter() - start)
        _speed.append(2 * 768**3 / min(times))
    return _speed[0]


def cold() -> dict[str, float]:
    """Seconds from the start of a process to a digits classifier trained for 20
    epochs, with an empty cache, a full one, and PyTorch."""
    import tempfile

    found = {}
    code = (
        "import sys; lib = __import__(sys.argv[1])\n"
        "import numpy as np\n"
        "sys.path.insert(0, sys.argv[2]); import programs as P\n"
        "work = P.PROGRAMS[2].build(lib, lambda m: m)\n"
        "for _ in range(20 * 45):\n"
        "    work.step(*work.batches[0]).item()\n"
    )
    here = str(Path(__file__).parent)
    with tempfile.TemporaryDirectory() as folder:
        env = {**os.environ, "RETROGRAD_CACHE": folder}
        env.pop("PYTHONDONTWRITEBYTECODE", None)
        for name, lib in (("retrograd", "retrograd"), ("retrograd, again", "retrograd"),
                          ("PyTorch", "torch")):  # fmt: skip
            start = perf_counter()
            subprocess.run([sys.executable, "-c", code, lib, here], env=env, check=True)
            found[name] = perf_counter() - start
    return found


def first_steps(program: Program) -> dict[str, float]:
    """The first step and the longest of the first ten, in a process of its own."""
    import retrograd as rg

    work = program.build(rg, plain)
    times = []
    for k in range(10):
        start = perf_counter()
        work.step(*work.batches[k % 4]).item()
        times.append(perf_counter() - start)
    return {"first": 1e3 * times[0], "longest": 1e3 * max(times)}


def peaks(program: Program, lib: str) -> dict[str, float]:
    """Megabytes of the process at most, beyond those after training a small network
    (which loads what either library loads late, compilers too: nothing is taken from
    the cache of machine code); what is held afterwards, and the process in all."""
    module: Any = __import__(lib)
    block(PROGRAMS[2].build(module, plain))(12)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    work = program.build(module, plain)
    block(work)(12)
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    held, size = resident(), resource.getpagesize() / 1024
    return {"most": (most - before) / 1024, "held": (held * size - before) / 1024,
            "all": most / 1024}  # fmt: skip


def resident() -> float:
    """Pages of this process in memory, where the system says it."""
    statm = Path("/proc/self/statm")
    return int(statm.read_text().split()[1]) if statm.exists() else math.nan


def own_process(threads: int, *arguments: str, bind: bool = False, **env: str) -> Any:
    limits = {f"{v}_NUM_THREADS": str(threads) for v in ("OMP", "OPENBLAS", "MKL")}
    if bind:
        limits["OMP_PROC_BIND"] = "true"
    done = subprocess.run(
        [sys.executable, __file__, *arguments],
        env={
            k: v
            for k, v in {**os.environ, **limits, **env}.items()
            if k != "PYTHONDONTWRITEBYTECODE"
        },  # as for those who start programs
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(done.returncode)
    return json.loads(done.stdout)


def run_all(quick: bool, compile_too: bool, rounds: int) -> dict[str, Any]:
    import tempfile

    flags = ["--quick"] * quick + ["--compile"] * compile_too
    flags += ["--rounds", str(rounds)]
    results: dict[str, Any] = {"threads": {}}
    for n in THREADS:
        rows = own_process(n, "--only", "rows", "--threads", str(n), *flags)
        if n > 1:
            other = own_process(
                n, "--only", "rows", "--threads", str(n), *flags, bind=True
            )
            for row, bound in zip(rows, other, strict=True):
                for name in ("torch", "torch.compile"):
                    if name in row["times"]:
                        row[f"{name} bound"] = bound["times"][name]
        results["threads"][n] = rows
        print(f"{n} thread(s) done", file=sys.stderr)
    results["first"], results["memory"] = [], []
    for i in range(len(PROGRAMS)):
        which = ["--program", str(i)]
        with tempfile.TemporaryDirectory() as folder:
            empty = own_process(2, "--only", "first", *which, RETROGRAD_CACHE=folder)
            full = own_process(2, "--only", "first", *which, RETROGRAD_CACHE=folder)
        results["first"].append({"empty": empty, "full": full})
        results["memory"].append(
            {lib: own_process(2, "--only", "memory", "--lib", lib, *which, RETROGRAD_CACHE="")
             for lib in ("retrograd", "torch")}
        )  # fmt: skip
    results["cold"] = cold()
    results["varied"] = {
        p.__name__: own_process(1, "--only", "varied", "--program", str(i))
        for i, p in enumerate(varied.PROGRAMS)
    }
    return results


def processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def best_peer(row: dict[str, Any]) -> float:
    peers = [t for n, t in row["times"].items() if n not in ("loop", "compiled")]
    peers += [row[k] for k in ("torch bound", "torch.compile bound") if k in row]
    return min(peers)


def report(results: dict[str, Any]) -> str:
    """The tables as Markdown."""
    import torch

    lines = [
        "# What a training step costs",
        "",
        "Written by `make bench` ([benchmarks/bench.py](../benchmarks/bench.py)): the same "
        "program with either library in one process, block by block in turn; medians of a "
        "step's time in µs. × is the median of the ratios within a round: how many times "
        "PyTorch's step takes. The floor is the products and convolutions alone, at the "
        "speed of a large product on this machine.",
        "",
        f"{processor()}, {os.cpu_count()} logical processors; Python "
        f"{platform.python_version()}, NumPy {np.__version__}, PyTorch {torch.__version__}.",
        "",
        "![times as fast as PyTorch](benchmarks.png)",
    ]
    for threads, rows in results["threads"].items():
        names = [n for n in NAMES if any(n in row["times"] for row in rows)]
        lines += [
            "",
            f"## {threads} thread{'s' if int(threads) > 1 else ''}",
            "",
            "| | " + " | ".join(NAMES[n] for n in names)
            + " | loop × | compiled × | loop × best peer | compiled × best peer | floor |",
            "| --- |" + " ---: |" * (len(names) + 5),
        ]  # fmt: skip
        for program, row in zip(PROGRAMS, rows, strict=True):
            times = [
                f"{row['times'][n]:.0f}" if n in row["times"] else "" for n in names
            ]
            if "torch bound" in row:
                times[names.index("torch")] += f" ({row['torch bound']:.0f})"
            best = best_peer(row)
            lines.append(
                f"| {program.name} | " + " | ".join(times)
                + f" | {row['ratios']['loop/torch']:.2f}"
                f" | {row['ratios']['compiled/torch']:.2f}"
                f" | {best / row['times']['loop']:.2f}"
                f" | {best / row['times']['compiled']:.2f} | {row['floor']:.0f} |"
            )  # fmt: skip
        if int(threads) > 1:
            lines += ["", "In brackets: with OMP_PROC_BIND=true."]
    lines += [
        "",
        "## The first steps, and memory",
        "",
        "Milliseconds of the first step and of the longest of the first ten, with an empty "
        "cache of machine code and with a full one; megabytes that the model and twelve "
        "steps need beyond those of a process that has trained a small network, at most "
        "and after the last step, and of the process in all.",
        "",
        "| | first | longest | longest, full cache | MB at most | PyTorch | MB after "
        "| PyTorch | process | PyTorch |",
        "| --- |" + " ---: |" * 9,
    ]
    for i, program in enumerate(PROGRAMS):
        f, m = results["first"][i], results["memory"][i]
        lines.append(
            f"| {program.name} | {f['empty']['first']:.0f} | {f['empty']['longest']:.0f} "
            f"| {f['full']['longest']:.0f} | "
            + " | ".join(
                f"{m[lib][k]:.0f}"
                for k in ("most", "held", "all")
                for lib in ("retrograd", "torch")
            )
            + " |"
        )
    cold_ = "; ".join(f"{n} {s:.1f} s" for n, s in results["cold"].items())
    lines += ["", "From the start of the process to the digits network trained for 20 "
              f"epochs: {cold_}.", ""]  # fmt: skip
    lines += ["## Graphs that never come back", "",
              "Nothing of them can be compiled ([benchmarks/varied.py](../benchmarks/"
              "varied.py)): milliseconds of a step, one thread.", "",
              "| | retrograd, median | mean | PyTorch, median | mean | median × |",
              "| --- |" + " ---: |" * 5]  # fmt: skip
    for name, times in results["varied"].items():
        ours, theirs = times["retrograd"], times["torch"]
        middle, peer = statistics.median(ours), statistics.median(theirs)
        lines.append(
            f"| {name} | {middle:.1f} | {statistics.mean(ours):.1f} | {peer:.1f} | "
            f"{statistics.mean(theirs):.1f} | {middle / peer:.1f} times as long |"
        )
    lines.append("")
    return "\n".join(lines)


def picture(results: dict[str, Any], path: Path) -> None:
    """How many times faster than PyTorch, row by row."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    threads = max(results["threads"], key=int)
    rows = results["threads"][threads]
    figure, axes = plt.subplots(figsize=(8, 4.2), layout="constrained")
    y = np.arange(len(rows))[::-1]
    for shift, key, label, colour in ((0.2, "loop", "unchanged loop", "#4878a8"),
                                      (-0.2, "compiled", "rg.compile", "#e0883a")):  # fmt: skip
        values = [row["ratios"][f"{key}/torch"] for row in rows]
        bars = axes.barh(y + shift, values, 0.38, label=label, color=colour)
        axes.bar_label(bars, [f"{v:.1f}×" for v in values], padding=3, fontsize=8)
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xscale("log")
    axes.set_yticks(y, [p.name.split(",")[0] for p in PROGRAMS], fontsize=8)
    axes.set_xlabel(
        f"times as fast as PyTorch, {threads} threads, steps with loss.item()"
    )
    axes.set_xlim(right=1.4 * axes.get_xlim()[1])
    axes.legend(loc="center right", fontsize=8)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    figure.savefig(path, dpi=130)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--write", type=Path, metavar="FOLDER")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--compile", action="store_true")
    for hidden in ("--only", "--lib"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    for hidden in ("--threads", "--program"):
        parser.add_argument(hidden, type=int, default=1, help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, default=15)
    args = parser.parse_args()
    if args.only == "rows":
        import torch

        torch.set_num_threads(args.threads)
        if args.threads == 1 and hasattr(os, "sched_setaffinity"):
            # XLA has no setting that keeps it to one thread
            os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
        rounds = 2 if args.quick else args.rounds
        print(
            json.dumps(
                [measured(p, rounds, args.quick, args.compile) for p in PROGRAMS]
            )
        )
        return
    if args.only == "first":
        print(json.dumps(first_steps(PROGRAMS[args.program])))
        return
    if args.only == "memory":
        print(json.dumps(peaks(PROGRAMS[args.program], args.lib)))
        return
    if args.only == "varied":
        program = varied.PROGRAMS[args.program]
        print(json.dumps(varied.measured(program, 20 if args.quick else 80)))
        return
    results = run_all(args.quick, args.compile, args.rounds)
    text = report(results)
    print(text)
    if args.write:
        (args.write / "benchmarks.md").write_text(text, encoding="utf-8")
        picture(results, args.write / "benchmarks.png")


if __name__ == "__main__":
    main()
