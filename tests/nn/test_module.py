"""What every module can do: members, walking, calling, hooks, saving, copying."""

from __future__ import annotations

import abc
import copy
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest

import retrograd as rg
from retrograd import nn


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(3, 4)
        self.norm = nn.BatchNorm1d(4)
        self.second = nn.Linear(4, 2, bias=False)
        self.scale = nn.Parameter(rg.ones(2))
        self.register_buffer("mask", rg.ones(2), persistent=False)

    def forward(self, x: Any) -> Any:
        return self.second(self.norm(self.first(x)).relu()) * self.scale * self.mask


class Add(nn.Module):
    """Two inputs, two outputs."""

    def forward(self, x: Any, y: Any, factor: float = 1.0) -> Any:
        return x + y * factor, x * y


NAMES = ["scale", "first.weight", "first.bias", "norm.weight", "norm.bias",
         "second.weight"]  # fmt: skip


# -- members


def test_members_are_found_by_name_and_in_order() -> None:
    net = Net()
    assert [n for n, _ in net.named_parameters()] == NAMES
    assert [n for n, _ in net.named_parameters(prefix="a", recurse=False)] == [
        "a.scale"
    ]
    assert [n for n, _ in net.named_children()] == ["first", "norm", "second"]
    assert [n for n, _ in net.named_modules()] == ["", "first", "norm", "second"]
    buffers = [n for n, _ in net.named_buffers()]
    stats = ["running_mean", "running_var", "num_batches_tracked"]
    assert buffers == ["mask", *(f"norm.{n}" for n in stats)]
    assert list(net._modules) == ["first", "norm", "second"]
    assert list(net._parameters) == ["scale"]
    assert net._buffers["mask"] is net.mask
    assert net.__dict__["scale"] is net.scale  # a plain attribute, found at once


def test_what_is_shared_is_found_once() -> None:
    net = nn.Module()
    net.a = nn.Linear(2, 2)
    net.b = net.a
    net.c = nn.Linear(2, 2)
    net.c.weight = net.a.weight
    names = [n for n, _ in net.named_parameters()]
    assert names == ["a.weight", "a.bias", "c.bias"]
    every = [n for n, _ in net.named_parameters(remove_duplicate=False)]
    assert every == ["a.weight", "a.bias", "b.weight", "b.bias", "c.weight", "c.bias"]
    assert [n for n, _ in net.named_modules()] == ["", "a", "c"]
    assert len(list(net.children())) == 2
    assert set(net.state_dict()) == set(every)


def test_assigning_changes_the_role_of_a_name() -> None:
    net = nn.Module()
    net.x = 3
    net.x = nn.Parameter(rg.ones(1))
    assert list(net._parameters) == ["x"]
    net.x = nn.Linear(1, 1)
    assert list(net._parameters) == [] and list(net._modules) == ["x"]
    net.x = None
    assert net.x is None and list(net._modules) == ["x"]
    assert list(net.children()) == []
    del net.x
    assert not hasattr(net, "x") and list(net._modules) == []
    net.register_buffer("b", rg.zeros(2))
    net.b = rg.ones(2)
    assert net.state_dict()["b"].tolist() == [1.0, 1.0]
    net.b = None
    assert list(net.state_dict()) == []


def test_missing_members() -> None:
    layer = nn.Linear(2, 2, bias=False)
    assert layer.bias is None
    assert list(layer._parameters) == ["weight", "bias"]
    layer.bias = nn.Parameter(rg.zeros(2))
    assert [n for n, _ in layer.named_parameters()] == ["weight", "bias"]
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        layer.nothing


def test_a_module_hidden_in_the_dict_is_no_member() -> None:
    """The way in which a module refers to another without owning it."""
    net = nn.Linear(1, 1)
    object.__setattr__(net, "teacher", Net())
    net.__dict__["other"] = nn.Parameter(rg.ones(1))
    assert [n for n, _ in net.named_parameters()] == ["weight", "bias"]


