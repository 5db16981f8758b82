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

import retrograd as rg
from retrograd import nn
from retrograd.experiment import curves, main, side_by_side, spread

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

    def forward(self, x):
        pair = [self.person(x[:, :24]), self.relation(x[:, 24:])]
        return self.rest(rg.cat(pair, 1).sigmoid())


def learn(held, seeds, first, rate, decay):
    """By seed which facts are right [S, sweeps, facts] if those *held* [S, facts] are not
    learned, and the weights for a person [S, 6, 24]. All seeds learn in one graph."""
    networks, weights = side_by_side(lambda: Families(first), seeds)
    questions, answers = rg.datasets.family_facts()
    x, known = questions.expand(len(seeds), 104, 36), rg.tensor(~held)[..., None]
    optimizer, history = rg.optim.SGD(weights, lr=rate / 2, momentum=0.5), []
    for sweep in range(SWEEPS):
        if sweep == 20:
            optimizer.param_groups[0].update(lr=rate, momentum=0.9)
        optimizer.zero_grad()
        y = networks(x)
        misses = answers * (0.8 - y).relu() + (1 - answers) * (y - 0.2).relu()
        (0.5 * (known * misses**2).sum()).backward()
        optimizer.step()
        with rg.no_grad():
            for w in weights:
                w.mul_(1 - decay)
        history.append(((y > 0.5) == (answers > 0.5)).all(2).numpy())
    return np.stack(history, 1), weights[0].detach().numpy()


def run(report, seed, quick):
    people, relations, facts = rg.datasets.family_trees()
    report.say(f"{len(people)} people, {len(relations)} relations, {len(facts)} facts")
    seeds, found = range(seed, seed + (3 if quick else 20)), {}
    held = np.array([np.random.default_rng(s).permutation(104) < 4 for s in seeds])
    for name, how in report.progress(SETTINGS.items(), "settings"):
        right, codes = learn(held, seeds, *how)
        found[name] = (right & ~held[:, None]).sum(2)
        learned, guessed = found[name][:, -1], (right[:, -1] & held).sum(1)
        report.verdict(
            f"{name}: the network learns the facts in {SWEEPS:,} sweeps and answers new ones",
            learned.mean() > 95 and guessed.mean() >= 1, f"of the 100 learned {spread(learned)} right, "
            f"of the 4 held out {spread(guessed)} (the paper: 4 in one run, 3 in another)")  # fmt: skip
    same = (codes > np.median(codes, 2, keepdims=True)) == (np.arange(24) < 12)
    told = np.abs(same.sum(2) - 12).max(1) + 12  # either sign will do
    report.say(f"a unit's sign tells the nation of {spread(told)} of 24 people at best")
    return {"found": found, "code": codes[0], "people": people, "facts": len(facts)}


def draw(figure, found, code, people, facts):
    left, right = figure.subplots(1, 2, width_ratios=[2, 3])
    curves(left, np.arange(SWEEPS), found, xlabel="sweep", ylabel="right, of 100 learned facts",
           ylim=(-3, 103), title="Learning (band: seeds)", legend=(0.02, 0.75))  # fmt: skip
    right.imshow(code, cmap="RdBu", vmin=-abs(code).max(), vmax=abs(code).max())
    right.set(
        xticks=range(24), ylabel="unit", title="The six units for a person, one seed"
    )
    right.set_xticklabels(people, rotation=90, fontsize=8)
    right.axvline(11.5, color="k", lw=1)
    right.grid(False)


if __name__ == "__main__":
    main(run, draw)
