"""In-place operations, views and shared memory, as users of PyTorch expect them."""

import gc

import numpy as np
import pytest

import retrograd as rg


def test_views_write_through_both_ways():
    x = rg.zeros(2, 3)
    row, column = x[0], x[:, 1]
    row += 1
    column.mul_(5)
    assert x.tolist() == [[1, 5, 1], [0, 0, 0]]
    assert row.tolist() == [1, 5, 1] and column.tolist() == [5, 0]
    x.fill_(2)
    assert row.tolist() == [2, 2, 2] and column.tolist() == [2, 2]


def test_views_of_pending_values_write_through():
    x = rg.ones(4) * 3
    v = x.view(2, 2)
    t = v.t()
    t[0] = 7
    assert x.tolist() == [7, 3, 7, 3] and v.tolist() == [[7, 3], [7, 3]]


def test_gradients_through_writes_into_a_buffer():
    w = rg.tensor([2.0, 3.0], requires_grad=True)
    buffer = rg.zeros(3)
    buffer[1:] = w * w
    buffer[0] = w[0]
    (buffer * rg.tensor([1.0, 10.0, 100.0])).sum().backward()
    assert w.grad.tolist() == [1 + 40, 600]


def test_numpy_shares_memory():
    x = rg.zeros(3)
    a = x.numpy()
    x += 1
    assert a.tolist() == [1, 1, 1]
    a[0] = 5
    assert x.tolist() == [5, 1, 1]
    p = rg.nn.Parameter(rg.zeros(2))
    b = p.detach().numpy()
    with rg.no_grad():
        p.add_(2)
    assert b.tolist() == [2, 2]


def test_data_and_detach_share_memory():
    p = rg.nn.Parameter(rg.ones(2))
    p.data.fill_(4)
    assert p.tolist() == [4, 4]
    d = p.detach()
    d[0] = 9
    assert p.tolist() == [9, 4] and not d.requires_grad
    p.data = rg.zeros(3)
    assert p.tolist() == [0, 0, 0] and p.requires_grad


def test_an_optimizer_step_is_seen_by_aliases():
    p = rg.nn.Parameter(rg.ones(2))
    alias, array = p.data, p.detach().numpy()
    (p * 3).sum().backward()
    rg.optim.SGD([p], lr=1.0).step()
    assert p.tolist() == [-2, -2] == alias.tolist() and array.tolist() == [-2, -2]


def test_old_values_held_elsewhere_survive_a_step():
    p = rg.nn.Parameter(rg.ones(2))
    doubled, copy = p * 2, p.clone()
    (p * 3).sum().backward()
    rg.optim.SGD([p], lr=1.0).step()
    assert doubled.tolist() == [2, 2] and copy.tolist() == [1, 1]


def test_in_place_on_a_leaf_that_needs_gradients_is_refused():
    x = rg.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match="leaf Variable that requires grad"):
        x.add_(1)
    with pytest.raises(RuntimeError, match="view of a leaf"):
        x[0].add_(1)
    with rg.no_grad():
        x.add_(1)
    assert x.tolist() == [2, 2]


@pytest.mark.parametrize("read", [False, True])
def test_backward_through_a_value_changed_in_place_is_refused(read):
    x = rg.ones(2, requires_grad=True)
    y = x.exp()
    z = y.sum()
    if read:
        z.item()
    y.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.backward()


def test_backward_after_a_parameter_was_changed_is_refused():
    w = rg.nn.Parameter(rg.ones(2))
    x = rg.ones(2, requires_grad=True)
    loss = (w * x).sum()
    loss.item()
    with rg.no_grad():
        w.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_in_place_keeps_type_and_shape():
    x = rg.zeros(3, dtype=rg.int64)
    with pytest.raises(RuntimeError, match="can't be cast"):
        x.add_(1.5)
    with pytest.raises(RuntimeError, match="doesn't match the broadcast shape"):
        x.add_(rg.zeros(2, 3, dtype=rg.int64))


def test_two_gradients_of_one_sum_do_not_share_memory():
    a = rg.ones(2, requires_grad=True)
    b = rg.ones(2, requires_grad=True)
    (a + b).sum().backward()
    a.grad.mul_(10)
    assert a.grad.tolist() == [10, 10] and b.grad.tolist() == [1, 1]


def test_gradients_accumulate_into_the_same_tensor():
    x = rg.ones(2, requires_grad=True)
    (x * 2).sum().backward()
    g = x.grad
    (x * 3).sum().backward()
    assert x.grad is g and g.tolist() == [5, 5]


def test_results_own_their_memory():
    x = rg.ones(2, 3)
    for y in (x + 0, x.expand(4, 2, 3).clone(), x.sum(), rg.relu(x)):
        array = y.numpy()
        assert array.flags.writeable and not np.shares_memory(array, x.numpy())


def test_parameters_that_died_before_backward():
    """Nobody can see their gradients; those of others are as they were."""

    def program(x):
        rg.manual_seed(0)
        net = rg.nn.Sequential(rg.nn.Linear(3, 8), rg.nn.Linear(8, 3))
        return net(x).sum()

    found = []
    for read in (False, True):
        x = rg.ones(4, 3, requires_grad=True)
        loss = program(x)
        gc.collect()
        if read:
            loss.item()
        loss.backward()
        found.append(x.grad.tolist())
    assert found[0] == found[1]