def test_views_of_members_write_through() -> None:
    net = Net()
    net._parameters["extra"] = nn.Parameter(rg.ones(1))
    assert net.extra.tolist() == [1.0]
    del net._parameters["extra"]
    assert not hasattr(net, "extra")
    with pytest.raises(KeyError):
        net._parameters["first"]
    net._buffers["mask"] = rg.zeros(2)
    assert net.mask.tolist() == [0.0, 0.0]
    assert "mask" not in net.state_dict()


def test_wrong_members_are_refused() -> None:
    net = Net()
    with pytest.raises(
        TypeError, match=r"cannot assign '.*Tensor' as parameter 'scale'"
    ):
        net.scale = rg.ones(2)
    with pytest.raises(TypeError, match="as child module 'first'"):
        net.first = 3
    with pytest.raises(TypeError, match="cannot assign 'float' as buffer 'mask'"):
        net.mask = 1.0
    with pytest.raises(KeyError, match="attribute 'forward' already exists"):
        net.register_parameter("forward", None)
    with pytest.raises(KeyError, match="attribute 'first' already exists"):
        net.register_buffer("first", None)
    with pytest.raises(KeyError, match="t contain"):
        net.register_parameter("a.b", None)
    with pytest.raises(KeyError, match="empty string"):
        net.add_module("", nn.ReLU())
    with pytest.raises(TypeError, match="not a Module subclass"):
        net.add_module("x", 3)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"should be a string. Got int"):
        net.register_parameter(3, None)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="object to parameter 'x'"):
        net.register_parameter("x", rg.ones(1))
    with pytest.raises(TypeError, match="object to buffer 'x'"):
        net.register_buffer("x", [1.0])  # type: ignore[arg-type]


def test_members_before_init_are_refused() -> None:
    class Early(nn.Module):
        def __init__(self, what: Any) -> None:
            self.what = what

    with pytest.raises(AttributeError, match=r"parameters before Module.__init__"):
        Early(nn.Parameter(rg.ones(1)))
    with pytest.raises(AttributeError, match=r"modules before Module.__init__"):
        Early(nn.ReLU())
    assert Early(3).what == 3


def test_buffers_by_class() -> None:
    net = nn.Module()
    net.kept = nn.Buffer(rg.ones(1))
    net.passing = nn.Buffer(rg.ones(1), persistent=False)
    assert [n for n, _ in net.named_buffers()] == ["kept", "passing"]
    assert list(net.state_dict()) == ["kept"]


def test_getting_by_full_name() -> None:
    net = nn.Sequential(OrderedDict(inner=Net()))
    assert net.get_submodule("inner.first") is net.inner.first
    assert net.get_submodule("") is net
    assert net.get_parameter("inner.first.weight") is net.inner.first.weight
    assert net.get_buffer("inner.norm.running_mean") is net.inner.norm.running_mean
    with pytest.raises(AttributeError, match="has no attribute `third`"):
        net.get_submodule("inner.third")
    with pytest.raises(AttributeError, match=r"is not an nn.Module"):
        net.get_submodule("inner.scale")
    with pytest.raises(AttributeError, match=r"is not an nn.Parameter"):
        net.get_parameter("inner.mask")
    with pytest.raises(AttributeError, match="is not a buffer"):
        net.get_buffer("inner.scale")
    new = nn.Linear(3, 4)
    net.set_submodule("inner.first", new)
    assert net.inner.first is new
    with pytest.raises(AttributeError):
        net.set_submodule("inner.fourth", new, strict=True)


# -- modes, types


def test_train_eval_and_freezing() -> None:
    net = Net()
    assert net.training and net.norm.training
    assert net.eval() is net
    assert not net.norm.training
    net.train()
    assert net.norm.training
    with pytest.raises(ValueError, match="boolean"):
        net.train(1)  # type: ignore[arg-type]
    net.requires_grad_(False)
    assert not any(p.requires_grad for p in net.parameters())
    assert not net(rg.randn(5, 3)).requires_grad


def test_apply_goes_from_the_leaves_to_the_root() -> None:
    seen: list[str] = []
    net = Net()
    assert net.apply(lambda m: seen.append(type(m).__name__)) is net
    assert seen == ["Linear", "BatchNorm1d", "Linear", "Net"]


