"""Reading what is learned from: tables, folders of images, the digits."""

from __future__ import annotations

import csv
import gzip
import io
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

MAX_BYTES = 4 << 30


class DataError(ValueError):
    """Data that cannot be learned from; one line that says what, where and the mend."""


@dataclass
class Table:
    """Inputs [N, …] as float32, targets as class numbers or float32 values."""

    inputs: Any
    targets: Any
    task: str  # "classification" or "regression"
    name: str
    classes: list[str] = field(default_factory=list)
    columns: list[dict[str, Any]] = field(default_factory=list)  # how a row is encoded
    target_name: str = "target"
    image: list[int] = field(default_factory=list)  # height, width, channels


def read(path: str | None, target: str | None = None, task: str | None = None) -> Table:
    """The data at *path*; the digits that ship with the package if it is None."""
    if path is None:
        return _digits()
    p = Path(path)
    if not p.exists():
        raise DataError(f"{path}: no such file or folder")
    if p.is_dir():
        return read_images(p)
    suffixes = "".join(p.suffixes[-2:]).lower()
    if p.stat().st_size > MAX_BYTES:
        raise DataError(f"{path}: larger than {MAX_BYTES >> 30} GiB")
    if suffixes.endswith(".npz"):
        return _npz(p, target, task)
    if suffixes.endswith((".csv", ".tsv", ".csv.gz", ".tsv.gz", ".txt")):
        header, rows = read_rows(p)
        return _table(p, header, rows, target, task)
    raise DataError(
        f"{path}: expected a .csv, .tsv or .npz table, or a folder of images"
    )


def _digits() -> Table:
    from ..datasets import digits

    images, labels = digits()
    return Table(images.numpy(), labels.numpy(), "classification", "digits",
                 [str(k) for k in range(10)], image=[8, 8, 1])  # fmt: skip


def read_rows(p: Path) -> tuple[list[str], list[list[str]]]:
    """Header and rows of a CSV or TSV file; every row as long as the first."""
    try:
        raw = gzip.decompress(p.read_bytes()) if p.suffix == ".gz" else p.read_bytes()
        text = raw.decode("utf-8-sig")
    except (OSError, EOFError) as error:
        raise DataError(f"{p}: {error}") from None
    except UnicodeDecodeError:
        raise DataError(f"{p} is not text in UTF-8") from None
    delimiter = "\t" if ".tsv" in p.name else ","
    if delimiter == "," and text and "," not in text.partition("\n")[0] and ";" in text:
        delimiter = ";"
    reader = csv.reader(io.StringIO(text), delimiter=delimiter)
    try:
        lines = [(reader.line_num, [c.strip() for c in row]) for row in reader if row]
    except csv.Error as error:
        raise DataError(f"{p}, line {reader.line_num}: {error}") from None
    if not lines:
        raise DataError(f"{p} is empty")
    width = len(lines[0][1])
    for number, row in lines:
        if len(row) != width:
            raise DataError(
                f"{p}, line {number}: {len(row)} cells, but the first line has {width}"
            )
    rows = [row for _, row in lines]
    names = [f"column{i + 1}" for i in range(width)]
    if not any(_is_number(c) for c in rows[0]) and (
        len(rows) == 1 or any(_is_number(c) for c in rows[1])
    ):
        names, rows = rows[0], rows[1:]
    if len(set(names)) != len(names):
        double = next(n for n in names if names.count(n) > 1)
        raise DataError(f"{p}: two columns are named {double!r}")
    if not rows:
        raise DataError(f"{p} has a header but no rows")
    return names, rows


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _table(
    p: Path,
    header: list[str],
    rows: list[list[str]],
    target: str | None,
    task: str | None,
) -> Table:
    target = header[-1] if target is None else target
    if target not in header:
        raise DataError(
            f"{p} has no column {target!r}; its columns are {', '.join(header)}"
        )
    t = header.index(target)
    if len(header) < 2:
        raise DataError(
            f"{p} has one column: there is nothing to learn {target!r} from"
        )
    columns = [
        _column(p, name, [r[i] for r in rows])
        for i, name in enumerate(header)
        if i != t
    ]
    inputs = encode(p, columns, header, rows)
    targets, task, classes = _targets(p, target, [r[t] for r in rows], task)
    return Table(inputs, targets, task, p.name.split(".")[0], classes, columns, target)


