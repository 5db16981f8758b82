"""What a network looks at: hooks, class activation maps, adversarial examples, and
gradients kept in half the space."""

from typing import Any

import retrograd as rg
from retrograd import nn
from retrograd.nn import functional as F


def build() -> Any:
    return nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(),
                         nn.Conv2d(4, 6, 3, padding=1), nn.ReLU(),
                         nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 3))  # fmt: skip


def run(net: Any) -> list[float]:
    x, y = rg.sin(rg.arange(72.0)).reshape(2, 1, 6, 6), rg.tensor([0, 1])
    seen: dict[str, Any] = {}
    layer = net[2]
    handles = [
        layer.register_forward_hook(lambda m, i, o: seen.update(value=o.detach())),
        layer.register_full_backward_hook(lambda m, gi, go: seen.update(grad=go[0])),
    ]
    net(x)[0, 1].backward()
    for handle in handles:
        handle.remove()
    weights = seen["grad"].mean((2, 3), keepdim=True)
    found = F.relu((weights * seen["value"]).sum(1))[0].flatten().tolist()
    image = x.clone().requires_grad_()
    F.cross_entropy(net(image), y).backward()
    worse = (image + 0.1 * image.grad.sign()).clamp(-1, 1).detach()
    found.append(F.cross_entropy(net(worse), y).item())
    net.zero_grad()
    norms: list[float] = []
    parameters = list(net.parameters())
    rg.autograd.graph.register_multi_grad_hook(
        parameters, lambda gs: norms.append(sum(float(g.pow(2).sum()) for g in gs))
    )
    hooks = rg.autograd.graph.saved_tensors_hooks
    with hooks(lambda t: (t.dtype, t.float()), lambda kept: kept[1].to(kept[0])):
        loss = F.cross_entropy(net(x), y)
    loss.backward()
    found += [round(n, 5) for n in norms]
    return found + [round(p.grad.abs().sum().item(), 5) for p in parameters]
