"""Payouts: to the satoshi, whatever the value, the weights and the room."""

from collections import Counter
from fractions import Fraction
from random import Random

import pytest
from bitcoin.core.script import CScript
from hypothesis import example, given, settings
from hypothesis import strategies as st

from poolserver.mining.coinbase import MAX_MONEY_SAT, TxOut, build_coinbase
from poolserver.mining.payout import (
    Distribution,
    Due,
    Payee,
    Payer,
    PayoutPlan,
    dust_limit_sat,
    output_size,
)

SUBSIDY = 312_500_000


def p2pkh(number: int) -> bytes:
    return bytes.fromhex("76a914") + number.to_bytes(20, "big") + bytes.fromhex("88ac")


def p2sh(number: int) -> bytes:
    return bytes.fromhex("a914") + number.to_bytes(20, "big") + b"\x87"


def p2wpkh(number: int) -> bytes:
    return bytes.fromhex("0014") + number.to_bytes(20, "big")


def p2wsh(number: int) -> bytes:
    return bytes.fromhex("0020") + number.to_bytes(32, "big")


def p2tr(number: int) -> bytes:
    return bytes.fromhex("5120") + number.to_bytes(32, "big")


OPERATOR = p2tr(0)
A, B, C, D = p2wpkh(1), p2wpkh(2), p2wpkh(3), p2wpkh(4)

VALUES = st.integers(0, MAX_MONEY_SAT) | st.integers(0, 200_000) | st.just(SUBSIDY)
WEIGHTS = st.integers(1, 2**64) | st.integers(1, 3)
# Few numbers: several payees have one script, and some have the operator's.
SCRIPTS = st.builds(
    lambda kind, number: kind(number),
    st.sampled_from([p2pkh, p2sh, p2wpkh, p2wsh, p2tr]),
    st.integers(0, 30),
)
FEES = st.integers(0, 10_000) | st.sampled_from([0, 1, 10_000])


@st.composite
def plans(draw: st.DrawFn, max_payees: int = 40) -> PayoutPlan:
    pairs = draw(st.lists(st.tuples(SCRIPTS, WEIGHTS), max_size=max_payees))
    payees = tuple(Payee(f"p{n}", script, weight) for n, (script, weight) in enumerate(pairs))
    return PayoutPlan(OPERATOR, draw(FEES), payees)


def split(*payees: tuple[bytes, int], fee: int = 0) -> PayoutPlan:
    """A plan whose payees are labelled a, b, c, ..."""
    return PayoutPlan(
        OPERATOR,
        fee,
        tuple(
            Payee(chr(ord("a") + n), script, weight) for n, (script, weight) in enumerate(payees)
        ),
    )


def total_size(outputs: tuple[TxOut, ...]) -> int:
    return sum(output_size(output.script_pubkey) for output in outputs)


def dues_by_script(plan: PayoutPlan, distribution: Distribution) -> Counter[bytes]:
    dues: Counter[bytes] = Counter()
    for payee, due in zip(plan.payees, distribution.dues, strict=True):
        dues[payee.script_pubkey] += due.due_sat
    return dues


def check_books(plan: PayoutPlan, value_sat: int, distribution: Distribution) -> None:
    """What holds of a plan without debts, with and without a limit of size."""
    outputs, booked = distribution.outputs, distribution.dues
    assert sum(output.value_sat for output in outputs) == value_sat
    assert len(outputs) == len({output.script_pubkey for output in outputs}) >= 1
    assert [due.label for due in booked] == [payee.label for payee in plan.payees]
    if plan.payees:
        assert distribution.fee_sat == value_sat * plan.fee_basis_points // 10_000
        assert distribution.fee_sat + sum(due.due_sat for due in booked) == value_sat
    paid = {output.script_pubkey: output.value_sat for output in outputs}
    kept = paid.pop(OPERATOR, None)
    dues = dues_by_script(plan, distribution)
    assert kept != 0 or value_sat == 0
    for script, sat in paid.items():
        assert sat == dues[script] >= dust_limit_sat(script)
    for payee, due in zip(plan.payees, booked, strict=True):
        is_paid = payee.script_pubkey == OPERATOR or payee.script_pubkey in paid
        assert due.unpaid_sat == (0 if is_paid else due.due_sat)
    own = value_sat if not plan.payees else distribution.fee_sat
    assert (kept or 0) == own + dues[OPERATOR] + distribution.unpaid_sat


