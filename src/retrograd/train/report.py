"""report.html: one page that needs nothing else, drawn by matplotlib."""

from __future__ import annotations

import base64
import html
import io
from typing import Any

import numpy as np

from ..io import write_atomically
from .fit import Run

_STYLE = """
:root { color-scheme: light dark; --ink: #1c2330; --paper: #fbfaf7; --line: #d9d5cc;
  --soft: #6a7180; --card: #fff; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e6e6; --paper: #14171c;
  --line: #333a45; --soft: #9aa3b2; --card: #1b2028; } .plot { filter: invert(.9) hue-rotate(180deg); } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 60rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.7rem; margin: 0 0 .2rem; } h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem; }
.lead { color: var(--soft); margin: 0 0 1.2rem; } .big { font-size: 2.6rem; font-weight: 650; }
svg { max-width: 100%; height: auto; } table { border-collapse: collapse; font-size: .92rem; }
td, th { padding: .25rem .7rem; border-bottom: 1px solid var(--line); text-align: left;
  vertical-align: top; } td.n { text-align: right; font-variant-numeric: tabular-nums; }
.scroll { overflow-x: auto; } .cards { display: flex; flex-wrap: wrap; gap: .8rem; }
figure { margin: 0; padding: .5rem; background: var(--card); border: 1px solid var(--line);
  border-radius: .4rem; text-align: center; font-size: .85rem; }
figure img { width: 6rem; image-rendering: pixelated; display: block; margin: 0 auto .3rem; }
code { overflow-wrap: anywhere; }
"""


def _svg(figure: Any) -> str:
    import re

    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", bbox_inches="tight", transparent=True,
                   metadata={"Date": None})  # fmt: skip
    text = buffer.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.S)
    return '<div class="plot">' + text[text.index("<svg") :] + "</div>"


def _figure(width: float, height: float) -> Any:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _curves(run: Run) -> str:
    epochs = [r["epoch"] for r in run.history]
    figure = _figure(9, 3.2)
    left, right = figure.subplots(1, 2)
    left.plot(
        epochs, [r["loss"] for r in run.history], label="training", color="#2f6f9f"
    )
    valid = [r["valid_loss"] for r in run.history]
    left.plot(epochs, valid, label="validation", color="#c4572e")
    left.axvline(run.best["epoch"], color="#888", lw=0.8, ls=":")
    left.set(xlabel="epoch", title="loss", yscale="log")
    left.legend(frameon=False)
    key = "valid_accuracy" if run.table.task == "classification" else "valid_rmse"
    right.plot(epochs, [r[key] for r in run.history], color="#c4572e")
    right.axvline(run.best["epoch"], color="#888", lw=0.8, ls=":")
    right.set(
        xlabel="epoch",
        title=key.replace("valid_", "validation ").replace("rmse", "RMSE"),
    )
    return _svg(figure)


def confusion(run: Run, predicted: Any, truth: Any) -> Any:
    """counts[i, j]: rows of class i that were taken for class j."""
    k = len(run.table.classes)
    counts = np.zeros((k, k), np.int64)
    np.add.at(counts, (truth, predicted), 1)
    return counts


def _confusion(run: Run, counts: Any) -> str:
    names = run.table.classes
    k = len(names)
    side = min(9.0, 1.5 + 0.42 * k)
    figure = _figure(side, side * 0.92)
    axes = figure.subplots()
    share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    if k <= 30:
        for i in range(k):
            for j in range(k):
                if counts[i, j]:
                    axes.text(j, i, str(counts[i, j]), ha="center", va="center", fontsize=8,
                              color="white" if share[i, j] > 0.5 else "black")  # fmt: skip
        axes.set_xticks(
            range(k),
            [n[:12] for n in names],
            rotation=90 if max(map(len, names)) > 3 else 0,
        )
        axes.set_yticks(range(k), [n[:12] for n in names])
    axes.set(xlabel="predicted", ylabel="true")
    return _svg(figure)


