"""``out=``: the result written into a tensor that is there already."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any

from .. import errors
from ..refusals import explained
from ..trace import Handle, is_tensor

#: Functions of the package and of ``special`` with ``out=``, beside those that take it
#: by themselves. They get it where they are exported: inside the library nobody uses
#: it, and tensors' methods have none.
WITH_OUT = frozenset(
    """
    abs absolute acos arccos acosh arccosh add addbmm addcdiv addcmul addmm addmv addr
    all any amax amin angle argmax argmin argsort asin arcsin asinh arcsinh atan arctan
    atan2 arctan2 atanh arctanh baddbmm bernoulli bitwise_and bitwise_left_shift
    bitwise_not bitwise_or bitwise_right_shift bitwise_xor bmm ceil chain_matmul
    cholesky cholesky_inverse cholesky_solve clamp clamp_max clamp_min clip
    conj_physical copysign cos cosh cross cummax cummin cumprod cumsum deg2rad diag diff
    digamma div divide dot eq erf erfc erfinv exp exp2 expm1 fix float_power floor
    floor_divide fmax fmin fmod frac frexp gcd ge geqrf ger greater greater_equal gt
    heaviside histc histogram hypot i0 igamma igammac inner inverse isneginf isposinf
    kron kthvalue lcm ldexp le lerp less less_equal lgamma log log10 log1p log2
    log_softmax logaddexp logaddexp2 logcumsumexp logical_and logical_not logical_or
    logical_xor logit logsumexp lt lu lu_solve lu_unpack matmul matrix_power max maximum
    mean median min minimum mm mode msort mul multinomial multiply mv mvlgamma
    nan_to_num nanmean nanmedian nanquantile nansum ne neg negative nextafter norm
    not_equal orgqr ormqr outer polygamma pow prod qr quantile rad2deg reciprocal
    remainder renorm round rsqrt sgn sigmoid sign signbit sin sinc sinh slice_scatter
    softmax sort sqrt square std sub subtract sum svd tan tanh tensordot topk
    triangular_solve tril triu true_divide trunc var vdot where xlogy

    bessel_j0 bessel_j1 bessel_y0 bessel_y1 chebyshev_polynomial_t
    chebyshev_polynomial_u chebyshev_polynomial_v chebyshev_polynomial_w entr erfcx
    airy_ai expit gammainc gammaincc gammaln hermite_polynomial_h hermite_polynomial_he i0e i1
    i1e laguerre_polynomial_l legendre_polynomial_p log_ndtr modified_bessel_i0
    modified_bessel_i1 modified_bessel_k0 modified_bessel_k1 multigammaln ndtr ndtri psi
    scaled_modified_bessel_k0 scaled_modified_bessel_k1 shifted_chebyshev_polynomial_t
    shifted_chebyshev_polynomial_u shifted_chebyshev_polynomial_v
    shifted_chebyshev_polynomial_w spherical_bessel_j0 xlog1py zeta
    """.split()
)
#: those of ``linalg``
LINALG = frozenset(
    """
    cholesky cholesky_ex cond cross det eigh eigvalsh householder_product
    inv inv_ex ldl_factor ldl_factor_ex ldl_solve lstsq lu lu_factor lu_factor_ex
    lu_solve matmul matrix_norm matrix_power matrix_rank multi_dot norm pinv qr slogdet
    solve solve_ex solve_triangular svd svdvals tensorinv tensorsolve vecdot vector_norm
    """.split()
)
#: functions that cast no result: *out* has its very type
_EXACT = frozenset(
    """
    abs addbmm addmm addmv alias_copy all amax amin aminmax any arange argmax argmin
    as_strided_copy baddbmm bitwise_not bmm bucketize ceil conj_physical cross cumprod
    cumsum det diag diagonal_copy diff dot eigvalsh expand_copy eye float_power floor frac
    full gather heaviside histc index_add index_copy index_reduce index_select inner
    inverse isin isneginf isposinf kthvalue ldl_solve linalg_cross linalg_lu_solve
    linalg_norm linspace log_softmax logcumsumexp logspace lu_solve masked_select matmul
    matrix_norm max median min mm mode msort multi_dot mv nan_to_num nanquantile
    narrow_copy neg nonzero norm ones ormqr permute_copy quantile randn renorm
    round scatter scatter_add scatter_reduce searchsorted sgn sign signbit slice_scatter
    softmax solve solve_triangular squeeze_copy svdvals t_copy take take_along_dim
    tensordot transpose_copy tril triu trunc unfold_copy unsqueeze_copy vdot vecdot
    vector_norm view_copy where zeros
    """.split()
)
#: functions that refuse a type to which the result cannot be cast with a TypeError
_JOINING = frozenset("cat column_stack dstack hstack stack vstack".split())


def write(out: Any, value: Any, name: str) -> Any:
    """*value* in *out*, as PyTorch has it: refused where gradients are wanted or the
    type is of a lower kind; a tensor of another shape takes the new one."""
    if not isinstance(out, Handle):
        raise TypeError(
            f"{name}(): argument 'out' must be Tensor, not {type(out).__name__}"
        )
    target: Any = out
    if name in _EXACT and value.dtype is not target.dtype:
        raise RuntimeError(
            f"{name}(): Expected out tensor to have dtype {value.dtype.name}, but got "
            f"{target.dtype.name} instead\n  at {errors.user_line()}"
        )
    if any(n > 1 and not s for n, s in zip(target.shape, target.stride(), strict=True)):
        raise RuntimeError(
            f"{name}(): more than one element of the tensor 'out' refers to a single "
            f"memory location: use out.clone()\n  at {errors.user_line()}"
        )
    if target.requires_grad or value.requires_grad:
        raise RuntimeError(
            f"{name}(): functions with out=... arguments don't support automatic "
            "differentiation, but one of the arguments requires grad\n"
            f"  at {errors.user_line()}"
        )
    if value.dtype.category > target.dtype.category:
        raise (TypeError if name in _JOINING else RuntimeError)(
            f"result type {value.dtype.name} can't be cast to the desired output type "
            f"{target.dtype.name}\n  at {errors.user_line()}"
        )
    if target.shape != value.shape:
        target.data = value.detach().to(target.dtype).clone()
        return target
    return target._assign(value)


def with_out(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a function that makes one tensor, or several, PyTorch's ``out=``."""
    name, told = function.__name__, explained(function)

    @functools.wraps(function)
    def call(*args: Any, out: Any = None, **kwargs: Any) -> Any:
        value = told(*args, **kwargs)
        if out is None:
            return value
        if not isinstance(value, tuple):
            return write(out, value, name)
        if not isinstance(out, (tuple, list)) or len(out) != len(value):
            raise TypeError(f"{name}(): out must be a tuple of {len(value)} tensors")
        pairs = [write(o, v, name) for o, v in zip(out, value, strict=True)]
        return type(value)(*pairs) if hasattr(value, "_fields") else tuple(pairs)

    call.tells = True  # type: ignore[attr-defined]
    return call


def maker(function: Callable[..., Any]) -> Callable[..., Any]:
    """As :func:`with_out`, for a function that has a *dtype*: that of *out* counts."""
    filled = with_out(function)

    @functools.wraps(function)
    def call(*args: Any, out: Any = None, **kwargs: Any) -> Any:
        if out is None:
            return function(*args, **kwargs)
        if kwargs.get("dtype") is None and is_tensor(out):
            kwargs["dtype"] = out.dtype
        return filled(*args, out=out, **kwargs)

    return call


def give_out(namespace: dict[str, Any], names: Iterable[str]) -> None:
    """Replace the functions of these names by ones with ``out=``."""
    for name in names:
        function = namespace.get(name)
        if function is not None and "out" not in (function.__kwdefaults__ or ()):
            namespace[name] = with_out(function)


__all__ = ["LINALG", "WITH_OUT", "give_out", "maker", "with_out", "write"]
