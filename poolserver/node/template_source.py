"""Templates from a node, by longpoll, ZMQ and polling at once: whoever hears of a block first.

ZMQ and polling tell the tip's hash: they wake the loop that asks for a template, and the one that
makes a stopgap should that take long. A longpoll's answer is a template. Answers that cross each
other are put in order by ``LatestTemplate``.
"""

import asyncio
import random
from collections.abc import Callable, Mapping
from contextlib import suppress

import structlog
import zmq
import zmq.asyncio

from poolserver.bitcoin.header import hash_le_to_hex
from poolserver.bitcoin.networks import Network
from poolserver.log import RateLimited
from poolserver.mining.template import BlockTemplate, GetBlockTemplate, TemplateError
from poolserver.mining.transactions import DEFAULT_RESERVE, CoinbaseReserve
from poolserver.node.checks import Rpc, template_rules
from poolserver.node.heard import Answer, LatestTemplate, Signs
from poolserver.node.rpc import CALL_TIMEOUT_S, NodeError, in_thread
from poolserver.node.stopgap import STOPGAP_AFTER_S, header_of_tip, stopgap_on

BACKOFF_FIRST_S = 0.25
BACKOFF_MAX_S = 10.0
# The whole template is asked for so often without news: new transactions and their fees.
REFRESH_S = 15.0
# A longpoll is answered by the node of itself, with a template that it makes just now. To ask for
# another would have it make two: of 3,000 transactions the first is then there 15 ms later. A full
# mempool takes a node some tenths of a second, for which there is the stopgap. A longpoll that has
# let this pass, as one whose connection is dead without a word, leads no more until it answers.
LONGPOLL_HEADSTART_S = 0.5
# The merkle trees of a full block take some 2 ms, which is too long on the loop.
OFF_LOOP_TRANSACTIONS = 100

OnTemplate = Callable[[BlockTemplate, float], None]
OnConfirmed = Callable[[float], None]
OnSign = Callable[[], None]

log = structlog.get_logger(__name__)


def _nobody() -> None:
    """Nobody wants to know."""


