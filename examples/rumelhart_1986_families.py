"""Family trees in 1986: what a network makes of who is whose aunt.

Rumelhart, Hinton and Williams (Nature 323) taught a network the relations in two families of
the same form, one English, one Italian: 24 people, 12 relations, 104 facts (person, relation)
→ people. Layers 24 + 12 → 6 + 6 → 12 → 6 → 24; 100 facts learned, 4 held out; 1,500 sweeps with
ε = 0.005, α = 0.5 for the first 20 and ε = 0.01, α = 0.9 from then on, every weight made 0.2 %
smaller after each update; targets 0.8 and 0.2, beyond which nothing counts as an error.
The point: the six units for a person come to stand for nationality, generation and branch,
which nobody told it, and with them it answers facts that it never saw.
"""

import numpy as np
from frame import curves, main, spread

import retrograd as rg
from retrograd import nn

SWEEPS = 1500
SETTINGS = {  # first weights within ±; ε; shrinking after each update
    "in the paper's schedule": (0.3, 0.01, 0.002),
    "with larger first weights and steps": (1.0, 0.05, 0.0002),
}


class Families(nn.Module):
    def __init__(self, first):
        super().__init__()
        self.person, self.relation = nn.Linear(24, 6), nn.Linear(12, 6)
        self.rest = nn.Sequential(nn.Linear(12, 12), nn.Sigmoid(), nn.Linear(12, 6),
                                  nn.Sigmoid(), nn.Linear(6, 24), nn.Sigmoid())  # fmt: skip
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -first, first)

    def forward(self, person, relation):
        pair = [self.person(person), self.relation(relation)]
        return self.rest(rg.cat(pair, 1).sigmoid())


def learn(facts, held, sweeps, first, rate, decay):
    """Sweep by sweep (share of the learned facts right, held-out facts right)."""
    person, relation, answer = facts
    model, known, history = Families(first), rg.tensor(~held), []
    optimizer = rg.optim.SGD(model.parameters(), lr=rate / 2, momentum=0.5)
    for sweep in range(sweeps):
        if sweep == 20:
            optimizer.param_groups[0].update(lr=rate, momentum=0.9)
        optimizer.zero_grad()
        y = model(person, relation)
        misses = answer * (0.8 - y).relu() + (1 - answer) * (y - 0.2).relu()
        (0.5 * (misses[known] ** 2).sum()).backward()
        optimizer.step()
        with rg.no_grad():
            for w in model.parameters():
                w.mul_(1 - decay)
        right = ((y > 0.5) == (answer > 0.5)).all(1).numpy()
        history.append((right[~held].mean(), right[held].sum()))
    return np.array(history), model


def run(report, seed, quick):
    people, relations, known = rg.datasets.family_trees()
    one_hot = [np.eye(24)[[people.index(person) for person, _ in known]],
               np.eye(12)[[relations.index(relation) for _, relation in known]],
               [[q in answer for q in people] for answer in known.values()]]  # fmt: skip
    facts = [rg.tensor(np.array(a, np.float32)) for a in one_hot]
    report.say(f"{len(people)} people, {len(relations)} relations, {len(known)} facts")
    histories = {name: [] for name in SETTINGS}
    for s in report.seeds(seed, 2 if quick else 5):
        held = np.zeros(len(known), bool)
        held[np.random.default_rng(s).permutation(len(known))[:4]] = True
        for name, how in SETTINGS.items():
            history, model = learn(facts, held, SWEEPS, *how)
            histories[name].append(history)
    ends = {k: np.array([h[-1] for h in v]) for k, v in histories.items()}
    for name, (learned, guessed) in ((k, e.T) for k, e in ends.items()):
        report.verdict(
            f"{name}: the network learns the facts in {SWEEPS:,} sweeps and answers new ones",
            learned.mean() > 0.95 and guessed.mean() >= 1,
            f"learned facts right {spread(100 * learned)} %; of the 4 held out {spread(guessed)} "
            "right (the paper: 4 in one run, 3 in another)",
        )
    code = model.person.weight.detach().numpy()  # [6, 24]: the last network's
    told = max(
        np.mean((row > np.median(row)) == (np.arange(24) < 12))
        for row in [*code, *-code]
    )
    report.say(
        f"best of the six units as a sign of nationality: {24 * told:.0f} of 24 people"
    )
    return {"histories": histories, "code": code, "people": people, "facts": len(known)}


def draw(figure, histories, code, people, facts):
    left, right = figure.subplots(1, 2, width_ratios=[2, 3])
    lines = {k: [100 * h[:, 0] for h in v] for k, v in histories.items()}
    curves(left, np.arange(SWEEPS), lines, xlabel="sweep", ylabel="learned facts right, %",
           ylim=(-3, 103), title="Learning (band: seeds)", legend=(0.02, 0.75))  # fmt: skip
    right.imshow(code, cmap="RdBu", vmin=-abs(code).max(), vmax=abs(code).max())
    right.set(
        xticks=range(24), ylabel="unit", title="The six units for a person (weights)"
    )
    right.set_xticklabels(people, rotation=90, fontsize=8)
    right.axvline(11.5, color="k", lw=1)
    right.grid(False)


if __name__ == "__main__":
    main(run, draw)
