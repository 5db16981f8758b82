"""What users hold: a Tensor is a promise of numbers, with PyTorch's interface.

This file has the parts that concern the object itself: its data, gradient, place in the
graph and printing. The mathematics is in ``functions/`` and bound in ``methods.py``.
"""

from __future__ import annotations

import copy
import weakref
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from . import backward as _backward
from . import dispatch, dtypes, errors, mutate
from .dispatch import apply1, constant, realize
from .gradients import gradient_of, release, set_gradient
from .hooks import RemovableHandle, StateHooks
from .nodes import GradFn, node_for
from .ops.core import Clone
from .ops.op import Array, Spec, normalize_dim
from .strides import lies, row_major
from .trace import (
    Arg,
    Failed,
    Handle,
    State,
    captures,
    meta_of,
    spec_of,
)


class Size(tuple[int, ...]):
    """A shape: a tuple that prints as PyTorch's does and counts its elements."""

    __slots__ = ()

    def numel(self) -> int:
        n = 1
        for d in self:
            n *= d
        return n

    def __getitem__(self, index: Any) -> Any:
        part = tuple.__getitem__(self, index)
        return Size(part) if isinstance(index, slice) else part

    def __add__(self, other: Any) -> Any:
        return (
            Size(tuple(self) + tuple(other))
            if isinstance(other, tuple)
            else NotImplemented
        )

    def __radd__(self, other: tuple[int, ...]) -> Any:
        return Size(other + tuple(self))

    def __mul__(self, times: Any) -> Any:
        return Size(tuple(self) * times)

    __rmul__ = __mul__

    def __repr__(self) -> str:
        return f"retrograd.Size({list(self)})"


class device:
    """Where a tensor lives: the CPU."""

    __slots__ = ("type", "index")

    def __init__(self, type: Any = "cpu", index: int | None = None) -> None:
        name = str(type).split(":")[0]
        if name != "cpu":
            raise errors.no_device(type)
        self.type, self.index = name, index

    def __str__(self) -> str:
        return self.type

    def __repr__(self) -> str:
        return f"device(type={self.type!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, device) or other == "cpu"

    def __hash__(self) -> int:
        return hash(self.type)


CPU = device()


