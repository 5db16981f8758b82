"""Folders of songs: decoding, windows, splits by song, votes, predictions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from retrograd import train
from retrograd.train import audio, fit
from retrograd.train.predict import predict

needs = "audio needs the extra [audio]"
soundfile = pytest.importorskip("soundfile", reason=needs)
pytest.importorskip("librosa", reason=needs)


def tone(pitch: float, seconds: float, rate: int, numbers: Any) -> Any:
    t = np.arange(int(seconds * rate)) / rate
    return 0.5 * np.sin(2 * np.pi * pitch * t) + 0.01 * numbers.normal(size=len(t))


@pytest.fixture
def collection(tmp_path: Path) -> Path:
    numbers = np.random.default_rng(0)
    for genre, pitch in (("high", 3000.0), ("low", 200.0)):
        (tmp_path / "music" / genre).mkdir(parents=True)
        for k in range(6):
            rate, ending = (22050, "wav") if k % 2 else (16000, "flac")
            song = tone(pitch * numbers.uniform(0.9, 1.1), 2.5, rate, numbers)
            path = tmp_path / "music" / genre / f"{genre}.{k:05d}.{ending}"
            soundfile.write(path, song, rate)
    return tmp_path / "music"


def test_windows_cover_a_song_and_short_ones_are_filled_with_silence() -> None:
    song = np.arange(3 * 10, dtype=np.float32).reshape(3, 10)
    cut = audio.windows(song, 4)
    assert cut.shape == (2, 1, 3, 4)
    np.testing.assert_array_equal(cut[1, 0], song[:, 4:8])
    short = audio.windows(song[:, :2], 4)
    assert short.shape == (1, 1, 3, 4)
    np.testing.assert_array_equal(short[0, 0, :, 2:], -80.0)


def test_a_tone_is_where_its_pitch_is(tmp_path: Path) -> None:
    numbers = np.random.default_rng(0)
    rows = []
    for pitch in (200.0, 1000.0, 4000.0):
        path = tmp_path / f"{pitch}.wav"
        soundfile.write(path, tone(pitch, 1.0, 22050, numbers), 22050)
        found = audio.spectrogram(path, 32)
        assert found.shape[0] == 32 and found.dtype == np.float32
        assert found.max() == 0 and found.min() >= -80
        rows.append(int(found.mean(1).argmax()))
    assert rows == sorted(set(rows))


def test_votes_are_means_of_log_probabilities() -> None:
    z = np.array([[2.0, 0.0], [0.0, 1.0], [0.0, 3.0]])
    voted, songs = audio.vote(z, np.array([4, 4, 7]))
    logs = z - np.log(np.exp(z).sum(1, keepdims=True))
    np.testing.assert_allclose(voted, [logs[:2].mean(0), logs[2]])
    assert songs.tolist() == [4, 7]


def test_a_folder_of_songs_is_learned_and_predicted(
    collection: Path, tmp_path: Path
) -> None:
    data = train.read(str(collection), train.Choices(image_size=16))
    assert data.classes == ["high", "low"] and data.x.shape[1:] == (1, 16, 32)
    assert len(np.unique(data.songs)) == 12 and len(data) > 24
    # All windows of a song are on one side.
    parts = fit.split(data, 0.25, seed=1)
    sides = [set(data.songs[r]) for r in (parts.train, parts.validation, parts.test)]
    assert not (sides[0] & sides[1] or sides[0] & sides[2] or sides[1] & sides[2])
    assert set.union(*sides) == set(range(12))

    folder = train.new_folder(str(tmp_path / "runs"), data.name)
    settings = train.Settings(epochs=4, layers=(16,))
    run = train.Run.prepare(data, settings, folder)
    run.train()
    songs = len(sides[2]) if len(sides[2]) == len(run.rows.test) else len(run.rows.test)
    assert run.outputs.shape == (songs, 2) and run.score["accuracy"] == 1.0
    from retrograd.train.report import render

    assert "high" in render(run, "retrograd train music")

    header, *rows = predict(str(folder), str(collection / "low"))
    assert header[:2] == ["song", "class"] and len(rows) == 6
    assert [row[1] for row in rows] == ["low"] * 6
    assert rows[0][0] == "low.00000.flac"


def test_what_cannot_be_read_is_said(collection: Path) -> None:
    broken = collection / "low" / "broken.wav"
    broken.write_bytes(b"RIFF and then nothing")
    with pytest.raises(train.DataError, match=r"broken\.wav: a broken audio file"):
        train.read(str(collection))
    broken.unlink()
    soundfile.write(broken, np.zeros(0), 22050)
    with pytest.raises(train.DataError, match="holds no sound"):
        train.read(str(collection))


@pytest.mark.parametrize("ending", ["wav", "flac", "ogg", "mp3"])
@pytest.mark.parametrize("rate", [8000, 22050, 44100])
def test_every_format_rate_and_channel_gives_the_same_picture(
    tmp_path: Path, ending: str, rate: int
) -> None:
    numbers = np.random.default_rng(0)
    song = tone(1000.0, 1.0, rate, numbers)
    wav, other = tmp_path / "song.wav", tmp_path / f"both.{ending}"
    soundfile.write(wav, song, rate)
    soundfile.write(other, np.stack([song, song], 1), rate)  # stereo
    expected, found = audio.spectrogram(wav, 32), audio.spectrogram(other, 32)
    moments = min(found.shape[1], expected.shape[1])  # some encoders add a little
    assert abs(found.shape[1] - expected.shape[1]) <= 4
    # What is loud is the same; encoders may drop what nobody hears.
    loud = expected[:, 4 : moments - 4] > -20
    apart = np.abs(found[:, 4 : moments - 4] - expected[:, 4 : moments - 4])
    assert loud.any() and apart[loud].max() < 3


@pytest.mark.parametrize("ending", ["wav", "flac", "ogg", "mp3"])
@pytest.mark.parametrize("content", [b"", b"\0", b"ID3 is not enough " * 9])
def test_a_broken_file_is_one_clear_line(
    tmp_path: Path, ending: str, content: bytes
) -> None:
    path = tmp_path / f"broken.{ending}"
    path.write_bytes(content)
    with pytest.raises(
        train.DataError, match=rf"broken\.{ending}: a broken audio"
    ) as e:
        audio.spectrogram(path, 16)
    assert "\n" not in str(e.value)


@pytest.mark.parametrize("ending", ["ogg", "mp3"])
def test_a_song_that_is_cut_off_is_read_as_far_as_it_goes_or_refused(
    tmp_path: Path, ending: str
) -> None:
    path = tmp_path / f"cut.{ending}"
    song = tone(440.0, 2.0, 22050, np.random.default_rng(0))
    soundfile.write(path, song, 22050)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    try:
        assert audio.spectrogram(path, 16).shape[1] > 20
    except train.DataError as error:
        assert "cut off" in str(error) or "a broken audio file" in str(error)


def test_a_moment_of_sound_is_one_window_and_silence_is_silent(tmp_path: Path) -> None:
    path = tmp_path / "short.wav"
    soundfile.write(path, np.ones(3) / 2, 22050)
    found = audio.windows(audio.spectrogram(path, 16), 32)
    assert found.shape == (1, 1, 16, 32) and np.isfinite(found).all()
    soundfile.write(path, np.zeros(22050), 22050)
    assert np.isfinite(audio.spectrogram(path, 16)).all()
    soundfile.write(path, np.array([0.1, np.nan, 0.1]), 22050, subtype="FLOAT")
    with pytest.raises(train.DataError, match="no number"):
        audio.spectrogram(path, 16)


def test_the_layout_of_gtzan_and_a_folder_too_high(
    collection: Path, tmp_path: Path
) -> None:
    """``genres/blues/blues.00000.wav``, with what else lies about in such folders."""
    (collection / "README.txt").write_text("about")
    (collection / "low" / ".DS_Store").write_bytes(b"\0")
    (collection / "low" / "._low.00000.wav").write_bytes(b"\0")
    (collection / "features").mkdir()
    (collection / "features" / "features_30_sec.csv").write_text("a,b\n")
    data = train.read(str(collection), train.Choices(image_size=16))
    assert data.classes == ["high", "low"] and len(np.unique(data.songs)) == 12
    with pytest.raises(
        train.DataError, match=r"one class, 'music'.*inside .*music are"
    ):
        train.read(str(collection.parent), train.Choices(image_size=16))
