"""``retrograd watch``."""

from __future__ import annotations

import contextlib
import runpy
import sys
import time
import traceback
import webbrowser
from pathlib import Path

import click

from . import _active
from .session import Watch


def watch(
    script: str, arguments: tuple[str, ...], port: int, wait: bool, browser: bool,
    tensorboard: str | None, lang: str | None = None,
) -> None:  # fmt: skip
    """Run a program as ``python script.py`` does, with the page beside it."""
    path = Path(script)
    if not path.is_file():
        raise click.ClickException(f"{script}: there is no such file")
    try:
        found = Watch(None, port, tensorboard, path.name, wait, lang)
    except (OSError, ImportError, ValueError) as error:
        raise click.ClickException(str(error)) from None
    found.shared = True
    _active.append(found)
    click.echo(f"retrograd watch: {found.url}", err=True)
    if browser:
        webbrowser.open(found.url)
    argv, folder = sys.argv, sys.path[0]
    sys.argv, sys.path[0] = [script, *arguments], str(path.resolve().parent)
    try:
        try:
            runpy.run_path(str(path), run_name="__main__")
        except Exception as error:  # the program's own: told as Python tells it
            trace = error.__traceback__
            while trace is not None and trace.tb_frame.f_code.co_filename != str(path):
                trace = trace.tb_next
            traceback.print_exception(type(error), error, trace)
            raise SystemExit(1) from None
        found.end()
        if found.step == 0:
            click.echo("retrograd watch: no optimizer made a step", err=True)
        if found.server.open:
            click.echo("retrograd watch: done; the page stays until it is closed, "
                       "or until Ctrl-C", err=True)  # fmt: skip
        with contextlib.suppress(KeyboardInterrupt):
            while found.server.open:
                time.sleep(0.2)
    finally:
        sys.argv, sys.path[0] = argv, folder
        found.close()
