"""``poolserver version``."""

import sys
from importlib import metadata

import click

from poolserver import __version__
from poolserver._native import BACKENDS, IMPLEMENTATION, backend
from poolserver.commands.common import echo_json, json_option


@click.command()
@json_option()
def version(as_json: bool) -> None:
    """Tell the version and how shares are hashed."""
    python, uvloop = sys.version.split()[0], metadata.version("uvloop")
    if as_json:
        how = {"implementation": IMPLEMENTATION, "share_check": backend()}
        echo_json({"version": __version__, **how, "python": python, "uvloop": uvloop})
        return
    how_text = f"{backend()} of {', '.join(BACKENDS)}" if IMPLEMENTATION == "c" else "Python, slow"
    click.echo(f"poolserver {__version__}")
    click.echo(f"share check: {how_text}")
    click.echo(f"Python {python}, uvloop {uvloop}")
