"""Weights of a given norm, or orthogonal, as functions of what is learned."""

from __future__ import annotations

from typing import Any

from ... import linalg
from ...autograd import no_grad
from ...dtypes import finfo
from ...functions.create import eye
from ...functions.decompositions import geqrf
from ...functions.joining import cat
from ...functions.random import randn
from ...functions.rearrange import diag_embed
from ...tensor import Tensor
from ..functional.norm import normalize
from ..module import Module
from ..modules import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from .norms import matrix_of, norm_except_dim, power_step, with_norm
from .parametrize import register_parametrization

__all__ = ["orthogonal", "spectral_norm", "weight_norm"]

_MAPS = ("matrix_exp", "cayley", "householder")


def _tensor_of(module: Any, name: str) -> Any:
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise ValueError(
            f"Module '{module}' has no parameter or buffer with name '{name}'"
        )
    return weight


def dim_of_outputs(module: Any) -> int:
    """Which dimension of a module's weight counts its outputs."""
    kinds = (ConvTranspose1d, ConvTranspose2d, ConvTranspose3d)
    return 1 if isinstance(module, kinds) else 0


# -- orthogonal ------------------------------------------------------------------------


def _is_orthogonal(q: Any) -> bool:
    n, k = q.shape[-2:]
    away = (q.mT @ q - eye(k, dtype=q.dtype)).abs()
    return bool((away <= 10.0 * n * finfo(q.dtype).eps).all())


def _orthogonalized(a: Any) -> Any:
    """The Q of A = Q R with a positive diagonal of R."""
    reflectors, tau = geqrf(a)
    q = linalg.householder_product(reflectors, tau)
    return q * reflectors.diagonal(dim1=-2, dim2=-1).sgn().unsqueeze(-2)


class _Orthogonal(Module):
    """Q with orthonormal columns (rows, if it is wide), from a matrix without bounds."""

    base: Any

    def __init__(
        self, weight: Any, orthogonal_map: str, use_trivialization: bool = True
    ) -> None:
        super().__init__()
        self.shape, self.orthogonal_map = weight.shape, orthogonal_map
        if use_trivialization:
            self.register_buffer("base", None)

    def forward(self, X: Any) -> Any:
        wide = X.shape[-2] < X.shape[-1]
        x = X.mT if wide else X
        n, k = x.shape[-2:]
        if self.orthogonal_map == "householder":
            a = x.tril(-1)
            tau = 2.0 / (1.0 + (a * a).sum(-2))
            q = linalg.householder_product(a, tau)
            q = q * x.diagonal(dim1=-2, dim2=-1).int().unsqueeze(-2)
        else:
            x = x.tril()
            if n != k:
                rest = x.new_zeros((*x.shape[:-2], n, n - k))
                x = cat([x, rest], -1)
            a = x - x.mT  # skew: both maps make it a rotation
            if self.orthogonal_map == "matrix_exp":
                q = linalg.matrix_exp(a)
            else:
                one = eye(n, dtype=a.dtype)
                q = linalg.solve(one - a / 2, one + a / 2)
            if n != k:
                q = q[..., :k]
        if hasattr(self, "base"):
            q = self.base @ q
        return q.mT if wide else q

    def right_inverse(self, Q: Any) -> Any:
        if Q.shape != self.shape:
            raise ValueError(
                f"Expected a matrix or batch of matrices of shape {self.shape}. Got a "
                f"tensor of shape {Q.shape}."
            )
        wide = Q.shape[-2] < Q.shape[-1]
        with no_grad():
            q = Q.mT if wide else Q
            if hasattr(self, "base"):
                return self._rebased(q, Q.shape)
            if self.orthogonal_map != "householder":
                raise NotImplementedError(
                    "It is not possible to assign to the matrix exponential or the Cayley "
                    "parametrizations when use_trivialization=False."
                )
            a, tau = geqrf(q)
            sign = a.diagonal(dim1=-2, dim2=-1).sign()
            sign = sign * (1.0 - 2.0 * (tau == 0.0).to(sign.dtype))
            a = a.tril(-1) + a.triu(1) + _diagonal(sign, a.shape)
            return a.mT if wide else a

    def _rebased(self, q: Any, shape: Any) -> Any:
        """Make *q* the base; the map's argument becomes −I, which it takes to I."""
        n, k = q.shape[-2:]
        if n != k:
            more = randn(*q.shape[:-2], n, n - k, dtype=q.dtype)
            q = _orthogonalized(cat([q, more], -1))
        elif not _is_orthogonal(q):
            q = _orthogonalized(q)
        self.base = q.detach().clone()
        least = q.new_ones((*shape[:-2], min(shape[-2:])))
        return _diagonal(-least, shape)


def _diagonal(values: Any, shape: Any) -> Any:
    """A matrix of that shape with *values* on its diagonal."""
    *batch, n, k = shape
    m = values.shape[-1]
    out = diag_embed(values)
    if n > m:
        out = cat([out, values.new_zeros((*batch, n - m, m))], -2)
    if k > m:
        out = cat([out, values.new_zeros((*batch, n, k - m))], -1)
    return out


