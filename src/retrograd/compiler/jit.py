"""From IR text to machine code in this process. llvmlite is imported here alone."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import hashlib
import importlib.util
import os
import platform
import struct
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from . import elf, store


class Library:
    """Compiled code, of one or more object files: addresses by name; the code lives as
    long as this object."""

    def __init__(self, objects: list[bytes]) -> None:
        self.name = ""  # in the store
        self._loaded: Any = None
        if elf.POSSIBLE:
            with contextlib.suppress(elf.Strange):
                self._loaded = elf.Loaded(objects)
        if self._loaded is None:
            self._engine = _engine(objects)

    def address(self, name: str) -> int:
        if self._loaded is not None:
            return int(self._loaded.names[name])
        return int(self._engine.get_global_value_address(name))

    def roots(self, count: int) -> list[int]:
        """The addresses in the module's table of functions."""
        if not count:
            return []
        return list((ctypes.c_uint64 * count).from_address(self.address("roots")))


@functools.cache
def _llvm() -> Any:
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm


def _machine() -> Any:
    """A code generator: an engine takes it over, and threads cannot share one."""
    name, features = _processor_of_llvm()
    # opt=1: the code generator's own work; no passes over the IR run before it
    return (
        _llvm()
        .Target.from_default_triple()
        .create_target_machine(
            cpu=name,
            features=",".join(f"{'+' if on else '-'}{f}" for f, on in features.items()),
            opt=1,
            codemodel="jitdefault",
            jit=True,
        )
    )


@functools.cache
def _processor_of_llvm() -> tuple[str, dict[str, bool]]:
    """The processor that code is made for: its name, and what it can do."""
    llvm = _llvm()
    return llvm.get_host_cpu_name(), dict(llvm.get_host_cpu_features())


@functools.cache
def vector_bytes() -> int:
    """The width of a vector register of this machine."""
    _, features = _processor_of_llvm()
    return 64 if features.get("avx512f") else 32 if features.get("avx2") else 16


@functools.cache
def fuses() -> bool:
    """Whether a·b + c is one instruction; as a call of the C library, which rounds
    once where the processor cannot, it would take a hundred times as long."""
    return not is_x86() or bool(_processor_of_llvm()[1].get("fma"))


@functools.cache
def is_x86() -> bool:
    return platform.machine().lower() in ("x86_64", "amd64", "i686")


@functools.cache
def identity() -> str:
    """What decides about the code that is made of a text: LLVM and the processor.
    llvmlite is not imported for it where the system describes the processor."""
    processor = _processor()
    package = importlib.util.find_spec("llvmlite")
    if processor and package is not None and package.origin:
        folder = os.path.join(os.path.dirname(package.origin), "binding")
        files = [
            f for f in sorted(os.listdir(folder)) if not f.endswith((".py", ".pyc"))
        ]
        sizes = [(f, os.stat(os.path.join(folder, f)).st_size) for f in files]
        return repr((package.origin, sizes, processor))
    return repr((_llvm().llvm_version_info, *_processor_of_llvm()))


def _processor() -> list[bytes]:
    """The first processor as Linux describes it, without what changes by the moment."""
    try:
        with open("/proc/cpuinfo", "rb") as file:
            lines = file.read(8192).split(b"\n\n", 1)[0].splitlines()
    except OSError:
        return []
    names = (b"vendor_id", b"cpu family", b"model", b"stepping", b"flags")
    return [line for line in lines if line.startswith(names)]


_libraries: dict[str, Library] = {}


def library(*texts: str, proof: Callable[[Library], None] | None = None) -> Library:
    """The machine code of modules that belong together: from memory, from disk, or
    compiled now, at once if there are several. What is new passes the *proof*, which
    may raise, before anybody has it."""
    name = key(*texts)
    found = stored(name)
    if found is None:
        objects = compile_texts(*texts)
        found = Library(objects)
        if proof is not None:
            proof(found)
        store.write(name, _joined(objects), "o")
        found.name = name
        _libraries[name] = found
    return found


def stored(name: str) -> Library | None:
    """Machine code by its name, if it is in memory or on disk."""
    found = _libraries.get(name)
    if found is None:
        data = store.read(name, "o")
        try:
            objects = _separate(data or b"")
        except struct.error:  # nothing, or not what is written here
            return None
        found = _libraries[name] = Library(objects)
        found.name = name
    return found


