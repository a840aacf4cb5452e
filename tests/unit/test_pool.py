"""The judgement of shares, rule by rule. No socket, no clock."""

import secrets

import pytest
from bitcoin.core import CBlock

from poolserver.bitcoin.target import Difficulty
from poolserver.mining.job import NTIME_ROLL_MAX_S
from poolserver.mining.payout import Payee, PayoutPlan
from poolserver.mining.share import ShareOutcome
from tests.unit.solving import (
    CURTIME,
    EASY,
    MASK,
    P2WPKH,
    REGTEST_NBITS,
    Rig,
    authorize,
    make_pool,
    template,
    vardiff_terms,
)


def start(  # type: ignore[no-untyped-def]
    nbits: int = 0x17034219, difficulty: float = EASY, payout: PayoutPlan | None = None
):
    """A pool with a job out to one rig."""
    pool = make_pool(payout, cap_at_network_difficulty=False)
    rig = Rig.connect(pool, difficulty)
    rig.miner.version_mask = MASK
    job = pool.on_template(template(nbits=nbits), 0.0, CURTIME)
    pool.issue(rig.miner, job)
    return pool, rig, job


def test_a_share_that_meets_its_target_is_accepted_and_credited_with_its_work() -> None:
    pool, rig, job = start()
    judgement = pool.judge.submit_share(rig.miner, rig.solve(job), 1.0)
    assert judgement.outcome is ShareOutcome.ACCEPTED
    assert judgement.proven
    assert judgement.work == Difficulty.of(EASY).work == 4
    assert judgement.block is None


def test_the_same_share_twice_is_a_duplicate_and_proves_nothing() -> None:
    pool, rig, job = start()
    share = rig.solve(job)
    pool.judge.submit_share(rig.miner, share, 1.0)
    again = pool.judge.submit_share(rig.miner, share, 2.0)
    assert (again.outcome, again.proven, again.work) == (ShareOutcome.DUPLICATE, False, 0)


def test_version_bits_make_another_header_and_so_another_share() -> None:
    pool, rig, job = start()
    for bits in (0, 0x2000, MASK):
        share = rig.solve(job, version_bits=bits)
        assert pool.judge.submit_share(rig.miner, share, 1.0).outcome is ShareOutcome.ACCEPTED


def test_the_pools_mask_bits_are_cleared_in_the_jobs_version() -> None:
    _, _, job = start()
    assert job.version == 0x20000000  # the template's 0x2000 lies in the mask


def test_version_bits_outside_the_mask_are_refused_but_prove_work() -> None:
    pool, rig, job = start()
    share = rig.solve(job, version_bits=1)
    judgement = pool.judge.submit_share(rig.miner, share, 1.0)
    assert judgement.outcome is ShareOutcome.VERSION_OUTSIDE_MASK
    assert judgement.proven


def test_a_share_above_its_target_is_low_difficulty() -> None:
    pool, rig, job = start()
    share = rig.solve(job, meets=2.0**-32, misses=EASY)
    judgement = pool.judge.submit_share(rig.miner, share, 1.0)
    assert (judgement.outcome, judgement.work) == (ShareOutcome.LOW_DIFFICULTY, 0)


@pytest.mark.parametrize("ntime", [CURTIME - 601, CURTIME + NTIME_ROLL_MAX_S + 1])
def test_an_ntime_out_of_range_is_refused_but_proves_work(ntime: int) -> None:
    pool, rig, job = start()
    judgement = pool.judge.submit_share(rig.miner, rig.solve(job, ntime=ntime), 1.0)
    assert judgement.outcome is ShareOutcome.NTIME_OUT_OF_RANGE
    assert judgement.proven


@pytest.mark.parametrize("ntime", [CURTIME - 600, CURTIME + NTIME_ROLL_MAX_S])
def test_ntime_may_be_rolled_from_mintime_to_7000_seconds_ahead(ntime: int) -> None:
    pool, rig, job = start()
    judgement = pool.judge.submit_share(rig.miner, rig.solve(job, ntime=ntime), 1.0)
    assert judgement.outcome is ShareOutcome.ACCEPTED


def test_a_share_of_a_job_that_never_was_is_not_found() -> None:
    pool, rig, job = start()
    share = rig.solve(job)._replace(job_id="feedface")
    assert pool.judge.submit_share(rig.miner, share, 1.0).outcome is ShareOutcome.JOB_NOT_FOUND


