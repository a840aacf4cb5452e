"""python -m tests.torture [OPTIONS]: a crowd of rigs through block changes; ends with 1 on a fault.

Needs a bitcoind: its path in $BITCOIND, or on $PATH.
"""

import argparse
import asyncio
import os
import shutil
import sys
import tempfile
from pathlib import Path

from tests.torture.crowd import SPARE_FILES, CrowdPlan, raise_file_limit
from tests.torture.stage import Plan, perform


def main() -> int:
    """Play it once and print the figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    parser.add_argument("--connections", type=int, default=5000)
    parser.add_argument("--proxies", type=int, default=1)
    parser.add_argument("--workers", type=int, default=500, help="of each proxy")
    parser.add_argument("--blocks", type=int, default=10)
    parser.add_argument("--share-interval", type=float, default=4.0, help="of each worker, seconds")
    parser.add_argument("--block-interval", type=float, default=6.0, help="seconds")
    given = parser.parse_args()
    bitcoind = os.environ.get("BITCOIND") or shutil.which("bitcoind")
    if bitcoind is None:
        print("no bitcoind: scripts/get-bitcoind.sh fetches one", file=sys.stderr)
        return 2
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
        print(error, file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="poolserver-torture-") as folder:
        report = asyncio.run(perform(plan, Path(bitcoind), Path(folder)))
    print(report.text())
    return 1 if report.problems() else 0


if __name__ == "__main__":
    sys.exit(main())
