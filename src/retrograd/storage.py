"""The memory behind tensors, and the methods of a tensor that concern it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from . import dispatch, dtypes, mutate
from .dispatch import constant
from .functions.joining import cat
from .ops.families import Ints
from .ops.op import Array, normalize_dim
from .refusals import explained
from .strides import lies, owner_of
from .tensor import Tensor
from .trace import State, memory_of

#: PyTorch's old names of the types
NAMES = {
    "float16": "Half", "bfloat16": "BFloat16", "float32": "Float", "float64": "Double",
    "uint8": "Byte", "int8": "Char", "int16": "Short", "int32": "Int", "int64": "Long",
    "bool": "Bool",
}  # fmt: skip
TYPES = {f"{old}Tensor": name for name, old in NAMES.items()}


def _whole(array: Array) -> Array:
    """All the memory that an array is part of, as a vector of its type."""
    owner = owner_of(array)
    flat: Array = owner.reshape(-1) if owner.flags.c_contiguous else owner.ravel("K")
    return flat.view(array.dtype) if flat.dtype != array.dtype else flat


class TypedStorage:
    """The numbers of a memory, in the order in which they lie."""

    _is_bytes = False

    def __init__(self, array: Array) -> None:
        self._array = array

    def _items(self) -> Array:
        return self._array

    def data_ptr(self) -> int:
        """The address of the first byte."""
        return int(self._array.ctypes.data)

    def nbytes(self) -> int:
        return int(self._array.nbytes)

    def size(self) -> int:
        return int(self._items().size)

    __len__ = size

    def tolist(self) -> list[Any]:
        found: list[Any] = self._items().tolist()
        return found

    def __getitem__(self, key: Any) -> Any:
        found = self._items()[key]
        return found.item() if np.ndim(found) == 0 else type(self)(found)

    def __setitem__(self, key: Any, value: Any) -> None:
        self._items()[key] = value

    def __iter__(self) -> Iterator[Any]:
        return iter(self.tolist())

    @property
    def device(self) -> str:
        return "cpu"

    @property
    def dtype(self) -> dtypes.dtype:
        return dtypes.from_numpy_dtype(self._array.dtype)

    def untyped(self) -> UntypedStorage:
        return UntypedStorage(self._array)


class UntypedStorage(TypedStorage):
    """The bytes of a memory."""

    def _items(self) -> Array:
        return self._array.view(np.uint8)


def untyped_storage(input: Tensor) -> UntypedStorage:
    """The bytes of the memory that *input* is in, with all its other views."""
    return UntypedStorage(_whole(input.detach().numpy()))


def storage(input: Tensor) -> TypedStorage:
    """The numbers of the memory that *input* is in."""
    return TypedStorage(_whole(input.detach().numpy()))


# -- memory exchanged, or laid out anew -------------------------------------------------


def _refuse_tracked(input: Tensor) -> None:
    if input.requires_grad:
        raise RuntimeError("cannot resize variables that require grad")


def _sizes(sizes: tuple[Any, ...]) -> tuple[int, ...]:
    if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)):
        sizes = tuple(sizes[0])
    return tuple(int(n) for n in sizes)


def resize_(input: Tensor, *sizes: Ints, memory_format: Any = None) -> Tensor:
    """Another shape on the same memory in row-major order; more memory where it does not
    suffice (what is new holds zeros)."""
    _refuse_tracked(input)
    shape = _sizes(sizes)
    if any(n < 0 for n in shape):
        raise RuntimeError(f"resize_: sizes must not be negative: {list(shape)}")
    n = int(np.prod(shape, dtype=np.int64))
    if dispatch.recorder().tracing is not None and type(input._key) is State:
        row = input.reshape(-1)
        if n > row.numel():
            row = cat((row, row.new_zeros(n - row.numel())))
        elif n < row.numel():
            row = row[:n]
        return mutate.become(input, row.reshape(shape))  # type: ignore[no-any-return]
    array, offset = input._value(), lies(input)[1]
    memory = _whole(array)[offset:]
    if memory.size >= n:
        return _set(input, memory[:n].reshape(shape), input)
    larger = np.zeros(n, array.dtype)
    larger[: memory.size] = memory
    return _set(input, larger.reshape(shape), None)


def resize_as_(
    input: Tensor, the_template: Tensor, *, memory_format: Any = None
) -> Tensor:
    """As :func:`resize_`, to the shape of another tensor."""
    return resize_(input, tuple(the_template.shape))


def _set(input: Tensor, array: Array, source: Tensor | None) -> Tensor:
    """Let *input* stand for *array*: memory of its own, or some of *source*."""
    other = constant(array)
    if source is not None:
        counter = memory_of(source)
        other._meta = dispatch.Meta()
        other._meta.memory = counter
    mutate.set_data(input, other)
    if source is input or source is None:
        meta = input._meta
        assert meta is not None
        meta.base, meta.path = None, ()
        meta.turns += ((None, None),)
    return input


def set_(
    input: Tensor,
    source: Any = None,
    storage_offset: int = 0,
    size: Any = None,
    stride: Any = None,
) -> Tensor:
    """Let *input* stand for the memory of *source*: a tensor, or storage with sizes."""
    if source is None:
        return _set(input, np.zeros(0, input.dtype.np), None)
    if isinstance(source, TypedStorage):
        memory = source._array.view(input.dtype.np)[storage_offset:]
        shape = (memory.size,) if size is None else tuple(size)
        steps = (1,) if stride is None else tuple(stride)
        apart = [s * memory.itemsize for s in steps]
        part = np.lib.stride_tricks.as_strided(memory, shape, apart)
        return _set(input, part, None)
    if source.dtype is not input.dtype:
        raise RuntimeError(
            f"Could not set tensor of type {source.dtype.name} to a tensor of type "
            f"{input.dtype.name}"
        )
    if source._base is input:  # a part of itself would be its own base
        dispatch.recorder().flush()
        return _set(input, source._value(), None)
    mutate.set_data(input, source)
    return input


def is_set_to(input: Tensor, tensor: Tensor) -> bool:
    """Whether both are the same places of the same memory."""
    a, b = input._value(), tensor._value()
    same = a.ctypes.data == b.ctypes.data and a.shape == b.shape
    return same and a.strides == b.strides and a.dtype == b.dtype


def as_strided_(
    input: Tensor, size: Any, stride: Any, storage_offset: Any = None
) -> Tensor:
    """*input* becomes a view of its memory at other steps."""
    mutate.refuse_leaf(dispatch.recorder(), input)
    return mutate.become(input, input.as_strided(size, stride, storage_offset))  # type: ignore[no-any-return]


def dim_order(input: Tensor) -> tuple[int, ...]:
    """The dimensions from the one with the largest step to the one with the least."""
    steps = input.stride()
    return tuple(sorted(range(len(steps)), key=lambda d: (-steps[d], d)))


# -- element by element in Python -------------------------------------------------------


def _called(
    name: str, input: Tensor, function: Callable[..., Any], *others: Any
) -> Tensor:
    tensors = (input, *others)
    if any(t.requires_grad for t in tensors):
        raise RuntimeError(
            f"Can't call {name}() on Variable that requires grad. Use "
            f"var.detach().{name}() instead."
        )
    try:
        spread = np.broadcast_arrays(*[t._value() for t in tensors])
    except ValueError:
        shapes = ", ".join(str(list(t.shape)) for t in tensors)
        raise RuntimeError(f"{name}(): the shapes {shapes} do not fit") from None
    made = [function(*(v.item() for v in each)) for each in zip(*map(np.ravel, spread), strict=True)]  # fmt: skip
    values = np.array(made).astype(input.dtype.np).reshape(spread[0].shape)
    return input._assign(constant(values))  # type: ignore[no-any-return]


def apply_(input: Tensor, callable: Callable[[Any], Any]) -> Tensor:
    """Each element replaced by what a Python function makes of it (slow)."""
    return _called("apply_", input, callable)


def map_(input: Tensor, tensor: Tensor, callable: Callable[[Any, Any], Any]) -> Tensor:
    """Each element replaced by a Python function of it and another tensor's (slow)."""
    return _called("map_", input, callable, tensor)


