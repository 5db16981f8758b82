"""Modules one by one: what is particular to each, without a peer."""

from __future__ import annotations

import pickle
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest

import retrograd as rg
from retrograd import nn

# -- containers


def test_sequential_is_a_row_of_modules() -> None:
    a, b, c = nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1)
    net = nn.Sequential(a, b, c)
    assert len(net) == 3 and net[0] is a and net[-1] is c and list(net) == [a, b, c]
    x = rg.randn(4, 2)
    np.testing.assert_array_equal(net(x).tolist(), c(b(a(x))).tolist())
    assert list(net[1:]) == [b, c] and isinstance(net[1:], nn.Sequential)
    assert list(net[:2].state_dict()) == ["0.weight", "0.bias"]
    named = nn.Sequential(OrderedDict([("first", a), ("act", b)]))
    assert named.first is a and named[1] is b
    assert list(named[:1].state_dict()) == ["first.weight", "first.bias"]


def test_sequential_can_be_changed_after_a_call() -> None:
    """What it runs is what it holds at the moment."""
    net = nn.Sequential(nn.Identity())
    x = rg.tensor([-1.0, 2.0])
    assert net(x).tolist() == [-1.0, 2.0]
    net.append(nn.ReLU())
    assert net(x).tolist() == [0.0, 2.0]
    net[1] = nn.Tanh()
    assert net(x).tolist() == rg.tanh(x).tolist()
    net.insert(0, nn.Threshold(10.0, 3.0))
    assert net(x).tolist() == rg.tanh(rg.tensor([3.0, 3.0])).tolist()
    del net[2]
    assert net(x).tolist() == [3.0, 3.0]
    assert isinstance(net.pop(0), nn.Threshold)
    assert net(x).tolist() == [-1.0, 2.0]
    net.extend([nn.ReLU(), nn.ReLU()])
    net += nn.Sequential(nn.Tanh())
    assert [n for n, _ in net.named_children()] == ["0", "1", "2", "3"]
    net.add_module("last", nn.Threshold(10.0, 7.0))
    assert net(x).tolist() == [7.0, 7.0]
    setattr(net, "0", nn.ReLU())
    net._modules["last"] = nn.Identity()
    assert net(x).tolist() == rg.tanh(rg.tensor([0.0, 2.0])).tolist()
    again = pickle.loads(pickle.dumps(net))
    assert "_chain" not in again.__dict__
    assert again(x).tolist() == net(x).tolist()
    again.append(nn.Threshold(10.0, 1.0))
    assert again(x).tolist() == [1.0, 1.0] != net(x).tolist()


def test_sequential_hooks_of_its_modules_run() -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    seen: list[Any] = []
    net(rg.ones(1, 2))
    net[1].register_forward_hook(lambda m, args, out: seen.append(m))
    net.register_forward_hook(lambda m, args, out: seen.append(m))
    net(rg.ones(1, 2))
    assert seen == [net[1], net]


def test_module_list() -> None:
    layers = [nn.Linear(2, 2) for _ in range(3)]
    net = nn.ModuleList(layers)
    assert list(net) == layers and net[-1] is layers[2] and len(net[1:]) == 2
    net.append(nn.ReLU()).extend([nn.Tanh()])
    net.insert(1, nn.Identity())
    names = ["Linear", "Identity", "Linear", "Linear", "ReLU", "Tanh"]
    assert [type(m).__name__ for m in net] == names
    del net[-1]
    del net[1:3]
    net[0] = nn.ELU()
    assert [type(m).__name__ for m in net] == ["ELU", "Linear", "ReLU"]
    assert [n for n, _ in net.named_parameters()] == ["1.weight", "1.bias"]
    assert isinstance(net.pop(2), nn.ReLU) and len(net) == 2
    net += [nn.SiLU()]
    assert isinstance(net[2], nn.SiLU)


def test_module_dict() -> None:
    net = nn.ModuleDict({"a": nn.ReLU(), "b": nn.Linear(1, 1)})
    net["c"] = nn.Tanh()
    net.update([("a", nn.ELU())])
    assert list(net) == list(net.keys()) == ["a", "b", "c"] and "b" in net
    assert isinstance(net["a"], nn.ELU) and len(net) == 3
    assert [n for n, _ in net.named_parameters()] == ["b.weight", "b.bias"]
    assert isinstance(net.pop("a"), nn.ELU)
    del net["b"]
    assert [k for k, _ in net.items()] == ["c"]
    assert isinstance(next(iter(net.values())), nn.Tanh)
    net.clear()
    assert len(net) == 0
    with pytest.raises(KeyError, match="already exists"):
        net["forward"] = nn.ReLU()