def test_a_share_before_the_connections_first_job_is_not_found() -> None:
    pool, rig, job = start()
    share = rig.solve(job)
    early = Rig.connect(pool, EASY, "demo.early")
    judgement = pool.judge.submit_share(early.miner, share._replace(worker_name="demo.early"), 1.0)
    assert judgement.outcome is ShareOutcome.JOB_NOT_FOUND


def test_a_connection_has_so_many_workers_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("poolserver.pool.MAX_WORKERS", 3)
    pool = make_pool()
    miner = pool.connect(vardiff_terms(), 0.0)
    taken = [authorize(pool, miner, f"demo.{n}") for n in range(4)]
    assert [worker is not None for worker in taken] == [True, True, True, False]
    assert authorize(pool, miner, "demo.0") is not None


def test_a_share_of_an_unknown_worker_is_unauthorized() -> None:
    pool, rig, job = start()
    share = rig.solve(job)._replace(worker_name="somebody")
    judgement = pool.judge.submit_share(rig.miner, share, 1.0)
    assert (judgement.outcome, judgement.work) == (ShareOutcome.UNAUTHORIZED, 0)
    # It is not held against the rig that it was sent too early.
    accepted = pool.judge.submit_share(rig.miner, share._replace(worker_name=rig.name), 1.0)
    assert accepted.outcome is ShareOutcome.ACCEPTED


def test_a_share_on_the_old_tip_is_answered_stale_and_proves_work() -> None:
    pool, rig, job = start()
    share = rig.solve(job)
    pool.on_template(template(height=102, tip=2), 1.0, CURTIME)
    judgement = pool.judge.submit_share(rig.miner, share, 2.0)
    assert (judgement.outcome, judgement.proven) == (ShareOutcome.STALE, True)
    assert not pool.judge.submit_share(rig.miner, share, 3.0).proven


def test_after_a_reorganisation_and_back_no_share_counts_twice() -> None:
    pool, rig, job = start()
    share = rig.solve(job)
    pool.judge.submit_share(rig.miner, share, 1.0)
    pool.on_template(template(tip=2), 2.0, CURTIME)
    pool.on_template(template(tip=1), 3.0, CURTIME)
    assert pool.judge.submit_share(rig.miner, share, 4.0).outcome is ShareOutcome.DUPLICATE


def test_jobs_of_one_template_have_no_header_in_common() -> None:
    pool, rig, job = start()
    later = pool.on_template(template(), 1.0, CURTIME)
    hashes = {
        j.variants[0].hasher.check(
            rig.miner.extranonce1 + bytes(8), j.version, CURTIME, 0, bytes(32)
        )[0]
        for j in (job, later)
    }
    assert len(hashes) == 2
    assert job.job_id != later.job_id


def test_a_job_lives_on_for_its_time_and_no_longer() -> None:
    pool, rig, job = start()
    share = rig.solve(job)
    pool.on_template(template(), 599.0, CURTIME)
    assert pool.judge.submit_share(rig.miner, share, 599.0).outcome is ShareOutcome.ACCEPTED
    pool.on_template(template(), 600.0, CURTIME)
    assert pool.judge.submit_share(rig.miner, share, 600.0).outcome is ShareOutcome.JOB_NOT_FOUND


# --- difficulty changes ------------------------------------------------------------------------


def change_difficulty(pool, rig, to: float):  # type: ignore[no-untyped-def]
    """Tell the rig a new difficulty, with a job of its own as the session does."""
    rig.miner.vardiff.difficulty = to
    job = pool.next_job(rig.miner, 10.0, CURTIME)
    assert pool.issue(rig.miner, job) == to
    return job


def test_after_a_raise_older_jobs_are_judged_and_credited_by_their_own_difficulty() -> None:
    pool, rig, job = start()
    harder = change_difficulty(pool, rig, EASY * 64)
    share = rig.solve(job, meets=EASY, misses=EASY * 64)
    judgement = pool.judge.submit_share(rig.miner, share, 11.0)
    assert (judgement.outcome, judgement.work) == (ShareOutcome.ACCEPTED, Difficulty.of(EASY).work)
    low = rig.solve(harder, meets=EASY, misses=EASY * 64)
    assert pool.judge.submit_share(rig.miner, low, 12.0).outcome is ShareOutcome.LOW_DIFFICULTY


