"""Sessions that are lost and resumed, and an extranonce1 that is changed under way."""

from itertools import islice
from typing import Any

import pytest

from poolserver.mining import extranonce
from poolserver.mining.share import ShareOutcome
from tests.unit.server.wire import (
    AUTHORIZE,
    SUBSCRIBE,
    FakeHouse,
    Line,
    accepted,
    messages,
    methods,
    mining_line,
    submit_line,
)
from tests.unit.solving import EASY


def subscribe_with(session_id: str) -> bytes:
    return b'{"id":1,"method":"mining.subscribe","params":["rig/1.0","%s"]}\n' % session_id.encode()


def come_back(house: FakeHouse, session_id: str, host: str = "192.0.2.1") -> Line:
    line = Line(house, host=host)
    line.say(subscribe_with(session_id), AUTHORIZE)
    return line


async def test_a_session_id_is_random_and_128_bits_long(house: FakeHouse) -> None:
    from poolserver.pool import random_session_ids

    ids = set(islice(random_session_ids(), 100))
    assert len(ids) == 100
    assert all(len(bytes.fromhex(each)) == 16 for each in ids)


async def test_a_rig_that_comes_back_keeps_its_extranonce1(house: FakeHouse) -> None:
    house.work()
    line = mining_line(house)
    before = line.session.miner.extranonce1
    line.hang_up()
    house.clock = 599.0
    again = come_back(house, line.session.miner.session_id)
    assert again.session.miner.extranonce1 == before
    assert house.pool.resumed == 1


async def test_what_a_rig_found_while_it_was_away_counts_on_the_job_it_had(
    house: FakeHouse,
) -> None:
    job = house.work()
    line = mining_line(house)
    share = line.solve(job)
    line.hang_up()
    house.clock = 60.0
    again = come_back(house, line.session.miner.session_id)
    again.say(submit_line(share))
    house.journal.let_go()
    assert again.heard() == [accepted()]
    assert house.journal.records[-1][3] == 4  # by the difficulty that the job went out with


async def test_a_share_that_was_sent_before_the_loss_is_a_duplicate_after_it(
    house: FakeHouse,
) -> None:
    job = house.work()
    line = mining_line(house)
    share = line.solve(job)
    line.say(submit_line(share))
    line.hang_up()
    again = come_back(house, line.session.miner.session_id)
    again.say(submit_line(share))
    assert [record[1] for record in house.journal.records] == [
        ShareOutcome.ACCEPTED,
        ShareOutcome.DUPLICATE,
    ]


async def test_a_resumed_rig_is_told_its_difficulty_and_a_job_that_it_has_not_had(
    house: FakeHouse,
) -> None:
    job = house.work()
    line = mining_line(house)
    line.hang_up()
    again = Line(house)
    writes = again.say(subscribe_with(line.session.miner.session_id), AUTHORIZE)
    assert methods(writes) == [1, 2, "mining.set_difficulty", "mining.notify"]
    notify = messages(writes)[-1]
    assert notify["params"][0] != job.job_id  # byte-identical work is never sent twice


async def test_after_its_time_a_session_is_a_new_one(house: FakeHouse) -> None:
    house.work()
    line = mining_line(house)
    line.hang_up()
    house.clock = 600.0
    again = come_back(house, line.session.miner.session_id)
    assert again.session.miner.extranonce1 != line.session.miner.extranonce1
    assert house.pool.resumed == 0


async def test_an_unknown_session_id_is_no_error(house: FakeHouse) -> None:
    house.work()
    again = come_back(house, "feed" * 8)
    assert again.session.has_work


async def test_a_session_is_resumed_once(house: FakeHouse) -> None:
    house.work()
    line = mining_line(house)
    line.hang_up()
    first = come_back(house, line.session.miner.session_id)
    second = come_back(house, line.session.miner.session_id)
    assert first.session.miner.extranonce1 != second.session.miner.extranonce1
    assert first.transport.ended == ""


async def test_the_old_half_open_connection_is_closed_first(house: FakeHouse) -> None:
    job = house.work()
    old = mining_line(house)
    before, share = old.session.miner.extranonce1, old.solve(job)
    again = come_back(house, old.session.miner.session_id)
    assert old.transport.ended == "aborted"
    assert again.session.miner.extranonce1 == before
    old.hang_up()  # the news of it comes late
    again.say(submit_line(share))
    house.journal.let_go()
    assert again.heard() == [accepted()]
    assert house.sessions == {again.session}


