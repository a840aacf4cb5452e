"""``poolserver schema``."""

import click

from poolserver.config.schema import config_schema


@click.command()
def schema() -> None:
    """Print the JSON Schema of the configuration.

    Editors complete and check pool.toml by it: see docs/cli.md.
    """
    click.echo(config_schema())
