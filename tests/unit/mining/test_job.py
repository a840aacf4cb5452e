"""Jobs: one template, a coinbase for each size that firmware can take."""

import json

import pytest
from bitcoin.core import CTransaction
from hypothesis import given, settings
from hypothesis import strategies as st

from poolserver.mining.firmware import builtin_firmware
from poolserver.mining.identity import WorkerIdentity
from poolserver.mining.job import CoinbaseClasses, Job, JobFactory, JobTerms, JobVariant
from poolserver.mining.payout import Payee, PayoutPlan
from poolserver.mining.template import BlockTemplate
from tests.unit.solving import CURTIME, MASK, P2WPKH, template

IDENTITY = WorkerIdentity("pool-1", 0, 1_763_942_400)
SIZES = {500, 750, 2_250, 6_500, 16_000}
MANY = tuple(
    Payee(f"site-{n}", bytes.fromhex("5120") + n.to_bytes(32, "big"), n + 1) for n in range(600)
)


def make(
    plan: PayoutPlan,
    sizes: set[int] | None = None,
    extranonce2_size: int = 8,
    on: BlockTemplate | None = None,
) -> Job:
    terms = JobTerms(b"/test/", extranonce2_size, MASK)
    factory = JobFactory(IDENTITY, terms, CoinbaseClasses(sizes or SIZES), plan)
    return factory.make(on or template(), CURTIME)


def coinbase_of(variant: JobVariant, extranonce_size: int = 12) -> bytes:
    return variant.coinbase.transaction(bytes(extranonce_size))


def test_the_firmware_table_has_the_sizes_that_are_known() -> None:
    assert builtin_firmware().coinbase_sizes == SIZES


@pytest.mark.parametrize(
    ("coinbase_bytes", "index"),
    [(100, 0), (500, 0), (749, 0), (750, 1), (2_250, 2), (15_999, 3), (16_000, 4), (10**6, 4)],
)
def test_a_rig_is_in_the_largest_class_that_it_can_take(coinbase_bytes: int, index: int) -> None:
    assert CoinbaseClasses(SIZES).index(coinbase_bytes) == index


def test_a_coinbase_that_fits_all_is_made_once() -> None:
    job = make(PayoutPlan(P2WPKH))
    assert len(job.variants) == len(SIZES)
    assert len({id(variant) for variant in job.variants}) == 1


def test_each_class_pays_as_many_as_fit_and_owes_the_rest() -> None:
    job = make(PayoutPlan(P2WPKH, 100, MANY))
    sizes = sorted(SIZES)
    assert len({id(variant) for variant in job.variants}) == len(SIZES)
    for size, variant in zip(sizes, job.variants, strict=True):
        transaction = CTransaction.deserialize(coinbase_of(variant))
        assert size - 43 - 3 < len(coinbase_of(variant)) <= size
        paid = [(out.nValue, bytes(out.scriptPubKey)) for out in transaction.vout[:-1]]
        assert paid == [(out.value_sat, out.script_pubkey) for out in variant.distribution.outputs]
        assert sum(value for value, _ in paid) == job.template.coinbase_value_sat
        assert paid[0] == (variant.distribution.fee_sat + variant.distribution.unpaid_sat, P2WPKH)
    unpaid = [variant.distribution.unpaid_sat for variant in job.variants]
    assert unpaid == sorted(unpaid, reverse=True)


def test_the_largest_amounts_are_paid_first() -> None:
    small = make(PayoutPlan(P2WPKH, 100, MANY)).variants[0]
    paid = [due.label for due in small.distribution.dues if not due.unpaid_sat]
    assert paid == [f"site-{n}" for n in range(600 - len(paid), 600)]


def test_a_class_too_small_for_anything_still_pays_the_operator() -> None:
    job = make(PayoutPlan(P2WPKH, 0, MANY), {50, 750})
    assert [out.script_pubkey for out in job.variants[0].distribution.outputs] == [P2WPKH]


def test_variants_differ_in_their_coinbase_alone() -> None:
    job = make(PayoutPlan(P2WPKH, 100, MANY))
    lines = [json.loads(variant.notify_clean)["params"] for variant in job.variants]
    for line, variant in zip(lines, job.variants, strict=True):
        assert line[2] == variant.coinbase.coinb1.hex()
        assert line[3] == variant.coinbase.coinb2.hex()
        assert (line[:2], line[4:]) == (lines[0][:2], lines[0][4:])
        assert json.loads(variant.notify_refresh)["params"][8] is False


