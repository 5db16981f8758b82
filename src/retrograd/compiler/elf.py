"""Object files into memory, without LLVM: code that was stored runs before llvmlite,
which takes longer to import than all else, is needed.

LLVM writes relocatable ELF files, for x86-64 with absolute addresses only. Whatever is
different here is left to LLVM's own loader.
"""

from __future__ import annotations

import ctypes
import mmap
import platform
import struct
import sys
from typing import Any

import numpy as np

_SECTION = np.dtype([("name", "<u4"), ("type", "<u4"), ("flags", "<u8"), ("address", "<u8"),
                     ("offset", "<u8"), ("size", "<u8"), ("link", "<u4"), ("info", "<u4"),
                     ("align", "<u8"), ("entry", "<u8")])  # fmt: skip
_SYMBOL = np.dtype([("name", "<u4"), ("info", "u1"), ("other", "u1"), ("section", "<u2"),
                    ("value", "<u8"), ("size", "<u8")])  # fmt: skip
_RELOCATION = np.dtype([("offset", "<u8"), ("type", "<u4"), ("symbol", "<u4"),
                        ("addend", "<i8")])  # fmt: skip
_PROGBITS, _SYMTAB, _RELA, _NOBITS = 1, 2, 4, 8
_FILE = 4  # a symbol that names the file
_ALLOCATED = 2
_ABSOLUTE = 1  # R_X86_64_64
_SPECIAL = 0xFF00  # sections from here on are none

POSSIBLE = sys.platform == "linux" and platform.machine() == "x86_64"


class Strange(Exception):
    """An object file has something that is not expected."""


class Loaded:
    """The code of object files: addresses by name, as long as this object lives."""

    def __init__(self, objects: list[bytes]) -> None:
        self.names: dict[str, int] = {}
        try:
            self._load([_Object(code) for code in objects])
        except (struct.error, ValueError, IndexError, AttributeError, OSError) as error:
            raise Strange(str(error)) from None

    def _load(self, objects: list[_Object]) -> None:
        total = 0
        for o in objects:
            total = o.arrange(total + -total % 64)
        self._memory = mmap.mmap(
            -1, max(total, 1), mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
        )
        memory = np.frombuffer(self._memory, np.uint8)
        base = int(memory.__array_interface__["data"][0])
        for o in objects:
            o.copy(memory)
            self.names.update(o.defined(base))
        for o in objects:
            o.relocate(memory, base, self.names)
        protect = ctypes.CDLL(None).mprotect
        flags = mmap.PROT_READ | mmap.PROT_EXEC
        if protect(ctypes.c_void_p(base), ctypes.c_size_t(total), flags):
            raise Strange("memory that cannot be executed")


class _Object:
    """One object file, and where its sections lie in memory."""

    def __init__(self, code: bytes) -> None:
        self.code = code
        machine, _, _, _, start = struct.unpack_from("<2xHIQQQ", code, 16)
        size, count = struct.unpack_from("<HH", code, 58)
        if code[:6] != b"\x7fELF\x02\x01" or machine != 62 or size != 64:
            raise Strange("no file for x86-64")
        self.sections = np.frombuffer(code, _SECTION, count, start)
        (table,) = (s for s in self.sections if s["type"] == _SYMTAB)
        self.symbols = self._entries(table, _SYMBOL)
        strings = int(self.sections[table["link"]]["offset"])
        self.names = []
        for first in self.symbols["name"]:
            end = code.index(b"\0", strings + int(first))
            self.names.append(code[strings + int(first) : end].decode())
        self.place: dict[int, int] = {}

    def _entries(self, section: Any, kind: Any) -> Any:
        count = int(section["size"]) // kind.itemsize
        return np.frombuffer(self.code, kind, count, int(section["offset"]))

    def arrange(self, at: int) -> int:
        """Give every section a place, from *at* on; where the last one ends."""
        for i, s in enumerate(self.sections):
            if s["flags"] & _ALLOCATED and s["type"] == _PROGBITS:
                at += -at % max(int(s["align"]), 1)
                self.place[i] = at
                at += int(s["size"])
            elif s["flags"] & _ALLOCATED and s["type"] == _NOBITS and s["size"]:
                raise Strange("memory without contents")
        return at

    def copy(self, memory: Any) -> None:
        for i, at in self.place.items():
            size, offset = (
                int(self.sections[i]["size"]),
                int(self.sections[i]["offset"]),
            )
            memory[at : at + size] = np.frombuffer(self.code, np.uint8, size, offset)

    def defined(self, base: int) -> dict[str, int]:
        """The addresses of what other files may use."""
        return {
            name: base + self.place[int(s["section"])] + int(s["value"])
            for name, s in zip(self.names, self.symbols, strict=True)
            if name and s["info"] >> 4 and int(s["section"]) in self.place
        }

    def relocate(self, memory: Any, base: int, known: dict[str, int]) -> None:
        """Write the addresses that the code asks for."""
        address = np.zeros(len(self.symbols), np.uint64)
        for n, (name, s) in enumerate(zip(self.names, self.symbols, strict=True)):
            section = int(s["section"])
            if section in self.place:
                address[n] = base + self.place[section] + int(s["value"])
            elif not section and name:
                address[n] = known.get(name) or _outside(name)
            elif section >= _SPECIAL and s["info"] & 15 != _FILE:
                raise Strange(f"symbol {name}")
        eight = np.arange(8, dtype=np.uint64)
        for s in self.sections:
            at = self.place.get(int(s["info"]))
            if s["type"] != _RELA or at is None:
                continue
            todo = self._entries(s, _RELOCATION)
            if (todo["type"] != _ABSOLUTE).any():
                raise Strange("relative addresses")
            value = address[todo["symbol"]] + todo["addend"].astype(np.uint64)
            where = todo["offset"] + np.uint64(at)
            memory[where[:, None] + eight] = value.view(np.uint8).reshape(-1, 8)


def _outside(name: str) -> int:
    """The address of a function of Python or of the C library."""
    function = getattr(ctypes.pythonapi, name, None) or getattr(ctypes.CDLL(None), name)
    return ctypes.cast(function, ctypes.c_void_p).value or 0
