"""``rg.watch`` and ``retrograd watch``: a training, seen from the browser while it runs."""

from __future__ import annotations

import sys
from typing import Any

from ... import errors
from .session import Watch

_active: list[Watch] = []


def watch(
    model: Any = None, *, port: int = 0, tensorboard: Any = None, quiet: bool = False,
    lang: str | None = None,
) -> Watch:  # fmt: skip
    """Open a live page of the training of *model*, and print its address.

    The page shows the loss and what ``log`` is given, the learning rate, the norm of each
    gradient and the size of each update relative to its weight, histograms of gradients
    and activations, dead and saturated units, the way of the parameters on the loss
    surface beside that of batch descent, and the graph with the values of the step; and
    it pauses, steps and resumes the training. It is on 127.0.0.1 alone, for who has the
    token in the address. Steps are looked at now and then, for a bounded share of the
    time, and none while no page is open. *tensorboard* names a folder for event files
    (``pip install retrograd[tensorboard]``), *lang* the language of the page (``"en"``,
    ``"es"``, ``"ko"``). After ``close()`` the model is as it was.

    >>> import retrograd as rg
    >>> model = rg.nn.Linear(2, 1)
    >>> with rg.watch(model, quiet=True) as w:
    ...     w.log(accuracy=0.5)
    """
    from ...nn import Module

    if model is not None and not isinstance(model, Module):
        raise TypeError(
            f"watch() takes a model, not {type(model).__name__}\n  at {errors.user_line()}"
        )
    _active[:] = [w for w in _active if not w.closed]
    if _active:
        known = _active[-1]
        if model is not None and known.model is not model:
            known._know(model)
        return known
    title = type(model).__name__ if model is not None else "training"
    found = Watch(model, port, tensorboard, title, lang=lang)
    _active.append(found)
    if not quiet:
        print(f"retrograd watch: {found.url}", file=sys.stderr)
    return found
