from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest


def test_digits_are_read_by_a_convolutional_network(short_run: Any) -> None:
    ran = short_run("digits")
    assert ran.numbers["scores"][0] > 96  # 98.5 is for the full form


def test_genres_are_told_from_files_of_sound(short_run: Any) -> None:
    pytest.importorskip("librosa", reason="audio needs the extra [audio]")
    ran = short_run("genres")
    table = ran.numbers["table"]
    assert table.shape == (10, 10) and table.sum() == 10  # a song of each is held out
    assert table.trace() >= 5
    assert {Path(song).suffix for song in ran.numbers["songs"]} == {
        ".wav", ".flac", ".ogg", ".mp3",
    }  # fmt: skip
