"""Linear algebra on PyTorch's own sample inputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import op_tables
import retrograd as rg

torch: Any = pytest.importorskip(
    "torch", reason="comparisons with PyTorch are skipped: it is not installed"
)
# names that PyTorch keeps for old programs, and warns of
pytestmark = pytest.mark.filterwarnings(
    "ignore:(Using )?torch\\.[a-z_]+ (is deprecated|without)"
)

NAMES = """
matmul mm mv bmm dot vdot inner outer addmm addmv addr addbmm baddbmm einsum tensordot
kron trace cross cdist linalg.cross linalg.vecdot linalg.multi_dot linalg.diagonal
linalg.vander linalg.cholesky linalg.cholesky_ex linalg.cond linalg.det linalg.eigvalsh
linalg.householder_product linalg.inv linalg.inv_ex linalg.lstsq linalg.lu
linalg.lu_factor linalg.lu_factor_ex linalg.lu_solve linalg.matrix_power
linalg.matrix_rank linalg.qr linalg.slogdet linalg.solve linalg.solve_ex
linalg.solve_triangular linalg.svdvals linalg.tensorinv linalg.tensorsolve cholesky cholesky_solve
cholesky_inverse logdet lu lu_solve lu_unpack matrix_exp ormqr geqrf pinverse qr triangular_solve
""".split()

#: of which PyTorch differentiates both triangles of the factor, though it reads one
SYMMETRIC = ["cholesky_inverse", "cholesky_solve"]


@pytest.mark.parametrize("name", NAMES)
def test_values_and_derivatives(name: str) -> None:
    order = 0 if name in SYMMETRIC else 2
    assert op_tables.check(name, torch.float64, most=3, order=order)


@pytest.mark.parametrize("name", SYMMETRIC)
def test_gradient_of_a_triangle(name: str) -> None:
    """Only the lower triangle is read, so only it has a gradient: finite differences
    agree. (PyTorch's gradient is symmetric there.)"""
    rng = np.random.default_rng(0)
    low = np.tril(rng.normal(size=(3, 3))) + 3 * np.eye(3)
    b = rg.tensor(rng.normal(size=(3, 2)))

    def f(x: Any) -> Any:
        if name == "cholesky_inverse":
            return rg.cholesky_inverse(x)
        return rg.cholesky_solve(b, x)

    assert rg.autograd.gradcheck(f, [rg.tensor(low, requires_grad=True)])
    t = torch.tensor(low, requires_grad=True)
    x = rg.tensor(low, requires_grad=True)
    seed = rng.normal(size=f(x).shape)
    theirs = (
        torch.cholesky_inverse(t)
        if name == "cholesky_inverse"
        else torch.cholesky_solve(torch.tensor(b.numpy()), t)
    )
    theirs.backward(torch.tensor(seed))
    f(x).backward(rg.tensor(seed))
    np.testing.assert_allclose(x.grad.numpy(), t.grad.tril().numpy(), rtol=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_single_precision(name: str) -> None:
    # conditions of the samples times the precision
    assert op_tables.check(name, torch.float32, most=1, order=0, rtol=1e-3)


WHOLE = """
matmul mm mv bmm dot vdot inner outer addmm addmv addr addbmm baddbmm einsum tensordot
kron trace linalg.cross linalg.multi_dot linalg.diagonal linalg.vander
""".split()


@pytest.mark.parametrize("name", WHOLE)
def test_whole_numbers(name: str) -> None:
    assert op_tables.check(name, torch.int64, most=2, order=0)


@pytest.mark.parametrize("name", ["dot", "vdot", "ormqr", "trace", "linalg.cross",
                                  "linalg.diagonal", "linalg.lstsq"])  # fmt: skip
def test_refusals_of_the_tables(name: str) -> None:
    op_tables.check_refusals(name)


# -- factors that are determined up to signs -------------------------------------------


def _sums(lib: Any, name: str, a: Any) -> list[Any]:
    """What does not depend on the signs of the vectors."""
    if name == "eigh":
        values, q = lib.linalg.eigh(a + a.mT)
        return [values, q @ (values.exp().unsqueeze(-1) * q.mT), q.abs()]
    if name == "pinv":
        return [lib.linalg.pinv(a), lib.linalg.pinv(a @ a.mT, hermitian=True)]
    if name == "eigvalsh":
        return [lib.linalg.eigvalsh(a, UPLO="U")]
    if name == "svd":
        u, s, v = lib.linalg.svd(a, full_matrices=False)
        return [s, u @ (s.sin().unsqueeze(-1) * v), u.abs(), v.abs()]
    return [lib.linalg.svdvals(a)]


@pytest.mark.parametrize("shape", [(3, 3), (2, 4, 4), (1, 1), (0, 3, 3), (0, 0)])
@pytest.mark.parametrize("name", ["eigh", "eigvalsh", "svd", "svdvals", "pinv"])
def test_factors(name: str, shape: tuple[int, ...]) -> None:
    shapes = [shape]
    if name in ("svd", "svdvals", "pinv"):
        shapes += [
            (*shape[:-1], shape[-1] + 2),
            (*shape[:-2], shape[-2] + 2, shape[-1]),
        ]
    for s in shapes:
        torch.manual_seed(1)
        a = torch.randn(s, dtype=torch.float64, requires_grad=True)
        sample = op_tables.Sample(a)
        op_tables.compare(
            lambda x: _sums(rg, name, x), lambda x: _sums(torch, name, x), sample
        )


# -- what is refused --------------------------------------------------------------------


def _m(lib: Any, *shape: int, kind: str = "float64", fill: str = "eye") -> Any:
    """A tensor of this shape: ones, zeros or the unit matrix."""
    dtype = getattr(lib, kind)
    if fill == "eye":
        return lib.eye(*shape[-2:], dtype=dtype).expand(*shape).clone()
    return getattr(lib, fill)(shape, dtype=dtype)


REFUSED: dict[str, Any] = {
    "inv of a rectangle": lambda t: t.linalg.inv(_m(t, 2, 3)),
    "inv of zeros": lambda t: t.linalg.inv(_m(t, 2, 2, fill="zeros")),
    "inv of whole numbers": lambda t: t.linalg.inv(_m(t, 2, 2, kind="int64")),
    "inv of a vector": lambda t: t.linalg.inv(_m(t, 2, fill="ones")),
    "det of a rectangle": lambda t: t.linalg.det(_m(t, 2, 3)),
    "det of whole numbers": lambda t: t.linalg.det(_m(t, 2, 2, kind="int64")),
    "slogdet of a rectangle": lambda t: t.linalg.slogdet(_m(t, 2, 3)),
    "solve with zeros": lambda t: t.linalg.solve(_m(t, 2, 2, fill="zeros"), _m(t, 2, 2)),
    "solve of two types": lambda t: t.linalg.solve(_m(t, 2, 2), _m(t, 2, 2, kind="float32")),
    "solve of shapes apart": lambda t: t.linalg.solve(_m(t, 2, 2), _m(t, 3, 2)),
    "solve of a rectangle": lambda t: t.linalg.solve(_m(t, 2, 3), _m(t, 2, 2)),
    "triangular, which": lambda t: t.linalg.solve_triangular(_m(t, 2, 2), _m(t, 2, 2)),
    "triangular, a rectangle": lambda t: t.linalg.solve_triangular(
        _m(t, 2, 3), _m(t, 2, 2), upper=True
    ),
    "cholesky of zeros": lambda t: t.linalg.cholesky(_m(t, 2, 2, fill="zeros")),
    "cholesky of a rectangle": lambda t: t.linalg.cholesky(_m(t, 2, 3)),
    "cholesky of a vector": lambda t: t.linalg.cholesky(_m(t, 3, fill="ones")),
    "qr, mode": lambda t: t.linalg.qr(_m(t, 2, 2), "whole"),
    "qr of a vector": lambda t: t.linalg.qr(_m(t, 2, fill="ones")),
    "eigh of a rectangle": lambda t: t.linalg.eigh(_m(t, 2, 3)),
    "eigh, triangle": lambda t: t.linalg.eigh(_m(t, 2, 2), UPLO="X"),
    "svd of a vector": lambda t: t.linalg.svd(_m(t, 2, fill="ones")),
    "svd of NaN": lambda t: t.linalg.svd(_m(t, 2, 2) * float("nan")),
    "lstsq of shapes apart": lambda t: t.linalg.lstsq(_m(t, 2, 2), _m(t, 3, 2)),
    "lstsq, driver": lambda t: t.linalg.lstsq(_m(t, 2, 2), _m(t, 2, 2), driver="x"),
    "matrix_power of a rectangle": lambda t: t.linalg.matrix_power(_m(t, 2, 3), 2),
    "matrix_power, no inverse": lambda t: t.linalg.matrix_power(
        _m(t, 2, 2, fill="zeros"), -1
    ),
    "matrix_exp of a rectangle": lambda t: t.linalg.matrix_exp(_m(t, 2, 3)),
    "multi_dot of one": lambda t: t.linalg.multi_dot([_m(t, 2, 2)]),
    "multi_dot of shapes apart": lambda t: t.linalg.multi_dot([_m(t, 2, 3), _m(t, 2, 3)]),
    "cross of length 2": lambda t: t.linalg.cross(_m(t, 2, 2), _m(t, 2, 2)),
    "matrix_norm of a vector": lambda t: t.linalg.matrix_norm(_m(t, 2, fill="ones")),
    "matrix_norm, order": lambda t: t.linalg.matrix_norm(_m(t, 2, 2), 3),
    "norm, order": lambda t: t.linalg.norm(_m(t, 2, fill="ones"), "fro"),
    "vector_norm of nothing": lambda t: t.linalg.vector_norm(
        _m(t, 0, fill="ones"), float("inf")
    ),
    "cond of a vector": lambda t: t.linalg.cond(_m(t, 2, fill="ones")),
    "cond, order": lambda t: t.linalg.cond(_m(t, 2, 2), 5),
    "matrix_rank of a vector": lambda t: t.linalg.matrix_rank(_m(t, 2, fill="ones")),
    "pinv of a vector": lambda t: t.linalg.pinv(_m(t, 2, fill="ones")),
    "tensorinv": lambda t: t.linalg.tensorinv(_m(t, 2, 3), ind=1),
    "tensorinv, ind": lambda t: t.linalg.tensorinv(_m(t, 2, 2), ind=0),
    "tensorsolve": lambda t: t.linalg.tensorsolve(_m(t, 2, 3), _m(t, 2, fill="ones")),
    "vander, N": lambda t: t.linalg.vander(_m(t, 2, fill="ones"), N=1),
    "matmul of shapes apart": lambda t: t.matmul(_m(t, 2, 3), _m(t, 2, 3)),
    "matmul of numbers": lambda t: t.matmul(t.tensor(1.0), t.tensor(1.0)),
    "matmul of two types": lambda t: t.matmul(_m(t, 2, 2), _m(t, 2, 2, kind="float32")),
    "mm of vectors": lambda t: t.mm(_m(t, 2, fill="ones"), _m(t, 2, 2)),
    "mv of shapes apart": lambda t: t.mv(_m(t, 2, 3), _m(t, 2, fill="ones")),
    "bmm of matrices": lambda t: t.bmm(_m(t, 2, 2), _m(t, 2, 2)),
    "bmm of shapes apart": lambda t: t.bmm(_m(t, 2, 2, 2), _m(t, 3, 2, 2)),
    "dot of matrices": lambda t: t.dot(_m(t, 2, 2), _m(t, 2, 2)),
    "outer of matrices": lambda t: t.outer(_m(t, 2, 2), _m(t, 2, fill="ones")),
    "addmm of shapes apart": lambda t: t.addmm(_m(t, 3, 3), _m(t, 2, 2), _m(t, 2, 2)),
    "einsum, letters": lambda t: t.einsum("ij,jk->iz", _m(t, 2, 2), _m(t, 2, 2)),
    "einsum, operands": lambda t: t.einsum("ij,jk", _m(t, 2, 2)),
    "einsum, dimensions": lambda t: t.einsum("ijk->i", _m(t, 2, 2)),
    "einsum, sizes": lambda t: t.einsum("ij,jk", _m(t, 2, 3), _m(t, 2, 2)),
    "tensordot, sizes": lambda t: t.tensordot(_m(t, 2, 3), _m(t, 2, 3), 1),
    "tensordot, dims": lambda t: t.tensordot(_m(t, 2, 3), _m(t, 2, 3), 3),
    "trace of a cube": lambda t: t.trace(_m(t, 2, 2, 2)),
    "cdist of shapes apart": lambda t: t.cdist(_m(t, 2, 3), _m(t, 2, 2)),
    "cdist, p": lambda t: t.cdist(_m(t, 2, 2), _m(t, 2, 2), p=-1),
    "chain_matmul of a vector": lambda t: t.chain_matmul(_m(t, 2, 2), _m(t, 2, fill="ones")),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.filterwarnings("ignore:torch.chain_matmul is deprecated")
def test_refusals(case: str) -> None:
    with pytest.raises(Exception) as theirs:
        REFUSED[case](torch)
    with pytest.raises(Exception) as mine:
        out = REFUSED[case](rg)
        for o in op_tables.flat(out):
            o.tolist()
    kinds = {"LinAlgError", "RuntimeError", "IndexError", "TypeError", "ValueError"}
    a, b = (
        type(mine.value).__name__.lstrip("_"),
        type(theirs.value).__name__.lstrip("_"),
    )
    assert a == b, f"{mine.value!r}\n{theirs.value!r}"
    assert a in kinds


# -- matrices without factors -----------------------------------------------------------

WITHOUT: dict[str, Any] = {
    "lu_factor_ex": lambda t, a: t.linalg.lu_factor_ex(a).info,
    "ldl_factor_ex": lambda t, a: t.linalg.ldl_factor_ex(a).info,
    "cholesky_ex": lambda t, a: t.linalg.cholesky_ex(a).info,
    "upper": lambda t, a: t.linalg.cholesky_ex(a, upper=True).info,
    "inv_ex": lambda t, a: t.linalg.inv_ex(a).info,
    "solve_ex": lambda t, a: t.linalg.solve_ex(a, a[..., 0]).info,
    "lu": lambda t, a: t.lu(a, get_infos=True)[2],
}


@pytest.mark.parametrize("name", WITHOUT)
def test_which_matrices_have_no_factors(name: str) -> None:
    """Also of a function that is mapped over a batch: nothing is read."""
    rng = np.random.default_rng(0)
    a = rng.normal(size=(5, 3, 3))
    a = a @ a.transpose(0, 2, 1)
    a[1], a[2, 1], a[2, :, 1], a[3, :, 0], a[3, 0] = 0, 0, 0, 0, 0
    f = WITHOUT[name]
    theirs = f(torch, torch.tensor(a))
    ours = [f(rg, rg.tensor(a)), rg.vmap(lambda a: f(rg, a))(rg.tensor(a))]
    for info in (*ours, f(rg, rg.tensor(a[:0]))):
        assert info.dtype is rg.int32
    for info in ours:
        assert info.tolist() == theirs.tolist()


@pytest.mark.parametrize("name", ["lu_factor", "ldl_factor", "inv_ex", "solve_ex",
                                  "cholesky_ex"])  # fmt: skip
def test_a_matrix_without_factors_is_an_error(name: str) -> None:
    def call(lib: Any, a: Any) -> Any:
        words = {"check_errors": True} if name.endswith("_ex") else {}
        more = [a] if name == "solve_ex" else []
        return getattr(lib.linalg, name)(a, *more, **words)[0]

    for lib in (rg, torch):
        if lib is torch and name == "ldl_factor":
            continue  # it says that this is a defect of its own
        with pytest.raises(RuntimeError, match="singular|zero|not positive"):
            call(lib, lib.zeros(2, 3, 3))
        assert call(lib, lib.zeros(2, 0, 0)).shape == (2, 0, 0)
    with pytest.raises(rg.linalg.LinAlgError):
        rg.vmap(lambda a: call(rg, a))(rg.zeros(2, 3, 3)).tolist()


def test_symmetric_systems_without_rows_or_columns() -> None:
    for b, n in (((0, 5), 0), ((3, 0, 2), 0), ((2, 3, 0), 3)):
        for lib in (rg, torch):
            LD, pivots = lib.linalg.ldl_factor(lib.eye(n))
            assert lib.linalg.ldl_solve(LD, pivots, lib.ones(b)).shape == b


@pytest.mark.parametrize(
    "shape", [(0, 0), (0, 3), (3, 0), (2, 0, 3), (0, 2, 2)], ids=str
)
def test_norms_of_empty_matrices(shape: tuple[int, ...]) -> None:
    for order in (None, 1, -1, 2, -2, float("inf"), float("-inf"), "fro", "nuc"):
        for keepdim in (False, True):
            found = []
            for lib in (rg, torch):
                words = {} if order is None else {"ord": order}
                try:
                    out = lib.linalg.matrix_norm(
                        lib.ones(shape), keepdim=keepdim, **words
                    )
                    found.append(out.tolist())
                except (IndexError, RuntimeError):
                    found.append("refused")
            assert found[0] == found[1], order
