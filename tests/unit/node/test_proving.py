"""Templates that are proved behind the rigs' back, against a source and a node that obey."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import msgspec
import pytest
from bitcoin.core import CBlock

from poolserver.bitcoin.networks import REGTEST
from poolserver.mining.identity import WorkerIdentity
from poolserver.mining.job import CoinbaseClasses, JobFactory, JobTerms
from poolserver.mining.payout import Payee, PayoutPlan
from poolserver.mining.template import BlockTemplate
from poolserver.node.proving import Proof, ProvingSource
from poolserver.node.rpc import NodeTimeout, NodeWarmingUp, RpcError
from tests.unit.solving import MASK, P2WPKH, template

SIZES = {500, 16_000}
PAYEES = tuple(Payee("s", bytes.fromhex("5120") + n.to_bytes(32, "big"), 1) for n in range(40))
STOPGAP = msgspec.structs.replace(template(), stopgap=True)


class Source:
    """Publishes what the test says."""

    def __init__(self) -> None:
        self.publish: Callable[[BlockTemplate, float], None]
        self.confirm: Callable[[float], None]
        self.outdate: Callable[[float], None]

    async def run(
        self,
        on_template: Callable[[BlockTemplate, float], None],
        on_confirmed: Callable[[float], None],
        on_outdated: Callable[[float], None],
    ) -> None:
        self.publish, self.confirm, self.outdate = on_template, on_confirmed, on_outdated
        await asyncio.Event().wait()


class Stage:
    """A proving source, what it published, and the questions that it put to the node."""

    def __init__(self, tag: bytes = b"/test/") -> None:
        factory = JobFactory(
            WorkerIdentity("pool-1", 0, 1),
            JobTerms(tag, 8, MASK),
            CoinbaseClasses(SIZES),
            PayoutPlan(P2WPKH, 0, PAYEES),
        )
        self.source = Source()
        self.questions: asyncio.Queue[tuple[CBlock, asyncio.Future[str | None]]] = asyncio.Queue()
        self.published: list[BlockTemplate] = []
        self.confirmed: list[float] = []
        self.outdated: list[float] = []
        self.proving = ProvingSource(self.source, self.propose, factory, REGTEST, lambda: 7.0)

    async def propose(self, block_json: msgspec.Raw) -> str | None:
        block = CBlock.deserialize(bytes.fromhex(msgspec.json.decode(block_json)))
        word: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self.questions.put_nowait((block, word))
        return await word

    async def says(self, word: str | Exception | None) -> CBlock:
        """The node's word on what it is asked next; the block that it is about."""
        before = self.proving.results.total()
        block, answer = await self.questions.get()
        if isinstance(word, Exception):
            answer.set_exception(word)
        else:
            answer.set_result(word)
        while self.proving.results.total() == before:  # noqa: ASYNC110 - a few turns of the loop
            await asyncio.sleep(0)
        return block

    @property
    def last(self) -> BlockTemplate:
        return self.published[-1]


@asynccontextmanager
async def stage(tag: bytes = b"/test/") -> AsyncIterator[Stage]:
    made = Stage(tag)
    task = asyncio.create_task(
        made.proving.run(
            lambda each, at: made.published.append(each),
            made.confirmed.append,
            made.outdated.append,
        )
    )
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    try:
        async with asyncio.timeout(5):
            yield made
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_a_template_goes_out_before_it_is_looked_at() -> None:
    async with stage() as at:
        at.source.publish(template(), 1.0)
        assert at.published == [template()]
        await at.says(None)
        assert at.published == [template()]
        assert at.proving.results == {Proof.GOOD: 1}


async def test_that_work_is_confirmed_or_outdated_is_passed_on() -> None:
    async with stage() as at:
        at.source.confirm(1.0)
        at.source.outdate(2.0)
        assert (at.confirmed, at.outdated) == ([1.0], [2.0])


async def test_the_node_is_shown_the_block_with_the_largest_coinbase() -> None:
    async with stage() as at:
        at.source.publish(template(), 1.0)
        block = await at.says(None)
        assert block.hashPrevBlock == template().prevhash_le
        assert (block.nTime, block.nNonce) == (template().curtime, 0)
        assert len(block.vtx[0].vout) == len(PAYEES) + 1  # and the commitment


async def test_only_the_first_template_of_a_tip_is_looked_at() -> None:
    async with stage() as at:
        at.source.publish(template(), 1.0)
        await at.says(None)
        at.source.publish(template(transactions=1), 2.0)
        at.source.publish(template(height=102, tip=2), 3.0)
        assert (await at.says(None)).hashPrevBlock == bytes([2]) * 32
        assert at.questions.empty()
        assert len(at.published) == 3


