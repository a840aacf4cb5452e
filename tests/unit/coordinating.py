"""A coordinator without nodes and workers, of a pool with one site."""

from pathlib import Path
from typing import Any

from poolserver.config import parse_config
from poolserver.coordinator import Coordinator
from poolserver.ledger.sqlite import SqliteDatabase
from poolserver.stats.meters import Meters
from tests.unit.pool_toml import POOL_TOML

SITE = """
[[sites]]
name = "hall"
accounts = ["alice"]
budget_mw = 1
default_j_per_th = 17.5
pue = 1.0
"""


def coordinator(folder: Path) -> Coordinator:
    config = parse_config(POOL_TOML + SITE, source="pool.toml", folder=folder, environ={})
    (folder / "var" / "journal").mkdir(parents=True, exist_ok=True)
    database = SqliteDatabase(folder / "var" / "ledger.sqlite")
    nothing: Any = None
    return Coordinator(config, nothing, nothing, nothing, database, clock=lambda: 1000.0)


def metered(pool: Coordinator) -> Meters:
    return pool.meters
