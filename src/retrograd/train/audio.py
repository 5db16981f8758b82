"""Reading audio: a folder of songs in one sub-folder per class, cut to windows.

A song becomes a spectrogram on the mel scale in decibels, and that is cut to windows of the
same length, which are images of one channel: rows are pitches, columns moments. All windows
of a song stay on the same side of a split, and a song is judged by all its windows.
"""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from .errors import DataError

SUFFIXES = (".wav", ".flac", ".mp3", ".ogg")
RATE, FFT, HOP = 22050, 2048, 512
#: Bands of pitch, unless the user says otherwise; a window has twice as many moments.
MELS = 64
DYNAMIC_RANGE = 80.0  # decibels below the loudest: anything less is silence
MAX_SECONDS = 3600


def libraries() -> tuple[Any, Any]:
    """soundfile and librosa; DataError that names the extra where one is missing."""
    try:
        import librosa
        import soundfile
    except ImportError:
        raise DataError(
            "audio is read with soundfile and librosa, which are not installed: "
            "pip install 'retrograd[audio]'"
        ) from None
    return soundfile, librosa


def list_songs(folder: Path) -> list[Path]:
    """The audio files under a folder, in order."""
    found = []
    for base, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [
            Path(base, name)
            for name in sorted(files)
            if name.lower().endswith(SUFFIXES) and not name.startswith(".")
        ]
    return found


def list_classes(folder: Path) -> tuple[list[Path], list[int], list[str]]:
    """Files, their class numbers and the classes: the sub-folders that hold songs, as in
    the GTZAN collection (``genres/blues/blues.00000.wav``)."""
    songs: list[Path] = []
    labels: list[int] = []
    classes: list[str] = []
    for sub in sorted(folder.iterdir()):
        if sub.is_dir() and not sub.name.startswith("."):
            inside = list_songs(sub)
            if inside:
                labels += [len(classes)] * len(inside)
                classes.append(sub.name)
                songs += inside
    return songs, labels, classes


def spectrogram(path: Path, mels: int) -> Any:
    """Decibels below the song's loudest moment and pitch, float32 [mels, moments]."""
    soundfile, librosa = libraries()
    try:
        with soundfile.SoundFile(path) as file:
            rate = file.samplerate
            if len(file) > MAX_SECONDS * rate:
                raise DataError(f"{path} is longer than an hour: cut it to songs first")
            samples = file.read(dtype="float32", always_2d=True).mean(1)
    except (soundfile.LibsndfileError, RuntimeError, OSError, ValueError) as error:
        raise DataError(f"{path}: a broken audio file: {error}") from None
    if not len(samples):
        raise DataError(f"{path} holds no sound: it is empty or cut off")
    if not np.isfinite(samples).all():
        raise DataError(f"{path}: a sample is no number (NaN or infinite)")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if rate != RATE:
            samples = librosa.resample(samples, orig_sr=rate, target_sr=RATE)
        power = librosa.feature.melspectrogram(
            y=samples, sr=RATE, n_fft=FFT, hop_length=HOP, n_mels=mels
        )
        decibels = librosa.power_to_db(power, ref=np.max, top_db=DYNAMIC_RANGE)
    return np.asarray(decibels, np.float32)


def windows(song: Any, width: int) -> Any:
    """A spectrogram cut to windows [n, 1, mels, width] side by side; what is left over
    at the end is dropped, and a song shorter than one window is followed by silence."""
    mels, moments = song.shape
    if moments < width:
        room = ((0, 0), (0, width - moments))
        song, moments = np.pad(song, room, constant_values=-DYNAMIC_RANGE), width
    count = moments // width
    cut = song[:, : count * width].reshape(mels, count, width)
    return np.ascontiguousarray(cut.transpose(1, 0, 2)[:, None])


def load_songs(paths: list[Path], mels: int) -> tuple[Any, Any]:
    """Windows of all songs float32 [N, 1, mels, 2·mels], and the song of each [N]."""
    parts = [windows(spectrogram(path, mels), 2 * mels) for path in paths]
    songs = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    return np.concatenate(parts), songs


def vote(outputs: Any, songs: Any) -> tuple[Any, Any]:
    """Mean log-probabilities of each song's windows, and the songs, in order."""
    shifted = outputs - outputs.max(1, keepdims=True)
    logs = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    order = np.unique(songs)
    return np.stack([logs[songs == song].mean(0) for song in order]), order