def _joined(objects: list[bytes]) -> bytes:
    sizes = struct.pack(f"<{1 + len(objects)}Q", len(objects), *map(len, objects))
    return sizes + b"".join(objects)


def _separate(data: bytes) -> list[bytes]:
    (count,) = struct.unpack_from("<Q", data)
    objects, at = [], 8 + 8 * count
    for size in struct.unpack_from(f"<{count}Q", data, 8):
        objects.append(data[at : at + size])
        at += size
    return objects


def key(*texts: str) -> str:
    """What the machine code of *texts* depends on, as a short name."""
    parts = "\n".join((identity(), *texts))
    return hashlib.sha256(parts.encode()).hexdigest()[:32]


def compile_texts(*texts: str) -> list[bytes]:
    """An object file for each module; each has a thread."""
    llvm = _llvm()
    modules = [llvm.parse_assembly(text, llvm.create_context()) for text in texts]
    for module in modules:
        module.verify()
    emit = _emitter()
    found: list[Any] = [None] * len(texts)

    def one(n: int) -> None:
        try:
            found[n] = emit(_machine(), modules[n])
        except Exception as error:
            found[n] = error

    threads = [threading.Thread(target=one, args=(n,)) for n in range(1, len(texts))]
    for thread in threads:
        thread.start()
    one(0)
    for thread in threads:
        thread.join()
    for result in found:
        if isinstance(result, Exception):
            raise result
    return found


def _emitter() -> Any:
    """llvmlite's ``emit_object`` without its lock: modules of different contexts have
    nothing in common. Where llvmlite looks different, with the lock."""
    llvm = _llvm()
    ffi = llvm.ffi
    try:
        locked = ffi.lib.LLVMPY_TargetMachineEmitToMemory
        emit = ctypes.CDLL(ffi.lib._name).LLVMPY_TargetMachineEmitToMemory
        emit.argtypes, emit.restype = locked.argtypes, locked.restype
        start, size = ffi.lib.LLVMPY_GetBufferStart, ffi.lib.LLVMPY_GetBufferSize
        dispose = ffi.lib.LLVMPY_DisposeMemoryBuffer
    except (AttributeError, OSError):
        return llvm.TargetMachine.emit_object

    def free(machine: Any, module: Any) -> bytes:
        with ffi.OutputString() as error:
            buffer = emit(machine, module, 1, error)
            if not buffer:
                raise RuntimeError(str(error))
        try:
            return ctypes.string_at(start(buffer), size(buffer))
        finally:
            dispose(buffer)

    return free


def _engine(objects: list[bytes]) -> Any:
    """LLVM's own loader, with some code."""
    llvm = _llvm()
    empty = llvm.parse_assembly("")
    engine = llvm.create_mcjit_compiler(empty, _machine())
    for code in objects:
        engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    return engine


class _MethodDef(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p),
        ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    ]


_METH_FASTCALL = 0x0080

_new_function = ctypes.pythonapi.PyCFunction_NewEx
_new_function.restype = ctypes.py_object
_new_function.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p]


def python_function(address: int) -> tuple[Any, Any]:
    """A Python callable on compiled code that takes ``(self, objects, count)``, and
    what must live as long as it: calling it costs tens of nanoseconds."""
    definition = _MethodDef(b"step", address, _METH_FASTCALL, None)
    return _new_function(ctypes.addressof(definition), None, None), definition


#: where NumPy's array object keeps its data pointer, its base and its flags
DATA, BASE, FLAGS = 16, 48, 64


@functools.cache
def layout_known() -> bool:
    """Whether arrays look in memory as the compiled code believes."""
    a = np.arange(6.0).reshape(2, 3)
    data = ctypes.c_void_p.from_address(id(a) + DATA).value
    contiguous = ctypes.c_int.from_address(id(a) + FLAGS).value
    strided = ctypes.c_int.from_address(id(a.T) + FLAGS).value
    part = a[1:]
    base = ctypes.c_void_p.from_address(id(part) + BASE).value
    if base != id(part.base):
        return False
    return data == a.ctypes.data and contiguous & 1 == 1 and strided & 1 == 0
