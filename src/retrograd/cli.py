"""The command line: ``retrograd train`` and ``retrograd predict``."""

from __future__ import annotations

import csv
import io
import os
import shlex
import sys
from typing import Any

import click

_ACTIVATIONS = ("relu", "tanh", "gelu", "sigmoid", "silu", "leaky_relu")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="retrograd", prog_name="retrograd")
def app() -> None:
    """Deep learning whose heart is backpropagation."""


def _layers(
    ctx: click.Context, param: click.Parameter, value: str | None
) -> list[int] | None:
    if value is None:
        return None
    try:
        layers = [int(n) for n in value.split(",") if n.strip()]
    except ValueError:
        raise click.BadParameter(
            f"{value!r}: widths separated by commas, such as 128,64"
        ) from None
    if any(not 0 < n <= 1 << 16 for n in layers):
        raise click.BadParameter(f"{value!r}: widths lie between 1 and 65536")
    return layers


@app.command()
@click.argument("data", required=False)
@click.option("--target", help="Column (or array) to predict; the last one by default.")
@click.option("--task", type=click.Choice(["classification", "regression"]), help="Told from the target by default.")  # fmt: skip
@click.option(
    "--layers", callback=_layers, help="Widths of the hidden layers, such as 128,64."
)
@click.option(
    "--activation", type=click.Choice(_ACTIVATIONS), default="relu", show_default=True
)
@click.option(
    "--dropout", type=click.FloatRange(0, 0.95), default=0.0, show_default=True
)
@click.option("--optimizer", type=click.Choice(["adam", "adamw", "sgd", "rmsprop"]), default="adam", show_default=True)  # fmt: skip
@click.option("--lr", type=click.FloatRange(0, min_open=True), help="Learning rate; 0.002, or 0.02 for sgd.")  # fmt: skip
@click.option("--schedule", type=click.Choice(["cosine", "step", "constant"]), default="cosine", show_default=True)  # fmt: skip
@click.option("--epochs", type=click.IntRange(1), default=60, show_default=True)
@click.option("--batch-size", type=click.IntRange(1), default=32, show_default=True)
@click.option(
    "--weight-decay", type=click.FloatRange(0), default=1e-4, show_default=True
)
@click.option("--patience", type=click.IntRange(1), default=15, show_default=True, help="Epochs without a better validation loss before stopping.")  # fmt: skip
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option(
    "--out", default="runs", show_default=True, help="Folder for the run folders."
)
@click.option("--name", help="Name of the run; that of the data by default.")
def train(data: str | None, **options: Any) -> None:
    """Train a network by backpropagation on DATA: a CSV, TSV or NPZ table, or a folder of
    images in one sub-folder per class. Without DATA: on the handwritten digits that ship
    with the package."""
    from .train import data as reading
    from .train import fit, report

    if options["lr"] is None:
        options["lr"] = 0.02 if options["optimizer"] == "sgd" else 0.002
    table = reading.read(data, options["target"], options["task"])
    folder = fit.new_folder(options["out"], options["name"] or table.name)
    command = "retrograd " + shlex.join(sys.argv[1:])
    try:
        run = fit.Run(table, options, folder, command)
        with _Progress(options["epochs"]) as progress:
            run.train(progress.show)
    except BaseException:
        if not any(folder.iterdir()):
            folder.rmdir()
        raise
    if not run.best:
        click.echo(
            "Interrupted before the first epoch was done: nothing to keep.", err=True
        )
        folder.rmdir()
        raise SystemExit(130)
    report.write(run)
    if run.interrupted:
        click.echo(
            f"Interrupted: the best model so far (epoch {run.best['epoch']}) is kept."
        )
    click.echo(
        f"{_score(run.judged, 'held')} on {len(run.held_rows)} held-out rows, {run.seconds:.1f} s"
    )
    click.echo(f"Model   {folder / 'model.safetensors'}")
    click.echo(f"Report  {folder / 'report.html'}")
    if run.interrupted:
        raise SystemExit(130)


def _score(row: dict[str, Any], prefix: str) -> str:
    if f"{prefix}_accuracy" in row:
        return f"accuracy {row[f'{prefix}_accuracy']:.2%}"
    return f"R² {row[f'{prefix}_r2']:.4f}, RMSE {row[f'{prefix}_rmse']:.4g}"


class _Progress:
    """A live line on a terminal, plain lines elsewhere."""

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs
        self.live: Any = None

    def __enter__(self) -> _Progress:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import (
                BarColumn,
                Progress,
                TextColumn,
                TimeRemainingColumn,
            )

            self.live = Progress(
                TextColumn("epoch {task.completed:.0f}/{task.total:.0f}"), BarColumn(),
                TextColumn("{task.description}"), TimeRemainingColumn(),
                console=Console(stderr=True), transient=True,
            )  # fmt: skip
            self.live.start()
            self.task = self.live.add_task("", total=self.epochs)
        return self

    def show(self, row: dict[str, Any]) -> None:
        text = (
            f"loss {row['loss']:.4f}, validation loss {row['valid_loss']:.4f}, "
            f"{_score(row, 'valid')}"
        )
        if self.live is not None:
            self.live.update(self.task, completed=row["epoch"], description=text)
            return
        left = row["seconds"] / row["epoch"] * (self.epochs - row["epoch"])
        click.echo(
            f"epoch {row['epoch']}/{self.epochs}  {text}, at most {left:.0f} s left",
            err=True,
        )

    def __exit__(self, *exc: object) -> None:
        if self.live is not None:
            self.live.stop()


@app.command()
@click.argument("run")
@click.argument("data")
@click.option("--out", help="File for the CSV; standard output by default.")
def predict(run: str, data: str, out: str | None) -> None:
    """Predictions of the network in the folder RUN for DATA, as CSV."""
    from .io import write_atomically
    from .train.predict import predict as predicted

    header, rows = predicted(run, data)
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    if out is None:
        click.echo(buffer.getvalue(), nl=False)
    else:
        write_atomically(out, buffer.getvalue().encode())


@app.command()
@click.option("--clear", is_flag=True, help="Delete all of it.")
def cache(clear: bool) -> None:
    """What is stored of compiled code: where, how many files, how large."""
    from .compiler import store

    place = store.folder()
    if place is None:
        click.echo("No compiled code is stored: RETROGRAD_CACHE is empty.")
    elif clear:
        click.echo(f"{store.clear()} files deleted from {place}")
    else:
        known = store.files(place) if place.is_dir() else []
        size = sum(size for _, size, _ in known) / 2**20
        click.echo(f"{place}: {len(known)} files, {size:.1f} MiB")


def main() -> None:
    """Run the command; an error is one line and a non-zero code, never a traceback."""
    try:
        app(standalone_mode=False)
    except click.exceptions.Exit as stop:
        raise SystemExit(stop.exit_code) from None
    except click.Abort:
        raise SystemExit(130) from None
    except KeyboardInterrupt:
        click.echo("Interrupted.", err=True)
        raise SystemExit(130) from None
    except click.ClickException as error:
        click.echo(f"retrograd: {error.format_message()}", err=True)
        raise SystemExit(2) from None
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None
    except (ValueError, OSError, ImportError, MemoryError) as error:
        if os.environ.get("RETROGRAD_TRACEBACK"):
            raise
        text = " ".join(str(error).split()) or type(error).__name__
        click.echo(f"retrograd: {text}", err=True)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