def test_parameter_list_and_dict() -> None:
    row = nn.ParameterList([nn.Parameter(rg.ones(2)), rg.zeros(3)])
    row.append(rg.ones(1))
    assert [n for n, _ in row.named_parameters()] == ["0", "1", "2"]
    assert all(p.requires_grad for p in row) and len(row[1:]) == 2
    row[0] = rg.zeros(1)
    assert row[0].tolist() == [0.0] and isinstance(row[0], nn.Parameter)
    with pytest.raises(RuntimeError, match="should not be called"):
        row(1)
    named = nn.ParameterDict({"a": rg.ones(1)})
    named["b"] = nn.Parameter(rg.zeros(2))
    assert [n for n, _ in named.named_parameters()] == ["a", "b"]
    assert named.pop("a").tolist() == [1.0] and "a" not in named
    assert named.get("a") is None and named.setdefault("c", rg.ones(1)).requires_grad
    assert list(named | {"d": rg.ones(1)}) == ["b", "c", "d"]
    assert named.popitem()[0] == "c"
    named.clear()
    assert len(named) == 0 and list(named.parameters()) == []


# -- normalisation and dropout


def test_batch_norm_keeps_running_statistics() -> None:
    numbers = np.random.default_rng(0)
    norm = nn.BatchNorm1d(3, dtype=rg.float64)
    mean, variance = np.zeros(3), np.ones(3)
    for step in range(1, 6):
        x = 2 + 3 * numbers.standard_normal((8, 3))
        norm(rg.tensor(x))
        mean = 0.9 * mean + 0.1 * x.mean(0)
        variance = 0.9 * variance + 0.1 * x.var(0, ddof=1)
        assert norm.num_batches_tracked.item() == step
    np.testing.assert_allclose(norm.running_mean.numpy(), mean)
    np.testing.assert_allclose(norm.running_var.numpy(), variance)
    norm.eval()
    x = numbers.standard_normal((2, 3))
    expected = (x - mean) / np.sqrt(variance + 1e-5)
    np.testing.assert_allclose(norm(rg.tensor(x)).detach().numpy(), expected)
    assert norm.num_batches_tracked.item() == 5
    norm.reset_running_stats()
    assert norm.running_mean.tolist() == [0.0] * 3
    assert norm.num_batches_tracked.item() == 0


def test_batch_norm_averages_over_all_batches_without_momentum() -> None:
    numbers = np.random.default_rng(0)
    norm = nn.BatchNorm1d(2, momentum=None, dtype=rg.float64)
    batches = numbers.standard_normal((4, 6, 2))
    for x in batches:
        norm(rg.tensor(x))
    np.testing.assert_allclose(norm.running_mean.numpy(), batches.mean(axis=(0, 1)))


def test_batch_norm_without_running_statistics() -> None:
    norm = nn.BatchNorm1d(2, track_running_stats=False).eval()
    y = norm(3 + rg.randn(50, 2))
    assert float(y.mean(0).abs().max()) < 1e-5
    assert [n for n, _ in norm.named_buffers()] == []


def test_batch_norm_statistics_are_counted_once_for_a_pending_forward() -> None:
    """Several readers of one pending step, and a backward: one update."""
    norm = nn.BatchNorm1d(2, dtype=rg.float64)
    x = rg.randn(5, 2, dtype=rg.float64, requires_grad=True)
    y = norm(x)
    y.tolist()
    y.sum().backward()
    x.grad.tolist()
    expected = 0.1 * x.detach().mean(0).numpy()
    np.testing.assert_allclose(norm.running_mean.numpy(), expected)
    assert norm.num_batches_tracked.item() == 1


def test_old_state_dicts_without_a_count_load() -> None:
    norm = nn.BatchNorm1d(2)
    state = dict(norm.state_dict())
    del state["num_batches_tracked"]
    norm.num_batches_tracked.fill_(9)
    norm.load_state_dict(state)
    assert norm.num_batches_tracked.item() == 0


def test_dropout_keeps_the_expectation() -> None:
    rg.manual_seed(0)
    x = rg.ones(100, 100, requires_grad=True)
    drop = nn.Dropout(0.2)
    y = drop(x)
    v = y.detach().numpy()
    assert sorted(set(v.ravel().tolist())) == [0.0, 1.25]
    assert v.mean() == pytest.approx(1.0, abs=0.02)
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), v)  # the same mask
    assert not np.array_equal(drop(x).detach().numpy(), v)  # and another next time
    assert drop.eval()(x) is x or drop(x).tolist() == x.tolist()
    assert nn.Dropout(0.0)(x).tolist() == x.tolist()
    assert not nn.Dropout(1.0)(x).detach().numpy().any()


@pytest.mark.parametrize(
    ("drop", "shape"),
    [(nn.Dropout1d, (20, 30, 4)), (nn.Dropout2d, (20, 30, 2, 2)),
     (nn.Dropout3d, (20, 30, 1, 2, 2))],
)  # fmt: skip
def test_channel_dropout_drops_whole_channels(drop: Any, shape: Any) -> None:
    v = drop(0.5)(rg.ones(*shape)).numpy().reshape(600, -1)
    assert (v == v[:, :1]).all()
    assert 0.4 < (v[:, 0] == 0).mean() < 0.6


