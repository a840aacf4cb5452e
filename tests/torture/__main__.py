"""python -m tests.torture COMMAND [OPTIONS]: what takes longer; ends with 1 on a fault.

COMMAND is crowd, blocks, kills or outages.
Needs a bitcoind: its path in $BITCOIND, or on $PATH.
"""

import argparse
import asyncio
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.torture.blocks import BlocksPlan, perform_blocks
from tests.torture.crowd import SPARE_FILES, CrowdPlan, raise_file_limit
from tests.torture.kills import KillsPlan, perform_kills
from tests.torture.ledger_stores import NoStore
from tests.torture.outages import OutagesPlan, perform_outages
from tests.torture.stage import Plan, perform


class TooFewFiles(RuntimeError):
    """The system lets us open too few files."""


def main() -> int:
    """Play it once and print the figures."""
    given = _parser().parse_args()
    bitcoind = os.environ.get("BITCOIND") or shutil.which("bitcoind")
    if bitcoind is None:
        print("no bitcoind: scripts/get-bitcoind.sh fetches one", file=sys.stderr)
        return 2
    play = {"blocks": blocks, "crowd": crowd, "kills": kills, "outages": outages}[given.command]
    folder = Path(tempfile.mkdtemp(prefix="poolserver-torture-"))
    try:
        report = play(given, Path(bitcoind), folder)
    except (TooFewFiles, NoStore) as error:
        print(error, file=sys.stderr)
        return 2
    print(report.text())
    if report.problems():
        print(f"the pool's log and files: {folder}", file=sys.stderr)
        return 1
    shutil.rmtree(folder)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    rigs = commands.add_parser("crowd", help="thousands of rigs through block changes")
    rigs.add_argument("--connections", type=int, default=5000)
    rigs.add_argument("--proxies", type=int, default=1)
    rigs.add_argument("--workers", type=int, default=500, help="of each proxy")
    rigs.add_argument("--blocks", type=int, default=10)
    rigs.add_argument("--share-interval", type=float, default=4.0, help="of each worker, seconds")
    rigs.add_argument("--block-interval", type=float, default=6.0, help="seconds")
    found = commands.add_parser("blocks", help="found blocks, each with a fault")
    found.add_argument("--blocks", type=int, default=0, help="0: one of each fault")
    found.add_argument("--nodes", type=int, default=2)
    found.add_argument("--seed", type=int, default=0)
    found.add_argument("--small", action="store_true", help="short faults, fewer kinds")
    found.add_argument("--only", default="", help="faults with this in their names")
    killed = commands.add_parser("kills", help="a pool that dies under load, and its books")
    killed.add_argument("--kills", type=int, default=100)
    killed.add_argument("--store", choices=("sqlite", "postgresql"), default="sqlite")
    killed.add_argument("--seed", type=int, default=0)
    killed.add_argument(
        "--power", action="store_true", help="power cuts: what is not synced is lost too"
    )
    killed.add_argument("--workers", type=int, default=1, help="processes; not with --power")
    away = commands.add_parser("outages", help="a database that is away under load")
    away.add_argument("--seconds", type=float, default=60.0)
    away.add_argument("--store", choices=("sqlite", "postgresql"), default="sqlite")
    away.add_argument("--seed", type=int, default=0)
    return parser


def crowd(given: argparse.Namespace, bitcoind: Path, folder: Path) -> Any:
    """Thousands of rigs."""
    plan = Plan(
        CrowdPlan(
            connections=given.connections,
            proxies=given.proxies,
            workers_per_proxy=given.workers,
            share_interval_s=given.share_interval,
            connects_per_s=500,
        ),
        blocks=given.blocks,
        block_interval_s=given.block_interval,
        steady_s=2 * given.share_interval,
    )
    try:
        raise_file_limit(plan.crowd.all_connections + SPARE_FILES)  # the pool inherits it
    except RuntimeError as error:
        raise TooFewFiles(str(error)) from None
    return asyncio.run(perform(plan, bitcoind, folder))


def blocks(given: argparse.Namespace, bitcoind: Path, folder: Path) -> Any:
    """Found blocks under faults."""
    plan = BlocksPlan(given.blocks, given.nodes, given.seed, given.small, given.only)
    return asyncio.run(perform_blocks(plan, bitcoind, folder, lambda line: print(line, flush=True)))


def kills(given: argparse.Namespace, bitcoind: Path, folder: Path) -> Any:
    """A pool that dies under load."""
    plan = KillsPlan(
        given.kills, given.store, given.seed, is_power_cut=given.power, workers=given.workers
    )
    return asyncio.run(perform_kills(plan, bitcoind, folder, lambda line: print(line, flush=True)))


def outages(given: argparse.Namespace, bitcoind: Path, folder: Path) -> Any:
    """A database that is away under load."""
    plan = OutagesPlan(given.store, given.seed, given.seconds)
    return asyncio.run(perform_outages(plan, bitcoind, folder))


if __name__ == "__main__":
    sys.exit(main())
