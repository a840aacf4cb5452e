"""A restored connection is judged, and decides on its difficulty, as the one that was sent."""

from fractions import Fraction
from random import Random

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from poolserver._native import ShareSet
from poolserver._vendor.asyncio_stratum import RigInfo
from poolserver.mining.lost import LostSession
from poolserver.mining.miner import Miner
from poolserver.mining.miner_state import (
    LostState,
    MinerState,
    restored,
    restored_lost,
    state_of,
    state_of_lost,
)
from poolserver.mining.rate_estimate import RateEstimate
from poolserver.mining.vardiff import Vardiff, VardiffState
from tests.unit.solving import CURTIME, Rig, authorize, make_pool, template, vardiff_terms


def there_and_back(miner: Miner) -> Miner:
    sent = msgspec.msgpack.encode(state_of(miner))
    state = msgspec.msgpack.decode(sent, type=MinerState)
    return restored(state, vardiff_terms(), lambda account, name: 7, miner.coinbase_class)


EVENTS = st.lists(
    st.tuples(st.floats(0.0, 200.0), st.sampled_from(["share", "tick", "burst"])), max_size=60
)


@given(before=EVENTS, after=EVENTS)
@settings(max_examples=60)
def test_vardiff_decides_as_if_nothing_had_been(
    before: list[tuple[float, str]], after: list[tuple[float, str]]
) -> None:
    vardiff, now = Vardiff(vardiff_terms(1024.0), 1024.0, 100.0), 100.0

    def plays(vardiff: Vardiff, now: float, events: list[tuple[float, str]]) -> list[object]:
        said: list[object] = []
        for wait, what in events:
            now += wait
            for _ in range(30 if what == "burst" else 1):
                if what == "tick":
                    said.append(vardiff.on_tick(now))
                else:
                    said.append(vardiff.on_share(vardiff.difficulty, now))
        return [*said, vardiff.difficulty, vardiff.hashrate(now + 1), vardiff.floor]

    plays(vardiff, now, before)
    now += sum(wait for wait, _ in before)
    sent = msgspec.msgpack.encode(vardiff.state())
    other = Vardiff.restored(vardiff_terms(1024.0), msgspec.msgpack.decode(sent, type=VardiffState))
    assert plays(vardiff, now, after) == plays(other, now, after)


def test_an_estimate_of_an_older_version_is_filled_up_with_what_is_new() -> None:
    random, estimate, now = Random(1), RateEstimate(0.0), 0.0
    for _ in range(40):
        now += random.expovariate(0.2)
        estimate.add(8.0, 8.0, now)
    state = estimate.state()
    del state["_backlog"]
    state["what_is_no_more"] = 1.0
    assert RateEstimate.restored(state).state() == estimate.state()


def test_a_miner_comes_back_as_it_was() -> None:
    pool = make_pool()
    rig = Rig.connect(pool)
    miner = rig.miner
    authorize(pool, miner, "demo.b", "w=3500,j/th=17.5", 5.0)
    pool.recognise(miner, user_agent="cgminer/4.12", info=RigInfo("conn", "S19", "1.0", "id"))
    for tip in (1, 2):
        pool.issue(miner, pool.on_template(template(tip=tip), 10.0 * tip, CURTIME))
        miner.vardiff.start_at(2.0**-28)
    rig.pool.judge.submit_share(miner, rig.solve(pool.jobs.current), 30.0)  # type: ignore[arg-type]
    back = there_and_back(miner)
    back.firmware = miner.firmware
    for name in (
        *("extranonce1", "session_id", "user_agent", "info", "version_mask", "changes"),
        *("last_job", "is_resumable", "expected_workers", "announced", "coinbase_class"),
    ):
        assert getattr(back, name) == getattr(miner, name)
    assert list(back.workers) == ["demo.rig", "demo.b"]
    for ours, theirs in zip(miner.workers.values(), back.workers.values(), strict=True):
        assert theirs.ref == 7
        assert theirs.counters() == ours.counters()
        assert (theirs.account, theirs.name, theirs.hint) == (ours.account, ours.name, ours.hint)
        assert type(theirs.shares) is int
    assert back.workers["demo.b"].hint.j_per_th in (None, Fraction(35, 2))
    assert back.holds(miner.changes[-1].difficulty.value)


@given(data=st.data())
def test_shares_are_judged_as_before(data: st.DataObject) -> None:
    pool = make_pool()
    rig = Rig.connect(pool)
    jobs = []
    for tip in range(1, 4):
        job = pool.on_template(template(tip=1 + tip // 3), float(tip), CURTIME)
        pool.issue(rig.miner, job)
        jobs.append(job)
        rig.miner.vardiff.start_at(data.draw(st.sampled_from([2.0**-30, 2.0**-29])))
    other = there_and_back(rig.miner)
    for number in range(3):
        job = data.draw(st.sampled_from(jobs))
        submit = rig.solve(job, meets=2.0**-31, extranonce2=number.to_bytes(8, "big"))
        issued = pool.jobs.get(job.job_id, 5.0)
        assert issued is not None
        seen = issued.seen.to_bytes()
        first = pool.judge.submit_share(rig.miner, submit, 5.0)
        issued.seen = ShareSet()
        issued.seen.update(seen)
        second = pool.judge.submit_share(other, submit, 5.0)
        assert second._replace(worker=None) == first._replace(worker=None)


def test_a_lost_session_comes_back_as_it_was() -> None:
    pool = make_pool()
    miner = Rig.connect(pool).miner
    pool.issue(miner, pool.on_template(template(), 1.0, CURTIME))
    lost = LostSession("id", miner.extranonce1, miner.changes, miner.last_job, 2e12, 3)
    sent = msgspec.msgpack.encode(state_of_lost(lost, 601.5))
    state = msgspec.msgpack.decode(sent, type=LostState)
    assert (restored_lost(state), state.until) == (lost, 601.5)