# --- solo, split, fee ----------------------------------------------------------------------


@pytest.mark.parametrize("fee", [0, 100, 10_000])
def test_without_payees_all_goes_to_the_operator_and_nobody_pays_a_fee(fee: int) -> None:
    solo = PayoutPlan(OPERATOR, fee)
    assert solo.distribute(SUBSIDY) == Distribution((TxOut(SUBSIDY, OPERATOR),), (), 0)


def test_the_fee_is_taken_first_and_the_rest_is_split_by_weight() -> None:
    distribution = split((A, 3), (B, 1), fee=250).distribute(1_000_000)
    assert distribution == Distribution(
        outputs=(TxOut(25_000, OPERATOR), TxOut(731_250, A), TxOut(243_750, B)),
        dues=(Due("a", 731_250, 0), Due("b", 243_750, 0)),
        fee_sat=25_000,
    )
    assert distribution.unpaid_sat == 0


def test_the_fee_rounds_down() -> None:
    distribution = split((A, 1), fee=1).distribute(19_999)
    assert distribution.fee_sat == 1
    assert distribution.outputs == (TxOut(1, OPERATOR), TxOut(19_998, A))


def test_a_fee_of_all_leaves_the_payees_nothing_and_no_debt() -> None:
    distribution = split((A, 1), (B, 2), fee=10_000).distribute(SUBSIDY)
    assert distribution.outputs == (TxOut(SUBSIDY, OPERATOR),)
    assert distribution.dues == (Due("a", 0, 0), Due("b", 0, 0))


