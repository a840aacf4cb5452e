"""What is shipped: wheel and source archive are whole, good, and run without the checkout."""

import asyncio
import email
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from packaging.metadata import Metadata

from poolserver import __version__
from poolserver.node.process import BitcoindProcess, free_port
from tests.integration.running import CONFIG, TAPROOT_REGTEST

ROOT = Path(__file__).parents[2]
# Two builds in environments of their own and a new one with all dependencies: half a minute on a
# machine that is idle, minutes on one that is not.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

BUILT_FROM = {".c", ".h"}  # in the source archive alone


@dataclass(frozen=True)
class Dist:
    """Both, as scripts/make_dist.py makes them."""

    wheel: Path
    source: Path


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Dist:
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, ROOT / "scripts/make_dist.py", folder]
    subprocess.run(command, check=True, capture_output=True, timeout=250)
    (wheel,), (source,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return Dist(wheel, source)


@pytest.fixture(scope="module")
def installed(dist: Dist, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command in a new virtual environment: locked dependencies and the wheel."""
    venv = tmp_path_factory.mktemp("installed") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    pip = [sys.executable, "-m", "pip", "--python", venv / "bin/python", "install", "--quiet"]
    locked = ["--require-hashes", "-r", ROOT / "requirements/runtime.txt"]
    subprocess.run([*pip, *locked], check=True, timeout=250)
    subprocess.run([*pip, "--no-index", "--no-deps", dist.wheel], check=True)
    return venv / "bin/poolserver"


def told(*command: str | Path, cwd: Path) -> str:
    """What it prints; it must end with 0. Nothing of the checkout is on its path."""
    bare = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(command, cwd=cwd, env=bare, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_the_wheel_has_every_file_that_the_code_reads(dist: Dist) -> None:
    inside = set(zipfile.ZipFile(dist.wheel).namelist())
    left_out = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "poolserver").rglob("*")
        if path.is_file()
        and path.suffix not in BUILT_FROM | {".so", ".pyc"}
        and "asyncio_stratum/tests" not in path.as_posix()
    } - inside
    assert left_out == set()
    assert "poolserver/_native/_sharecheck.abi3.so" in inside
    assert "poolserver/page/runbooks/node_lost.md" in inside  # they are the documents' own
    assert not [name for name in inside if Path(name).suffix in BUILT_FROM]


def test_the_source_archive_builds_without_git_and_has_what_a_reader_needs(dist: Dist) -> None:
    with tarfile.open(dist.source) as archive:
        names = {name.split("/", 1)[-1] for name in archive.getnames()}
        times = {entry.mtime for entry in archive}
    wanted = {"LICENSE", "CHANGELOG.md", "docs/README.md", "configs/regtest.toml", "Dockerfile"}
    assert wanted <= names
    assert not [name for name in names if name.endswith((".so", ".pyc"))]
    assert len(times) == 1  # the same bytes whoever makes it


def test_the_metadata_is_what_an_index_takes(dist: Dist) -> None:
    with zipfile.ZipFile(dist.wheel) as wheel:
        (name,) = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
        raw = wheel.read(name)
    metadata = Metadata.from_email(raw, validate=True)  # as twine check does
    assert str(metadata.version) == __version__
    assert metadata.description_content_type == "text/markdown"
    assert metadata.license_expression == "MIT"
    text = email.message_from_bytes(raw).get_payload()
    assert isinstance(text, str)
    assert text.startswith("# poolserver")
    assert "cp311-abi3" in dist.wheel.name  # one for every Python from 3.11 on


def test_the_wheel_runs_where_there_is_no_checkout(installed: Path, tmp_path: Path) -> None:
    assert f"poolserver {__version__}" in told(installed, "version", cwd=tmp_path)
    python = installed.parent / "python"
    place = told(python, "-c", "import poolserver; print(poolserver.__file__)", cwd=tmp_path)
    assert str(installed.parents[1]) in place
    for example in ("regtest.toml", "poolserver.toml", "programme-2000mw.toml"):
        told(installed, "check-config", ROOT / "configs" / example, cwd=tmp_path)


@asynccontextmanager
async def running(command: Path, config: Path, until: str) -> AsyncIterator[None]:
    """The installed pool, from the log event ``until`` on; it must end in order."""
    log = config.with_suffix(".log")
    with log.open("wb") as stderr:
        pool = await asyncio.create_subprocess_exec(
            command, "run", "--config", config, cwd=config.parent, stderr=stderr
        )
        try:
            async with asyncio.timeout(30):
                while not re.search(rf"\b{until}\b", log.read_text()):
                    assert pool.returncode is None, log.read_text()
                    await asyncio.sleep(0.05)
            yield
            pool.terminate()
            async with asyncio.timeout(30):
                assert await pool.wait() == 0, log.read_text()
        finally:
            if pool.returncode is None:
                pool.kill()


@pytest.mark.real
async def test_the_wheel_mines_on_regtest(
    installed: Path, bitcoind: BitcoindProcess, tmp_path: Path
) -> None:
    port, http = free_port(), free_port()
    text = CONFIG.format(
        address=TAPROOT_REGTEST,
        url=bitcoind.url,
        username=bitcoind.username,
        password=bitcoind.password,
        zmq=bitcoind.zmq_endpoint,
        port=port,
        http_port=http,
        payout="",
        extra="",
    )
    config = tmp_path / "pool.toml"
    config.write_text(text)
    rigs = ["--user", "demo", "--rigs", "1", "--th-s", "0.0000000001", "--watts", "1"]
    async with running(installed, config, until="running"), aiohttp.ClientSession() as http_client:
        mining = await asyncio.create_subprocess_exec(
            installed, "simulate", *rigs, "--pool", f"127.0.0.1:{port}", "--seconds", "4"
        )
        async with asyncio.timeout(30):
            assert await mining.wait() == 0
        async with http_client.get(f"http://127.0.0.1:{http}/readyz") as answer:
            assert answer.status == 200
        async with http_client.get(f"http://127.0.0.1:{http}/metrics") as answer:
            metrics = await answer.text()
    accepted = re.search(r'poolserver_shares_total\{.*result="accepted".*\} (\S+)', metrics)
    assert accepted is not None
    assert float(accepted[1]) > 0