def test_alpha_dropout_keeps_mean_and_variance() -> None:
    rg.manual_seed(0)
    v = nn.AlphaDropout(0.3)(rg.randn(300, 300)).numpy()
    assert abs(v.mean()) < 0.02 and v.var() == pytest.approx(1, rel=0.03)


# -- others


def test_embedding() -> None:
    table = nn.Embedding(5, 2, padding_idx=0)
    table(rg.tensor([[1, 1], [0, 4]])).sum().backward()
    expected = [[0.0, 0.0], [2.0, 2.0], [0.0, 0.0], [0.0, 0.0], [1.0, 1.0]]
    assert table.weight.grad.tolist() == expected
    fixed = nn.Embedding.from_pretrained(rg.tensor([[1.0, 2.0], [3.0, 4.0]]))
    assert not fixed.weight.requires_grad
    assert fixed(rg.tensor(1)).tolist() == [3.0, 4.0]
    assert nn.Embedding.from_pretrained(
        rg.ones(2, 2), freeze=False
    ).weight.requires_grad
    with pytest.raises(IndexError):
        table(rg.tensor([5])).tolist()


def test_transposed_convolution_with_an_output_size() -> None:
    layer = nn.ConvTranspose2d(1, 1, 3, stride=2)
    x = rg.randn(1, 1, 4, 4)
    assert layer(x).shape == (1, 1, 9, 9)
    assert layer(x, output_size=(10, 9)).shape == (1, 1, 10, 9)
    with pytest.raises(ValueError, match="requested an output size"):
        layer(x, output_size=(11, 9))


def test_a_wrong_shape_names_the_layer_and_the_line() -> None:
    with pytest.raises(RuntimeError) as caught:
        nn.Linear(3, 2)(rg.ones(4, 5))
    assert "test_modules.py" in str(caught.value) and "5" in str(caught.value)


def test_old_arguments_of_losses() -> None:
    with pytest.warns(UserWarning, match="reduction='sum'"):
        loss = nn.MSELoss(size_average=False)
    assert loss.reduction == "sum"
    with pytest.warns(UserWarning, match="reduction='none'"):
        assert nn.L1Loss(reduce=False).reduction == "none"


def test_types_and_devices_of_constructors() -> None:
    for build in (
        lambda **how: nn.Linear(2, 2, **how),
        lambda **how: nn.Conv2d(1, 1, 1, **how),
        lambda **how: nn.BatchNorm1d(2, **how),
        lambda **how: nn.LayerNorm(2, **how),
        lambda **how: nn.Embedding(2, 2, **how),
        lambda **how: nn.PReLU(**how),
    ):
        module = build(device="cpu", dtype=rg.float64)
        assert module.weight.dtype is rg.float64
        assert build().weight.dtype is rg.float32
    rg.set_default_dtype(rg.float64)
    assert nn.Linear(2, 2).weight.dtype is rg.float64
    with pytest.raises(RuntimeError, match="cuda"):
        nn.Linear(2, 2, device="cuda")


def test_utilities() -> None:
    net = nn.Linear(2, 1)
    vector = nn.utils.parameters_to_vector(net.parameters())
    assert vector.tolist() == [*net.weight.flatten().tolist(), *net.bias.tolist()]
    nn.utils.vector_to_parameters(rg.tensor([1.0, 2.0, 3.0]), net.parameters())
    assert net.weight.tolist() == [[1.0, 2.0]] and net.bias.tolist() == [3.0]
    assert net(rg.ones(1, 2)).tolist() == [[6.0]]
    net(rg.ones(1, 2) * 10).sum().backward()
    nn.utils.clip_grad_value_(net.parameters(), 4.0)
    assert net.weight.grad.tolist() == [[4.0, 4.0]] and net.bias.grad.tolist() == [1.0]
    total = nn.utils.clip_grad_norm_(net.parameters(), 3.0)
    assert total.item() == pytest.approx(33**0.5)
    assert nn.utils.get_total_norm([p.grad for p in net.parameters()]).item() == (
        pytest.approx(3.0, rel=1e-5)
    )
    net.bias.grad = rg.tensor([float("nan")])
    with pytest.raises(RuntimeError, match="non-finite"):
        nn.utils.clip_grad_norm_(net.parameters(), 1.0, error_if_nonfinite=True)
    assert nn.utils.clip_grad_norm_([], 1.0).item() == 0.0


def test_vectors_carry_gradients() -> None:
    net = nn.Linear(2, 1)
    (nn.utils.parameters_to_vector(net.parameters()) ** 2).sum().backward()
    expected = 2 * net.weight.detach().numpy()
    np.testing.assert_allclose(net.weight.grad.numpy(), expected)
