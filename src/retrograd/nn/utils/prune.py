"""Weights held at zero: W = mask · W_orig, before each forward.

``<name>_orig`` is learned and ``<name>_mask`` a buffer; pruning again makes the mask
smaller, and ``remove`` makes W a parameter with zeros.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from numbers import Integral, Real
from typing import Any, ClassVar

from ...autograd import no_grad
from ...functions import ones_like, rand, zeros_like
from .hooks import PreHook, drop, find
from .vectors import parameters_to_vector

__all__ = [
    "BasePruningMethod",
    "PruningContainer",
    "Identity",
    "RandomUnstructured",
    "L1Unstructured",
    "RandomStructured",
    "LnStructured",
    "CustomFromMask",
    "identity",
    "random_unstructured",
    "l1_unstructured",
    "random_structured",
    "ln_structured",
    "global_unstructured",
    "custom_from_mask",
    "remove",
    "is_pruned",
]


class BasePruningMethod(PreHook, ABC):
    """How a mask is made. Subclasses say what they prune (``PRUNING_TYPE``:
    "unstructured", "structured" with ``dim``, or "global") and define
    ``compute_mask``."""

    PRUNING_TYPE: ClassVar[str]
    _tensor_name: str

    @property
    def name(self) -> str:  # type: ignore[override]
        return self._tensor_name

    @abstractmethod
    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        """1 where *t* stays and 0 where it goes; never 1 where *default_mask* is 0."""

    def __call__(self, module: Any, inputs: Any) -> None:
        setattr(module, self._tensor_name, self.apply_mask(module))

    def apply_mask(self, module: Any) -> Any:
        """mask · W_orig."""
        original = getattr(module, f"{self._tensor_name}_orig")
        mask = getattr(module, f"{self._tensor_name}_mask")
        return mask.to(original.dtype) * original

    @classmethod
    def apply(
        cls, module: Any, name: str, *args: Any, importance_scores: Any = None, **kwargs: Any
    ) -> Any:  # fmt: skip
        """Prune a parameter now, and mask it before each forward from now on."""
        method: Any = cls(*args, **kwargs)
        method._tensor_name = name
        old = find(module, BasePruningMethod, name)
        if old is not None:
            many = old if isinstance(old, PruningContainer) else PruningContainer(old)
            many.add_pruning_method(method)
            method = many
        weight = getattr(module, name)
        scores = weight if importance_scores is None else importance_scores
        if scores.shape != weight.shape:
            raise AssertionError(
                "importance_scores should have the same shape as parameter "
                f"{name} of {module}, got {scores.shape} vs {weight.shape}"
            )
        with no_grad():
            if old is None:
                known = ones_like(weight)
            else:
                known = getattr(module, f"{name}_mask").clone()
            mask = method.compute_mask(scores.detach(), default_mask=known)
        if old is None:
            delattr(module, name)
            module.register_parameter(f"{name}_orig", weight)
        else:
            drop(module, old)
        module.register_buffer(f"{name}_mask", mask)
        method(module, None)
        module.register_forward_pre_hook(method)
        return method

    def prune(self, t: Any, default_mask: Any = None, importance_scores: Any = None) -> Any:  # fmt: skip
        """*t* with zeros where it would be pruned; no module is changed."""
        scores = t if importance_scores is None else importance_scores
        if scores.shape != t.shape:
            raise AssertionError(
                "importance_scores should have the same shape as tensor t, got "
                f"{scores.shape} vs {t.shape}"
            )
        mask = ones_like(t) if default_mask is None else default_mask
        return t * self.compute_mask(scores, default_mask=mask)

    def remove(self, module: Any) -> None:
        """Make the tensor a parameter again, with zeros where it is pruned."""
        name = self._tensor_name
        weight = self.apply_mask(module).detach()
        original = getattr(module, f"{name}_orig")
        for suffix in ("", "_orig", "_mask"):
            delattr(module, name + suffix)
        original.data = weight
        setattr(module, name, original)


class PruningContainer(BasePruningMethod):
    """Methods that one parameter was pruned by, one after another."""

    PRUNING_TYPE = "container"

    def __init__(self, *args: Any) -> None:
        self._pruning_methods: tuple[Any, ...] = ()
        if len(args) == 1:
            self._tensor_name = args[0]._tensor_name
        for method in args:
            self.add_pruning_method(method)

    def add_pruning_method(self, method: Any) -> None:
        """One more, for the same parameter."""
        if method is not None and not isinstance(method, BasePruningMethod):
            raise TypeError(f"{type(method)} is not a BasePruningMethod subclass")
        if method is not None and self._tensor_name != method._tensor_name:
            raise ValueError(
                "Can only add pruning methods acting on the parameter named "
                f"'{self._tensor_name}' to PruningContainer {self}. Found "
                f"'{method._tensor_name}'"
            )
        self._pruning_methods = (*self._pruning_methods, method)

    def __len__(self) -> int:
        return len(self._pruning_methods)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._pruning_methods)

    def __getitem__(self, idx: Any) -> Any:
        return self._pruning_methods[idx]

    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        """The last method's mask, of what the earlier ones have left."""
        method = self._pruning_methods[-1]
        mask = default_mask.to(t.dtype)
        if method.PRUNING_TYPE == "unstructured":
            part: Any = mask == 1
        elif method.PRUNING_TYPE == "structured":
            dim = method.dim % t.ndim
            rest = tuple(d for d in range(t.ndim) if d != dim)
            part = (*[slice(None)] * dim, mask.sum(rest) != 0)
        elif method.PRUNING_TYPE == "global":
            part = (slice(None),) * t.ndim
        else:
            raise ValueError(f"Unrecognized PRUNING_TYPE {method.PRUNING_TYPE}")
        new = mask.clone()
        found = method.compute_mask(t[part], default_mask=mask[part])
        new[part] = found.to(new.dtype)
        return new


