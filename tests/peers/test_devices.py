"""What programs ask about devices before they choose one, and what they then set."""

from __future__ import annotations

from typing import Any

import pytest

import retrograd as rg

torch: Any = pytest.importorskip(
    "torch", reason="comparisons with PyTorch are skipped: it is not installed"
)
if torch.cuda.is_available():
    pytest.skip(
        "the comparison is with a PyTorch without CUDA", allow_module_level=True
    )

ANSWERS = {
    "cuda": lambda lib: lib.cuda.is_available(),
    "count": lambda lib: lib.cuda.device_count(),
    "memory": lambda lib: (lib.cuda.memory_allocated(), lib.cuda.max_memory_reserved()),
    "begun": lambda lib: lib.cuda.is_initialized(),
    "bf16": lambda lib: lib.cuda.is_bf16_supported(),
    "empty": lambda lib: lib.cuda.empty_cache(),
    "seed": lambda lib: (lib.cuda.manual_seed(1), lib.cuda.manual_seed_all(1)),
    "mps": lambda lib: (lib.backends.mps.is_available(), lib.backends.mps.is_built()),
    "cudnn": lambda lib: (
        lib.backends.cudnn.is_available(),
        lib.backends.cudnn.version(),
    ),
    "built": lambda lib: (lib.backends.cuda.is_built(), lib.version.cuda),
    "accelerator": lambda lib: (
        lib.accelerator.is_available(),
        lib.accelerator.current_accelerator(),
        lib.accelerator.device_count(),
    ),
    "chosen": lambda lib: lib.device("cuda" if lib.cuda.is_available() else "cpu").type,
}


@pytest.mark.parametrize("name", ANSWERS)
def test_answers(name: str) -> None:
    assert ANSWERS[name](rg) == ANSWERS[name](torch)


REFUSED = {
    "synchronize": lambda lib: lib.cuda.synchronize(),
    "current": lambda lib: lib.cuda.current_device(),
    "name": lambda lib: lib.cuda.get_device_name(0),
    "tensor": lambda lib: lib.ones(1).cuda(),
    "to": lambda lib: lib.ones(1).to("cuda:0"),
    "made": lambda lib: lib.ones(1, device="cuda"),
    "module": lambda lib: lib.nn.Linear(1, 1).to("cuda"),
    "module.cuda": lambda lib: lib.nn.Linear(1, 1).cuda(),
    "nowhere": lambda lib: lib.device("nowhere"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    with pytest.raises((AssertionError, RuntimeError)) as theirs:
        REFUSED[name](torch)
    with pytest.raises(theirs.type, match="cpu"):
        REFUSED[name](rg)


def test_switches_are_remembered() -> None:
    import retrograd.backends.cudnn as cudnn

    before = cudnn.benchmark
    rg.backends.cudnn.benchmark = True
    assert cudnn.benchmark
    cudnn.benchmark = before
    with pytest.raises(NotImplementedError, match="CPU"):
        _ = rg.cuda.Stream


def test_a_fork_of_the_random_numbers() -> None:
    rg.manual_seed(3)
    with rg.random.fork_rng():
        rg.manual_seed(4)
        rg.rand(5)
    after = rg.rand(2)
    rg.manual_seed(3)
    assert rg.equal(after, rg.rand(2))
