"""Docker Compose and promtool take the composition's files; no engine is needed for that."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "configs/compose"
pytestmark = pytest.mark.real


@pytest.mark.parametrize("chain", ["regtest", "main"])
def test_docker_compose_takes_the_file(chain: str, tmp_path: Path) -> None:
    program = os.environ.get("DOCKER_COMPOSE")
    if program is None:
        pytest.skip("docker-compose: scripts/find-docker-compose.sh finds or fetches one")
    command = [program, "-f", COMPOSE / "compose.yml", "config", "--format", "json"]
    environment = os.environ | {"CHAIN": chain, "HOME": str(tmp_path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    services = json.loads(done.stdout)["services"]
    (settings,) = [
        volume["source"]
        for volume in services["poolserver"]["volumes"]
        if volume["target"].endswith("poolserver.toml")
    ]
    assert settings == str(COMPOSE / chain / "poolserver.toml")


def test_promtool_takes_prometheus_s_file_with_the_rules(tmp_path: Path) -> None:
    prometheus = os.environ.get("PROMETHEUS") or shutil.which("prometheus") or ""
    program = Path(prometheus).with_name("promtool") if prometheus else Path()
    if not program.is_file():
        pytest.skip("promtool: scripts/find-prometheus.sh finds or fetches one")
    for file in (COMPOSE / "prometheus.yml", ROOT / "configs/prometheus/poolserver.rules.yml"):
        shutil.copy(file, tmp_path)
    command = [program, "check", "config", tmp_path / "prometheus.yml"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
