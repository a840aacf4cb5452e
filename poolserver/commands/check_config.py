"""``poolserver check-config``: all that is wrong with a configuration."""

import sys
from pathlib import Path
from typing import Any

import click

from poolserver.commands.common import EXIT_USAGE, echo_json, json_option
from poolserver.config import Config, ConfigError, load_config


@click.command("check-config")
@click.argument("path", type=click.Path(path_type=Path), metavar="FILE")
@json_option()
def check_config(path: Path, as_json: bool) -> None:
    """Say all that is wrong with FILE.

    Each with its place in it. Ends with 0 if all is well and with 2 if not.
    """
    try:
        config = load_config(path)
    except ConfigError as error:
        if as_json:
            found: list[Any] = [{"path": place, "text": text} for place, text in error.problems]
            echo_json({"good": False, "problems": found, "notes": []})
        else:
            click.echo(str(error), err=True)
        sys.exit(EXIT_USAGE)
    notes = list(_notes(config))
    if as_json:
        echo_json({"good": True, "problems": [], "notes": notes})
        return
    click.echo(f"{path}: good, for {config.network} with {len(config.sites)} site(s)")
    for note in notes:
        click.echo(f"note: {note}")


def _notes(config: Config) -> list[str]:
    scaled = [site.name for site in config.sites if site.work_scale > 1]
    text = "multiplies its work (work_scale): for demonstrations only"
    return [f"site {name} {text}" for name in scaled]
