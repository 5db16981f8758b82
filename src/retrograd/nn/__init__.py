"""Neural networks: modules, their parameters, initial weights and functions."""

from . import functional as functional
from . import grad as grad
from . import init as init
from . import modules as modules
from . import parameter as parameter
from . import utils as utils
from .module import Module as Module
from .modules import *  # noqa: F403
from .modules import __all__ as _names
from .parameter import Buffer as Buffer
from .parameter import Parameter as Parameter
from .parameter import UninitializedBuffer as UninitializedBuffer
from .parameter import UninitializedParameter as UninitializedParameter

__all__ = ["Buffer", "Module", "Parameter", "UninitializedBuffer",
           "UninitializedParameter", *_names]  # fmt: skip
__all__ += ["functional", "grad", "init", "modules", "parameter", "utils"]


def __getattr__(name: str) -> object:
    from ..left_out import error

    raise error("nn", name)