class Tensor(Handle):
    """An array of one number type that remembers how it was computed."""

    __slots__ = ()
    __array_priority__: ClassVar[int] = 1000
    __hash__ = object.__hash__

    def __new__(cls, *data: Any, **kwargs: Any) -> Any:
        from .functions import create

        if len(data) == 1 and not isinstance(data[0], int):
            out = create.tensor(data[0], dtype=dtypes.get_default_dtype())
        else:
            out = create.zeros(*data, dtype=dtypes.get_default_dtype())
        if cls is not Tensor:
            out.__class__ = cls
        return out

    # -- shape and type: known without running anything ------------------------------

    @property
    def shape(self) -> Size:
        key = self._key
        return Size(self._array.shape if key is None else key.spec.shape)

    @property
    def dtype(self) -> dtypes.dtype:
        return spec_of(self).dtype

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def dim(self) -> int:
        return len(self.shape)

    def ndimension(self) -> int:
        return len(self.shape)

    def numel(self) -> int:
        """The number of elements."""
        return spec_of(self).size

    nelement = numel

    def __len__(self) -> int:
        shape = self.shape
        if not shape:
            raise TypeError("len() of a 0-d tensor")
        return int(shape[0])

    @property
    def device(self) -> device:
        return CPU

    @property
    def is_cuda(self) -> bool:
        return False

    @property
    def itemsize(self) -> int:
        return self.dtype.itemsize

    element_size = lambda self: self.dtype.itemsize  # noqa: E731

    @property
    def nbytes(self) -> int:
        return spec_of(self).nbytes

    def is_floating_point(self) -> bool:
        return self.dtype.is_floating_point

    def is_complex(self) -> bool:
        return False

    def is_contiguous(self, **_: Any) -> bool:
        """Whether the elements lie in row-major order without gaps."""
        key = self._key
        if type(key) is State:
            return not key.view or bool(lies(self)[0].flags.c_contiguous)
        return bool(self._array.flags.c_contiguous)

    def contiguous(self, **_: Any) -> Any:
        """The same values in row-major memory."""
        return self if self.is_contiguous() else self.clone()

    def stride(self, dim: int | None = None) -> Any:
        """Steps between neighbours along each dimension, in elements."""
        array = lies(self)[0]
        # in row-major order a dimension of length 1 or 0 has no step of its own
        steps = row_major(array.shape) if array.flags.c_contiguous else array.strides
        return steps if dim is None else steps[normalize_dim(dim, len(steps))]

    def storage_offset(self) -> int:
        """Where the first element lies in the memory that is shared, in elements."""
        return lies(self)[1]

    def data_ptr(self) -> int:
        return int(self._value().ctypes.data)

    # -- values: these run what is pending -------------------------------------------

    def _value(self) -> Array:
        """The array of this tensor, computed if it is not there yet."""
        key = self._key
        if type(key) is State or type(key) is Failed or self._array is None:
            tracing = dispatch.recorder().tracing
            if tracing is not None and type(key) is State:
                peeked: Array = tracing.read(key)
                return peeked
            realize(self)
        if captures[0]:
            dispatch.note_read()
        array: Array = self._array
        return array

    def item(self) -> Any:
        """The number in a tensor of one element."""
        key = self._key
        array = self._array
        if type(key) is State or type(key) is Failed or captures[0]:
            array = self._value()
        if array.size != 1:
            raise RuntimeError(
                f"a Tensor with {array.size} elements cannot be converted to Scalar"
            )
        return array.item()

    def tolist(self) -> Any:
        """Nested lists of Python numbers."""
        return self._value().tolist()

    def numpy(self, *, force: bool = False) -> Array:
        """The values as a NumPy array that shares the tensor's memory."""
        if self.requires_grad and not force:
            raise RuntimeError(
                "Can't call numpy() on Tensor that requires grad. Use "
                "tensor.detach().numpy() instead."
            )
        array = self._value()
        meta = meta_of(self)
        meta.exposed = True
        if meta.base is not None:
            meta_of(meta.base).exposed = True
        return array

    def __array__(self, dtype: Any = None, copy: Any = None) -> Array:
        array = self.numpy()
        if dtype is not None and array.dtype != dtype:
            if copy is False:
                raise ValueError(f"{array.dtype} as {dtype} needs a copy")
            return array.astype(dtype)
        return array.copy() if copy else array

    def __array_wrap__(
        self, array: Array, context: Any = None, return_scalar: bool = False
    ) -> Any:
        """What a function of NumPy makes of this tensor is a tensor, too."""
        return dispatch.constant(np.asarray(array))

    def __buffer__(self, flags: int, /) -> memoryview:
        return memoryview(self.numpy())  # type: ignore[arg-type]

    def __dlpack__(self, **kwargs: Any) -> Any:
        if self.requires_grad:
            raise BufferError(
                "Can't export tensors that require gradient, use tensor.detach()"
            )
        from .dlpack import capsule_of

        kwargs.pop("stream", None)  # there is none on a CPU
        return capsule_of(self.numpy(), **kwargs)

    def __dlpack_device__(self) -> tuple[int, int]:
        return (1, 0)

    def __array_namespace__(self, *, api_version: str | None = None) -> Any:
        """The functions of the array API standard for tensors."""
        from . import array_api

        known = ("2021.12", "2022.12", "2023.12", array_api.__array_api_version__)
        if api_version is not None and api_version not in known:
            raise ValueError(f"version {api_version!r} is not known; there are {known}")
        return array_api

    def to_device(self, device: Any, /, *, stream: Any = None) -> Any:
        """The tensor itself: there is one device."""
        return self.to(device=device)

    def __bool__(self) -> bool:
        n = self.numel()
        if n != 1:
            raise RuntimeError(
                "Boolean value of Tensor with "
                f"{'no values' if n == 0 else 'more than one value'} is ambiguous"
            )
        return bool(self.item())

    def _only(self) -> Any:
        if self.numel() != 1:
            raise ValueError(
                "only one element tensors can be converted to Python scalars"
            )
        return self.item()

    def __float__(self) -> float:
        return float(self._only())

    def __complex__(self) -> complex:
        return complex(self.item())

    def __int__(self) -> int:
        return int(self._only())

    def __index__(self) -> int:
        if self.dtype.category == dtypes.FLOATING or self.numel() != 1:
            raise TypeError(
                "only integer tensors of a single element can be converted to an index"
            )
        return int(self.item())

    def __format__(self, spec: str) -> str:
        if not self.shape:
            return format(self.item(), spec)
        return object.__format__(self, spec)

    def __contains__(self, value: Any) -> bool:
        if not isinstance(value, (Tensor, int, float, np.generic)):
            raise RuntimeError(
                "Tensor.__contains__ only supports Tensor or scalar, but you passed in a "
                f"{type(value)}."
            )
        found: Any = self == value
        return bool(found.any())

    def __iter__(self) -> Iterator[Any]:
        if not self.shape:
            raise TypeError("iteration over a 0-d tensor")
        return iter([self[i] for i in range(self.shape[0])])

    def __repr__(self, **_: Any) -> str:
        from .printing import text

        tracing = dispatch.recorder().tracing
        if tracing is not None and type(self._key) is State:
            if tracing.unknown(self._key):
                return f"tensor(<one example of a vmap>, {self._key.spec!r})"
        return text(self)

    def _repr_html_(self) -> str:
        from .see.notebook import tensor

        return tensor(self)

    def __reduce_ex__(self, protocol: Any) -> Any:
        kind = Tensor if type(self) is Held else type(self)
        return _rebuild, (kind, self._value().copy(), self.requires_grad)

    def __copy__(self) -> Any:
        out = self.detach()
        if self.requires_grad:
            out.requires_grad_()
        out.__class__ = Tensor if type(self) is Held else type(self)
        return out

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        if id(self) in memo:
            return memo[id(self)]
        if not self.is_leaf:
            raise RuntimeError(
                "Only Tensors created explicitly by the user (graph leaves) support the "
                "deepcopy protocol: use detach() first"
            )
        build, args = self.__reduce_ex__(4)
        out = memo[id(self)] = build(*args)
        if self.grad is not None and not isinstance(self, Parameter):
            out._grad = copy.deepcopy(self.grad, memo)
        out.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return out

    # -- gradients -------------------------------------------------------------------

    if TYPE_CHECKING:  # what methods.py binds

        def __getattr__(self, name: str) -> Any: ...
        def __neg__(self) -> Any: ...
        def __add__(self, other: Any) -> Any: ...
        def __radd__(self, other: Any) -> Any: ...
        def __sub__(self, other: Any) -> Any: ...
        def __rsub__(self, other: Any) -> Any: ...
        def __mul__(self, other: Any) -> Any: ...
        def __rmul__(self, other: Any) -> Any: ...
        def __truediv__(self, other: Any) -> Any: ...
        def __rtruediv__(self, other: Any) -> Any: ...
        def __pow__(self, other: Any) -> Any: ...
        def __matmul__(self, other: Any) -> Any: ...
        def __getitem__(self, key: Any) -> Any: ...

    else:

        def __getattr__(self, name: str) -> Any:
            from .left_out import error

            raise error("Tensor", name)

    def _fresh(self) -> Any:
        """A new key, if this is a view of something that was changed in place."""
        meta = self._meta
        if meta is None or meta.base is None:
            return None
        return mutate.refresh(dispatch.recorder(), self, meta)

    @property
    def requires_grad(self) -> bool:
        key = self._key
        if key is None and self._meta is not None:
            key = self._fresh()
        if key is not None and (key.grad or type(key) is not State):
            return bool(key.grad)
        # a pending value here was written under no_grad, which leaves this as it was
        meta = self._meta
        return meta is not None and (meta.requires_grad or meta.history is not None)

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self.requires_grad_(value)

    def requires_grad_(self, requires_grad: bool = True) -> Any:
        """Ask for gradients of this leaf (or stop asking); returns the tensor."""
        if requires_grad and not self.dtype.is_floating_point:
            raise RuntimeError(
                "only Tensors of floating point dtype can require gradients, not "
                f"{self.dtype.name}\n  at {errors.user_line()}"
            )
        if not self.is_leaf:
            if requires_grad:
                return self
            raise RuntimeError(
                "you can only change requires_grad flags of leaf variables. Use "
                "detach() to get a tensor without history"
            )
        if type(self._key) is State and dispatch.recorder().tracing is not None:
            raise RuntimeError(
                "You are attempting to call Tensor.requires_grad_() inside of a function "
                "that is transformed by vmap or jvp: use rg.func.grad or rg.func.vjp "
                f"there\n  at {errors.user_line()}"
            )
        if requires_grad and not dispatch.recorder().inference and self.is_inference():
            raise RuntimeError(
                "Setting requires_grad=True on inference tensor outside InferenceMode is "
                f"not allowed: use a clone of it\n  at {errors.user_line()}"
            )
        self._value()
        meta = meta_of(self)
        if meta.requires_grad != requires_grad:
            release(self)  # a leaf without the flag has no part in common gradients
        meta.requires_grad = requires_grad
        if meta.home is not None:
            mutate.rebind(self)
        elif type(self._key) is Arg:
            self._key = None  # joins the trace anew, with the new flag
        return self

    @property
    def is_leaf(self) -> bool:
        key = self._key or self._fresh()
        if type(key) is State and key.grad:
            return False
        meta = self._meta
        return meta is None or meta.history is None

    @property
    def grad_fn(self) -> GradFn | None:
        """The node of the graph that made this tensor; None for a leaf."""
        key = self._key or self._fresh()
        if type(key) is State and key.grad:
            rec = dispatch.recorder()
            if key.recorder is rec:
                return node_for(None, key)
            rec.adopt(self, key)
        meta = self._meta
        return None if meta is None or meta.history is None else node_for(*meta.history)

    @property
    def grad(self) -> Any:
        return gradient_of(self)

    @grad.setter
    def grad(self, value: Any) -> None:
        if value is not None:
            if not isinstance(value, Tensor):
                raise TypeError(
                    f"assigned grad expected to be a Tensor or None but got {type(value).__name__}"
                )
            if value.shape != self.shape:
                raise RuntimeError(
                    f"assigned grad has data of a different size: {list(value.shape)}, "
                    f"expected {list(self.shape)}"
                )
            if value.dtype is not self.dtype:
                raise RuntimeError(
                    f"attempting to assign a gradient of {value.dtype.name} to a tensor "
                    f"of {self.dtype.name}: use grad.to(tensor.dtype)"
                )
        set_gradient(self, value)

    @grad.deleter
    def grad(self) -> None:
        set_gradient(self, None)

    def backward(
        self,
        gradient: Any = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        inputs: Any = None,
    ) -> None:
        """∂self/∂leaf is added to ``leaf.grad`` of every leaf that requires it.

        *gradient* is v in the product Jᵀv; it may be left out for a scalar.
        """
        if inputs is not None:
            from .autograd import backward

            backward([self], [gradient], retain_graph, create_graph, inputs=inputs)
        else:
            _backward.backward(self, gradient, retain_graph, create_graph)

    def _state_hooks(self) -> StateHooks:
        key = self._key
        if type(key) is State:
            hooks, state = key.recorder.hooks, key
        else:
            segment, state = self._meta.history  # type: ignore[union-attr,misc]
            hooks = segment.hooks
        found = hooks.get(state)
        if found is None:
            found = hooks[state] = StateHooks()
        return found  # type: ignore[no-any-return]

    def register_hook(self, hook: Callable[[Any], Any]) -> RemovableHandle:
        """Call ``hook(grad)`` when the gradient of this tensor is known; what it
        returns, if anything, takes the gradient's place."""
        if not self.requires_grad:
            raise RuntimeError(
                "cannot register a hook on a tensor that doesn't require gradient"
            )
        if not self.is_leaf:
            functions = self._state_hooks().functions
        else:
            meta = meta_of(self)
            release(self)
            functions = meta.hooks = meta.hooks if meta.hooks is not None else {}
        return RemovableHandle(functions, hook)

    def register_post_accumulate_grad_hook(
        self, hook: Callable[[Any], Any]
    ) -> RemovableHandle:
        """Call ``hook(tensor)`` after ``tensor.grad`` of this leaf was added to."""
        if not self.requires_grad:
            raise RuntimeError(
                "cannot register a hook on a tensor that doesn't require gradient"
            )
        if not self.is_leaf:
            raise RuntimeError(
                "post accumulate grad hooks cannot be registered on non-leaf tensors"
            )
        meta = meta_of(self)
        release(self)
        meta.post_hooks = meta.post_hooks if meta.post_hooks is not None else {}
        return RemovableHandle(meta.post_hooks, hook)

    def retain_grad(self) -> None:
        """Keep the gradient of this computed tensor in ``.grad``."""
        if not self.requires_grad:
            raise RuntimeError(
                "can't retain_grad on Tensor that has requires_grad=False"
            )
        meta = meta_of(self)
        if self.is_leaf or meta.retained is not None:
            return
        self._retain()

    def _retain(self) -> None:
        """Keep the gradient of what this tensor is now, and not of what it was."""
        meta = meta_of(self)
        ref = weakref.ref(self)

        def keep(g: Any) -> None:
            tensor = ref()
            if tensor is not None:
                old = tensor._grad
                tensor._grad = g.clone() if old is None else old + g

        if meta.retained is not None:
            meta.retained.keep = None
        meta.retained = self._state_hooks()
        meta.retained.keep = keep

    @property
    def retains_grad(self) -> bool:
        return self._meta is not None and self._meta.retained is not None

    def detach(self) -> Any:
        """The same values, sharing memory, without history."""
        return mutate.share(self)

    def detach_(self) -> Any:
        """Forget how this tensor was computed."""
        self._value()
        meta = meta_of(self)
        if meta.base is not None and not (meta.path and meta.path[-1][0] == "detach"):
            raise RuntimeError(
                "Can't detach views in-place. Use detach() instead\n"
                f"  at {errors.user_line()}"
            )
        meta.history = None
        if meta.requires_grad:
            self.requires_grad_(False)
        elif type(self._key) is Arg:
            self._key = None  # joins the trace anew, without a history
        return self

    @property
    def data(self) -> Any:
        return mutate.share(self)

    @data.setter
    def data(self, value: Any) -> None:
        mutate.set_data(self, value)

    def clone(self, *, memory_format: Any = None) -> Any:
        """A copy in memory of its own, through which gradients flow."""
        return apply1(Clone, self)

    def is_inference(self) -> bool:
        """Whether this was made in ``inference_mode``."""
        key, meta = self._key, self._meta
        if type(key) is State:
            return bool(key.inference)
        return meta is not None and meta.inference

    @property
    def _version(self) -> int:
        if self.is_inference():
            raise RuntimeError("Inference tensors do not track version counter.")
        rec = dispatch.recorder()
        if rec.writes and rec.tracing is None:
            rec.flush()  # an optimizer counts when it is run
        return mutate.changes(rec, self)

    @property
    def _base(self) -> Any:
        return None if self._meta is None else self._meta.base

    # -- types and places ------------------------------------------------------------

    def to(self, *args: Any, **kwargs: Any) -> Any:
        """In another number type, or that of another tensor: ``to(dtype)``,
        ``to(device, dtype)``, ``to(other)``; *copy* makes a copy in any case."""
        names = ("non_blocking", "copy")
        target = None
        rest = list(args)
        if rest and isinstance(rest[0], Tensor):
            target = rest.pop(0).dtype
        elif rest and _is_type(rest[0]):
            target = dtypes.as_dtype(rest.pop(0))
        elif rest:
            if isinstance(rest[0], type):
                dtypes.as_dtype(rest[0])  # a type of NumPy's: says what to write
            device(rest.pop(0) or "cpu")
            if rest and (_is_type(rest[0]) or rest[0] is None):
                target = (
                    dtypes.as_dtype(rest.pop(0)) if rest[0] is not None else rest.pop(0)
                )
        given = dict(zip(names, rest, strict=False))
        for name, value in kwargs.items():
            if name == "dtype":
                target = None if value is None else dtypes.as_dtype(value)
            elif name == "device":
                device(value or "cpu")
            elif name in names:
                given[name] = value
            elif name != "memory_format":
                raise TypeError(f"to() got an unexpected keyword argument {name!r}")
        if target is not None and target is not self.dtype:
            return self.type(target)
        return self.clone() if given.get("copy") else self

    def cpu(self, memory_format: Any = None) -> Any:
        return self

    def type(self, dtype: Any = None, non_blocking: bool = False, **_: Any) -> Any:
        """The name of the type, or the tensor cast to *dtype*."""
        from .storage import NAMES, TYPES

        if dtype is None:
            return f"retrograd.{NAMES[self.dtype.name]}Tensor"
        if isinstance(dtype, str):
            name = dtype.rpartition(".")[2]
            if name not in TYPES:
                raise ValueError(f"invalid type: {dtype!r}")
            dtype = dtypes._by_name(TYPES[name])
        else:
            dtype = dtypes.as_dtype(dtype)
        if dtype is self.dtype:
            return self
        from .functions.shape import cast

        return cast(self, dtype)

    def _assign(self, value: Any) -> Any:
        return mutate.assign(self, value)

    def __setitem__(self, key: Any, value: Any) -> None:
        from .methods import set_item

        set_item(self, key, value)


