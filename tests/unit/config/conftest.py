"""A good configuration, and what is said of it after a change."""

from collections.abc import Callable
from pathlib import Path

import pytest

from poolserver.config import Config, ConfigError, parse_config

GOOD = """\
instance_id = "pool-1"
network = "regtest"
data_dir = "var"

[payout]
address = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"

[[nodes]]
url = "http://127.0.0.1:18443"
username = "u"
password = "hunter2"

[[listeners]]
address = "127.0.0.1:3333"
start_difficulty = 1e-6
min_difficulty = 1e-9

[[sites]]
name = "demo"
accounts = ["demo"]
budget_mw = 0.2
pue = 1.05
default_j_per_th = 17.5
work_scale = 10_000_000_000
"""
FOLDER = Path("/etc/pool")


@pytest.fixture
def good() -> str:
    return GOOD


@pytest.fixture
def read() -> Callable[..., Config]:
    """The configuration of a text that stands in /etc/pool, with some environment variables."""

    def parsed(text: str, **environ: str) -> Config:
        return parse_config(text, source="pool.toml", folder=FOLDER, environ=environ)

    return parsed


@pytest.fixture
def after() -> Callable[..., list[str]]:
    """All problems of the good configuration after changes (old, new) to its text."""

    def problems(*changes: tuple[str, str], text: str = GOOD, **environ: str) -> list[str]:
        for old, new in changes:
            assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times"
            text = text.replace(old, new)
        try:
            parse_config(text, source="pool.toml", folder=FOLDER, environ=environ)
        except ConfigError as error:
            return [str(problem) for problem in error.problems]
        return []

    return problems
