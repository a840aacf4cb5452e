"""Whom a found block pays, and how much: the outputs of its coinbase, to the satoshi.

A policy is whatever makes the payees: none at all (solo), fixed shares of sites (split), or
the work of a window of shares (pplns). All are scripts with weights here. The operator's fee
comes off first, the rest goes by weight, rounded by largest remainder, so that nobody is a
whole satoshi away from the exact share and nothing is lost.

What cannot be paid by this block is not lost either: it goes to the operator's script, and
the due says that it is still unpaid, to be booked as a debt.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from poolserver.bitcoin.script import OP_0, OP_1, OP_RETURN, compact_size
from poolserver.mining.coinbase import MAX_MONEY_SAT, TxOut

__all__ = [
    "BASIS_POINTS",
    "Distribution",
    "Due",
    "Payee",
    "PayoutPlan",
    "dust_limit_sat",
    "output_size",
]

BASIS_POINTS = 10_000
"""The whole, in hundredths of a percent."""

_VALUE_SIZE = 8
_OP_16 = OP_1 + 15
# Consensus: a longer script cannot be run, so what it is paid is burnt (MAX_SCRIPT_SIZE).
_MAX_SCRIPT_SIZE = 10_000
# What Bitcoin Core takes an output to cost when it is spent (GetDustThreshold in
# src/policy/policy.cpp): an input with 107 bytes of signature and key, a quarter of these where
# they are witness; at 3 sat/vB (DUST_RELAY_TX_FEE in src/policy/policy.h).
_SPENDING_SIZE = 32 + 4 + 1 + 107 + 4
_WITNESS_SPENDING_SIZE = 32 + 4 + 1 + 107 // 4 + 4
_DUST_SAT_PER_BYTE = 3


@dataclass(frozen=True, slots=True)
class Payee:
    """One who is paid by weight; only the proportion of the weights counts.

    Raises:
        ValueError: the weight is not above 0, or coins sent to the script would be lost.
    """

    label: str
    """Whom the share is booked to: a site, an account."""
    script_pubkey: bytes
    weight: int

    def __post_init__(self) -> None:
        _check_script(self.script_pubkey, repr(self.label))
        if self.weight <= 0:
            raise ValueError(f"the weight of {self.label!r} must be above 0, is {self.weight}")


@dataclass(frozen=True, slots=True)
class Due:
    """What a block owes to one payee, in satoshi."""

    label: str
    due_sat: int
    unpaid_sat: int
    """All of ``due_sat`` or 0: what the operator's output holds for the payee."""


@dataclass(frozen=True, slots=True)
class Distribution:
    """Where the value of one block goes.

    With payees ``fee_sat`` and all ``due_sat`` are together the value of the block. Without
    payees nobody pays a fee, and all of it is the operator's.
    """

    outputs: tuple[TxOut, ...]
    """The coinbase's outputs, without the witness commitment. Together exactly the value."""
    dues: tuple[Due, ...]
    """One for each payee, in the plan's order."""
    fee_sat: int

    @property
    def unpaid_sat(self) -> int:
        """What the operator owes to payees from this block."""
        return sum(due.unpaid_sat for due in self.dues)