def test_where_all_is_due_to_payees_the_operator_has_no_output() -> None:
    distribution = split((A, 1), (B, 1)).distribute(SUBSIDY)
    assert distribution.outputs == (TxOut(SUBSIDY // 2, A), TxOut(SUBSIDY // 2, B))


@pytest.mark.parametrize("plan", [PayoutPlan(OPERATOR), split((A, 1), (B, 1), fee=100)])
def test_a_block_worth_nothing_has_one_output_of_0_to_the_operator(plan: PayoutPlan) -> None:
    distribution = plan.distribute(0)
    assert distribution.outputs == (TxOut(0, OPERATOR),)
    assert distribution.unpaid_sat == 0


# --- rounding ------------------------------------------------------------------------------


def test_the_satoshi_that_is_left_goes_to_the_largest_remainder() -> None:
    # Exactly 1428.57, 2857.14 and 5714.29.
    booked = split((A, 1), (B, 2), (C, 4)).distribute(10_000).dues
    assert [due.due_sat for due in booked] == [1_429, 2_857, 5_714]


def test_of_equal_remainders_the_first_gets_the_satoshi() -> None:
    booked = split((A, 1), (B, 1), (C, 1)).distribute(10_001).dues
    assert [due.due_sat for due in booked] == [3_334, 3_334, 3_333]


@given(plans(), VALUES)
@example(split((A, 2**64), (B, 1)), MAX_MONEY_SAT)
def test_every_output_and_share_adds_up_to_the_satoshi(plan: PayoutPlan, value_sat: int) -> None:
    distribution = plan.distribute(value_sat)
    check_books(plan, value_sat, distribution)
    rest_sat = value_sat - distribution.fee_sat
    whole = sum(payee.weight for payee in plan.payees)
    for payee, due in zip(plan.payees, distribution.dues, strict=True):
        assert abs(due.due_sat - Fraction(rest_sat * payee.weight, whole)) < 1


@settings(max_examples=25)  # each is 500 draws
@given(st.lists(WEIGHTS, min_size=500, max_size=500), VALUES, FEES)
def test_500_payees_add_up_to_the_satoshi(weights: list[int], value_sat: int, fee: int) -> None:
    payees = tuple(Payee(f"p{n}", p2wpkh(n), weight) for n, weight in enumerate(weights))
    plan = PayoutPlan(OPERATOR, fee, payees)
    check_books(plan, value_sat, plan.distribute(value_sat))
    check_books(plan, value_sat, plan.distribute(value_sat, 6_000))


@given(plans(), VALUES)
def test_only_the_proportion_of_the_weights_counts(plan: PayoutPlan, value_sat: int) -> None:
    tripled = tuple(Payee(p.label, p.script_pubkey, 3 * p.weight) for p in plan.payees)
    other = PayoutPlan(plan.operator, plan.fee_basis_points, tripled)
    assert other.distribute(value_sat) == plan.distribute(value_sat)


# --- one output a script -------------------------------------------------------------------


def test_payees_of_one_script_have_one_output_and_a_share_each() -> None:
    distribution = split((A, 1), (B, 2), (A, 3)).distribute(60_000)
    assert distribution.outputs == (TxOut(40_000, A), TxOut(20_000, B))
    assert [due.due_sat for due in distribution.dues] == [10_000, 20_000, 30_000]


def test_a_payee_with_the_operators_script_is_paid_in_its_output() -> None:
    distribution = split((A, 1), (OPERATOR, 1), fee=1_000).distribute(100_000)
    assert distribution.outputs == (TxOut(55_000, OPERATOR), TxOut(45_000, A))
    assert distribution.dues == (Due("a", 45_000, 0), Due("b", 45_000, 0))


def test_amounts_that_are_dust_alone_are_paid_where_they_share_a_script() -> None:
    distribution = split((A, 200), (A, 200), (B, 99_600)).distribute(100_000)
    assert distribution.outputs == (TxOut(400, A), TxOut(99_600, B))
    assert distribution.unpaid_sat == 0


def test_the_operators_output_is_the_first_and_payees_keep_the_plans_order() -> None:
    plan = split((C, 1), (A, 5), (B, 3), fee=100)
    for value_sat in (SUBSIDY, 2 * SUBSIDY + 1):
        scripts = [output.script_pubkey for output in plan.distribute(value_sat).outputs]
        assert scripts == [OPERATOR, C, A, B]


def test_a_coinbase_can_be_built_of_the_outputs() -> None:
    outputs = split((A, 1), (B, 2), fee=100).distribute(SUBSIDY).outputs
    coinbase = build_coinbase(
        height=900_000,
        tag=b"",
        job_tag=b"",
        extranonce_size=12,
        outputs=outputs,
        witness_commitment=None,
    )
    # The count and the locktime are all there is besides in coinb2 after the sequence.
    assert len(coinbase.coinb2) == 4 + 1 + total_size(outputs) + 4


# --- dust ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "limit_sat"),
    [(p2pkh(1), 546), (p2sh(1), 540), (p2wpkh(1), 294), (p2wsh(1), 330), (p2tr(1), 330)],
    ids=["P2PKH", "P2SH", "P2WPKH", "P2WSH", "P2TR"],
)
def test_below_the_dust_limit_of_its_script_a_payee_stays_unpaid(
    script: bytes, limit_sat: int
) -> None:
    assert dust_limit_sat(script) == limit_sat
    at_limit = split((B, 10**6), (script, limit_sat)).distribute(10**6 + limit_sat)
    assert at_limit.outputs == (TxOut(10**6, B), TxOut(limit_sat, script))

    plan = split((B, 10**6), (script, limit_sat - 1))
    distribution = plan.distribute(10**6 + limit_sat - 1)
    assert distribution.outputs == (TxOut(limit_sat - 1, OPERATOR), TxOut(10**6, B))
    assert distribution.dues[1] == Due("b", limit_sat - 1, limit_sat - 1)
    assert distribution.unpaid_sat == limit_sat - 1


def test_a_share_that_rounds_to_nothing_is_no_debt() -> None:
    distribution = split((A, 2**64), (B, 1)).distribute(SUBSIDY)
    assert distribution.outputs == (TxOut(SUBSIDY, A),)
    assert distribution.dues[1] == Due("b", 0, 0)


def test_a_block_that_is_all_dust_goes_to_the_operator_as_a_debt() -> None:
    distribution = split((A, 1), (B, 1)).distribute(500)
    assert distribution.outputs == (TxOut(500, OPERATOR),)
    assert [due.unpaid_sat for due in distribution.dues] == [250, 250]


@given(st.binary(min_size=1, max_size=60) | SCRIPTS)
@example(bytes.fromhex("60022222"))
@example(bytes.fromhex("51024e73"))
@example(b"\x51\x28" + bytes(40))
@example(b"\x51\x29" + bytes(41))
def test_the_discount_is_for_witness_programmes_as_python_bitcoinlib_knows_them(
    script: bytes,
) -> None:
    spending_size = 67 if CScript(script).is_witness_scriptpubkey() else 148
    assert dust_limit_sat(script) == 3 * (8 + 1 + len(script) + spending_size)


# --- room ----------------------------------------------------------------------------------


def test_where_the_room_is_short_the_largest_amounts_are_paid() -> None:
    plan = split((A, 10_000), (B, 40_000), (C, 20_000), (D, 30_000))
    distribution = plan.distribute(100_000, output_size(OPERATOR) + 2 * output_size(A))
    assert distribution.outputs == (TxOut(30_000, OPERATOR), TxOut(40_000, B), TxOut(30_000, D))
    assert [due.unpaid_sat for due in distribution.dues] == [10_000, 0, 20_000, 0]
    assert distribution.unpaid_sat == 30_000


def test_of_equal_amounts_the_first_of_the_plan_are_paid() -> None:
    plan = split((C, 1), (A, 1), (B, 1), fee=100)
    distribution = plan.distribute(90_000, output_size(OPERATOR) + 2 * output_size(A))
    assert [output.script_pubkey for output in distribution.outputs] == [OPERATOR, C, A]


def test_one_that_does_not_fit_does_not_keep_out_a_smaller_one() -> None:
    plan = split((A, 3), (p2tr(1), 2), (B, 1), fee=5_000)
    distribution = plan.distribute(120_000, output_size(OPERATOR) + 2 * output_size(A))
    assert distribution.outputs == (TxOut(80_000, OPERATOR), TxOut(30_000, A), TxOut(10_000, B))


def test_each_output_takes_the_room_of_its_own_script() -> None:
    plan = split((p2tr(1), 3), (p2tr(2), 2), (p2tr(3), 1), fee=5_000)
    distribution = plan.distribute(120_000, output_size(OPERATOR) + 3 * output_size(p2tr(1)) - 1)
    assert [due.unpaid_sat for due in distribution.dues] == [0, 0, 10_000]


def test_no_room_is_kept_for_an_operator_who_gets_nothing() -> None:
    plan = split((A, 1), (B, 1))
    exact = 2 * output_size(A)
    assert plan.distribute(SUBSIDY, exact).unpaid_sat == 0
    assert plan.distribute(SUBSIDY, exact - 1).outputs == (TxOut(SUBSIDY, OPERATOR),)


def test_room_for_the_operator_alone_makes_debts_of_all() -> None:
    distribution = split((A, 1), (B, 1), fee=100).distribute(SUBSIDY, output_size(OPERATOR))
    assert distribution.outputs == (TxOut(SUBSIDY, OPERATOR),)
    assert distribution.unpaid_sat == SUBSIDY - distribution.fee_sat


def test_a_payee_with_the_operators_script_always_has_room() -> None:
    distribution = split((A, 9), (OPERATOR, 1)).distribute(SUBSIDY, output_size(OPERATOR))
    assert distribution.dues[1].unpaid_sat == 0
    assert distribution.unpaid_sat == distribution.dues[0].due_sat


@given(plans(), VALUES, st.integers(43, 1_000) | st.integers(43, 150))
def test_what_is_paid_fits_and_what_is_not_had_no_room(
    plan: PayoutPlan, value_sat: int, max_outputs_bytes: int
) -> None:
    distribution = plan.distribute(value_sat, max_outputs_bytes)
    check_books(plan, value_sat, distribution)
    assert total_size(distribution.outputs) <= max_outputs_bytes
    unlimited = plan.distribute(value_sat)
    assert distribution.dues == unlimited.dues or distribution.unpaid_sat > 0
    assert [s.due_sat for s in distribution.dues] == [s.due_sat for s in unlimited.dues]
    paid = {output.script_pubkey: output for output in distribution.outputs}
    for left_out in unlimited.outputs:
        script = left_out.script_pubkey
        if script in paid:
            continue
        before = tuple(
            output
            for output in distribution.outputs
            if output.script_pubkey == OPERATOR or output.value_sat >= left_out.value_sat
        )
        assert total_size(before) + output_size(script) > max_outputs_bytes


# --- debts ---------------------------------------------------------------------------------

ROOM_FOR_TWO = output_size(OPERATOR) + 2 * output_size(A)


def indebted(*payees: tuple[bytes, int, int], fee: int = 0) -> PayoutPlan:
    """A plan whose payees (script, weight, owed) are labelled a, b, c, ..."""
    return PayoutPlan(
        OPERATOR,
        fee,
        tuple(Payee(chr(ord("a") + n), *payee) for n, payee in enumerate(payees)),
    )


def test_a_debt_is_paid_with_what_is_due_out_of_the_operators_fee() -> None:
    distribution = indebted((A, 1, 300), (B, 1, 0), fee=100).distribute(100_000)
    assert distribution.outputs == (TxOut(700, OPERATOR), TxOut(49_800, A), TxOut(49_500, B))
    assert distribution.dues == (Due("a", 49_500, -300), Due("b", 49_500, 0))
    assert (distribution.fee_sat, distribution.unpaid_sat) == (1_000, -300)


def test_those_with_a_debt_are_paid_before_larger_amounts_without_one() -> None:
    plan = indebted((A, 5, 0), (B, 1, 0), (C, 2, 1), (D, 1, 20_000), fee=5_000)
    distribution = plan.distribute(180_000, ROOM_FOR_TWO)
    assert [out.script_pubkey for out in distribution.outputs] == [OPERATOR, C, D]
    assert [due.unpaid_sat for due in distribution.dues] == [50_000, 10_000, -1, -20_000]


def test_the_last_one_is_paid_what_is_left_of_the_value() -> None:
    distribution = indebted((A, 1, 30_000), (B, 1, 0), (C, 2, 0)).distribute(100_000)
    # C's 50,000 are the larger of those without a debt; B gets what 55,000 and they leave not.
    assert distribution.outputs == (TxOut(55_000, A), TxOut(45_000, C))
    assert [due.unpaid_sat for due in distribution.dues] == [-30_000, 25_000, 5_000]


def test_no_rest_that_is_dust_is_paid() -> None:
    distribution = indebted((A, 1, 49_800), (B, 1, 0)).distribute(100_000)
    assert distribution.outputs == (TxOut(200, OPERATOR), TxOut(99_800, A))
    assert [due.unpaid_sat for due in distribution.dues] == [-49_800, 50_000]


def test_the_operators_room_is_free_where_debts_take_all_of_the_value() -> None:
    plan = indebted((A, 1, 50_000), (B, 1, 50_000), fee=500)
    distribution = plan.distribute(80_000, output_size(OPERATOR))  # 43: as good as one of 31
    assert distribution.outputs == (TxOut(80_000, A),)
    assert [due.unpaid_sat for due in distribution.dues] == [-42_000, 38_000]
    assert (distribution.fee_sat, distribution.unpaid_sat) == (4_000, -4_000)


def test_a_debt_is_paid_to_one_who_has_no_weight_any_more() -> None:
    distribution = indebted((A, 1, 0), (B, 0, 5_000), fee=1_000).distribute(100_000)
    assert distribution.outputs == (TxOut(5_000, OPERATOR), TxOut(90_000, A), TxOut(5_000, B))
    assert distribution.dues == (Due("a", 90_000, 0), Due("b", 0, -5_000))


def test_where_nobody_has_a_weight_all_is_the_operators_but_for_debts() -> None:
    distribution = indebted((A, 0, 5_000), fee=100).distribute(100_000)
    assert distribution.outputs == (TxOut(95_000, OPERATOR), TxOut(5_000, A))
    assert (distribution.fee_sat, distribution.dues) == (100_000, (Due("a", 0, -5_000),))


def test_one_who_was_paid_too_much_gets_so_much_less() -> None:
    distribution = indebted((A, 1, -20_000), (B, 1, 0)).distribute(100_000)
    assert distribution.outputs == (TxOut(20_000, OPERATOR), TxOut(30_000, A), TxOut(50_000, B))
    assert distribution.dues == (Due("a", 50_000, 20_000), Due("b", 50_000, 0))


def test_one_who_was_paid_more_than_is_due_gets_nothing() -> None:
    distribution = indebted((A, 1, -70_000), (B, 1, 0)).distribute(100_000)
    assert distribution.outputs == (TxOut(50_000, OPERATOR), TxOut(50_000, B))
    assert distribution.dues[0] == Due("a", 50_000, 50_000)


def test_of_a_script_that_is_paid_a_part_debts_come_first() -> None:
    plan = indebted((A, 1, 0), (A, 0, 60_000), (B, 1, 70_000))
    distribution = plan.distribute(140_000, ROOM_FOR_TWO)
    assert distribution.outputs == (TxOut(140_000, B),)
    given = [due.due_sat - due.unpaid_sat for due in distribution.dues]
    assert given == [0, 0, 140_000]
    wider = plan.distribute(160_000, ROOM_FOR_TWO)  # A's claim of 140,000 is below B's of 150,000
    assert [due.due_sat - due.unpaid_sat for due in wider.dues] == [0, 10_000, 150_000]


def test_what_is_owed_to_the_operators_own_script_is_settled_as_it_is() -> None:
    distribution = indebted((OPERATOR, 1, 70_000), (A, 1, 0)).distribute(100_000)
    assert distribution.outputs == (TxOut(50_000, OPERATOR), TxOut(50_000, A))
    assert distribution.dues == (Due("a", 50_000, -70_000), Due("b", 50_000, 0))


def test_without_debts_nobody_is_paid_more_than_is_due() -> None:
    plan = indebted((A, 1, 20_000), (B, 1, -20_000), (C, 0, 7_000))
    calm = plan.without_debts()
    assert calm == indebted((A, 1, 0), (B, 1, -20_000))
    assert calm.without_debts() is calm
    assert all(due.unpaid_sat >= 0 for due in calm.distribute(SUBSIDY).dues)


@st.composite
def indebted_plans(draw: st.DrawFn) -> PayoutPlan:
    owed = st.integers(0, 10**9) | st.integers(-(10**6), 10**6) | st.just(0)
    rows = draw(st.lists(st.tuples(SCRIPTS, WEIGHTS | st.just(0), owed), max_size=40))
    payees = (
        Payee(f"p{n}", script, weight, owed_sat)
        for n, (script, weight, owed_sat) in enumerate(rows)
        if weight or owed_sat > 0
    )
    return PayoutPlan(OPERATOR, draw(FEES), tuple(payees))


@given(indebted_plans(), VALUES, st.integers(43, 1_000) | st.integers(43, 150) | st.none())
def test_with_debts_every_output_and_debt_adds_up_to_the_satoshi(
    plan: PayoutPlan, value_sat: int, max_outputs_bytes: int | None
) -> None:
    distribution = plan.distribute(value_sat, max_outputs_bytes)
    outputs, dues = distribution.outputs, distribution.dues
    assert sum(output.value_sat for output in outputs) == value_sat
    if max_outputs_bytes is not None:
        assert total_size(outputs) <= max_outputs_bytes
    if plan.payees:
        assert distribution.fee_sat + sum(due.due_sat for due in dues) == value_sat
    claims: Counter[bytes] = Counter()
    given_sat: Counter[bytes] = Counter()
    for payee, due in zip(plan.payees, dues, strict=True):
        claim_sat = max(0, due.due_sat + payee.owed_sat)
        assert 0 <= due.due_sat - due.unpaid_sat <= claim_sat
        claims[payee.script_pubkey] += claim_sat
        given_sat[payee.script_pubkey] += due.due_sat - due.unpaid_sat
    scripts = [output.script_pubkey for output in outputs]
    order = list(dict.fromkeys(payee.script_pubkey for payee in plan.payees))
    assert len(set(scripts)) == len(scripts) >= 1
    paid = [script for script in scripts if script != OPERATOR]
    assert paid == [script for script in order if script in set(paid)]
    assert scripts.index(OPERATOR) == 0 if OPERATOR in scripts else True
    partial = 0
    for output in outputs:
        if output.script_pubkey != OPERATOR:
            assert dust_limit_sat(output.script_pubkey) <= output.value_sat
            assert output.value_sat == given_sat[output.script_pubkey]
            partial += output.value_sat < claims[output.script_pubkey]
    assert partial <= 1
    if partial:
        assert OPERATOR not in scripts


@given(indebted_plans(), VALUES, st.lists(st.integers(43, 1_000), min_size=1, max_size=4))
def test_what_a_block_is_worth_is_shared_out_once_for_any_number_of_rooms(
    plan: PayoutPlan, value_sat: int, rooms: list[int]
) -> None:
    sharing = Payer(plan).share_out(value_sat)
    for room in rooms:
        assert sharing.allot(room).distribution == plan.distribute(value_sat, room)


@settings(max_examples=15, deadline=None)  # each is hundreds of blocks
@given(
    st.lists(st.integers(1, 1_000), min_size=1, max_size=25),
    st.lists(st.sampled_from([74, 105, 150, 400]), min_size=1, max_size=7),
    st.sampled_from([0, 100]),
    st.randoms(use_true_random=False),
)
def test_in_a_long_row_of_blocks_no_debt_grows_for_ever(
    weights: list[int], rooms: list[int], fee: int, random: Random
) -> None:
    """Whatever room the finders have: what was paid and what is owed are together what was due."""
    value_sat, count = 1_000_000, len(weights)
    owed, paid, due_sum = [0] * count, [0] * count, [0] * count
    bound = value_sat * (count + 2)
    for _ in range(300):
        payees = tuple(Payee(f"p{n}", p2wpkh(n + 1), weights[n], owed[n]) for n in range(count))
        worth_sat = value_sat + random.randrange(-10_000, 10_000)
        dues = PayoutPlan(OPERATOR, fee, payees).distribute(worth_sat, random.choice(rooms)).dues
        for n, due in enumerate(dues):
            due_sum[n] += due.due_sat
            paid[n] += due.due_sat - due.unpaid_sat
            owed[n] += due.unpaid_sat
        assert [p + o for p, o in zip(paid, owed, strict=True)] == due_sum
        assert min(owed) >= 0
        assert sum(owed) <= bound


# --- what is refused -----------------------------------------------------------------------


@pytest.mark.parametrize("value_sat", [-1, MAX_MONEY_SAT + 1])
def test_a_value_out_of_range_is_refused(value_sat: int) -> None:
    with pytest.raises(ValueError, match=f"a block of {value_sat} sat is out of range"):
        PayoutPlan(OPERATOR).distribute(value_sat)


@pytest.mark.parametrize("fee", [-1, 10_001])
def test_a_fee_out_of_range_is_refused(fee: int) -> None:
    with pytest.raises(ValueError, match=rf"0\.\.10000 basis points, is {fee}"):
        PayoutPlan(OPERATOR, fee)


@pytest.mark.parametrize(("weight", "owed_sat"), [(0, 0), (0, -1), (-1, 0), (-1, 5)])
def test_a_weight_that_is_not_above_0_is_refused_but_for_a_debt(weight: int, owed_sat: int) -> None:
    with pytest.raises(ValueError, match=f"the weight of 'north' must be above 0, is {weight}"):
        Payee("north", A, weight, owed_sat)


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (b"", "is empty"),
        (bytes.fromhex("6a0474657374"), "is unspendable"),
        (bytes(10_001), "is unspendable"),
    ],
    ids=["empty", "OP_RETURN", "too long"],
)
def test_a_script_that_loses_the_coins_is_refused(script: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=f"the script of 'north' {reason}"):
        Payee("north", script, 1)
    with pytest.raises(ValueError, match=f"the script of the operator {reason}"):
        PayoutPlan(script)


@pytest.mark.parametrize("fee", [0, 100])
@pytest.mark.parametrize("max_outputs_bytes", [-1, 0, 42])
def test_room_below_the_operators_output_is_refused_whatever_the_block(
    fee: int, max_outputs_bytes: int
) -> None:
    with pytest.raises(ValueError, match=f"{max_outputs_bytes} bytes have no room .* of 43"):
        split((A, 1), fee=fee).distribute(SUBSIDY, max_outputs_bytes)
