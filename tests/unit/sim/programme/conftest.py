"""A small programme: one site with two feeders, and one with rigs of one kind and no meter."""

from collections.abc import Callable
from pathlib import Path

import pytest

from poolserver.config import Config, load_config

POOL = """
network = "regtest"
meters = [
    { name = "north", source = "http", rated_mw = 8, accuracy_class = 0.5 },
    { name = "north-f1", source = "http", rated_mw = 4, accuracy_class = 0.5 },
    { name = "north-f2", source = "http", rated_mw = 4, accuracy_class = 0.5 },
    { name = "north-ai", source = "http", rated_mw = 3, accuracy_class = 0.5 },
]
[payout]
address = "bcrt1p2zffkaxp5py4fdutfdsrt6t6tcrc5ks09rkfd428hlhf4n5q8tqq5az5cr"
[[nodes]]
url = "http://127.0.0.1:18443"
username = "a"
password = "a"
[[listeners]]
address = "127.0.0.1:3333"
[programme]
limit_mw = 7.7

[[sites]]
name = "North"
accounts = ["north"]
budget_mw = 8
pue = 1.1
meter = "north"
ai_loads = [{ name = "hall", under = "F2", meter = "north-ai", assumed_mw = 3 }]
nodes = [
    { name = "F1", limit_mw = 4, meter = "north-f1" },
    { name = "F2", limit_mw = 4, meter = "north-f2", auxiliary_kw = 50 },
    { name = "T1", under = "F2" },
]

[[sites]]
name = "South"
accounts = ["south"]
budget_mw = 4

[[simulation.fleets]]
node = "North/F1"
model = "Antminer S21"
rigs = 500
[[simulation.fleets]]
node = "North/F1"
model = "Antminer T21"
rigs = 300
rated_by = "site default"
[[simulation.fleets]]
node = "North/*/T1"
model = "Antminer S21"
rigs = 200
off_percent = 10
elsewhere_percent = 5
idle_percent = 5
[[simulation.fleets]]
node = "South"
model = "M60S"
rigs = 400
bias_percent = 7

[[simulation.ai_halls]]
site = "North"
name = "hall"
base_mw = 0.5
job_mw = 0.25
"""


@pytest.fixture
def programme(tmp_path: Path) -> Callable[..., Config]:
    """The config, with more of ``[simulation]`` and more tables at its end."""

    def make(settings: str = "", more: str = "") -> Config:
        path = tmp_path / "programme.toml"
        path.write_text(f"{POOL}\n{more}\n[simulation]\n{settings}\n")
        return load_config(path)

    return make
