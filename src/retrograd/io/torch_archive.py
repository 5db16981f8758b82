"""PyTorch's files (``torch.save`` since 1.6), read without running what is in them.

The file is a zip archive: ``data.pkl`` describes the value, ``data/0``, ``data/1``, …
are the memories that tensors are views of. Nothing in it is believed before it is
checked: sizes against the archive's, tensors' places against their memory's size, and
of the description only what data can need is carried out (``pickles.py``).
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np

from .. import dtypes
from ..dispatch import constant
from ..ops.op import Array
from ..tensor import Parameter, Size, device
from ..trace import Handle, meta_of
from .pickles import Buildable, Machine, Named, Refused, parts
from .safetensors import FileError

MAGIC = b"PK\x03\x04"
#: how files of torch.save before 1.6 begin
LEGACY = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."

_STORAGES = {
    "DoubleStorage": dtypes.float64, "FloatStorage": dtypes.float32,
    "HalfStorage": dtypes.float16, "BFloat16Storage": dtypes.bfloat16,
    "LongStorage": dtypes.int64, "IntStorage": dtypes.int32,
    "ShortStorage": dtypes.int16, "CharStorage": dtypes.int8,
    "ByteStorage": dtypes.uint8, "BoolStorage": dtypes.bool_,
}  # fmt: skip
#: the largest tensor that a view of repeated elements may pretend to be, in bytes
_LARGEST = 1 << 42


class Kind:
    """A storage class: the type of its elements, or None for bytes."""

    __slots__ = ("dtype",)

    def __init__(self, dtype: dtypes.dtype | None) -> None:
        self.dtype = dtype


class Storage:
    """The memory of one or more tensors, as elements of a type or as bytes."""

    __slots__ = ("array", "dtype", "views")

    def __init__(self, array: Array, dtype: dtypes.dtype | None) -> None:
        self.array, self.dtype = array, dtype
        self.views: list[Array] = []


def _number(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"{value!r} where a size should be")
    return value


def _tensor(
    storage: Any, offset: Any, size: Any, stride: Any, requires_grad: Any = False,
    hooks: Any = None, metadata: Any = None,
) -> Any:  # fmt: skip
    """The view of *storage* that these numbers describe."""
    if not isinstance(storage, Storage) or storage.dtype is None:
        raise ValueError("a tensor without memory of its type")
    sizes, steps = [_number(n) for n in size], [_number(n) for n in stride]
    memory, first = storage.array, _number(offset)
    if len(sizes) != len(steps) or len(sizes) > 64:
        raise ValueError(f"sizes {sizes} with strides {steps}")
    last = first + sum((n - 1) * s for n, s in zip(sizes, steps, strict=True))
    total = 1
    for n in sizes:
        total *= n
    if total and (last >= memory.size or total * memory.itemsize > _LARGEST):
        raise ValueError(
            f"a tensor of shape {sizes} beyond its memory of {memory.size} elements"
        )
    if total:
        view = np.lib.stride_tricks.as_strided(
            memory[first:], sizes, [s * memory.itemsize for s in steps]
        )
    else:
        view = np.zeros(sizes, memory.dtype)
    out = constant(view)
    storage.views.append(view)
    if requires_grad is True and storage.dtype.is_floating_point:
        out.requires_grad_()
    return out


def _tensor_v3(
    storage: Any, offset: Any, size: Any, stride: Any, requires_grad: Any, hooks: Any,
    dtype: Any, metadata: Any = None,
) -> Any:  # fmt: skip
    if not isinstance(dtype, dtypes.dtype) or not isinstance(storage, Storage):
        raise Refused(f"has a tensor of type {dtype}, which no tensor can be here")
    typed = Storage(storage.array.view(dtype.np), dtype)
    typed.views = storage.views
    return _tensor(typed, offset, size, stride, requires_grad)


def _parameter(data: Any, requires_grad: Any = True, *_: Any) -> Any:
    if not isinstance(data, Handle):
        raise ValueError("a parameter that is no tensor")
    value: Any = data
    floating = value.dtype.is_floating_point
    # It takes the memory over, and the first tensor is forgotten, unless it is shared.
    return Parameter(value, bool(requires_grad) and floating)


def _typed(function: Any, kind: Any, arguments: Any, state: Any) -> Any:
    """A tensor of a subclass, or with attributes: the tensor alone is kept."""
    name = kind.name if isinstance(kind, Named) else repr(kind)
    if name not in ("torch.Tensor", "torch.nn.parameter.Parameter"):
        raise Refused(f"asks for {name}")
    if not isinstance(function, Named) or function.name not in _REBUILD:
        raise ValueError("a tensor that nothing makes")
    return _REBUILD[function.name](*arguments)


def _encoded(text: Any, encoding: Any) -> bytes:
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1", "utf-8"):
        raise ValueError("bytes that are no text")
    return text.encode(encoding)


def _bytes(kind: type[Any]) -> Callable[..., Any]:
    def make(content: Any = b"", encoding: Any = "latin-1") -> Any:
        if isinstance(content, str):
            content = _encoded(content, encoding)
        if not isinstance(content, (bytes, bytearray)):
            raise ValueError("bytes from something else")  # a number would be a size
        return kind(content)

    return make


def _device(kind: Any, index: Any = None) -> device:
    return device()  # a tensor that was on a GPU is here as well


def _size(values: Any = ()) -> Size:
    return Size(_number(n) for n in values)


def _from_list(kind: type[Any]) -> Callable[..., Any]:
    def make(values: Any = ()) -> Any:
        if not isinstance(values, (list, tuple, dict)):
            raise ValueError(f"a {kind.__name__} of {type(values).__name__}")
        return kind(values)

    return make


class NumpyType(Buildable):
    """``numpy.dtype``: its description is text, its state the order of bytes."""

    def __init__(self, text: Any, *_: Any) -> None:
        if not isinstance(text, str):
            raise ValueError("a number type that is no text")
        self.dtype = np.dtype(text)
        if self.dtype.kind not in "biufc" or self.dtype.hasobject:
            raise Refused(f"has a NumPy array of type {text}")

    def build(self, state: Any) -> None:
        if isinstance(state, tuple) and len(state) > 1 and state[1] in ("<", ">"):
            self.dtype = self.dtype.newbyteorder(state[1])


def _numbers(kind: Any, content: Any) -> Array:
    if not isinstance(kind, NumpyType) or not isinstance(content, bytes):
        raise ValueError("numbers without a type or without bytes")
    array = np.frombuffer(content, kind.dtype)
    return array.astype(kind.dtype.newbyteorder("="))


def _scalar(kind: Any, content: Any = b"") -> Any:
    (value,) = _numbers(kind, content)
    return value


class NumpyArray(Buildable):
    """``numpy.ndarray``, which is made empty and filled by its state."""

    def __init__(self, *_: Any) -> None:
        self.array: Any = None

    def build(self, state: Any) -> None:
        _, shape, kind, by_columns, content = state
        flat = _numbers(kind, content)
        sizes = tuple(_number(n) for n in shape)
        self.array = flat.reshape(sizes, order="F" if by_columns else "C")


_REBUILD: dict[str, Callable[..., Any]] = {
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor_v3": _tensor_v3,
    "torch._utils._rebuild_parameter": _parameter,
    "torch._utils._rebuild_parameter_with_state": _parameter,
}
_NUMPY = {"scalar": _scalar, "_reconstruct": NumpyArray}
ALLOWED: dict[str, Any] = {
    **_REBUILD,
    **{f"torch.{name}": Kind(dtype) for name, dtype in _STORAGES.items()},
    "torch.storage.UntypedStorage": Kind(None),
    **{f"torch.{d.name}": d for d in dtypes.ALL},
    "torch._tensor._rebuild_from_type_v2": _typed,
    "torch.Size": _size,
    "torch.device": _device,
    "collections.OrderedDict": _from_list(OrderedDict),
    "collections.Counter": _from_list(Counter),
    "_codecs.encode": _encoded,
    "numpy.dtype": NumpyType,
    **{f"numpy.{m}.multiarray.{n}": f for m in ("core", "_core")
       for n, f in _NUMPY.items()},
    **{f"{m}.{name}": f for m in ("__builtin__", "builtins")
       for name, f in (("set", _from_list(set)), ("frozenset", _from_list(frozenset)),
                       ("slice", slice), ("complex", complex),
                       ("bytearray", _bytes(bytearray)), ("bytes", _bytes(bytes)))},
}  # fmt: skip
#: of which the reason is worth saying
_ADVICE = {
    "sparse": "sparse tensors are not read: save x.to_dense()",
    "_get_layout": "sparse tensors are not read: save x.to_dense()",
    "torch.Q": "quantized tensors are not read: save x.dequantize()",
    "qtensor": "quantized tensors are not read: save x.dequantize()",
    "Complex": "complex tensors are not read: save the real and the imaginary part",
    "nested": "nested tensors are not read: save their parts",
    "torch.nn.modules": "it is a whole module: save its state_dict()",
    "float8": "numbers of 8 bits are not read: save x.float()",
    "torch.uint": "save x.long()",
}


class Archive:
    """The records of a zip archive of PyTorch's, by name, checked."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self.file, self.name = file, name
        file.seek(0, io.SEEK_END)
        self.length = file.tell()
        try:
            infos = zipfile.ZipFile(file).infolist()
        except (zipfile.BadZipFile, NotImplementedError, OSError, ValueError,
                struct.error) as error:  # fmt: skip
            raise FileError(f"{name} is cut short or damaged: {error}") from None
        self.infos = {info.filename: info for info in infos}
        if len(self.infos) != len(infos):
            raise FileError(f"{name} has two records of one name")
        if sum(info.file_size for info in infos) > self.length:
            raise FileError(f"{name} is compressed or damaged: torch.save does not")
        found = [n for n in self.infos if n.split("/")[1:] == ["data.pkl"]]
        if len(found) != 1:
            raise FileError(f"{name} is a zip archive, but not PyTorch's")
        self.prefix = found[0].removesuffix("data.pkl")
        if any(n.startswith(self.prefix + "code/") for n in self.infos):
            raise FileError(
                f"{name} is a program of TorchScript, not data: save the module's "
                "state_dict() instead"
            )
        order = b"little"
        if self.prefix + "byteorder" in self.infos:
            order = bytes(self.read("byteorder"))
        if order not in (b"little", b"big"):
            raise FileError(f"{name}: its order of bytes is damaged")
        self.swapped = order == b"big"

    def read(self, record: str) -> bytearray:
        """The bytes of a record, in memory of their own."""
        info = self.infos.get(self.prefix + record)
        if info is None:
            raise FileError(f"{self.name} is damaged: there is no {record} in it")
        size = info.file_size
        if info.compress_type != zipfile.ZIP_STORED or info.compress_size != size:
            raise FileError(
                f"{self.name}: {record} is compressed, as torch.save never does"
            )
        if info.flag_bits & 1:
            raise FileError(f"{self.name}: {record} is encrypted")
        self.file.seek(info.header_offset)
        head = self.file.read(30)
        if len(head) < 30 or head[:4] != MAGIC:
            raise FileError(f"{self.name} is damaged at {record}")
        start = info.header_offset + 30 + sum(struct.unpack("<HH", head[26:30]))
        if start + size > self.length:
            raise FileError(f"{self.name} is cut short at {record}")
        self.file.seek(start)
        data = bytearray(size)
        if self.file.readinto(data) != size:  # type: ignore[attr-defined]
            raise FileError(f"{self.name} is cut short at {record}")
        # torch.serialization.set_crc32_options(False) leaves them out
        if info.CRC and zlib.crc32(data) != info.CRC:
            raise FileError(f"{self.name} is damaged: the checksum of {record} differs")
        return data

    def storage(self, key: Any, storages: dict[str, Storage]) -> Storage:
        """The memory that a description refers to, read once."""
        tag, kind, record, _, length = key
        if tag != "storage" or not isinstance(record, str):
            raise ValueError("an unknown reference")
        if isinstance(kind, Named):
            raise Refused(f"asks for {kind.name}")
        if not isinstance(kind, Kind):
            raise ValueError("memory of no type")
        found = storages.get(record)
        if found is None:
            dtype = kind.dtype or dtypes.uint8
            data = self.read(f"data/{record}")
            if _number(length) * dtype.itemsize != len(data):
                raise FileError(
                    f"{self.name} is damaged: data/{record} has {len(data)} bytes, and "
                    f"should have {length} numbers of type {dtype.name}"
                )
            array = np.frombuffer(data, dtype.np)
            if self.swapped:
                array = array.byteswap()
            found = storages[record] = Storage(array, kind.dtype)
        if found.dtype is not kind.dtype:
            raise ValueError("memory of two types")
        return found