def _classes(run: Run, counts: Any) -> str:
    rows = []
    for i, name in enumerate(run.table.classes):
        hit = counts[i, i]
        precision = hit / counts[:, i].sum() if counts[:, i].sum() else 0.0
        recall = hit / counts[i].sum() if counts[i].sum() else 0.0
        rows.append(
            f"<tr><td>{html.escape(name)}</td><td class=n>{counts[i].sum()}</td>"
            f"<td class=n>{precision:.3f}</td><td class=n>{recall:.3f}</td></tr>"
        )
    return (
        "<div class=scroll><table><tr><th>class</th><th>held out</th><th>precision</th>"
        f"<th>recall</th></tr>{''.join(rows)}</table></div>"
    )


def _picture(image: Any) -> str:
    """A [C, H, W] array as a PNG in a data address."""
    from matplotlib.image import imsave

    low, high = float(image.min()), float(image.max())
    scaled = (image - low) / max(high - low, 1e-9)
    buffer = io.BytesIO()
    if image.shape[0] == 3:
        imsave(buffer, scaled.transpose(1, 2, 0), format="png")
    else:
        imsave(buffer, scaled[0], cmap="gray_r", vmin=0, vmax=1, format="png")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def _mistakes(run: Run, probabilities: Any, predicted: Any, truth: Any) -> str:
    wrong = np.flatnonzero(predicted != truth)
    if not len(wrong):
        return "<p>None: every held-out sample was told right.</p>"
    worst = wrong[np.argsort(probabilities[wrong, truth[wrong]])][:24]
    names, cards = run.table.classes, []
    for i in worst:
        row = int(run.held_rows[i])
        seen = html.escape(names[predicted[i]])
        text = f"<b>{html.escape(names[truth[i]])}</b> taken for <b>{seen}</b><br>{probabilities[i, predicted[i]]:.0%} sure"
        picture = ""
        if run.table.image:
            picture = f'<img alt="row {row}" src="{_picture(run.table.inputs[row])}">'
        cards.append(f"<figure>{picture}{text}<br>row {row}</figure>")
    return f"<p>{len(wrong)} of {len(truth)}, the surest first.</p><div class=cards>{''.join(cards)}</div>"


def _regression(run: Run, out: Any) -> str:
    predicted = out[:, 0] * run.scale + run.offset
    truth = run.table.targets[run.held_rows]
    figure = _figure(5, 4.4)
    axes = figure.subplots()
    axes.scatter(truth, predicted, s=9, alpha=0.6, color="#2f6f9f")
    ends = [min(truth.min(), predicted.min()), max(truth.max(), predicted.max())]
    axes.plot(ends, ends, color="#888", lw=0.8)
    axes.set(xlabel=f"true {run.table.target_name}", ylabel="predicted")
    return "<h2>Predicted against true</h2>" + _svg(figure)


def write(run: Run) -> None:
    """Write report.html of a finished run."""
    out = run.outputs(run.held_rows)
    judged = run.judged
    if run.table.task == "classification":
        shifted = np.exp(out - out.max(1, keepdims=True))
        probabilities = shifted / shifted.sum(1, keepdims=True)
        predicted, truth = out.argmax(1), run.table.targets[run.held_rows]
        counts = confusion(run, predicted, truth)
        score = f"{judged['held_accuracy']:.2%}</span> right on the held-out fifth"
        body = (
            f"<h2>Confusion matrix</h2>{_confusion(run, counts)}"
            f"<h2>Classes</h2>{_classes(run, counts)}"
            f"<h2>Worst mistakes</h2>{_mistakes(run, probabilities, predicted, truth)}"
        )
    else:
        score = f"R² {judged['held_r2']:.3f}</span> on the held-out fifth, RMSE {judged['held_rmse']:.4g}"
        body = _regression(run, out)
    rows = "".join(
        f"<tr><th>{html.escape(k)}</th><td><code>{html.escape(str(v))}</code></td></tr>"
        for k, v in run.summary().items()
    )
    note = (
        "<p><b>Interrupted:</b> this is the best model so far.</p>"
        if run.interrupted
        else ""
    )
    title = html.escape(f"{run.table.name}: a training run")
    page = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style><h1>{title}</h1>"
        f"<p class=lead><span class=big>{score}</p>{note}"
        f"<h2>Learning curves</h2>{_curves(run)}{body}"
        f"<h2>The run</h2><div class=scroll><table>{rows}</table></div></html>"
    )
    write_atomically(run.folder / "report.html", page.encode())
