"""Machine code on disk, so that a program that ran before starts compiled.

One file for each module of code (``.o``), named by a hash of its text, of LLVM and of
the processor, and one for each plan that uses it (``.plan``). A file begins with a mark
and the hash of what follows: whatever is not whole is ignored and written anew. Files
are written under another name and moved into place, so that processes at work at once
cannot disturb each other. When all are larger than the limit, those that were not used
for longest are deleted.

``RETROGRAD_CACHE`` names another folder; empty, it turns the store off.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import time

MARK = b"retrograd machine code 3\n"
#: code, and plans that say how it is used
KINDS = (".o", ".plan")
#: bytes of all files together
LIMIT = 256 << 20
#: seconds after which a file that somebody began to write is no longer being written
_ABANDONED = 600.0


def folder() -> str | None:
    """Where the files are; None if there is to be no store."""
    given = os.environ.get("RETROGRAD_CACHE")
    if given is not None:
        return given or None
    if sys.platform == "linux":  # as platformdirs has it, whose import takes longer
        caches = os.environ.get("XDG_CACHE_HOME", "")  # than to read the code
        if not os.path.isabs(caches):
            caches = os.path.expanduser("~/.cache")
        return os.path.join(caches, "retrograd", "code")
    import platformdirs

    caches = platformdirs.user_cache_dir("retrograd", appauthor=False)
    return os.path.join(caches, "code")


def read(name: str, kind: str) -> bytes | None:
    """What is stored under a name; None if there is nothing, or it is damaged."""
    place = folder()
    if place is None:
        return None
    path = os.path.join(place, f"{name}.{kind}")
    try:
        with open(path, "rb") as file:
            data = file.read()
        start = len(MARK) + 32
        content = data[start:]
        if data[:start] != MARK + hashlib.sha256(content).digest():
            return None
    except OSError:
        return None
    with contextlib.suppress(OSError):  # of another user, perhaps
        os.utime(path)  # used just now
    return content


def write(name: str, content: bytes, kind: str) -> None:
    """Store something; a folder that cannot be written to is no reason to stop."""
    place = folder()
    if place is None:
        return
    from ..io.atomic import write_atomically

    data = MARK + hashlib.sha256(content).digest() + content
    try:
        os.makedirs(place, mode=0o700, exist_ok=True)
        write_atomically(os.path.join(place, f"{name}.{kind}"), data)
        if name[-1] == "0":  # about every sixteenth time: looking at all files costs
            _prune(place)
    except OSError:
        return


def files() -> list[tuple[float, int, str]]:
    """(last use, size, path) of each file, the oldest first."""
    place = folder()
    return _files(place, KINDS) if place is not None else []


def _files(place: str, ends: tuple[str, ...]) -> list[tuple[float, int, str]]:
    found = []
    try:
        names = [name for name in os.listdir(place) if name.endswith(ends)]
    except OSError:  # there is no such folder, or it cannot be read
        return []
    for name in names:
        path = os.path.join(place, name)
        with contextlib.suppress(OSError):  # another process deleted it
            status = os.stat(path)
            found.append((status.st_mtime, status.st_size, path))
    return sorted(found)


def _prune(place: str) -> None:
    known = _files(place, KINDS)
    total = sum(size for _, size, _ in known)
    for _, size, path in known:
        if total <= LIMIT:
            break
        _delete(path)
        total -= size
    for written, _, path in _files(place, (".tmp",)):  # a process was killed there
        if written < time.time() - _ABANDONED:
            _delete(path)


def clear() -> int:
    """Delete all; how many files there were."""
    place = folder()
    if place is None:
        return 0
    return sum(_delete(path) for _, _, path in _files(place, (*KINDS, ".tmp")))


def _delete(path: str) -> bool:
    try:
        os.unlink(path)
    except OSError:  # another process did, or may
        return False
    return True
