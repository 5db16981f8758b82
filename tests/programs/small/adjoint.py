"""A neural differential equation whose gradient is integrated backwards in time."""

from typing import Any

import retrograd as rg
from retrograd import nn


class Flow(rg.autograd.Function):
    @staticmethod
    def forward(ctx: Any, y: Any, f: Any, *parameters: Any) -> Any:
        ctx.f, ctx.parameters = f, parameters
        with rg.no_grad():
            for _ in range(10):
                y = y + 0.1 * f(y)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, a: Any) -> Any:
        (y,) = ctx.saved_tensors
        sums = [rg.zeros_like(p) for p in ctx.parameters]
        for _ in range(10):
            with rg.enable_grad():
                here = y.detach().requires_grad_(True)
                slope = ctx.f(here)
                found = rg.autograd.grad(slope, (here, *ctx.parameters), a)
            y = (y - 0.1 * slope).detach()
            a = a + 0.1 * found[0]
            sums = [s + 0.1 * g for s, g in zip(sums, found[1:], strict=True)]
        return a, None, *sums


def build() -> Any:
    return nn.Sequential(nn.Linear(2, 8), nn.Softplus(), nn.Linear(8, 2))


def run(net: Any) -> list[float]:
    optimizer = rg.optim.Adam(net.parameters(), 1e-2)
    start = rg.tensor([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]])
    turn = rg.matrix_exp(rg.tensor([[-0.1, 1.0], [-1.0, -0.1]]))
    losses = []
    for _ in range(6):
        loss = (Flow.apply(start, net, *net.parameters()) - start @ turn).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses
