"""``poolserver demo``: all of it on one machine, for a look."""

import click

from poolserver.commands.common import fail, run_async
from poolserver.demo import DEMO_RIGS, DemoError, run_demo


@click.command()
@click.option("--seconds", type=click.FloatRange(min=1), help="End after so long.")
@click.option("--rigs", default=DEMO_RIGS, show_default=True, type=click.IntRange(1, 500))
@click.option(
    "--bitcoind",
    envvar="BITCOIND",
    default="bitcoind",
    show_default=True,
    help="The node's program.",
)
def demo(seconds: float | None, rigs: int, bitcoind: str) -> None:
    """Run a pool with a simulated site, for a look.

    On a private signet with a node of its own: real blocks are mined.
    """
    try:
        result = run_async(run_demo(bitcoind, seconds=seconds, rigs=rigs))
    except DemoError as error:
        fail(str(error))
    click.echo(result)
