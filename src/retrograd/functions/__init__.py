"""Everything that is not a primitive: compositions under PyTorch's names."""

from . import create, elementwise, index, random, reduce, shape
from .create import *  # noqa: F403
from .elementwise import *  # noqa: F403
from .index import *  # noqa: F403
from .matmul import *  # noqa: F403
from .matmul import __all__ as _products
from .random import *  # noqa: F403
from .reduce import *  # noqa: F403
from .shape import *  # noqa: F403

# The functions, and not the modules that they are in: rg.special is another one.
__all__ = [*create.__all__, *elementwise.__all__, *index.__all__, *_products,
           *random.__all__, *reduce.__all__, *shape.__all__]  # fmt: skip
