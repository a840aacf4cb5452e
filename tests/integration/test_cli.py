"""The program as an operator sees it: its commands, exit codes and words."""

import asyncio
import os
import re
import signal
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from math import inf
from pathlib import Path
from random import randbytes

import aiohttp
import pytest

from poolserver import __version__, node_outfit
from poolserver._native import scan_nonces, sha256d
from poolserver._vendor.asyncio_stratum import Notify
from poolserver.app import PoolServer
from poolserver.bitcoin.header import pack_header
from poolserver.bitcoin.merkle import merkle_root_from_branch
from poolserver.bitcoin.target import target_from_difficulty, target_le
from poolserver.config import load_config
from poolserver.node.process import BitcoindProcess, free_port
from poolserver.outfit import StartError
from tests.integration.commands import Setup, begin, command, end_of, said_in_one_line
from tests.integration.running import Rig, RunningPool, rig

TAPROOT_SIGNET = "tb1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vq47zagq"


BAD_CONFIG = """
network = "regtest"
colour = "blue"
[payout]
address = "tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx"
[[nodes]]
url = "ftp://127.0.0.1"
username = "poolserver"
password = "loopback-only"
[[listeners]]
address = "127.0.0.1:99999"
[[sites]]
name = "hall"
accounts = ["demo"]
budget_mw = "much"
"""


@asynccontextmanager
async def serving(setup: Setup) -> AsyncIterator[asyncio.subprocess.Process]:
    """The pool as a process, once it is ready; ended by force if the test has not ended it."""
    process = await begin("run", "--config", str(setup.write()))
    deadline = time.monotonic() + 20
    try:
        while not await is_ready(setup.pool):
            assert process.returncode is None, await end_of(process)
            assert time.monotonic() < deadline, "not ready in time"
            await asyncio.sleep(0.05)
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def is_ready(pool: RunningPool) -> bool:
    try:
        return (await pool.get("/readyz"))[0] == 200
    except aiohttp.ClientError:
        return False


# --- commands that need no node --------------------------------------------------------------


async def test_version_tells_what_hashes_here() -> None:
    ended = await command("version")
    assert ended.code == 0
    assert ended.out.startswith(f"poolserver {__version__}\nshare check: ")
    assert ended.err == ""


async def test_a_good_config_is_called_good(tmp_path: Path) -> None:
    path = Setup(tmp_path, "http://127.0.0.1:1").write()
    ended = await command("check-config", str(path))
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == f"{path}: good, for regtest with 1 site(s)\n"


async def test_every_problem_of_a_bad_config_is_told_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(BAD_CONFIG)
    ended = await command("check-config", str(path))
    assert (ended.code, ended.out) == (2, "")
    assert {line.partition(": ")[0] for line in ended.err.splitlines()} == {
        "colour",
        "payout.address",
        "nodes[0].url",
        "listeners[0].address",
        "sites[0].budget_mw",
    }


async def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = tmp_path / "none.toml"
    ended = await command("run", "--config", str(path))
    assert (ended.code, ended.err) == (2, f"{path}: cannot be read: No such file or directory\n")


async def test_an_address_of_another_network_is_told_before_anything_is_begun(
    tmp_path: Path,
) -> None:
    path = Setup(tmp_path, "http://127.0.0.1:1", address=TAPROOT_SIGNET).write()
    ended = await command("run", "--config", str(path))
    assert ended.code == 2
    assert ended.err.startswith("payout.address: ")
    assert "this pool runs on regtest" in ended.err
    assert not (tmp_path / "var").exists()


async def test_rigs_without_a_pool_say_what_is_wrong() -> None:
    ended = await command("simulate", "--pool", "127.0.0.1:1", "--rigs", "2", "--seconds", "2")
    assert ended.code == 1
    assert "0/2 rigs hash" in ended.err
    assert "refused" in ended.err.splitlines()[-1]


async def test_a_pool_that_is_no_address_is_told_in_one_line() -> None:
    ended = await command("simulate", "--pool", "127.0.0.1:99999", "--seconds", "1")
    assert ended.code == 1
    assert "127.0.0.1:99999" in said_in_one_line(ended)


def files_named(folder: Path, pattern: str) -> list[Path]:
    """Anywhere below a folder."""
    return list(folder.rglob(pattern))


# --- a node that cannot be used --------------------------------------------------------------


async def test_a_node_that_is_not_there_is_given_up_with_its_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node_outfit, "NODE_WAIT_S", 0.0)
    url = f"http://127.0.0.1:{free_port()}"
    config = load_config(Setup(tmp_path, url).write())
    with pytest.raises(StartError, match=re.escape(url)):
        await PoolServer(config).run(asyncio.Event())


