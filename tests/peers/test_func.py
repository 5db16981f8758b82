"""Transformations of functions beside PyTorch's and JAX's: the same programs in all."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import retrograd as rg
from retrograd.ops.op import probe

torch: Any = pytest.importorskip(
    "torch", reason="comparisons with PyTorch are skipped: it is not installed"
)
importlib.import_module("torch.func")
#: PyTorch warns of what its own forward mode uses
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Attempted to insert a get_attr:UserWarning"),
]
torch.set_num_threads(1)

VECTOR, OTHER, ROWS = probe(3), probe(3, seed=1), probe(4, 3, seed=2)
SQUARE = probe(3, 3, seed=3) + 3 * np.eye(3)

#: functions of one vector, with (lib, x)
FUNCTIONS: dict[str, Callable[[Any, Any], Any]] = {
    "polynomial": lambda lib, x: x**3 - 2 * x**2 + x,
    "softmax": lambda lib, x: lib.softmax(x, -1),
    "log softmax": lambda lib, x: lib.log_softmax(x * 3, 0).sin(),
    "norm": lambda lib, x: x / x.norm(),
    "products": lambda lib, x: lib.outer(x, x.cos()) @ x,
    "prod and max": lambda lib, x: x * x.prod() + x.max(),
    "scans": lambda lib, x: x.cumsum(0) * x.flip(0).cumprod(0),
    "sorted": lambda lib, x: lib.sort(x * x).values * x,
    "indexing": lambda lib, x: lib.stack([x[0] * x[-1], x[1:].sum(), x[[2, 0]].prod()]),
    "in place": lambda lib, x: in_place(x),
    "where": lambda lib, x: lib.where(x > 0, x.exp(), x.sin()),
    "gelu": lambda lib, x: lib.nn.functional.gelu(x),
    "solve": lambda lib, x: lib.linalg.solve(lib.tensor(SQUARE) + lib.diag(x), x),
    "determinant": lambda lib, x: lib.tensor(SQUARE).mul(x).det() * x,
    "cholesky": lambda lib, x: lib.linalg.cholesky(
        lib.outer(x, x) + 2 * lib.eye(3, dtype=x.dtype)
    )[:, 0],
    "eigenvalues": lambda lib, x: lib.linalg.eigvalsh(
        lib.outer(x, x) + lib.diag(x + lib.tensor([0.0, 3.0, 6.0], dtype=x.dtype))
    ),
    "einsum": lambda lib, x: lib.einsum("i,ij,j->j", x, lib.tensor(SQUARE), x),
    "convolution": lambda lib, x: lib.nn.functional.conv1d(
        x.reshape(1, 1, 3), x[:2].reshape(1, 1, 2), padding=1
    ).flatten()[:3],
    "logsumexp": lambda lib, x: lib.logsumexp(lib.outer(x, x), 0),
    "variance": lambda lib, x: x * x.var() + x.std(),
    "special": lambda lib, x: lib.lgamma(x * x + 1) + lib.erf(x) + lib.digamma(x + 4),
    "layer norm": lambda lib, x: lib.nn.functional.layer_norm(x, (3,)) * x,
}


def in_place(x: Any) -> Any:
    y = x * 2
    y[1] = x[0] ** 2
    y += x.sin()
    return y.mul_(x)


def scalar(f: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def g(lib: Any, x: Any) -> Any:
        out = f(lib, x)
        return (out * lib.tensor(OTHER)).sum() + (out * out).sum()

    return g


#: what is done to a function: (lib, its func module, f of one argument) → result
TRANSFORMS: dict[str, Callable[[Any, Any, Any, Any], Any]] = {
    "grad": lambda lib, T, f, g: T.grad(g)(lib.tensor(VECTOR)),
    "grad of grad": lambda lib, T, f, g: T.grad(lambda x: (T.grad(g)(x) ** 2).sum())(
        lib.tensor(VECTOR)
    ),
    "jacrev": lambda lib, T, f, g: T.jacrev(f)(lib.tensor(VECTOR)),
    "jacfwd": lambda lib, T, f, g: T.jacfwd(f)(lib.tensor(VECTOR)),
    "hessian": lambda lib, T, f, g: T.hessian(g)(lib.tensor(VECTOR)),
    "jacrev of jacrev": lambda lib, T, f, g: T.jacrev(T.jacrev(f))(lib.tensor(VECTOR)),
    "vmap": lambda lib, T, f, g: T.vmap(f)(lib.tensor(ROWS)),
    "vmap of vmap": lambda lib, T, f, g: T.vmap(T.vmap(f), 1, 2)(
        lib.stack([lib.tensor(ROWS)] * 2)
    ),
    "vmap of grad": lambda lib, T, f, g: T.vmap(T.grad(g))(lib.tensor(ROWS)),
    "grad of vmap": lambda lib, T, f, g: T.grad(lambda x: T.vmap(f)(x).sin().sum())(
        lib.tensor(ROWS)
    ),
    # PyTorch's vmap of second derivatives of solve and det is wrong: it gives no
    # symmetric matrices but for the first example. Its loop is right.
    "vmap of hessian": lambda lib, T, f, g: (
        T.vmap(T.hessian(g))(lib.tensor(ROWS))
        if lib is rg
        else lib.stack([T.hessian(g)(x) for x in lib.tensor(ROWS)])
    ),
    "vjp": lambda lib, T, f, g: T.vjp(f, lib.tensor(VECTOR))[1](lib.tensor(OTHER))[0],
    "jvp": lambda lib, T, f, g: T.jvp(f, (lib.tensor(VECTOR),), (lib.tensor(OTHER),)),
    "jvp of vmap": lambda lib, T, f, g: T.jvp(
        T.vmap(f), (lib.tensor(ROWS),), (lib.tensor(ROWS).cos(),)
    ),
    "jvp of grad": lambda lib, T, f, g: T.jvp(
        T.grad(g), (lib.tensor(VECTOR),), (lib.tensor(OTHER),)
    ),
    # PyTorch's own linearize forgets what was written in place.
    "linearize": lambda lib, T, f, g: (
        T.linearize(f, lib.tensor(VECTOR))[1](lib.tensor(OTHER))
        if lib is rg
        else T.jvp(f, (lib.tensor(VECTOR),), (lib.tensor(OTHER),))[1]
    ),
}
#: on all functions; the others on a few
MOST = ["grad", "jacfwd", "hessian", "vmap of hessian", "jvp of grad"]
FEW = ["polynomial", "products", "indexing", "in place", "solve", "convolution"]
CASES = [
    (name, how) for how in TRANSFORMS for name in (FUNCTIONS if how in MOST else FEW)
]


def trees(value: Any) -> list[Any]:
    """The tensors of nested containers, in order."""
    if isinstance(value, dict):
        return [t for v in value.values() for t in trees(v)]
    if isinstance(value, (tuple, list)):
        return [t for v in value for t in trees(v)]
    return [value]


def same(a: Any, b: Any, rtol: float = 1e-9) -> None:
    ours, theirs = trees(a), trees(b)
    assert len(ours) == len(theirs)
    for x, y in zip(ours, theirs, strict=True):
        x, y = x.detach().numpy(), np.asarray(y.detach())
        assert x.dtype == y.dtype
        assert x.shape == y.shape
        scale = float(np.abs(y).max(initial=1e-3))
        np.testing.assert_allclose(x, y, rtol=rtol, atol=rtol * scale)


@pytest.mark.parametrize(("name", "how"), CASES)
def test_transformed(name: str, how: str) -> None:
    f, found = FUNCTIONS[name], []
    for lib in (rg, torch):
        g = scalar(f)
        found.append(
            TRANSFORMS[how](
                lib, lib.func, lambda x, l=lib: f(l, x), lambda x, l=lib: g(l, x)
            )
        )
    same(*found)


@pytest.mark.parametrize("how", ["grad", "vmap of grad", "jvp", "jacfwd"])
@pytest.mark.parametrize("name", ["softmax", "solve"])
def test_beside_jax(name: str, how: str) -> None:
    jax: Any = pytest.importorskip("jax", reason="JAX is not installed")
    jnp = importlib.import_module("jax.numpy")
    jax.config.update("jax_enable_x64", True)
    theirs: dict[str, Any] = {
        "softmax": lambda x: jax.nn.softmax(x),
        "solve": lambda x: jnp.linalg.solve(SQUARE + jnp.diag(x), x),
    }
    f = theirs[name]

    def g(x: Any) -> Any:
        out = f(x)
        return (out * OTHER).sum() + (out * out).sum()

    expected = {
        "grad": lambda: jax.grad(g)(VECTOR),
        "vmap of grad": lambda: jax.vmap(jax.grad(g))(ROWS),
        "jvp": lambda: jax.jvp(f, (VECTOR,), (OTHER,))[1],
        "jacfwd": lambda: jax.jacfwd(f)(VECTOR),
    }[how]()
    ours = FUNCTIONS[name]
    found = TRANSFORMS[how](
        rg, rg.func, lambda x: ours(rg, x), lambda x: scalar(ours)(rg, x)
    )
    found = found[1] if how == "jvp" else found
    np.testing.assert_allclose(
        found.numpy(), np.asarray(expected), rtol=1e-9, atol=1e-12
    )


# -- forms of arguments -------------------------------------------------------------------


def double(lib: Any, a: Any, b: Any) -> Any:
    return {"p": a * b, "q": (a.sum(), b + 1)}


@pytest.mark.parametrize(
    ("in_dims", "out_dims"),
    [(0, 0), ((0, None), 0), ((None, 1), -1), ((1, 0), {"p": 1, "q": 0}),
     ((-1, -2), {"p": -1, "q": (0, 1)})],
)  # fmt: skip
def test_dimensions(in_dims: Any, out_dims: Any) -> None:
    wide = probe(3, 3)
    if out_dims in (1, -1):
        call = lambda lib: lib.func.vmap(lambda a, b: a * b, in_dims, out_dims)  # noqa: E731
    else:
        call = lambda lib: lib.func.vmap(  # noqa: E731
            lambda a, b: double(lib, a, b), in_dims, out_dims
        )
    same(
        *[call(lib)(lib.tensor(wide), lib.tensor(wide.T.copy())) for lib in (rg, torch)]
    )


@pytest.mark.parametrize("argnums", [0, 1, (0,), (1, 0), (0, 1)])
def test_arguments_to_derive_by(argnums: Any) -> None:
    def f(a: Any, b: Any) -> Any:
        return (a * b.sin()).sum() * a.prod()

    for name in ("grad", "grad_and_value", "jacrev", "jacfwd", "hessian"):
        found = [
            getattr(lib.func, name)(f, argnums)(lib.tensor(VECTOR), lib.tensor(OTHER))
            for lib in (rg, torch)
        ]
        same(*found)


def test_aux_and_trees() -> None:
    def f(d: Any) -> Any:
        return (d["a"] * d["b"][0]).sum(), {"sum": d["a"].sum()}

    found = []
    for lib in (rg, torch):
        d = {"a": lib.tensor(VECTOR), "b": (lib.tensor(OTHER),)}
        found.append([
            lib.func.grad(f, has_aux=True)(d),
            lib.func.grad_and_value(f, has_aux=True)(d),
            lib.func.jacrev(f, has_aux=True)(d),
            lib.func.jacfwd(f, has_aux=True)(d),
            lib.func.jvp(f, (d,), (d,), has_aux=True),
            lib.func.vjp(lambda d: f(d)[0], d)[1](lib.tensor(2.0, dtype=lib.float64)),
        ])  # fmt: skip
    same(*found)


# -- refusals -----------------------------------------------------------------------------


def square(a: Any) -> Any:
    return (a**2).sum()


REFUSED: dict[str, Callable[[Any, Any, Any, Any], Any]] = {
    "no input": lambda l, T, X, y: T.vmap(l.sin)(),
    "structure": lambda l, T, X, y: T.vmap(l.sin, in_dims=(0, 0))(X),
    "in_dim": lambda l, T, X, y: T.vmap(l.sin, in_dims=2)(X),
    "in_dims None": lambda l, T, X, y: T.vmap(l.sin, in_dims=None)(X),
    "in_dims word": lambda l, T, X, y: T.vmap(l.sin, in_dims="x")(X),
    "sizes": lambda l, T, X, y: T.vmap(l.add)(X, y),
    "number": lambda l, T, X, y: T.vmap(l.add)(X, 2.0),
    "result": lambda l, T, X, y: T.vmap(lambda a: 3.0)(X),
    "out_dims": lambda l, T, X, y: T.vmap(lambda a: a, 0, (0, 0))(X),
    "out_dim": lambda l, T, X, y: T.vmap(lambda a: a, 0, 3)(X),
    "out_dims None": lambda l, T, X, y: T.vmap(lambda a: a, 0, None)(X),
    "randomness": lambda l, T, X, y: T.vmap(l.sin, randomness="some")(X),
    "chunk": lambda l, T, X, y: T.vmap(l.sin, chunk_size=0)(X),
    "item": lambda l, T, X, y: T.vmap(lambda a: a.sum().item())(X),
    "if": lambda l, T, X, y: T.vmap(lambda a: a if a.sum() > 0 else -a)(X),
    "mask": lambda l, T, X, y: T.vmap(lambda a: a[a > 0])(X),
    "nonzero": lambda l, T, X, y: T.vmap(lambda a: a.nonzero())(X),
    "random": lambda l, T, X, y: T.vmap(lambda a: l.rand(3))(X),
    "backward": lambda l, T, X, y: T.vmap(lambda a: a.sum().backward())(X),
    "requires_grad": lambda l, T, X, y: T.vmap(lambda a: a.requires_grad_())(X),
    "not scalar": lambda l, T, X, y: T.grad(lambda a: a * 2)(y),
    "not a tensor": lambda l, T, X, y: T.grad(lambda a: 2.0)(y),
    "argnum": lambda l, T, X, y: T.grad(square, 1)(y),
    "argnums": lambda l, T, X, y: T.grad(square, (0, 0))(y),
    "integers": lambda l, T, X, y: T.grad(square)(l.tensor([1, 2])),
    "aux": lambda l, T, X, y: T.grad(square, has_aux=True)(y),
    "vjp result": lambda l, T, X, y: T.vjp(lambda a: (a, "s"), y),
    "jvp tuple": lambda l, T, X, y: T.jvp(square, y, y),
    "jvp structure": lambda l, T, X, y: T.jvp(square, (y,), (y, y)),
    "jvp shape": lambda l, T, X, y: T.jvp(square, (y,), (y[:2],)),
    "jvp strict": lambda l, T, X, y: T.jvp(
        lambda a: l.ones(2), (y,), (y,), strict=True
    ),
    "jacrev chunk": lambda l, T, X, y: T.jacrev(square, chunk_size=0)(y),
    "jacfwd result": lambda l, T, X, y: T.jacfwd(lambda a: 2.0)(y),
    "linearize": lambda l, T, X, y: T.linearize(l.sin, y)[1](y[:2]),
    "call strict": lambda l, T, X, y: T.functional_call(
        l.nn.Linear(3, 3), {"weight": X[:3].float()}, y.float(), strict=True
    ),
    "call twice": lambda l, T, X, y: T.functional_call(
        l.nn.Linear(3, 3), ({"weight": X}, {"weight": X}), y
    ),
    "call dict": lambda l, T, X, y: T.functional_call(l.nn.Linear(3, 3), 3, y),
    "no models": lambda l, T, X, y: T.stack_module_state([]),
    "models": lambda l, T, X, y: T.stack_module_state([l.nn.Linear(1, 1), l.nn.Tanh()]),
    "jacobian input": lambda l, T, X, y: l.autograd.functional.jacobian(square, 3.0),
    "jacobian strict": lambda l, T, X, y: l.autograd.functional.jacobian(
        lambda a: l.ones(2), y, strict=True
    ),
    "strict at once": lambda l, T, X, y: l.autograd.functional.jacobian(
        square, y, strict=True, vectorize=True
    ),
    "no v": lambda l, T, X, y: l.autograd.functional.vjp(lambda a: a * 2, y),
    "v shape": lambda l, T, X, y: l.autograd.functional.jvp(square, y, y[:2]),
    "hvp scalar": lambda l, T, X, y: l.autograd.functional.hvp(lambda a: a * 2, y, y),
    "dual": lambda l, T, X, y: l.autograd.forward_ad.make_dual(y, y),
    "materialize": lambda l, T, X, y: l.autograd.grad(
        square(y.clone().requires_grad_()), y.clone().requires_grad_(),
        allow_unused=False, materialize_grads=True,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused_alike(name: str) -> None:
    kinds = []
    for lib in (rg, torch):
        with pytest.raises(Exception) as error:
            REFUSED[name](lib, lib.func, lib.tensor(ROWS), lib.tensor(VECTOR))
        kinds.append(type(error.value))
    assert kinds[0] is kinds[1]


# -- modules ------------------------------------------------------------------------------


def test_per_sample_gradients_and_ensembles() -> None:
    found = []
    numbers = [
        probe(4, 3, seed=1),
        probe(4, seed=2),
        probe(2, 4, seed=3),
        probe(2, seed=4),
    ]
    x, y = probe(5, 3, seed=5), np.array([0, 1, 1, 0, 1])
    for lib in (rg, torch):
        nn, T = lib.nn, lib.func
        net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).double()
        names = [n for n, _ in net.named_parameters()]
        params = {n: lib.tensor(v) for n, v in zip(names, numbers, strict=True)}

        def loss(p: Any, x: Any, y: Any, net: Any = net, l: Any = lib) -> Any:
            out = l.func.functional_call(net, p, (x,))
            return l.nn.functional.cross_entropy(out, y)

        each = T.vmap(T.grad(loss), (None, 0, 0))(params, lib.tensor(x), lib.tensor(y))
        several = {n: lib.stack([p, p * 2]) for n, p in params.items()}
        outs = T.vmap(T.functional_call, (None, 0, None))(
            net, several, (lib.tensor(x),)
        )
        found.append([[each[n] for n in names], outs])
    same(*found)


# -- the older interfaces -------------------------------------------------------------------


def two(a: Any, b: Any) -> Any:
    return (a * b).sin().sum(0, keepdim=True), b.exp() * a.prod()


def one(a: Any, b: Any) -> Any:
    return ((a * b).sin() * a.prod()).sum()


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("vectorize", [False, True])
def test_autograd_functional(vectorize: bool, create_graph: bool) -> None:
    found = []
    for lib in (rg, torch):
        F = lib.autograd.functional
        a = lib.tensor(VECTOR, requires_grad=True)
        b = lib.tensor(OTHER, requires_grad=True)
        options = {"create_graph": create_graph}
        rows = {**options, "vectorize": vectorize}
        results = [
            F.jacobian(two, (a, b), **rows),
            F.jacobian(lambda a: a.sin() * a.sum(), a, **rows),
            F.hessian(one, (a, b), **rows),
            F.hessian(lambda a: (a**3).sum() * a[0], a, **rows),
            F.vjp(two, (a, b), (a[:1] * 2, b), **options),
            F.jvp(two, (a, b), (b, a), **options),
            F.hvp(one, (a, b), (b, a), **options),
            F.vhp(one, (a, b), (b, a), **options),
            F.vhp(lambda a: (a**3).sum(), a, b, **options),
        ]
        if create_graph:
            total = sum(t.sin().sum() for t in trees(results) if t.requires_grad)
            results.append(lib.autograd.grad(total, (a, b)))
        found.append(results)
    same(*found)
    flags = [[t.requires_grad for t in trees(r)] for r in found]
    assert flags[0] == flags[1]


def test_dual_numbers() -> None:
    found = []
    for lib in (rg, torch):
        fwAD = lib.autograd.forward_ad
        with fwAD.dual_level():
            a = fwAD.make_dual(lib.tensor(VECTOR), lib.tensor(OTHER))
            outs = [f(lib, a) for n, f in FUNCTIONS.items() if n != "in place"]
            found.append([tuple(fwAD.unpack_dual(o)) for o in outs])
    same(*found)


def test_batched_gradients() -> None:
    found = []
    for lib in (rg, torch):
        a = lib.tensor(VECTOR, requires_grad=True)
        b = lib.tensor(OTHER, requires_grad=True)
        outs = two(a, b)
        seeds = [lib.tensor(probe(2, 1)), lib.tensor(probe(2, 3, seed=4))]
        found.append(lib.autograd.grad(outs, (a, b), seeds, is_grads_batched=True))
    same(*found)
