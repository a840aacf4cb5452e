"""A block template: what the node says the next block may hold.

Sources: BIP22 and BIP23 (getblocktemplate), BIP9 (version bits), BIP141 (witness
commitment, weight), BIP145 (getblocktemplate with segwit).
"""

from typing import Any

import msgspec

from poolserver.bitcoin.header import hash_hex_to_le
from poolserver.bitcoin.merkle import merkle_branch, witness_commitment
from poolserver.bitcoin.networks import Network
from poolserver.bitcoin.subsidy import subsidy_sat
from poolserver.bitcoin.target import target_from_nbits
from poolserver.mining.coinbase import MAX_MONEY_SAT
from poolserver.mining.transactions import (
    DEFAULT_RESERVE,
    BlockLimits,
    BlockTransactions,
    CoinbaseReserve,
    TemplateTransactions,
    count_that_fits,
)

# Rules that change what a miner must build, and that this pool knows how to build.
# A node prefixes such a rule with "!" (BIP9); one that is not here makes the template unusable.
KNOWN_RULES = frozenset({"csv", "segwit", "taproot", "signet", "testdummy"})
OP_TRUE_CHALLENGE_HEX = "51"
# A transaction has at least 60 bytes: one input with an empty script, one output with another.
MIN_TRANSACTION_WEIGHT_WU = 240


class TemplateError(ValueError):
    """The node's template cannot be mined on; the text says why."""


class GetBlockTemplate(msgspec.Struct, frozen=True):
    """The node's answer to getblocktemplate, under the node's own names.

    The limits are consensus where the node tells none.
    """

    version: int
    previousblockhash: str
    transactions: TemplateTransactions
    coinbasevalue: int
    mintime: int
    curtime: int
    bits: str
    target: str
    height: int
    rules: list[str] = []
    vbrequired: int = 0
    weightlimit: int = 4_000_000
    sigoplimit: int = 80_000
    sizelimit: int = 4_000_000
    longpollid: str = ""
    default_witness_commitment: str | None = None
    signet_challenge: str | None = None
    coinbaseaux: dict[str, Any] = {}


class GetBlockHeader(msgspec.Struct, frozen=True):
    """The node's verbose answer to getblockheader, as far as a block on top of it needs it."""

    hash: str
    confirmations: int
    """1 where it is the tip; -1 where it is not in the chain."""
    height: int
    mediantime: int
    """The median time of the last 11 blocks, this one included: the next must be later."""
    bits: str


class BlockTemplate(msgspec.Struct, frozen=True):
    """An immutable template, ready to make jobs of, in the pool's own terms.

    Hashes are in internal (little-endian) byte order as in a header. With its transactions and
    any coinbase within the reserve that it was made with, a block is within the node's limits.
    """

    height: int
    version: int
    prevhash_le: bytes
    nbits: int
    curtime: int
    mintime: int
    coinbase_value_sat: int
    transactions: BlockTransactions
    merkle_branch: tuple[bytes, ...]
    witness_commitment: bytes | None
    longpollid: str = ""
    stopgap: bool = False
    """Of an empty block, made by the pool while it has no template of the node's that is any good:
    from the new tip's header, or by leaving out the transactions of one that was refused. The
    node's next one is worth more: it has the fees."""
    left_out: int = 0
    """Transactions of the node's that gave way to the coinbase."""

    @property
    def network_target(self) -> int:
        """The target that a block's hash must not exceed."""
        return target_from_nbits(self.nbits)

    @classmethod
    def from_rpc(
        cls,
        result: GetBlockTemplate,
        reserve: CoinbaseReserve = DEFAULT_RESERVE,
        version_mask: int = 0,
    ) -> "BlockTemplate":
        """Check a node's template and turn it into ours.

        ``reserve`` is kept free for the coinbase: where the node has kept less, transactions are
        left out, from the end. ``version_mask`` has the bits that rigs may roll.

        Raises:
            TemplateError: a field is out of range or in conflict with another, a rule
                is unknown, the signet wants signed blocks, a version bit that rigs may roll is
                required, or the witness commitment is not that of the transactions.
        """
        _check_rules(result, version_mask)
        _check_ranges(result.height, result.mintime, result.curtime)
        _check_transactions(result)
        commitment = _commitment(result)
        kept, value_sat = _make_room(result, reserve)
        left_out = result.transactions.count - kept.count
        if commitment is not None and left_out:
            commitment = witness_commitment(kept.wtxids_le)
        try:
            nbits = int.from_bytes(bytes.fromhex(result.bits), "big")
            if target_from_nbits(nbits) != int(result.target, 16):
                raise TemplateError(f"bits {result.bits} and target {result.target} disagree")
            return cls(
                height=result.height,
                version=result.version & 0xFFFFFFFF,
                prevhash_le=hash_hex_to_le(result.previousblockhash),
                nbits=nbits,
                curtime=result.curtime,
                mintime=result.mintime,
                coinbase_value_sat=value_sat,
                transactions=kept.for_block(),
                merkle_branch=merkle_branch(kept.txids_le),
                witness_commitment=commitment,
                longpollid=result.longpollid,
                left_out=left_out,
            )
        except TemplateError:
            raise
        except ValueError as error:
            raise TemplateError(f"the node's template has a malformed field: {error}") from error

    @classmethod
    def empty_on(
        cls, tip: GetBlockHeader, last: "BlockTemplate", network: Network, node_time: int
    ) -> "BlockTemplate":
        """Make the stopgap on ``tip``: no transactions, and the subsidy without fees.

        ``last`` is the template held so far: its version holds for the next block too, and the
        node knows its longpollid. ``node_time`` is the node's clock in Unix seconds.

        Raises:
            TemplateError: the next block may have other nbits than the tip, or a field is
                malformed.
        """
        height = tip.height + 1
        if network.bits_may_change_at(height):
            raise TemplateError(f"the nbits of block {height} may differ from its predecessor's")
        mintime = tip.mediantime + 1
        curtime = max(node_time, mintime)
        _check_ranges(height, mintime, curtime)
        try:
            nbits = int.from_bytes(bytes.fromhex(tip.bits), "big")
            target_from_nbits(nbits)
            prevhash_le = hash_hex_to_le(tip.hash)
        except ValueError as error:
            raise TemplateError(f"the tip's header has a malformed field: {error}") from error
        return cls(
            height=height,
            version=last.version,
            prevhash_le=prevhash_le,
            nbits=nbits,
            curtime=curtime,
            mintime=mintime,
            coinbase_value_sat=subsidy_sat(height, network),
            transactions=BlockTransactions(),
            merkle_branch=(),
            witness_commitment=_empty_commitment(network),
            longpollid=last.longpollid,
            stopgap=True,
        )

    def emptied(self, network: Network) -> "BlockTemplate":
        """The same without transactions, and so without fees: what is left if they are no good."""
        return msgspec.structs.replace(
            self,
            coinbase_value_sat=subsidy_sat(self.height, network),
            transactions=BlockTransactions(),
            merkle_branch=(),
            witness_commitment=_empty_commitment(network),
            stopgap=True,
            left_out=0,
        )