def test_types() -> None:
    net = Net()
    weight = net.first.weight
    net(rg.randn(5, 3)).sum().backward()
    net.double()
    assert net.first.weight is weight  # optimizers keep hold of it
    assert {p.dtype for p in net.parameters()} == {rg.float64}
    assert {p.grad.dtype for p in net.parameters()} == {rg.float64}
    assert net.norm.running_mean.dtype is rg.float64
    assert net.norm.num_batches_tracked.dtype is rg.int64
    assert net(rg.randn(5, 3).double()).dtype is rg.float64
    assert net.to(rg.float32).first.weight.dtype is rg.float32
    assert net.to("cpu", rg.float16).mask.dtype is rg.float16
    assert net.float().mask.dtype is rg.float32
    assert net.to(rg.ones(1, dtype=rg.float64)).mask.dtype is rg.float64
    with pytest.raises(TypeError, match="floating point"):
        net.to(rg.int64)
    with pytest.raises(RuntimeError, match="cuda"):
        net.cuda()
    assert nn.ReLU().type(rg.float64) is not None


def test_gradients_after_a_change_of_type() -> None:
    net = nn.Linear(3, 2).double()
    x = rg.randn(4, 3).double()
    net(x).sum().backward()
    np.testing.assert_allclose(net.bias.grad.numpy(), [4.0, 4.0])
    np.testing.assert_allclose(net.weight.grad[0].numpy(), x.sum(0).numpy())


def test_zero_grad() -> None:
    net = nn.Linear(3, 2)
    net(rg.randn(4, 3)).sum().backward()
    net.zero_grad(set_to_none=False)
    assert net.bias.grad.tolist() == [0.0, 0.0]
    net.zero_grad()
    assert net.bias.grad is None


# -- calling


def test_a_call_is_forward_until_there_is_a_hook() -> None:
    class Mine(nn.Module):
        def forward(self, x: Any) -> Any:
            return x + 1

    class Child(Mine):
        pass

    one, other = Child(), Mine()
    assert Mine.__call__ is Mine.forward and Child.__call__ is Mine.forward
    handle = one.register_forward_hook(lambda m, args, out: out * 10)
    assert Mine.__call__ is Mine.forward  # only the class of the instance looks
    assert one(rg.ones(1)).item() == 20
    assert other(rg.ones(1)).item() == 2
    assert Child()(rg.ones(1)).item() == 2
    handle.remove()
    assert one(rg.ones(1)).item() == 2


def test_missing_forward() -> None:
    class Nothing(nn.Module):
        pass

    with pytest.raises(NotImplementedError, match=r"\[Nothing\] is missing"):
        Nothing()(1)
    with pytest.raises(NotImplementedError, match=r"\[ModuleList\] is missing"):
        nn.ModuleList()(1)


def test_a_subclass_has_the_forward_that_it_defines() -> None:
    class Base(nn.Module):
        def forward(self, x: Any) -> str:
            return "base"

    class Mixin:
        def forward(self, x: Any) -> str:
            return "mixin"

    class Mixed(Mixin, Base):
        pass

    class Deeper(Base):
        def forward(self, x: Any) -> str:
            return "deeper " + super().forward(x)

    class Abstract(nn.Module, abc.ABC):
        @abc.abstractmethod
        def forward(self, x: Any) -> str: ...

    class Concrete(Abstract):
        def forward(self, x: Any) -> str:
            return "concrete"

    class Static(nn.Module):
        @staticmethod
        def forward(x: Any) -> str:  # type: ignore[override]
            return "static"

    modules = (Base(), Mixed(), Deeper(), Concrete(), Static())
    results = [m(0) for m in modules]
    assert results == ["base", "mixin", "deeper base", "concrete", "static"]
    with pytest.raises(TypeError, match="abstract"):
        Abstract()  # type: ignore[abstract]


def test_own_call_is_kept() -> None:
    class Base(nn.Module):
        def forward(self, x: Any) -> Any:
            return x

    class Loud(Base):
        def __call__(self, x: Any) -> Any:
            return super().__call__(x) + 100

        def forward(self, x: Any) -> Any:
            return x + 1

    class Louder(Loud):
        def forward(self, x: Any) -> Any:
            return x + 2

    assert Loud()(0) == 101
    assert Louder()(0) == 102
    loud = Louder()
    loud.register_forward_hook(lambda m, args, out: out * 2)
    assert loud(0) == 104


