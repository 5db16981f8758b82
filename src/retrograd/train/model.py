"""The network: built from a description that is saved beside its weights."""

from __future__ import annotations

from typing import Any

import numpy as np

import retrograd as rg
from retrograd import nn

ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh, "gelu": nn.GELU, "sigmoid": nn.Sigmoid,
               "silu": nn.SiLU, "leaky_relu": nn.LeakyReLU}  # fmt: skip


class Normalize(nn.Module):
    """(x − mean)/max(σ, ε): per feature, or per channel of images."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.register_buffer("mean", rg.zeros(*shape))
        self.register_buffer("scale", rg.ones(*shape))

    def fit(self, x: Any, eps: float = 1e-5) -> None:
        """Take mean and σ from the training inputs."""
        axes = (0,) if x.ndim == 2 else (0, *range(2, x.ndim))
        x = x.astype(np.float64)
        self.mean.copy_(rg.tensor(x.mean(axes, keepdims=True)[0].astype(np.float32)))
        self.scale.copy_(
            rg.tensor(np.maximum(x.std(axes, keepdims=True)[0], eps).astype(np.float32))
        )

    def forward(self, x: Any) -> Any:
        return (x - self.mean) / self.scale


def describe(
    input_shape: list[int], outputs: int, options: dict[str, Any]
) -> dict[str, Any]:
    """The architecture as plain data."""
    large = len(input_shape) == 3 and min(input_shape[1:]) > 8
    layers = options.get("layers") or ([64] if large else [128, 64])
    return {
        "input_shape": input_shape,
        "outputs": outputs,
        "convolutions": [16, 32] if large else [],
        "layers": layers,
        "activation": options.get("activation", "relu"),
        "dropout": options.get("dropout", 0.0),
    }


def build(architecture: dict[str, Any]) -> Any:
    """The network that a description names."""
    shape = architecture["input_shape"]
    activation = ACTIVATIONS[architecture["activation"]]
    stat = (shape[0],) if len(shape) == 1 else (shape[0], 1, 1)
    parts: list[Any] = [Normalize(stat)]
    channels, height, width = shape if len(shape) == 3 else (0, 0, 0)
    for out in architecture["convolutions"]:
        parts += [nn.Conv2d(channels, out, 3, padding=1), activation(), nn.MaxPool2d(2)]
        channels, height, width = out, height // 2, width // 2
    if len(shape) == 3:
        parts.append(nn.Flatten())
    n = channels * height * width if len(shape) == 3 else shape[0]
    for hidden in architecture["layers"]:
        parts += [nn.Linear(n, hidden), activation()]
        if architecture["dropout"]:
            parts.append(nn.Dropout(architecture["dropout"]))
        n = hidden
    parts.append(nn.Linear(n, architecture["outputs"]))
    model = nn.Sequential(*parts)
    for layer in parts:
        if isinstance(layer, (nn.Linear, nn.Conv2d)):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)
    return model


def parameter_bytes(architecture: dict[str, Any]) -> int:
    """The size of the weights that a description asks for, before any is made."""
    shape = [int(n) for n in architecture["input_shape"]]
    layers = [int(n) for n in architecture["layers"]]
    sizes = [
        *shape,
        *layers,
        int(architecture["outputs"]),
        *architecture["convolutions"],
    ]
    if any(not 0 < int(n) < 1 << 24 for n in sizes) or len(sizes) > 200:
        return 1 << 62
    total, n = 0, int(np.prod(shape))
    if len(shape) == 3:
        channels, height, width = shape
        for out in architecture["convolutions"]:
            total += channels * int(out) * 9
            channels, height, width = int(out), height // 2, width // 2
        n = channels * height * width
    for hidden in [*layers, int(architecture["outputs"])]:
        total, n = total + n * hidden, hidden
    return 4 * total
