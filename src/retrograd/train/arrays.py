"""Reading .npz archives: named arrays, checked before memory is given to them."""

from __future__ import annotations

import math
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from .errors import DataError, listed, quoted

#: Names under which inputs and targets are looked for, in this order.
INPUTS = ("X", "x", "data", "images", "features", "inputs", "x_train", "X_train")
TARGETS = ("y", "Y", "target", "targets", "labels", "label", "y_train")
MAX_BYTES = 8 << 30


def read_arrays(path: Path) -> dict[str, Any]:
    """The arrays of an archive that hold numbers or text. Raises DataError for a file
    that is damaged, lies about its sizes, or holds Python objects."""
    arrays = {}
    try:
        with zipfile.ZipFile(path) as archive:
            members = [m for m in archive.infolist() if m.filename.endswith(".npy")]
            if sum(member.file_size for member in members) > MAX_BYTES:
                raise DataError(f"{path} unpacks to more than {MAX_BYTES >> 30} GiB")
            for member in members:
                name = member.filename.removesuffix(".npy")
                with archive.open(member) as file:
                    arrays[name] = _array(path, name, file, member.file_size)
    except zipfile.BadZipFile:
        raise DataError(f"{path} is cut short, or is no .npz file") from None
    except (OSError, EOFError, zlib.error, NotImplementedError, RuntimeError) as error:
        raise DataError(f"{path} cannot be read: {error}") from None
    if not arrays:
        raise DataError(f"{path} holds no arrays")
    return arrays


def _array(path: Path, name: str, file: Any, size: int) -> Any:
    where = f"{path}: the array {quoted(name)}"
    try:
        version = np.lib.format.read_magic(file)
        read = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }.get(version)
        if read is None:
            raise ValueError(f"version {version}")
        shape, fortran, dtype = read(file)
    except (ValueError, TypeError, SyntaxError) as error:
        raise DataError(f"{where} is damaged: {error}") from None
    if dtype.hasobject:
        raise DataError(f"{where} holds Python objects, which are not read: a file could "
                        "run a program through them")  # fmt: skip
    if dtype.kind not in "biufSU":
        raise DataError(f"{where} holds {dtype}, neither numbers nor text")
    # NumPy would believe the header and ask for the memory first.
    if (
        math.prod(shape) * dtype.itemsize != size - file.tell()
        or min(shape, default=0) < 0
    ):
        raise DataError(f"{where} is damaged: {shape} of {dtype} do not fill its bytes")
    flat = np.frombuffer(bytearray(file.read()), dtype)
    array = flat.reshape(shape, order="F" if fortran else "C")
    return array.astype(dtype.newbyteorder("=")) if not dtype.isnative else array


def choose(
    path: Path, arrays: dict[str, Any], target: str | None
) -> tuple[Any, Any, str]:
    """Inputs, targets and the targets' name out of an archive's arrays."""
    names = f"its arrays are {listed(arrays)}"
    if target is None:
        target = next((name for name in TARGETS if name in arrays), None)
        if target is None:
            raise DataError(
                f"{path} has no array of targets, such as 'y' or 'labels'; {names}: "
                "name it with --target"
            )
    elif target not in arrays:
        raise DataError(f"{path} has no array {quoted(target)}; {names}")
    return choose_inputs(path, arrays, target), arrays[target], target


def choose_inputs(path: Path, arrays: dict[str, Any], target: str | None) -> Any:
    """The array of inputs: by its usual name, or the only one besides the targets."""
    others = [name for name in arrays if name != target]
    found = next((name for name in INPUTS if name in others), None)
    if found is None:
        others = [n for n in others if n not in TARGETS]
        if len(others) != 1:
            raise DataError(
                f"{path} has no array of inputs, such as 'X' or 'images'; its arrays "
                f"are {listed(arrays)}"
            )
        (found,) = others
    array = arrays[found]
    if array.dtype.kind in "SU":
        raise DataError(f"{path}: the inputs {quoted(found)} are text, not numbers")
    if not 1 <= array.ndim <= 4:
        raise DataError(
            f"{path}: the inputs {quoted(found)} have {array.ndim} dimensions; a table "
            "has 2, images have 3 or 4"
        )
    return array
