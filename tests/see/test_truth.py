"""What is shown is true: each formula, evaluated with the numbers of its names, gives the
value beside it, and each Jacobian is of the kind that it is said to be."""

import math
import re

import numpy as np
import pytest

import retrograd as rg

FUNCTIONS = {
    "sin": np.sin, "cos": np.cos, "exp": np.exp, "log": np.log, "tanh": np.tanh,
    "√": np.sqrt, "|": np.abs, "ReLU": lambda x: np.maximum(x, 0),
    "σ": lambda x: 1 / (1 + np.exp(-x)), "max": np.maximum, "min": np.minimum,
    "sign": np.sign, "erf": np.vectorize(math.erf), "diag": lambda x: np.diag(x.ravel()),
    "reciprocal": lambda x: 1 / x, "exp2": np.exp2, "sinh": np.sinh, "cosh": np.cosh,
    "arctan": np.arctan, "tan": np.tan, "log1p": np.log1p, "expm1": np.expm1,
}  # fmt: skip
RELATIONS = {"<": np.less, "≤": np.less_equal, ">": np.greater, "≥": np.greater_equal,
             "=": np.equal, "≠": np.not_equal}  # fmt: skip


class Opaque(Exception):
    """A formula with a function that this evaluator does not know."""


def evaluate(e, names):
    """The value of an expression in float64."""
    parts = [evaluate(p, names) if hasattr(p, "head") else p for p in e.parts]
    match e.head:
        case "name" | "partial":
            return names(e)
        case "number":
            return np.asarray(e.parts[0], np.float64)
        case "neg":
            return -parts[0]
        case "sum":
            return sum(parts[1:], parts[0])
        case "product":
            return math.prod(parts[1:], start=parts[0])
        case "div":
            return parts[0] / parts[1]
        case "power":
            return parts[0] ** parts[1]
        case "matmul":
            out = parts[0]
            for p in parts[1:]:
                outer = out.ndim == 1 and p.ndim == 2 and p.shape[0] == 1
                out = (out[:, None] if outer else out) @ p
            return out
        case "transpose":
            return np.swapaxes(np.reshape(parts[0], (len(parts[0]), -1)), 0, 1)
        case "kronecker":
            a, b = (np.atleast_2d(p) if p.ndim < 2 else p for p in parts)
            return np.kron(a, b)
        case "indicator":
            return RELATIONS[e.parts[0]](parts[1], parts[2]).astype(float)
        case "total":
            dims = tuple(map(int, e.parts[1].split(","))) if e.parts[1] else None
            out = np.sum(parts[0], axis=dims)
            return out.reshape(e.shape) if out.size == math.prod(e.shape) else out
        case "index":
            return eval(f"value[{e.parts[1]}]", {"value": np.asarray(parts[0])})
        case "list":
            return np.stack([np.asarray(p) for p in parts])
        case "call" if e.parts[0] in FUNCTIONS:
            return FUNCTIONS[e.parts[0]](*parts[1:])
    raise Opaque(e.parts[0] if e.head == "call" else e.head)


def names_of(story):
    d = story.description

    def value(e):
        if e.head == "name":
            base, sub = e.parts[0].base, e.parts[0].sub
            if base == "I":
                return np.eye(int(sub or 1))
            if base == "𝟏":
                return np.ones(e.shape)
            if base == "π":
                return np.asarray(math.pi)
            return np.asarray(story.value(e.parts[0].text()), np.float64)
        if e.parts[1].text() == d[d.loss].name.text:
            return np.asarray(1.0)
        return np.asarray(story.gradient(e.parts[1].text()), np.float64)

    return value


def tensors(*shapes, seed=1):
    rng = np.random.default_rng(seed)
    return [
        rg.tensor(rng.uniform(0.3, 1.5, shape), requires_grad=True) for shape in shapes
    ]


def chain():
    a, b = tensors((3,), (3,))
    c = rg.sin(a) * rg.exp(b)
    d = rg.log(c + 3) / (a + b)
    return rg.explain((d * d).sum())


def broadcast():
    a, b = tensors((2, 3), (3,))
    c = rg.tanh(a * b + b)
    d = c - c.mean(1, keepdim=True)
    return rg.explain((d**2).mean())


