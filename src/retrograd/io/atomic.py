"""Writing files so that a kill at any moment leaves the old file or the new one."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path


def write_atomically(path: str | os.PathLike[str], data: bytes) -> None:
    """Put *data* at *path*, whole or not at all.

    The bytes go to a new file in the same folder, reach the disk, and take the name in
    one step. What a kill can leave besides is that new file, named ``.<name>.*.tmp``.
    """
    target = Path(os.path.realpath(path))  # a link keeps pointing where it points
    if target.is_dir():
        raise IsADirectoryError(21, "Is a folder, not a file", str(path))
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    try:
        handle = os.open(temporary, flags, 0o666)
    except OSError as error:  # the temporary name would mean nothing to the user
        raise type(error)(error.errno, error.strerror, str(path)) from None
    try:
        with open(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            os.chmod(temporary, target.stat().st_mode)
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    _sync_folder(target.parent)


def _sync_folder(folder: Path) -> None:
    """Make the new name survive a loss of power, where the system can do that."""
    with contextlib.suppress(OSError):  # Windows cannot open a folder
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
