"""The command line: ``retrograd train``, ``predict``, ``explain`` and more.

Whatever goes wrong is one line on standard error and a code: 2 for what the user can
mend (usage, data, files), 1 for what is wrong inside, 130 and 143 after Ctrl-C and a
request to end.
"""

from __future__ import annotations

import contextlib
import csv
import os
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import __version__

if TYPE_CHECKING:
    from .train import Run

_ACTIVATIONS = ("relu", "tanh", "gelu", "sigmoid", "silu", "leaky_relu", "elu")
_OPTIMIZERS = ("adamw", "adam", "sgd", "rmsprop", "adagrad")
_SCHEDULES = ("cosine", "onecycle", "step", "plateau", "constant")


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(__version__, prog_name="retrograd")
def app() -> None:
    """Deep learning whose heart is backpropagation."""


class Number(click.FloatRange):
    """A number in a range; NaN is in none."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Any:
        if str(value).strip().lower().lstrip("+-") == "nan":
            self.fail(f"{value!r} is not a number", param, ctx)
        return super().convert(value, param, ctx)


def _widths(
    ctx: click.Context, param: click.Parameter, value: str | None
) -> tuple[int, ...] | None:
    """Widths of layers, ``128,64``; ``none`` for no hidden layer."""
    if value is None:
        return None
    if value.strip().lower() in ("", "none", "0"):
        return ()
    parts = [part.strip() for part in value.split(",")]
    if not all(part.isdecimal() and 0 < int(part[:9]) <= 1 << 16 for part in parts):
        raise click.BadParameter(
            f"{value!r}: expected widths from 1 to 65536, such as 128,64", ctx, param
        )
    return tuple(int(part) for part in parts)


@app.command()
@click.argument("data", required=False)
@click.option(
    "--target",
    metavar="NAME",
    help="Column (or array) to predict.  [default: the last]",
)
@click.option("--task", type=click.Choice(["classification", "regression"]),
         help="What the target is.  [default: told from it]")  # fmt: skip
@click.option(
    "--drop",
    metavar="NAME",
    multiple=True,
    help="Column to leave out; may be repeated.",
)
@click.option("--header/--no-header", default=None,
         help="Whether the first line has names.  [default: told from it]")  # fmt: skip
@click.option("--image-size", type=click.IntRange(4, 512), metavar="PIXELS",
         help="Side that images are brought to; bands of songs.  [default: theirs, or 32; 64]")  # fmt: skip
@click.option("--layers", callback=_widths, metavar="128,64",
         help="Widths of the hidden layers, or none.  [default: for the data]")  # fmt: skip
@click.option(
    "--activation", type=click.Choice(_ACTIVATIONS), default="relu", show_default=True
)
@click.option("--dropout", type=Number(0, 0.95), default=0.0, show_default=True,
         help="Share of a hidden layer that is set to zero.")  # fmt: skip
@click.option("--label-smoothing", type=Number(0, 0.9), default=0.1, show_default=True,
         help="Share of certainty that is taken from the labels.")  # fmt: skip
@click.option(
    "--optimizer", type=click.Choice(_OPTIMIZERS), default="adamw", show_default=True
)
@click.option("--lr", type=Number(0, 1e3, min_open=True),
         help="Learning rate.  [default: for the optimizer]")  # fmt: skip
@click.option("--schedule", type=click.Choice(_SCHEDULES), default="cosine", show_default=True,
         help="How the learning rate falls.")  # fmt: skip
@click.option("--weight-decay", type=Number(0, 1e3),
         help="L2 regularisation.  [default: for the optimizer]")  # fmt: skip
@click.option(
    "--epochs", type=click.IntRange(1, 10**7), help="At most.  [default: for the data]"
)
@click.option(
    "--batch-size", type=click.IntRange(1, 10**7), help="[default: for the data]"
)
@click.option("--patience", type=click.IntRange(1),
         help="Epochs without progress until it stops.  [default: a fifth, at least 15]")  # fmt: skip
@click.option("--holdout", type=Number(0.01, 0.9), default=0.2, show_default=True,
         help="Share of the rows that is kept for the test at the end.")  # fmt: skip
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True)
@click.option("--out", metavar="FOLDER", default="runs", show_default=True,
         help="Where the run's folder is made.")  # fmt: skip
@click.option("--name", help="Name of the run.  [default: that of the data]")
@click.option("--resume", metavar="RUN",
         help="Folder of an interrupted run, to go on with.")  # fmt: skip
@click.pass_context
def train(
    ctx: click.Context, /, data: str | None, out: str, name: str | None,
    resume: str | None, **options: Any,
) -> None:  # fmt: skip
    """Train a network by backpropagation.

    DATA is a table (.csv or .tsv, also with .gz, or .npz) or a folder of images or of
    songs (.wav, .flac, .mp3, .ogg) in one sub-folder per class. Songs are cut to windows,
    which vote. Without DATA, the network learns the handwritten digits that ship with
    retrograd.

    It leaves a folder with the model (model.safetensors), metrics.jsonl and report.html.
    Ctrl-C stops the training and keeps the best model so far; --resume RUN goes on with it
    later, also after a crash, as if it had not been interrupted.
    """
    from . import train as training
    from .train.progress import progress

    if resume is not None:
        _resume(Path(resume), data, _given(ctx))
        return
    about_data = ("target", "task", "drop", "header", "image_size")
    choices = training.Choices(**{key: options.pop(key) for key in about_data})
    examples = training.read(data, choices)
    folder = training.new_folder(out, name or examples.name)
    try:
        run = training.Run.prepare(examples, training.Settings(**options), folder)
        with progress() as shown:
            run.train(shown)
        _report(run)
    except BaseException:
        with contextlib.suppress(OSError):
            folder.rmdir()  # only if nothing was left in it
        raise
    if run.stopped:
        raise SystemExit(128 + run.stopped)


def _given(ctx: click.Context) -> dict[str, Any]:
    """The options that stand on the command line."""
    line = click.core.ParameterSource.COMMANDLINE
    return {k: v for k, v in ctx.params.items() if ctx.get_parameter_source(k) is line}


def _resume(folder: Path, data: str | None, given: dict[str, Any]) -> None:
    """Go on with the interrupted training of a folder."""
    from . import train as training
    from .train import resume
    from .train.progress import progress

    for name in ("out", "name"):
        if name in given:
            raise click.UsageError(
                f"--{name} does not go with --resume: the run stays in {folder}"
            )
    state = resume.read_standing(folder)
    others = {k: v for k, v in given.items() if k not in ("data", "resume")}
    resume.refuse_other(state, others)
    path = state["data"]["path"]
    if data is None and path is not None and not Path(path).exists():
        raise training.DataError(
            f"{path}, the data of this run, does not exist; name its new place: "
            f"retrograd train DATA --resume {folder}"
        )
    examples = training.read(data or path, state["choices"])
    resume.refuse_other_data(state, examples)
    run = training.Run.prepare(examples, state["settings"], folder)
    with progress() as shown:
        run.train(shown, state)
    _report(run)
    if run.stopped:
        raise SystemExit(128 + run.stopped)


def _report(run: Run) -> None:
    from .train.report import write_report

    write_report(run, "retrograd " + shlex.join(sys.argv[1:]))
    if run.stopped:
        click.echo(
            f"Interrupted in epoch {len(run.history)}: the best model so far, of epoch "
            f"{run.best['epoch']}, is kept; to go on: retrograd train --resume "
            f"{shlex.quote(str(run.folder))}"
        )
    if run.note:
        click.echo(f"Stopped early: {run.note}")
    score, n = run.score, len(run.rows.test)
    if run.data.classes:
        what = "rows" if run.data.songs is None else "songs"
        result = f"{score['accuracy']:.1%} of {n} {what} held out are right"
    else:
        result = f"R² {score['r2']:.4f}, RMSE {score['rmse']:.5g} on {n} rows held out"
    click.echo(f"{result} ({len(run.history)} epochs, {run.seconds:.1f} s)")
    click.echo(f"model   {run.folder / 'model.safetensors'}")
    click.echo(f"report  {run.folder / 'report.html'}")


@app.command()
@click.argument("run")
@click.argument("data")
@click.option(
    "--out", metavar="FILE", help="File for the CSV.  [default: standard output]"
)
def predict(run: str, data: str, out: str | None) -> None:
    """Predict with a trained network, as CSV.

    RUN is a folder that `retrograd train` left, DATA a table with the same columns (the
    target may be absent), an .npz file, or a folder of images or songs. For classes, the
    probability of each follows the class.
    """
    import io

    from .io import write_atomically
    from .train.predict import predict as predicted

    def warn(text: str) -> None:
        click.echo(f"retrograd: warning: {text}", err=True)

    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(predicted(run, data, warn))
    if out is None:
        sys.stdout.write(text.getvalue())
        sys.stdout.flush()
    else:
        write_atomically(out, text.getvalue().encode())


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
        known = store.files()
        size = sum(size for _, size, _ in known) / 2**20
        click.echo(f"{place}: {len(known)} files, {size:.1f} MiB")


@app.command()
@click.argument("what", default="toy", metavar="[toy|mlp|SCRIPT.py:FUNCTION]")
@click.option("--level", type=click.Choice(["modules", "operations", "kernels"]),
         default="modules", show_default=True, help="Level of detail.")  # fmt: skip
@click.option("--layout", type=click.Choice(["denominator", "numerator"]),
         default="denominator", show_default=True,
         help="Gradients as columns, or as rows.")  # fmt: skip
@click.option("--lang", type=click.Choice(["en", "es", "ko"]),
         help="Language.  [default: $RETROGRAD_LANG, or en]")  # fmt: skip
@click.option("--proof", is_flag=True, help="Central differences beside each gradient.")
@click.option("--precision", type=click.IntRange(1, 17), default=4, show_default=True,
         help="Digits of numbers.")  # fmt: skip
@click.option("--format", "form", default="text", show_default=True, help="Of the text.",
         type=click.Choice(["text", "markdown", "latex", "html", "json"]))  # fmt: skip
@click.option(
    "--out", metavar="FILE", help="Write it there.  [default: to the terminal]"
)
@click.option("--draw", metavar="FILE",
         help="Write the drawing there: .svg, .png, .mmd or .dot.")  # fmt: skip
@click.option("--page", metavar="FILE",
         help="Write the page for the browser there: one .html file.")  # fmt: skip
@click.option("--step", is_flag=True, help="Line by line: Enter, b back, q quit.")
def explain(what: str, form: str, out: str | None, draw: str | None, page: str | None,
            step: bool, **options: Any) -> None:  # fmt: skip
    """Show how a loss and its gradients are computed, line by line.

    toy is the lectures' toy function, mlp their network; or name a function of your own
    that returns a loss.
    """
    from .see.command import explain as command

    command(what, form, out, draw, step, options, page)


@app.command(context_settings={"allow_interspersed_args": False})
@click.argument("script", metavar="SCRIPT.py")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.option("--port", type=click.IntRange(0, 65535), default=0, show_default=True,
         help="Of the page; 0 takes any that is free.")  # fmt: skip
@click.option("--wait", is_flag=True, help="Wait for the page after the first step.")
@click.option("--browser", is_flag=True, help="Open the page.")
@click.option("--tensorboard", metavar="FOLDER",
         help="Also write TensorBoard event files there.")  # fmt: skip
@click.option("--lang", type=click.Choice(["en", "es", "ko"]),
         help="Of the page.  [default: $RETROGRAD_LANG, or en]")  # fmt: skip
def watch(script: str, arguments: tuple[str, ...], **options: Any) -> None:
    """Run a program and watch its training in the browser.

    SCRIPT.py runs as `python SCRIPT.py ARGUMENTS` does. The address of the page is
    printed; it is on this machine alone.
    """
    from .see.watching.command import watch as command

    command(script, arguments, **options)


@contextlib.contextmanager
def _one_line_errors() -> Iterator[None]:
    """Every error as one readable line and an exit code."""
    try:
        yield
    except click.exceptions.Exit as stop:
        raise SystemExit(stop.exit_code) from None
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        raise SystemExit(2) from None
    except (click.Abort, KeyboardInterrupt):
        _fail("interrupted; nothing more was saved", 130)
    except click.ClickException as error:
        _fail(error.format_message(), 2)
    except BrokenPipeError:  # the reader of the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None
    except MemoryError:
        _fail("there is not enough memory for these data", 2)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        _fail(f"{where}{error.strerror or error}", 2)
    except Exception as error:
        from .io import FileError
        from .train.errors import DataError, TrainingError

        if isinstance(error, (DataError, FileError, TrainingError)):
            _fail(str(error), 2)
        if os.environ.get("RETROGRAD_TRACEBACK"):
            raise
        _fail(
            f"an error inside retrograd: {type(error).__name__}: {error} "
            "(RETROGRAD_TRACEBACK=1 shows where)", 1,
        )  # fmt: skip


def _fail(text: str, code: int) -> None:
    click.echo(f"retrograd: {' '.join(text.split())}", err=True)
    raise SystemExit(code) from None


def main() -> None:
    """Run the command line."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a terminal that knows few characters
            stream.reconfigure(errors="replace")
    with _one_line_errors():
        app(prog_name="retrograd", standalone_mode=False)


if __name__ == "__main__":
    main()
