"""What is learned from: inputs, targets, and which of the two tasks it is."""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from . import arrays, audio, images
from .errors import DataError, listed, quoted
from .inputs import AudioInputs, Column, ImageInputs, TableInputs, check_finite, numbers
from .tables import RawTable, is_number, read_table

#: Whole numbers with at most this many values, five rows each, are taken for classes.
FEW = 30
FEWEST_ROWS = 10

Task = str  # "classification" or "regression"


@dataclass
class Examples:
    """Raw inputs [N, …], targets [N] (class numbers or values) and how to read more."""

    name: str
    source: str
    x: Any
    y: Any
    inputs: TableInputs | ImageInputs
    task: Task
    target: str
    classes: list[str] = field(default_factory=list)
    rows: list[str] = field(default_factory=list)  # what the user calls each row
    songs: Any = None  # of windows of audio: the number of the song of each
    path: str | None = None  # where they were read from; None: from the package
    choices: Choices | None = None

    def __len__(self) -> int:
        return len(self.x)


@dataclass(frozen=True)
class Choices:
    """What the user may say about the data; None: told from the data."""

    target: str | None = None
    task: Task | None = None
    drop: tuple[str, ...] = ()
    header: bool | None = None
    image_size: int | None = None


def read(path: str | None, choices: Choices | None = None) -> Examples:
    """The data at *path*, or the digits that ship with the package. Raises DataError."""
    choices = choices or Choices()
    if path is None:
        return replace(_digits(), choices=choices)
    p = Path(path)
    if p.is_dir():
        found = _folder(p, choices)
    elif not p.exists():
        raise DataError(f"{path} does not exist")
    elif not p.is_file():
        raise DataError(f"{path} is no ordinary file")
    elif p.suffix.lower() == ".npz":
        found = _archive(p, choices)
    elif re.search(r"\.(csv|tsv|txt|tab)(\.gz)?$", p.name.lower()):
        found = _table(p, choices)
    else:
        raise DataError(
            f"{path}: a table (.csv, .tsv, also with .gz, or .npz) or a folder of images or "
            "songs in one sub-folder per class is expected"
        )
    _check(found)
    return replace(found, path=str(p.resolve()), choices=choices)


def _digits() -> Examples:
    from ..datasets import digits

    pictures, labels = digits()
    return Examples(
        name="digits", source="the handwritten digits that ship with retrograd (UCI)",
        x=pictures.numpy(), y=labels.numpy(), inputs=ImageInputs(shape=[1, 8, 8]),
        task="classification", target="digit", classes=[str(k) for k in range(10)],
        rows=[f"image {i}" for i in range(len(labels))],
    )  # fmt: skip


def _name(path: Path) -> str:
    """A name for the run: the file's, without what a folder's name should not have."""
    stem = path.resolve().name.split(".")[0]
    return re.sub(r"[^\w-]+", "-", stem).strip("-") or "data"


def _table(path: Path, choices: Choices) -> Examples:
    table = read_table(path, choices.header)
    if choices.header is None and not table.has_header and choices.target:
        # A name was given: perhaps the first row has it after all (names like 0, 1, 2).
        again = read_table(path, header=True)
        table = again if choices.target in again.names else table
    have = f"{path} has no column"
    for name in (*choices.drop, choices.target):
        if name is not None and name not in table.names:
            raise DataError(
                f"{have} {quoted(name)}; its columns are {listed(table.names)}"
            )
    names = [name for name in table.names if name not in choices.drop]
    target = choices.target or (names[-1] if names else "")
    if len(names) < 2 or target not in names:
        raise DataError(f"{path}: at least one column besides the target is needed")
    inputs = TableInputs.learn(table, {target, *choices.drop})
    y, task, classes = _targets_of_table(table, target, choices.task)
    return Examples(
        name=_name(path), source=str(path), x=inputs.encode(table, lambda text: None),
        y=y, inputs=inputs, task=task, target=target, classes=classes,
        rows=[f"line {n}" for n in table.lines],
    )  # fmt: skip


def _targets_of_table(
    table: RawTable, name: str, task: Task | None
) -> tuple[Any, Task, list[str]]:
    cells = table.column(name)
    try:
        values = numbers(table, name)[:, 0]
    except DataError:
        if task == "regression":
            raise
        for row, cell in enumerate(cells):
            if not cell:
                where = table.where(row, name)
                raise DataError(f"{where}: the target is missing") from None
        share = sum(is_number(cell) for cell in cells) / len(cells)
        if task is None and share > 0.5 and len(set(cells)) > FEW:
            raise  # numbers with a slip among them, not classes
        y, classes = _classes(cells)
        return y, "classification", classes
    return told_task(values, task, [_tidy(cell) for cell in cells])


def _tidy(cell: str) -> str:
    """1, 1.0 and 01 are one class."""
    value = float(cell)
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else str(value)


def told_task(
    values: Any, task: Task | None, names: list[str]
) -> tuple[Any, Task, list[str]]:
    """Targets, task and classes of numbers: few whole ones are classes."""
    if task is None:
        whole = bool((values == np.floor(values)).all())
        distinct = len(np.unique(values))
        few = distinct <= FEW and (distinct <= 2 or 5 * distinct <= len(values))
        task = "classification" if whole and few else "regression"
    if task == "regression":
        return values, task, []
    y, classes = _classes(names, order=values)
    return y, task, classes


def _classes(names: list[str], order: Any = None) -> tuple[Any, list[str]]:
    """Class numbers and class names, in the order of the alphabet or of the numbers."""
    key: dict[str, Any] = {}
    for i, name in enumerate(names):
        key.setdefault(name, name if order is None else order[i])
    classes = sorted(key, key=lambda name: key[name])
    number = {name: k for k, name in enumerate(classes)}
    return np.array([number[name] for name in names], np.int64), classes