def test_after_a_lowering_older_jobs_are_credited_at_their_own_higher_difficulty() -> None:
    pool, rig, job = start(difficulty=EASY * 64)
    change_difficulty(pool, rig, EASY)
    judgement = pool.judge.submit_share(rig.miner, rig.solve(job, meets=EASY * 64), 11.0)
    assert judgement.work == Difficulty.of(EASY * 64).work


def test_a_rig_that_applies_a_lowered_difficulty_to_older_jobs_is_met_there() -> None:
    pool, rig, job = start(difficulty=EASY * 64)
    change_difficulty(pool, rig, EASY)
    low = rig.solve(job, meets=EASY, misses=EASY * 64)
    judgement = pool.judge.submit_share(rig.miner, low, 11.0)
    assert (judgement.outcome, judgement.work) == (ShareOutcome.ACCEPTED, Difficulty.of(EASY).work)
    # From then on all its shares on older jobs are judged and credited so: no credit is doubled.
    high = rig.solve(job, meets=EASY * 64, extranonce2=b"\x01" * 8)
    assert pool.judge.submit_share(rig.miner, high, 12.0).work == Difficulty.of(EASY).work


def test_the_same_work_is_never_sent_twice_and_fresh_jobs_are_shared() -> None:
    pool, rig, job = start()
    other = Rig.connect(pool, EASY, "demo.other")
    pool.issue(other.miner, job)
    fresh = pool.next_job(rig.miner, 1.0, CURTIME)
    assert fresh is not job
    pool.issue(rig.miner, fresh)
    assert pool.next_job(other.miner, 1.0, CURTIME) is fresh


def test_the_difficulty_never_goes_above_the_networks() -> None:
    pool = make_pool()
    pool.on_template(template(nbits=REGTEST_NBITS), 0.0, CURTIME)
    rig = Rig.connect(pool, 65536.0)
    assert pool.issue(rig.miner, pool.jobs.current) < 1e-9  # type: ignore[arg-type,operator]


def test_a_returning_worker_starts_at_its_last_known_rate() -> None:
    pool = make_pool()
    first = Rig.connect(pool, 1.0)
    for n in range(600):
        first.miner.vardiff.on_share(1.0, n * 0.01)
    pool.disconnect(first.miner, 6.0)
    again = pool.connect(vardiff_terms(1.0), 7.0)
    authorize(pool, again)
    assert again.vardiff.difficulty >= 256


# --- blocks ------------------------------------------------------------------------------------


def solve_block(rig: Rig, job, **kwargs):  # type: ignore[no-untyped-def]
    """A share that is a block, at regtest's difficulty."""
    return rig.solve(job, meets=2.0**-31, **kwargs)


def test_a_block_is_handed_out_whole() -> None:
    pool, rig, job = start(nbits=REGTEST_NBITS)
    block = pool.judge.submit_share(rig.miner, solve_block(rig, job), 1.0).block
    assert block is not None
    # The template's branch stands for transactions that are not there, so only the shape is right.
    parsed = CBlock.deserialize(bytes.fromhex(block.block_hex))
    assert parsed.GetHash()[::-1].hex() == block.hash_hex
    assert parsed.vtx[0].vout[0].nValue == 5_000_000_000
    assert parsed.vtx[0].nLockTime == block.height - 1 == 100


@pytest.mark.parametrize(
    "wrong",
    [
        {"version_bits": 1},
        {"ntime": CURTIME - 10_000},
        {"ntime": CURTIME + 10_000},
    ],
)
def test_a_block_is_a_block_whatever_else_is_wrong_with_it(wrong: dict[str, int]) -> None:
    pool, rig, job = start(nbits=REGTEST_NBITS)
    assert pool.judge.submit_share(rig.miner, solve_block(rig, job, **wrong), 1.0).block is not None


def test_a_block_is_a_block_from_an_unauthorized_worker_and_below_the_share_target() -> None:
    pool, rig, job = start(nbits=REGTEST_NBITS, difficulty=1.0)
    share = solve_block(rig, job, misses=EASY)
    judgement = pool.judge.submit_share(rig.miner, share._replace(worker_name="nobody"), 1.0)
    assert judgement.outcome is ShareOutcome.UNAUTHORIZED
    assert judgement.block is not None


