"""Empty blocks before the full template, and that a real node takes them.

The node's templates are held back on their way, as a full mempool would; all else is its own.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiohttp
import msgspec
import pytest
from aiohttp import web

from poolserver.bitcoin.networks import REGTEST, SIGNET, Network
from poolserver.mining.template import BlockTemplate, GetBlockTemplate
from poolserver.node.process import BitcoindProcess
from poolserver.node.rpc import ANSWER_LIMIT_BYTES, Credentials, NodeRpc
from poolserver.node.template_source import NodeTemplateSource
from tests.integration.solving import is_accepted, solve

pytestmark = [pytest.mark.real, pytest.mark.slow]
ADDRESS = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
# What the template is held back; and in what time the stopgap must be out on a busy machine.
DELAY_S = 1.0
SOON_S = 0.2
SELDOM_S = 3600.0


class SlowTemplates:
    """A proxy before a node that holds each template back for ``delay_s``."""

    def __init__(self, node: BitcoindProcess) -> None:
        self._node = node
        self.delay_s = 0.0
        self.url = ""

    @asynccontextmanager
    async def running(self) -> AsyncIterator["SlowTemplates"]:
        app = web.Application(client_max_size=ANSWER_LIMIT_BYTES)
        app.router.add_post("/", self._forward)
        runner = web.AppRunner(app, shutdown_timeout=0.1)  # a longpoll may be in it
        await runner.setup()
        async with aiohttp.ClientSession() as self._session:
            try:
                await web.TCPSite(runner, "127.0.0.1", 0).start()
                self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
                yield self
            finally:
                await runner.cleanup()

    async def _forward(self, request: web.Request) -> web.Response:
        question = await request.read()
        login = {"Authorization": request.headers["Authorization"]}
        async with self._session.post(self._node.url, data=question, headers=login) as answer:
            body = await answer.read()
        if msgspec.json.decode(question)["method"] == "getblocktemplate":
            await asyncio.sleep(self.delay_s)
        return web.Response(status=answer.status, body=body)


class Published:
    """What the source has published, to be waited for."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[tuple[BlockTemplate, float]] = asyncio.Queue()

    def on_template(self, template: BlockTemplate, received_at: float) -> None:
        self._queue.put_nowait((template, received_at))

    async def next(self) -> tuple[BlockTemplate, float]:
        async with asyncio.timeout(20):
            return await self._queue.get()


@asynccontextmanager
async def running(
    node: BitcoindProcess, network: Network, *, zmq: bool = True, longpoll: bool = True
) -> AsyncIterator[Published]:
    """A source whose first template has come, and whose next ones will be late."""
    async with SlowTemplates(node).running() as proxy:
        rpcs = [NodeRpc(proxy.url, Credentials(node.username, node.password)) for _ in range(2)]
        source = NodeTemplateSource(
            rpcs[0],
            rpcs[1] if longpoll else None,
            network,
            zmq_hashblock=node.zmq_endpoint if zmq else None,
            poll_interval_s=SELDOM_S if zmq else 0.05,
            clock=time.monotonic,
        )
        published = Published()
        task = asyncio.create_task(source.run(published.on_template, lambda received_at: None))
        try:
            first, _ = await published.next()
            assert not first.stopgap
            await asyncio.sleep(0.5)  # ZMQ tells only those who had subscribed before
            proxy.delay_s = DELAY_S
            yield published
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            for rpc in rpcs:
                await rpc.close()


async def new_tip(node: BitcoindProcess) -> float:
    """Have the node take a block that is solved already; when that began, monotonic seconds."""
    block = await node.call("generateblock", ADDRESS, [], False)
    began = time.monotonic()
    assert await node.call("submitblock", block["hex"]) is None
    return began


def assert_agree(stopgap: BlockTemplate, full: BlockTemplate) -> None:
    """The node, whose mempool is empty, would build the same."""
    assert (stopgap.stopgap, full.stopgap) == (True, False)
    for name in ("height", "version", "prevhash_le", "nbits", "mintime", "coinbase_value_sat"):
        assert getattr(stopgap, name) == getattr(full, name), name
    assert 0 <= full.curtime - stopgap.curtime <= DELAY_S + 2


@pytest.mark.parametrize(
    ("zmq", "longpoll"),
    [(True, True), (True, False), (False, False)],
    ids=["zmq and longpoll", "zmq alone", "polling alone"],
)
async def test_the_stopgap_is_out_long_before_the_full_template(
    bitcoind: BitcoindProcess, zmq: bool, longpoll: bool
) -> None:
    await bitcoind.call("generatetoaddress", 5, ADDRESS)
    async with running(bitcoind, REGTEST, zmq=zmq, longpoll=longpoll) as published:
        began = await new_tip(bitcoind)
        stopgap, stopgap_at = await published.next()
        full, full_at = await published.next()
        assert_agree(stopgap, full)
        print(f"stopgap after {(stopgap_at - began) * 1e3:.1f} ms")
        assert stopgap_at - began < SOON_S
        assert full_at - began > DELAY_S


# Regtest's subsidy halves at 150 and 300: the last block before, the first after, and one between.
@pytest.mark.parametrize("height", [7, 149, 150, 161, 300])
async def test_the_node_takes_a_block_on_a_stopgap(bitcoind: BitcoindProcess, height: int) -> None:
    await bitcoind.call("generatetoaddress", height - 2, ADDRESS)
    async with running(bitcoind, REGTEST) as published:
        await new_tip(bitcoind)
        stopgap, _ = await published.next()
        assert (stopgap.stopgap, stopgap.height) == (True, height)
        await is_accepted(bitcoind, stopgap)


async def test_stopgaps_follow_each_other_where_blocks_come_faster_than_templates(
    bitcoind: BitcoindProcess,
) -> None:
    await bitcoind.call("generatetoaddress", 5, ADDRESS)
    async with running(bitcoind, REGTEST) as published:
        await new_tip(bitcoind)
        for height in (7, 8, 9):
            stopgap, _ = await published.next()
            assert (stopgap.stopgap, stopgap.height) == (True, height)
            await is_accepted(bitcoind, stopgap)
        last, _ = await published.next()
        full, _ = await published.next()
        assert last.height == 10
        assert_agree(last, full)


async def test_a_signets_node_takes_a_block_on_a_stopgap(signet_bitcoind: BitcoindProcess) -> None:
    node = signet_bitcoind
    request = {"rules": ["segwit", "signet"]}
    async with running(node, SIGNET) as published:
        await is_accepted(node, await template_of(node, request))
        stopgap, _ = await published.next()
        full, _ = await published.next()
        assert_agree(stopgap, full)
        # For this the signet's stopgap has a commitment, though there is nothing to commit to.
        without = msgspec.structs.replace(stopgap, witness_commitment=None)
        _, block_hex = await asyncio.to_thread(solve, without)
        assert await node.call("submitblock", block_hex) == "bad-signet-blksig"
        await is_accepted(node, stopgap)


async def template_of(node: BitcoindProcess, request: dict[str, Any]) -> BlockTemplate:
    """The node's template, asked for without the proxy."""
    result = await node.rpc.call("getblocktemplate", request, type=GetBlockTemplate)
    return BlockTemplate.from_rpc(result)
