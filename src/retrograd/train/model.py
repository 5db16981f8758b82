"""The network: described as plain data, saved beside its weights, and built from it."""

from __future__ import annotations

import math
from typing import Any

from .. import nn

ACTIVATIONS = {
    "relu": "ReLU",
    "tanh": "Tanh",
    "gelu": "GELU",
    "sigmoid": "Sigmoid",
    "silu": "SiLU",
    "leaky_relu": "LeakyReLU",
    "elu": "ELU",
}
#: Layers that a description may name, with the arguments that each takes. A file comes
#: from anyone, so nothing outside this table is ever built.
_SIZES: dict[str, tuple[str, ...]] = {
    "Linear": ("in_features", "out_features"),
    "Conv2d": ("in_channels", "out_channels", "kernel_size", "padding"),
    "BatchNorm2d": ("num_features",),
    "MaxPool2d": ("kernel_size",),
    "Flatten": (),
    "Dropout": ("p",),
    **dict.fromkeys(ACTIVATIONS.values(), ()),
}

Architecture = list[dict[str, Any]]


def describe(
    shape: list[int],
    outputs: int,
    layers: list[int] | None = None,
    activation: str = "relu",
    dropout: float = 0.0,
) -> Architecture:
    """A sensible network for inputs of a shape, [F] or [C, H, W]: for tables and images
    of up to 8×8, hidden layers of 128 and 64; for larger images, convolutions with
    pooling before them until at most 8×8 is left."""
    parts: Architecture = []
    act = {"layer": ACTIVATIONS[activation]}
    if len(shape) == 3:
        channels, height, width = shape
        for n in (16, 32, 64, 128, 128, 128):
            if max(height, width) <= 8 or min(height, width) < 2:
                break
            parts += [
                {"layer": "Conv2d", "in_channels": channels, "out_channels": n,
                 "kernel_size": 3, "padding": 1},
                {"layer": "BatchNorm2d", "num_features": n},
                act,
                {"layer": "MaxPool2d", "kernel_size": 2},
            ]  # fmt: skip
            channels, height, width = n, height // 2, width // 2
        parts.append({"layer": "Flatten"})
        features = channels * height * width
    else:
        (features,) = shape
    if layers is None:
        layers = [64] if len(parts) > 1 else [128, 64]
    for n in layers:
        parts += [{"layer": "Linear", "in_features": features, "out_features": n}, act]
        if dropout:
            parts.append({"layer": "Dropout", "p": dropout})
        features = n
    parts.append({"layer": "Linear", "in_features": features, "out_features": outputs})
    return parts


def build(architecture: Architecture) -> nn.Sequential:
    """The network of a description. Hidden layers get He's initialisation (He et al.
    2015: the variance of what goes out is that of what comes in), with zero biases."""
    parts = []
    for described in architecture:
        arguments = {k: v for k, v in described.items() if k != "layer"}
        parts.append(getattr(nn, described["layer"])(**arguments))
    weighted = [p for p in parts if isinstance(p, (nn.Linear, nn.Conv2d))]
    for layer in weighted:
        if layer is not weighted[-1]:
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        nn.init.zeros_(layer.bias)
    return nn.Sequential(*parts)


def shapes(architecture: Architecture) -> dict[str, tuple[int, ...]]:
    """The names and shapes of a description's weights, without making any of them."""
    found: dict[str, tuple[int, ...]] = {}
    for i, part in enumerate(architecture):
        if part["layer"] == "Linear":
            found[f"{i}.weight"] = (part["out_features"], part["in_features"])
            found[f"{i}.bias"] = (part["out_features"],)
        elif part["layer"] == "Conv2d":
            k = part["kernel_size"]
            found[f"{i}.weight"] = (part["out_channels"], part["in_channels"], k, k)
            found[f"{i}.bias"] = (part["out_channels"],)
        elif part["layer"] == "BatchNorm2d":
            for name in ("weight", "bias", "running_mean", "running_var"):
                found[f"{i}.{name}"] = (part["num_features"],)
            found[f"{i}.num_batches_tracked"] = ()
    return found


