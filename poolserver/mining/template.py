"""A block template: what the node says the next block may hold.

Sources: BIP22 and BIP23 (getblocktemplate), BIP9 (version bits), BIP141 (witness
commitment), BIP145 (getblocktemplate with segwit).
"""

from typing import Any

import msgspec

from poolserver.bitcoin.header import hash_hex_to_le
from poolserver.bitcoin.merkle import merkle_branch, witness_commitment
from poolserver.bitcoin.networks import Network
from poolserver.bitcoin.subsidy import subsidy_sat
from poolserver.bitcoin.target import target_from_nbits

# Rules that change what a miner must build, and that this pool knows how to build.
# A node prefixes such a rule with "!" (BIP9); one that is not here makes the template unusable.
KNOWN_RULES = frozenset({"csv", "segwit", "taproot", "signet", "testdummy"})
OP_TRUE_CHALLENGE_HEX = "51"


class TemplateError(ValueError):
    """The node's template cannot be mined on; the text says why."""


class TemplateTransaction(msgspec.Struct, frozen=True, gc=False):
    """One transaction of a node's template (BIP22), as far as the pool needs it."""

    data: str
    txid: str


class GetBlockTemplate(msgspec.Struct, frozen=True):
    """The node's answer to getblocktemplate, under the node's own names."""

    version: int
    previousblockhash: str
    transactions: list[TemplateTransaction]
    coinbasevalue: int
    mintime: int
    curtime: int
    bits: str
    target: str
    height: int
    rules: list[str] = []
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

    Hashes are in internal (little-endian) byte order as in a header; ``transactions_hex``
    is the node's own serialisation, spliced into a found block without being parsed.
    """

    height: int
    version: int
    prevhash_le: bytes
    nbits: int
    curtime: int
    mintime: int
    coinbase_value_sat: int
    transactions_hex: tuple[str, ...]
    merkle_branch: tuple[bytes, ...]
    witness_commitment: bytes | None
    longpollid: str = ""
    stopgap: bool = False
    """Of an empty block, made by the pool from the new tip's header while the node still makes
    its own template. The node's, which follows, is worth more: it has the fees."""

    @property
    def network_target(self) -> int:
        """The target that a block's hash must not exceed."""
        return target_from_nbits(self.nbits)

    @classmethod
    def from_rpc(cls, result: GetBlockTemplate) -> "BlockTemplate":
        """Check a node's template and turn it into ours.

        Raises:
            TemplateError: a field is out of range or in conflict with another, a rule
                is unknown, or the signet wants signed blocks.
        """
        _check_rules(result)
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
                coinbase_value_sat=result.coinbasevalue,
                transactions_hex=tuple(tx.data for tx in result.transactions),
                merkle_branch=merkle_branch(
                    [hash_hex_to_le(tx.txid) for tx in result.transactions]
                ),
                witness_commitment=_commitment(result),
                longpollid=result.longpollid,
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
            transactions_hex=(),
            merkle_branch=(),
            # Without witness data a block needs none (BIP141), but for a signet's.
            witness_commitment=witness_commitment(()) if network.commitment_required else None,
            longpollid=last.longpollid,
            stopgap=True,
        )


def _check_rules(result: GetBlockTemplate) -> None:
    for rule in result.rules:
        if rule.startswith("!") and rule[1:] not in KNOWN_RULES:
            raise TemplateError(f"the template follows an unknown rule, {rule[1:]!r}")
    challenge = result.signet_challenge
    if challenge is not None and challenge != OP_TRUE_CHALLENGE_HEX:
        raise TemplateError("this signet wants signed blocks; only a challenge of 51 can be mined")
    _check_ranges(result.height, result.mintime, result.curtime)
    if result.coinbasevalue < 0:
        raise TemplateError(f"coinbasevalue {result.coinbasevalue} is negative")


def _check_ranges(height: int, mintime: int, curtime: int) -> None:
    if not 1 <= height <= 0x7FFFFFFF:
        raise TemplateError(f"height {height} is out of range")
    if not 0 <= mintime <= curtime <= 0xFFFFFFFF:
        raise TemplateError(f"mintime {mintime} and curtime {curtime} do not fit")


def _commitment(result: GetBlockTemplate) -> bytes | None:
    if result.default_witness_commitment is None:
        return None
    return bytes.fromhex(result.default_witness_commitment)
