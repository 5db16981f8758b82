"""Switches of PyTorch's libraries that programs set or ask: none of them is used here.

What is set is remembered and changes nothing; no library and no device is available.
"""

from __future__ import annotations

from types import SimpleNamespace as _Switches
from typing import Any

from . import cudnn as cudnn


def _no() -> bool:
    return False


cuda = _Switches(
    is_built=_no, matmul=_Switches(allow_tf32=False, fp32_precision="none")
)
mps = _Switches(is_available=_no, is_built=_no)
mkl = mkldnn = openmp = _Switches(is_available=_no)


def __getattr__(name: str) -> Any:
    from ..left_out import error

    raise error("backends", name)
