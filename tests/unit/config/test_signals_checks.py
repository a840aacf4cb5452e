"""Meters, MQTT and tokens that do not go together are told so."""

from collections.abc import Callable
from pathlib import Path

import pytest

from poolserver.config import Config, Secret

After = Callable[..., list[str]]

HASH = "ab" * 32
SIGNALS = f"""
meter = "main"

[[sites.nodes]]
name = "T2"
meter = "t2"

[[sites.nodes]]
name = "C4"
under = "T2"

[[sites.ai_loads]]
name = "hall"
meter = "ai"
assumed_mw = 0.1

[[meters]]
name = "main"
source = "modbus"
rated_mw = 0.2
[meters.modbus]
address = "10.0.0.5:502"
[meters.modbus.power]
address = 1000
unit = "kW"
[meters.modbus.energy]
address = 1010
type = "u64"
scale = 0.1
unit = "kWh"

[[meters]]
name = "t2"
source = "mqtt"
rated_mw = 0.1

[[meters]]
name = "ai"
source = "http"
rated_mw = 0.1

[mqtt]
address = "broker.example:8883"
username = "pool"
password_env = "MQTT_PASSWORD"
tls = true
ca_file = "ca.pem"

[[api_tokens]]
name = "dispatcher"
sha256 = "{HASH}"
scopes = ["budget", "ai-load"]
nodes = ["demo/T2/C4", "/"]
"""


@pytest.fixture
def text(good: str) -> str:
    return good + SIGNALS


@pytest.fixture
def problems(after: After, text: str) -> After:
    def changed(*changes: tuple[str, str]) -> list[str]:
        return after(*changes, text=text, MQTT_PASSWORD="hunter3")

    return changed


def test_the_example_is_good(problems: After) -> None:
    assert problems() == []


def test_what_is_written_is_read(read: Callable[..., Config], text: str) -> None:
    config = read(text, MQTT_PASSWORD="hunter3")
    modbus = config.meters[0].modbus
    assert modbus is not None
    assert modbus.energy is not None
    assert (modbus.address, modbus.power.unit) == (("10.0.0.5", 502), "kW")
    assert modbus.energy.scale * 10 == 1
    assert config.mqtt is not None
    assert config.mqtt.password == Secret("hunter3")
    assert config.mqtt.ca_file == Path("/etc/pool/ca.pem")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('meter = "t2"', 'meter = "t3"', "sites[0].nodes[0].meter: there is no [[meters]] of"),
        ('meter = "t2"', "", "meters[1].name: no site, node or AI load names this meter"),
        ('meter = "t2"', 'meter = "ai"', 'sites[0].ai_loads[0].meter: "ai" is already'),
        ('name = "ai"', 'name = "t2"', 'meters[2].name: "t2" is already meters[1].name'),
        ('source = "http"', 'source = "modbus"', "meters[2].modbus: is missing"),
        ('source = "modbus"', 'source = "http"', 'meters[0].modbus: is for source = "modbus"'),
        ("rated_mw = 0.2", "rated_mw = 0", "meters[0].rated_mw: must be above 0"),
        ("rated_mw = 0.2", "rated_mw = 0.2\nstale_after_s = 9", "meters[0].stale_after_s: must be"),
        ("address = 1010", "address = 65533", "meters[0].modbus.energy.address: reaches beyond"),
        ("address = 1000", "address = 65536", "meters[0].modbus.power.address: must be at most"),
        ("scale = 0.1", "scale = 0", "meters[0].modbus.energy.scale: must be above 0"),
        ("tls = true", "", "mqtt.ca_file: is for tls = true alone"),
        ("tls = true", 'password = "x"', "mqtt: needs one of password and password_env"),
        ('username = "pool"', "", "mqtt.username: is missing"),
        ('"MQTT_PASSWORD"', '"NONE"', "mqtt.password_env: names a variable that the environment"),
        ('"demo/T2/C4"', '"demo/C4"', 'api_tokens[0].nodes[0]: there is no node "demo/C4"'),
        (HASH, HASH[1:], "api_tokens[0].sha256: must be 64 hex digits"),
        ('"budget", ', '"all", ', "api_tokens[0].scopes[0]: must be"),
    ],
)
def test_each_problem_is_told_at_its_path(
    problems: After, old: str, new: str, expected: str
) -> None:
    told = problems((old, new))
    assert any(each.startswith(expected) for each in told), told


def test_a_meter_by_mqtt_needs_a_broker(after: After, good: str) -> None:
    text = good + SIGNALS.partition("[mqtt]")[0]
    assert after(text=text) == ["meters[1].source: needs a broker: [mqtt]"]


def test_a_token_that_was_written_in_place_of_its_hash_is_not_repeated(problems: After) -> None:
    (told,) = problems((HASH, "my-secret-token"))
    assert "my-secret-token" not in told


def test_topics_have_a_plain_prefix(problems: After) -> None:
    for prefix in ("a/#", "a/+/b", "/a", "a/", "a b"):
        (told,) = problems(("tls = true", f'tls = true\nprefix = "{prefix}"'))
        assert told.startswith("mqtt.prefix: must be like")
    assert problems(("tls = true", 'tls = true\nprefix = "plant/north"')) == []
