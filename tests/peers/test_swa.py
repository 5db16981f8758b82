"""Averaged weights and their schedule follow PyTorch's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import retrograd as rg
from peers.both import double
from retrograd import nn
from retrograd.optim import swa_utils

torch = pytest.importorskip(
    "torch", reason="comparisons with PyTorch are skipped: it is not installed"
)


def model(lib: Any) -> Any:
    net = lib.nn
    return net.Sequential(
        net.Linear(3, 4), net.BatchNorm1d(4), net.ReLU(), net.Linear(4, 2)
    ).double()


AVERAGES: dict[str, Any] = {
    "default": lambda u: {},
    "swa": lambda u: {"avg_fn": u.get_swa_avg_fn()},
    "swa-multi": lambda u: {"multi_avg_fn": u.get_swa_multi_avg_fn()},
    "ema": lambda u: {"avg_fn": u.get_ema_avg_fn(0.8)},
    "ema-multi": lambda u: {"multi_avg_fn": u.get_ema_multi_avg_fn(0.8)},
    "own": lambda u: {"avg_fn": lambda mean, new, n: (mean + 2 * new) / 3},
}


@pytest.mark.parametrize("use_buffers", [False, True])
@pytest.mark.parametrize("average", AVERAGES)
def test_averaged_model(average: str, use_buffers: bool) -> None:
    found = []
    if average == "swa-multi" and use_buffers:
        pytest.skip("PyTorch cannot average the whole-number buffer there")
    rng = np.random.default_rng(0)
    weights = [rng.normal(size=s) for s in [(4, 3), (4,), (4,), (4,), (2, 4), (2,)]]
    data = rng.normal(size=(5, 6, 3))
    for lib, utils in ((torch, torch.optim.swa_utils), (rg, swa_utils)):
        net = model(lib)
        with lib.no_grad():
            for p, w in zip(net.parameters(), weights, strict=True):
                p.copy_(lib.tensor(w))
        kwargs = AVERAGES[average](utils)
        mean = utils.AveragedModel(net, use_buffers=use_buffers, **kwargs)
        optimizer = lib.optim.SGD(net.parameters(), lr=0.1)
        for x in data:
            optimizer.zero_grad()
            (net(lib.tensor(x)) ** 2).mean().backward()
            optimizer.step()
            with double(lib):
                mean.update_parameters(net)
        saved = {k: v.numpy().copy() for k, v in mean.state_dict().items()}
        utils.update_bn([[lib.tensor(x)] for x in data], mean)
        assert mean.training
        assert mean.module[1].momentum == 0.1
        out = mean.eval()(lib.tensor(data[0])).detach().numpy()
        found.append((saved, {**mean.state_dict()}, out))
    (a, after_a, x), (b, after_b, y) = found
    assert list(a) == list(b)
    for key in a:
        np.testing.assert_allclose(b[key], a[key], rtol=1e-10)
        np.testing.assert_allclose(
            after_b[key].numpy(), after_a[key].numpy(), rtol=1e-10
        )
    np.testing.assert_allclose(y, x, rtol=1e-9)


@pytest.mark.parametrize(
    "options",
    [
        {"swa_lr": 0.05},
        {"swa_lr": 0.05, "anneal_strategy": "linear"},
        {"swa_lr": [0.05, 0.2], "anneal_epochs": 4},
        {"swa_lr": 0.01, "anneal_epochs": 0},
    ],
)
def test_swalr(options: dict[str, Any]) -> None:
    runs = []
    for lib, utils in ((torch, torch.optim.swa_utils), (rg, swa_utils)):
        groups = [
            {"params": [lib.ones(1, requires_grad=True)], "lr": lr} for lr in (0.1, 0.3)
        ]
        optimizer = lib.optim.SGD(groups)
        schedule = utils.SWALR(optimizer, **options)
        seen = [schedule.get_last_lr()]
        for _ in range(14):
            optimizer.step()
            schedule.step()
            seen.append(schedule.get_last_lr())
        saved = schedule.state_dict()
        again = utils.SWALR(optimizer, **options)
        again.load_state_dict(saved)
        assert again.last_epoch == schedule.last_epoch
        runs.append((np.array(seen), saved))
    np.testing.assert_allclose(runs[1][0], runs[0][0], rtol=1e-12)
    mine = {k: v for k, v in runs[1][1].items() if k in runs[0][1]}
    assert set(mine) >= set(runs[0][1]) - {"_get_lr_called_within_step", "_is_initial"}


def test_refusals() -> None:
    for lib, utils in ((torch, torch.optim.swa_utils), (rg, swa_utils)):
        fn = utils.get_ema_avg_fn
        for make in (fn, utils.get_ema_multi_avg_fn):
            with pytest.raises(ValueError, match="Invalid decay value 1.5"):
                make(1.5)
        with pytest.raises(AssertionError, match="Only one of"):
            utils.AveragedModel(
                lib.nn.Linear(1, 1),
                avg_fn=fn(),
                multi_avg_fn=utils.get_swa_multi_avg_fn(),
            )
        optimizer = lib.optim.SGD([lib.ones(1, requires_grad=True)])
        with pytest.raises(ValueError, match="anneal_strategy"):
            utils.SWALR(optimizer, 0.1, anneal_strategy="square")
        with pytest.raises(ValueError, match="anneal_epochs"):
            utils.SWALR(optimizer, 0.1, anneal_epochs=-1)


def test_without_batch_normalisation() -> None:
    net = nn.Linear(2, 1)
    mean = swa_utils.AveragedModel(net, multi_avg_fn=swa_utils.get_swa_multi_avg_fn())
    for value in (1.0, 2.0, 6.0):
        with rg.no_grad():
            net.weight.fill_(value)
        mean.update_parameters(net)
    assert mean.n_averaged.item() == 3
    assert mean.module.weight.tolist() == [pytest.approx([3.0, 3.0])]
    swa_utils.update_bn([rg.ones(3, 2)], mean)  # nothing to do, and nothing done
    assert mean.module.weight.tolist() == [pytest.approx([3.0, 3.0])]