def map2_(input: Tensor, x: Tensor, y: Tensor, callable: Callable[..., Any]) -> Tensor:
    """As :func:`map_`, with two other tensors (slow)."""
    return _called("map2_", input, callable, x, y)


# -- places -------------------------------------------------------------------------------


def pin_memory(input: Tensor, device: Any = None) -> Tensor:
    """Refused, as there is no device that memory could be pinned for."""
    raise RuntimeError("Cannot access accelerator device when none is available.")


def cuda(input: Tensor, *_: Any, **__: Any) -> Tensor:
    """Refused: tensors live on the CPU."""
    return input.to("cuda")  # type: ignore[no-any-return]


def new(input: Tensor, *data: Any, device: Any = None) -> Tensor:
    """An older form: sizes, or data, in the type of *input*."""
    if not data:
        return input.new_zeros(0)  # type: ignore[no-any-return]
    first = data[0]
    if len(data) == 1 and isinstance(first, Tensor):
        return first.detach()  # type: ignore[no-any-return]
    if len(data) == 1 and not isinstance(first, (int, *_SIZES)):
        return input.new_tensor(first)  # type: ignore[no-any-return]
    return input.new_zeros(*data)  # type: ignore[no-any-return]


def narrow_copy(input: Tensor, dim: int, start: Any, length: int) -> Tensor:
    """As narrow, in memory of its own."""
    return input.narrow(dim, start, length).clone()  # type: ignore[no-any-return]