async def test_a_stopgap_is_not_looked_at() -> None:
    async with stage() as at:
        at.source.publish(STOPGAP, 1.0)
        await asyncio.sleep(0)
        assert at.published == [STOPGAP]
        assert at.questions.empty()


async def test_a_refused_template_gives_way_to_an_empty_block() -> None:
    async with stage() as at:
        at.source.publish(template(), 1.0)
        await at.says("bad-blk-sigops")
        assert at.last.stopgap
        assert at.last.transactions.count == 0
        assert at.last.merkle_branch == ()
        assert at.last.coinbase_value_sat == 5_000_000_000
        assert at.last.prevhash_le == template().prevhash_le
        assert at.proving.results == {Proof.REFUSED: 1}


async def test_after_a_refusal_templates_are_held_until_one_is_good() -> None:
    async with stage() as at:
        at.source.publish(template(), 1.0)
        await at.says("bad-blk-sigops")
        again = template(transactions=1)
        at.source.publish(again, 2.0)
        assert at.last.stopgap
        await at.says("bad-blk-sigops")
        assert at.last.stopgap
        at.source.publish(again, 3.0)
        await at.says(None)
        assert at.last is again
        at.source.publish(template(), 4.0)
        assert not at.last.stopgap
        assert at.proving.results == {Proof.REFUSED: 2, Proof.GOOD: 1}


async def test_a_new_tip_is_not_held() -> None:
    async with stage() as at:
        at.source.publish(template(), 1.0)
        await at.says("bad-blk-sigops")
        at.source.publish(template(height=102, tip=2), 2.0)
        assert at.last.height == 102
        assert not at.last.stopgap


async def test_a_refusal_of_a_tip_that_has_passed_changes_nothing() -> None:
    async with stage() as at:
        at.source.publish(template(), 1.0)
        _, answer = await at.questions.get()
        at.source.publish(template(height=102, tip=2), 2.0)
        answer.set_result("bad-blk-sigops")
        await at.says(None)
        assert [each.height for each in at.published] == [101, 102]


async def test_a_refusal_does_not_bring_rigs_back_from_a_stopgap_on_a_newer_tip() -> None:
    async with stage() as at:
        at.source.publish(template(), 1.0)
        newer = msgspec.structs.replace(template(height=102, tip=2), stopgap=True)
        at.source.publish(newer, 2.0)
        await at.says("bad-blk-sigops")
        assert at.last is newer


@pytest.mark.parametrize(
    ("word", "proof"),
    [
        ("inconclusive-not-best-prevblk", Proof.OVERTAKEN),
        (NodeTimeout("slow"), Proof.UNANSWERED),
        (RpcError(-22, "Block decode failed"), Proof.REFUSED),
        (NodeWarmingUp(-28, "Loading block index"), Proof.UNANSWERED),
    ],
)
async def test_what_else_a_node_may_say(word: str | Exception, proof: Proof) -> None:
    async with stage() as at:
        at.source.publish(template(), 1.0)
        await at.says(word)
        assert at.proving.results == {proof: 1}
        assert at.last.stopgap is (proof is Proof.REFUSED)


async def test_a_coinbase_that_cannot_be_made_is_a_refusal() -> None:
    async with stage(tag=bytes(90)) as at:
        at.source.publish(template(), 1.0)
        while not at.proving.results:  # noqa: ASYNC110 - a thread makes the block
            await asyncio.sleep(0)
        assert at.proving.results == {Proof.REFUSED: 1}


async def test_a_tip_that_got_no_answer_is_asked_about_again() -> None:
    async with stage() as at:
        at.source.publish(template(), 1.0)
        await at.says(NodeTimeout("slow"))
        at.source.publish(template(transactions=1), 2.0)
        await at.says(None)
        assert at.proving.results == {Proof.UNANSWERED: 1, Proof.GOOD: 1}


async def test_a_time_that_no_header_can_hold_is_a_refusal_and_not_the_end() -> None:
    async with stage() as at:
        at.source.publish(msgspec.structs.replace(template(), curtime=2**32), 1.0)
        while not at.proving.results:  # noqa: ASYNC110 - a thread makes the block
            await asyncio.sleep(0)
        assert at.proving.results == {Proof.REFUSED: 1}


async def test_news_that_work_is_still_good_pass_through() -> None:
    async with stage() as at:
        at.source.confirm(3.0)
        assert at.confirmed == [3.0]
