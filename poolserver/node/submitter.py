"""A found block to every node, first of all; and again until the answer is final."""

import asyncio
import random
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, NamedTuple, TypeVar

import msgspec
import structlog

from poolserver.node.checks import Rpc
from poolserver.node.rpc import NodeError, RpcError
from poolserver.node.spool import FoundBlock, Spool

__all__ = ["BlockSubmitter", "FoundBlock", "Submission", "Verdict"]

SUBMIT_TIMEOUT_S = 30.0
# bitcoind takes blocks in one after the other; more at once would only wait inside of it.
CALLS_AT_ONCE = 4
RETRY_FIRST_S = 0.5
RETRY_MAX_S = 30.0
# At a shutdown an answer, or the disk, is waited for so long; the spool has the rest.
CLOSE_TIMEOUT_S = 5.0
CLOSE_DISK_TIMEOUT_S = 10.0

# submitblock's words for "I have this block, and whether it is in the chain is another question".
ASK_AGAIN = frozenset({"duplicate", "inconclusive", "duplicate-inconclusive"})
# Words that time can change: the node is behind, or its clock is. It does not remember the block.
NOT_YET = frozenset({"prev-blk-not-found", "time-too-new"})
# "Block decode failed": the bytes will not get better.
RPC_DESERIALIZATION_ERROR = -22

T = TypeVar("T")

log = structlog.get_logger(__name__)


class Verdict(NamedTuple):
    """What became of a block. ``state``: accepted, stale or rejected."""

    state: str
    reason: str


class Submission(NamedTuple):
    """A block on its way. ``spooled`` is done once it is on the disk, or cannot be."""

    spooled: asyncio.Future[None]
    verdict: asyncio.Task[Verdict]


class _BlockHeader(msgspec.Struct):
    confirmations: int


class NewestFirst:
    """So many calls to a node at once; of those that wait the newest is next.

    On regtest, where every share can be a block, hundreds wait. The newest is the one on the
    newest tip; the others compete for a height that is taken.
    """

    def __init__(self, places: int) -> None:
        self._free = places
        self._waiting: list[asyncio.Future[None]] = []

    async def __aenter__(self) -> None:
        if self._free:
            self._free -= 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._leave()  # it had been given the place already
            raise

    async def __aexit__(self, *error: object) -> None:
        self._leave()

    def _leave(self) -> None:
        while self._waiting:
            turn = self._waiting.pop()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1


