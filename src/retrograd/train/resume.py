"""Where a training stands after an epoch, so that an interrupted one goes on from there.

Everything that the next epoch depends on is in one file, written atomically: weights, the
optimizer's and the schedule's state, the random numbers, the best epoch so far. A run that is
resumed therefore is, to the last bit, the run that was not interrupted.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import retrograd as rg

from ..io import FileError
from .data import Choices, Examples
from .errors import DataError, quoted
from .settings import Settings

if TYPE_CHECKING:
    from .fit import Run

NAME = "resume.safetensors"
_FORMAT = 1


def standing(run: Run, optimizer: Any, schedule: Any, waited: int) -> dict[str, Any]:
    """The state of a run between two epochs, in memory of its own."""
    return {
        "format": _FORMAT,
        "data": {
            "path": run.data.path,
            "choices": asdict(run.data.choices or Choices()),
            "print": run.print,
        },
        "settings": run.settings.to_json(),
        "network": _copied(run.network.state_dict()),
        "optimizer": _copied(optimizer.state_dict()),
        "schedule": None if schedule is None else copy.deepcopy(schedule.state_dict()),
        "random": rg.get_rng_state(),
        "history": list(run.history),
        "best": run.best,
        "weights": dict(run.weights),
        "waited": waited,
    }  # fmt: skip


def _copied(value: Any) -> Any:
    if isinstance(value, rg.Tensor):
        return rg.from_numpy(np.array(value.detach().numpy()))
    if isinstance(value, Mapping):
        return {key: _copied(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_copied(inner) for inner in value]
    return value


def fingerprint(data: Examples) -> str:
    """Of the inputs, the targets and their names."""
    digest = hashlib.blake2b(digest_size=16)
    about = (data.x.shape, str(data.x.dtype), data.task, data.target, data.classes)
    digest.update(repr(about).encode())
    for array in (data.x, data.y):
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def read_standing(folder: Path) -> dict[str, Any]:
    """What :func:`standing` gave, from the folder of a run. Raises DataError or FileError."""
    path = folder / NAME
    if not folder.is_dir():
        raise DataError(f"{folder} is no folder of a run")
    if not path.exists():
        if (folder / "report.html").exists():
            why = "the training came to its end, there is nothing to resume"
        else:
            why = (
                f"there is no {NAME}, which an interrupted training leaves: begin anew"
            )
        raise DataError(f"{folder}: {why}")
    state = rg.load(path)
    try:
        if state["format"] != _FORMAT:
            raise ValueError(f"format {state['format']!r}, not {_FORMAT}")
        state["settings"] = Settings(**state["settings"])
        state["choices"] = Choices(**state["data"]["choices"])
        if not isinstance(state["data"]["path"], str | None):
            raise TypeError("the data have no path")
        for key in ("network", "optimizer", "random", "history", "best", "weights"):
            state[key]
    except (ValueError, KeyError, TypeError) as error:
        why = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise FileError(
            f"{path} does not describe a training as it should: {why}"
        ) from None
    return state  # type: ignore[no-any-return]


def refuse_other(state: dict[str, Any], given: Mapping[str, Any]) -> None:
    """DataError for an option that is not what the run was begun with."""
    settings, choices = state["settings"], state["choices"]
    known = {f.name for f in fields(Choices)}
    for name, value in given.items():
        before = getattr(choices if name in known else settings, name)
        if value != before:
            begun = "without it" if before in (None, ()) else f"with {_said(before)}"
            raise DataError(
                f"--{name.replace('_', '-')} {_said(value)}: the run was begun {begun}; "
                "leave the option out to resume it, or begin a new run"
            )


def _said(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(map(str, value)) or "none"
    return quoted(value) if isinstance(value, str) else f"{value}"


def refuse_other_data(state: dict[str, Any], data: Examples) -> None:
    """DataError for data that are not those of the run."""
    if fingerprint(data) != state["data"]["print"]:
        raise DataError(
            f"{data.source} does not hold what the run was begun with: resume it with the "
            "same data, or begin a new run"
        )


def go_on(run: Run, state: dict[str, Any], optimizer: Any, schedule: Any) -> int:
    """Put a run to where it stood; the epochs that it waited for progress."""
    try:
        run.network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
        if schedule is not None:
            schedule.load_state_dict(state["schedule"])
        rg.set_rng_state(state["random"])
        run.history, run.weights = list(state["history"]), state["weights"]
        epochs = {row["epoch"]: row for row in run.history}
        run.best = epochs[state["best"]["epoch"]] if state["best"] else {}
        return int(state["waited"])
    except (ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
        raise FileError(
            f"{run.folder / NAME} does not fit its own data and options: {error}"
        ) from None