def affine():
    W, x, b = tensors((2, 3), (3, 1), (2, 1))
    f = b + W @ x
    h = rg.relu(f - 1)
    return rg.explain((h * f).sum())


def rows():
    W, x, b = tensors((4, 3), (5, 3), (4,))
    f = x @ W.T + b
    h = rg.sigmoid(f)
    return rg.explain(h.square().sum())


def powers():
    a, b = tensors((4,), (4,))
    c = a**3 + rg.sqrt(b) - abs(a - b)
    d = rg.maximum(c, a) * rg.minimum(b, a)
    return rg.explain(d.sum())


def indexed():
    a, b = tensors((4,), ())
    f = a[0] * a[2] + b
    g = rg.cos(f) * a[3]
    return rg.explain(g * g)


def reduced():
    (a,) = tensors((3, 4))
    s = a.sum(0)
    m = a.mean(1)
    c = rg.exp(-s)
    return rg.explain(c.sum() * (m * m).sum())


def ones():
    W, x = tensors((3, 2), (2,))
    f = W @ x
    g = W.sum(1) * f
    return rg.explain(g.sum() + f.sum())


def columns():
    a, b = tensors((3,), (4,))
    c = a.unsqueeze(1) * b
    d = rg.exp(c) + a[:, None]
    return rg.explain((d * b).sum())


def bilinear():
    A, x, y = tensors((3, 3), (3, 1), (3, 1))
    u = A @ y
    v = A.T @ x
    loss = (x.T @ u + v.T @ y).sum()
    return rg.explain(loss)


def means():
    W, x = tensors((3, 3), (3, 3))
    f = W @ x
    return rg.explain((f @ W).mean() + f.mean(1).square().sum())


def stretched():
    W, a, b = tensors((3, 4), (), (4,))
    f = W @ (a * 2).expand(4, 3)
    g = W + b.mean().expand(3, 4)
    return rg.explain((f.sum(1) * g.sum(1)).sum() + (g @ g.T).sum())


def summed():
    x, b, c = tensors((5, 3), (3,), (5, 1))
    m = (x * c).mean()
    return rg.explain((x + b).sum() + m * m + (c.expand(5, 3).T @ x).sum())


def placed():
    a, b = tensors((2, 3), (2, 3))
    c = rg.cat([a, b])
    d = rg.nn.functional.pad(a, (1, 1))
    return rg.explain((c * c).sum() + (d**3).sum())


PROGRAMS = [chain, broadcast, affine, rows, powers, indexed, reduced, bilinear, ones,
            columns, means, stretched, summed, placed]  # fmt: skip


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
@pytest.mark.parametrize("level", ["modules", "operations"])
def test_formulas_give_the_values_beside_them(program, level):
    story = program()
    story = story.level(level)
    names, checked = names_of(story), 0
    lines = story.describer.lines
    for line in lines.forward:
        try:
            found = evaluate(line.expr, names)
        except Opaque:
            continue
        value = story._capture.value(line.key)
        np.testing.assert_allclose(
            np.broadcast_to(found, value.shape) if found.ndim <= value.ndim else found,
            value, rtol=1e-10, err_msg=str(line),
        )  # fmt: skip
        checked += 1
    chain = story.describer.chain
    for g in (*chain.backward[1:], *chain.elements, *chain.parameters):
        for e in (g.expr, g.opened):
            if e is None or not g.whole:
                continue
            try:
                found = evaluate(e, names)
            except Opaque:
                continue
            value = np.broadcast_to(story._capture.value(g.key), g.line.spec.shape)
            found = np.broadcast_to(found, value.shape)
            np.testing.assert_allclose(found, value, rtol=1e-9, err_msg=f"{g!r}")
            checked += 1
    assert checked >= 3


