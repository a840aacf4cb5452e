"""What all commands do alike: read the configuration, run, fail in one line."""

import asyncio
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, NoReturn

import click
import uvloop

from poolserver.config import Config, ConfigError, load_config

# How long a thread that computes (the fold, a tick of power) keeps the event loop waiting each time
# that it has something to do. With Python's 5 ms rigs wait for each answer as long meanwhile.
SWITCH_INTERVAL_S = 0.0005

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


def run_async(main_coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run on uvloop, which other threads do not keep waiting."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main_coroutine)


def fail(reason: str) -> NoReturn:
    """End the process with one line."""
    click.echo(f"poolserver: {reason}", err=True)
    sys.exit(EXIT_FAILED)
