"""The nodes of a graph, their hooks, and hooks on what is kept: as in PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import retrograd as rg
from peers.both import programs_of, same, tried

torch: Any = pytest.importorskip(
    "torch", reason="comparisons with PyTorch are skipped: it is not installed"
)


def _leaf(lib: Any, *values: float) -> Any:
    return lib.tensor(values or (1.0, 2.0), dtype=lib.float64, requires_grad=True)


def names_and_leaves(lib: Any) -> Any:
    x = _leaf(lib)
    f = (x * 2).sum().grad_fn
    g = f.next_functions[0][0]
    ((leaf, n), *rest) = g.next_functions
    kinds = [type(node).__name__ for node in (f, g, leaf)]
    return kinds, f.name(), n, rest, leaf.variable is x, leaf.next_functions


def the_same_node_again(lib: Any) -> Any:
    x = _leaf(lib)
    y = x**2
    z = y + 1
    f = y.grad_fn
    found = [f is y.grad_fn, z.grad_fn.next_functions[0][0] is f]
    z.sum().item()
    found += [f is y.grad_fn, z.grad_fn.next_functions[0][0] is f]
    found += [f == (x**2).grad_fn, y.grad_fn == f, hash(f) == hash(y.grad_fn)]
    node = lib.autograd.graph.Node
    return found, isinstance(f, node), isinstance(f.next_functions[0][0], node)


def walked_after_a_run(lib: Any) -> Any:
    x = _leaf(lib)
    y = x.exp()
    y.sum().item()
    z = (y * x).sum()
    names, waiting, seen = [], [z.grad_fn], set()
    while waiting:
        node = waiting.pop()
        if node in seen:
            continue
        seen.add(node)
        names.append(type(node).__name__)
        waiting += [n for n, _ in node.next_functions if n is not None]
    return sorted(names)


def what_is_kept(lib: Any) -> Any:
    x = _leaf(lib)
    y, z = x**3, x.exp()
    w = z * x
    kept = [y.grad_fn._saved_self, z.grad_fn._saved_result, w.grad_fn._saved_other]
    found = [t.tolist() for t in kept], kept[0] is x, kept[1].requires_grad
    w.sum().backward()
    return *found, tried(
        lambda: w.grad_fn._saved_self, lambda: w.grad_fn._saved_nothing
    )


def metadata(lib: Any) -> Any:
    y = _leaf(lib) * 3
    y.grad_fn.metadata["a"] = 1
    return dict(y.grad_fn.metadata)


def hooks_in_order(lib: Any) -> Any:
    x, said = _leaf(lib), []
    y = x * 3
    y.register_hook(lambda g: said.append("tensor"))
    y.grad_fn.register_prehook(lambda go: said.append(("before", go[0].tolist())))
    y.grad_fn.register_hook(
        lambda gi, go: said.append(("after", gi[0].tolist(), gi[1:], go[0].tolist()))
    )
    y.retain_grad()
    x.register_hook(lambda g: said.append("leaf"))
    x.register_post_accumulate_grad_hook(lambda t: said.append("added"))
    y.sum().backward()
    return said, x.grad.tolist(), y.grad.tolist()


def hooks_that_change(lib: Any) -> Any:
    x = _leaf(lib)
    y = x * 3
    before = y.grad_fn.register_prehook(lambda go: (go[0] * 2,))
    after = y.grad_fn.register_hook(lambda gi, go: (gi[0] * 10 + go[0], None))
    for _ in range(3):
        y.sum().backward(retain_graph=True)
        (before if _ else after).remove()
    return x.grad.tolist()


def a_hook_of_a_value_used_twice(lib: Any) -> Any:
    x, said = _leaf(lib), []
    y = x * x
    y.grad_fn.register_hook(lambda gi, go: said.append([g.tolist() for g in gi]))
    (y + y.sin()).sum().backward()
    return said, x.grad.tolist()


def a_hook_of_a_composition(lib: Any) -> Any:
    x, said = _leaf(lib, 0.5, 1.0, -2.0), []
    y = lib.softmax(x * 2, 0)
    y.grad_fn.register_hook(lambda gi, go: said.append([round(float(gi[0].sum()), 9)]))
    y.grad_fn.register_hook(lambda gi, go: tuple(g if g is None else g * 2 for g in gi))
    (y * lib.tensor([1.0, 2.0, 3.0], dtype=lib.float64)).sum().backward()
    return said, [round(g, 9) for g in x.grad.tolist()]


def the_wrong_number_of_gradients(lib: Any) -> Any:
    y = _leaf(lib).exp()
    y.grad_fn.register_hook(lambda gi, go: (None, None))
    return tried(lambda: y.sum().backward())


def where_gradients_end(lib: Any) -> Any:
    x, said = _leaf(lib), []
    end = x.view_as(x).grad_fn.next_functions[0][0]
    end.register_prehook(lambda go: said.append(go[0].tolist()))
    handle = end.register_hook(lambda gi, go: said.append((gi, x.grad.tolist())))
    (x * 2).sum().backward()
    handle.remove()
    (x * 2).sum().backward()
    return said


def all_of_several(lib: Any) -> Any:
    a, b, c = (_leaf(lib, v) for v in (1.0, 2.0, 3.0))
    said: list[Any] = []
    handle = lib.autograd.graph.register_multi_grad_hook(
        (a, b, c),
        lambda gs: said.append([None if g is None else g.tolist() for g in gs]),
    )
    (a * b).sum().backward()
    (a * b * c).sum().backward()
    c.sum().backward()
    (a * b * c).sum().backward(inputs=[a, c])
    handle.remove()
    (a * b).sum().backward()
    return said


def several_computed(lib: Any) -> Any:
    a, said = _leaf(lib), []
    b, c = a * 2, a * 3
    hook = lib.autograd.graph.register_multi_grad_hook
    hook((b, c), lambda gs: said.append([g.tolist() for g in gs]))
    hook((b, c, a), lambda g: said.append(len(g)), mode="any")
    loss = (b * c).sum()
    loss.item()
    loss.backward()
    return said, tried(lambda: hook((b,), print, mode="none"))


def kept_otherwise(lib: Any) -> Any:
    x, said = _leaf(lib), []

    def pack(t: Any) -> Any:
        said.append(("pack", t.tolist()))
        return t.detach().numpy().copy()

    def unpack(content: Any) -> Any:
        said.append("unpack")
        return lib.as_tensor(content)

    with lib.autograd.graph.saved_tensors_hooks(pack, unpack):
        y = x.exp()
        z = y.sin()
    w = z * 3
    w.sum().backward()
    return sorted(map(str, said)), x.grad.tolist()


def kept_narrower(lib: Any) -> Any:
    x = _leaf(lib, 1.2345, 2.3456)
    hooks = lib.autograd.graph.saved_tensors_hooks
    with hooks(lambda t: t.to(lib.float16), lambda t: t.to(lib.float64)):
        y = (x * x).exp()
    (first,) = lib.autograd.grad(y.sum(), x, retain_graph=True)
    y.sum().backward()
    return [round(v, 5) for v in first.tolist()], x.grad.tolist() == first.tolist()


def kept_and_changed(lib: Any) -> Any:
    x = _leaf(lib)
    hooks = lib.autograd.graph.saved_tensors_hooks
    with hooks(lambda t: t * 10, lambda t: t):
        y = x * x
        with hooks(lambda t: t, lambda t: t):
            z = y.exp()
    (y.sum() + 0 * z.sum()).backward()
    return x.grad.tolist()


def differentiated_again(lib: Any) -> Any:
    x, w = _leaf(lib), _leaf(lib, 3.0, 4.0)
    with lib.autograd.graph.saved_tensors_hooks(lambda t: t.numpy(force=True),
                                                lambda t: lib.tensor(t)):  # fmt: skip
        y = (x.exp() * w).sum()
        (first,) = lib.autograd.grad(y, x, create_graph=True)
        second = lib.autograd.grad((first * first).sum(), (x, w))
    return [[round(v, 8) for v in t.tolist()] for t in (first, *second)]


def a_module_kept_otherwise(lib: Any) -> Any:
    net = lib.nn.Sequential(lib.nn.Linear(3, 4), lib.nn.Tanh(), lib.nn.Linear(4, 1))
    with lib.no_grad():
        for i, p in enumerate(net.parameters()):
            p.copy_(lib.linspace(-1, 1, p.numel()).reshape(p.shape) + 0.1 * i)
    x, found = lib.linspace(0.1, 1, 6).reshape(2, 3), []
    for pack in (lambda t: t, lambda t: t * 2):
        with lib.autograd.graph.saved_tensors_hooks(lambda t, p=pack: p(t) / p(t) * t,
                                                    lambda t: t):  # fmt: skip
            loss = net(x).pow(2).mean()
        net.zero_grad()
        loss.backward()
        found += [
            [round(v, 4) for v in p.grad.flatten().tolist()] for p in net.parameters()
        ]
    return found


def hooks_refused(lib: Any) -> Any:
    graph, x = lib.autograd.graph, _leaf(lib)

    def plain() -> Any:
        with graph.saved_tensors_hooks(lambda t: t, lambda t: t):
            return (x * x).tolist()

    def disabled() -> Any:
        with graph.disable_saved_tensors_hooks("not here"):
            return plain()

    def no_tensor() -> Any:
        with graph.saved_tensors_hooks(lambda t: t, lambda t: 5):
            y = x.exp()
        y.sum().backward()

    def changes() -> Any:
        with graph.saved_tensors_hooks(lambda t: t.add_(1), lambda t: t):
            return (x.exp() * 2).exp()

    return tried(disabled, plain, no_tensor, changes)


def changed_after_it_was_kept(lib: Any) -> Any:
    x = _leaf(lib)

    def loss() -> Any:
        y = x.clone()
        out = (y**2).sum()
        y.sin_()
        out.backward()

    refused = tried(loss)
    with lib.autograd.graph.allow_mutation_on_saved_tensors():
        loss()
    with lib.autograd.graph.save_on_cpu():
        (x.exp() * x).sum().backward()
    return refused, [round(v, 8) for v in x.grad.tolist()]


def edges(lib: Any) -> Any:
    x = _leaf(lib)
    y = x * 2
    z = (y**2).sum()
    edge = lib.autograd.graph.get_gradient_edge
    ey, ex, ez = edge(y), edge(x), edge(z)
    one = lib.ones((), dtype=lib.float64)
    kept = (ey.output_nr, ey.node == y.grad_fn, type(ex.node).__name__)
    del y
    grad = lib.autograd.grad
    found = [grad(z, ey, retain_graph=True), grad(z, [ex, ey], retain_graph=True),
             grad(ez, x, one, retain_graph=True)]  # fmt: skip
    del z
    lib.autograd.backward((ez,), (one * 2,))
    refused = tried(lambda: edge(lib.ones(2)))
    return kept, [[g.tolist() for g in gs] for gs in found], x.grad.tolist(), refused


PROGRAMS = programs_of(globals())


@pytest.mark.parametrize("eager", [False, True], ids=["later", "at once"])
@pytest.mark.parametrize("program", PROGRAMS)
def test_as_in_pytorch(program: Callable[[Any], Any], eager: bool) -> None:
    same(torch, program, eager)


def test_a_composition_is_one_node_and_says_what_it_cannot() -> None:
    layer = rg.nn.Linear(3, 2)
    node = layer(rg.ones(1, 3)).grad_fn
    leaves = [n.variable for n, _ in node.next_functions if n is not None]
    assert leaves == [layer.weight, layer.bias]
    with pytest.raises(AttributeError, match="composition keeps what its parts need"):
        rg.softmax(_leaf(rg) * 2, 0).grad_fn._saved_self


def test_nodes_leave_nothing_behind() -> None:
    x = _leaf(rg)
    for _ in range(5):
        loss = (x.exp() * 2).sum()
        assert loss.grad_fn.next_functions[0][0].name() == "MulBackward0"
        loss.backward()
    before = len(rg.dispatch.recorder().pending)
    _ = x * 2
    assert len(rg.dispatch.recorder().pending) <= before + 1
