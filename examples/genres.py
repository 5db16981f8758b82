"""Genres: what kind of music a song is, from its sound, by a convolutional network.

The lecture's example (NYU 2.2): convolutional networks classify audio as they do images. No
recordings can ship with a program, so it makes its own: songs of ten invented genres, each
with a key, a melody, a tempo of its own and some noise, as WAV, FLAC, OGG and MP3 files, one
folder for each genre, as in the GTZAN collection. Then it does what ``retrograd train FOLDER``
does: log-mel spectrograms, windows, a network, for each held-out song a vote of its windows.
"""

import tempfile
from pathlib import Path

import numpy as np
import soundfile

from retrograd import train
from retrograd.experiment import confused, main, spread
from retrograd.train import metrics

RATE, ENDINGS = 22050, ("wav", "flac", "ogg", "mp3")
MAJOR, MINOR = (0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10)
BLUES, WHOLE = (0, 3, 5, 6, 7, 10), (0, 2, 4, 6, 8, 10)
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
    song = 0.02 * numbers.normal(size=int(seconds * RATE) + 2 * eighth)
    t = np.arange(2 * eighth) / RATE
    for i, start in enumerate(range(0, int(seconds * RATE), eighth)):
        if numbers.random() < 0.75:
            step = (step + numbers.integers(-2, 3)) % (2 * len(scale))
            pitch = key + 12 * (step // len(scale)) + scale[step % len(scale)]
            base = 2 * np.pi * 440 * 2 ** ((pitch - 69) / 12) * t
            waves = sum(s * np.sin((k + 1) * base) for k, s in enumerate(overtones))
            song[start : start + len(t)] += waves * np.exp(-3 * t) / sum(overtones)
        if rhythm and rhythm[i % len(rhythm)] == "x":
            drum = 0.6 * numbers.normal(size=len(t)) * np.exp(-40 * t)
            song[start : start + len(t)] += drum
    return (0.5 * song / np.abs(song).max()).astype(np.float32)


def run(report, seed, quick):
    table, voted, single = np.zeros((10, 10), int), [], []
    songs, seconds, epochs = (5, 5, 8) if quick else (8, 7, 10)
    for s in report.seeds(seed, 1 if quick else 4):
        numbers = np.random.default_rng(s)
        with tempfile.TemporaryDirectory() as name:
            for genre in GENRES:
                Path(name, genre).mkdir()
                for k in range(songs):
                    path = Path(name, genre, f"{genre}.{k:05d}.{ENDINGS[k % 4]}")
                    soundfile.write(path, compose(genre, numbers, seconds), RATE)
            data = train.read(name, train.Choices(image_size=32))
            settings = train.Settings(seed=s, epochs=epochs)
            fitted = train.Run.prepare(data, settings, Path(name))
            fitted.train()
        held = fitted.rows.test
        table += metrics.confusion(fitted.outputs.argmax(1), data.y[held], 10)
        voted.append(100 * fitted.score["accuracy"])
        single.append(100 * fitted.score["window_accuracy"])
    report.say(f"{10 * songs} songs, {len(data)} windows, {len(held)} songs held out")
    report.table(
        ["true genre", *data.classes], zip(data.classes, *table.T, strict=True)
    )
    report.verdict(
        "a convolutional network tells genres from sound alone", np.mean(voted) >= (50 if quick else 80),
        f"{spread(voted, 1, '%')} of {len(held)} held-out songs right by the vote of their windows, "
        f"{spread(single, 1, '%')} of single windows (chance 10 %; invented genres)")  # fmt: skip
    first = np.unique(data.y, return_index=True)[1]
    spectra = {c: data.x[i, 0] for c, i in zip(data.classes, first, strict=True)}
    return {"table": table, "spectra": spectra, "voted": voted, "songs": data.rows}


def draw(figure, table, spectra, voted, songs):
    left, right = figure.subfigures(1, 2)
    for axis, name in zip(left.subplots(5, 2).flat, spectra, strict=True):
        axis.imshow(spectra[name], origin="lower", aspect="auto", cmap="magma")
        axis.set_title(name, fontsize=8)
        axis.axis("off")
    confused(right.subplots(), table, spectra, title=f"{np.mean(voted):.0f} % right")


if __name__ == "__main__":
    main(run, draw)
