"""The roll, with real sessions on fake wires."""

import asyncio
import json
from pathlib import Path

import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from poolserver.cluster.messages import (
    ListenerSettings,
    RigNews,
    RigsChanged,
    WorkerSettings,
    WorkerStarted,
)
from poolserver.server import rig_roll
from tests.unit.server.hall import EASIEST, Hall, running
from tests.unit.server.wire import AUTHORIZE, SUBSCRIBE, FakeHouse, Line, mining_line
from tests.unit.solving import template


def authorize(name: str, password: str = "x") -> bytes:
    return (
        json.dumps({"id": 3, "method": "mining.authorize", "params": [name, password]}).encode()
        + b"\n"
    )


def configure(**info: str) -> bytes:
    params = [["info"], {f"info.{key.replace('_', '-')}": value for key, value in info.items()}]
    return json.dumps({"id": 4, "method": "mining.configure", "params": params}).encode() + b"\n"


def news(house: FakeHouse) -> dict[str, RigNews]:
    return {each.worker: each for each in house.roll.take()}


async def test_a_rig_tells_who_it_is_and_what_its_shares_stand_for(house: FakeHouse) -> None:
    house.work()
    line = Line(house, host="192.0.2.7")
    line.say(
        configure(hw_version="Antminer S21", hw_id="c0ffee", sw_version="2.1"),
        SUBSCRIBE,
        authorize("demo.rig", "x,w=3500,jth=17.5"),
    )
    assert house.roll.take() == (
        RigNews(
            worker="demo.rig",
            account="demo",
            address="192.0.2.7",
            user_agent="rig/1.0",
            hardware="Antminer S21; c0ffee; 2.1",
            watts=3500,
            j_per_th="35/2",
            share_work=4.0,
            sessions=1,
        ),
    )
    assert house.roll.take() == ()


async def test_nothing_is_told_of_a_connection_without_a_worker(house: FakeHouse) -> None:
    Line(house).say(SUBSCRIBE)
    assert house.roll.take() == ()


async def test_what_changes_later_is_told_again(house: FakeHouse) -> None:
    line = mining_line(house)
    news(house)
    line.say(configure(hw_version="S19j Pro"))
    assert news(house)["demo.rig"].hardware == "S19j Pro"
    line.say(authorize("demo.rig", "w=3000"))
    assert news(house)["demo.rig"].watts == 3000


async def test_another_difficulty_is_told_of_each_worker_of_the_connection(
    house: FakeHouse,
) -> None:
    job = house.work()
    line = mining_line(house)
    line.say(authorize("demo.two"))
    assert news(house)["demo.rig"].share_work == 4.0
    line.ask("mining.suggest_difficulty", 2.0**-20)  # which is sent with a job
    told = news(house)
    assert {name: each.share_work for name, each in told.items()} == {
        "demo.rig": 4096.0,
        "demo.two": 4096.0,
    }
    line.session.send_job(job, clean=False)
    assert house.roll.take() == ()


async def test_workers_are_counted_by_account_once_for_each_session(house: FakeHouse) -> None:
    first, second, third = mining_line(house), mining_line(house), mining_line(house)
    first.say(authorize("demo.rig"), authorize("demo.other"), authorize("demo.rig"))
    second.say(authorize("demo.rig"))
    assert house.roll.rigs == {"demo": 4}
    second.hang_up()
    first.hang_up()
    assert house.roll.rigs == {"demo": 1}
    third.hang_up()
    assert house.roll.rigs == {}


async def test_sessions_of_one_name_are_counted_and_the_newest_tells(house: FakeHouse) -> None:
    old, new = Line(house, host="192.0.2.1"), Line(house, host="192.0.2.2")
    old.say(SUBSCRIBE, AUTHORIZE)
    new.say(SUBSCRIBE, AUTHORIZE)
    assert [(n.address, n.sessions) for n in house.roll.take()] == [("192.0.2.2", 2)]
    new.hang_up()
    assert [(n.address, n.sessions) for n in house.roll.take()] == [("192.0.2.1", 1)]
    old.hang_up()
    assert house.roll.take() == (RigNews("demo.rig", "demo", "", "", "", None, None, 0.0, 0),)


async def test_who_came_and_went_between_two_messages_is_never_told(house: FakeHouse) -> None:
    mining_line(house).hang_up()
    assert house.roll.take() == ()
    mining_line(house)
    assert [each.sessions for each in house.roll.take()] == [1]


