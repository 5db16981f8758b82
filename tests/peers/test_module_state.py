"""What modules save, load, copy and say of themselves, next to PyTorch."""

from __future__ import annotations

import copy
import pickle
import re
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import pytest

import retrograd as rg

torch: Any = pytest.importorskip(
    "torch", reason="comparisons with PyTorch are skipped: it is not installed"
)


def tried(call: Callable[[], Any]) -> Any:
    try:
        return repr(call())
    except Exception as error:
        return type(error).__name__, re.sub(
            "torch\\.|retrograd\\.", "", str(error)
        ).strip()


def net(lib: Any) -> Any:
    return lib.nn.Sequential(lib.nn.Linear(2, 3), lib.nn.BatchNorm1d(3))


def loading(lib: Any) -> Any:
    saved = net(lib).state_dict()
    wrong = {**saved, "0.weight": lib.ones(4, 4)}
    cases: list[tuple[Any, dict[str, Any]]] = [
        (saved, {}),
        ({}, {}),
        ({}, {"strict": False}),
        ({**saved, "x": lib.ones(1)}, {}),
        ({**saved, "x": lib.ones(1)}, {"strict": False}),
        ({**saved, "0.foo.bar": lib.ones(1)}, {}),
        (wrong, {}),
        (wrong, {"strict": False}),
        ({**wrong, "1.bias": lib.ones(7), "zz": 1}, {}),
        ({**saved, "0.weight": 5}, {}),
        ({**saved, "0.weight": None}, {"strict": False}),
        (saved, {"assign": True}),
        ({"0.weight": lib.ones(3, 2)}, {"assign": True, "strict": False}),
        (3, {}),
    ]
    return [
        tried(lambda given=given, how=how: net(lib).load_state_dict(given, **how))
        for given, how in cases
    ]


def assigning(lib: Any) -> Any:
    layer, saved = lib.nn.Linear(2, 2), lib.nn.Linear(2, 2).double().state_dict()
    layer.weight.requires_grad_(False)
    layer.load_state_dict(saved, assign=True)
    saved["weight"].fill_(5)
    flags = [p.requires_grad for p in layer.parameters()]
    return layer.weight.tolist(), flags, type(layer.weight).__name__


def extra_state(lib: Any) -> Any:
    class Counting(lib.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.inner, self.n = lib.nn.Linear(2, 2), 3

        def get_extra_state(self) -> Any:
            return {"n": self.n}

        def set_extra_state(self, state: Any) -> None:
            self.n = state["n"]

    first, second = Counting(), Counting()
    first.n = 7
    saved = first.state_dict()
    second.load_state_dict(saved)
    without = OrderedDict(saved)
    del without["_extra_state"]
    plain = lib.nn.Linear(2, 2)
    return [
        list(saved),
        second.n,
        tried(lambda: Counting().load_state_dict(without)),
        tried(lambda: Counting().load_state_dict(without, strict=False)),
        tried(lambda: plain.load_state_dict({**plain.state_dict(), "_extra_state": 1})),
    ]


def saving(lib: Any) -> Any:
    model, into = net(lib), OrderedDict()  # type: ignore[var-annotated]
    own, plain = model.state_dict(keep_vars=True), model.state_dict()
    found = [
        model.state_dict(destination=into) is into,
        list(model.state_dict(prefix="a.")),
        own["0.weight"] is model[0].weight,
        plain["0.weight"] is model[0].weight,
        plain["0.weight"].requires_grad,
        plain._metadata,
    ]
    plain["0.weight"].zero_()
    return [*found, model[0].weight.tolist()]


def hooks(lib: Any) -> Any:
    told: list[Any] = []
    model = lib.nn.Sequential(lib.nn.Linear(2, 2))
    saved = model.state_dict()
    model.register_state_dict_pre_hook(lambda m, p, keep: told.append((p, keep)))
    model.register_state_dict_post_hook(lambda m, s, p, _: told.append((p, list(s))))
    model.register_load_state_dict_pre_hook(lambda m, s, p, *_: told.append(p))
    model.register_load_state_dict_post_hook(lambda m, keys: told.append(repr(keys)))
    model[0]._register_load_state_dict_pre_hook(lambda s, p, *_: told.append(p))
    model[0]._register_load_state_dict_pre_hook(
        lambda m, s, p, *_: told.append((type(m).__name__, p)), with_module=True
    )
    model.state_dict()
    model.load_state_dict(saved)
    model._register_state_dict_hook(lambda m, s, p, _: OrderedDict(a=1))
    return told, model.state_dict()


def names(lib: Any) -> Any:
    layer = lib.nn.Linear(2, 2)
    model, other = lib.nn.Sequential(layer, layer), lib.nn.Linear(2, 2)
    other.weight = layer.weight
    model.append(other)
    found = []
    for once in (True, False):
        for walk in (model.named_parameters, model.named_modules, model.named_buffers):
            found.append([name for name, _ in walk(remove_duplicate=once)])
    return found, [name for name, _ in model.named_children()], list(model.state_dict())


def copies(lib: Any) -> Any:
    model = net(lib)
    optimizer = lib.optim.Adam(model.parameters())
    model(lib.ones(3, 2)).sum().backward()
    optimizer.step()
    again = copy.deepcopy(model)
    both = copy.deepcopy((model, optimizer))
    back = pickle.loads(pickle.dumps((model, optimizer)))
    back[0](lib.ones(3, 2)).sum().backward()
    back[1].step()
    return [
        again[0].weight.grad,
        again[0].weight is model[0].weight,
        both[1].param_groups[0]["params"][0] is both[0][0].weight,
        back[1].param_groups[0]["params"][0] is back[0][0].weight,
        repr(back[1]),
        repr(back[0]),
        copy.deepcopy(lib.nn.Buffer(lib.ones(2), persistent=False)).tolist(),
    ]


def without_a_shape(lib: Any) -> Any:
    def make() -> Any:
        return lib.nn.Sequential(lib.nn.LazyLinear(3), lib.nn.LazyBatchNorm1d())

    def kind(call: Callable[[], Any]) -> Any:
        found = tried(call)
        return found[0] if isinstance(found, tuple) else found

    model = make()
    weight = model[0].weight
    found = [
        kind(lambda: weight.shape),
        kind(lambda: weight + 1),
        kind(lambda: weight.numel()),
        kind(lambda: weight.requires_grad_(False)),
        kind(lambda: lib.nn.utils.parameters_to_vector(model.parameters())),
        kind(lambda: lib.nn.Linear(5, 3).load_state_dict(model[0].state_dict())),
        repr(weight),
        repr(copy.deepcopy(model[0])),
        list(model.state_dict()),
    ]
    assert model.double() is model
    out = model(lib.ones(4, 5, dtype=lib.float64))
    learned = [str(p.dtype).split(".")[-1] for p in model.state_dict().values()]
    other = make()
    other.load_state_dict(model.state_dict())
    return found, repr(model), learned, tuple(out.shape), repr(other)


def emptied(lib: Any) -> Any:
    model = net(lib)
    weight = model[0].weight
    assert model.to_empty(device="cpu") is model and model[0].weight is weight
    return [(n, tuple(p.shape), p.requires_grad) for n, p in model.named_parameters()]


@pytest.mark.parametrize(
    "program",
    [
        loading,
        assigning,
        extra_state,
        saving,
        hooks,
        names,
        copies,
        without_a_shape,
        emptied,
    ],
    ids=lambda p: p.__name__,
)
def test_like_pytorch(program: Callable[[Any], Any]) -> None:
    mine, theirs = program(rg), program(torch)
    assert mine == theirs