def _column(p: Path, name: str, cells: list[str]) -> dict[str, Any]:
    """How a column becomes numbers: itself, or one of several words."""
    numbers = sum(_is_number(c) for c in cells)
    if numbers == len(cells):
        return {"name": name}
    bad = next(i for i, c in enumerate(cells) if not _is_number(c))
    if "" in cells:
        raise DataError(
            f"{p}, row {cells.index('') + 1}: the cell in column {name!r} is empty"
        )
    words = sorted(set(cells))
    if numbers > len(cells) // 2 or len(words) > max(20, len(cells) // 10):
        raise DataError(
            f"{p}, row {bad + 1}: {cells[bad]!r} in column {name!r} is no number "
            f"({len(words)} different texts are too many for categories)"
        )
    return {"name": name, "words": words}


def encode(
    p: Path, columns: list[dict[str, Any]], header: list[str], rows: list[list[str]]
) -> Any:
    """Rows as float32 [N, features], columns found by name."""
    parts = []
    for column in columns:
        if column["name"] not in header:
            raise DataError(
                f"{p} has no column {column['name']!r}, which the model was trained on; its "
                f"columns are {', '.join(header)}"
            )
        i = header.index(column["name"])
        cells = [r[i] for r in rows]
        if "words" in column:
            words = {w: k for k, w in enumerate(column["words"])}
            block = np.zeros((len(cells), len(words)), np.float32)
            for n, c in enumerate(cells):
                if c not in words:
                    raise DataError(
                        f"{p}, row {n + 1}: {c!r} in column {column['name']!r} was not seen in "
                        f"training; known are {', '.join(words)}"
                    )
                block[n, words[c]] = 1
        else:
            block = np.empty((len(cells), 1), np.float32)
            for n, c in enumerate(cells):
                if not _is_number(c):
                    raise DataError(
                        f"{p}, row {n + 1}: {c!r} in column {column['name']!r} is no number"
                    )
                block[n, 0] = float(c)
                if not math.isfinite(block[n, 0]):
                    raise DataError(
                        f"{p}, row {n + 1}: {c!r} in column {column['name']!r}"
                    )
        parts.append(block)
    return np.concatenate(parts, axis=1)