async def test_a_session_that_is_taken_over_counts_once(house: FakeHouse) -> None:
    house.work()
    line = mining_line(house)
    news(house)
    house.clock = 100.0
    session_id = line.session.miner.session_id
    again = Line(house)
    subscribe = {"id": 1, "method": "mining.subscribe", "params": ["rig/1.0", session_id]}
    again.say(json.dumps(subscribe).encode() + b"\n", AUTHORIZE)
    assert line.transport.ended == "aborted"
    assert news(house)["demo.rig"].sessions == 1
    line.hang_up()
    assert house.roll.take() == ()


async def test_a_message_is_bounded_and_the_rest_comes_with_the_next(
    house: FakeHouse,
) -> None:
    line = mining_line(house)
    for number in range(rig_roll.MAX_NEWS):
        line.say(authorize(f"demo.{number}"))
    first, second = house.roll.take(), house.roll.take()
    assert len(first) == rig_roll.MAX_NEWS
    assert [each.worker for each in second] == [f"demo.{rig_roll.MAX_NEWS - 1}"]


async def test_all_are_told_again_to_whoever_has_forgotten(house: FakeHouse) -> None:
    mining_line(house)
    news(house)
    house.roll.tell_all()
    assert set(news(house)) == {"demo.rig"}


async def test_it_is_known_when_all_have_been_told_again(house: FakeHouse) -> None:
    line = mining_line(house)
    for number in range(rig_roll.MAX_NEWS):
        line.say(authorize(f"demo.{number}"))
    while house.roll.take():
        assert not house.roll.is_all
    house.roll.tell_all()
    is_all = []
    for _ in range(3):
        house.roll.take()
        is_all.append(house.roll.is_all)
    assert is_all.count(True) == 1
    assert is_all[-1] is False


async def test_who_has_nobody_to_tell_of_says_so_too(hall: Hall) -> None:
    worker_settings: WorkerSettings = hall.worker._settings
    hall.worker.receive(worker_settings)
    hall.tick(1.0)
    hall.tick(1.0)
    assert [(each.rigs, each.is_all) for each in hall.all_of(RigsChanged)] == [((), True)]


async def test_a_worker_process_tells_once_a_tick(hall: Hall) -> None:
    hall.template(template())
    rig = await hall.rig()
    await rig.job()
    hall.tick(1.0)
    (told,) = hall.all_of(RigsChanged)
    assert [(each.worker, each.address, each.user_agent) for each in told.rigs] == [
        ("demo.rig", "127.0.0.1", "test-rig/1.0")
    ]
    assert told.rigs[0].share_work == 1.0
    hall.tick(1.0)
    assert len(hall.all_of(RigsChanged)) == 1


async def test_a_coordinator_that_comes_anew_is_told_of_every_rig(hall: Hall) -> None:
    await hall.rig()
    hall.tick(1.0)
    worker_settings: WorkerSettings = hall.worker._settings
    hall.worker.receive(worker_settings)
    hall.tick(1.0)
    assert [each.worker for each in hall.all_of(RigsChanged)[-1].rigs] == ["demo.rig"]


@pytest.mark.parametrize("are_other", [False, True])
async def test_it_is_told_who_listens_and_changes_no_settings(are_other: bool, hall: Hall) -> None:
    its = hall.worker._settings
    with capture_logs() as logs:
        hall.worker.receive(replace(its, line_limit=its.line_limit + are_other))
    first, again = hall.all_of(WorkerStarted)
    assert again == first
    assert [each["event"] for each in logs] == ["settings_ignored"] * are_other
    assert hall.worker._settings == its


async def test_behind_a_proxy_a_rigs_own_address_is_told(tmp_path: Path) -> None:
    listener = ListenerSettings(
        "127.0.0.1", 0, EASIEST, EASIEST, EASIEST, proxy_protocol_from=("127.0.0.0/8",)
    )
    async with running(tmp_path, listeners=(listener,)) as hall:
        reader, writer = await asyncio.open_connection("127.0.0.1", hall.port)
        writer.write(b"PROXY TCP4 203.0.113.9 192.0.2.1 1 3333\r\n" + SUBSCRIBE + AUTHORIZE)
        async with asyncio.timeout(5):
            while b'"id":2' not in await reader.readline():
                pass
        hall.tick(1.0)
        (told,) = hall.all_of(RigsChanged)
        assert [(each.worker, each.address) for each in told.rigs] == [("demo.rig", "203.0.113.9")]
        writer.close()


async def test_what_cannot_be_shown_is_left_out(house: FakeHouse) -> None:
    line = mining_line(house)
    line.say(configure(hw_version="S21\x00\x1b[31m", hw_id="\u202e"))
    assert news(house)["demo.rig"].hardware == "S21[31m"
