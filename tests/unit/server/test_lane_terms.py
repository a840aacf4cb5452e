"""When a connection's ordinary shares may be judged in the lane, and what crediting them does."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from poolserver.mining.share import ShareOutcome
from tests.unit.server.wire import (
    AUTHORIZE,
    SUBSCRIBE,
    FakeHouse,
    Line,
    accepted,
    methods,
    mining_line,
    submit_line,
)
from tests.unit.solving import EASY, MASK

CONFIGURE = (
    b'{"id":3,"method":"mining.configure","params":[["version-rolling"],'
    b'{"version-rolling.mask":"1fffe000"}]}\n'
)


class FakeLaneRig:
    """Remembers the terms that it was opened with."""

    def __init__(self) -> None:
        self.is_open = False
        self.version_mask = 0
        self.terms: list[tuple[Any, ...]] = []
        self.workers: list[tuple[Any, bytes, int]] = []

    def open(
        self,
        version_mask: int,
        terms: Sequence[tuple[Any, ...]],
        workers: Sequence[tuple[Any, bytes, int]],
    ) -> None:
        self.is_open = True
        self.version_mask = version_mask
        self.terms, self.workers = list(terms), list(workers)

    def close(self) -> None:
        self.is_open = False
        self.terms, self.workers = [], []


class Offers(FakeHouse):
    """A house whose lane is told of jobs."""

    def offer(self, job_id: str) -> None:
        self.offered = [*getattr(self, "offered", []), job_id]


def lane_line(house: FakeHouse) -> tuple[Line, FakeLaneRig]:
    """A rig that has a job, on a socket with a lane."""
    lane = FakeLaneRig()
    line = Line(house, lane=lane)
    line.say(SUBSCRIBE, AUTHORIZE)
    return line, lane


@pytest.fixture
async def house() -> Offers:
    house = Offers()
    house.work()
    return house


def share(line: Line, number: int = 0, **terms: Any) -> bytes:
    job = line.house.pool.jobs.current
    assert job is not None
    return submit_line(line.solve(job, number, **terms))


async def test_a_lane_opens_with_the_first_accepted_share(house: Offers) -> None:
    line, lane = lane_line(house)
    assert not lane.is_open
    line.say(share(line))
    assert lane.is_open
    miner, job = line.session.miner, house.pool.jobs.current
    assert job is not None
    (worker,) = miner.workers.values()
    assert lane.workers == [(worker, b"demo.rig", worker.ref)]
    (change,) = miner.changes
    assert lane.terms == [
        (
            change,
            job.number,
            change.difficulty.target_le,
            change.difficulty.work,
            0,
            miner.extranonce1,
            change.coinbase_class,
        )
    ]
    assert house.offered == [job.job_id]


async def test_a_rejected_share_opens_no_lane(house: Offers) -> None:
    line, lane = lane_line(house)
    line.say(share(line).replace(b"demo.rig", b"demo.other"))
    assert not lane.is_open
    assert not hasattr(house, "offered")


def authorize_one_more(line: Line) -> None:
    line.say(AUTHORIZE.replace(b"demo.rig", b"demo.rig2"))


def configure(line: Line) -> None:
    line.say(CONFIGURE)


def lower_the_difficulty(line: Line) -> None:
    line.session.miner.vardiff.difficulty = EASY / 2
    line.session.send_fresh_job()


def hang_up(line: Line) -> None:
    line.hang_up()


@pytest.mark.parametrize(
    "change",
    [authorize_one_more, configure, lower_the_difficulty, hang_up],
    ids=lambda c: c.__name__,
)
async def test_whatever_changes_what_shares_are_judged_by_closes_the_lane(
    house: Offers, change: Callable[[Line], None]
) -> None:
    line, lane = lane_line(house)
    line.say(share(line))
    change(line)
    assert not lane.is_open


async def test_a_rig_that_applies_a_lowered_difficulty_to_old_work_closes_the_lane(
    house: Offers,
) -> None:
    line, lane = lane_line(house)
    old = house.pool.jobs.current
    assert old is not None
    lower_the_difficulty(line)
    line.say(submit_line(line.solve(old, 1, meets=EASY)))
    assert lane.is_open
    line.say(submit_line(line.solve(old, 2, meets=EASY / 2, misses=EASY)))
    assert [each[3] for each in lane.terms] == [
        each.difficulty.work for each in line.session.miner.changes
    ]
    assert lane.is_open  # anew, with the terms that hold now
    assert line.session.miner.changes[0].difficulty.value == EASY / 2


async def test_a_new_job_by_the_same_terms_leaves_the_lane_open(house: Offers) -> None:
    line, lane = lane_line(house)
    line.say(share(line))
    line.session.send_job(house.work(), clean=False)
    assert lane.is_open


async def test_what_the_rig_may_roll_is_in_the_terms(house: Offers) -> None:
    line, lane = lane_line(house)
    configure(line)
    line.session.send_fresh_job()
    line.say(share(line, version_bits=0x2000))
    assert lane.version_mask == MASK


async def test_a_session_without_a_lane_does_not_ask_for_one(house: Offers) -> None:
    line = mining_line(house)
    line.say(share(line))
    assert line.session.lane is None
    assert not hasattr(house, "offered")


async def test_a_session_that_was_taken_over_has_left_the_lane(house: Offers) -> None:
    old, lane = lane_line(house)
    old.say(share(old))
    name = old.session.miner.session_id
    new = Line(house)
    new.say(SUBSCRIBE.replace(b'"rig/1.0"', b'"rig/1.0","%b"' % name.encode()))
    assert not lane.is_open
    assert old.session.miner.lane is old.session.lane is None


# --- credit ----------------------------------------------------------------------------------


async def test_credit_does_what_as_many_accepted_shares_do() -> None:
    plain_house, lane_house = FakeHouse(), FakeHouse()
    plain_house.work(), lane_house.work()
    plain, lane = mining_line(plain_house), mining_line(lane_house)
    for house in (plain_house, lane_house):
        house.clock = 5.0
    plain.say(*(share(plain, number) for number in range(3)))
    miner = lane.session.miner
    (worker,) = miner.workers.values()
    lane.session.credit(worker, miner.changes[0], 3, 5.0)
    (same,) = plain.session.miner.workers.values()
    assert (worker.shares, worker.active_at) == (same.shares, same.active_at) == (3, 5.0)
    assert lane.session.accepted_at == plain.session.accepted_at == 5.0
    assert miner.vardiff.hashrate(5.0) == plain.session.miner.vardiff.hashrate(5.0) > 0
    assert lane_house.journal.records == []  # they are recorded elsewhere


async def test_credit_ends_bad_conduct_share_by_share(house: Offers) -> None:
    line = mining_line(house)
    line.say(*[share(line).replace(b"demo.rig", b"demo.other")] * 30)
    assert line.session.conduct is not None
    (worker,) = line.session.miner.workers.values()
    line.session.credit(worker, line.session.miner.changes[0], 19, house.clock)
    assert line.session.conduct is not None
    line.session.credit(worker, line.session.miner.changes[0], 1, house.clock)
    assert line.session.conduct is None


async def test_a_difficulty_that_shares_in_the_lane_call_for_goes_out_with_a_job(
    house: Offers,
) -> None:
    line = mining_line(house)
    (worker,) = line.session.miner.workers.values()
    change = line.session.miner.changes[0]
    for second in range(1, 40):
        house.clock = float(second)
        line.session.credit(worker, change, 10, house.clock)
        if heard := line.heard():
            assert methods(heard) == ["mining.set_difficulty", "mining.notify"]
            return
    raise AssertionError("600 shares a minute raised no difficulty")


async def test_a_share_after_credit_is_judged_as_ever(house: Offers) -> None:
    line = mining_line(house)
    (worker,) = line.session.miner.workers.values()
    line.session.credit(worker, line.session.miner.changes[0], 2, house.clock)
    house.journal.unsafe = False
    assert line.say(share(line)) == []
    house.journal.let_go()
    assert line.heard() == [accepted()]
    assert [each[1] for each in house.journal.records] == [ShareOutcome.ACCEPTED]