@dataclass(frozen=True, slots=True)
class PayoutPlan:
    """Who is paid, whatever the next block is worth. No payees: solo, all to the operator.

    Raises:
        ValueError: the fee is not in 0..10000, or coins sent to the operator would be lost.
    """

    operator: bytes
    """The operator's scriptPubKey, for the fee and for what cannot be paid."""
    fee_basis_points: int = 0
    payees: tuple[Payee, ...] = ()

    def __post_init__(self) -> None:
        _check_script(self.operator, "the operator")
        if not 0 <= self.fee_basis_points <= BASIS_POINTS:
            raise ValueError(
                f"the fee must be in 0..{BASIS_POINTS} basis points, is {self.fee_basis_points}"
            )

    def distribute(self, value_sat: int, max_outputs_bytes: int | None = None) -> Distribution:
        """Share out the value of a block, in satoshi.

        ``max_outputs_bytes`` bounds the outputs that are given. The count before them (3 bytes
        from 253 outputs on, else 1) and the witness commitment (47 bytes) are not in it.

        A script has one output, however many payees it has, the operator included. An amount
        below the dust limit stays unpaid. Where room is short the largest amounts come first,
        equal ones in the plan's order; one that does not fit keeps out no smaller one that does.

        The operator's output, if there is one, is the first, to be found without a search.
        Payees keep the plan's order: by amount they would change places from job to job.
        The operator may be paid less than the dust limit, as the value must go somewhere, and
        is paid 0 only where nobody else is: a coinbase has at least one output.

        Raises:
            ValueError: the value is not in 0..21 million coins, or there is no room for the
                operator's output (even if this block would need none: the next one may).
        """
        if not 0 <= value_sat <= MAX_MONEY_SAT:
            raise ValueError(f"a block of {value_sat} sat is out of range")
        room = None if max_outputs_bytes is None else max_outputs_bytes - output_size(self.operator)
        if room is not None and room < 0:
            raise ValueError(
                f"outputs of {max_outputs_bytes} bytes have no room for the operator's "
                f"of {output_size(self.operator)}"
            )
        fee_sat = value_sat * self.fee_basis_points // BASIS_POINTS if self.payees else 0
        dues = _split(value_sat - fee_sat, [payee.weight for payee in self.payees])
        paid = self._payable(dues)
        if room is not None:
            # The operator's room is free if it gets nothing once all the others are paid.
            spare = 0 if sum(paid.values()) < value_sat else output_size(self.operator)
            if sum(map(output_size, paid)) > room + spare:
                paid = _largest_that_fit(paid, room)
        return Distribution(self._outputs(value_sat, paid), self._booked(dues, paid), fee_sat)

    def _payable(self, dues: Sequence[int]) -> dict[bytes, int]:
        """What each script but the operator's is due, in the plan's order, without dust."""
        amounts: dict[bytes, int] = {}
        for payee, due_sat in zip(self.payees, dues, strict=True):
            amounts[payee.script_pubkey] = amounts.get(payee.script_pubkey, 0) + due_sat
        amounts.pop(self.operator, None)
        return {script: sat for script, sat in amounts.items() if sat >= dust_limit_sat(script)}

    def _outputs(self, value_sat: int, paid: Mapping[bytes, int]) -> tuple[TxOut, ...]:
        rest_sat = value_sat - sum(paid.values())
        opening = (TxOut(rest_sat, self.operator),) if rest_sat or not paid else ()
        return (*opening, *(TxOut(sat, script) for script, sat in paid.items()))

    def _booked(self, dues: Sequence[int], paid: Mapping[bytes, int]) -> tuple[Due, ...]:
        settled = {self.operator, *paid}
        return tuple(
            Due(payee.label, due_sat, 0 if payee.script_pubkey in settled else due_sat)
            for payee, due_sat in zip(self.payees, dues, strict=True)
        )


def output_size(script_pubkey: bytes) -> int:
    """Give the bytes of an output in a transaction: 31 for P2WPKH, 43 for P2TR."""
    size = len(script_pubkey)
    return _VALUE_SIZE + len(compact_size(size)) + size


def dust_limit_sat(script_pubkey: bytes) -> int:
    """Give the least amount that is worth its own spending, by Bitcoin Core's reckoning.

    >>> dust_limit_sat(bytes.fromhex("0014751e76e8199196d454941c45d1b3a323f1433bd6"))
    294

    A block may pay less: dust is relay policy, which does not look into coinbases. But to
    spend it costs more than it brings. Source: GetDustThreshold in src/policy/policy.cpp, which
    counts a taproot input like one of P2WPKH; for spendable scripts only.
    """
    is_witness = _is_witness_program(script_pubkey)
    spending_size = _WITNESS_SPENDING_SIZE if is_witness else _SPENDING_SIZE
    return _DUST_SAT_PER_BYTE * (output_size(script_pubkey) + spending_size)


def _is_witness_program(script_pubkey: bytes) -> bool:
    """BIP141: a version, OP_0 or OP_1..OP_16, and one push of 2..40 bytes."""
    if not 4 <= len(script_pubkey) <= 42 or script_pubkey[1] != len(script_pubkey) - 2:
        return False
    return script_pubkey[0] == OP_0 or OP_1 <= script_pubkey[0] <= _OP_16


def _check_script(script_pubkey: bytes, whose: str) -> None:
    if not script_pubkey:
        raise ValueError(f"the script of {whose} is empty: anyone could spend what is paid to it")
    if script_pubkey[0] == OP_RETURN or len(script_pubkey) > _MAX_SCRIPT_SIZE:
        raise ValueError(f"the script of {whose} is unspendable: what is paid to it is burnt")


def _split(total_sat: int, weights: Sequence[int]) -> list[int]:
    """Split by largest remainder; of equal remainders the first gets the satoshi more."""
    if not weights:
        return []
    whole = sum(weights)
    floors, remainders = zip(
        *(divmod(total_sat * weight, whole) for weight in weights), strict=True
    )
    parts = list(floors)
    by_remainder = sorted(range(len(parts)), key=remainders.__getitem__, reverse=True)
    for index in by_remainder[: total_sat - sum(parts)]:
        parts[index] += 1
    return parts


def _largest_that_fit(amounts: Mapping[bytes, int], room: int) -> dict[bytes, int]:
    """Those of ``amounts`` that get into ``room`` bytes, the largest first; order is kept."""
    fitting = set()
    for script in sorted(amounts, key=amounts.__getitem__, reverse=True):
        size = output_size(script)
        if size <= room:
            fitting.add(script)
            room -= size
    return {script: sat for script, sat in amounts.items() if script in fitting}
