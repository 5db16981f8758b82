"""From raw data to the numbers that a network takes, remembered for predictions.

Inputs are encoded and normalised, (x − μ)/σ with μ and σ of the training rows, per
column of a table or per channel of images. What was done is plain data (``to_json``),
saved beside the weights, so that predictions do the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from . import arrays, audio, images
from .errors import DataError, listed, quoted
from .tables import RawTable, is_number, read_table

MISSING = ("", "na", "n/a", "nan", "null", "none", "?", "-")
#: More different texts than this are no categories.
MOST_WORDS = 1000


@dataclass
class Column:
    """A column of a table: a number, or one of several words (one-hot)."""

    name: str
    words: list[str] = field(default_factory=list)

    @property
    def width(self) -> int:
        return len(self.words) or 1


@dataclass
class Inputs:
    """What is common to tables and images: the normalisation."""

    mean: Any = None
    scale: Any = None

    def fit(self, x: Any) -> None:
        """Take μ and max(σ, ε) of the training inputs, per feature or per channel. ε is
        relative, because columns have units: one that does not vary, up to rounding, is
        left at its own size instead of being blown up."""
        axes = (0,) if x.ndim == 2 else (0, 2, 3)
        with np.errstate(over="ignore", invalid="ignore"):  # refused when normalised
            self.mean = x.mean(axes, dtype=np.float64)
            spread = x.std(axes, dtype=np.float64)
        size = np.maximum(np.abs(self.mean), 1e-300)
        self.scale = np.where(spread > 1e-6 * size, spread, np.maximum(size, 1.0))

    def normalised(self, x: Any) -> Any:
        """(x − μ)/σ as float32."""
        shape = (-1,) if x.ndim == 2 else (-1, 1, 1)
        with np.errstate(all="ignore"):
            out = (x - self.mean.reshape(shape)) / self.scale.reshape(shape)
        if not np.isfinite(out).all():
            raise DataError("the values of the inputs are too large to be normalised")
        return out.astype(np.float32)


@dataclass
class TableInputs(Inputs):
    """Rows of named columns as float64 [N, F]."""

    columns: list[Column] = field(default_factory=list)
    named: bool = True  # the names are the file's, not made up

    @property
    def shape(self) -> list[int]:
        return [sum(column.width for column in self.columns)]

    def fit(self, x: Any) -> None:
        super().fit(x)
        start = 0
        for column in self.columns:  # a word is 0 or 1, however rare it is
            if column.words:
                self.mean[start : start + column.width] = 0.0
                self.scale[start : start + column.width] = 1.0
            start += column.width

    @classmethod
    def learn(cls, table: RawTable, leave_out: set[str]) -> TableInputs:
        """How the columns of a table become numbers."""
        columns = [
            Column(name, _words(table, name))
            for name in table.names
            if name not in leave_out
        ]
        return cls(columns=columns, named=table.has_header)

    def encode(self, table: RawTable, warn: Callable[[str], None]) -> Any:
        """The rows as float64 [N, F], columns found by their names."""
        absent = [c.name for c in self.columns if c.name not in table.names]
        if absent:
            raise DataError(
                f"{table.source} has no column {listed(absent)}, which the network was "
                f"trained on; its columns are {listed(table.names)}"
            )
        parts = []
        for column in self.columns:
            encode = _one_hot if column.words else numbers
            parts.append(encode(table, column.name, *_more(column, warn)))
        return np.concatenate(parts, axis=1)

    def read(
        self, path: Path, target: str, warn: Callable[[str], None]
    ) -> tuple[Any, list[str]]:
        """Encoded rows of a file for prediction, and a name for each."""
        if path.suffix.lower() == ".npz":
            x = _flat(
                path, arrays.choose_inputs(path, arrays.read_arrays(path), target)
            )
            if x.shape[1] != self.shape[0] or any(c.words for c in self.columns):
                raise DataError(
                    f"{path} has {x.shape[1]} features a row, the network was trained "
                    f"on {len(self.columns)} columns: {listed(c.name for c in self.columns)}"
                )
            return x, [str(i) for i in range(len(x))]
        table = read_table(path, header=self.named)
        if not self.named and len(table.names) == len(self.columns):
            table.names = [column.name for column in self.columns]
        return self.encode(table, warn), [str(n) for n in table.lines]

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": "table",
            "columns": [
                {"name": c.name, "words": c.words} if c.words else {"name": c.name}
                for c in self.columns
            ],
            "named": self.named,
            "mean": self.mean.tolist(),
            "scale": self.scale.tolist(),
        }


@dataclass
class ImageInputs(Inputs):
    """Images as float32 [N, C, H, W]."""

    shape: list[int] = field(default_factory=list)

    def read(
        self, path: Path, target: str, warn: Callable[[str], None]
    ) -> tuple[Any, list[str]]:
        """The images of a folder, a file or an archive, and a name for each."""
        if path.is_dir():
            files = images.list_images(path)
            if not files:
                raise DataError(f"{path} has no images")
        elif path.suffix.lower() == ".npz":
            return self._from_archive(path, target)
        elif path.suffix.lower() in images.SUFFIXES:
            files = [path]
        else:
            raise DataError(
                f"{path}: the network was trained on images, so a folder of images, an "
                "image or an .npz file is expected"
            )
        x = images.load_images(files, *self.shape)
        base = path if path.is_dir() else path.parent
        return x, [str(file.relative_to(base)) for file in files]

    def _from_archive(self, path: Path, target: str) -> tuple[Any, list[str]]:
        array = arrays.choose_inputs(path, arrays.read_arrays(path), target)
        if array.ndim < 3:
            raise DataError(f"{path}: the inputs are no images but {list(array.shape)}")
        x = images.as_images(array, str(path))
        check_finite(x, str(path))
        if list(x.shape[1:]) != self.shape:
            raise DataError(
                f"{path}: images of shape {list(x.shape[1:])} (channels, height, width), "
                f"but the network was trained on {self.shape}"
            )
        return x, [str(i) for i in range(len(x))]

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": "images",
            "shape": self.shape,
            "mean": self.mean.tolist(),
            "scale": self.scale.tolist(),
        }


@dataclass
class AudioInputs(ImageInputs):
    """Windows of songs as spectrograms float32 [N, 1, mels, moments]."""

    #: Of the last ``read``: the song of each window.
    songs: Any = None

    def read(
        self, path: Path, target: str, warn: Callable[[str], None]
    ) -> tuple[Any, list[str]]:
        """The windows of a folder of songs or of one, and the name of each song."""
        if path.is_dir():
            files, base = audio.list_songs(path), path
        elif path.suffix.lower() in audio.SUFFIXES:
            files, base = [path], path.parent
        else:
            files, base = [], path
        if not files:
            raise DataError(
                f"{path}: the network was trained on audio, so a song "
                f"({', '.join(audio.SUFFIXES)}) or a folder of songs is expected"
            )
        x, self.songs = audio.load_songs(files, self.shape[1])
        return x, [str(file.relative_to(base)) for file in files]

    def to_json(self) -> dict[str, Any]:
        return {**super().to_json(), "kind": "audio"}


def from_json(data: Any) -> TableInputs | ImageInputs:
    """What ``to_json`` gave. Raises ValueError, TypeError or KeyError for anything else."""
    statistics = {}
    for key in ("mean", "scale"):
        statistics[key] = np.array(data[key], np.float64)
        if statistics[key].ndim != 1 or not np.isfinite(statistics[key]).all():
            raise ValueError(f"{key} is no list of numbers")
    if data["kind"] == "table":
        columns = [
            Column(str(c["name"]), [str(w) for w in c.get("words", [])])
            for c in data["columns"]
        ]
        made: TableInputs | ImageInputs = TableInputs(
            columns=columns, named=bool(data["named"]), **statistics
        )
        features = made.shape[0]
    else:
        shape = [int(n) for n in data["shape"]]
        if len(shape) != 3 or not all(0 < n < 1 << 14 for n in shape):
            raise ValueError(f"images of shape {shape}")
        kind = AudioInputs if data["kind"] == "audio" else ImageInputs
        if kind is AudioInputs and (shape[0] != 1 or shape[2] != 2 * shape[1]):
            raise ValueError(f"windows of audio of shape {shape}")
        made = kind(shape=shape, **statistics)
        features = shape[0]
    if not len(made.mean) == len(made.scale) == features:
        raise ValueError("the normalisation does not fit the inputs")
    return made


def numbers(table: RawTable, name: str) -> Any:
    """A column as float64 [N, 1]; DataError names the cell that is no finite number."""
    cells = table.column(name)
    for row, cell in enumerate(cells):
        if cell.lower() in MISSING:
            shown = "is empty" if not cell else f"is missing ({quoted(cell)})"
            raise DataError(
                f"{table.where(row, name)}: the cell {shown}; fill it, or leave the row "
                "or the column out"
            )
        if not is_number(cell):
            raise DataError(f"{table.where(row, name)}: {quoted(cell)} is not a number")
    values = np.array(cells, np.float64)
    if not np.isfinite(values).all():
        row = int(np.flatnonzero(~np.isfinite(values))[0])
        raise DataError(f"{table.where(row, name)}: {quoted(cells[row])} is not finite")
    return values[:, None]


def _words(table: RawTable, name: str) -> list[str]:
    """The words of a column, or none if it is one of numbers."""
    cells = table.column(name)
    missing = sum(cell.lower() in MISSING for cell in cells)
    numeric = sum(is_number(cell) and cell.lower() not in MISSING for cell in cells)
    if numeric > (len(cells) - missing) / 2 or missing == len(cells):
        return []  # meant as numbers: a cell that is none is an error of the data
    if "" in cells:
        row = cells.index("")
        raise DataError(
            f"{table.where(row, name)}: the cell is empty; fill it, or leave the row or "
            "the column out"
        )
    words = sorted(set(cells))
    if len(words) > min(MOST_WORDS, max(20, len(cells) // 10)):
        raise DataError(
            f"{table.source}: column {quoted(name)} has {len(words)} different texts in "
            f"{len(cells)} rows, too many for categories: leave it out with "
            f"--drop {quoted(name)}"
        )
    return words


def _more(column: Column, warn: Callable[[str], None]) -> tuple[Any, ...]:
    return (column.words, warn) if column.words else ()


def _one_hot(
    table: RawTable, name: str, words: list[str], warn: Callable[[str], None]
) -> Any:
    """A column of words as float64 [N, words]; a word that was not seen in training is
    all zeros, with a warning."""
    place = {word: i for i, word in enumerate(words)}
    out = np.zeros((len(table), len(words)))
    unknown = []
    for row, cell in enumerate(table.column(name)):
        if cell in place:
            out[row, place[cell]] = 1.0
        elif not cell:
            raise DataError(f"{table.where(row, name)}: the cell is empty")
        else:
            unknown.append((row, cell))
    if unknown:
        row, cell = unknown[0]
        more = f" (and {len(unknown) - 1} more)" if len(unknown) > 1 else ""
        warn(
            f"{table.where(row, name)}: {quoted(cell)} was not seen in training{more}; "
            "it counts as none of the known words"
        )
    return out


def _flat(path: Path, array: Any) -> Any:
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2:
        raise DataError(
            f"{path}: the inputs have {array.ndim} dimensions, but the network was "
            "trained on a table"
        )
    x = array.astype(np.float64)
    check_finite(x, str(path))
    return x


def check_finite(x: Any, where: str) -> None:
    """DataError that names the place of the first value that is NaN or infinite."""
    if x.dtype.kind == "f" and not np.isfinite(x).all():
        place = [int(i) for i in np.argwhere(~np.isfinite(x))[0]]
        value = x[tuple(place)]
        raise DataError(
            f"{where}: the value at {place} is {value}, not a finite number"
        )