def check(
    architecture: Any, weights: dict[str, Any], shape: list[int], outputs: int
) -> None:
    """Raise ValueError unless a stranger's description is one of a network that takes
    inputs of *shape*, gives *outputs* numbers, and has exactly these weights."""
    if not isinstance(architecture, list) or not 0 < len(architecture) <= 1000:
        raise ValueError("the architecture is no list of layers")
    for part in architecture:
        shape = _after(part, shape)
    if shape != [outputs]:
        raise ValueError(
            f"the network gives {shape} numbers where {outputs} are expected"
        )
    expected, have = (
        shapes(architecture),
        {k: tuple(v.shape) for k, v in weights.items()},
    )
    if expected != have:
        name = next(iter(sorted({*expected.items()} ^ {*have.items()})))[0]
        raise ValueError(
            f"the weights {name!r} have shape {have.get(name)}, "
            f"but the architecture wants {expected.get(name)}"
        )


def _after(part: Any, shape: list[int]) -> list[int]:
    """The shape after a layer; ValueError for a layer that is unknown or does not fit."""
    name = part.get("layer") if isinstance(part, dict) else None
    if not isinstance(name, str) or set(part) != {"layer", *_SIZES.get(name, ("?",))}:
        raise ValueError(f"unknown layer {part!r:.80}")
    sizes = {k: v for k, v in part.items() if k not in ("layer", "p")}
    if not all(type(v) is int and 0 <= v <= 1 << 28 for v in sizes.values()):
        raise ValueError(f"impossible sizes in {part!r:.80}")
    match name:
        case "Linear" if shape == [part["in_features"]] and part["out_features"]:
            return [part["out_features"]]
        case "Conv2d" if len(shape) == 3 and shape[0] == part["in_channels"]:
            k, padding = part["kernel_size"], part["padding"]
            size = [n + 2 * padding - k + 1 for n in shape[1:]]
            if 0 < k <= 31 and padding < k and min(size) > 0 and part["out_channels"]:
                return [part["out_channels"], *size]
        case "BatchNorm2d" if len(shape) == 3 and shape[0] == part["num_features"]:
            return shape
        case "MaxPool2d" if len(shape) == 3 and part["kernel_size"]:
            size = [n // part["kernel_size"] for n in shape[1:]]
            if min(size) > 0:
                return [shape[0], *size]
        case "Flatten":
            return [math.prod(shape)]
        case "Dropout" if type(part["p"]) in (int, float) and 0 <= part["p"] < 1:
            return shape
        case _ if not sizes and name != "Dropout":
            return shape
    raise ValueError(f"the layer {part!r:.80} does not fit inputs of shape {shape}")


def heaviest_product(architecture: Architecture, shape: list[int]) -> int:
    """Multiplications that the largest layer needs for one sample."""
    most = 0
    for part in architecture:
        shape = _after(part, shape)
        if part["layer"] == "Linear":
            most = max(most, part["in_features"] * part["out_features"])
        elif part["layer"] == "Conv2d":
            taps = part["kernel_size"] ** 2 * part["in_channels"]
            most = max(most, taps * math.prod(shape))
    return most


def in_words(architecture: Architecture, shape: list[int]) -> str:
    """Sizes from layer to layer: ``64 → 128 → 64 → 10, ReLU, dropout 0.2``."""
    steps, others = ["×".join(map(str, shape))], []
    for part in architecture:
        if part["layer"] in ("Conv2d", "MaxPool2d"):
            shape = _after(part, shape)
            if part["layer"] == "MaxPool2d":
                steps.append("×".join(map(str, shape)))
        elif part["layer"] == "Linear":
            steps.append(str(part["out_features"]))
        elif part["layer"] == "Dropout":
            others.append(f"dropout {part['p']:g}")
        elif part["layer"] != "Flatten":
            others.append(part["layer"])
        if part["layer"] == "Conv2d":
            others.append("3×3 convolutions with pooling")
    return ", ".join([" → ".join(steps), *dict.fromkeys(others)])