def _plain(value: Any) -> Any:
    """NumPy's arrays out of their wrappers, in containers that are changed in place."""
    if isinstance(value, NumpyArray):
        return value.array
    if isinstance(value, tuple) and type(value) is tuple:
        return tuple(_plain(v) for v in value)
    if isinstance(value, list):
        value[:] = [_plain(v) for v in value]
    elif isinstance(value, dict):
        for key in value:
            value[key] = _plain(value[key])
    return value


def _share(found: list[Any], storages: dict[str, Storage]) -> None:
    """Let tensors that have memory in common see each other's changes."""
    tensors = {id(t._array): t for t in found if isinstance(t, Handle)}
    for storage in storages.values():
        users = [tensors[id(v)] for v in storage.views if id(v) in tensors]
        if len(users) > 1:
            for tensor in users:
                meta_of(tensor).exposed = True


def load_torch(file: BinaryIO, name: str) -> Any:
    """What ``torch.save`` wrote into *file*: tensors, numbers, text and containers."""
    storages: dict[str, Storage] = {}
    try:
        archive = Archive(file, name)
        machine = Machine(ALLOWED, lambda key: archive.storage(key, storages))
        value = machine.load(bytes(archive.read("data.pkl")))
        found = list(parts(value))
        for part in found:
            if isinstance(part, Named):
                raise Refused(f"holds {part}")
        _share(found, storages)
        arrays = any(isinstance(part, NumpyArray) for part in found)
        return _plain(value) if arrays else value
    except FileError:
        raise
    except Refused as error:
        text = str(error)
        advice = next((a for k, a in _ADVICE.items() if k in text), None)
        raise FileError(
            f"{name} {text}, "
            + (advice or "which is no part of data; nothing of it was run")
        ) from None
    except Exception as error:
        raise FileError(f"{name} is damaged: {error or type(error).__name__}") from None


__all__ = ["ALLOWED", "LEGACY", "MAGIC", "load_torch"]
