"""What `import retrograd` gives, and what it must not cost."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from pathlib import Path

import pytest

import retrograd as rg

#: What is allowed to be loaded: PyTorch and its like are peers, never dependencies, and
#: the command line's libraries are loaded by the command line.
NEVER = ["torch", "jax", "scipy", "matplotlib", "PIL", "click", "rich", "llvmlite"]


def modules_after(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_import_loads_no_peers_and_nothing_of_the_command_line() -> None:
    loaded = modules_after("import retrograd")
    assert "numpy" in loaded
    assert not [name for name in NEVER if name in loaded]


def test_parts_are_loaded_when_they_are_used() -> None:
    loaded = modules_after("import retrograd")
    assert not {f"retrograd.{part}" for part in rg._LAZY} & loaded


def test_import_is_silent() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", "import retrograd"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == done.stderr == ""


@pytest.mark.parametrize(
    "name",
    [
        "Tensor",
        "tensor",
        "no_grad",
        "enable_grad",
        "inference_mode",
        "eager",
        "manual_seed",
        "autograd.grad",
        "autograd.gradcheck",
        "autograd.gradgradcheck",
        "autograd.Function",
        "nn.functional",
        "nn.init",
        "nn.utils.clip_grad_norm_",
        "optim.lr_scheduler.StepLR",
        "utils.data.DataLoader",
    ],
)
def test_names_are_reached_from_the_package_alone(name: str) -> None:
    found: object = rg
    for part in name.split("."):
        found = getattr(found, part)


def test_the_package_says_that_it_is_typed() -> None:
    assert (Path(rg.__file__).parent / "py.typed").exists()


def test_version_is_the_distributions() -> None:
    try:
        installed = importlib.metadata.version("retrograd")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("retrograd is imported from its source tree, not installed")
    assert rg.__version__ == installed