def _hermitian(input: Tensor) -> Tensor:
    """Aᵀ of a matrix (of real numbers, the conjugate is the number itself)."""
    if input.ndim not in (0, 2):
        raise RuntimeError(
            "tensor.H is only supported on matrices (2-D tensors). Got "
            f"{input.ndim}-D tensor. For batches of matrices, consider using tensor.mH"
        )
    return input.t()  # type: ignore[no-any-return]


def size(input: Tensor, dim: int | None = None) -> Any:
    """The shape, or the length of one dimension."""
    shape = input.shape
    return shape if dim is None else shape[normalize_dim(dim, len(shape))]


def _no(input: Tensor) -> bool:
    return False


def _not_deleted(self: Tensor, key: Any) -> None:
    raise TypeError("Tensor does not support deleting items")


_SIZES: tuple[type, ...] = ()


def bind() -> None:
    """Make these the methods of Tensor."""
    from .layouts import strided
    from .tensor import Size

    global _SIZES
    _SIZES = (Size,)
    for method in (untyped_storage, storage, resize_, resize_as_, set_, is_set_to,
                   as_strided_, dim_order, apply_, map_, map2_, pin_memory, cuda, new,
                   narrow_copy, size):  # fmt: skip
        setattr(Tensor, method.__name__, explained(method))
    plain: dict[str, Any] = {
        "__delitem__": _not_deleted,
        "__reversed__": lambda self: iter([*self][::-1]) if self.ndim else self,
        "H": property(_hermitian),
        "mH": property(lambda self: self.mT),
        "xpu": cuda,
        "is_pinned": lambda self, device=None: False,
        "is_shared": _no,
        "is_distributed": _no,
        "is_coalesced": _no,
        "share_memory_": lambda self: self,
        "to_dense": lambda self, dtype=None, **_: self.to(dtype) if dtype else self,
        "get_device": lambda self: -1,
        "const_data_ptr": Tensor.data_ptr,
        "storage_type": lambda self: TypedStorage,
        "layout": property(lambda self: strided),
        "name": property(lambda self: None),
        "output_nr": property(lambda self: 0),
        "volatile": property(_no),
        "is_cpu": property(lambda self: True),
        "_is_view": lambda self: self._base is not None,
        "grad_dtype": property(lambda self: self.dtype),
        "as_subclass": lambda self, cls: _as(self, cls),
        "module_load": lambda self, other, assign=False: other if assign else other.detach(),
        "__complex__": lambda self: complex(self.item()),
    }  # fmt: skip
    for word in ("meta", "mps", "mtia", "maia", "ipu", "xla", "xpu", "vulkan", "mkldnn",
                 "nested", "quantized", "sparse", "sparse_csr"):  # fmt: skip
        plain[f"is_{word}"] = property(_no)
    for name, member in plain.items():
        setattr(Tensor, name, member)


def _as(tensor: Tensor, cls: type) -> Any:
    out = (
        tensor.detach()
        if tensor.is_leaf and not tensor.requires_grad
        else tensor.view_as(tensor)
    )
    out.__class__ = cls
    return out


__all__ = ["NAMES", "TYPES", "TypedStorage", "UntypedStorage", "bind"]