def orthogonal(
    module: Any,
    name: str = "weight",
    orthogonal_map: str | None = None,
    *,
    use_trivialization: bool = True,
) -> Any:
    """W with orthonormal columns, or rows if it is wide: W = B f(A), f a map from
    matrices without bounds, A learned and B fixed (Lezcano-Casado, 2019).

    *orthogonal_map*: "matrix_exp", e^(A − Aᵀ), "cayley", (I − A/2)⁻¹ (I + A/2) of the
    skew part, or "householder", a product of reflections; the first for square
    matrices and the last for others unless it is given. Without *use_trivialization* B
    is left out.
    """
    weight = _tensor_of(module, name)
    if weight.ndim < 2:
        raise ValueError(
            f"Expected a matrix or batch of matrices. Got a tensor of {weight.ndim} "
            "dimensions."
        )
    if orthogonal_map is None:
        square = weight.shape[-2] == weight.shape[-1]
        orthogonal_map = "matrix_exp" if square else "householder"
    if orthogonal_map not in _MAPS:
        raise ValueError(
            'orthogonal_map has to be one of "matrix_exp", "cayley", "householder". Got: '
            f"{orthogonal_map}"
        )
    how = _Orthogonal(weight, orthogonal_map, use_trivialization)
    return register_parametrization(module, name, how, unsafe=True)


# -- norms -----------------------------------------------------------------------------


class _WeightNorm(Module):
    def __init__(self, dim: int | None = 0) -> None:
        super().__init__()
        self.dim = -1 if dim is None else dim

    def forward(self, weight_g: Any, weight_v: Any) -> Any:
        return with_norm(weight_v, weight_g, self.dim)

    def right_inverse(self, weight: Any) -> Any:
        return norm_except_dim(weight, 2, self.dim), weight


def weight_norm(module: Any, name: str = "weight", dim: int | None = 0) -> Any:
    """W = g v/‖v‖, a norm g for each index of *dim* (one for all of W if it is None),
    g and v learned (Salimans and Kingma, 2016).

    They are ``parametrizations.<name>.original0`` and ``original1``; state dicts of the
    older ``nn.utils.weight_norm`` load as well.

    >>> import retrograd as rg
    >>> layer = rg.nn.utils.parametrizations.weight_norm(rg.nn.Linear(20, 40))
    >>> layer.parametrizations.weight.original0.shape
    retrograd.Size([40, 1])
    """
    register_parametrization(module, name, _WeightNorm(dim), unsafe=True)

    module.register_load_state_dict_pre_hook(_Renamed(name))
    return module


class _Renamed:
    """Lets state dicts of the older weight_norm load."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, module: Any, state_dict: Any, prefix: str, *rest: Any) -> None:
        old = [f"{prefix}{self.name}_{part}" for part in "gv"]
        if all(key in state_dict for key in old):
            for i, key in enumerate(old):
                new = f"{prefix}parametrizations.{self.name}.original{i}"
                state_dict[new] = state_dict.pop(key)


class _SpectralNorm(Module):
    _u: Any
    _v: Any

    def __init__(
        self, weight: Any, n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12
    ) -> None:
        super().__init__()
        n = weight.ndim
        if not -n <= dim < n:
            raise IndexError(
                f"Dimension out of range (expected to be in range of [-{n}, {n - 1}] but "
                f"got {dim})"
            )
        if n_power_iterations <= 0:
            raise ValueError(
                "Expected n_power_iterations to be positive, but got "
                f"n_power_iterations={n_power_iterations}"
            )
        self.dim, self.eps = dim % n, eps
        if n > 1:
            self.n_power_iterations = n_power_iterations
            w = matrix_of(weight.detach(), self.dim)
            for name, size in zip(("_u", "_v"), w.shape, strict=True):
                start = normalize(randn(size, dtype=w.dtype), dim=0, eps=eps)
                self.register_buffer(name, start.detach())
            self._iterate(w, 15)

    def _iterate(self, w: Any, n: int) -> tuple[Any, Any]:
        """*n* steps of the power method, which the buffers remember."""
        with no_grad():
            u, v = self._u, self._v
            for _ in range(n):
                u = power_step(w, v, self.eps)
                v = power_step(w.mT, u, self.eps)
            self._u.copy_(u)
            self._v.copy_(v)
        return u, v

    def forward(self, weight: Any) -> Any:
        if weight.ndim == 1:
            return normalize(weight, dim=0, eps=self.eps)
        w = matrix_of(weight, self.dim)
        u, v = self._u, self._v
        if self.training:
            u, v = self._iterate(w.detach(), self.n_power_iterations)
        return weight / (u.clone() * (w @ v.clone())).sum()

    def right_inverse(self, value: Any) -> Any:
        return value


def spectral_norm(
    module: Any,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> Any:
    """W/σ(W), σ the largest singular value of W as a matrix of its dimension *dim*
    against the others, found by power iterations, some at each training forward
    (Miyato et al., 2018)."""
    weight = _tensor_of(module, name)
    if dim is None:
        dim = dim_of_outputs(module)
    how = _SpectralNorm(weight, n_power_iterations, dim, eps)
    return register_parametrization(module, name, how)
