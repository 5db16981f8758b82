"""Everything that is not a primitive: compositions under PyTorch's names."""

from .. import refusals as _refusals
from . import out as _out
from .create import *  # noqa: F403
from .decompositions import *  # noqa: F403
from .einsum import *  # noqa: F403
from .elementwise import *  # noqa: F403
from .filled import *  # noqa: F403
from .indexing import *  # noqa: F403
from .joining import *  # noqa: F403
from .masks import *  # noqa: F403
from .matmul import *  # noqa: F403
from .norms import *  # noqa: F403
from .parts import *  # noqa: F403
from .random import *  # noqa: F403
from .ranges import *  # noqa: F403
from .rearrange import *  # noqa: F403
from .reduce import *  # noqa: F403
from .scattering import *  # noqa: F403
from .searching import *  # noqa: F403
from .segments import *  # noqa: F403
from .splitting import *  # noqa: F403
from .systems import *  # noqa: F403
from .views import *  # noqa: F403
from .windows import *  # noqa: F403

_out.give_out(globals(), _out.WITH_OUT)
_refusals.explain_all(globals(), [n for n in globals() if not n.startswith("_")])
