"""A restored job judges every share as the one that was sent did."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from poolserver.mining.job import Job
from poolserver.mining.job_state import JobState, restored, state_of
from poolserver.mining.payout import Payee, PayoutPlan
from tests.unit.solving import CURTIME, P2WPKH, make_pool, template


def there_and_back(job: Job) -> Job:
    sent = msgspec.msgpack.encode(state_of(job))
    return restored(msgspec.msgpack.decode(sent, type=JobState), job.template)


def payee(number: int) -> Payee:
    return Payee(f"site-{number}", b"\x00\x14" + bytes([number]) * 20, 1 + number, number % 3)


@given(
    payees=st.integers(0, 120),
    share=st.tuples(st.binary(min_size=8, max_size=8), st.integers(0, 2**32 - 1)),
    target_bits=st.integers(0, 256),
)
def test_it_has_the_same_lines_and_the_same_verdicts(
    payees: int, share: tuple[bytes, int], target_bits: int
) -> None:
    plan = PayoutPlan(P2WPKH, 100, tuple(payee(number) for number in range(payees)))
    job = make_pool(plan).on_template(template(), 0.0, CURTIME)
    back = there_and_back(job)
    extranonce2, nonce = share
    target_le = ((1 << target_bits) - 1 or 1).to_bytes(33, "little")[:32]
    for ours, theirs in zip(job.variants, back.variants, strict=True):
        assert (theirs.notify_clean, theirs.notify_refresh) == (
            ours.notify_clean,
            ours.notify_refresh,
        )
        assert theirs.distribution == ours.distribution
        arguments = (bytes(4) + extranonce2, job.version, CURTIME, nonce, target_le)
        assert theirs.hasher.check(*arguments) == ours.hasher.check(*arguments)
        block = (bytes(4) + extranonce2, job.version, CURTIME, nonce)
        assert back.block_hex(theirs, *block) == job.block_hex(ours, *block)


def test_all_else_is_as_it_was_and_variants_that_were_one_are_one() -> None:
    plan = PayoutPlan(P2WPKH, 100, tuple(payee(number) for number in range(200)))
    job = make_pool(plan).on_template(template(), 0.0, CURTIME)
    back = there_and_back(job)
    for name in ("number", "job_id", "version", "ntime_min", "ntime_max", "network_target"):
        assert getattr(back, name) == getattr(job, name)
    assert back.template is job.template
    assert len(set(back.variants)) == len(set(job.variants)) > 1
    firsts = [job.variants.index(each) for each in job.variants]
    assert [back.variants.index(each) for each in back.variants] == firsts
