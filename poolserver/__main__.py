"""``python -m poolserver``."""

from poolserver.cli import main

main()
