"""From what a rig says on the wire to the place and rating that its work is booked by."""

import asyncio
from pathlib import Path

import pytest

from poolserver.commands.power_models import read_rigs
from poolserver.ledger.sqlite import SqliteDatabase
from poolserver.node.process import BitcoindProcess
from poolserver.outfit import ledger_database
from poolserver.power.rating import RatingSource
from tests.integration.running import Rig, pool_config, rig, running

pytestmark = pytest.mark.real

PLACES = """
worker_pattern = "{site}-{container}-{rack}-{slot}"
[[sites.nodes]]
name = "T2"
kind = "transformer"
workers = ["shw-c04-*"]
[[rig_models]]
model = "S19j Pro"
rigs = ["demo.listed"]
"""
S21 = "Antminer S21 (200 TH/s, 17.5 J/TH)"
S19J_PRO = "Antminer S19j Pro (104 TH/s, 29.5 J/TH)"


def booked(folder: Path) -> set[tuple[str, str, int]]:
    connection = SqliteDatabase(folder / "var" / "ledger.sqlite").reader()
    rows = connection.execute("SELECT node, model, source FROM node_work").fetchall()
    connection.close()
    return {(node, model, source) for node, model, source in rows}


async def mine_for_a_while(*rigs: Rig) -> None:
    """Longer than the second after which the worker process tells of its rigs.

    Half of all shares are blocks, so that others are stale: those are proven work as well.
    """
    for _ in range(15):
        for each in rigs:
            await each.mine(await each.job())
        await asyncio.sleep(0.1)


async def test_work_is_booked_where_the_rig_is_and_by_what_it_is(
    bitcoind: BitcoindProcess, tmp_path: Path
) -> None:
    config = pool_config(bitcoind, tmp_path, extra=PLACES)
    stock, plain = "Antminer S21/Fri Oct 11 16:34:48 CST 2024", "cgminer/4.11.1"
    async with (
        running(config) as pool,
        rig(pool.port, "demo.shw-c04-r07-s1", stock) as named,
        rig(pool.port, "demo.listed", plain) as listed,
        rig(pool.port, "demo.other", plain) as other,
    ):
        await mine_for_a_while(named, listed, other)
    assert {
        ("demo/T2/c04/r07", S21, RatingSource.IDENTITY),
        ("demo", S19J_PRO, RatingSource.OPERATOR),
        ("demo", "", RatingSource.SITE_DEFAULT),
    } <= booked(tmp_path)
    kept = {line.examples[0]: line.model for line in read_rigs(config, ledger_database(config))}
    assert kept == {"demo.shw-c04-r07-s1": S21, "demo.listed": S19J_PRO, "demo.other": ""}
