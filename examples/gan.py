"""GAN: two networks, two losses, and an equilibrium instead of a minimum.

The lecture's remark (NYU 2.1): learning may also mean to find the Nash equilibrium of two
functions, as with generative adversarial networks, by gradient methods.

A generator turns noise into points of the plane; a discriminator tells them from samples of
eight Gaussians on a ring. The classic failure is a generator that covers a few of the eight
modes and moves between them; here it comes from a discriminator that learns four times as
fast, the cure is to balance the two. Measured: modes that get at least 2 % of 2,000 points.
"""

import numpy as np
from frame import BLUE, ORANGE, main, spread

import retrograd as rg
from retrograd import nn
from retrograd.nn import functional as F

MODES = 8
RATES = {"discriminator runs ahead": (5e-4, 2e-3), "balanced": (1e-3, 1e-3)}  # Adam's
ANGLES = 2 * np.pi * np.arange(MODES) / MODES
CENTRES = 2 * np.stack([np.cos(ANGLES), np.sin(ANGLES)], 1)


def real(count):
    centres = rg.tensor(CENTRES, dtype=rg.float32)
    return centres[rg.randint(0, MODES, (count,))] + 0.05 * rg.randn(count, 2)


def network(inputs, outputs, width=64):
    return nn.Sequential(nn.Linear(inputs, width), nn.LeakyReLU(0.2), nn.Linear(width, width),
                         nn.LeakyReLU(0.2), nn.Linear(width, outputs))  # fmt: skip


def train(rates, steps, batch=128):
    """The generator, and the discriminator's loss by step (ln 2 at the equilibrium)."""
    generator, discriminator = network(8, 2), network(2, 1)
    pairs = zip((generator, discriminator), rates, strict=True)
    adam = rg.optim.Adam
    making, judging = (adam(m.parameters(), r, (0.5, 0.9)) for m, r in pairs)
    losses = []
    for _ in range(steps):
        fake = generator(rg.randn(batch, 8))
        judging.zero_grad()
        scores, fakes = discriminator(real(batch)), discriminator(fake.detach())
        loss = (F.softplus(-scores).mean() + F.softplus(fakes).mean()) / 2
        loss.backward()
        judging.step()
        losses.append(loss.item())
        making.zero_grad()
        F.softplus(-discriminator(fake)).mean().backward()
        making.step()
    return generator, losses


def coverage(generator, count=2000):
    """Points, modes that get 2 % of them, and the share within 0.3 of a mode."""
    with rg.no_grad():
        points = generator(rg.randn(count, 8)).numpy()
    distances = np.linalg.norm(points[:, None] - CENTRES, axis=2)
    near = distances.min(1) < 0.3
    hits = np.bincount(distances.argmin(1)[near], minlength=MODES)
    return points, int((hits >= 0.02 * count).sum()), 100 * near.mean()


def run(report, seed, quick):
    steps, modes, near = 700 if quick else 1500, {}, {}
    for _ in report.seeds(seed, 1 if quick else 4):
        points, losses = {}, {}
        for name, rates in RATES.items():
            generator, losses[name] = train(rates, steps)
            points[name], count, share = coverage(generator)
            modes.setdefault(name, []).append(count)
            near.setdefault(name, []).append(share)
    failed, cured = RATES
    report.verdict(
        "with balanced rates two networks find an equilibrium that covers all modes",
        min(modes[cured]) >= 7,
        f"{spread(modes[cured])} of 8 modes, {spread(near[cured], 0)} % of the points within 0.3 "
        f"of one; the discriminator's loss ends at {np.mean(losses[cured][-100:]):.2f} (ln 2 = 0.69 "
        "where it can tell nothing)",
    )
    report.verdict(
        "a discriminator that runs ahead makes the generator collapse to a few modes",
        max(modes[failed]) < min(modes[cured]),
        f"{spread(modes[failed])} of 8 modes with the discriminator's rate four times the other",
    )
    return {"points": points, "losses": losses, "modes": modes}


def draw(figure, points, losses, modes):
    *planes, curve = figure.subplots(1, 3)
    for axis, name, colour in zip(planes, points, (ORANGE, BLUE), strict=True):
        axis.plot(*CENTRES.T, "o", color="k", fillstyle="none", markersize=16)
        axis.plot(*points[name].T, ".", color=colour, alpha=0.3, markersize=3)
        axis.set(title=name, xlim=(-3, 3), ylim=(-3, 3), aspect="equal")
        smooth = np.convolve(losses[name], np.ones(50) / 50, "valid")
        curve.plot(smooth, color=colour, label=name)
    curve.axhline(np.log(2), color="k", ls=":", lw=1)
    curve.set(title="The discriminator's loss", xlabel="step", ylim=(0, 0.8))
    curve.legend(fontsize=9, loc="lower right")


if __name__ == "__main__":
    main(run, draw)
