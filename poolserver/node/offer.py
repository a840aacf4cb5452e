"""One block offered to one node: what the node's words mean.

``submitblock`` answers null where the block is the new tip, a word of BIP22 where it is not, and
an error where the node could not look at it. What is no final word is ``NotFinal``: ask again.
"""

from collections.abc import Callable
from math import inf
from typing import Any, NamedTuple

import msgspec
import structlog

from poolserver.log import RateLimited
from poolserver.node.checks import Rpc
from poolserver.node.rpc import RPC_INVALID_ADDRESS_OR_KEY, NodeError, RpcError

# "I have this block, and whether it is in the chain is another question".
ASK_AGAIN = frozenset({"duplicate", "inconclusive", "duplicate-inconclusive"})
# Words that time can change: the node is behind, or its clock is. It does not remember the block.
NOT_YET = frozenset({"prev-blk-not-found", "time-too-new"})
# "Block decode failed": the bytes will not get better.
RPC_DESERIALIZATION_ERROR = -22


IsOurs = Callable[[str], bool]

log = structlog.get_logger(__name__)


class Verdict(NamedTuple):
    """What became of a block. ``state``: accepted, stale or rejected."""

    state: str
    reason: str


class NotFinal(Exception):
    """The node could not be asked, or what it said is no last word; why."""


class _BlockHeader(msgspec.Struct):
    confirmations: int


async def offer(
    rpc: Rpc, block_hash: str, block_json: msgspec.Raw, is_ours: IsOurs, timeout_s: float
) -> Verdict:
    """Offer a block once.

    ``block_json`` is the block's hex in quotes: it is megabytes, and quoted once for all nodes.
    ``is_ours(hash)`` says whether the block of that hash is one of this pool's.

    Raises:
        NotFinal: time can change it.
    """
    try:
        answer = await rpc.call("submitblock", block_json, type=str | None, timeout_s=timeout_s)
        if answer is None:
            return Verdict("accepted", "")
        if answer in NOT_YET:
            raise NotFinal(answer)
        if answer not in ASK_AGAIN:
            return Verdict("rejected", answer)
        in_chain = await _is_in_chain(rpc, block_hash) or await _is_preferred(
            rpc, block_hash, is_ours
        )
    except RpcError as error:
        if error.code == RPC_DESERIALIZATION_ERROR:
            return Verdict("rejected", error.message)
        raise NotFinal(str(error)) from error
    except NodeError as error:
        raise NotFinal(str(error)) from error
    return Verdict("accepted" if in_chain else "stale", answer)


class Tries:
    """What is told of a node that does not take a block: each reason once, and how it ended."""

    def __init__(self, url: str, block_hash: str) -> None:
        self._of = {"url": url, "block": block_hash}
        self._trouble = RateLimited(log, interval_s=inf)

    def failed(self, reason: str, now: float, **fields: Any) -> None:
        """There was no final word; ``now`` is monotonic, in seconds."""
        if not self._trouble.failed("submitblock_failed", reason, now, **self._of, **fields):
            log.debug("submitblock_failed", reason=reason, **self._of)

    def ended(self, state: str, now: float) -> None:
        """It is not tried any more."""
        self._trouble.restored("submitblock_over", now, state=state, **self._of)


async def is_unknown(rpc: Rpc, block_hash: str) -> bool:
    """Whether the node answers that it does not know a block."""
    try:
        await _is_in_chain(rpc, block_hash)
    except RpcError as error:
        return error.code == RPC_INVALID_ADDRESS_OR_KEY
    except NodeError:
        pass
    return False


async def _is_in_chain(rpc: Rpc, block_hash: str) -> bool:
    header: _BlockHeader = await rpc.call("getblockheader", block_hash, type=_BlockHeader)
    return header.confirmations >= 0  # -1 is beside the chain


async def _is_preferred(rpc: Rpc, block_hash: str, is_ours: IsOurs) -> bool:
    """Have the node treat our block as the first of its height; whether that made it the tip.

    Of two blocks with the same work a node keeps the one that it saw first, and others do the
    same: which of them wins is decided by what is mined next, and we mine on our own. A chain
    with more work is not left for it (``preciousblock`` of Bitcoin Core sees to that), nor is
    another block of ours.
    """
    tip_hash: str = await rpc.call("getbestblockhash", type=str)
    if is_ours(tip_hash):
        return False
    await rpc.call("preciousblock", block_hash)
    log.info("block_preferred", url=rpc.url, block=block_hash, to=tip_hash)
    return await _is_in_chain(rpc, block_hash)
