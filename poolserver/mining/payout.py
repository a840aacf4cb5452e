"""Whom a found block pays, and how much: the outputs of its coinbase, to the satoshi.

A policy is whatever makes the payees: none at all (solo), fixed shares of sites (split), or
the work of a window of shares (pplns). All are scripts with weights here. The operator's fee
comes off first, the rest goes by weight, rounded by largest remainder, so that nobody is a
whole satoshi away from the exact share and nothing is lost.

What cannot be paid by this block is not lost either: it goes to the operator's script, and
the due says that it is still unpaid, to be booked as a debt. Debts of earlier blocks are paid
first, out of what this block is worth.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

from poolserver.mining.coinbase import MAX_MONEY_SAT, TxOut
from poolserver.mining.outputs import check_spendable, dust_limit_sat, output_size

__all__ = [
    "BASIS_POINTS",
    "Allotment",
    "Distribution",
    "Due",
    "Payee",
    "Payer",
    "Paying",
    "PayoutPlan",
    "Sharing",
    "dust_limit_sat",
    "output_size",
    "split",
]

BASIS_POINTS = 10_000
"""The whole, in hundredths of a percent."""

_OPERATOR = -1  # in place of an output's number: what is paid in the operator's own


@dataclass(frozen=True, slots=True)
class Payee:
    """One who is paid by weight; only the proportion of the weights counts.

    Raises:
        ValueError: there is neither a weight nor a debt, or coins sent to the script would be
            lost.
    """

    label: str
    """Whom the share is booked to: a site, an account."""
    script_pubkey: bytes
    weight: int
    """0 for one who is paid a debt alone."""
    owed_sat: int = 0
    """What the operator holds for the payee from earlier blocks; below 0: was paid too much."""

    def __post_init__(self) -> None:
        check_spendable(self.script_pubkey, repr(self.label))
        if self.weight < 0 or (self.weight == 0 and self.owed_sat <= 0):
            raise ValueError(f"the weight of {self.label!r} must be above 0, is {self.weight}")


@dataclass(frozen=True, slots=True)
class Due:
    """What a block owes to one payee, in satoshi."""

    label: str
    due_sat: int
    unpaid_sat: int
    """What of it the operator's output holds; below 0: so much of older debts was paid as well."""


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
    """The operator's own; all of the value where no payee has a weight."""

    @property
    def unpaid_sat(self) -> int:
        """By how much what the operator owes to payees grows by this block."""
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
        check_spendable(self.operator, "the operator")
        if not 0 <= self.fee_basis_points <= BASIS_POINTS:
            raise ValueError(
                f"the fee must be in 0..{BASIS_POINTS} basis points, is {self.fee_basis_points}"
            )

    def distribute(self, value_sat: int, max_outputs_bytes: int | None = None) -> Distribution:
        """Share out the value of one block, in satoshi; see ``Payer`` and ``Sharing.allot``."""
        return Payer(self).share_out(value_sat).allot(max_outputs_bytes).distribution

    def without_debts(self) -> "PayoutPlan":
        """The plan that pays no debts: a block that has paid them may be on its way.

        What somebody was paid too much stays in it, so that no more is paid than is due.
        """
        if all(payee.owed_sat <= 0 for payee in self.payees):
            return self
        return replace(
            self,
            payees=tuple(
                payee if payee.owed_sat <= 0 else replace(payee, owed_sat=0)
                for payee in self.payees
                if payee.owed_sat <= 0 or payee.weight
            ),
        )


class Payer:
    """A plan, made ready to share out one block after the other: what depends on it alone."""

    def __init__(self, plan: PayoutPlan) -> None:
        self.plan = plan
        self.weights = [payee.weight for payee in plan.payees]
        self.whole = sum(self.weights)
        numbers: dict[bytes, int] = {plan.operator: _OPERATOR}
        self.scripts: list[bytes] = []
        for payee in plan.payees:
            if payee.script_pubkey not in numbers:
                numbers[payee.script_pubkey] = len(self.scripts)
                self.scripts.append(payee.script_pubkey)
        self.number_of = [numbers[payee.script_pubkey] for payee in plan.payees]
        """Of each payee, the number of its script."""
        self.sizes = [output_size(script) for script in self.scripts]
        self.dust_sat = [dust_limit_sat(script) for script in self.scripts]
        self.debtors = {  # numbers of scripts to which something is owed
            number
            for payee, number in zip(plan.payees, self.number_of, strict=True)
            if payee.owed_sat > 0
        }
        self.operator_size = output_size(plan.operator)

    def share_out(self, value_sat: int) -> "Sharing":
        """Work out what is due of a block of this value, and to whom it is paid first.

        Raises:
            ValueError: the value is not in 0..21 million coins.
        """
        return Sharing(self, value_sat)