def _targets(
    p: Path, name: str, cells: list[str], task: str | None
) -> tuple[Any, str, list[str]]:
    if "" in cells:
        raise DataError(f"{p}, row {cells.index('') + 1}: the target {name!r} is empty")
    numeric = all(_is_number(c) for c in cells)
    distinct = set(cells)
    if task is None:
        whole = numeric and all(float(c).is_integer() for c in distinct)
        few = len(distinct) <= max(2, min(20, len(cells) // 5))
        task = "classification" if not numeric or (whole and few) else "regression"
    if task == "regression":
        if not numeric:
            bad = next(c for c in cells if not _is_number(c))
            raise DataError(
                f"{p}: the target {name!r} is {bad!r}, no number to regress on"
            )
        values = np.array([float(c) for c in cells], np.float32)
        _finite(p, values, f"the target {name!r}")
        return values, task, []
    classes = sorted(distinct, key=(lambda c: (float(c), c)) if numeric else None)
    _enough(p, classes, len(cells))
    number = {c: k for k, c in enumerate(classes)}
    return np.array([number[c] for c in cells], np.int64), task, classes


def _enough(p: Path, classes: list[str], rows: int) -> None:
    if len(classes) < 2:
        raise DataError(
            f"{p}: all rows are of one class, {classes[0]!r}: nothing to tell apart"
        )
    if rows < 2 * len(classes):
        raise DataError(f"{p}: {rows} rows are too few for {len(classes)} classes")


def _finite(p: Path, array: Any, what: str) -> None:
    bad = np.argwhere(~np.isfinite(array))
    if len(bad):
        raise DataError(f"{p}: {what} is NaN or infinite at {[int(i) for i in bad[0]]}")


def _npz(p: Path, target: str | None, task: str | None) -> Table:
    try:
        with np.load(p, allow_pickle=False) as f:
            arrays = {k: f[k] for k in f.files}
    except Exception as error:
        raise DataError(f"{p} is no readable .npz archive: {error}") from None
    pairs = [
        ("X", "y"),
        ("x", "y"),
        ("data", "target"),
        ("images", "labels"),
        ("inputs", "targets"),
    ]
    names = next((pair for pair in pairs if pair[0] in arrays), (None, None))
    y_name = target or names[1]
    if names[0] is None or y_name not in arrays:
        raise DataError(
            f"{p} has no arrays X and y (or x and y, data and target); it has {', '.join(arrays)}"
        )
    x, y = np.asarray(arrays[names[0]]), np.asarray(arrays[y_name]).reshape(-1)
    if x.ndim < 2 or len(x) != len(y) or not len(x):
        raise DataError(
            f"{p}: shapes {list(x.shape)} and {list(y.shape)} do not go together"
        )
    if x.dtype.kind not in "fiub":
        raise DataError(f"{p}: {names[0]} holds {x.dtype}, not numbers")
    x = x.astype(np.float32)
    _finite(p, x, names[0])
    if y.dtype.kind == "f":
        _finite(p, y, str(y_name))
    targets, task, classes = _targets(
        p, str(y_name), [_plain(v) for v in y.tolist()], task
    )
    image: list[int] = []
    if x.ndim == 3:
        x = x[:, None]
    if x.ndim == 4:
        if x.shape[1] not in (1, 3) and x.shape[3] in (1, 3):
            x = x.transpose(0, 3, 1, 2)
        image = [x.shape[2], x.shape[3], x.shape[1]]
    return Table(np.ascontiguousarray(x), targets, task, p.stem, classes, target_name=str(y_name),
                 image=image)  # fmt: skip


def _plain(v: Any) -> str:
    return str(int(v)) if isinstance(v, float) and v.is_integer() else str(v)


def read_images(folder: Path, like: list[int] | None = None) -> Table:
    """A folder with one sub-folder of images for each class."""
    names = sorted(
        d.name for d in folder.iterdir() if d.is_dir() and not d.name.startswith(".")
    )
    if not names:
        raise DataError(f"{folder} has no sub-folders: one for each class is expected")
    files = [(f, k) for k, n in enumerate(names) for f in sorted((folder / n).iterdir())
             if f.suffix.lower() in (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp")]  # fmt: skip
    if not files:
        raise DataError(f"{folder} has no images (.png, .jpg, …) in its sub-folders")
    _enough(folder, names, len(files))
    images, shape = load_images([f for f, _ in files], like)
    labels = np.array([k for _, k in files], np.int64)
    return Table(images, labels, "classification", folder.name, names, image=shape)


def load_images(
    files: list[Path], like: list[int] | None = None
) -> tuple[Any, list[int]]:
    """Images as float32 [N, C, H, W] of one size (at most 64 pixels a side)."""
    try:
        from PIL import Image
    except ImportError:
        raise DataError(
            "reading images needs Pillow: pip install 'retrograd[images]'"
        ) from None
    out = []
    for f in files:
        try:
            with Image.open(f) as opened:
                opened.load()
                image: Any = opened
                if like is None:
                    scale = max(1.0, max(image.size) / 64)
                    grey = image.mode in ("1", "L", "I", "I;16", "F")
                    like = [
                        round(image.height / scale),
                        round(image.width / scale),
                        1 if grey else 3,
                    ]
                image = image.convert("L" if like[2] == 1 else "RGB")
                image = image.resize((like[1], like[0]))
                array = np.asarray(image, np.float32).reshape(like[0], like[1], like[2])
        except (
            OSError,
            ValueError,
            SyntaxError,
            Image.DecompressionBombError,
        ) as error:
            raise DataError(f"{f} is no readable image: {error}") from None
        out.append(array.transpose(2, 0, 1))
    assert like is not None
    return np.stack(out), like