def test_forward_can_be_replaced() -> None:
    class Mine(nn.Module):
        def forward(self, x: Any) -> Any:
            return "first"

    class Child(Mine):
        pass

    one, child = Mine(), Child()
    Mine.forward = lambda self, x: "second"  # type: ignore[method-assign]
    assert one(0) == "second" and child(0) == "second"
    with mock.patch.object(Child, "forward", lambda self, x: "third"):
        assert child(0) == "third" and one(0) == "second"
    assert child(0) == "second"
    one.forward = lambda x: "own"  # type: ignore[method-assign]
    assert one(0) == "own" and Mine()(0) == "second"
    Mine.forward = lambda self, x: "fourth"  # type: ignore[method-assign]
    assert one(0) == "own" and Mine()(0) == "fourth"


# -- hooks


def test_forward_hooks_in_order() -> None:
    order: list[str] = []
    layer = nn.Linear(2, 2)
    x = rg.ones(1, 2)

    def pre(name: str) -> Any:
        return lambda module, args: order.append(name)

    def post(name: str) -> Any:
        return lambda module, args, out: order.append(name)

    layer.register_forward_hook(post("b"))
    layer.register_forward_hook(post("a"), prepend=True)
    layer.register_forward_pre_hook(pre("2"))
    layer.register_forward_pre_hook(pre("1"), prepend=True)
    layer(x)
    assert order == ["1", "2", "a", "b"]


def test_hooks_change_inputs_and_outputs() -> None:
    add = Add()
    with add.register_forward_pre_hook(lambda m, args: (args[0] * 2, args[1])):
        assert add(rg.ones(1), rg.ones(1))[0].item() == 3
    assert add(rg.ones(1), rg.ones(1))[0].item() == 2

    def with_kwargs(module: Any, args: Any, kwargs: Any) -> Any:
        return args, {**kwargs, "factor": 10.0}

    seen: list[Any] = []

    def after(module: Any, args: Any, kwargs: Any, out: Any) -> Any:
        seen.append(kwargs["factor"])
        return out[0]

    with add.register_forward_pre_hook(with_kwargs, with_kwargs=True):
        with add.register_forward_hook(after, with_kwargs=True):
            assert add(rg.ones(1), rg.ones(1), factor=1.0).item() == 11
    assert seen == [10.0]
    relu = nn.ReLU()
    relu.register_forward_pre_hook(lambda m, args: -args[0])  # one value, no tuple
    assert relu(rg.tensor([-3.0])).item() == 3.0


def test_a_wrong_pre_hook_with_kwargs_is_told() -> None:
    add = Add()
    add.register_forward_pre_hook(lambda m, a, k: 3, with_kwargs=True)
    with pytest.raises(
        RuntimeError, match="forward pre-hook must return None or a tuple"
    ):
        add(1, 2)


def test_always_called_hooks() -> None:
    seen: list[Any] = []
    layer = nn.Linear(2, 2)
    layer.register_forward_hook(lambda m, a, out: seen.append(out), always_call=True)
    layer.register_forward_hook(lambda m, a, out: seen.append("never"))
    with pytest.raises(RuntimeError, match="shapes"):
        layer(rg.ones(1, 3))
    assert seen == [None]


def test_full_backward_hook() -> None:
    """grad_input and grad_output are those of this call, not of the tensors."""
    layer = nn.Linear(3, 2)
    seen: list[Any] = []
    layer.register_full_backward_hook(lambda m, gi, go: seen.append((m, gi, go)))
    x = rg.randn(4, 3, requires_grad=True)
    y = layer(x)
    (y.sum() + (x * 5).sum() + (y * 0).sum()).backward()
    ((module, grad_input, grad_output),) = seen
    assert module is layer
    np.testing.assert_allclose(grad_output[0].numpy(), np.ones((4, 2)))
    expected = np.ones((4, 2)) @ layer.weight.detach().numpy()
    np.testing.assert_allclose(grad_input[0].numpy(), expected, rtol=1e-6)
    np.testing.assert_allclose(x.grad.numpy(), expected + 5, rtol=1e-6)