def _is_type(x: Any) -> bool:
    """Whether an argument of ``to`` is a number type."""
    return isinstance(x, dtypes.dtype) or x in (float, int, bool)


def _rebuild(cls: type[Any], array: Array, requires_grad: bool) -> Any:
    out = constant(array)
    if cls is not Tensor:
        return cls(out, requires_grad)
    return out.requires_grad_() if requires_grad else out


class Held(Tensor):
    """A tensor with an identity in traces, as those that a module keeps have."""

    __slots__ = ()

    def __del__(self) -> None:
        # Pending work may still need the values: an heir keeps them until it is run.
        meta = self._meta
        if meta is not None and meta.homes is not None:
            dispatch.bequeath(self, meta.homes)


class Parameter(Held):
    """A tensor that a module learns: a leaf that requires a gradient.

    It has an identity in traces: a training step finds it without looking for it.
    """

    __slots__ = ()

    def __new__(cls, data: Any = None, requires_grad: bool = True) -> Any:
        array = np.zeros(0, np.float32) if data is None else data._value()
        out = object.__new__(cls)
        out._key, out._array, out._grad, out._meta = None, array, None, None
        meta = meta_of(out)
        meta.requires_grad = requires_grad
        if data is not None and data._meta is not None:
            meta.exposed = data._meta.exposed
        mutate.rebind(out)
        return out

    def __init__(self, data: Any = None, requires_grad: bool = True) -> None:
        pass

    def __repr__(self, **_: Any) -> str:
        return "Parameter containing:\n" + super().__repr__()


class Buffer(Held):
    """A long-lived tensor of a module that is not learned, such as a running mean."""

    __slots__ = ()

    def __new__(cls, data: Any = None, *, persistent: bool = True) -> Any:
        made: Any = Parameter.__new__  # one way to make both
        return made(cls, data, False)

    def __init__(self, data: Any = None, *, persistent: bool = True) -> None:
        self.persistent = persistent

    def __reduce_ex__(self, protocol: Any) -> Any:
        return _rebuild_buffer, (type(self), self._value().copy(), self.persistent)


def _rebuild_buffer(cls: type[Any], array: Array, persistent: bool) -> Any:
    return cls(constant(array), persistent=persistent)


dispatch._tensor_type = Tensor
dispatch._held_type = Held
__all__ = ["Buffer", "Parameter", "Size", "Spec", "Tensor", "device"]