def test_a_block_on_the_old_tip_is_still_handed_out() -> None:
    pool, rig, job = start(nbits=REGTEST_NBITS)
    share = solve_block(rig, job)
    pool.on_template(template(height=102, tip=2), 1.0, CURTIME)
    judgement = pool.judge.submit_share(rig.miner, share, 2.0)
    assert judgement.outcome is ShareOutcome.STALE
    assert judgement.block is not None


def test_a_block_is_handed_out_once_a_hash() -> None:
    pool, rig, job = start(nbits=REGTEST_NBITS)
    share = solve_block(rig, job)
    assert pool.judge.submit_share(rig.miner, share, 1.0).block is not None
    again = pool.judge.submit_share(rig.miner, share, 2.0)
    assert (again.outcome, again.block) == (ShareOutcome.DUPLICATE, None)


# --- whom a block pays ------------------------------------------------------------------------

MANY = PayoutPlan(
    P2WPKH,
    100,
    tuple(Payee(f"s{n}", bytes.fromhex("5120") + n.to_bytes(32, "big"), 1) for n in range(40)),
)


def test_a_rig_is_sent_the_coinbase_that_its_firmware_takes_and_judged_by_it() -> None:
    pool, rig, job = start(payout=MANY)
    small, large = job.variants[rig.miner.coinbase_class], job.variants[-1]
    assert small is not large
    share = rig.solve(job)
    pool.recognise(rig.miner, user_agent="xminer-1.2.7")  # told late: from the next job on
    assert pool.judge.submit_share(rig.miner, share, 1.0).outcome is ShareOutcome.ACCEPTED
    later = pool.on_template(template(), 1.0, CURTIME)
    pool.issue(rig.miner, later)
    assert later.variants[rig.miner.coinbase_class] is later.variants[-1]
    assert (
        pool.judge.submit_share(rig.miner, rig.solve(later), 2.0).outcome is ShareOutcome.ACCEPTED
    )
    again = rig.solve(job, extranonce2=b"\x01" * 8)
    assert pool.judge.submit_share(rig.miner, again, 2.0).outcome is ShareOutcome.ACCEPTED


def test_a_block_tells_what_its_own_coinbase_pays() -> None:
    pool, rig, job = start(payout=MANY, nbits=REGTEST_NBITS)
    variant = job.variants[rig.miner.coinbase_class]
    assert variant.distribution.unpaid_sat > 0
    block = pool.judge.submit_share(rig.miner, rig.solve(job), 1.0).block
    while block is None:
        extranonce2 = secrets.token_bytes(8)
        block = pool.judge.submit_share(
            rig.miner, rig.solve(job, extranonce2=extranonce2), 1.0
        ).block
    assert block.distribution is variant.distribution
    assert variant.coinbase.coinb2[:-4].hex() in block.block_hex  # before the witness


def test_after_a_found_block_no_debts_are_repaid_until_there_is_another_plan() -> None:
    payees = (Payee("a", bytes.fromhex("5120") + bytes(32), 1, 700), Payee("b", b"\x51", 0, 5))
    plan = PayoutPlan(P2WPKH, 100, payees)
    pool, rig, job = start(payout=plan)
    assert job.variants[-1].distribution.unpaid_sat == -700  # what is owed to b is dust
    pool.repay_no_debts()
    later = pool.on_template(template(102, 2), 1.0, CURTIME)
    assert later.variants[-1].distribution.unpaid_sat == 0
    pool.pay_by(plan)
    refreshed = pool.next_job(rig.miner, 1.0, CURTIME)
    assert refreshed is not None
    assert pool.on_template(template(103, 3), 1.0, CURTIME).variants[-1].distribution == (
        job.variants[-1].distribution
    )


def test_a_plan_without_debts_stays_in_place_when_a_block_is_found() -> None:
    pool, rig, _ = start(payout=MANY)
    spare = pool.next_job(rig.miner, 1.0, CURTIME)
    pool.repay_no_debts()
    assert pool.jobs.spare is spare


def test_another_plan_holds_for_the_jobs_from_then_on() -> None:
    pool, rig, job = start()
    pool.pay_by(MANY)
    refreshed = pool.next_job(rig.miner, 1.0, CURTIME)
    assert refreshed is not None
    assert len(job.variants[0].distribution.outputs) == 1
    assert len(refreshed.variants[-1].distribution.outputs) == 41
