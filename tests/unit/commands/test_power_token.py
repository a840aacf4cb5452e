"""``poolserver power token``."""

from click.testing import CliRunner

from poolserver.api.tokens import hash_of
from poolserver.commands.power import power
from poolserver.config import parse_config  # noqa: F401
