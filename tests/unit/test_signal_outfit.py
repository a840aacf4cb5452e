"""What the ways in for signals are made of."""

import sys
import time
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from poolserver.api_outfit import api_tokens
from poolserver.config import Config, parse_config
from poolserver.control_room.meter_outfit import meter_specs, register
from poolserver.control_room.outfit import power_tree
from poolserver.control_room.view import power_view
from poolserver.outfit import StartError
from poolserver.power.readings import MeterSpec
from poolserver.power.registers import Register
from poolserver.power.signals.words import SiteWord
from poolserver.power.state import EffectiveLimit, Method, NodePower, Readings
from poolserver.power.uncertain import Uncertain
from poolserver.signal_outfit import meters_by, modbus_meters, mqtt_bus, site_words
from tests.unit.pool_toml import POOL_TOML

SINK = cast(Any, SimpleNamespace(take_reading=None, take_fault=None))
SIGNALS = """
[[sites]]
name = "A"
accounts = ["a"]
budget_mw = 5
meter = "main"
[[sites.nodes]]
name = "T1"
meter = "t1"
[[meters]]
name = "main"
source = "modbus"
rated_mw = 5
accuracy_class = 0.5
frozen_after_s = 0
[meters.modbus]
address = "127.0.0.1:502"
[meters.modbus.power]
address = 40087
type = "i16"
exponent_address = 40091
unit = "W"
[meters.modbus.energy]
address = 10
type = "u32"
word_order = "low_first"
scale = 0.1
unit = "kWh"
[[meters]]
name = "t1"
source = "mqtt"
rated_mw = 2
feeds_back = true
[mqtt]
address = "127.0.0.1:1883"
username = "pool"
password = "hunter2"
[[api_tokens]]
name = "x"
sha256 = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
scopes = ["budget"]
nodes = ["A/T1"]
"""


def config(folder: Path, extra: str = "") -> Config:
    return parse_config(POOL_TOML + SIGNALS + extra, source="pool.toml", folder=folder, environ={})


def test_what_is_known_of_meters(tmp_path: Path) -> None:
    assert meter_specs(config(tmp_path)) == [
        MeterSpec("main", 5_000_000, 0.5, 60.0, None, False, counter_modulus_j=2**32 * 360_000),
        MeterSpec("t1", 2_000_000, 1.0, 60.0, 900.0, True),
    ]
    assert meters_by(config(tmp_path), "mqtt") == {"t1"}


def test_registers_have_their_unit_in_their_scale(tmp_path: Path) -> None:
    modbus = config(tmp_path).meters[0].modbus
    assert modbus is not None
    assert modbus.energy is not None
    assert register(modbus.power) == Register(40087, type="i16", exponent_address=40091)
    assert register(modbus.energy) == Register(
        10, type="u32", low_word_first=True, scale=Fraction(360_000)
    )


def test_tokens_are_found_by_what_was_given_out(tmp_path: Path) -> None:
    token = api_tokens(config(tmp_path)).find("Bearer x")
    assert token is not None
    assert (token.name, token.scopes, token.nodes) == ("x", {"budget"}, ("A/T1",))


async def test_there_is_a_part_for_each_way_in(tmp_path: Path) -> None:
    assert len(modbus_meters(config(tmp_path), SINK, time.time)) == 1
    assert mqtt_bus(config(tmp_path), SINK) is not None


@pytest.mark.parametrize("library", ["pymodbus", "aiomqtt"])
def test_without_the_extra_it_is_told_which_one_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    module = {"pymodbus": "modbus", "aiomqtt": "mqtt"}[library]
    monkeypatch.setitem(sys.modules, library, None)
    monkeypatch.delitem(sys.modules, f"poolserver.power.signals.{module}", raising=False)
    made = config(tmp_path)
    make = {
        "pymodbus": lambda: modbus_meters(made, SINK, time.time),
        "aiomqtt": lambda: mqtt_bus(made, SINK),
    }[library]
    with pytest.raises(StartError, match=r'pip install "poolserver\[power\]"'):
        make()


def test_a_file_of_trust_that_is_not_there_is_told(tmp_path: Path) -> None:
    signals = SIGNALS.replace(
        'username = "pool"', 'username = "pool"\ntls = true\nca_file = "no.pem"'
    )
    made = parse_config(POOL_TOML + signals, source="pool.toml", folder=tmp_path, environ={})
    with pytest.raises(StartError, match=r"mqtt\.ca_file"):
        mqtt_bus(made, SINK)


def test_others_are_told_of_each_site_and_of_no_node_below_it(tmp_path: Path) -> None:
    site = NodePower("A", total_w=Uncertain(900.0, 25.0), method=Method.SHARES)
    assert words_on(tmp_path, site) == {"A": SiteWord(5.0, 900.0, 5.0, 1000, "within")}


def test_of_a_site_that_nothing_is_known_of_yet_nobody_is_told_that_it_draws_nothing(
    tmp_path: Path,
) -> None:
    assert words_on(tmp_path, NodePower("A")) == {}


def words_on(folder: Path, site: NodePower) -> dict[str, SiteWord]:
    readings = Readings({site.path: site}, {site.path: EffectiveLimit(1000)})
    tree = power_tree(config(folder))
    return site_words(
        power_view(tree, readings, at_s=5.0, mode="observe", state="within", intended=())
    )
