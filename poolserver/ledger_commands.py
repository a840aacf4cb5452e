"""``poolserver ledger``: what is done with the books from the command line."""

import click


@click.group()
def ledger() -> None:
    """Back up the ledger, and look after it."""
