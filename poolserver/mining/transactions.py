"""A template's transactions, in columns: never as objects of their own, of which a block has 3,000.

The columns are what ``take_transactions`` makes of a node's answer. As few objects as there are,
they cost no more than a copy of their bytes to make, to send over the seam and to free.
Sources: BIP22 and BIP145 (the fields), BIP141 (weight, sigops cost).
"""

import sys
from array import array
from bisect import bisect_right
from itertools import accumulate, pairwise
from typing import Literal, NamedTuple

import msgspec

from poolserver.bitcoin.header import HASH_SIZE, HEADER_SIZE
from poolserver.bitcoin.script import WITNESS_SCALE_FACTOR, compact_size

# BIP144 and BIP141: marker and flag; one witness of one item of 32 bytes.
_COINBASE_WITNESS_SIZE = 2 + 1 + 1 + 32

_TYPECODES: dict[int, Literal["I", "Q"]] = {4: "I", 8: "Q"}


class BlockTransactions(msgspec.Struct, frozen=True, array_like=True):
    """The transactions of a block but for the coinbase, as the node serialised them.

    ``data_hex`` is all of them in one, hex digits, to be spliced into a found block without being
    parsed; ``sizes_le`` tells them apart: the bytes of each, 4 bytes little-endian.
    """

    data_hex: bytes = b""
    sizes_le: bytes = b""

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.sizes_le) // 4

    def each_hex(self) -> list[str]:
        """Every transaction by itself, in hex."""
        ends = list(accumulate((2 * size for size in _integers(self.sizes_le, 4)), initial=0))
        whole = self.data_hex.decode("ascii")
        return [whole[begin:end] for begin, end in pairwise(ends)]


class TemplateTransactions(msgspec.Struct, frozen=True, array_like=True):
    """The transactions of a node's template, a column for each field; see ``take_transactions``.

    Decoded from JSON, this is none at all: the empty array that ``take_transactions`` leaves.
    """

    data_hex: bytes = b""
    sizes_le: bytes = b""
    txids_le: bytes = b""
    wtxids_le: bytes = b""
    fees_le: bytes = b""
    weights_le: bytes = b""
    sigops_le: bytes = b""

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.sizes_le) // 4

    @property
    def sizes(self) -> "array[int]":
        """Bytes of each, its witness included."""
        return _integers(self.sizes_le, 4)

    @property
    def fees_sat(self) -> "array[int]":
        return _integers(self.fees_le, 8)

    @property
    def weights_wu(self) -> "array[int]":
        return _integers(self.weights_le, 4)

    @property
    def sigops_costs(self) -> "array[int]":
        return _integers(self.sigops_le, 4)

    @property
    def has_witness(self) -> bool:
        """Whether any has a witness: then its wtxid is not its txid (BIP141)."""
        return self.wtxids_le != self.txids_le

    @property
    def has_duplicates(self) -> bool:
        """Whether two have the same txid."""
        txids = self.txids_le
        starts = range(0, len(txids), HASH_SIZE)
        return len({txids[start : start + HASH_SIZE] for start in starts}) != len(starts)

    def first(self, count: int) -> "TemplateTransactions":
        """So many from the first on."""
        if count == self.count:
            return self
        return TemplateTransactions(
            self.data_hex[: 2 * sum(self.sizes[:count])],
            self.sizes_le[: 4 * count],
            self.txids_le[: HASH_SIZE * count],
            self.wtxids_le[: HASH_SIZE * count],
            self.fees_le[: 8 * count],
            self.weights_le[: 4 * count],
            self.sigops_le[: 4 * count],
        )

    def for_block(self) -> BlockTransactions:
        """What of them goes into a block."""
        return BlockTransactions(self.data_hex, self.sizes_le)


class BlockLimits(NamedTuple):
    """What a block may have at most, as a node's template says."""

    weight_wu: int
    sigops_cost: int
    size: int


class CoinbaseReserve(NamedTuple):
    """Room that a block keeps for the pool's coinbase, the largest of any that it may get.

    A node keeps some too (8,000 WU with header and count, and a sigops cost of 400, unless it is
    told otherwise), so only a coinbase of many outputs needs more than there is.
    """

    base_size: int = 1_000
    """Bytes of the non-witness serialisation. The default is for some twenty outputs."""
    sigops_cost: int = 80
    """Of its outputs: 4 for each that pays to a public key's hash as it was before segwit (P2PKH),
    0 for P2SH, P2WPKH, P2WSH and P2TR. Its scriptSig is pushes alone and has none."""

    @property
    def size(self) -> int:
        """Bytes with its witness."""
        return self.base_size + _COINBASE_WITNESS_SIZE

    @property
    def weight_wu(self) -> int:
        return WITNESS_SCALE_FACTOR * self.base_size + _COINBASE_WITNESS_SIZE


DEFAULT_RESERVE = CoinbaseReserve()


def count_that_fits(
    transactions: TemplateTransactions, limits: BlockLimits, reserve: CoinbaseReserve
) -> int | None:
    """How many of the transactions, from the first on, fit into a block with the coinbase.

    To leave out some at the end needs no look at ``depends``: a block's transactions may spend
    only what is before them (consensus), so whatever spends one that is left out is further
    behind and left out as well.

    None: not even the coinbase fits.
    """
    # The count of all, though that of fewer may take up two bytes less: 8 of 4,000,000 WU.
    frame = HEADER_SIZE + len(compact_size(1 + transactions.count))
    counts = [
        _fitting(transactions.sizes, limits.size - frame - reserve.size),
        _fitting(
            transactions.weights_wu,
            limits.weight_wu - WITNESS_SCALE_FACTOR * frame - reserve.weight_wu,
        ),
        _fitting(transactions.sigops_costs, limits.sigops_cost - reserve.sigops_cost),
    ]
    return None if None in counts else min(count for count in counts if count is not None)


def _fitting(column: "array[int]", room: int) -> int | None:
    if room < 0:
        return None
    if sum(column) <= room:
        return len(column)
    return bisect_right(list(accumulate(column)), room)


def _integers(column: bytes, size: Literal[4, 8]) -> "array[int]":
    """Unpack little-endian integers."""
    integers = array(_TYPECODES[size], column)
    assert integers.itemsize == size  # as on each platform that Python runs on
    if sys.byteorder == "big":
        integers.byteswap()
    return integers