class BlockSubmitter:
    """Submits each block once a hash, to all nodes at once.

    The first node that has it in its chain settles it. Any other verdict waits for the word of
    every node: one that is behind must not lose a block that another, which cannot be reached
    just now, would take.
    """

    def __init__(
        self,
        rpcs: Sequence[Rpc],
        spool: Spool,
        *,
        on_verdict: Callable[[FoundBlock, Verdict], None],
    ) -> None:
        self._rpcs = rpcs
        self._spool = spool
        self._on_verdict = on_verdict
        self._gates = [NewestFirst(CALLS_AT_ONCE) for _ in rpcs]
        self._submissions: dict[str, Submission] = {}
        self._attempts: set[asyncio.Task[Verdict | None]] = set()
        # A thread of its own: a disk that hangs must not take those that all others share.
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="spool")

    def begin(self, found: FoundBlock) -> Submission:
        """Start to submit and to spool a block; the bytes go to the nodes first.

        A full or slow disk delays nothing but ``spooled``.
        """
        known = self._submissions.get(found.hash_hex)
        if known is not None:
            return known
        return self._start(found, self._put(found))

    async def resume(self) -> None:
        """Submit again what the spool holds from a former life."""
        blocks = await self._in_disk_thread(lambda: list(self._spool.unsettled()))
        for found in blocks:
            if found.hash_hex not in self._submissions:
                log.info("block_taken_up_again", height=found.height, block=found.hash_hex)
                self._start(found, _nothing())

    async def close(self) -> None:
        """Wait a little for answers that are on their way; the spool keeps what has none."""
        submissions = list(self._submissions.values())
        verdicts = [each.verdict for each in submissions if not each.verdict.done()]
        unspooled = [each.spooled for each in submissions if not each.spooled.done()]
        if unspooled:
            await asyncio.wait(unspooled, timeout=CLOSE_DISK_TIMEOUT_S)
        if verdicts:
            await asyncio.wait(verdicts, timeout=CLOSE_TIMEOUT_S)
        tasks: list[asyncio.Future[Any]] = [*verdicts, *unspooled, *self._attempts]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._disk.shutdown(wait=False)
        for rpc in self._rpcs:
            await rpc.close()

    # --- one block -----------------------------------------------------------------------

    def _start(self, found: FoundBlock, spooling: Coroutine[Any, Any, None]) -> Submission:
        accepted = asyncio.Event()
        attempts = [
            asyncio.ensure_future(self._until_final(rpc, gate, found, accepted))
            for rpc, gate in zip(self._rpcs, self._gates, strict=True)
        ]
        for attempt in attempts:  # they go on after the verdict: the bytes may be half-way there
            self._attempts.add(attempt)
            attempt.add_done_callback(self._attempts.discard)
        spooled = asyncio.ensure_future(spooling)
        verdict = asyncio.ensure_future(self._settle(found, attempts, accepted, spooled))
        submission = Submission(spooled, verdict)
        self._submissions[found.hash_hex] = submission
        return submission

    async def _settle(
        self,
        found: FoundBlock,
        attempts: Sequence[asyncio.Task[Verdict | None]],
        accepted: asyncio.Event,
        spooled: asyncio.Future[None],
    ) -> Verdict:
        verdict = await _first_accepted_or_kindest(attempts)
        accepted.set()
        self._on_verdict(found, verdict)
        # After the write, in the one thread, even if waiting for it was given up.
        await asyncio.wait([spooled])
        try:
            await self._in_disk_thread(lambda: self._spool.settle(found, *verdict))
        except OSError as error:
            log.error("spool_not_settled", block=found.hash_hex, reason=str(error))
        return verdict

    async def _put(self, found: FoundBlock) -> None:
        try:
            await self._in_disk_thread(lambda: self._spool.put(found))
        except OSError as error:
            log.error("block_not_spooled", block=found.hash_hex, reason=str(error))

    async def _in_disk_thread(self, do: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._disk, do)

    # --- one node ------------------------------------------------------------------------

    async def _until_final(
        self, rpc: Rpc, gate: NewestFirst, found: FoundBlock, accepted: asyncio.Event
    ) -> Verdict | None:
        """Submit to one node until its word is final; None where another has taken the block."""
        wait_s = RETRY_FIRST_S
        while not accepted.is_set():
            async with gate:
                verdict = await self._attempt(rpc, found)
            if verdict is not None:
                return verdict
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s * random.uniform(0.5, 1.5)):
                    await accepted.wait()
            wait_s = min(wait_s * 2, RETRY_MAX_S)
        return None

    async def _attempt(self, rpc: Rpc, found: FoundBlock) -> Verdict | None:
        """One submission to one node; None where its answer is not final."""
        try:
            answer = await rpc.call(
                "submitblock", found.block_hex, type=str | None, timeout_s=SUBMIT_TIMEOUT_S
            )
            if answer is None:
                return Verdict("accepted", "")
            if answer in NOT_YET:
                log.warning("submitblock_failed", url=rpc.url, reason=answer)
                return None
            if answer not in ASK_AGAIN:
                return Verdict("rejected", answer)
            header: _BlockHeader = await rpc.call(
                "getblockheader", found.hash_hex, type=_BlockHeader
            )
        except RpcError as error:
            if error.code == RPC_DESERIALIZATION_ERROR:
                return Verdict("rejected", error.message)
            log.warning("submitblock_failed", url=rpc.url, reason=str(error))
            return None
        except NodeError as error:
            log.warning("submitblock_failed", url=rpc.url, reason=str(error))
            return None
        return Verdict("accepted" if header.confirmations >= 0 else "stale", answer)


async def _nothing() -> None:
    """The block is on the disk already."""


async def _first_accepted_or_kindest(attempts: Sequence[asyncio.Task[Verdict | None]]) -> Verdict:
    kindest: Verdict | None = None
    for attempt in asyncio.as_completed(attempts):
        verdict = await attempt
        assert verdict is not None  # None is for those that are outrun by an acceptance
        if verdict.state == "accepted":
            return verdict
        if kindest is None or verdict.state == "stale":
            kindest = verdict
    assert kindest is not None  # a config has at least one node
    return kindest
