"""``report.html``: one page, with nothing outside it, on what was trained and how well."""

from __future__ import annotations

import platform
from datetime import datetime
from importlib import metadata, resources
from typing import Any

import numpy as np

import retrograd as rg

from ..io import write_atomically
from . import metrics, model, pictures
from .fit import Run
from .inputs import ImageInputs

#: A matrix of more classes than this is read by nobody: the commonest mix-ups are listed.
MOST_IN_MATRIX = 25
MOST_MISTAKES = 24


def write_report(run: Run, command: str) -> None:
    """Write the report of a finished run into its folder, atomically."""
    page = render(run, command)
    write_atomically(run.folder / "report.html", page.encode())


def render(run: Run, command: str) -> str:
    """The page. Names and cells come from the user's data, so all text is escaped."""
    from jinja2 import Environment
    from markupsafe import Markup

    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    source = (
        resources.files(__package__).joinpath("report.html.jinja").read_text("utf-8")
    )
    facts: dict[str, Any] = {
        "run": run,
        "data": run.data,
        "settings": run.settings,
        "images": isinstance(run.data.inputs, ImageInputs),
        "command": command,
        "network": model.in_words(run.architecture, run.data.inputs.shape),
        "weights": sum(p.numel() for p in run.network.parameters()),
        "charts": [Markup(chart) for chart in curves(run)],
        "now": datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %z"),
        "versions": versions(),
        "measures": measures(run),
    }
    facts |= classification(run) if run.data.classes else regression(run)
    return environment.from_string(source).render(facts)


def curves(run: Run) -> list[str]:
    """Learning curves: the loss, and the accuracy or R²."""
    history, best = run.history, run.best
    key, label = ("val_accuracy", "accuracy") if run.data.classes else ("val_r2", "R²")

    def points(name: str) -> list[tuple[float, float]]:
        return [(float(row["epoch"]), float(row[name])) for row in history]

    loss = {
        "training": (pictures.TRAINING, points("loss")),
        "validation": (pictures.HELD, points("val_loss")),
    }
    score = {"validation": (pictures.HELD, points(key))}
    epoch = float(best["epoch"])
    return [
        pictures.line_chart(loss, (epoch, best["val_loss"]), "loss"),
        pictures.line_chart(score, (epoch, best[key]), label),
    ]


def measures(run: Run) -> list[tuple[str, str]]:
    """The numbers at the top of the page: what, how much."""
    if run.data.classes:
        error = 1 - run.score["accuracy"]
        n = len(run.rows.test)
        # Wilson's interval: it stays sensible near 0 and 1, and for few rows.
        low, high = wilson(run.score["accuracy"], n)
        return [
            ("accuracy on rows held out", f"{run.score['accuracy']:.1%}"),
            (f"wrong of {n}", str(round(error * n))),
            ("95 % interval", f"{low:.1%} – {high:.1%}"),
            ("best epoch", f"{run.best['epoch']} of {len(run.history)}"),
        ]
    return [
        ("R² on rows held out", f"{run.score['r2']:.3f}"),
        (f"RMSE, in the units of {run.data.target}", f"{run.score['rmse']:.4g}"),
        ("spread of the target (σ)", f"{float(run.data.y[run.rows.test].std()):.4g}"),
        ("best epoch", f"{run.best['epoch']} of {len(run.history)}"),
    ]


def wilson(share: float, n: int, z: float = 1.96) -> tuple[float, float]:
    """Wilson's score interval for a share of n trials (1927)."""
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * (share * (1 - share) / n + z * z / (4 * n * n)) ** 0.5
    return max(0.0, middle - half), min(1.0, middle + half)


def classification(run: Run) -> dict[str, Any]:
    """Confusion matrix, classes, worst mistakes."""
    classes, truth = run.data.classes, run.data.y[run.rows.test]
    p = metrics.softmax(run.outputs)
    predicted = p.argmax(1)
    counts = metrics.confusion(predicted, truth, len(classes))
    precision, recall = metrics.precision_recall(counts)
    share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    off = counts - np.diag(np.diag(counts))
    order = np.argsort(-off, axis=None, kind="stable")[:12]
    pairs = [divmod(int(i), len(classes)) for i in order]
    return {
        "matrix": list(zip(classes, counts.tolist(), share.tolist(), strict=True))
        if len(classes) <= MOST_IN_MATRIX
        else [],
        "pairs": [
            (classes[a], classes[b], int(off[a, b])) for a, b in pairs if off[a, b]
        ],
        "table": [
            (name, int(counts[i].sum()), float(precision[i]), float(recall[i]))
            for i, name in enumerate(classes)
        ],
        "mistakes": mistakes(run, p, predicted, truth),
        "wrong": int((predicted != truth).sum()),
    }


def mistakes(run: Run, p: Any, predicted: Any, truth: Any) -> list[dict[str, Any]]:
    """The rows that were wrong, those whose true class seemed least likely first."""
    from markupsafe import Markup

    wrong = np.flatnonzero(predicted != truth)
    worst = wrong[np.argsort(p[wrong, truth[wrong]], kind="stable")][:MOST_MISTAKES]
    found = []
    for i in worst:
        row = int(run.rows.test[i])
        image = isinstance(run.data.inputs, ImageInputs)
        found.append(
            {
                "picture": Markup(pictures.picture(run.data.x[row])) if image else "",
                "row": run.data.rows[row],
                "truth": run.data.classes[truth[i]],
                "predicted": run.data.classes[predicted[i]],
                "sure": float(p[i, predicted[i]]),
                "likely": float(p[i, truth[i]]),
            }
        )
    return found


def regression(run: Run) -> dict[str, Any]:
    """Predicted against true values, and the rows that are furthest off."""
    from markupsafe import Markup

    truth, predicted = run.data.y[run.rows.test], run.values(run.outputs)
    worst = np.argsort(-np.abs(predicted - truth), kind="stable")[:12]
    return {
        "scatter": Markup(pictures.scatter(truth, predicted, run.data.target)),
        "furthest": [
            (run.data.rows[int(run.rows.test[i])], float(truth[i]), float(predicted[i]))
            for i in worst
        ],
    }


def versions() -> str:
    """What it was made with."""
    parts = [f"retrograd {rg.__version__}"]
    for package in ("numpy", "safetensors"):
        parts.append(f"{package} {metadata.version(package)}")
    return ", ".join([*parts, f"Python {platform.python_version()}", platform.system()])
