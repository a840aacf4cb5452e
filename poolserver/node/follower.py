"""What becomes of our blocks: each is looked up in the chain until the word on it is final.

The submitter's verdict is that of a moment. The chain may leave a block afterwards and come
back to it, and what a block pays can be spent only when 100 blocks are in the chain from it on.
The books may also lack a verdict, after a crash between the two. All of it is read from one
node's chain here, which may be another one at each round.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress

import msgspec
import structlog

from poolserver.ledger.blocks import TRANSITIONS, BlockBook, BlockState, KnownBlock
from poolserver.log import RateLimited
from poolserver.node.checks import Rpc
from poolserver.node.rpc import RPC_INVALID_ADDRESS_OR_KEY, NodeError, RpcError

COINBASE_MATURITY = 100
"""Consensus: a coinbase of so many confirmations may be spent by the next block."""
FINAL_DEPTH = 100
"""So many blocks on another block of the height, and no chain comes back: what other blocks
earned would be spent by then."""

LOOK_INTERVAL_S = 10.0
# A round asks one question after the other, so a node has one of ours at a time. A pool that
# mines on a real network has never so many blocks in question; on regtest, where every second
# share is a block, there are thousands, and they must not take the node's time from templates.
BATCH = 100
PAUSE_S = 1.0
ANSWER_TIMEOUT_S = 10.0

IN_CHAIN = "in the chain"
NOT_IN_CHAIN = "not in the chain"

log = structlog.get_logger(__name__)


class _Chain(msgspec.Struct):
    """getblockchaininfo, as far as it matters here."""

    blocks: int
    headers: int
    bestblockhash: str
    initialblockdownload: bool


class _Header(msgspec.Struct):
    confirmations: int


def next_state(
    state: BlockState, height: int, confirmations: int | None, tip_height: int
) -> BlockState | None:
    """What follows on ``state`` by a node's word; None where nothing does.

    ``confirmations`` is -1 where the node has the block and not in its chain, and None where it
    does not know, or does not know yet. ``tip_height`` may be a little older than that.
    """
    if confirmations is not None and confirmations > 0:
        if state is BlockState.ACCEPTED:
            return BlockState.MATURE if confirmations >= COINBASE_MATURITY else None
        return BlockState.ACCEPTED if BlockState.ACCEPTED in TRANSITIONS[state] else None
    if state is BlockState.ACCEPTED:
        # A chain that goes beyond the height without a block that the node knows nothing of
        # is one without it.
        is_out = confirmations is not None or tip_height > height
        return BlockState.ORPHANED if is_out else None
    if state is BlockState.FOUND:
        # It is the submitter's: the node may just be taking it in, or be asked to prefer it to
        # another of its height; where the node does not know it, it may be on its way there.
        wait = 1 if confirmations is not None else FINAL_DEPTH
        return BlockState.STALE if tip_height >= height + wait else None
    return None


def is_final(state: BlockState, height: int, confirmations: int | None, tip_height: int) -> bool:
    """Whether a block in ``state`` will stay in it; the arguments are those of next_state()."""
    if not TRANSITIONS[state]:
        return True
    is_out = confirmations is None or confirmations < 0
    is_lost = state is BlockState.STALE or state is BlockState.ORPHANED
    return is_lost and is_out and tip_height >= height + FINAL_DEPTH


class BlockFollower:
    """Looks up blocks of the book in the chain of the node that ``node`` gives.

    ``on_state(block, state, reason)`` must bring the block into the state, ``on_final(block)``
    take it out of those that are looked at. A block's place follows from the tip, so all are
    looked at once for each tip, the ones that were not for the longest time first.
    """

    def __init__(
        self,
        node: Callable[[], Rpc],
        book: BlockBook,
        *,
        on_state: Callable[[KnownBlock, BlockState, str], None],
        on_final: Callable[[KnownBlock], None],
        clock: Callable[[], float],
        batch: int = BATCH,
        pause_s: float = PAUSE_S,
        look_interval_s: float = LOOK_INTERVAL_S,
    ) -> None:
        """``clock`` is monotonic, in seconds."""
        self._node = node
        self._book = book
        self._on_state = on_state
        self._on_final = on_final
        self._clock = clock
        self._batch = batch
        self._pause_s = pause_s
        self._look_interval_s = look_interval_s
        self._news = asyncio.Event()
        self._trouble = RateLimited(log)
        self._tip = ""  # whose blocks are being looked at
        self._left = 0  # how many of them are to be looked at yet

    def on_tip(self) -> None:
        """There is a new tip, so there is something to look at."""
        self._news.set()

    async def run(self) -> None:
        """Look at each new tip, and every ``look_interval_s``, until cancelled."""
        while True:
            self._news.clear()
            more = await self.look()
            await asyncio.sleep(self._pause_s)
            if not more:
                # Not wait_for: before Python 3.12 it loses a cancellation that comes with news.
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._look_interval_s):
                        await self._news.wait()

    async def look(self) -> bool:
        """Ask about so many blocks as a round may have; whether more of this tip are left."""
        if not self._book.unsettled:
            return False
        try:
            await self._look(self._node())
        except NodeError as error:
            self._trouble.failed("blocks_not_followed", str(error), self._clock())
            self._tip, self._left = "", 0  # the next round goes on behind the one that failed
        else:
            self._trouble.restored("blocks_followed_again", self._clock())
        return self._left > 0

    async def _look(self, rpc: Rpc) -> None:
        chain: _Chain = await rpc.call("getblockchaininfo", type=_Chain, timeout_s=ANSWER_TIMEOUT_S)
        if chain.initialblockdownload:
            self._tip, self._left = "", 0  # its chain is one of the past
            return
        if chain.bestblockhash != self._tip:
            self._tip, self._left = chain.bestblockhash, self._book.unsettled
        for _ in range(min(self._batch, self._left)):
            block = self._book.next_to_look_at()
            if block is None:
                self._left = 0
                return
            self._left -= 1
            confirmations = await _confirmations(rpc, block)
            if confirmations == -1 and chain.blocks < block.height <= chain.headers:
                confirmations = None  # the node is catching up, and will come to it
            self._judge(block, confirmations, chain.blocks)

    def _judge(self, block: KnownBlock, confirmations: int | None, tip_height: int) -> None:
        """By the state as it is now: a verdict may have come while the node was asked."""
        while (
            state := next_state(block.state, block.height, confirmations, tip_height)
        ) is not None:
            self._on_state(block, state, _reason(state))
            if block.state is not state:
                return
        if not block.final and is_final(block.state, block.height, confirmations, tip_height):
            self._on_final(block)


async def _confirmations(rpc: Rpc, block: KnownBlock) -> int | None:
    try:
        header: _Header = await rpc.call(
            "getblockheader", block.hash_hex, type=_Header, timeout_s=ANSWER_TIMEOUT_S
        )
    except RpcError as error:
        if error.code == RPC_INVALID_ADDRESS_OR_KEY:
            return None
        raise
    return header.confirmations


def _reason(state: BlockState) -> str:
    if state is BlockState.MATURE:
        return f"{COINBASE_MATURITY} confirmations"
    return IN_CHAIN if state is BlockState.ACCEPTED else NOT_IN_CHAIN
