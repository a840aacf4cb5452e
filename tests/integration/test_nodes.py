"""A whole pool over several real nodes: what its rigs notice when one is lost."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import pytest

from poolserver.app import PoolServer
from poolserver.config import Config
from poolserver.node import muster, template_source
from poolserver.node.process import PRIVATE_SIGNET, REGTEST, BitcoindProcess, free_port
from poolserver.outfit import StartError
from tests.integration.node.faulty import before
from tests.integration.running import Loginable, Rig, pool_config, rig, running

pytestmark = pytest.mark.real
ADDRESS = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"

ANOTHER = """
[[nodes]]
name = "second"
url = "{node.url}"
username = "{node.username}"
password = "{node.password}"
zmq_hashblock = "{node.zmq_endpoint}"
"""


@pytest.fixture
async def nodes(bitcoind_path: Path) -> AsyncIterator[list[BitcoindProcess]]:
    """Two nodes that are connected, on a chain of one block."""
    async with AsyncExitStack() as stack:
        a, b = (BitcoindProcess(bitcoind_path, REGTEST, listen=True) for _ in range(2))
        await asyncio.gather(*(stack.enter_async_context(node) for node in (a, b)))
        tip_hex = (await a.call("generatetoaddress", 1, ADDRESS))[0]
        await a.connect(b)
        await b.call("waitforblock", tip_hex, 10_000)
        yield [a, b]


def config_of(
    first: Loginable, second: Loginable, folder: Path, *, roles: str = "", more: str = ""
) -> Config:
    return pool_config(first, folder, ANOTHER.format(node=second) + roles + more)


async def test_a_rig_mines_on_when_the_first_node_is_killed(
    nodes: list[BitcoindProcess], tmp_path: Path
) -> None:
    a, b = nodes
    async with running(config_of(a, b, tmp_path)) as pool, rig(pool.port) as miner:
        await miner.job(height=2)
        await pool.becomes("poolserver_node_up", lambda up: up == 2)
        began = time.monotonic()
        await a.kill()
        active = 'poolserver_node_active{node="second"}'
        await pool.becomes(active, lambda is_active: is_active == 1)
        print(f"kill -9: failover within {time.monotonic() - began:.2f} s, by the metrics")
        await b.call("generatetoaddress", 1, ADDRESS)
        await miner.job(height=3)
        while await b.call("getblockcount") == 2:  # every second hash is a block
            assert (await miner.mine(await miner.job())).accepted
            await asyncio.sleep(0.05)
        assert await pool.metric('poolserver_node_switches_total{reason="failover"}') == 1
        assert (await pool.get("/readyz"))[0] == 200


async def test_templates_are_proved_by_the_node_that_they_come_from(
    nodes: list[BitcoindProcess], tmp_path: Path
) -> None:
    a, b = nodes
    async with (
        before(a) as first,
        before(b) as second,
        running(config_of(first, second, tmp_path)) as pool,
        rig(pool.port) as miner,
    ):
        await miner.job(height=2)
        await proved(lambda: first.proposals + second.proposals == 1)
        earlier = second.proposals  # it may have been the first to give one
        await a.kill()
        await pool.becomes('poolserver_node_active{node="second"}', lambda active: active == 1)
        await b.call("generatetoaddress", 1, ADDRESS)
        await miner.job(height=3)
        await proved(lambda: second.proposals == earlier + 1)


async def proved(reached: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not reached():  # noqa: ASYNC110 - over HTTP
            await asyncio.sleep(0.02)


async def test_rigs_are_sent_away_where_no_node_has_work_on_the_newest_block(
    nodes: list[BitcoindProcess], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def no_header(*_: object) -> None:
        """No stopgap, as at a change of nbits."""

    monkeypatch.setattr(template_source, "header_of_tip", no_header)
    a, b = nodes
    grace = "[templates]\nnode_loss_grace_s = 1\n"
    async with (
        before(a) as first,
        before(b) as second,
        running(config_of(first, second, tmp_path, more=grace)) as pool,
        rig(pool.port) as miner,
    ):
        await miner.job(height=2)
        first.fault = second.fault = "500"
        began = time.monotonic()
        await a.call("generatetoaddress", 1, ADDRESS)
        await is_sent_away(miner)
        print(f"sent away after {time.monotonic() - began:.1f} s")
        status, text = await pool.get("/readyz")
        assert (status, text.strip()) == (
            503,
            "not ready: there is a newer block, and no template on it",
        )
        first.fault = ""
        await pool.becomes("poolserver_work_stale", lambda stale: stale == 0)
        async with rig(pool.port) as other:
            await other.job(height=3)


async def is_sent_away(miner: Rig) -> None:
    async with asyncio.timeout(10):
        with suppress(StopAsyncIteration, ConnectionError):
            while True:
                await miner.next()


async def test_the_pool_starts_with_the_second_node_while_the_first_is_away(
    bitcoind: BitcoindProcess, tmp_path: Path
) -> None:
    class Away:
        url = f"http://127.0.0.1:{free_port()}"
        username, password = bitcoind.username, bitcoind.password
        zmq_endpoint = f"tcp://127.0.0.1:{free_port()}"

    began = time.monotonic()
    async with running(config_of(Away(), bitcoind, tmp_path)) as pool, rig(pool.port) as miner:
        await miner.job(height=1)
        assert await pool.metric('poolserver_node_active{node="second"}') == 1
        assert await pool.metric("poolserver_node_up") == 1
    assert time.monotonic() - began < muster.NODE_WAIT_S


async def test_a_second_node_of_another_network_ends_the_start_by_its_name(
    bitcoind: BitcoindProcess, bitcoind_path: Path, tmp_path: Path
) -> None:
    async with BitcoindProcess(bitcoind_path, PRIVATE_SIGNET) as other:
        config = config_of(bitcoind, other, tmp_path)
        with pytest.raises(StartError, match=r"^second: the node runs on signet, the config says"):
            await PoolServer(config).run(asyncio.Event())


async def test_a_node_for_blocks_alone_gets_them_and_gives_no_work(
    nodes: list[BitcoindProcess], tmp_path: Path
) -> None:
    a, b = nodes
    await a.disconnect()  # so that blocks come to b from us alone
    config = config_of(a, b, tmp_path, roles='roles = ["submit"]\n')
    async with running(config) as pool, rig(pool.port) as miner:
        await miner.job(height=2)
        while await b.call("getblockcount") == 1:
            assert (await miner.mine(await miner.job())).accepted
            await asyncio.sleep(0.05)
        assert await pool.metric('poolserver_node_template_age_seconds{node="second"}') == 0
        assert await pool.metric('poolserver_node_up{node="second"}') == 1