async def test_two_rigs_with_one_session_id_do_not_throw_each_other_out_for_ever(
    house: FakeHouse,
) -> None:
    house.work()
    first = mining_line(house)
    second = come_back(house, first.session.miner.session_id)
    first.hang_up()
    third = come_back(house, second.session.miner.session_id)
    assert second.transport.ended == ""
    assert third.session.miner.extranonce1 != second.session.miner.extranonce1
    house.clock = 60.0  # but a rig that comes back later is let in again
    fourth = come_back(house, second.session.miner.session_id)
    assert second.transport.ended == "aborted"
    assert fourth.session.has_work


async def test_a_share_is_judged_by_its_own_job_on_the_old_side_of_a_resume(
    house: FakeHouse,
) -> None:
    job = house.work()
    line = mining_line(house)
    share = line.solve(job, meets=EASY, misses=EASY * 64)
    line.hang_up()
    again = Line(house)
    again.say(
        subscribe_with(line.session.miner.session_id),
        b'{"id":2,"method":"mining.authorize","params":["demo.rig","d=0.00000006"]}\n',
    )
    again.say(submit_line(share))
    house.journal.let_go()
    assert accepted() in again.heard()


@pytest.fixture
def room_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extranonce, "COUNTER_SPACE", 1)


@pytest.mark.usefixtures("room_for_one")
async def test_a_rig_that_is_here_goes_before_one_that_may_come_back(house: FakeHouse) -> None:
    house.work()
    first = mining_line(house)
    first.hang_up()
    second = mining_line(house)
    assert second.session.has_work
    assert not come_back(house, first.session.miner.session_id).session.has_work


async def test_a_restarted_pool_resumes_no_session_of_its_former_life(house: FakeHouse) -> None:
    house.work()
    line = mining_line(house)
    line.hang_up()
    reborn = FakeHouse()
    reborn.work()
    again = Line(reborn)
    answer = messages(again.say(subscribe_with("0" * 31 + "7")))[0]
    assert answer["error"] is None
    assert reborn.pool.resumed == 0


# --- mining.set_extranonce --------------------------------------------------------------------

EXTRANONCE_SUBSCRIBE = b'{"id":7,"method":"mining.extranonce.subscribe","params":[]}\n'


def pushed(writes: list[bytes], method: str) -> list[Any]:
    return next(m["params"] for m in messages(writes) if m.get("method") == method)


async def test_a_new_extranonce1_holds_for_the_jobs_that_follow_and_the_old_for_those_before(
    house: FakeHouse,
) -> None:
    job = house.work()
    line = mining_line(house)
    line.say(EXTRANONCE_SUBSCRIBE)
    before, old_share = line.session.miner.extranonce1, line.solve(job)
    line.session.resend_work()
    writes = line.heard()
    assert len(writes) == 1
    assert methods(writes) == ["mining.set_extranonce", "mining.set_difficulty", "mining.notify"]
    after = line.session.miner.extranonce1
    assert pushed(writes, "mining.set_extranonce") == [after.hex(), 8]
    assert after != before
    newer = house.pool.jobs.spare
    assert newer is not None
    line.say(submit_line(old_share, 4), submit_line(line.solve(newer), 5))
    house.journal.let_go()
    assert line.heard() == [accepted(4) + accepted(5)]


async def test_an_extranonce1_is_not_handed_out_again_while_a_job_of_it_lives(
    house: FakeHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extranonce, "COUNTER_SPACE", 2)
    house.work()
    line = mining_line(house)
    line.say(EXTRANONCE_SUBSCRIBE)
    line.session.resend_work()
    assert messages(Line(house).say(SUBSCRIBE))[0]["error"] == [20, "pool_full", None]


async def test_a_rig_that_does_not_know_set_extranonce_keeps_its_own(house: FakeHouse) -> None:
    house.work()
    line = mining_line(house)
    before = line.session.miner.extranonce1
    line.session.resend_work()
    assert methods(line.heard()) == ["mining.set_difficulty", "mining.notify"]
    assert line.session.miner.extranonce1 == before


async def test_a_rig_that_rolls_the_version_is_told_its_mask_again(house: FakeHouse) -> None:
    house.work()
    line = Line(house)
    line.say(
        b'{"id":3,"method":"mining.configure","params":[["version-rolling"],'
        b'{"version-rolling.mask":"1fffe000"}]}\n',
        SUBSCRIBE,
        AUTHORIZE,
    )
    line.session.resend_work()
    assert pushed(line.heard(), "mining.set_version_mask") == ["1fffe000"]