class NodeTemplateSource:
    """The templates of one node. ``clock`` is monotonic, in seconds.

    The long poll has a connection of its own; with ``longpoll_rpc`` None there is none.
    ``reserve`` and ``version_mask`` are what ``BlockTemplate.from_rpc`` is given.
    """

    def __init__(
        self,
        rpc: Rpc,
        longpoll_rpc: Rpc | None,
        network: Network,
        *,
        zmq_hashblock: str | None,
        poll_interval_s: float,
        clock: Callable[[], float],
        stopgap_after_s: float = STOPGAP_AFTER_S,
        longpoll_headstart_s: float = LONGPOLL_HEADSTART_S,
        reserve: CoinbaseReserve = DEFAULT_RESERVE,
        version_mask: int = 0,
    ) -> None:
        self._rpc = rpc
        self._longpoll_rpc = longpoll_rpc
        self._network = network
        self._reserve = reserve
        self._version_mask = version_mask
        self._request = {"rules": template_rules(network)}
        self._zmq_hashblock = zmq_hashblock
        self._poll_interval_s = poll_interval_s
        self._clock = clock
        self._latest = LatestTemplate()
        self._started = asyncio.Event()  # set with the first template
        self._news = asyncio.Event()
        self._longpoll_waits = False
        self._longpoll_leads = True
        self._headstart: asyncio.TimerHandle | None = None
        self._awaited_tip_hex = ""  # that the longpoll has the head start for
        self._headstart_s = longpoll_headstart_s
        self._stopgap_after_s = stopgap_after_s
        self._tip_hex = ""  # what was last heard to be the tip
        self._new_tip = asyncio.Event()  # set where that may need a stopgap
        self._trouble = RateLimited(log)
        self._longpoll_trouble = RateLimited(log)
        self.signs = Signs()
        self._on_tip: OnSign = _nobody
        self._on_trouble: OnSign = _nobody

    @property
    def latest(self) -> LatestTemplate:
        """The newest template, also where it only confirmed the one before."""
        return self._latest

    def ask_now(self) -> None:
        """Ask for a template at once: the node is back."""
        self._news.set()

    async def run(
        self,
        on_template: OnTemplate,
        on_confirmed: OnConfirmed,
        on_tip: OnSign = _nobody,
        on_trouble: OnSign = _nobody,
    ) -> None:
        """Publish templates until cancelled, as ``mining.source.JobSource`` says.

        ``on_tip`` is called when a tip is heard of that there is no template on yet,
        ``on_trouble`` when the node does not answer as it should; both after ``signs`` has it.
        """
        self._on_tip, self._on_trouble = on_tip, on_trouble
        async with asyncio.TaskGroup() as group:
            group.create_task(self._fetch_for_ever(on_template, on_confirmed))
            group.create_task(self._stop_gaps_for_ever(on_template, on_confirmed))
            group.create_task(self._poll_for_ever())
            if self._longpoll_rpc is not None:
                group.create_task(
                    self._longpoll_for_ever(self._longpoll_rpc, on_template, on_confirmed)
                )
            if self._zmq_hashblock is not None:
                group.create_task(self._listen_for_ever(self._zmq_hashblock))

    # --- the loop that asks ---------------------------------------------------------------

    async def _fetch_for_ever(self, on_template: OnTemplate, on_confirmed: OnConfirmed) -> None:
        backoff_s = BACKOFF_FIRST_S
        while True:
            self._news.clear()
            tips = self._latest.tips
            try:
                template = await self._ask(self._rpc, self._request, CALL_TIMEOUT_S)
            except (NodeError, TemplateError) as error:
                self._trouble.failed("no_template", str(error), self._clock(), url=self._rpc.url)
                self.signs.failing = True
                self._on_trouble()
                await self._news_within(backoff_s * random.uniform(0.5, 1.5))
                backoff_s = min(backoff_s * 2, BACKOFF_MAX_S)
                continue
            backoff_s = BACKOFF_FIRST_S
            self._trouble.restored("templates_again", self._clock(), url=self._rpc.url)
            self._take(template, tips, on_template, on_confirmed)
            self._started.set()
            await self._news_within(REFRESH_S)

    async def _news_within(self, seconds: float) -> None:
        # Not wait_for: before Python 3.12 it loses a cancellation that comes with the news.
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._news.wait()

    async def _ask(
        self, rpc: Rpc, request: Mapping[str, object], timeout_s: float | None
    ) -> BlockTemplate:
        result: GetBlockTemplate = await rpc.call(
            "getblocktemplate", request, type=GetBlockTemplate, timeout_s=timeout_s
        )
        self.signs.told(result.previousblockhash, self._clock())  # to read it takes a while
        terms = (result, self._reserve, self._version_mask)
        if result.transactions.count > OFF_LOOP_TRANSACTIONS:
            return await in_thread(BlockTemplate.from_rpc, *terms)
        return BlockTemplate.from_rpc(*terms)

    def _take(
        self,
        template: BlockTemplate,
        tips_when_asked: int,
        on_template: OnTemplate,
        on_confirmed: OnConfirmed,
    ) -> Answer:
        now = self._clock()
        answer = self._latest.judge(template, tips_when_asked, now)
        self.signs.answered_at = now
        if not template.stopgap:
            self.signs.failing = False
        if answer is Answer.NEW:  # any other may be older than what was heard
            self.signs.tip_is(hash_le_to_hex(template.prevhash_le), now)
        match answer:
            case Answer.NEW:
                on_template(template, now)
            case Answer.SAME:
                on_confirmed(now)
            case Answer.DOUBTFUL:
                self._news.set()
        return answer

    # --- the loop that bridges the time until the answer ------------------------------------

    async def _stop_gaps_for_ever(self, on_template: OnTemplate, on_confirmed: OnConfirmed) -> None:
        """One tip at a time: of several in quick succession only the last is worth a question.

        The header is asked for at once and not when the time is over: a node makes templates
        under the lock that it needs to answer, so a later question may wait for the template.
        """
        while True:
            await self._new_tip.wait()
            self._new_tip.clear()
            tip_hex, tips, heard_at = self._tip_hex, self._latest.tips, self._clock()
            header = await header_of_tip(self._rpc, self._network, tip_hex)
            if header is None:
                continue
            await asyncio.sleep(heard_at + self._stopgap_after_s - self._clock())
            latest = self._latest
            if latest.template is None or latest.is_on(tip_hex) or self._tip_hex != tip_hex:
                continue  # the full template is there, or another tip was heard of
            age_s = self._clock() - latest.came_at
            template = stopgap_on(header, latest.template, age_s, self._network)
            if template is not None:
                self._take(template, tips, on_template, on_confirmed)

    # --- what brings news -----------------------------------------------------------------

    def _hear_of(self, tip_hex: str) -> None:
        """Another channel says that this is the tip."""
        is_first = tip_hex != self._tip_hex
        self._tip_hex = tip_hex
        self.signs.tip_is(tip_hex, self._clock())
        if self._latest.template is None or self._latest.is_on(tip_hex):
            return
        if is_first:
            self._new_tip.set()  # before the other: its question is the smaller one
        if is_first:
            self._end_headstart()  # of the tip before
        if is_first and self._longpoll_waits and self._longpoll_leads:
            loop = asyncio.get_running_loop()
            self._headstart = loop.call_later(self._headstart_s, self._end_headstart)
            self._awaited_tip_hex = tip_hex
        elif self._headstart is None:
            self._news.set()
        self._on_tip()

    def _end_headstart(self) -> None:
        """Ask for the template that the longpoll has not brought; a stopgap is none."""
        if self._headstart is None:
            return
        self._headstart.cancel()
        self._headstart = None
        if self._latest.is_stopgap or not self._latest.is_on(self._awaited_tip_hex):
            self._longpoll_leads = False
            self._news.set()

    async def _longpoll_for_ever(
        self, rpc: Rpc, on_template: OnTemplate, on_confirmed: OnConfirmed
    ) -> None:
        """A longpoll brings the template with the news: one round trip less.

        It is never given up: each one that is would hold a thread of the node until the next
        block, and when all are held (16 by default) the node answers nobody.
        """
        await self._started.wait()
        while True:
            latest, tips = self._latest.template, self._latest.tips
            assert latest is not None  # it has started
            request = {**self._request, "longpollid": latest.longpollid}
            try:
                template = await self._ask_long(rpc, request)
            except (NodeError, TemplateError) as error:
                self._end_headstart()
                self._longpoll_trouble.failed("no_longpoll", str(error), self._clock(), url=rpc.url)
                self._on_trouble()
                await asyncio.sleep(self._poll_interval_s)
                continue
            self._longpoll_trouble.restored("longpoll_again", self._clock(), url=rpc.url)
            answer = self._take(template, tips, on_template, on_confirmed)
            if answer is not Answer.NEW:
                # Another channel was first; or it answers without waiting, which must not spin.
                await asyncio.sleep(self._poll_interval_s)

    async def _ask_long(self, rpc: Rpc, request: Mapping[str, object]) -> BlockTemplate:
        self._longpoll_waits = True
        try:
            template = await self._ask(rpc, request, None)
        finally:
            self._longpoll_waits = False
        self._longpoll_leads = True
        return template

    async def _poll_for_ever(self) -> None:
        """The fallback: the tip's hash is a small question."""
        while True:
            await asyncio.sleep(self._poll_interval_s)
            tip_when_asked, tips = self._tip_hex, self._latest.tips
            try:
                tip_hex = await self._rpc.call("getbestblockhash", type=str)
            except NodeError:
                continue  # the loop that asks tells of it
            # Where another was heard of meanwhile, this may be the tip before.
            if self._tip_hex == tip_when_asked and self._latest.tips == tips:
                self._hear_of(tip_hex)

    async def _listen_for_ever(self, endpoint: str) -> None:
        """ZMQ connects again by itself; a message lost on the way is what polling is for."""
        context = zmq.asyncio.Context()
        socket = context.socket(zmq.SUB)
        try:
            socket.setsockopt(zmq.LINGER, 0)
            socket.setsockopt(zmq.IPV6, 1)  # else an IPv6 endpoint is connected to and never heard
            socket.setsockopt(zmq.TCP_KEEPALIVE, 1)
            socket.subscribe(b"hashblock")
            socket.connect(endpoint)
            while True:
                match await socket.recv_multipart():
                    case [_, tip, *_]:  # topic, hash as people write it, sequence number
                        self._hear_of(tip.hex())
        finally:
            socket.close()
            context.term()
