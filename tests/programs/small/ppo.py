"""A step of proximal policy optimisation, with advantages written in a loop."""

from typing import Any

import retrograd as rg
from retrograd import nn


class ActorCritic(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, 16), nn.Tanh())
        self.policy, self.value = nn.Linear(16, 3), nn.Linear(16, 1)

    def forward(self, state: Any) -> Any:
        hidden = self.body(state)
        return self.policy(hidden), self.value(hidden).squeeze(-1)


def build() -> Any:
    return ActorCritic()


def run(net: Any) -> list[float]:
    optimizer = rg.optim.Adam(net.parameters(), lr=3e-3, eps=1e-5)
    states = rg.sin(rg.arange(80.0)).reshape(20, 4)
    actions, rewards = rg.arange(20) % 3, rg.cos(rg.arange(20.0))
    with rg.no_grad():
        logits, values = net(states)
        old = rg.log_softmax(logits, -1).gather(1, actions[:, None]).squeeze(1)
        advantages, last = rg.zeros(20), rg.zeros(())
        for t in reversed(range(20)):
            after = values[t + 1] if t < 19 else 0.0
            last = rewards[t] + 0.99 * after - values[t] + 0.95 * last
            advantages[t] = last
        returns = advantages + values
        advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
    found = []
    for _ in range(4):
        for some in rg.arange(20).split(10):
            logits, value = net(states[some])
            logs = logits.log_softmax(-1)
            new = logs.gather(1, actions[some, None]).squeeze(1)
            ratio, gain = (new - old[some]).exp(), advantages[some]
            clipped = rg.clamp(ratio, 0.8, 1.2) * gain
            loss = -rg.min(ratio * gain, clipped).mean()
            loss = loss + 0.5 * (value - returns[some]).pow(2).mean()
            loss = loss + 0.01 * (logs.exp() * logs).sum(-1).mean()
            optimizer.zero_grad()
            loss.backward()
            norm = nn.utils.clip_grad_norm_(net.parameters(), 0.5)
            optimizer.step()
            found += [loss.item(), norm.item()]
    return found
