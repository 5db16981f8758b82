"""Reading images: a folder of them in one sub-folder per class."""

from __future__ import annotations

import os
import statistics
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from .errors import DataError

SUFFIXES = (
    ".png",
    ".jpg",
    ".jpeg",
    ".bmp",
    ".gif",
    ".webp",
    ".tif",
    ".tiff",
    ".ppm",
    ".pgm",
)
#: Only readers for these are let at a stranger's file.
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
MAX_BYTES = 8 << 30


def pillow() -> Any:
    """Pillow's Image module; DataError that names the extra where it is missing."""
    try:
        from PIL import Image
    except ImportError:
        raise DataError(
            "images are read with Pillow, which is not installed: "
            "pip install 'retrograd[images]'"
        ) from None
    return Image


def list_images(folder: Path) -> list[Path]:
    """The image files under a folder, in order."""
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
    """Files, their class numbers and the classes: the sub-folders that hold images."""
    classes: list[str] = []
    files: list[Path] = []
    labels: list[int] = []
    for sub in sorted(folder.iterdir()):
        if not sub.is_dir() or sub.name.startswith("."):
            continue
        inside = list_images(sub)
        if inside:
            labels += [len(classes)] * len(inside)
            classes.append(sub.name)
            files += inside
    if not classes:
        raise DataError(
            f"{folder} has no images or songs in sub-folders: one sub-folder per class is "
            f"expected, with files such as {', '.join(SUFFIXES[:3])}, .wav or .mp3"
        )
    return files, labels, classes


def common_size(files: list[Path]) -> tuple[int, int, int]:
    """Channels, height and width to bring images to: their own if all are alike and not
    large, else a square of up to 32 pixels; grey if all of them are."""
    image = pillow()
    sizes, grey = [], True
    for path in files:
        with _opened(image, path) as picture:
            sizes.append(picture.size)
            grey = grey and picture.mode in ("1", "L", "LA", "I", "I;16", "F")
    width, height = sizes[0]
    if any(size != sizes[0] for size in sizes) or max(width, height) > 64:
        side = round(statistics.median(max(size) for size in sizes))
        width = height = max(8, min(32, side))
    return (1 if grey else 3), height, width


def load_images(files: list[Path], channels: int, height: int, width: int) -> Any:
    """float32 [N, C, H, W] with values from 0 to 255; DataError names a broken file."""
    image = pillow()
    if 4 * len(files) * channels * height * width > MAX_BYTES:
        raise DataError(
            f"{len(files)} images of {height}×{width} take more than "
            f"{MAX_BYTES >> 30} GiB: choose a smaller --image-size"
        )
    out = np.empty((len(files), channels, height, width), np.float32)
    for i, path in enumerate(files):
        with _opened(image, path) as picture:
            pixels = _pixels(image, picture, path, channels, height, width)
        out[i] = pixels[None] if channels == 1 else pixels.transpose(2, 0, 1)
    return out


class _opened:
    """A picture; every way in which a file can be broken becomes one DataError."""

    def __init__(self, image: Any, path: Path) -> None:
        self.image, self.path, self.picture = image, path, None
        self.caught = warnings.catch_warnings()

    def __enter__(self) -> Any:
        self.caught.__enter__()
        warnings.simplefilter("ignore")
        # An image that claims millions of pixels is a trap, not a picture.
        warnings.simplefilter("error", self.image.DecompressionBombWarning)
        try:
            self.picture = self.image.open(self.path, formats=FORMATS)
        except BaseException as error:
            self.__exit__(type(error), error, None)
            raise
        return self.picture

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        self.caught.__exit__(None, None, None)
        if self.picture is not None:
            self.picture.close()
        if isinstance(error, (Exception, Warning)) and not isinstance(error, DataError):
            why = "it is larger than any picture for training"
            if "Bomb" not in type(error).__name__:
                known = "cannot identify" not in str(error)
                why = str(error) if known else "it is no image of a known kind"
            raise DataError(f"{self.path}: a broken image: {why}") from None


def _pixels(
    image: Any, picture: Any, path: Path, channels: int, height: int, width: int
) -> Any:
    from PIL import ImageOps

    upright = ImageOps.exif_transpose(picture)
    if upright.mode in ("I", "I;16", "F"):  # 16 bits of grey: bring them to 0…1 first
        grey = np.asarray(upright, np.float32)
        top = 65535.0 if float(grey.max(initial=0)) > 255 else 255.0
        upright = image.fromarray((np.clip(grey / top, 0, 1) * 255).astype(np.uint8))
    if upright.mode in ("LA", "PA", "RGBA") or "transparency" in upright.info:
        clear = upright.convert("RGBA")
        paper = image.new("RGBA", clear.size, "white")
        upright = image.alpha_composite(paper, clear)
    upright = upright.convert("L" if channels == 1 else "RGB")
    if upright.size != (width, height):
        upright = upright.resize((width, height), image.Resampling.BILINEAR)
    return np.asarray(upright, np.float32)


def as_images(array: Any, where: str) -> Any:
    """Arrays [N, H, W], [N, H, W, C] or [N, C, H, W] as float32 [N, C, H, W]."""
    if array.ndim == 3:
        array = array[:, None]
    elif array.shape[1] not in (1, 3, 4) and array.shape[3] in (1, 3, 4):
        array = array.transpose(0, 3, 1, 2)
    elif array.shape[1] not in (1, 3, 4):
        raise DataError(
            f"{where}: images of shape {list(array.shape[1:])}; expected "
            "[height, width], with 1, 3 or 4 channels before or after"
        )
    return np.ascontiguousarray(array, dtype=np.float32)


__all__ = ["as_images", "common_size", "list_classes", "list_images", "load_images"]
