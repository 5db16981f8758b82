"""Machine code on disk, so that a program that ran before starts compiled.

One file for each module of code, named by a hash of its text, of LLVM and of the
processor. A file begins with a mark and the hash of what follows: whatever is not whole
is ignored and written anew. Files are written under another name and moved into place,
so that processes at work at once cannot disturb each other. When all are larger than
the limit, those that were not used for longest are deleted.

``RETROGRAD_CACHE`` names another folder; empty, it turns the store off.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from ..io.atomic import write_atomically

MARK = b"retrograd machine code 1\n"
#: bytes of all files together
LIMIT = 256 << 20


def folder() -> Path | None:
    """Where the files are; None if there is to be no store."""
    given = os.environ.get("RETROGRAD_CACHE")
    if given is not None:
        return Path(given) if given else None
    import platformdirs

    return Path(platformdirs.user_cache_dir("retrograd", appauthor=False)) / "code"


def read(name: str) -> bytes | None:
    """The code stored under a name; None if there is none, or it is damaged."""
    place = folder()
    if place is None:
        return None
    path = place / f"{name}.o"
    try:
        data = path.read_bytes()
        start = len(MARK) + 32
        code = data[start:]
        if data[:start] != MARK + hashlib.sha256(code).digest():
            return None
        os.utime(path)  # used just now
    except OSError:
        return None
    return code


def write(name: str, code: bytes) -> None:
    """Store code; a folder that cannot be written to is no reason to stop."""
    place = folder()
    if place is None:
        return
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomically(
            place / f"{name}.o", MARK + hashlib.sha256(code).digest() + code
        )
        if name[-1] == "0":  # about every sixteenth time: looking at all files costs
            _prune(place)
    except OSError:
        return


def files(place: Path) -> list[tuple[float, int, Path]]:
    """(last use, size, path) of each file, the oldest first."""
    found = []
    for path in place.glob("*.o"):
        try:
            status = path.stat()
        except OSError:
            continue  # another process deleted it
        found.append((status.st_mtime, status.st_size, path))
    return sorted(found)


def _prune(place: Path) -> None:
    known = files(place)
    total = sum(size for _, size, _ in known)
    for _, size, path in known:
        if total <= LIMIT:
            return
        path.unlink(missing_ok=True)
        total -= size


def clear() -> int:
    """Delete all; how many files there were."""
    place = folder()
    known = files(place) if place is not None and place.is_dir() else []
    for _, _, path in known:
        path.unlink(missing_ok=True)
    return len(known)
