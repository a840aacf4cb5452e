"""Templates from a node, by longpoll, ZMQ and polling at once: whoever hears of a block first.

All three only wake one loop, which asks the node for a template: its answer is the truth, so a
reorganisation is followed wherever it leads and a slow channel cannot bring an old tip back.
"""

import asyncio
import random
from collections.abc import Callable, Mapping
from contextlib import suppress

import structlog
import zmq
import zmq.asyncio

from poolserver.bitcoin.networks import Network
from poolserver.log import RateLimited
from poolserver.mining.template import BlockTemplate, GetBlockTemplate, TemplateError
from poolserver.node.checks import Rpc, template_rules
from poolserver.node.rpc import NodeError

# A node answers a longpoll after a minute at the latest where fees have risen; then it may wait on.
LONGPOLL_TIMEOUT_S = 300.0
BACKOFF_FIRST_S = 0.25
BACKOFF_MAX_S = 10.0
# The whole template is asked for so often without news: new transactions and their fees.
REFRESH_S = 15.0
# Templates of a full mempool are megabytes: they are taken apart in a thread (see rpc.py).
OFF_LOOP_TRANSACTIONS = 100

log = structlog.get_logger(__name__)


class NodeTemplateSource:
    """The first ``JobSource``. ``clock`` is monotonic, in seconds."""

    def __init__(
        self,
        rpc: Rpc,
        longpoll_rpc: Rpc,
        network: Network,
        *,
        zmq_hashblock: str | None,
        poll_interval_s: float,
        clock: Callable[[], float],
    ) -> None:
        self._rpc = rpc
        self._longpoll_rpc = longpoll_rpc
        self._request = {"rules": template_rules(network)}
        self._zmq_hashblock = zmq_hashblock
        self._poll_interval_s = poll_interval_s
        self._clock = clock
        self._news = asyncio.Event()
        self._latest: BlockTemplate | None = None
        self._trouble = RateLimited(log)

    async def run(
        self,
        on_template: Callable[[BlockTemplate, float], None],
        on_confirmed: Callable[[float], None],
    ) -> None:
        """See ``mining.source.JobSource``."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._longpoll_for_ever(on_template, on_confirmed))
            group.create_task(self._poll_for_ever())
            if self._zmq_hashblock is not None:
                group.create_task(self._listen_for_ever(self._zmq_hashblock))
            await self._fetch_for_ever(on_template, on_confirmed)

    # --- the one loop that asks -----------------------------------------------------------

    async def _fetch_for_ever(
        self,
        on_template: Callable[[BlockTemplate, float], None],
        on_confirmed: Callable[[float], None],
    ) -> None:
        backoff = BACKOFF_FIRST_S
        while True:
            self._news.clear()
            try:
                template = await self._ask(self._rpc, self._request)
            except (NodeError, TemplateError) as error:
                self._trouble.failed("no_template", str(error), self._clock())
                await asyncio.sleep(backoff * random.uniform(0.5, 1.5))
                backoff = min(backoff * 2, BACKOFF_MAX_S)
                continue
            backoff = BACKOFF_FIRST_S
            self._publish(template, on_template, on_confirmed)
            # Not wait_for: before Python 3.12 it loses a cancellation that comes with the news.
            with suppress(TimeoutError):
                async with asyncio.timeout(REFRESH_S):
                    await self._news.wait()

    async def _ask(
        self, rpc: Rpc, request: Mapping[str, object], timeout_s: float = 30.0
    ) -> BlockTemplate:
        result: GetBlockTemplate = await rpc.call(
            "getblocktemplate", request, type=GetBlockTemplate, timeout_s=timeout_s
        )
        if len(result.transactions) > OFF_LOOP_TRANSACTIONS:
            return await asyncio.to_thread(BlockTemplate.from_rpc, result)
        return BlockTemplate.from_rpc(result)

    def _publish(
        self,
        template: BlockTemplate,
        on_template: Callable[[BlockTemplate, float], None],
        on_confirmed: Callable[[float], None],
    ) -> None:
        now = self._clock()
        self._trouble.restored("templates_again", now)
        latest, self._latest = self._latest, template
        if latest is not None and _same_work(latest, template):
            on_confirmed(now)
        else:
            on_template(template, now)

    # --- what wakes it --------------------------------------------------------------------

    async def _longpoll_for_ever(
        self,
        on_template: Callable[[BlockTemplate, float], None],
        on_confirmed: Callable[[float], None],
    ) -> None:
        """A longpoll brings the template with the news: one round trip less."""
        while True:
            latest = self._latest
            if latest is None or not latest.longpollid:
                await asyncio.sleep(self._poll_interval_s)
                continue
            request = {**self._request, "longpollid": latest.longpollid}
            try:
                template = await self._ask(self._longpoll_rpc, request, LONGPOLL_TIMEOUT_S)
            except (NodeError, TemplateError):
                await asyncio.sleep(self._poll_interval_s)  # the fetching loop tells of it
                continue
            if self._latest is latest:
                self._publish(template, on_template, on_confirmed)
            else:
                # Another channel was first; which answer is newer only the node can say.
                self._news.set()

    async def _poll_for_ever(self) -> None:
        """The fallback: the tip's hash is a small question."""
        while True:
            await asyncio.sleep(self._poll_interval_s)
            try:
                tip_hex = await self._rpc.call("getbestblockhash", type=str)
            except NodeError:
                continue  # the fetching loop tells of it
            latest = self._latest
            if latest is not None and bytes.fromhex(tip_hex)[::-1] != latest.prevhash_le:
                self._news.set()

    async def _listen_for_ever(self, endpoint: str) -> None:
        """ZMQ connects again by itself; a message lost on the way is what polling is for."""
        context = zmq.asyncio.Context()
        socket = context.socket(zmq.SUB)
        try:
            socket.setsockopt(zmq.LINGER, 0)
            socket.setsockopt(zmq.TCP_KEEPALIVE, 1)
            socket.subscribe(b"hashblock")
            socket.connect(endpoint)
            while True:
                await socket.recv_multipart()
                self._news.set()
        finally:
            socket.close()
            context.term()


def _same_work(a: BlockTemplate, b: BlockTemplate) -> bool:
    return (
        a.prevhash_le == b.prevhash_le
        and a.merkle_branch == b.merkle_branch
        and a.coinbase_value_sat == b.coinbase_value_sat
        and a.nbits == b.nbits
    )
