"""Other resolutions and computed places beside PyTorch's: each mode with each size,
border and corner, values and gradients."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import retrograd as rg
from peers.cases import compare, number, refused

torch: Any = pytest.importorskip(
    "torch", reason="comparisons with PyTorch are skipped: it is not installed"
)

SIZES = [((1, 2, 5, 7), (3, 4)), ((1, 2, 5, 7), (11, 3)), ((2, 1, 4, 4), (4, 8)),
         ((1, 1, 3, 3), (1, 1)), ((1, 1, 1, 6), (2, 2))]  # fmt: skip
BORDERS = ("zeros", "border", "reflection")
PLACES = ("bilinear", "nearest", "bicubic")


@pytest.mark.parametrize(("shape", "size"), SIZES)
def test_interpolate_to_a_size(shape: Any, size: Any) -> None:
    x = number(*shape)
    ways: list[dict[str, Any]] = [
        {"mode": mode, "align_corners": align, "antialias": smooth}
        for mode in ("bilinear", "bicubic")
        for align in (None, False, True)
        for smooth in (False, True)
    ]
    ways.append({"mode": "lanczos", "antialias": True})
    ways += [{"mode": mode} for mode in ("nearest", "nearest-exact", "area")]
    for how in ways:
        compare(torch, lambda lib, x, how=how: lib.nn.functional.interpolate(
            x, size, **how), x)  # fmt: skip


@pytest.mark.parametrize("scale", [0.4, 0.7, 1.3, 2.0, (1.7, 0.6)])
def test_interpolate_by_a_factor(scale: Any) -> None:
    for mode, again in itertools.product(
        ("nearest", "nearest-exact", "area", "bilinear", "bicubic"), (None, True)
    ):
        for smooth in (False, True) if mode.startswith("bi") else (False,):
            compare(torch, lambda lib, x, m=mode, a=again, s=smooth: (
                lib.nn.functional.interpolate(x, scale_factor=scale, mode=m,
                                              recompute_scale_factor=a, antialias=s)
            ), number(1, 2, 7, 9))  # fmt: skip


@pytest.mark.parametrize("mode", ["nearest", "nearest-exact", "area", "trilinear"])
def test_interpolate_volumes(mode: str) -> None:
    compare(torch, lambda lib, x: lib.nn.functional.interpolate(
        x, scale_factor=1.6, mode=mode), number(1, 1, 3, 4, 5))  # fmt: skip


def test_interpolate_whole_numbers() -> None:
    x = np.arange(12, dtype=np.uint8).reshape(1, 1, 3, 4)
    compare(torch, lambda lib, x: lib.nn.functional.interpolate(x, (2, 3)), x)
    with pytest.raises(NotImplementedError, match=r"x\.float\(\)"):
        rg.nn.functional.interpolate(rg.tensor(x), (2, 3), mode="bilinear")


@pytest.mark.parametrize("how", [
    {}, {"size": 3, "scale_factor": 2}, {"size": (3,)}, {"scale_factor": (2, 2, 2)},
    {"size": 3, "mode": "linear"}, {"size": 3, "mode": "trilinear"},
    {"size": 3, "mode": "unknown"}, {"size": 0}, {"size": (2.5, 3)},
    {"size": 3, "align_corners": True}, {"size": 3, "mode": "area", "antialias": True},
    {"size": 3, "recompute_scale_factor": True}, {"size": 3, "mode": "lanczos"},
    {"size": 3, "mode": "lanczos", "antialias": True, "align_corners": True},
])  # fmt: skip
def test_interpolate_refuses(how: Any) -> None:
    refused(torch, lambda lib, x: lib.nn.functional.interpolate(x, **how),
            number(1, 1, 3, 3))  # fmt: skip


@pytest.mark.parametrize(("mode", "border"), [*itertools.product(PLACES, BORDERS)])
@pytest.mark.parametrize("align", [False, True])
def test_grid_sample(mode: str, border: str, align: bool) -> None:
    def function(lib: Any, x: Any, grid: Any) -> Any:
        return lib.nn.functional.grid_sample(x, grid, mode, border, align)

    x, grid = number(2, 3, 4, 5), number(2, 3, 4, 2)
    for reach in (0.7, 3.0):
        compare(torch, function, x, grid * reach, rtol=1e-8)
    ends = np.linspace(-1.5, 1.5, 7)  # on elements, edges and corners
    exact = np.stack(np.meshgrid(ends, ends), -1)[None]
    compare(torch, function, number(1, 1, 4, 4), exact, rtol=1e-8)
    compare(torch, function, number(1, 1, 1, 4), exact, rtol=1e-8)
    if mode != "bicubic":
        compare(
            torch, function, number(2, 3, 4, 5, 3), number(2, 3, 2, 4, 3), rtol=1e-8
        )


@pytest.mark.filterwarnings("ignore:Since version:UserWarning")
@pytest.mark.parametrize("align", [False, True])
def test_affine_grid(align: bool) -> None:
    def function(lib: Any, theta: Any) -> Any:
        size = (2, 3, 4, 1, 5)[: theta.ndim + 1]
        return lib.nn.functional.affine_grid(theta, size, align)

    compare(torch, function, number(2, 2, 3))

    def volume(lib: Any, theta: Any) -> Any:
        return lib.nn.functional.affine_grid(theta, (2, 3, 4, 1, 5), align)

    compare(torch, volume, number(2, 3, 4))


def test_grids_refused() -> None:
    def places(lib: Any, x: Any, grid: Any) -> Any:
        return lib.nn.functional.grid_sample(x, grid, align_corners=True)

    x, grid = number(2, 3, 4, 5), number(2, 3, 4, 2)
    refused(torch, places, x, number(2, 3, 4, 3))
    refused(torch, places, x, number(1, 3, 4, 2))
    refused(torch, places, x[0], grid)
    refused(torch, places, x, grid.astype(np.float32))
    for words in ({"mode": "linear"}, {"padding_mode": "ones"}):
        refused(torch, lambda lib, x, g, w=words: lib.nn.functional.grid_sample(
            x, g, align_corners=True, **w), x, grid)  # fmt: skip

    def affine(lib: Any, theta: Any, size: Any) -> Any:
        return lib.nn.functional.affine_grid(theta, size, False)

    refused(torch, lambda lib, t: affine(lib, t, (2, 3, 4)), number(2, 2, 3))
    refused(torch, lambda lib, t: affine(lib, t, (2, 3, 4, 4)), number(2, 3, 4))
    refused(torch, lambda lib, t: affine(lib, t, (2, 3, 0, 4)), number(2, 2, 3))
    whole = np.ones((2, 2, 3), np.int64)
    refused(torch, lambda lib, t: affine(lib, t, (2, 3, 4, 4)), whole)


def test_second_derivatives() -> None:
    x = rg.tensor(number(1, 1, 3, 4), requires_grad=True)
    grid = rg.tensor(number(1, 2, 2, 2) * 0.4, requires_grad=True)
    for mode in ("bilinear", "bicubic"):
        assert rg.autograd.gradgradcheck(
            lambda x, g, m=mode: rg.nn.functional.grid_sample(
                x, g, m, "border", align_corners=True
            ),
            (x, grid),
        )
        assert rg.autograd.gradgradcheck(
            lambda x, m=mode: rg.nn.functional.interpolate(x, (4, 2), mode=m).sin(),
            (x,),
        )
