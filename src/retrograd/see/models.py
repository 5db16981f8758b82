"""A model run once for looking at it, and left as it was."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import autograd, errors
from ..trace import Handle


def output_of(model: Any, inputs: tuple[Any, ...]) -> Any:
    """``model(*inputs)``: a tensor with its graph. Buffers and random state are put
    back; without inputs, zeros of a size that its first layer names."""
    from .. import nn

    if not isinstance(model, nn.Module):
        raise TypeError(
            f"draw() takes a tensor or a model, not {type(model).__name__}"
            f"\n  at {errors.user_line()}"
        )
    from ..functions import random

    if not inputs:
        inputs = (_guess(model),)
    before = [(b, np.array(b.detach().numpy())) for b in model.buffers()]
    state = random.get_rng_state()
    try:
        with autograd.enable_grad():
            out = model(*inputs)
        tensor = _first(out)
        if tensor is None:
            raise TypeError(
                f"{type(model).__name__} returned {type(out).__name__}, no tensor"
                f"\n  at {errors.user_line()}"
            )
        return tensor
    finally:
        random.set_rng_state(state)
        with autograd.no_grad():
            for buffer, values in before:
                if not np.array_equal(buffer.detach().numpy(), values, equal_nan=True):
                    buffer.copy_(_tensor(values))


def _tensor(values: Any) -> Any:
    from ..dispatch import constant

    return constant(values)


def _first(out: Any) -> Any:
    if isinstance(out, Handle):
        return out
    parts = out.values() if isinstance(out, dict) else out
    if isinstance(parts, (list, tuple)) or isinstance(out, dict):
        for part in parts:
            found = _first(part)
            if found is not None:
                return found
    return None


def _guess(model: Any) -> Any:
    """Zeros that the first layer can take."""
    import retrograd as rg

    from .. import nn

    norms = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
    # a normalisation over the batch has nothing to go by in a single row
    rows = 2 if any(isinstance(m, norms) and m.training for m in model.modules()) else 1
    for layer in model.modules():
        if isinstance(layer, nn.Linear):
            return rg.zeros(rows, layer.in_features)
        if isinstance(layer, nn.Embedding):
            return rg.zeros(rows, 4, dtype=rg.int64)
        if next(iter(layer.parameters(recurse=False)), None) is not None:
            break
    raise TypeError(
        f"draw({type(model).__name__}): its input cannot be told from its first layer; "
        f"give one, draw(model, x)\n  at {errors.user_line()}"
    )
