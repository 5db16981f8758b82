"""Genres: what kind of music a song is, from its sound, by a convolutional network.

The lecture's example (NYU 2.2): convolutional networks classify audio as they do images. No
recordings can ship with a program, so it makes its own: songs of ten invented genres that
differ in tempo, rhythm, scale and timbre, each song with a key, a melody and a tempo of its
own and some noise, written as WAV files, one folder for each genre, as the GTZAN collection
has them. Then it does what ``retrograd train FOLDER`` does: log-mel spectrograms, windows, a
network, and for each held-out song a vote of its windows.
"""

import tempfile
from pathlib import Path

import numpy as np
from frame import main

from retrograd import train
from retrograd.train import metrics

RATE = 22050
MAJOR, MINOR, BLUES, WHOLE = (0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 3, 5, 6, 7, 10), (0, 2, 4, 6, 8, 10)  # fmt: skip
GENRES = {  # beats a minute, scale, strength of overtones 1 to 6, drum on which eighths
    "ambient": (60, WHOLE, (1, 0.1, 0.05, 0, 0, 0), ""),
    "blues": (85, BLUES, (1, 0.6, 0.4, 0.2, 0.1, 0), "x..x"),
    "chorale": (70, MAJOR, (1, 0, 0.5, 0, 0.3, 0), ""),
    "disco": (122, MINOR, (1, 0.5, 0.3, 0.3, 0.2, 0.1), "x.x."),
    "folk": (100, MAJOR, (1, 0.7, 0.2, 0.1, 0, 0), ""),
    "march": (112, MAJOR, (1, 0.8, 0.8, 0.6, 0.4, 0.3), "x.xx"),
    "metal": (150, MINOR, (1, 1, 1, 1, 1, 1), "xxxx"),
    "reggae": (75, MAJOR, (1, 0.3, 0.1, 0, 0, 0), "..x."),
    "techno": (135, WHOLE, (1, 0, 0, 0.8, 0, 0.6), "x.x."),
    "waltz": (90, MINOR, (1, 0.2, 0.4, 0, 0.2, 0), "x.."),
}


def compose(genre, numbers, seconds):
    """A song as samples: a melody over the scale, its timbre, drums and noise."""
    tempo, scale, overtones, rhythm = GENRES[genre]
    eighth = int(RATE * 30 / (tempo * numbers.uniform(0.93, 1.07)))
    key, step = numbers.integers(48, 60), numbers.integers(len(scale))
    song = np.zeros(int(seconds * RATE) + 2 * eighth)
    t = np.arange(2 * eighth) / RATE
    for i, start in enumerate(range(0, int(seconds * RATE), eighth)):
        if numbers.random() < 0.75:
            step = (step + numbers.integers(-2, 3)) % (2 * len(scale))
            pitch = key + 12 * (step // len(scale)) + scale[step % len(scale)]
            waves = (
                2
                * np.pi
                * 440
                * 2 ** ((pitch - 69) / 12)
                * np.arange(1, 7)[:, None]
                * t
            )
            note = np.array(overtones) @ np.sin(waves) * np.exp(-3 * t)
            song[start : start + len(t)] += note / sum(overtones)
        if rhythm and rhythm[i % len(rhythm)] == "x":
            song[start : start + len(t)] += (
                0.6 * numbers.normal(size=len(t)) * np.exp(-40 * t)
            )
    song += 0.02 * numbers.normal(size=len(song))
    return (0.5 * song / np.abs(song).max()).astype(np.float32)


def write_collection(folder, numbers, songs, seconds):
    import soundfile

    for genre in GENRES:
        (folder / genre).mkdir()
        for k in range(songs):
            path = folder / genre / f"{genre}.{k:05d}.wav"
            soundfile.write(path, compose(genre, numbers, seconds), RATE)


def run(report, seed, quick):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "genres")
        folder.mkdir()
        songs = 5 if quick else 10
        write_collection(folder, np.random.default_rng(seed), songs, 5 if quick else 9)
        data = train.read(str(folder), train.Choices(image_size=32))
        settings = train.Settings(seed=seed, epochs=8 if quick else 12, patience=12)
        fitted = train.Run.prepare(data, settings, Path(name))
        windows = len(data)
        fitted.train()
    said, truth = fitted.outputs.argmax(1), data.y[fitted.rows.test]
    table = metrics.confusion(said, truth, len(data.classes))
    voted, single = (100 * fitted.score[k] for k in ("accuracy", "window_accuracy"))
    report.say(
        f"{songs * len(GENRES)} songs, {windows} windows, {len(said)} songs held out"
    )
    report.table(["true genre", *data.classes], [(c, *r) for c, r in zip(data.classes, table, strict=True)])  # fmt: skip
    report.verdict(
        "a convolutional network tells genres from sound alone",
        voted >= (50 if quick else 80),
        f"{voted:.0f} % of {len(said)} held-out songs right by the vote of their windows, "
        f"{single:.0f} % of single windows (chance 10 %; invented genres, one seed)",
    )
    spectra = {
        c: data.x[np.flatnonzero(data.y == k)[1], 0] for k, c in enumerate(data.classes)
    }
    return {"table": table, "classes": data.classes, "spectra": spectra, "voted": voted}


def draw(figure, table, classes, spectra, voted):
    left, right = figure.subfigures(1, 2)
    for axis, (name, image) in zip(
        left.subplots(5, 2).flat, spectra.items(), strict=True
    ):
        axis.imshow(image, origin="lower", aspect="auto", cmap="magma")
        axis.set_title(name, fontsize=8)
        axis.axis("off")
    axis = right.subplots()
    axis.imshow(table, cmap="Blues")
    axis.set(xticks=range(10), yticks=range(10), yticklabels=classes, xlabel="heard as",
             title=f"Held-out songs, {voted:.0f} % right")  # fmt: skip
    axis.set_xticklabels(classes, rotation=90)
    axis.grid(False)


if __name__ == "__main__":
    main(run, draw)
