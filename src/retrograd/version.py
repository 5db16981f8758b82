"""Which version this is, and of which devices' libraries (none)."""

from . import __version__ as __version__

cuda = hip = xpu = None
