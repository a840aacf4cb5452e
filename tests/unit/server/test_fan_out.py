"""A job to all: in which order, by which way, and what one session's trouble does to others."""

from collections.abc import Sequence
from typing import Any

import pytest

from poolserver.server.fan_out import RUN, FanOut
from tests.unit.server.wire import FakeHouse, FakeTransport, Line, messages, methods, mining_line
from tests.unit.solving import vardiff_terms


class Together:
    """Writes to many transports at once, and remembers which."""

    def __init__(self) -> None:
        self.runs: list[int] = []
        self.order: list[Any] = []

    def __call__(self, transports: Sequence[Any], data: bytes) -> None:
        self.runs.append(len(transports))
        for transport in transports:
            self.order.append(transport)
            transport.write(data)


def hall_of(house: FakeHouse, difficulties: list[float]) -> list[Line]:
    house.work()
    lines = [mining_line(house, vardiff_terms(difficulty)) for difficulty in difficulties]
    for line in lines:
        line.heard()
    return lines


def send(house: FakeHouse, fan_out: FanOut, lines: list[Line], *, is_clean: bool = True) -> None:
    fan_out.send([line.session for line in lines], house.work(tip=2), is_clean=is_clean)


async def test_those_with_the_most_hashrate_are_first_and_equals_as_they_came(
    house: FakeHouse,
) -> None:
    lines, together = hall_of(house, [2.0, 8.0, 4.0, 8.0]), Together()
    send(house, FanOut(FakeTransport, together), lines)
    assert together.order == [lines[n].transport for n in (1, 3, 2, 0)]
    assert together.runs == [2, 1, 1]


async def test_many_of_one_difficulty_are_written_to_in_runs(house: FakeHouse) -> None:
    lines, together = hall_of(house, [4.0] * (RUN + 3)), Together()
    send(house, FanOut(FakeTransport, together), lines)
    assert together.runs == [RUN, 3]
    assert all(methods(line.heard()) == ["mining.notify"] for line in lines)


@pytest.mark.parametrize("kind", [FakeTransport, None])
async def test_each_has_the_job_whatever_its_transport(house: FakeHouse, kind: type | None) -> None:
    lines = hall_of(house, [4.0, 4.0])
    send(house, FanOut(kind, Together()), lines)
    job = house.pool.jobs.current
    assert job is not None
    for line in lines:
        assert line.heard() == [job.variants[line.session.miner.coinbase_class].notify_clean]
        assert line.session.miner.last_job == job.number


async def test_a_new_difficulty_stands_before_the_job(house: FakeHouse) -> None:
    changed, other = lines = hall_of(house, [4.0, 4.0])
    changed.session.miner.vardiff.difficulty = 8.0
    send(house, FanOut(FakeTransport, Together()), lines, is_clean=False)
    assert methods(changed.heard()) == ["mining.set_difficulty", "mining.notify"]
    assert methods(other.heard()) == ["mining.notify"]
    assert changed.session.miner.announced == 8.0


async def test_who_has_had_no_work_is_sent_a_clean_job_and_who_is_not_ready_nothing(
    house: FakeHouse,
) -> None:
    early, stranger = Line(house), Line(house)
    early.say(b'{"id":1,"method":"mining.subscribe","params":[]}\n')
    early.say(b'{"id":2,"method":"mining.authorize","params":["demo.rig"]}\n')
    send(house, FanOut(FakeTransport, Together()), [early, stranger], is_clean=False)
    assert messages(early.heard())[-1]["params"][8] is True
    assert stranger.heard() == []


async def test_what_is_queued_goes_before_the_job(house: FakeHouse) -> None:
    (line,) = lines = hall_of(house, [4.0])
    line.protocol.connection.show_message("first")
    send(house, FanOut(FakeTransport, Together()), lines)
    assert methods(line.heard()) == ["client.show_message", "mining.notify"]


async def test_trouble_with_one_session_ends_that_one_alone(house: FakeHouse) -> None:
    broken, fine = lines = hall_of(house, [8.0, 4.0])
    broken.session.miner.coinbase_class = 1000  # there is no such
    send(house, FanOut(FakeTransport, Together()), lines)
    assert broken.transport.ended == "aborted"
    assert methods(fine.heard()) == ["mining.notify"]


async def test_who_is_told_to_go_is_sent_no_job(house: FakeHouse) -> None:
    (line,) = lines = hall_of(house, [4.0])
    line.session.close()
    send(house, FanOut(FakeTransport, Together()), lines)
    assert line.heard() == []
