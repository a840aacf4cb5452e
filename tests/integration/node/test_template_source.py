"""Templates of a real node, over each channel alone and through its restart."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from poolserver.bitcoin.networks import NETWORKS
from poolserver.mining.template import BlockTemplate
from poolserver.node.process import BitcoindProcess
from poolserver.node.template_source import NodeTemplateSource

pytestmark = pytest.mark.real
ADDRESS = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
SELDOM_S = 3600.0


class Heights:
    """The heights of the templates that came, to be waited for."""

    def __init__(self) -> None:
        self.last = 0
        self.confirmed = 0
        self._came = asyncio.Event()

    def on_template(self, template: BlockTemplate, received_at: float) -> None:
        self.last = template.height
        self._came.set()

    def on_confirmed(self, received_at: float) -> None:
        self.confirmed += 1

    async def reaches(self, height: int) -> None:
        async with asyncio.timeout(20):
            while self.last != height:
                self._came.clear()
                await self._came.wait()


@asynccontextmanager
async def running(
    node: BitcoindProcess,
    *,
    zmq: bool = True,
    longpoll: bool = True,
    poll_interval_s: float = 0.1,
) -> AsyncIterator[Heights]:
    rpc, longpoll_rpc = node.new_rpc(), node.new_rpc()
    source = NodeTemplateSource(
        rpc,
        longpoll_rpc if longpoll else None,
        NETWORKS["regtest"],
        zmq_hashblock=node.zmq_endpoint if zmq else None,
        poll_interval_s=poll_interval_s,
        clock=time.monotonic,
    )
    heights = Heights()
    task = asyncio.create_task(source.run(heights.on_template, heights.on_confirmed))
    try:
        yield heights
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await rpc.close()
        await longpoll_rpc.close()


@pytest.mark.parametrize(
    ("zmq", "longpoll", "poll_interval_s"),
    [(True, False, SELDOM_S), (False, True, SELDOM_S), (False, False, 0.1)],
    ids=["zmq alone", "longpoll alone", "polling alone"],
)
async def test_a_new_tip_brings_a_template_of_the_next_height(
    bitcoind: BitcoindProcess, zmq: bool, longpoll: bool, poll_interval_s: float
) -> None:
    async with running(
        bitcoind, zmq=zmq, longpoll=longpoll, poll_interval_s=poll_interval_s
    ) as heights:
        await heights.reaches(1)
        await asyncio.sleep(0.5)  # ZMQ tells only those who had subscribed before
        for height in (2, 3):
            await bitcoind.call("generatetoaddress", 1, ADDRESS)
            await heights.reaches(height)


async def test_a_reorganisation_to_a_lower_height_is_followed(bitcoind: BitcoindProcess) -> None:
    async with running(bitcoind) as heights:
        hashes = await bitcoind.call("generatetoaddress", 3, ADDRESS)
        await heights.reaches(4)
        await bitcoind.call("invalidateblock", hashes[1])
        await heights.reaches(2)


async def test_templates_come_again_after_the_node_was_killed(bitcoind: BitcoindProcess) -> None:
    async with running(bitcoind) as heights:
        await heights.reaches(1)
        await bitcoind.kill()
        await bitcoind.start()
        await bitcoind.call("generatetoaddress", 1, ADDRESS)
        await heights.reaches(2)