# -- how many --------------------------------------------------------------------------


def _check_amount(amount: Any) -> None:
    if not isinstance(amount, Real):
        raise TypeError(f"Invalid type for amount: {amount}. Must be int or float.")
    high = float("inf") if isinstance(amount, Integral) else 1.0
    if not 0 <= float(amount) <= high:
        raise ValueError(
            f"amount={amount} should either be a float in the range [0, 1] or a "
            "non-negative integer"
        )


def _count(amount: Any, n: int) -> int:
    """How many of *n* are pruned."""
    if not isinstance(amount, Integral):
        return round(float(amount) * n)
    if int(amount) > n:
        raise ValueError(
            f"amount={amount} should be smaller than the number of parameters to "
            f"prune={n}"
        )
    return int(amount)


class _Some(BasePruningMethod):
    def __init__(self, amount: Any) -> None:
        _check_amount(amount)
        self.amount = amount


class _Channels(_Some):
    """Whole slices of one dimension."""

    PRUNING_TYPE = "structured"

    def __init__(self, amount: Any, dim: int = -1) -> None:
        super().__init__(amount)
        self.dim = dim

    def _numbers(self, t: Any) -> tuple[int, int]:
        """How many slices there are, and how many are pruned."""
        if t.ndim <= 1:
            raise ValueError(
                "Structured pruning can only be applied to multidimensional tensors. "
                f"Found tensor of shape {t.shape} with {t.ndim} dims"
            )
        if self.dim >= t.ndim:
            raise IndexError(f"Invalid index {self.dim} for tensor of size {t.shape}")
        n = t.shape[self.dim]
        return n, _count(self.amount, n)

    def _mask(self, t: Any, kept: Any, default_mask: Any) -> Any:
        mask = zeros_like(t)
        mask[(*[slice(None)] * (self.dim % t.ndim), kept)] = 1
        return mask * default_mask.to(mask.dtype)


class Identity(BasePruningMethod):
    """Nothing is pruned."""

    PRUNING_TYPE = "unstructured"

    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        return default_mask


class RandomUnstructured(_Some):
    """Elements by chance."""

    PRUNING_TYPE = "unstructured"

    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        mask = default_mask.clone()
        n = _count(self.amount, t.numel())
        if n:
            chosen = rand(t.numel()).topk(n).indices
            mask.view(-1)[chosen] = 0
        return mask


class L1Unstructured(_Some):
    """The elements of the smallest absolute value."""

    PRUNING_TYPE = "unstructured"

    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        mask = default_mask.clone()
        n = _count(self.amount, t.numel())
        if n:
            chosen = t.abs().reshape(-1).topk(n, largest=False).indices
            mask.view(-1)[chosen] = 0
        return mask


class RandomStructured(_Channels):
    """Slices of a dimension by chance."""

    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        n, pruned = self._numbers(t)
        if not pruned:
            return default_mask
        return self._mask(t, rand(n).topk(n - pruned).indices, default_mask)


