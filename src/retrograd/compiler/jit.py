"""From IR text to machine code in this process. llvmlite is imported here alone."""

from __future__ import annotations

import ctypes
import functools
import hashlib
import platform
from typing import Any

import numpy as np

from . import store


class Library:
    """Compiled code: addresses by name; the code lives as long as this object."""

    def __init__(self, engine: Any, code: bytes) -> None:
        self._engine, self.code = engine, code

    def address(self, name: str) -> int:
        return int(self._engine.get_function_address(name))


@functools.cache
def _llvm() -> Any:
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm


@functools.cache
def _machine() -> Any:
    llvm = _llvm()
    target = llvm.Target.from_default_triple()
    # opt=1: the code generator's own work; no passes over the IR run before it
    return target.create_target_machine(
        cpu=llvm.get_host_cpu_name(),
        features=llvm.get_host_cpu_features().flatten(),
        opt=1,
        codemodel="jitdefault",
        jit=True,
    )


@functools.cache
def vector_bytes() -> int:
    """The width of a vector register of this machine."""
    features = _llvm().get_host_cpu_features()
    return 64 if features.get("avx512f") else 32 if features.get("avx2") else 16


@functools.cache
def is_x86() -> bool:
    return platform.machine().lower() in ("x86_64", "amd64", "i686")


@functools.cache
def _identity() -> str:
    llvm = _llvm()
    parts = (llvm.llvm_version_info, llvm.get_host_cpu_name(),
             llvm.get_host_cpu_features().flatten())  # fmt: skip
    return repr(parts)


_libraries: dict[str, Library] = {}


def library(text: str) -> Library:
    """The machine code of a module: from memory, from disk, or compiled now."""
    name = key(text)
    found = _libraries.get(name)
    if found is None:
        code = store.read(name)
        if code is None:
            found = compile_text(text)
            store.write(name, found.code)
        else:
            found = load(code)
        _libraries[name] = found
    return found


def key(text: str) -> str:
    """What the machine code of *text* depends on, as a short name."""
    return hashlib.sha256((_identity() + text).encode()).hexdigest()[:32]


def compile_text(text: str) -> Library:
    """Machine code for a module."""
    llvm = _llvm()
    module = llvm.parse_assembly(text)
    module.verify()
    return load(_machine().emit_object(module))


def load(code: bytes) -> Library:
    """Machine code that was made before."""
    llvm = _llvm()
    empty = llvm.parse_assembly("")
    engine = llvm.create_mcjit_compiler(empty, _machine_for_engine())
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    return Library(engine, code)


def _machine_for_engine() -> Any:
    # the engine takes the machine over, so each has one of its own
    llvm = _llvm()
    return llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), opt=1, codemodel="jitdefault", jit=True
    )


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
