"""A found block to every node, first of all; and again until the answer is final."""

import asyncio
from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec
import structlog

from poolserver.node.checks import Rpc
from poolserver.node.rpc import NodeError, RpcError
from poolserver.node.spool import FoundBlock, Spool

__all__ = ["BlockSubmitter", "FoundBlock", "Submission", "Verdict"]

SUBMIT_TIMEOUT_S = 30.0
RETRY_FIRST_S = 0.5
RETRY_MAX_S = 30.0
# At a shutdown an answer that is on its way is waited for so long; the spool has the rest.
CLOSE_TIMEOUT_S = 5.0

# submitblock's words for "I have this block, and whether it is in the chain is another question".
ASK_AGAIN = frozenset({"duplicate", "inconclusive", "duplicate-inconclusive"})

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


class BlockSubmitter:
    """Submits each block once a hash, to all nodes at once."""

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
        self._submissions: dict[str, Submission] = {}

    def begin(self, found: FoundBlock) -> Submission:
        """Start to submit and to spool a block; the bytes go to the nodes first.

        A full or slow disk delays nothing but ``spooled``.
        """
        known = self._submissions.get(found.hash_hex)
        if known is not None:
            return known
        attempts = [asyncio.ensure_future(self._attempt(rpc, found)) for rpc in self._rpcs]
        spooled = asyncio.ensure_future(self._put(found))
        return self._follow(found, attempts, spooled)

    async def resume(self) -> None:
        """Submit again what the spool holds from a former life."""
        for found in await asyncio.to_thread(lambda: list(self._spool.unsettled())):
            log.info("block_taken_up_again", height=found.height, block=found.hash_hex)
            done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            done.set_result(None)
            self._follow(found, [], done)

    async def close(self) -> None:
        """Wait a little for answers that are on their way; the spool keeps what has none."""
        pending = [s.verdict for s in self._submissions.values() if not s.verdict.done()]
        await asyncio.gather(
            *(s.spooled for s in self._submissions.values()), return_exceptions=True
        )
        if pending:
            await asyncio.wait(pending, timeout=CLOSE_TIMEOUT_S)
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        for rpc in self._rpcs:
            await rpc.close()

    def _follow(
        self,
        found: FoundBlock,
        attempts: list[asyncio.Task[Verdict | None]],
        spooled: asyncio.Future[None],
    ) -> Submission:
        verdict = asyncio.ensure_future(self._settle(found, attempts, spooled))
        submission = Submission(spooled, verdict)
        self._submissions[found.hash_hex] = submission
        return submission

    async def _put(self, found: FoundBlock) -> None:
        try:
            await asyncio.to_thread(self._spool.put, found)
        except OSError as error:
            log.error("block_not_spooled", block=found.hash_hex, reason=str(error))

    async def _settle(
        self,
        found: FoundBlock,
        attempts: list[asyncio.Task[Verdict | None]],
        spooled: asyncio.Future[None],
    ) -> Verdict:
        """Try until a node's word is final; of several nodes the kindest counts."""
        wait_s = RETRY_FIRST_S
        answers = await asyncio.gather(*attempts)
        while (verdict := _best(answers)) is None:
            if attempts:
                await asyncio.sleep(wait_s)
                wait_s = min(wait_s * 2, RETRY_MAX_S)
            attempts = [asyncio.ensure_future(self._attempt(rpc, found)) for rpc in self._rpcs]
            answers = await asyncio.gather(*attempts)
        self._on_verdict(found, verdict)
        await spooled
        try:
            await asyncio.to_thread(self._spool.settle, found.hash_hex)
        except OSError as error:
            log.error("spool_not_settled", block=found.hash_hex, reason=str(error))
        self._submissions.pop(found.hash_hex, None)
        return verdict

    async def _attempt(self, rpc: Rpc, found: FoundBlock) -> Verdict | None:
        """One submission to one node; None where its answer is not final."""
        try:
            answer = await rpc.call(
                "submitblock", found.block_hex, type=str | None, timeout_s=SUBMIT_TIMEOUT_S
            )
            if answer is None:
                return Verdict("accepted", "")
            if answer not in ASK_AGAIN:
                return Verdict("rejected", answer)
            header: _BlockHeader = await rpc.call(
                "getblockheader", found.hash_hex, type=_BlockHeader
            )
        except RpcError as error:
            # -22 is "Block decode failed": the bytes will not get better.
            if error.code == -22:
                return Verdict("rejected", error.message)
            log.warning("submitblock_failed", url=rpc.url, reason=str(error))
            return None
        except NodeError as error:
            log.warning("submitblock_failed", url=rpc.url, reason=str(error))
            return None
        return (
            Verdict("accepted", answer) if header.confirmations >= 0 else Verdict("stale", answer)
        )


def _best(answers: Sequence[Verdict | None]) -> Verdict | None:
    order = {"accepted": 0, "stale": 1, "rejected": 2}
    given = [answer for answer in answers if answer is not None]
    return min(given, key=lambda verdict: order[verdict.state], default=None)
