"""Runs one lecture program with either library, from the same weights and batches."""

from __future__ import annotations

import contextlib
import importlib
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest

PROGRAMS = Path(__file__).parents[2] / "examples" / "lectures"
Array = np.ndarray[Any, Any]


@dataclass
class Run:
    """What a program left: its names, what it printed, and each optimizer step's
    gradients, in the order of the parameters."""

    names: dict[str, Any]
    printed: str
    gradients: list[list[Array]] = field(default_factory=list)

    def array(self, name: str) -> Array:
        return np.asarray(self.names[name].detach().numpy())

    def parameters(self) -> list[Array]:
        return [p.detach().numpy().copy() for p in self.names["model"].parameters()]


@contextlib.contextmanager
def same_numbers(lib: Any, watch: list[list[Array]] | None) -> Iterator[None]:
    """Whatever the library draws at random comes from NumPy, so that two libraries
    start from the same weights, data and batches. Uses public names only."""
    numbers = np.random.default_rng(0)
    nn, data, optim = lib.nn, lib.utils.data, lib.optim

    def randn(*shape: int, **how: Any) -> Any:
        return lib.tensor(numbers.standard_normal(shape), dtype=lib.get_default_dtype())

    def uniform_(tensor: Any, **how: Any) -> Any:
        bound = np.sqrt(6 / tensor.shape[1])
        values = numbers.uniform(-bound, bound, tuple(tensor.shape))
        with lib.no_grad():
            return tensor.copy_(lib.tensor(values, dtype=tensor.dtype))

    class Linear(nn.Linear):  # type: ignore[misc]
        def __init__(self, *args: Any, **how: Any) -> None:
            super().__init__(*args, **how)
            for parameter in self.parameters():
                bound = 1 / np.sqrt(self.in_features)
                values = numbers.uniform(-bound, bound, tuple(parameter.shape))
                with lib.no_grad():
                    parameter.copy_(lib.tensor(values, dtype=parameter.dtype))

    Linear.__name__ = "Linear"

    class Shuffled(data.Sampler):  # type: ignore[misc]
        def __init__(self, n: int) -> None:
            self.n = n

        def __len__(self) -> int:
            return self.n

        def __iter__(self) -> Iterator[int]:
            return iter(numbers.permutation(self.n).tolist())

    def loader(dataset: Any, shuffle: bool = False, **how: Any) -> Any:
        sampler = Shuffled(len(dataset)) if shuffle else None
        return real_loader(dataset, sampler=sampler, **how)

    class SGD(optim.SGD):  # type: ignore[misc]
        def step(self, *args: Any, **how: Any) -> Any:
            if watch is not None:
                watch.append(
                    [
                        p.grad.numpy().copy()
                        for group in self.param_groups
                        for p in group["params"]
                    ]
                )
            return super().step(*args, **how)

    real_loader = data.DataLoader
    with contextlib.ExitStack() as stack:
        for owner, name, value in [
            (lib, "randn", randn),
            (nn.init, "kaiming_uniform_", uniform_),
            (nn, "Linear", Linear),
            (data, "DataLoader", loader),
            (optim, "SGD", SGD),
        ]:
            stack.enter_context(mock.patch.object(owner, name, value))
        yield


def run_program(
    library: str, program: str, dtype: str = "float32", watch: bool = False
) -> Run:
    """Execute the program's text with *library* in the place of retrograd."""
    text = (PROGRAMS / f"{program}.py").read_text(encoding="utf-8")
    lib = importlib.import_module(library)
    source = text.replace("retrograd", library)
    names: dict[str, Any] = {"__name__": program}
    printed = io.StringIO()
    gradients: list[list[Array]] = []
    default = lib.get_default_dtype()
    lib.set_default_dtype(getattr(lib, dtype))
    try:
        with (
            same_numbers(lib, gradients if watch else None),
            contextlib.redirect_stdout(printed),
        ):
            exec(compile(source, f"{program} with {library}", "exec"), names)
    finally:
        lib.set_default_dtype(default)
    return Run(names, printed.getvalue(), gradients)


@pytest.fixture(name="run_program")
def _run_program() -> Any:
    return run_program
