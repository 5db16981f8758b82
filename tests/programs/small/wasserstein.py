"""A Wasserstein GAN with gradient penalty, whose critic is frozen for the generator."""

from typing import Any

import retrograd as rg
from retrograd import nn


def drawn(turn: int, *shape: int) -> Any:
    """Numbers that look like noise and are the same in every library."""
    size = 1
    for n in shape:
        size *= n
    return (
        (rg.sin((rg.arange(float(size)) + 1) * (turn + 1.7)) * 99.7).sin().view(shape)
    )


def build() -> Any:
    return nn.ModuleDict({
        "G": nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 2)),
        "D": nn.Sequential(nn.Linear(2, 8), nn.LeakyReLU(0.2), nn.Linear(8, 1)),
    })  # fmt: skip


def penalty(critic: Any, real: Any, fake: Any, share: Any) -> Any:
    between = (share * real + (1 - share) * fake).detach().requires_grad_(True)
    score = critic(between)
    (slope,) = rg.autograd.grad(
        score, between, rg.ones(score.size()), create_graph=True, retain_graph=True
    )
    return ((slope.view(slope.size(0), -1).norm(2, dim=1) - 1) ** 2).mean() * 10


def run(net: Any) -> list[float]:
    generator, critic = net["G"], net["D"]
    for_critic = rg.optim.Adam(critic.parameters(), lr=1e-2, betas=(0.5, 0.9))
    for_generator = rg.optim.RMSprop(generator.parameters(), lr=1e-2)
    one = rg.tensor(1.0)
    minus = one * -1
    found = []
    for turn in range(6):
        for p in critic.parameters():
            p.requires_grad = True
        for k in range(2):
            critic.zero_grad()
            real = drawn(turn + k, 12, 2) + 1
            with rg.no_grad():
                fake = generator(drawn(turn + k + 50, 12, 2))
            right, wrong = critic(real).mean(), critic(fake).mean()
            right.backward(minus)
            wrong.backward(one)
            extra = penalty(critic, real.data, fake.data, drawn(turn + 9, 12, 1).abs())
            extra.backward()
            for_critic.step()
            found += [(right - wrong).item(), extra.item()]
        for p in critic.parameters():
            p.requires_grad = False
        generator.zero_grad()
        score = critic(generator(drawn(turn + 70, 12, 2))).mean()
        score.backward(minus)
        assert all(p.grad is not None for p in generator.parameters())
        for_generator.step()
        found.append(score.item())
    return found