def test_backward_hooks_change_gradients() -> None:
    relu = nn.ReLU()
    relu.register_full_backward_pre_hook(lambda m, go: (go[0] * 2,))
    relu.register_full_backward_hook(lambda m, gi, go: (gi[0] + go[0] * 100,))
    x = rg.tensor([1.0, -1.0], requires_grad=True)
    relu(x).sum().backward()
    assert x.grad.tolist() == [202.0, 200.0]
    assert x.grad.tolist() == [202.0, 200.0]


def test_backward_hooks_with_several_inputs_and_outputs() -> None:
    add = Add()
    seen: list[Any] = []
    add.register_full_backward_hook(lambda m, gi, go: seen.append((gi, go)))
    x = rg.tensor([1.0, 2.0], requires_grad=True)
    y = rg.tensor([[3.0], [4.0]], requires_grad=True)
    total, product = add(x, y, 2.0)
    assert total.tolist() == [[7.0, 8.0], [9.0, 10.0]]
    (total.sum() + 10 * product.sum()).backward()
    ((grad_input, grad_output),) = seen
    assert len(grad_input) == 3 and grad_input[2] is None
    assert grad_output[1].tolist() == [[10.0, 10.0], [10.0, 10.0]]
    assert grad_input[0].tolist() == [72.0, 72.0] == x.grad.tolist()
    assert grad_input[1].tolist() == [[34.0], [34.0]] == y.grad.tolist()


def test_backward_hook_when_no_input_wants_a_gradient() -> None:
    layer = nn.Linear(2, 2)
    seen: list[Any] = []
    layer.register_full_backward_hook(lambda m, gi, go: seen.append((gi, go)))
    layer(rg.ones(1, 2)).sum().backward()
    ((grad_input, grad_output),) = seen
    assert grad_input == (None,)
    assert grad_output[0].tolist() == [[1.0, 1.0]]
    assert layer.bias.grad.tolist() == [1.0, 1.0]
    with rg.no_grad():
        layer(rg.ones(1, 2))
    assert len(seen) == 1


def test_hooks_of_one_instance_see_every_step() -> None:
    """The recorded trace is the same at each step; the hooks run all the same."""
    layer = nn.Linear(2, 2)
    seen: list[float] = []
    layer.register_forward_hook(lambda m, a, out: seen.append(float(out.sum())))
    layer.register_full_backward_hook(lambda m, gi, go: seen.append(float(go[0].sum())))
    for k in range(4):
        layer(rg.full((3, 2), float(k))).sum().backward()
    assert len(seen) == 8 and seen[1::2] == [6.0] * 4
    assert len(set(seen[::2])) == 4


# -- saving and loading


def test_state_dict_shares_memory_and_round_trips() -> None:
    net, other = Net(), Net()
    state = net.state_dict()
    stats = ["running_mean", "running_var", "num_batches_tracked"]
    expected = [*NAMES[:5], *(f"norm.{name}" for name in stats), "second.weight"]
    assert list(state) == expected
    assert isinstance(state, OrderedDict) and state._metadata[""] == {"version": 1}
    assert state._metadata["norm"] == {"version": 2}
    assert not state["scale"].requires_grad
    with rg.no_grad():
        net.scale.fill_(7.0)
    assert state["scale"].tolist() == [7.0, 7.0]
    assert net.state_dict(keep_vars=True)["scale"] is net.scale
    assert list(net.first.state_dict(prefix="p.")) == ["p.weight", "p.bias"]

    scale = other.scale
    result = other.load_state_dict(state)
    assert repr(result) == "<All keys matched successfully>"
    assert other.scale is scale and other.scale.requires_grad
    for key, value in other.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), state[key].numpy())
    with rg.no_grad():
        other.scale.fill_(1.0)
    assert net.scale.tolist() == [7.0, 7.0]  # copied, not shared
    x = rg.randn(6, 3)
    other.load_state_dict(net.state_dict())
    np.testing.assert_array_equal(net.eval()(x).tolist(), other.eval()(x).tolist())


