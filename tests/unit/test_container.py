"""The image and the composition are as docs/container.md says, and agree with each other."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from poolserver import __version__
from poolserver.config import Config, load_config
from poolserver.config.errors import ConfigError

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "configs/compose"
DOCKERFILE = (ROOT / "Dockerfile").read_text()
ADDRESS = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"  # BIP173's first test vector


@pytest.fixture(scope="module")
def composition() -> dict[str, Any]:
    composition: dict[str, Any] = yaml.safe_load((COMPOSE / "compose.yml").read_text())
    return composition


def config_of(chain: str, folder: Path) -> Config:
    text = (COMPOSE / chain / "poolserver.toml").read_text().replace("bc1q...", ADDRESS)
    (folder / "poolserver.toml").write_text(text)
    return load_config(folder / "poolserver.toml")


def test_hadolint_finds_nothing_in_the_dockerfile() -> None:
    hadolint = Path(sys.executable).parent / "hadolint"
    done = subprocess.run([hadolint, ROOT / "Dockerfile"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_image_runs_as_a_user_of_its_own_and_carries_no_build_tools() -> None:
    last = DOCKERFILE.split("\nFROM ")[-1]
    assert "USER 10001:10001" in last
    assert "gcc" not in last
    assert "pip uninstall --yes setuptools wheel pip" in DOCKERFILE


def test_the_image_has_what_every_setting_may_need() -> None:
    locked = (ROOT / "requirements/image.txt").read_text()
    for package in ("psycopg", "psycopg-binary", "aiomqtt", "pymodbus"):
        assert re.search(rf"^{package}==", locked, re.MULTILINE), package
    dev = (ROOT / "requirements/dev.txt").read_text()
    pins = re.compile(r"^([a-z0-9-]+)==(\S+)", re.MULTILINE)
    tested = dict(pins.findall(dev))
    assert {name: tested.get(name) for name, _ in pins.findall(locked)} == dict(
        pins.findall(locked)
    )


@pytest.mark.parametrize("name", ["bitcoind", "poolserver", "prometheus", "grafana"])
def test_every_service_is_confined_watched_and_of_a_known_version(
    composition: dict[str, Any], name: str
) -> None:
    service = composition["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "cap_add", "network_mode", "pid"} & set(service)
    assert re.search(r":v?\d+(\.\d+)+$", service["image"])
    assert "healthcheck" in service or name == "poolserver"  # its image has one
    assert all(
        word["condition"] == "service_healthy" for word in service.get("depends_on", {}).values()
    )


def test_only_stratum_is_open_to_other_machines(composition: dict[str, Any]) -> None:
    published = {
        port for service in composition["services"].values() for port in service.get("ports", [])
    }
    assert published == {"3333:3333", "127.0.0.1:9333:9333", "127.0.0.1:3000:3000"}
    assert composition["networks"]["node"]["internal"] is True
    assert composition["networks"]["watch"]["internal"] is True


def test_every_file_that_is_mounted_is_there(composition: dict[str, Any]) -> None:
    for service in composition["services"].values():
        for volume in service["volumes"]:
            for chain in ("regtest", "main"):
                source = volume.replace("${CHAIN:-regtest}", chain).split(":")[0]
                there = (COMPOSE / source).exists() if source[0] == "." else None
                assert there or source in composition["volumes"], volume


@pytest.mark.parametrize("chain", ["regtest", "main"])
def test_the_pool_s_file_is_good_and_fits_the_composition(
    composition: dict[str, Any], chain: str, tmp_path: Path
) -> None:
    config = config_of(chain, tmp_path)
    assert config.network == chain
    assert str(config.data_dir) == "/var/lib/poolserver"
    assert config.nodes[0].zmq_hashblock == "tcp://bitcoind:28332"
    gateway = composition["networks"]["rigs"]["ipam"]["config"][0]["gateway"]
    assert f"{gateway}/32" in map(str, config.http.read_from)
    assert {listener.address.port for listener in config.listeners} == {3333}
    assert config.http.address.port == 9333


@pytest.mark.parametrize("chain", ["regtest", "main"])
def test_the_node_lets_in_the_pool_s_network_alone(composition: dict[str, Any], chain: str) -> None:
    text = (COMPOSE / chain / "bitcoin.conf").read_text()
    subnet = composition["networks"]["node"]["ipam"]["config"][0]["subnet"]
    assert set(re.findall(r"^rpcallowip=(.+)$", text, re.MULTILINE)) == {"127.0.0.1", subnet}
    assert "rpcpassword" not in text


def test_the_cookie_is_readable_by_the_pool_s_group(composition: dict[str, Any]) -> None:
    options = composition["volumes"]["rpc"]["driver_opts"]["o"]
    assert "gid=10001,mode=2750" in options
    assert f"uid={composition['services']['bitcoind']['user'].split(':')[0]}" in options


def test_main_does_not_start_without_an_address_of_the_operator_s() -> None:
    with pytest.raises(ConfigError, match=r"payout\.address"):
        load_config(COMPOSE / "main/poolserver.toml")


def test_the_composition_builds_this_version(composition: dict[str, Any]) -> None:
    assert composition["services"]["poolserver"]["image"] == f"poolserver:{__version__}"


def test_the_image_is_built_of_its_base_alone() -> None:
    assert not DOCKERFILE.startswith("# syntax=")  # BuildKit would fetch that image too
