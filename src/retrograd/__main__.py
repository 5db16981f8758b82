"""``python -m retrograd``."""

from .cli import main

main()
