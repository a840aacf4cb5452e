"""What all commands do alike: read the configuration, run, print, and fail in one line."""

import os
import re
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click
import msgspec

if TYPE_CHECKING:  # what a command does not need it does not wait for
    from rich.console import Console

    from poolserver.config import Config

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

EXIT_FAILED = 1
EXIT_USAGE = 2
"""What was asked makes no sense, or the configuration is wrong."""
EXIT_NOT_REACHED = 3
"""No pool answers."""

# JSON has escapes for what is below, and these as they are: C1 (ECMA-48) and marks of direction.
_OBEYED = re.compile("[\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]")

PIPE_WIDTH = 250
"""Columns of what is no terminal: all of a table is there, for grep."""

config_option = click.option(
    "--config", "path", required=True, type=click.Path(path_type=Path), metavar="FILE"
)
quiet_option = click.option("--quiet", is_flag=True, help="Show no progress.")


def json_option(says: str = "For programs.") -> Callable[[F], F]:
    """``--json``, as ``as_json``."""
    return click.option("--json", "as_json", is_flag=True, help=says)


def load(path: Path) -> "Config":
    """The configuration, or the end of the process with all that is wrong with it."""
    from poolserver.config import ConfigError, load_config

    try:
        return load_config(path)
    except ConfigError as error:
        click.echo(str(error), err=True)
        sys.exit(EXIT_USAGE)


def run_async(work: Coroutine[Any, Any, T]) -> T:
    """Run it on an event loop as our processes have it."""
    from poolserver.event_loop import run_async as run

    return run(work)


def fail(reason: str, code: int = EXIT_FAILED) -> NoReturn:
    """End the process with one line."""
    click.echo(f"poolserver: {reason}", err=True)
    sys.exit(code)


def as_text(ctx: click.Context, param: click.Parameter, given: T) -> T:
    """What is given, if it can be written down: the callback of an argument or option.

    Bytes on the command line that are no UTF-8 are surrogates here (PEP 383), which no file and
    no line of ours can have.
    """
    for each in given if isinstance(given, tuple) else (given,):
        try:
            str(each).encode()
        except UnicodeEncodeError:
            raise click.BadParameter("it must be UTF-8: write it in other characters") from None
    return given


def echo_json(value: object) -> None:
    """Print it for programs that read all of it, and for people who look at it."""
    click.echo(harmless(msgspec.json.format(msgspec.json.encode(value), indent=2)))


def harmless(json: bytes) -> str:
    """The same JSON, in which what a terminal would obey, or show elsewhere, is escaped.

    >>> harmless('"Würfel \x9b2J"'.encode())
    '"Würfel \\\\u009b2J"'
    """
    return _OBEYED.sub(lambda found: f"\\u{ord(found[0]):04x}", json.decode())


def console() -> "Console":
    """Where tables go. What is no terminal gets no colour, and all columns if none are set."""
    from rich.console import Console

    wide = None if sys.stdout.isatty() or "COLUMNS" in os.environ else PIPE_WIDTH
    return Console(width=wide, soft_wrap=False, highlight=False)