def test_saved_states_stay_ordered_dicts(tmp_path: Path) -> None:
    state = Net().state_dict()
    rg.save({"net": state, "plain": {"b": 1}}, tmp_path / "state")
    back = rg.load(tmp_path / "state")
    assert type(back["net"]) is OrderedDict and type(back["plain"]) is dict
    assert list(back["net"]) == list(state)
    assert back["net"]._metadata == state._metadata
    assert repr(Net().load_state_dict(back["net"])).startswith("<All keys")


def test_loading_what_does_not_fit() -> None:
    net = Net()
    state = net.state_dict()
    del state["scale"], state["norm.bias"]
    state["extra"] = rg.ones(1)
    state["first.more.x"] = rg.ones(1)
    result = net.load_state_dict(state, strict=False)
    assert result.missing_keys == ["scale", "norm.bias"]
    assert sorted(result.unexpected_keys) == ["extra", "first.more.x"]
    state["second.weight"] = rg.ones(3, 3)
    with pytest.raises(RuntimeError) as caught:
        net.load_state_dict(state)
    text = str(caught.value)
    assert text.startswith("Error(s) in loading state_dict for Net:\n\tMissing key(s)")
    assert '"scale", "norm.bias"' in text
    assert 'Unexpected key(s) in state_dict: "' in text
    assert "size mismatch for second.weight: copying a param with shape" in text
    with pytest.raises(RuntimeError, match="size mismatch"):
        net.load_state_dict(state, strict=False)
    with pytest.raises(TypeError, match="dict-like"):
        net.load_state_dict([])  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match="expected Tensor or Tensor-like"):
        net.load_state_dict({**net.state_dict(), "scale": "three"})


def test_loading_arrays_and_assigning() -> None:
    net = nn.Linear(2, 1)
    net.load_state_dict({"weight": np.array([[1.0, 2.0]]), "bias": np.array([3.0])})
    assert net.weight.tolist() == [[1.0, 2.0]]
    assert net.weight.dtype is rg.float32
    weight = rg.tensor([[5.0, 6.0]], dtype=rg.float64)
    net.load_state_dict({"weight": weight, "bias": rg.ones(1)}, assign=True)
    assert net.weight.dtype is rg.float64 and isinstance(net.weight, nn.Parameter)
    assert net.weight.requires_grad


def test_loading_replaces_values_that_a_pending_forward_uses() -> None:
    """What was recorded before the loading uses the values of then."""
    net = nn.Linear(1, 1, bias=False)
    with rg.no_grad():
        net.weight.fill_(2.0)
    before = net(rg.ones(1, 1))
    net.load_state_dict({"weight": rg.tensor([[5.0]])})
    after = net(rg.ones(1, 1))
    assert (before.item(), after.item()) == (2.0, 5.0)


def test_extra_state() -> None:
    class Counted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.n = 0

        def get_extra_state(self) -> Any:
            return {"n": self.n}

        def set_extra_state(self, state: Any) -> None:
            self.n = state["n"]

    one, other = Counted(), Counted()
    one.n = 5
    assert list(one.state_dict()) == ["_extra_state"]
    other.load_state_dict(one.state_dict())
    assert other.n == 5
    with pytest.raises(RuntimeError, match="Missing"):
        other.load_state_dict({})
    with pytest.raises(RuntimeError, match="Unexpected"):
        nn.ReLU().load_state_dict(one.state_dict())


def test_state_dict_hooks() -> None:
    net = nn.Linear(1, 1)
    seen: list[str] = []
    net.register_state_dict_pre_hook(lambda m, prefix, keep: seen.append("pre"))

    def drop(module: Any, state: Any, prefix: str, metadata: Any) -> None:
        del state["bias"]

    net.register_state_dict_post_hook(drop)
    assert list(net.state_dict()) == ["weight"] and seen == ["pre"]

    def rename(module: Any, state: Any, prefix: str, *rest: Any) -> None:
        state["bias"] = state.pop("old_bias")

    def forgive(module: Any, keys: Any) -> None:
        keys.unexpected_keys.clear()

    net.register_load_state_dict_pre_hook(rename)
    net.register_load_state_dict_post_hook(forgive)
    given = {"weight": rg.ones(1, 1), "old_bias": rg.ones(1), "more": rg.ones(1)}
    net.load_state_dict(given)
    assert net.bias.tolist() == [1.0] and "old_bias" in given