def _archive(path: Path, choices: Choices) -> Examples:
    found = arrays.read_arrays(path)
    x, y, target = arrays.choose(path, found, choices.target)
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1:
        raise DataError(
            f"{path}: the targets {quoted(target)} have shape {list(y.shape)}; one number "
            "or one name for each row is expected"
        )
    if len(x) != len(y):
        raise DataError(f"{path}: {len(x)} inputs, but {len(y)} targets")
    if not len(y):
        raise DataError(f"{path} has no rows")
    inputs: TableInputs | ImageInputs
    if x.ndim > 2:
        x = images.as_images(x, str(path))
        inputs = ImageInputs(shape=list(x.shape[1:]))
    else:
        x = (x[:, None] if x.ndim == 1 else x).astype(np.float64)
        names = [Column(f"column {i + 1}") for i in range(x.shape[1])]
        inputs = TableInputs(columns=names, named=False)
    check_finite(x, f"{path}: inputs")
    if math.prod(x.shape) == 0:
        raise DataError(f"{path}: the inputs are empty, of shape {list(x.shape)}")
    y, task, classes = _targets_of_array(path, y, choices.task)
    return Examples(
        name=_name(path), source=str(path), x=x, y=y, inputs=inputs, task=task,
        target=target, classes=classes, rows=[f"row {i}" for i in range(len(x))],
    )  # fmt: skip


def _targets_of_array(
    path: Path, y: Any, task: Task | None
) -> tuple[Any, Task, list[str]]:
    if y.dtype.kind in "SU":
        if task == "regression":
            raise DataError(f"{path}: the targets are text, which is not regressed on")
        text = y.astype(str).tolist() if y.dtype.kind == "U" else [
            cell.decode("utf-8", "replace") for cell in y.tolist()
        ]  # fmt: skip
        numbered, classes = _classes(text)
        return numbered, "classification", classes
    check_finite(y, f"{path}: targets")
    return told_task(y.astype(np.float64), task, [_tidy(str(float(v))) for v in y])


def _songs(path: Path, choices: Choices) -> Examples:
    paths, labels, classes = audio.list_classes(path)
    mels = choices.image_size or audio.MELS
    x, songs = audio.load_songs(paths, mels)
    return Examples(
        name=_name(path), source=str(path), x=x, y=np.array(labels, np.int64)[songs],
        inputs=AudioInputs(shape=list(x.shape[1:])), task="classification", target="class",
        classes=classes, rows=[str(paths[i].relative_to(path)) for i in songs], songs=songs,
    )  # fmt: skip


def _folder(path: Path, choices: Choices) -> Examples:
    # a cover beside the songs, or a song beside the pictures, is not what is learned
    if len(audio.list_classes(path)[0]) > len(images.list_images(path)):
        if choices.task == "regression":
            raise DataError(f"{path}: folders of songs have classes, not values")
        return _songs(path, choices)
    if choices.task == "regression":
        raise DataError(
            f"{path}: folders of images have classes, not values to regress on"
        )
    images.pillow()
    files, labels, classes = images.list_classes(path)
    channels, height, width = images.common_size(files)
    if choices.image_size is not None:
        height = width = choices.image_size
    return Examples(
        name=_name(path), source=str(path),
        x=images.load_images(files, channels, height, width),
        y=np.array(labels, np.int64), inputs=ImageInputs(shape=[channels, height, width]),
        task="classification", target="class", classes=classes,
        rows=[str(file.relative_to(path)) for file in files],
    )  # fmt: skip


def _check(data: Examples) -> None:
    """Refuse what cannot be learned from."""
    n, k = len(data), len(data.classes)
    if data.songs is not None:
        n = len(np.unique(data.songs))
    target = f"the target {quoted(data.target)}"
    if data.task == "classification":
        if k == 1:
            raise DataError(
                f"{data.source}: all {n} rows are of one class, {quoted(data.classes[0])}: "
                f"there is nothing to tell apart{_deeper(data)}"
            )
        if n < 2 * k:
            raise DataError(
                f"{data.source}: {target} has {k} classes in {n} rows, fewer than two "
                "rows a class: choose another with --target, or --task regression"
            )
    elif len(np.unique(data.y)) == 1:
        raise DataError(f"{data.source}: {target} is {data.y[0]:g} in every row")
    if n < FEWEST_ROWS:
        raise DataError(
            f"{data.source}: {n} rows are too few to train on and to check: at least "
            f"{FEWEST_ROWS} are needed"
        )


def _deeper(data: Examples) -> str:
    """What to say when the classes are one folder further down."""
    inner = Path(data.source) / data.classes[0]
    if not (inner.is_dir() and any(p.is_dir() for p in inner.iterdir())):
        return ""
    return f"; if the folders inside {inner} are the classes, name that folder"


def stratified(y: Any, fraction: float, order: Any, classes: int) -> Any:
    """A mask of about *fraction* of the rows, of each class alike, at least one row;
    *order* is a random order of the rows, and each class keeps a row outside."""
    n = len(y)
    wanted = max(1, round(n * fraction))
    chosen = np.zeros(n, bool)
    if classes == 0:  # values, not classes
        chosen[order[:wanted]] = True
        return chosen
    size = Counter(y.tolist())
    share = {c: min(size[c] * fraction, size[c] - 1) for c in size}
    take = {c: math.floor(share[c]) for c in size}
    # What is missing goes to the classes that lost most to rounding.
    for c in sorted(size, key=lambda c: take[c] - share[c]):
        if sum(take.values()) >= wanted:
            break
        take[c] += int(take[c] < size[c] - 1)
    for row in order:
        c = int(y[row])
        if take[c] > 0:
            chosen[row], take[c] = True, take[c] - 1
    return chosen
