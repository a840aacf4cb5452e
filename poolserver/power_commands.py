"""``poolserver power``: what a site draws, may draw and has drawn."""

import click


@click.group()
def power() -> None:
    """Tell of the power that sites draw, and of the energy they have drawn."""