class Sharing:
    """What is due of one block, which coinbases with more and with less room are to pay.

    Somebody's claim is what is due and what is owed from before, and at least 0.
    """

    def __init__(self, payer: Payer, value_sat: int) -> None:
        """See ``Payer.share_out``."""
        if not 0 <= value_sat <= MAX_MONEY_SAT:
            raise ValueError(f"a block of {value_sat} sat is out of range")
        plan = payer.plan
        self.payer = payer
        self.value_sat = value_sat
        self.fee_sat = value_sat * plan.fee_basis_points // BASIS_POINTS if plan.payees else 0
        if plan.payees and not payer.whole:
            self.fee_sat = value_sat
        self.dues = split(value_sat - self.fee_sat, payer.weights)
        self.claims = [
            max(0, due_sat + payee.owed_sat)
            for due_sat, payee in zip(self.dues, plan.payees, strict=True)
        ]
        self.output_claims = [0] * len(payer.scripts)
        for number, claim_sat in zip(payer.number_of, self.claims, strict=True):
            if number != _OPERATOR:
                self.output_claims[number] += claim_sat
        self._order = self._by_claim()

    def _by_claim(self) -> list[int]:
        """The outputs that are worth paying: those with a debt first, the largest claim first."""
        claims, dust_sat, debtors = self.output_claims, self.payer.dust_sat, self.payer.debtors
        order = [number for number in range(len(claims)) if claims[number] >= dust_sat[number]]
        order.sort(key=claims.__getitem__, reverse=True)
        if debtors:
            order.sort(key=lambda number: number not in debtors)
        return order

    def allot(self, max_outputs_bytes: int | None = None) -> "Allotment":
        """Say what a coinbase pays that has room for so many bytes of outputs.

        The count before the outputs (3 bytes from 253 outputs on, else 1) and the witness
        commitment (47 bytes) are not in it.

        A script has one output, however many payees it has, the operator included. Claims with
        a debt in them come first, then the others, the largest first, equal ones in the plan's
        order. One that does not fit keeps out no smaller one that does. One that what is left
        of the value does not cover is paid that. An amount below the dust limit is not paid.

        The operator's output, if there is one, is the first, to be found without a search.
        Payees keep the plan's order: by amount they would change places from job to job.
        The operator may be paid less than the dust limit, as the value must go somewhere, and
        is paid 0 only where nobody else is: a coinbase has at least one output.

        Raises:
            ValueError: there is no room for the operator's output (even if this block would
                need none: the next one may).
        """
        operator_size = self.payer.operator_size
        if max_outputs_bytes is None:
            return Allotment(self, *self._paid(sum(self.payer.sizes)))
        if max_outputs_bytes < operator_size:
            raise ValueError(
                f"outputs of {max_outputs_bytes} bytes have no room for the operator's "
                f"of {operator_size}"
            )
        # The operator's room is free if it gets nothing once all the others are paid.
        paid, rest_sat = self._paid(max_outputs_bytes)
        if rest_sat:
            paid, rest_sat = self._paid(max_outputs_bytes - operator_size)
        return Allotment(self, paid, rest_sat)

    def _paid(self, room: int) -> tuple[dict[int, int], int]:
        """What each output gets, by the script's number, and what is left for the operator."""
        claims, sizes, dust_sat = self.output_claims, self.payer.sizes, self.payer.dust_sat
        least_size = min(sizes, default=0)
        rest_sat = self.value_sat
        paid: dict[int, int] = {}
        for number in self._order:
            if room < least_size or not rest_sat:
                break
            sat = min(claims[number], rest_sat)
            if sizes[number] <= room and sat >= dust_sat[number]:
                paid[number] = sat
                room -= sizes[number]
                rest_sat -= sat
        return paid, rest_sat


class Paying(Protocol):
    """Whatever knows what a block would pay."""

    @property
    def distribution(self) -> Distribution: ...


class Allotment:
    """What one coinbase pays: ``outputs`` at once, the books of it when they are asked for."""

    def __init__(self, sharing: Sharing, paid: dict[int, int], rest_sat: int) -> None:
        """``paid`` is what each output gets, by the script's number."""
        payer = sharing.payer
        opening = (TxOut(rest_sat, payer.plan.operator),) if rest_sat or not paid else ()
        self.outputs: tuple[TxOut, ...] = (
            *opening,
            *(TxOut(paid[number], payer.scripts[number]) for number in sorted(paid)),
        )
        self._sharing = sharing
        self._paid = paid

    @cached_property
    def distribution(self) -> Distribution:
        """The outputs with what is due to whom, and how much of it they leave unpaid."""
        sharing = self._sharing
        dues = tuple(
            Due(payee.label, due_sat, due_sat - given_sat)
            for payee, due_sat, given_sat in zip(
                sharing.payer.plan.payees, sharing.dues, self._given(), strict=True
            )
        )
        return Distribution(self.outputs, dues, sharing.fee_sat)

    def _given(self) -> Iterable[int]:
        """What each payee gets. Of a script that is paid a part, those with a debt come first."""
        sharing, payer, paid = self._sharing, self._sharing.payer, self._paid
        given = [
            claim_sat if number == _OPERATOR or number in paid else 0
            for number, claim_sat in zip(payer.number_of, sharing.claims, strict=True)
        ]
        for number, sat in paid.items():
            if sat < sharing.output_claims[number]:
                self._divide(number, sat, given)
        return given

    def _divide(self, number: int, sat: int, given: list[int]) -> None:
        payer = self._sharing.payer
        sharers = [index for index, each in enumerate(payer.number_of) if each == number]
        sharers.sort(key=lambda index: payer.plan.payees[index].owed_sat <= 0)
        for index in sharers:
            given[index] = min(given[index], sat)
            sat -= given[index]


def split(total_sat: int, weights: Sequence[int]) -> list[int]:
    """Split by largest remainder; of equal remainders the first gets one more.

    Without any weight nobody gets anything.
    """
    whole = sum(weights)
    if not whole:
        return [0] * len(weights)
    parts: list[int] = []
    remainders: list[int] = []
    for weight in weights:
        part, remainder = divmod(total_sat * weight, whole)
        parts.append(part)
        remainders.append(remainder)
    short = total_sat - sum(parts)
    if short:
        by_remainder = sorted(range(len(parts)), key=remainders.__getitem__, reverse=True)
        for index in by_remainder[:short]:
            parts[index] += 1
    return parts
