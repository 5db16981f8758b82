"""Learning to learn: gradients through steps of gradient descent, in two ways."""

from typing import Any

import retrograd as rg
from retrograd import nn
from retrograd.func import functional_call, grad, grad_and_value, vmap


def build() -> Any:
    return nn.Sequential(nn.Linear(1, 12), nn.Tanh(), nn.Linear(12, 1))


def run(net: Any) -> list[float]:
    x = rg.linspace(-2, 2, 10)[:, None]
    tasks = [(x, rg.sin(x + 0.5 * i) * (1 + 0.2 * i)) for i in range(3)]
    optimizer, found = rg.optim.Adam(net.parameters(), 1e-2), []

    def loss(p: Any, x: Any, y: Any) -> Any:
        return ((functional_call(net, p, (x,)) - y) ** 2).mean()

    for _ in range(3):
        total: Any = 0.0
        for x, y in tasks:
            p = dict(net.named_parameters())
            for _ in range(2):
                first = loss(p, x[::2], y[::2])
                steps = rg.autograd.grad(first, list(p.values()), create_graph=True)
                p = {k: w - 0.1 * g for (k, w), g in zip(p.items(), steps, strict=True)}
            total = total + loss(p, x[1::2], y[1::2])
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        found.append(total.item())

    def adapted(p: Any, x: Any, y: Any) -> Any:
        g = grad(loss)(p, x, y)
        return loss({k: p[k] - 0.1 * g[k] for k in p}, x, y)

    xs, ys = (rg.stack(list(part)) for part in zip(*tasks, strict=True))
    p = {k: v.detach() for k, v in net.named_parameters()}
    for _ in range(3):
        every = vmap(adapted, in_dims=(None, 0, 0))
        g, value = grad_and_value(lambda p: every(p, xs, ys).sum())(p)
        p = {k: p[k] - 0.05 * g[k] for k in p}
        found.append(value.item())
    return found