class LnStructured(_Channels):
    """The slices of a dimension of the smallest norm of order *n*."""

    def __init__(self, amount: Any, n: Any, dim: int = -1) -> None:
        super().__init__(amount, dim)
        self.n = n

    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        n, pruned = self._numbers(t)
        if not pruned:
            return default_mask
        rest = tuple(d for d in range(t.ndim) if d != self.dim % t.ndim)
        kept = t.norm(self.n, rest).topk(n - pruned).indices
        return self._mask(t, kept, default_mask)


class CustomFromMask(BasePruningMethod):
    """A mask that is given."""

    PRUNING_TYPE = "global"

    def __init__(self, mask: Any) -> None:
        self.mask = mask

    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        if default_mask.shape != self.mask.shape:
            raise AssertionError(
                f"the mask has shape {self.mask.shape}, and what it prunes "
                f"{default_mask.shape}"
            )
        return default_mask * self.mask.to(default_mask.dtype)


# -- functions -------------------------------------------------------------------------


def identity(module: Any, name: str) -> Any:
    """A mask of ones."""
    Identity.apply(module, name)
    return module


def random_unstructured(module: Any, name: str, amount: Any) -> Any:
    """Prune elements by chance: a number of them, or a share."""
    RandomUnstructured.apply(module, name, amount)
    return module


def l1_unstructured(
    module: Any, name: str, amount: Any, importance_scores: Any = None
) -> Any:
    """Prune the elements of the smallest absolute value (or score).

    >>> import retrograd as rg
    >>> layer = l1_unstructured(rg.nn.Linear(4, 5), "weight", amount=0.25)
    >>> int((layer.weight == 0).sum())
    5
    """
    L1Unstructured.apply(module, name, amount, importance_scores=importance_scores)
    return module


def random_structured(module: Any, name: str, amount: Any, dim: int) -> Any:
    """Prune slices of a dimension by chance."""
    RandomStructured.apply(module, name, amount, dim)
    return module


def ln_structured(
    module: Any, name: str, amount: Any, n: Any, dim: int, importance_scores: Any = None
) -> Any:
    """Prune the slices of a dimension of the smallest norm of order *n*."""
    LnStructured.apply(
        module, name, amount, n, dim, importance_scores=importance_scores
    )
    return module


def custom_from_mask(module: Any, name: str, mask: Any) -> Any:
    """Prune where *mask* is 0."""
    CustomFromMask.apply(module, name, mask)
    return module


def global_unstructured(
    parameters: Any, pruning_method: Any, importance_scores: Any = None, **kwargs: Any
) -> None:
    """Prune several parameters, (module, name) pairs, as if they were one vector."""
    if not isinstance(parameters, Iterable):
        raise TypeError("global_unstructured(): parameters is not an Iterable")
    scores = {} if importance_scores is None else importance_scores
    if not isinstance(scores, dict):
        raise TypeError("global_unstructured(): importance_scores must be of type dict")
    pairs = list(parameters)
    method = pruning_method(**kwargs)
    if method.PRUNING_TYPE != "unstructured":
        raise TypeError(
            'Only "unstructured" PRUNING_TYPE supported for the `pruning_method`. Found '
            f"method {pruning_method} of type {method.PRUNING_TYPE}"
        )
    container = PruningContainer()
    container._tensor_name = method._tensor_name = "temp"
    container.add_pruning_method(method)
    with no_grad():
        given = [scores.get((m, name), getattr(m, name)) for m, name in pairs]
        masks = [
            getattr(m, f"{name}_mask", ones_like(getattr(m, name))) for m, name in pairs
        ]
        mask = container.compute_mask(
            parameters_to_vector(given).detach(), parameters_to_vector(masks)
        )
    start = 0
    for module, name in pairs:
        weight = getattr(module, name)
        end = start + weight.numel()
        custom_from_mask(module, name, mask[start:end].view(weight.shape))
        start = end


def remove(module: Any, name: str) -> Any:
    """Make a pruned tensor a parameter again, with zeros where it is pruned."""
    found = find(module, BasePruningMethod, name)
    if found is None:
        raise ValueError(
            f"Parameter '{name}' of module {module} has to be pruned before pruning can "
            "be removed"
        )
    found.remove(module)
    drop(module, found)
    return module


def is_pruned(module: Any) -> bool:
    """Whether any tensor of the module, or of one below it, is pruned."""
    return any(find(m, BasePruningMethod) is not None for m in module.modules())
