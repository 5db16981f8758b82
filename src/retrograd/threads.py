"""How many threads compute."""

from __future__ import annotations


def get_num_threads() -> int:
    """How many threads share the work of an operation, the caller included.

    At first as many as there are processors, or what ``RETROGRAD_NUM_THREADS`` or
    ``OMP_NUM_THREADS`` says.
    """
    from .compiler.pool import POOL

    return POOL.threads


def set_num_threads(number: int, /) -> None:
    """Let so many threads share the work of an operation, the caller included.

    Work of a few microseconds stays on one thread. A divided sum is added up in the same
    order whatever the number, so results do not depend on it.

    >>> import retrograd as rg
    >>> rg.set_num_threads(2)
    >>> rg.get_num_threads()
    2
    """
    from threadpoolctl import threadpool_limits

    from .compiler.pool import POOL

    if not isinstance(number, int) or isinstance(number, bool):
        kind = type(number).__name__
        raise TypeError(f"set_num_threads expects an int, but got {kind}")
    if number < 1:
        raise RuntimeError(f"set_num_threads expects a positive integer, not {number}")
    POOL.resize(number)
    threadpool_limits(number)  # NumPy's products
