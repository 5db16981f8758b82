"""Family trees in 1986: what a network makes of who is whose aunt.

The paper that the lectures name for backpropagation (Rumelhart, Hinton, Williams, Nature 323)
taught a network two families of the same form, English and Italian: 24 people, 12 relations,
104 facts (person, relation) → people. Layers 24 + 12 → 6 + 6 → 12 → 6 → 24; 100 facts learned,
4 held out; 1,500 sweeps, ε = 0.005 and α = 0.5 for the first 20, then 0.01 and 0.9; each weight
made 0.2 % smaller after each update; E = ½Σ(y − d)², targets 0.8 and 0.2, nothing beyond them an
error. First weights are not stated; ±0.3 are those of its other experiment. The point: the six
units for a person come to stand for nationality, generation and branch, which nobody told it.
With these numbers nothing is learned here: small weights get next to no gradient through four
sigmoid layers, and the shrinking outweighs the errors: larger first weights, and what fivefold
steps learned, fade. The last setting was found by trying, on held-out facts some of which are shown.
"""

import numpy as np

import retrograd as rg
from retrograd import nn
from retrograd.experiment import curves, main, side_by_side, spread

SWEEPS = 1500
SETTINGS = {  # first weights within ±; ε, times the paper's; shrinking; sweeps after that
    "in the paper's schedule": (0.3, 1, 0.002),
    "without the shrinking": (0.3, 1, 0.0),
    "with first weights within ±2": (2.0, 1, 0.002),
    "with fivefold steps and ±1": (1.0, 5, 0.002, SWEEPS),
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
        return self.rest(rg.cat([self.person(x[:, :24]), self.relation(x[:, 24:])], 1).sigmoid())  # fmt: skip


def learn(held, seeds, first, times, decay, more=0):
    """Which facts are right [S, sweeps, facts] if those *held* [S, facts] are not learned (at
    last *more* sweeps in the paper's steps), and the weights for a person [S, 6, 24]."""
    networks, weights = side_by_side(lambda: Families(first), seeds)
    questions, answers = rg.datasets.family_facts()
    x, known = questions.expand(len(seeds), 104, 36), rg.tensor(~held)[..., None]
    optimizer, history = rg.optim.SGD(weights, lr=0.005 * times, momentum=0.5), []
    for sweep in range(SWEEPS + more):
        if sweep in (20, SWEEPS):
            optimizer.param_groups[0].update(lr=0.01 * (times if sweep == 20 else 1), momentum=0.9)  # fmt: skip
        optimizer.zero_grad()
        y = networks(x)
        misses = answers * (0.8 - y).relu() + (1 - answers) * (y - 0.2).relu()
        (0.5 * (known * misses**2).sum()).backward()
        optimizer.step()
        for w in weights:
            w.detach().mul_(1 - decay)
        history.append(((y > 0.5) == (answers > 0.5)).all(2).numpy())
        if sweep < SWEEPS:
            codes = weights[0].detach().numpy().copy()
    return np.stack(history, 1), codes


def run(report, seed, quick):
    people, _, facts = rg.datasets.family_trees()
    seeds, found, end = range(seed, seed + (3 if quick else 20)), {}, SWEEPS - 1
    held = np.array([np.random.default_rng(s).permutation(104) < 4 for s in seeds])
    for name, how in report.progress([*SETTINGS.items()][:: 3 if quick else 1], "settings"):  # fmt: skip
        right, codes = learn(held, seeds, *how)
        found[name] = (right & ~held[:, None]).sum(2)
        learned, guessed = found[name][:, end], (right[:, end] & held).sum(1)
        report.verdict(f"{name}: 1,500 sweeps teach it the facts, and it answers new ones",
                       learned.mean() > 95 and guessed.mean() >= 1,
                       f"of the 100 learned {spread(learned)} right, of the 4 held out "
                       f"{spread(guessed)} (the paper: all of them)")  # fmt: skip
    report.say(f"{SWEEPS:,} sweeps later, in the paper's steps: {spread(found[name][:, -1])}")  # fmt: skip
    same = ((codes > np.median(codes, 2, keepdims=True)) == (np.arange(24) < 12)).sum(2)
    told = np.abs(same - 12).max(1) + 12  # either sign will do
    report.say(f"a unit's sign tells the nation of {spread(told)} of 24 people at best")
    return {"found": found, "code": codes[0], "people": people, "facts": len(facts)}


def draw(figure, found, code, people, facts):
    left, right = figure.subplots(1, 2, width_ratios=[2, 3])
    left.axvline(SWEEPS, color="k", lw=1, ls=":", label="from here the paper's steps")
    for name, lines in found.items():
        curves(left, range(lines.shape[1]), {name: lines}, legend="upper right", xlabel="sweep",
               ylabel="right, of 100", ylim=(-3, 160), title="Learning (band: seeds)")  # fmt: skip
    right.imshow(code, cmap="RdBu", vmin=-abs(code).max(), vmax=abs(code).max())
    right.set_xticks(range(24), people, rotation=90, fontsize=8)
    right.set(ylabel="unit", title="Weights of the six units for a person, one seed")
    right.axvline(11.5, color="k", lw=1)
    right.grid(False)


if __name__ == "__main__":
    main(run, draw)
