"""Proposals to a real node: our blocks pass, and one that breaks a rule is found out."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import msgspec
import pytest

from poolserver.bitcoin.networks import REGTEST, SIGNET, Network
from poolserver.mining.identity import WorkerIdentity
from poolserver.mining.job import CoinbaseClasses, JobFactory, JobTerms
from poolserver.mining.payout import PayoutPlan
from poolserver.mining.template import BlockTemplate
from poolserver.node.process import BitcoindProcess
from poolserver.node.proving import Proof, ProvingSource, propose
from poolserver.node.template_source import NodeTemplateSource
from tests.unit.solving import P2WPKH

pytestmark = pytest.mark.real
ADDRESS = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"


class Greedy:
    """A source whose templates claim a satoshi more than the block is worth."""

    def __init__(self, source: NodeTemplateSource) -> None:
        self._source = source
        self.is_greedy = True

    async def run(
        self,
        on_template: Callable[[BlockTemplate, float], None],
        on_confirmed: Callable[[float], None],
        on_outdated: Callable[[float], None],
    ) -> None:
        def publish(template: BlockTemplate, received_at: float) -> None:
            value_sat = template.coinbase_value_sat + self.is_greedy
            on_template(
                msgspec.structs.replace(template, coinbase_value_sat=value_sat), received_at
            )

        await self._source.run(publish, on_confirmed)


@asynccontextmanager
async def proving(
    node: BitcoindProcess, network: Network, *, is_greedy: bool = False
) -> AsyncIterator[tuple[ProvingSource, asyncio.Queue[BlockTemplate], Greedy]]:
    rpcs = [node.new_rpc() for _ in range(3)]
    source = Greedy(
        NodeTemplateSource(
            rpcs[0],
            rpcs[1],
            network,
            zmq_hashblock=None,
            poll_interval_s=0.1,
            clock=time.monotonic,
        )
    )
    source.is_greedy = is_greedy
    factory = JobFactory(
        WorkerIdentity("pool-1", 0, 1),
        JobTerms(b"/test/", 8, 0x1FFFE000),
        CoinbaseClasses({750}),
        PayoutPlan(P2WPKH),
    )
    proved = ProvingSource(
        source,
        lambda block_json: propose(rpcs[2], network, block_json),
        factory,
        network,
        time.monotonic,
    )
    published: asyncio.Queue[BlockTemplate] = asyncio.Queue()
    task = asyncio.create_task(
        proved.run(lambda each, at: published.put_nowait(each), lambda at: None, lambda at: None)
    )
    try:
        async with asyncio.timeout(20):
            yield proved, published, source
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        for rpc in rpcs:
            await rpc.close()


async def come_to(proved: ProvingSource, results: dict[Proof, int]) -> None:
    while proved.results != results:  # noqa: ASYNC110 - over HTTP
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("blocks", [0, 20])
async def test_the_node_finds_our_block_good(bitcoind: BitcoindProcess, blocks: int) -> None:
    await bitcoind.call("generatetoaddress", blocks, ADDRESS)
    async with proving(bitcoind, REGTEST) as (proved, published, _):
        assert not (await published.get()).stopgap
        await come_to(proved, {Proof.GOOD: 1})
        await bitcoind.call("generatetoaddress", 1, ADDRESS)
        await come_to(proved, {Proof.GOOD: 2})


async def test_a_signets_node_finds_our_block_good(signet_bitcoind: BitcoindProcess) -> None:
    async with proving(signet_bitcoind, SIGNET) as (proved, _, _):
        await come_to(proved, {Proof.GOOD: 1})


async def test_a_block_that_claims_too_much_is_found_out_and_replaced(
    bitcoind: BitcoindProcess,
) -> None:
    async with proving(bitcoind, REGTEST, is_greedy=True) as (proved, published, source):
        bad, instead = await published.get(), await published.get()
        assert bad.coinbase_value_sat == 5_000_000_001
        assert instead.stopgap
        assert instead.coinbase_value_sat == 5_000_000_000
        assert proved.results == {Proof.REFUSED: 1}
        source.is_greedy = False
        await bitcoind.call("generatetoaddress", 1, ADDRESS)
        assert not (await published.get()).stopgap
        await come_to(proved, {Proof.REFUSED: 1, Proof.GOOD: 1})