def _empty_commitment(network: Network) -> bytes | None:
    """Without witness data a block needs none (BIP141), but for a signet's."""
    return witness_commitment(b"") if network.commitment_required else None


def _check_rules(result: GetBlockTemplate, version_mask: int) -> None:
    for rule in result.rules:
        if rule.startswith("!") and rule[1:] not in KNOWN_RULES:
            raise TemplateError(f"the template follows an unknown rule, {rule[1:]!r}")
    # Such a bit cannot be kept: a rig puts what it likes in the place of those it may roll.
    rolled = result.vbrequired & version_mask
    if rolled:
        raise TemplateError(
            f"the node requires the version bits {rolled:08x}, which rigs may roll: "
            "they must not be in stratum.version_mask"
        )
    challenge = result.signet_challenge
    if challenge is not None and challenge != OP_TRUE_CHALLENGE_HEX:
        raise TemplateError("this signet wants signed blocks; only a challenge of 51 can be mined")


def _check_ranges(height: int, mintime: int, curtime: int) -> None:
    if not 1 <= height <= 0x7FFFFFFF:
        raise TemplateError(f"height {height} is out of range")
    if not 0 <= mintime <= curtime <= 0xFFFFFFFF:
        raise TemplateError(f"mintime {mintime} and curtime {curtime} do not fit")


def _check_transactions(result: GetBlockTemplate) -> None:
    transactions = result.transactions
    if transactions.count * MIN_TRANSACTION_WEIGHT_WU > result.weightlimit:
        raise TemplateError(f"{transactions.count} transactions are more than a block can hold")
    size, weight_wu = sum(transactions.sizes), sum(transactions.weights_wu)
    if not size <= weight_wu <= 4 * size:
        raise TemplateError(f"transactions of {size} bytes cannot weigh {weight_wu} WU")
    if transactions.has_duplicates:
        raise TemplateError("a transaction is there twice")
    fees_sat = sum(transactions.fees_sat)
    if not fees_sat <= result.coinbasevalue <= MAX_MONEY_SAT:
        raise TemplateError(
            f"coinbasevalue {result.coinbasevalue} is out of range or below the fees, {fees_sat}"
        )


def _commitment(result: GetBlockTemplate) -> bytes | None:
    """The witness commitment (a scriptPubKey), None where none is needed.

    Always our own: the node's must be the same, as a block with a wrong one would be lost. On a
    signet one is needed without any witness: the header that is signed for has it.
    """
    transactions, told_hex = result.transactions, result.default_witness_commitment
    is_needed = transactions.has_witness or result.signet_challenge is not None
    if told_hex is None and not is_needed:
        return None
    ours = witness_commitment(transactions.wtxids_le)
    if told_hex is not None and told_hex != ours.hex():
        raise TemplateError(
            f"default_witness_commitment is {told_hex}, but the transactions come to {ours.hex()}"
        )
    return ours


def _make_room(
    result: GetBlockTemplate, reserve: CoinbaseReserve
) -> tuple[TemplateTransactions, int]:
    """The transactions that stay, and what the coinbase may then pay, in satoshi."""
    transactions = result.transactions
    limits = BlockLimits(result.weightlimit, result.sigoplimit, result.sizelimit)
    count = count_that_fits(transactions, limits, reserve)
    if count is None:
        raise TemplateError(
            f"a coinbase of {reserve.weight_wu} WU and {reserve.sigops_cost} sigops does not fit "
            f"a block of {limits.weight_wu} WU, {limits.sigops_cost} sigops, {limits.size} bytes"
        )
    return transactions.first(count), result.coinbasevalue - sum(transactions.fees_sat[count:])
