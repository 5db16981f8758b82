"""``retrograd explain``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from ..io.atomic import write_atomically
from .capture import Capture
from .messages import language
from .runner import ProgramError, loss_of
from .story import Story


def story_of(what: str, options: dict[str, Any]) -> Story:
    """The story of a program; mistakes as one line."""
    try:
        lang = language(options.pop("lang", None))
        loss, names = loss_of(what)
        capture = Capture(loss).reverse().evaluate()
    except ProgramError as error:
        raise click.ClickException(str(error)) from None
    except (RuntimeError, ValueError) as error:
        raise click.ClickException(str(error).split("\n")[0]) from None
    return Story(capture, names, lang=lang, **options)


def explain(
    what: str,
    form: str,
    out: str | None,
    draw: str | None,
    step: bool,
    options: dict[str, Any],
    page: str | None = None,
) -> None:
    story = story_of(what, options)
    if page is not None:
        from .page import save

        try:
            save(story, page)
        except (OSError, ImportError) as error:
            raise click.ClickException(str(error)) from None
    if draw is not None:
        try:
            story.draw(derivative=True).save(draw)
        except (ValueError, ImportError) as error:
            raise click.ClickException(str(error)) from None
    if step:
        walk(story)
        return
    text = getattr(story, form)()
    if out is None:
        if (draw is None and page is None) or form != "text":
            click.echo(text.rstrip("\n"))
        return
    try:
        write_atomically(Path(out), (text.rstrip("\n") + "\n").encode())
    except OSError as error:
        raise click.ClickException(
            f"cannot write {out}: {error.strerror or error}"
        ) from None


def walk(story: Story) -> None:
    """One line at each key; without a terminal, all of them."""
    at = story.step()
    while at is not None:
        click.echo(str(at))
        if not sys.stdin.isatty():
            at = story.step()
            continue
        key = click.getchar()
        if key in ("q", "\x1b"):
            return
        at = (story.back() or story.step()) if key in ("b", "p") else story.step()
