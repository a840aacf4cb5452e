"""The commands. Each does its one thing and says in one line what went wrong."""

import sys
from importlib import metadata
from pathlib import Path

import click
import msgspec
from rich.console import Console

from poolserver import __version__
from poolserver._native import BACKENDS, IMPLEMENTATION, backend
from poolserver.app import START_ERRORS
from poolserver.commands.audit import COMMANDS as AUDIT_COMMANDS
from poolserver.commands.block_list import BlocksError, read_blocks
from poolserver.commands.common import config_option, fail, load, run_async
from poolserver.commands.ledger import ledger
from poolserver.commands.ledger_stats import stats
from poolserver.commands.payouts import PayoutsError, next_payouts
from poolserver.commands.payouts_table import blocks_table, payouts_table
from poolserver.commands.power import power
from poolserver.commands.simulate import simulate
from poolserver.demo import DEMO_RIGS, DemoError, run_demo
from poolserver.log import configure_logging
from poolserver.outfit import StartError, ledger_database
from poolserver.process import serve


@click.group()
@click.version_option(__version__, prog_name="poolserver")
def main() -> None:
    """A Bitcoin mining pool server for sites that live on a power budget."""


for command in (*AUDIT_COMMANDS, stats):
    ledger.add_command(command)
main.add_command(ledger)
main.add_command(power)
main.add_command(simulate)


@main.command()
@config_option
@click.option(
    "--stay",
    is_flag=True,
    help="Have this process wait for the one that it hands over to, and end with that. For a "
    "supervisor that watches the process it has started; process 1 of a container does so anyway.",
)
def run(path: Path, stay: bool) -> None:
    """Run the pool that FILE describes, until Ctrl-C."""
    config = load(path)
    configure_logging(config.log.level, config.log.format)
    try:
        succession = run_async(serve(config, path.absolute(), stays=stay))
    except START_ERRORS as error:
        fail(str(error))
    succession.stay()


@main.command("check-config")
@click.argument("path", type=click.Path(path_type=Path), metavar="FILE")
def check_config(path: Path) -> None:
    """Say all that is wrong with FILE, each with its place in it."""
    config = load(path)
    scaled = [site.name for site in config.sites if site.work_scale > 1]
    click.echo(f"{path}: good, for {config.network} with {len(config.sites)} site(s)")
    for name in scaled:
        click.echo(f"note: site {name} multiplies its work (work_scale): for demonstrations only")


@main.command()
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
    """Run a private signet, a pool and a simulated site that mines real blocks."""
    try:
        result = run_async(run_demo(bitcoind, seconds=seconds, rigs=rigs))
    except DemoError as error:
        fail(str(error))
    click.echo(result)


@main.command()
@config_option
@click.option("--json", "as_json", is_flag=True, help="For programs, in satoshi.")
def payouts(path: Path, as_json: bool) -> None:
    """Tell what the next block would pay, to whom and for which rigs' coinbase."""
    config = load(path)
    try:
        found = run_async(next_payouts(config))
    except (PayoutsError, StartError) as error:
        fail(str(error))
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
    else:
        Console().print(payouts_table(found))


@main.command()
@config_option
@click.option("--limit", default=50, show_default=True, type=click.IntRange(min=1))
@click.option("--json", "as_json", is_flag=True, help="For programs, in satoshi.")
def blocks(path: Path, limit: int, as_json: bool) -> None:
    """Tell of the pool's blocks: their states, what each paid, effort and luck."""
    config = load(path)
    try:
        found = read_blocks(config, ledger_database(config), limit)
    except (BlocksError, StartError) as error:
        fail(str(error))
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
    else:
        Console().print(blocks_table(found))


@main.command()
def version() -> None:
    """Tell the version and how shares are hashed on this machine."""
    how = f"{backend()} of {', '.join(BACKENDS)}" if IMPLEMENTATION == "c" else "Python, slow"
    click.echo(f"poolserver {__version__}")
    click.echo(f"share check: {how}")
    click.echo(f"Python {sys.version.split()[0]}, uvloop {metadata.version('uvloop')}")