# -- copying and showing


def test_copies() -> None:
    net = Net()
    net.register_forward_hook(_double)
    twin = copy.deepcopy(net)
    assert twin.first.weight is not net.first.weight
    np.testing.assert_array_equal(twin.first.weight.tolist(), net.first.weight.tolist())
    with rg.no_grad():
        twin.first.weight.zero_()
    assert float(net.first.weight.abs().sum()) > 0
    assert [n for n, _ in twin.named_parameters()] == NAMES
    assert "mask" not in twin.state_dict()
    shallow = copy.copy(net)
    shallow.more = nn.Parameter(rg.ones(1))
    assert not hasattr(net, "more") and shallow.first is net.first
    x = rg.randn(3, 3)
    net.eval()
    again = pickle.loads(pickle.dumps(net))
    np.testing.assert_array_equal(again(x).tolist(), net(x).tolist())
    assert len(again._forward_hooks) == 1


def _double(module: Any, args: Any, out: Any) -> Any:
    return out * 2


def test_deepcopy_keeps_what_is_shared() -> None:
    net = nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2)])
    net[1].weight = net[0].weight
    twin = copy.deepcopy(net)
    assert twin[1].weight is twin[0].weight
    assert twin[0].weight is not net[0].weight


def test_repr() -> None:
    class Shown(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
            self.rows = nn.ModuleList([nn.Identity()] * 3 + [nn.Tanh()])

        def extra_repr(self) -> str:
            return "a=1\nb=2"

    assert repr(Shown()) == (
        "Shown(\n"
        "  a=1\n"
        "  b=2\n"
        "  (inner): Sequential(\n"
        "    (0): Linear(in_features=2, out_features=3, bias=True)\n"
        "    (1): ReLU()\n"
        "  )\n"
        "  (rows): ModuleList(\n"
        "    (0-2): 3 x Identity()\n"
        "    (3): Tanh()\n"
        "  )\n"
        ")"
    )
    assert repr(nn.Module()) == "Module()"
    assert repr(nn.Sequential()) == "Sequential()"
    assert repr(nn.ModuleList()) == "ModuleList()"


def test_dir_has_members_and_no_numbers() -> None:
    names = dir(nn.Sequential(nn.ReLU()))
    assert "0" not in names and "forward" in names
    assert "weight" in dir(nn.Linear(1, 1))


def test_modules_and_parameters_are_freed() -> None:
    """Nothing that the library remembers keeps a module alive."""
    import gc
    import weakref

    net = Net()
    net(rg.randn(4, 3)).sum().backward()
    float(net.scale.sum())
    refs = [weakref.ref(net), weakref.ref(net.first), weakref.ref(net.first.weight)]
    gc.disable()
    try:
        del net
        assert [r() for r in refs] == [None] * 3
    finally:
        gc.enable()


def test_a_parameter_may_die_with_its_work_pending() -> None:
    x = rg.ones(1, 2, requires_grad=True)
    y = nn.Linear(2, 2)(x)
    assert y.shape == (1, 2)
    assert len(y.tolist()) == 1
    nn.Linear(2, 2)(x).sum().backward()
    assert len(x.grad.tolist()[0]) == 2


def test_a_buffer_that_goes_with_work_pending_is_still_there_for_it() -> None:
    m = rg.nn.Module()
    for k in range(3):
        m.register_buffer("scale", rg.tensor([2.0, 3.0]))
        out = m.scale * 2
        if k == 1:
            m.scale = rg.zeros(2)
        del m.scale
        assert out.tolist() == [4.0, 6.0]
    m.register_buffer("scale", rg.tensor([2.0]))
    again = pickle.loads(pickle.dumps(m))
    assert type(again.scale) is rg.Tensor
    assert again.scale.tolist() == copy.deepcopy(m).scale.tolist() == [2.0]