@pytest.mark.parametrize(
    "program", [affine, rows, reduced, bilinear, means, stretched, summed, placed],
    ids=lambda p: p.__name__,
)  # fmt: skip
def test_formulas_of_rows_give_the_gradients_transposed(program):
    story = program().layout("numerator")
    plain = names_of(story)

    def names(e):
        value = plain(e)
        return value.T if e.head == "partial" and value.ndim == 2 else value

    checked = 0
    for g in story.description.gradients:
        try:
            found = evaluate(g.formula.expr, names)
        except Opaque:
            continue
        if any("made of" in note for note in g.notes):  # not spelled out
            continue
        value = np.asarray(g.value.data, np.float64)
        value = value.reshape(g.value.shape)
        value = value.T if value.ndim == 2 else value
        found = (
            np.broadcast_to(found, value.shape) if found.size < value.size else found
        )
        np.testing.assert_allclose(
            found.reshape(value.shape), value, rtol=1e-9, err_msg=g.formula.text
        )
        checked += 1
    assert checked >= 2


def is_kind(kind, J, shape):
    """Whether a Jacobian (numerator layout) is of that kind."""
    eye = np.eye(len(J)) if J.shape[0] == J.shape[1] else None
    diagonal = eye is not None and np.allclose(J, J * eye)
    match kind:
        case "identity":
            return eye is not None and np.allclose(J, eye)
        case "scaled identity":
            return diagonal and np.allclose(J, J[0, 0] * eye)
        case "mask":
            return diagonal and set(np.unique(J)) <= {0.0, 1.0}
        case "diagonal":
            return diagonal
        case "selection":
            return np.isin(J, (0, 1)).all() and (J.sum(1) == 1).all()
        case "placement":
            return np.isin(J, (0, 1)).all() and (J.sum(0) == 1).all()
        case "repetition":
            return np.isin(J, (0, 1)).all() and (J.sum(1) == 1).all()
        case "sum":
            return np.isin(J, (0, 1)).all() and (J.sum(0) == 1).all()
        case "row" | "number":
            return J.shape[0] == 1
    return True  # dense, or a product of kinds


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
def test_jacobians_are_of_the_kind_that_is_said(program):
    story = program().layout("numerator")
    names, seen = names_of(story), set()
    chain = story.describer.chain
    for g in (*chain.backward, *chain.parameters):
        entry = (
            story.description[story.describer.id[g]]
            if g in story.describer.id
            else None
        )
        for term in g.terms if entry is not None else ():
            if term.through.element or g.line.element:
                continue
            product = next(
                p for p in entry.products
                if p.through == story.describer.id[term.through]
            )  # fmt: skip
            J = story.jacobian(product.through, entry.node)
            assert list(J.shape) == product.jacobian.shape
            kind = product.jacobian.kind
            assert is_kind(kind, J, product.shapes), (product.jacobian.name, kind, J)
            seen.add(kind)
            if product.jacobian.matrix is not None and "K" not in {
                s.base for s in product.jacobian.matrix.expr.names()
            }:
                try:
                    matrix = evaluate(product.jacobian.matrix.expr, names)
                except Opaque:
                    continue
                if kind == "identity":
                    matrix = np.eye(len(J))
                elif kind == "number" or (kind in ("mask", "diagonal")):
                    matrix = np.asarray(matrix).reshape(J.shape)
                elif kind == "scaled identity":
                    continue
                np.testing.assert_allclose(matrix, J, rtol=1e-9, atol=1e-12)
            # incoming · Jacobian, summed over all ways, is the gradient
    for g in chain.backward[1:]:
        total = 0.0
        for term in g.terms:
            up = story._capture.gradient_value(term.through.key)
            up = np.broadcast_to(up, term.through.spec.shape).reshape(1, -1)
            total = total + up @ story.jacobian(
                story.describer.id[term.through], story.describer.id[g.line]
            )
        value = np.broadcast_to(story._capture.value(g.key), g.line.spec.shape)
        np.testing.assert_allclose(total.reshape(value.shape), value, rtol=1e-9)
    assert seen


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
def test_latex_is_plain_and_balanced(program):
    d = program().description
    found = [
        f for e in (*d.nodes, *d.gradients) for f in (e.name, e.formula, e.numbers)
    ]
    found += [g.rule for g in d.gradients]
    for formula in (f for f in found if f is not None):
        text = formula.latex
        assert text.isascii() and text.count("{") == text.count("}"), text
        assert not re.search(r"_\{(?:[^{}]|\{[^{}]*\})*\}_", text), text  # two below
        assert text.count(r"\left") == text.count(r"\right"), text
