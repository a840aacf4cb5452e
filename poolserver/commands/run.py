"""``poolserver run``: the pool itself."""

from pathlib import Path

import click

from poolserver.app import START_ERRORS, serve
from poolserver.commands.common import config_option, fail, load, run_async
from poolserver.log import configure_logging


@click.command()
@config_option
def run(path: Path) -> None:
    """Run the pool that FILE describes, until Ctrl-C."""
    config = load(path)
    configure_logging(config.log.level, config.log.format)
    try:
        run_async(serve(config))
    except START_ERRORS as error:
        fail(str(error))
