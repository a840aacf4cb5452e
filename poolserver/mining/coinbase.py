"""The coinbase transaction, cut in two around the extranonce.

Stratum sends each miner ``coinb1`` and ``coinb2``; the miner sets extranonce1 + extranonce2
between them. ``coinb1 + extranonce + coinb2`` is the non-witness serialisation, whose hash is
the txid. Sources: BIP34 (height), BIP141 (witness commitment), BIP54 (nLockTime, nSequence).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from poolserver.bitcoin.block import COINBASE_INPUT_OPENING, with_witness
from poolserver.bitcoin.script import (
    MAX_HEIGHT,
    OP_PUSHDATA1,
    compact_size,
    push_data,
    push_height,
)

__all__ = [
    "MAX_MONEY_SAT",
    "MAX_SCRIPT_SIG_SIZE",
    "Coinbase",
    "CoinbaseError",
    "TxOut",
    "build_coinbase",
    "max_tag_size",
    "outputs_room",
    "with_witness",
]

MAX_SCRIPT_SIG_SIZE = 100
"""Consensus: a coinbase's scriptSig has 2..100 bytes (``bad-cb-length``)."""
MAX_MONEY_SAT = 21_000_000 * 100_000_000
"""Consensus: no output, and no sum of outputs, is above this (``MAX_MONEY``)."""

_VALUE_SIZE = 8
_VERSION = (2).to_bytes(4, "little")
# Not final, so that nLockTime is enforced, which BIP54 will require.
_SEQUENCE = (0xFFFFFFFE).to_bytes(4, "little")


class CoinbaseError(ValueError):
    """No valid coinbase can be made of this; the text says why."""


@dataclass(frozen=True, slots=True)
class TxOut:
    """One output: how much, and the script that may spend it."""

    value_sat: int
    script_pubkey: bytes


@dataclass(frozen=True, slots=True)
class Coinbase:
    """A coinbase without its extranonce."""

    coinb1: bytes
    """Up to the extranonce, whose push it opens."""
    coinb2: bytes
    """All after the extranonce."""
    extranonce_size: int

    @property
    def size(self) -> int:
        """Its bytes, without witness: what firmware has a limit for."""
        return len(self.coinb1) + self.extranonce_size + len(self.coinb2)

    def transaction(self, extranonce: bytes) -> bytes:
        """Give the non-witness serialisation with extranonce1 + extranonce2 in its place.

        The extranonce must have the size that the coinbase was built for.
        """
        return self.coinb1 + extranonce + self.coinb2


def build_coinbase(
    *,
    height: int,
    tag: bytes,
    job_tag: bytes,
    extranonce_size: int,
    outputs: Sequence[TxOut],
    witness_commitment: bytes | None,
) -> Coinbase:
    """Build the coinbase of the block at ``height``.

    The scriptSig is the height (BIP34), a push of ``tag`` (the pool's name for people to read)
    and one push of ``job_tag`` (what makes the job unique) and the extranonce. The outputs
    keep their order; ``witness_commitment``, a whole scriptPubKey, comes last with value 0.

    Raises:
        CoinbaseError: the height is not in 1..2^31-1, there is no extranonce, the scriptSig
            would be longer than 100 bytes, there is no output, or a value is out of range.
    """
    if not 1 <= height <= MAX_HEIGHT:
        raise CoinbaseError(f"a coinbase is for a height of 1..2^31-1, not {height}")
    if extranonce_size < 1:
        raise CoinbaseError("without an extranonce all miners would do the same work")
    script_sig = _script_sig(height, tag, job_tag, extranonce_size)
    _check_values(outputs)
    all_outputs = list(outputs)
    if witness_commitment is not None:
        all_outputs.append(TxOut(0, witness_commitment))
    if not all_outputs:
        raise CoinbaseError("a coinbase needs at least one output")
    locktime = (height - 1).to_bytes(4, "little")
    return Coinbase(
        coinb1=_VERSION
        + COINBASE_INPUT_OPENING
        + compact_size(len(script_sig))
        + script_sig[:-extranonce_size],
        coinb2=_SEQUENCE + _serialize_outputs(all_outputs) + locktime,
        extranonce_size=extranonce_size,
    )


def max_tag_size(*, height: int, job_tag_size: int, extranonce_size: int) -> int:
    """Give how many bytes of tag fit a scriptSig, or -1 if not even an empty one does."""
    rest = len(push_height(height)) + _push_size(job_tag_size + extranonce_size)
    room = MAX_SCRIPT_SIG_SIZE - rest
    return max((size for size in range(room) if _push_size(size) <= room), default=-1)


def outputs_room(
    size: int,
    *,
    height: int,
    tag: bytes,
    job_tag: bytes,
    extranonce_size: int,
    witness_commitment: bytes | None,
) -> int:
    """Give how many bytes of outputs fit a coinbase of ``size`` bytes; below 0 it has no room.

    The commitment's output and the count before the outputs are not in it.

    Raises:
        CoinbaseError: as for ``build_coinbase``.
    """
    bare = build_coinbase(
        height=height,
        tag=tag,
        job_tag=job_tag,
        extranonce_size=extranonce_size,
        outputs=(TxOut(0, b""),),
        witness_commitment=witness_commitment,
    )
    smallest = _VALUE_SIZE + 1
    room = size - (bare.size - smallest)
    # The count has 1 byte in it so far; of outputs that are many it takes more.
    return room - (len(compact_size(max(0, room) // smallest)) - 1)


def _push_size(size: int) -> int:
    return size + (1 if size < OP_PUSHDATA1 else 2)  # right up to 255 bytes, more never fit


def _script_sig(height: int, tag: bytes, job_tag: bytes, extranonce_size: int) -> bytes:
    """Give the whole scriptSig, the extranonce's bytes at its end still zero."""
    allowed = max_tag_size(
        height=height, job_tag_size=len(job_tag), extranonce_size=extranonce_size
    )
    if allowed < 0:
        raise CoinbaseError(
            f"a job tag of {len(job_tag)} and an extranonce of {extranonce_size} bytes "
            f"do not fit a scriptSig of {MAX_SCRIPT_SIG_SIZE}"
        )
    if len(tag) > allowed:
        raise CoinbaseError(f"the tag has {len(tag)} bytes, at most {allowed} are allowed")
    return push_height(height) + push_data(tag) + push_data(job_tag + bytes(extranonce_size))


def _check_values(outputs: Sequence[TxOut]) -> None:
    for output in outputs:
        if not 0 <= output.value_sat <= MAX_MONEY_SAT:
            raise CoinbaseError(f"an output of {output.value_sat} sat is out of range")
    total_sat = sum(output.value_sat for output in outputs)
    if total_sat > MAX_MONEY_SAT:
        raise CoinbaseError(f"outputs of {total_sat} sat together are out of range")


def _serialize_outputs(outputs: Sequence[TxOut]) -> bytes:
    return compact_size(len(outputs)) + b"".join(
        output.value_sat.to_bytes(_VALUE_SIZE, "little")
        + compact_size(len(output.script_pubkey))
        + output.script_pubkey
        for output in outputs
    )
