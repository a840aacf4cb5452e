"""A node that answers when the test tells it to, and a template source that asks it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, NamedTuple

from poolserver.bitcoin.networks import REGTEST, Network
from poolserver.mining.template import BlockTemplate, GetBlockHeader, GetBlockTemplate
from poolserver.mining.transactions import TemplateTransactions
from poolserver.node.heard import Signs
from poolserver.node.template_source import NodeTemplateSource

NEVER_S = 3600.0


def answer(height: int, *, branch: str = "aa", fees_sat: int = 0) -> GetBlockTemplate:
    return GetBlockTemplate(
        version=0x20000000,
        previousblockhash=branch * 30 + f"{height - 1:04x}",
        transactions=TemplateTransactions(),
        coinbasevalue=5_000_000_000 + fees_sat,
        mintime=1_795_480_000,
        curtime=1_795_480_883,
        bits="207fffff",
        target="7fffff" + "00" * 29,
        height=height,
        longpollid=f"{branch}-{height}",
    )


def header(height: int, *, branch: str = "aa", confirmations: int = 1) -> GetBlockHeader:
    """Of the block that ``answer(height + 1)`` is on."""
    return GetBlockHeader(
        hash=tip(height, branch=branch),
        confirmations=confirmations,
        height=height,
        mediantime=1_795_479_999,
        bits="207fffff",
    )


def tip(height: int, *, branch: str = "aa") -> str:
    """The hash of the block of that height."""
    return answer(height + 1, branch=branch).previousblockhash


def template(height: int, *, branch: str = "aa", fees_sat: int = 0) -> BlockTemplate:
    return BlockTemplate.from_rpc(answer(height, branch=branch, fees_sat=fees_sat))


def stopgap(height: int, *, branch: str = "aa") -> BlockTemplate:
    on = header(height - 1, branch=branch)
    return BlockTemplate.empty_on(on, template(height - 1), REGTEST, 1_795_480_883)


class Question(NamedTuple):
    longpollid: str | None
    timeout_s: float | None
    answer: asyncio.Future[GetBlockTemplate]


class HeaderQuestion(NamedTuple):
    tip_hex: str
    timeout_s: float | None
    answer: asyncio.Future[GetBlockHeader]


class Node:
    """Holds each question until the test answers it; the best block is what ``best`` says."""

    url = "http://node"

    def __init__(self) -> None:
        self.questions: asyncio.Queue[Question] = asyncio.Queue()
        self.headers: asyncio.Queue[HeaderQuestion] = asyncio.Queue()
        self.best = ""
        self.polls = 0
        self.polled = asyncio.Condition()
        self.tells_best = asyncio.Event()  # while it is clear the answer is on its way
        self.tells_best.set()

    async def call(
        self, method: str, *params: Any, type: Any = Any, timeout_s: float | None = 1.0
    ) -> Any:
        loop = asyncio.get_running_loop()
        if method == "getbestblockhash":
            return await self._tell_best()
        if method == "getblockheader":
            header: asyncio.Future[GetBlockHeader] = loop.create_future()
            assert params[1] is True  # in words, not as 80 bytes
            self.headers.put_nowait(HeaderQuestion(params[0], timeout_s, header))
            return await header
        reply: asyncio.Future[GetBlockTemplate] = loop.create_future()
        self.questions.put_nowait(Question(params[0].get("longpollid"), timeout_s, reply))
        return await reply

    async def _tell_best(self) -> str:
        best = self.best
        async with self.polled:
            self.polls += 1
            self.polled.notify_all()
        await self.tells_best.wait()
        return best

    async def is_polled(self, times: int = 3) -> None:
        """Wait until the best block has been asked for so often again, and was told."""
        until = self.polls + times
        async with self.polled:
            await self.polled.wait_for(lambda: self.polls >= until)

    async def close(self) -> None: ...


class Source:
    """A running source between two fakes of one node, and what it has published."""

    def __init__(
        self,
        poll_interval_s: float,
        network: Network,
        stopgap_after_s: float,
        zmq_hashblock: str | None,
        longpoll_headstart_s: float,
    ) -> None:
        self.node, self.longpoll = Node(), Node()
        self.published: list[BlockTemplate] = []
        self.confirmed = 0
        self.now = 1.0
        self.tips_told = self.troubles = 0
        self._said = asyncio.Event()
        self._source = NodeTemplateSource(
            self.node,
            self.longpoll,
            network,
            zmq_hashblock=zmq_hashblock,
            poll_interval_s=poll_interval_s,
            clock=lambda: self.now,
            stopgap_after_s=stopgap_after_s,
            longpoll_headstart_s=longpoll_headstart_s,
        )

    @property
    def heights(self) -> list[int]:
        """Of all that was published; a stopgap's is negative."""
        return [-each.height if each.stopgap else each.height for each in self.published]

    @property
    def signs(self) -> Signs:
        return self._source.signs

    def ask_now(self) -> None:
        self._source.ask_now()

    def has_headstart(self, seconds: float) -> None:
        """Give the longpoll another head start."""
        self._source._headstart_s = seconds

    async def run(self) -> None:
        await self._source.run(
            self._on_template, self._on_confirmed, self._on_tip, self._on_trouble
        )

    def _on_tip(self) -> None:
        self.tips_told += 1

    def _on_trouble(self) -> None:
        self.troubles += 1
        self._said.set()

    async def is_in_trouble(self) -> None:
        """Wait until it says so."""
        while not self.troubles:
            self._said.clear()
            await self._said.wait()

    def _on_template(self, new: BlockTemplate, received_at: float) -> None:
        self.published.append(new)
        self._said.set()

    def _on_confirmed(self, received_at: float) -> None:
        self.confirmed += 1
        self._said.set()

    async def starts(self, height: int = 10) -> None:
        """The node's first answer; the best block is the tip it is on."""
        self.node.best = tip(height - 1)
        await self.answers(await self.node.questions.get(), answer(height))

    async def answers(
        self, question: Question | HeaderQuestion, given: GetBlockTemplate | GetBlockHeader
    ) -> None:
        """Answer, and wait until the source has said something of it."""
        self._said.clear()
        question.answer.set_result(given)  # type: ignore[arg-type]
        await self._said.wait()


@asynccontextmanager
async def running(
    *,
    poll_interval_s: float = NEVER_S,
    network: Network = REGTEST,
    stopgap_after_s: float = NEVER_S,
    zmq_hashblock: str | None = None,
    longpoll_headstart_s: float = 0.0,
) -> AsyncIterator[Source]:
    source = Source(poll_interval_s, network, stopgap_after_s, zmq_hashblock, longpoll_headstart_s)
    task = asyncio.create_task(source.run())
    try:
        async with asyncio.timeout(5):
            yield source
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