@settings(max_examples=60, deadline=None)
@given(
    height=st.integers(1, 0x7FFFFFFF) | st.integers(1, 20),
    value_sat=st.integers(0, 21_000_000 * 100_000_000),
    payees=st.lists(
        st.builds(
            Payee,
            st.just("a"),
            st.integers(0, 2**64).map(lambda n: bytes.fromhex("0014") + n.to_bytes(20, "big")),
            st.integers(1, 10**12),
        ),
        max_size=400,
    ),
    fee=st.integers(0, 10_000),
    extranonce2_size=st.integers(2, 16),
    commitment=st.sampled_from([None, bytes.fromhex("6a24aa21a9ed") + bytes(32)]),
)
def test_every_class_has_a_valid_coinbase_whatever_is_paid(
    height: int,
    value_sat: int,
    payees: list[Payee],
    fee: int,
    extranonce2_size: int,
    commitment: bytes | None,
) -> None:
    base = template()
    on = BlockTemplate(
        **{
            **{name: getattr(base, name) for name in base.__struct_fields__},
            "height": height,
            "coinbase_value_sat": value_sat,
            "witness_commitment": commitment,
        }
    )
    job = make(PayoutPlan(P2WPKH, fee, tuple(payees)), None, extranonce2_size, on)
    for size, variant in zip(sorted(SIZES), job.variants, strict=True):
        raw = coinbase_of(variant, 4 + extranonce2_size)
        assert len(raw) <= size
        transaction = CTransaction.deserialize(raw)
        assert 2 <= len(transaction.vin[0].scriptSig) <= 100
        assert transaction.nLockTime == height - 1
        assert transaction.vin[0].nSequence == 0xFFFFFFFE
        assert sum(out.nValue for out in transaction.vout) == value_sat
        assert len(transaction.vout) == len(variant.distribution.outputs) + (commitment is not None)


@pytest.mark.parametrize("payees", [0, 1, 9, 600])
def test_the_reserve_holds_whatever_coinbase_is_made(payees: int) -> None:
    plan = PayoutPlan(P2WPKH, 100, MANY[:payees])
    factory = JobFactory(IDENTITY, JobTerms(b"/test/", 8, MASK), CoinbaseClasses(SIZES), plan)
    reserve = factory.reserve()
    job = factory.make(template(height=0x7FFFFFFF), CURTIME)
    largest = max(variant.coinbase.size for variant in job.variants)
    assert largest <= reserve.base_size <= min(max(largest + 50, 250), 16_000)


@pytest.mark.parametrize("payees", [0, 3, 600])
def test_where_the_payees_are_not_known_the_reserve_is_for_the_largest_class(payees: int) -> None:
    old = bytes.fromhex("76a914") + bytes(20) + bytes.fromhex("88ac")
    plan = PayoutPlan(old, 100, MANY[:payees])
    terms = JobTerms(b"/test/", 8, MASK)
    factory = JobFactory(IDENTITY, terms, CoinbaseClasses(SIZES), plan, reserve_whole=True)
    reserve = factory.reserve()
    assert reserve.base_size == 16_000
    crowd = tuple(
        Payee(f"{n}", old[:3] + n.to_bytes(20, "big") + old[-2:], 1) for n in range(1, 600)
    )
    factory.plan = PayoutPlan(old, 100, crowd)
    outputs = factory.make(template(), CURTIME).variants[-1].allotment.outputs
    assert 4 * len(outputs) <= reserve.sigops_cost <= 4 * len(outputs) + 8
    assert factory.reserve() == reserve


def test_a_fresh_job_on_a_template_shares_what_was_worked_out() -> None:
    terms = JobTerms(b"/test/", 8, MASK)
    factory = JobFactory(IDENTITY, terms, CoinbaseClasses(SIZES), PayoutPlan(P2WPKH, 100, MANY))
    first, second = (factory.make(template(), CURTIME) for _ in range(2))
    assert first.variants[0].allotment.outputs == second.variants[0].allotment.outputs
    factory.plan = PayoutPlan(P2WPKH, 200, MANY)
    assert factory.make(template(), CURTIME).variants[0].distribution.fee_sat == 100_000_000


def test_the_reserve_counts_the_sigops_of_old_outputs() -> None:
    p2pkh = bytes.fromhex("76a914" + "11" * 20 + "88ac")
    plan = PayoutPlan(P2WPKH, 100, (Payee("a", p2pkh, 1), *MANY[:3]))
    factory = JobFactory(IDENTITY, JobTerms(b"/test/", 8, MASK), CoinbaseClasses(SIZES), plan)
    assert factory.reserve().sigops_cost == 4
