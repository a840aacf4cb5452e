"""``poolserver run``: the pool itself."""

import errno
import os
from pathlib import Path

import click

from poolserver.app import START_ERRORS
from poolserver.commands.common import config_option, fail, load, run_async
from poolserver.log import configure_logging
from poolserver.process import serve


@click.command()
@config_option
@click.option(
    "--stay",
    is_flag=True,
    help="Have this process wait for the one that it hands over to, and end with that. For a "
    "supervisor that watches the process it has started; process 1 of a container does so anyway, "
    "and so does who is started in a terminal.",
)
def run(path: Path, stay: bool) -> None:
    """Run the pool that FILE describes, until Ctrl-C."""
    config = load(path)
    configure_logging(config.log.level, config.log.format)
    try:
        # A shell takes the end of what it started for the pool's, and gives Ctrl-C to others then.
        stays = stay or os.isatty(0)
        succession = run_async(serve(config, path.absolute(), stays=stays))
    except START_ERRORS as error:
        fail(why(error))
    succession.stay()


def why(error: Exception) -> str:
    """What kept it from starting, and where to look if it is somebody who has its port.

    >>> why(OSError(errno.EADDRINUSE, "cannot listen at :: port 3333: Address already in use"))
    'cannot listen at :: port 3333: Address already in use (ss -ltnp tells by whom)'
    """
    if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
        return f"{error.strerror} (ss -ltnp tells by whom)"
    return str(error)
