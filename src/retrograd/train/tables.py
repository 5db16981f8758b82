"""Reading CSV and TSV files: text cells in columns, each row with its line."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import DataError, quoted

#: A text larger than this, unpacked, is refused: it is no table for one machine's memory.
MAX_BYTES = 2 << 30
MAX_LINE = 16 << 20


@dataclass
class RawTable:
    """Columns of text cells, and the line of the file that each row ends on."""

    source: str
    names: list[str]
    columns: list[list[str]]
    lines: list[int]
    has_header: bool

    def __len__(self) -> int:
        return len(self.lines)

    def column(self, name: str) -> list[str]:
        return self.columns[self.names.index(name)]

    def where(self, row: int, name: str) -> str:
        """``table.csv, line 7, column 'age'``, for messages."""
        return f"{self.source}, line {self.lines[row]}, column {quoted(name)}"


def read_table(path: Path, header: bool | None = None) -> RawTable:
    """The table in a file of comma-, semicolon-, tab- or bar-separated values, which may
    be packed with gzip. Without *header*, whether the first row has names is told from
    the rows. Raises DataError for what is empty, ragged, not text, or too large."""
    rows: list[list[str]] = []
    lines: list[int] = []
    try:
        reader = _reader(path)
        for row in reader:
            if not row:
                continue  # an empty line
            if rows and len(row) != len(rows[0]):
                raise DataError(
                    f"{path}, line {reader.line_num}: {len(row)} cells, "
                    f"but line {lines[0]} has {len(rows[0])}"
                )
            rows.append([cell.strip() for cell in row])
            lines.append(reader.line_num)
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is not UTF-8 text (byte {error.object[error.start]:#04x}): "
            "save it as UTF-8"
        ) from None
    except csv.Error as error:
        raise DataError(f"{path}, line {reader.line_num}: {error}") from None
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{path} cannot be read: {reason}") from None
    if not rows:
        raise DataError(f"{path} is empty")
    if header is None:
        header = _has_header(rows)
    names = [f"column {i + 1}" for i in range(len(rows[0]))]
    if header:
        names, rows, lines = rows[0], rows[1:], lines[1:]
        _check_names(path, names)
    if not rows:
        raise DataError(f"{path} has a header but no rows")
    columns = [list(column) for column in zip(*rows, strict=True)]
    return RawTable(str(path), names, columns, lines, header)


def _reader(path: Path) -> Any:
    """A csv.reader on the file, with the separator that its first line suggests."""
    lines = _lines(path)
    first = next(lines, "")
    separators = "\t,;|" if ".tsv" in path.name.lower() else ",;\t|"
    counts = [len(next(csv.reader([first], delimiter=s), [])) for s in separators]
    separator = separators[counts.index(max(counts))]

    def again() -> Iterator[str]:
        yield first
        yield from lines

    return csv.reader(again(), delimiter=separator, strict=True)


def _lines(path: Path) -> Iterator[str]:
    """The lines of a text, unpacked if need be, as long as it stays within the limits."""
    with open(path, "rb") as plain:
        packed = plain.read(2) == b"\x1f\x8b"
        plain.seek(0)
        raw: Any = gzip.GzipFile(fileobj=plain) if packed else plain
        text = io.TextIOWrapper(raw, encoding="utf-8-sig", newline="")
        read = 0
        while line := text.readline(MAX_LINE + 1):
            read += len(line)
            if len(line) > MAX_LINE:
                raise DataError(f"{path} has a line of more than {MAX_LINE >> 20} MiB")
            if read > MAX_BYTES:
                raise DataError(
                    f"{path} holds more than {MAX_BYTES >> 30} GiB of text: too large "
                    "to be read at once; an .npz file takes less"
                )
            if read == len(line) and "\0" in line:
                raise DataError(f"{path} is not a text file")
            yield line


def is_number(text: str) -> bool:
    """Whether a cell reads as a number (nan and inf do)."""
    try:
        float(text)
    except ValueError:
        return False
    return "_" not in text  # 1_000 is Python's, not a table's


def _has_header(rows: list[list[str]]) -> bool:
    """Names are no numbers; and they stand above numbers, or differ from what follows."""
    first, rest = rows[0], rows[1:1000]
    if any(is_number(cell) or not cell for cell in first):
        return False
    if not rest or any(is_number(row[i]) for row in rest for i in range(len(first))):
        return True
    if len(set(first)) < len(first):
        return False
    return not any(row[i] == name for row in rest for i, name in enumerate(first))


def _check_names(path: Path, names: list[str]) -> None:
    seen = set()
    for i, name in enumerate(names):
        if not name:
            names[i] = name = f"column {i + 1}"
        if name in seen:
            raise DataError(f"{path}: two columns are named {quoted(name)}")
        seen.add(name)
