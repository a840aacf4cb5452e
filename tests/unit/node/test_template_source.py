"""Which template is the newest, when answers of several channels cross each other."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, NamedTuple

import msgspec
import pytest

from poolserver.bitcoin.networks import NETWORKS
from poolserver.mining.template import BlockTemplate, GetBlockTemplate
from poolserver.node import template_source
from poolserver.node.rpc import NodeUnreachable
from poolserver.node.template_source import Answer, LatestTemplate, NodeTemplateSource

NEVER_S = 3600.0


def answer(height: int, *, branch: str = "aa", fees_sat: int = 0) -> GetBlockTemplate:
    return GetBlockTemplate(
        version=0x20000000,
        previousblockhash=branch * 30 + f"{height - 1:04x}",
        transactions=[],
        coinbasevalue=5_000_000_000 + fees_sat,
        mintime=1_795_480_000,
        curtime=1_795_480_883,
        bits="207fffff",
        target="7fffff" + "00" * 29,
        height=height,
        longpollid=f"{branch}-{height}",
    )


def template(height: int, *, branch: str = "aa", fees_sat: int = 0) -> BlockTemplate:
    return BlockTemplate.from_rpc(answer(height, branch=branch, fees_sat=fees_sat))


# --- the order of answers ----------------------------------------------------------------------


def test_the_first_template_is_new_and_its_repetition_is_not() -> None:
    latest = LatestTemplate()
    assert latest.judge(template(10), latest.tips) is Answer.NEW
    assert latest.judge(template(10), latest.tips) is Answer.SAME


def test_other_transactions_on_the_same_tip_are_new() -> None:
    latest = LatestTemplate()
    latest.judge(template(10), latest.tips)
    assert latest.judge(template(10, fees_sat=7), latest.tips) is Answer.NEW
    assert latest.tips == 1


def test_an_old_tip_does_not_come_back_by_a_slow_answer() -> None:
    latest = LatestTemplate()
    latest.judge(template(10), latest.tips)
    asked_before = latest.tips
    latest.judge(template(11), asked_before)
    assert latest.judge(template(10), asked_before) is Answer.DOUBTFUL
    assert latest.template == template(11)


def test_a_higher_tip_is_news_whenever_it_was_asked_for() -> None:
    latest = LatestTemplate()
    latest.judge(template(10), latest.tips)
    asked_before = latest.tips
    latest.judge(template(11), asked_before)
    assert latest.judge(template(12), asked_before) is Answer.NEW


@pytest.mark.parametrize("height", [9, 10, 11])
def test_a_reorganisation_is_followed_wherever_a_fresh_answer_leads(height: int) -> None:
    latest = LatestTemplate()
    latest.judge(template(10), latest.tips)
    assert latest.judge(template(height, branch="bb"), latest.tips) is Answer.NEW
    assert latest.template == template(height, branch="bb")


# --- the source, with a node that answers when it is told to --------------------------------------


class Question(NamedTuple):
    longpollid: str | None
    timeout_s: float | None
    answer: asyncio.Future[GetBlockTemplate]


class Node:
    """Holds each getblocktemplate until the test answers it; the best block is what it says."""

    url = "http://node"

    def __init__(self) -> None:
        self.questions: asyncio.Queue[Question] = asyncio.Queue()
        self.best = ""

    async def call(
        self, method: str, *params: Any, type: Any = Any, timeout_s: float | None = 1.0
    ) -> Any:
        if method == "getbestblockhash":
            return self.best
        reply: asyncio.Future[GetBlockTemplate] = asyncio.get_running_loop().create_future()
        self.questions.put_nowait(Question(params[0].get("longpollid"), timeout_s, reply))
        return await reply

    async def close(self) -> None: ...


class Source:
    """A running source between two fakes of one node, and what it has published."""

    def __init__(self, poll_interval_s: float) -> None:
        self.node, self.longpoll = Node(), Node()
        self.published: list[BlockTemplate] = []
        self.confirmed = 0
        self._said = asyncio.Event()
        self._source = NodeTemplateSource(
            self.node,
            self.longpoll,
            NETWORKS["regtest"],
            zmq_hashblock=None,
            poll_interval_s=poll_interval_s,
            clock=lambda: 1.0,
        )

    async def run(self) -> None:
        await self._source.run(self._on_template, self._on_confirmed)

    def _on_template(self, new: BlockTemplate, received_at: float) -> None:
        self.published.append(new)
        self._said.set()

    def _on_confirmed(self, received_at: float) -> None:
        self.confirmed += 1
        self._said.set()

    async def answers(self, question: Question, given: GetBlockTemplate) -> None:
        """Answer, and wait until the source has said something of it."""
        self._said.clear()
        question.answer.set_result(given)
        await self._said.wait()


@asynccontextmanager
async def running(*, poll_interval_s: float = NEVER_S) -> AsyncIterator[Source]:
    source = Source(poll_interval_s)
    task = asyncio.create_task(source.run())
    try:
        async with asyncio.timeout(5):
            yield source
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_a_longpoll_is_put_on_the_latest_template_and_never_given_up() -> None:
    async with running() as source:
        await source.answers(await source.node.questions.get(), answer(10))
        waiting = await source.longpoll.questions.get()
        assert (waiting.longpollid, waiting.timeout_s) == ("aa-10", None)


async def test_the_longpolls_answer_is_published_without_another_question(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(template_source, "REFRESH_S", 0.0)
    async with running() as source:
        await source.answers(await source.node.questions.get(), answer(10))
        waiting = await source.longpoll.questions.get()
        await source.answers(await source.node.questions.get(), answer(10))  # a refresh between
        await source.answers(waiting, answer(11))
        assert [each.height for each in source.published] == [10, 11]


async def test_a_refresh_that_was_overtaken_is_asked_again_and_not_published(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(template_source, "REFRESH_S", 0.0)
    async with running() as source:
        await source.answers(await source.node.questions.get(), answer(10))
        waiting = await source.longpoll.questions.get()
        slow = await source.node.questions.get()
        monkeypatch.setattr(template_source, "REFRESH_S", NEVER_S)
        await source.answers(waiting, answer(11))
        slow.answer.set_result(answer(10))
        await source.answers(await source.node.questions.get(), answer(11))
        assert [each.height for each in source.published] == [10, 11]
        assert source.confirmed == 1


async def test_another_best_block_brings_a_question_by_polling() -> None:
    async with running(poll_interval_s=0.001) as source:
        source.node.best = answer(10).previousblockhash
        await source.answers(await source.node.questions.get(), answer(10))
        source.node.best = answer(11).previousblockhash
        await source.answers(await source.node.questions.get(), answer(11))
        assert [each.height for each in source.published] == [10, 11]


async def test_a_node_in_trouble_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(template_source, "BACKOFF_FIRST_S", 0.0)
    async with running() as source:
        for _ in range(3):
            (await source.node.questions.get()).answer.set_exception(NodeUnreachable("gone"))
        await source.answers(await source.node.questions.get(), answer(10))
        assert [each.height for each in source.published] == [10]


async def test_a_longpoll_that_was_cut_is_put_again() -> None:
    async with running(poll_interval_s=0.001) as source:
        source.node.best = answer(10).previousblockhash
        await source.answers(await source.node.questions.get(), answer(10))
        (await source.longpoll.questions.get()).answer.set_exception(NodeUnreachable("cut"))
        await source.answers(await source.longpoll.questions.get(), answer(11))
        assert [each.height for each in source.published] == [10, 11]


async def test_a_template_that_cannot_be_mined_on_is_not_published(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(template_source, "BACKOFF_FIRST_S", 0.0)
    async with running() as source:
        unknown = msgspec.structs.replace(answer(10), rules=["!unheard-of"])
        (await source.node.questions.get()).answer.set_result(unknown)
        await source.answers(await source.node.questions.get(), answer(10))
        assert len(source.published) == 1
