"""``poolserver token``, which was ``power token``: a token for the HTTP API."""

from datetime import datetime
from typing import get_args

import click
import msgspec

from poolserver.api.tokens import Scope, hash_of, new_token
from poolserver.commands.common import as_text

SCOPES = get_args(Scope)


@click.command()
@click.argument("name", callback=as_text)
@click.option(
    "--scope", "scopes", multiple=True, required=True, type=click.Choice(SCOPES), help="May repeat."
)
@click.option(
    "--node",
    "nodes",
    multiple=True,
    default=("/",),
    show_default=True,
    callback=as_text,
    help="What it speaks for, with all below it. May repeat.",
)
@click.option(
    "--not-after",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]),
    help="Until when it is good, UTC; for ever if not given.",
)
def token(
    name: str, scopes: tuple[str, ...], nodes: tuple[str, ...], not_after: datetime | None
) -> None:
    """Make a token for NAME, for the HTTP API.

    Itself on standard error, the lines for the configuration on standard output. It is kept
    nowhere.
    """
    made = new_token()
    click.echo(f"The token of {name}, shown this once: {made}", err=True)
    click.echo("\n[[api_tokens]]")  # what it is appended to may end without a line's end
    for key, value in (("name", name), ("sha256", hash_of(made))):
        click.echo(f"{key} = {_toml(value)}")
    for key, values in (("scopes", scopes), ("nodes", nodes)):
        click.echo(f"{key} = {_toml(list(dict.fromkeys(values)))}")
    if not_after is not None:
        click.echo(f"not_after = {not_after.isoformat()}Z")


def _toml(value: str | list[str]) -> str:
    """Text and lists of text are written in TOML as in JSON."""
    return msgspec.json.format(msgspec.json.encode(value), indent=0).decode()
