"""What all commands do alike: read the configuration, run, fail in one line."""

import sys
from pathlib import Path
from typing import NoReturn

import click

from poolserver.config import Config, ConfigError, load_config
from poolserver.event_loop import run_async

__all__ = ["EXIT_CONFIG", "EXIT_FAILED", "config_option", "fail", "load", "run_async"]

EXIT_FAILED = 1
EXIT_CONFIG = 2

config_option = click.option(
    "--config", "path", required=True, type=click.Path(path_type=Path), metavar="FILE"
)


def load(path: Path) -> Config:
    """The configuration, or the end of the process with all that is wrong with it."""
    try:
        return load_config(path)
    except ConfigError as error:
        click.echo(str(error), err=True)
        sys.exit(EXIT_CONFIG)


def fail(reason: str) -> NoReturn:
    """End the process with one line."""
    click.echo(f"poolserver: {reason}", err=True)
    sys.exit(EXIT_FAILED)
