"""Layers, activations and losses as functions."""

from ...functions.index import gather as gather
from ...functions.probabilities import log_softmax as _log_softmax  # noqa: F401
from ...refusals import explain_all as _explain_all
from .activation import *  # noqa: F403
from .adaptive import *  # noqa: F403
from .attention import *  # noqa: F403
from .classes import *  # noqa: F403
from .convolution import *  # noqa: F403
from .ctc import *  # noqa: F403
from .embedding import *  # noqa: F403
from .grids import *  # noqa: F403
from .linear import *  # noqa: F403
from .loss import *  # noqa: F403
from .margins import *  # noqa: F403
from .misc import *  # noqa: F403
from .norm import *  # noqa: F403
from .padding import *  # noqa: F403
from .pooling import *  # noqa: F403
from .recurrent import *  # noqa: F403
from .resampling import *  # noqa: F403
from .shuffling import *  # noqa: F403

_explain_all(globals(), [n for n in globals() if n[0] != "_" and n != "relu"])


def __getattr__(name: str) -> object:
    from ...left_out import error

    raise error("nn.functional", name)
