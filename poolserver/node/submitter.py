"""A found block to every node, first of all; and again until the answer is final."""

import asyncio
import random
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, repeat
from math import inf
from typing import Any, NamedTuple, TypeVar

import msgspec
import structlog

from poolserver.histogram import CALL_S, Histogram
from poolserver.node.checks import Rpc
from poolserver.node.offer import NotFinal, Tries, Verdict, is_unknown, offer
from poolserver.node.spool import FoundBlock, Spool, quoted, spool_entry

__all__ = ["BlockSubmitter", "FoundBlock", "Submission", "Verdict"]

# A node checks a full block in a second or two, one after the other. An answer may be lost, so it
# is not waited for much longer at first: the node does not mind being told of a block twice. Over
# a slow line the bytes alone may take minutes.
SUBMIT_TIMEOUTS_S = (5.0, 15.0, 60.0, 300.0)
# bitcoind takes blocks in one after the other; more at once would only wait inside of it.
CALLS_AT_ONCE = 4
# The first retry is at once: a connection that the node had closed meanwhile is no trouble at all.
RETRY_FIRST_S = 0.5
RETRY_MAX_S = 30.0
# Where one node has the block, the others are still offered it for so long: should that one be
# cut off from the network, they are not. Later they have it from their peers, or the race is over.
KEEP_OFFERING_S = 600.0
# A node that is killed may have forgotten its last block. For as long it is seen to that each still
# knows of the block; of so many blocks at most, since on regtest there are thousands.
WATCH_INTERVAL_S = 10.0
WATCHED_BLOCKS = 64
# What was accepted shortly before a restart is watched as well: nodes may have ended with us.
WATCH_AGAIN_S = 24 * 3600.0
# A disk that was full is tried again.
SPOOL_RETRY_S = 1.0
SPOOL_RETRY_MAX_S = 30.0
# At a shutdown an answer, or the disk, is waited for so long; the spool has the rest.
CLOSE_TIMEOUT_S = 5.0
CLOSE_DISK_TIMEOUT_S = 10.0
# Settled blocks that are still known by their hash. On regtest there are many.
REMEMBERED_BLOCKS = 10_000

T = TypeVar("T")

log = structlog.get_logger(__name__)


class Submission(NamedTuple):
    """A block on its way. ``spooled`` is done once it is on the disk, or could not be put there.

    ``kept`` goes on trying where it could not; ``verdict`` is done once the block is settled.
    """

    spooled: asyncio.Future[None]
    kept: asyncio.Task[None]
    verdict: asyncio.Task[Verdict]