async def test_a_pool_that_waits_for_its_node_can_be_stopped(tmp_path: Path) -> None:
    path = Setup(tmp_path, f"http://127.0.0.1:{free_port()}").write()
    process = await begin("run", "--config", str(path))
    try:
        assert process.stderr is not None
        async with asyncio.timeout(10):
            assert b"waiting_for_node" in await process.stderr.readline()
        process.terminate()
        async with asyncio.timeout(5):
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@pytest.mark.real
async def test_a_node_of_another_network_is_told_in_one_line(
    bitcoind: BitcoindProcess, tmp_path: Path
) -> None:
    setup = Setup(tmp_path, bitcoind.url, network="signet", address=TAPROOT_SIGNET)
    ended = await command("run", "--config", str(setup.write()))
    assert ended.code == 1
    assert said_in_one_line(ended) == (
        "poolserver: the node runs on regtest, the config says signet"
    )


@pytest.mark.real
@pytest.mark.parametrize("taken", ["port", "http_port"])
async def test_an_address_that_is_taken_is_named(
    bitcoind: BitcoindProcess, tmp_path: Path, taken: str
) -> None:
    setup = Setup(tmp_path, bitcoind.url)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        setattr(setup, taken, other.getsockname()[1])
        ended = await command("run", "--config", str(setup.write()))
    assert ended.code == 1
    line = said_in_one_line(ended)
    assert "127.0.0.1" in line
    assert str(getattr(setup, taken)) in line
    assert files_named(tmp_path, "*.live") == []


@pytest.mark.real
async def test_a_start_that_fails_leaves_no_journal(
    bitcoind: BitcoindProcess, tmp_path: Path
) -> None:
    setup = Setup(tmp_path, bitcoind.url)
    path = setup.write()
    (tmp_path / "var").mkdir(exist_ok=True)
    (tmp_path / "var" / "ledger.sqlite").write_text("no database, but long enough to be told so")
    ended = await command("run", "--config", str(path))
    assert ended.code == 1
    assert "ledger.sqlite" in said_in_one_line(ended)
    assert files_named(tmp_path, "*.journal") + files_named(tmp_path, "*.live") == []


@pytest.mark.real
async def test_a_data_folder_that_cannot_be_written_is_named(
    bitcoind: BitcoindProcess, tmp_path: Path
) -> None:
    (tmp_path / "var").write_text("a file where the folder should be")
    ended = await command("run", "--config", str(Setup(tmp_path, bitcoind.url).write()))
    assert ended.code == 1
    assert str(tmp_path / "var") in said_in_one_line(ended)


# --- a pool that runs ------------------------------------------------------------------------


@pytest.mark.real
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
async def test_a_signal_ends_it_in_good_order(
    bitcoind: BitcoindProcess, tmp_path: Path, number: signal.Signals
) -> None:
    setup = Setup(tmp_path, bitcoind.url)
    async with serving(setup) as process, rig(setup.port) as miner:
        await miner.job()
        process.send_signal(number)
        ended = await end_of(process)
        async with asyncio.timeout(5):
            await miner.client.wait_closed()
    assert ended.code == 0
    assert "Traceback" not in ended.err


ACCEPTED = 'poolserver_shares_total{reason="accepted"'


def send_all(miner: Rig, job: Notify) -> int:
    """Send every share that a million hashes find, some two hundred; how many there were."""
    connection = miner.client.connection
    extranonce2 = randbytes(connection.extranonce2_size)
    coinbase = job.coinb1 + connection.extranonce1 + extranonce2 + job.coinb2
    root_le = merkle_root_from_branch(sha256d(coinbase), job.merkle_branch)
    header = pack_header(job.version, job.prevhash_le, root_le, job.ntime, job.nbits, 0)
    target = target_le(target_from_difficulty(miner.difficulty))
    nonces = scan_nonces(header, 0, 1 << 20, target)
    for nonce in nonces:
        miner.client.submit(miner.name, job.job_id, extranonce2, job.ntime, nonce)
    return len(nonces)


async def read_answers(miner: Rig, at_least: float = inf) -> int:
    """Take so many answers, or all until the connection ends; how many accept a share."""
    with suppress(StopAsyncIteration, ConnectionError):
        while len(miner.results) < at_least:
            await miner.next()
    return sum(result.accepted for result in miner.results.values())


@pytest.mark.real
async def test_no_answered_share_is_lost_or_counted_twice_when_the_pool_is_killed(
    signet_bitcoind: BitcoindProcess, tmp_path: Path
) -> None:
    # On this signet one share in a thousand is a block: few answers wait for a spool file.
    setup = Setup(tmp_path, signet_bitcoind.url, network="signet", address=TAPROOT_SIGNET)
    answered = sent = 0
    for _ in range(2):
        async with serving(setup) as process, rig(setup.port) as miner:
            sent += send_all(miner, await miner.job())
            await read_answers(miner, at_least=1)
            sent += send_all(miner, await miner.job())  # on their way when it dies
            os.kill(process.pid, signal.SIGKILL)
            answered += await read_answers(miner)
    async with serving(setup) as process, rig(setup.port) as miner:
        counted = await setup.pool.metric(ACCEPTED)
        assert 0 < answered <= counted <= sent
        count = send_all(miner, await miner.job())
        answered = await read_answers(miner, at_least=count)  # none is on its way any more
        os.kill(process.pid, signal.SIGKILL)
        await process.wait()
    async with serving(setup):
        assert answered > 100
        assert await setup.pool.metric(ACCEPTED) == counted + answered