class _Offered:
    """A block as the nodes are offered it: its hash, its hex in quotes, and until when."""

    __slots__ = ("block_hash", "block_json", "until")

    def __init__(self, found: FoundBlock, until: float = inf) -> None:
        self.block_hash = found.hash_hex
        self.block_json = quoted(found.block_hex)
        self.until = until  # monotonic seconds, once it was accepted


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

    The first node that has it in its chain settles it, and the others are offered it all the
    same. Any other verdict waits for the word of every node: one that is behind must not lose a
    block that another, which cannot be reached just now, would take.
    """

    def __init__(
        self,
        rpcs: Sequence[Rpc],
        spool: Spool,
        *,
        on_verdict: Callable[[FoundBlock, Verdict], None] | None = None,
    ) -> None:
        """Without ``on_verdict`` verdicts wait for ``report_to``."""
        self._rpcs = rpcs
        self._spool = spool
        self._on_verdict = on_verdict
        self._resumed: list[FoundBlock] | None = None
        self._untold: list[tuple[FoundBlock, Verdict]] = []
        self._gates = [NewestFirst(CALLS_AT_ONCE) for _ in rpcs]
        self.offers = Histogram(CALL_S)
        """How long nodes took to judge blocks."""
        self._submissions: dict[str, Submission] = {}
        self._settled: deque[str] = deque()  # hashes in _submissions that may be forgotten
        self._ours: set[str] = set()  # hashes of blocks that no other of ours should displace
        self._offers: set[asyncio.Task[Verdict | None]] = set()
        self._watches: deque[asyncio.Task[None]] = deque()
        self.unspooled = 0
        """Blocks without a final word that are on no disk."""
        # A thread of its own: a disk that hangs must not take those that all others share.
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="spool")

    @property
    def unsettled(self) -> int:
        """Blocks without a final word."""
        return len(self._submissions) - len(self._settled)

    def begin(self, found: FoundBlock) -> Submission:
        """Start to submit and to spool a block; no disk is waited for before its bytes leave.

        A full or slow one delays nothing but ``spooled``.
        """
        known = self._submissions.get(found.hash_hex)
        return known if known is not None else self._start(found, is_spooled=False)

    def report_to(self, on_verdict: Callable[[FoundBlock, Verdict], None]) -> None:
        """Tell verdicts here from now on, those that nobody was told of first."""
        self._on_verdict = on_verdict
        untold, self._untold = self._untold, []
        for found, verdict in untold:
            on_verdict(found, verdict)

    def note_ours(self, block_hash: str) -> None:
        """Another submitter of this pool had this block accepted: none displaces it."""
        self._ours.add(block_hash)

    async def resume(self, unix_time: float) -> list[FoundBlock]:
        """Submit again what the spool has from a former life, once; these blocks.

        What was accepted within the last day is watched. ``unix_time`` is now, in Unix seconds.
        """
        if self._resumed is None:
            self._resumed = await self._resume(unix_time)
        return self._resumed

    async def _resume(self, unix_time: float) -> list[FoundBlock]:
        left = await self._in_disk_thread(lambda: list(self._spool.unsettled()))
        for found, is_spooled in left:
            if found.hash_hex not in self._submissions:
                log.info("block_taken_up_again", height=found.height, block=found.hash_hex)
                self._start(found, is_spooled=is_spooled)
        since = unix_time - WATCH_AGAIN_S
        self._ours |= await self._in_disk_thread(self._spool.settled_hashes)
        for found in await self._in_disk_thread(
            lambda: self._spool.accepted_since(since, WATCHED_BLOCKS)
        ):
            self._watch(_Offered(found, self._until()), first_wait_s=0.0)
        return [found for found, _ in left]

    async def spooled(self) -> None:
        """Wait until no finder of a block waits for the disk, or for as long as a shutdown does."""
        waiting = [each.spooled for each in self._submissions.values() if not each.spooled.done()]
        if waiting:
            await asyncio.wait(waiting, timeout=CLOSE_DISK_TIMEOUT_S)

    async def close(self) -> None:
        """Wait a little for answers that are on their way; the spool keeps what has none."""
        submissions = list(self._submissions.values())
        verdicts = [each.verdict for each in submissions if not each.verdict.done()]
        unspooled = [each.spooled for each in submissions if not each.spooled.done()]
        if unspooled:
            await asyncio.wait(unspooled, timeout=CLOSE_DISK_TIMEOUT_S)
        if verdicts:
            await asyncio.wait(verdicts, timeout=CLOSE_TIMEOUT_S)
        kept = [each.kept for each in submissions if not each.kept.done()]
        tasks: list[asyncio.Future[Any]] = [*verdicts, *kept, *self._offers, *self._watches]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._disk.shutdown(wait=False)
        self._spool.leave()
        for rpc in self._rpcs:
            await rpc.close()

    # --- one block -----------------------------------------------------------------------

    def _start(self, found: FoundBlock, *, is_spooled: bool) -> Submission:
        offered = _Offered(found)
        entry = b"" if is_spooled else self._held(found, offered.block_json)
        offers = [
            asyncio.ensure_future(self._until_final(rpc, gate, offered))
            for rpc, gate in zip(self._rpcs, self._gates, strict=True)
        ]
        for each in offers:  # they go on after the verdict
            self._offers.add(each)
            each.add_done_callback(self._offers.discard)
        spooled: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if not entry:
            spooled.set_result(None)
        kept = asyncio.ensure_future(self._keep(found.hash_hex, entry, spooled))
        verdict = asyncio.ensure_future(self._settle(found, offered, offers, kept))
        submission = Submission(spooled, kept, verdict)
        self._submissions[found.hash_hex] = submission
        return submission

    async def _settle(
        self,
        found: FoundBlock,
        offered: _Offered,
        offers: Sequence[asyncio.Task[Verdict | None]],
        kept: asyncio.Task[None],
    ) -> Verdict:
        verdict = await _first_accepted_or_kindest(offers)
        if verdict.state == "accepted":
            offered.until = self._until()
            self._ours.add(found.hash_hex)
            self._watch(offered, first_wait_s=WATCH_INTERVAL_S)
        self._tell(found, verdict)
        kept.cancel()
        await asyncio.wait([kept])
        try:
            # In the one thread, so after a write that is under way there.
            await self._in_disk_thread(lambda: self._spool.settle(found, *verdict))
        except OSError as error:
            log.error("spool_not_settled", block=found.hash_hex, reason=str(error))
        self._forget_oldest(found.hash_hex)
        return verdict

    def _tell(self, found: FoundBlock, verdict: Verdict) -> None:
        if self._on_verdict is None:
            self._untold.append((found, verdict))
        else:
            self._on_verdict(found, verdict)

    def _forget_oldest(self, settled: str) -> None:
        self._settled.append(settled)
        if len(self._settled) > REMEMBERED_BLOCKS:
            oldest = self._settled.popleft()
            del self._submissions[oldest]
            self._ours.discard(oldest)

    # --- memory and disk -----------------------------------------------------------------

    def _held(self, found: FoundBlock, block_json: msgspec.Raw) -> bytes:
        """The block's file. It is held in memory first: no byte has left, and none may be alone."""
        entry = b""
        try:
            entry = spool_entry(found, block_json)
            self._spool.hold(found.hash_hex, entry)
        except Exception as error:  # whatever it is, the block must get to the nodes
            log.warning("block_not_held", block=found.hash_hex, reason=repr(error))
        return entry

    async def _keep(self, block_hash: str, entry: bytes, spooled: asyncio.Future[None]) -> None:
        """Put the block on the disk, however often it takes; only the first try is waited for."""
        if spooled.done():
            return
        wait_s = SPOOL_RETRY_S
        self.unspooled += 1
        try:
            while not await self._is_put(block_hash, entry):
                if not spooled.done():
                    spooled.set_result(None)
                await asyncio.sleep(wait_s)
                wait_s = min(wait_s * 2, SPOOL_RETRY_MAX_S)
        finally:
            self.unspooled -= 1
            if not spooled.done():
                spooled.set_result(None)

    async def _is_put(self, block_hash: str, entry: bytes) -> bool:
        try:
            await self._in_disk_thread(lambda: self._spool.put(block_hash, entry))
        except OSError as error:
            log.error("block_not_spooled", block=block_hash, reason=str(error))
            return False
        return True

    async def _in_disk_thread(self, do: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._disk, do)

    # --- one node ------------------------------------------------------------------------

    async def _until_final(self, rpc: Rpc, gate: NewestFirst, offered: _Offered) -> Verdict | None:
        """Offer to one node until its word is final; None where another has had it for long."""
        loop, waits, tries = (
            asyncio.get_running_loop(),
            _waits(),
            Tries(rpc.url, offered.block_hash),
        )
        timeouts = chain(SUBMIT_TIMEOUTS_S, repeat(SUBMIT_TIMEOUTS_S[-1]))
        while loop.time() < offered.until:
            try:
                async with gate:
                    verdict = await self._offer(rpc, offered, next(timeouts))
            except NotFinal as error:
                tries.failed(str(error), loop.time())
            except Exception as error:  # a fault of ours must not be the end of a block
                tries.failed(repr(error), loop.time(), exc_info=True)
            else:
                tries.ended(verdict.state, loop.time())
                return verdict
            await asyncio.sleep(next(waits) * random.uniform(0.5, 1.5))
        tries.ended("given up", loop.time())
        return None

    async def _offer(self, rpc: Rpc, offered: _Offered, timeout_s: float) -> Verdict:
        loop = asyncio.get_running_loop()
        began_at = loop.time()
        try:
            return await offer(
                rpc, offered.block_hash, offered.block_json, self._ours.__contains__, timeout_s
            )
        finally:
            self.offers.note(loop.time() - began_at)

    def _until(self) -> float:
        return asyncio.get_running_loop().time() + KEEP_OFFERING_S

    def _watch(self, offered: _Offered, *, first_wait_s: float) -> None:
        """See to it for a while that no node forgets a block that was accepted."""
        for rpc, gate in zip(self._rpcs, self._gates, strict=True):
            watch = self._see_that_it_stays(rpc, gate, offered, first_wait_s)
            self._watches.append(asyncio.ensure_future(watch))
        while len(self._watches) > WATCHED_BLOCKS * len(self._rpcs):
            self._watches.popleft().cancel()

    async def _see_that_it_stays(
        self, rpc: Rpc, gate: NewestFirst, offered: _Offered, wait_s: float
    ) -> None:
        loop = asyncio.get_running_loop()
        while loop.time() + wait_s < offered.until:
            await asyncio.sleep(wait_s)
            wait_s = WATCH_INTERVAL_S
            if await is_unknown(rpc, offered.block_hash):
                log.warning("block_forgotten", url=rpc.url, block=offered.block_hash)
                await self._until_final(rpc, gate, offered)


def _waits() -> Iterator[float]:
    yield 0.0
    wait_s = RETRY_FIRST_S
    while True:
        yield wait_s
        wait_s = min(wait_s * 2, RETRY_MAX_S)


async def _first_accepted_or_kindest(offers: Sequence[asyncio.Task[Verdict | None]]) -> Verdict:
    kindest: Verdict | None = None
    for each in asyncio.as_completed(offers):
        verdict = await each
        assert verdict is not None  # an offer is given up after an acceptance alone
        if verdict.state == "accepted":
            return verdict
        if kindest is None or verdict.state == "stale":
            kindest = verdict
    assert kindest is not None  # a config has at least one node
    return kindest
