"""A real worker's rigs on the wire: what the lane took is recorded, credited and answered."""

import asyncio
import errno
from types import SimpleNamespace

import msgspec
import pytest
from structlog.testing import capture_logs

from poolserver._native import HAS_WIRE
from poolserver.ledger.records import JournalBatch, ShareRecord, decode_records
from poolserver.mining.share import ShareOutcome
from poolserver.server.rig_wire import GATHER_S
from poolserver.server.session import MinerSession
from tests.unit.server.hall import Hall, Rig
from tests.unit.solving import template

pytestmark = pytest.mark.skipif(not HAS_WIRE, reason="the wire is of C and Linux")


def sessions(hall: Hall) -> list[MinerSession]:
    return list(hall.worker.sessions)


def outcomes(hall: Hall) -> list[int]:
    return [
        record.outcome
        for batch in hall.all_of(JournalBatch)
        for _, record in decode_records(batch.records, batch.first_sequence)
        if isinstance(record, ShareRecord)
    ]


async def mining(hall: Hall, name: str = "demo.rig") -> Rig:
    rig = await hall.rig(name)
    await rig.job()
    return rig


async def test_after_the_first_share_ordinary_ones_go_by_the_lane(
    hall: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    credited: list[int] = []
    credit = MinerSession.credit

    def count(self: MinerSession, worker: object, change: object, n: int, now: float) -> None:
        credited.append(n)
        credit(self, worker, change, n, now)  # type: ignore[arg-type]

    monkeypatch.setattr(MinerSession, "credit", count)
    hall.template(template())
    rig = await mining(hall)
    for number in range(5):
        assert (await rig.submit(rig.jobs[-1], number)).accepted
    assert sum(credited) == 4
    (session,) = sessions(hall)
    (worker,) = session.miner.workers.values()
    assert worker.shares == 5
    assert session.accepted_at == hall.clock
    await hall.until(lambda: len(outcomes(hall)) == 5)
    assert outcomes(hall) == [ShareOutcome.ACCEPTED] * 5


async def test_a_share_that_came_before_is_a_duplicate_on_either_road(hall: Hall) -> None:
    hall.template(template())
    rig = await mining(hall)
    for number in (0, 1):
        assert (await rig.submit(rig.jobs[-1], number)).accepted
    for number in (0, 1):
        answer = await rig.submit(rig.jobs[-1], number)
        assert answer.error is not None
        assert answer.error.reason == "duplicate"


async def test_at_a_new_tip_no_job_of_the_old_one_is_left_on_offer(hall: Hall) -> None:
    hall.template(template())
    rig = await mining(hall)
    for number in (0, 1):
        await rig.submit(rig.jobs[-1], number)
    hall.template(template(height=102, tip=2))
    old, new = rig.jobs[-1], await rig.job()
    answer = await rig.submit(old, 2)
    assert answer.error is not None
    assert answer.error.reason == "stale"
    assert (await rig.submit(new, 3)).accepted
    assert (await rig.submit(new, 4)).accepted


async def test_an_older_job_of_the_same_tip_is_good_until_its_time_is_over(hall: Hall) -> None:
    hall.template(template())
    rig = await mining(hall)
    old = rig.jobs[-1]
    await rig.submit(old, 0)
    hall.clock += 31.0  # a refresh is due
    hall.template(template())
    hall.tick()
    await rig.job()
    for number in (1, 2):
        assert (await rig.submit(old, number)).accepted
    hall.clock += 600.0
    answer = await rig.submit(old, 3)
    assert answer.error is not None
    assert answer.error.reason == "job_not_found"


async def test_an_error_in_one_session_ends_that_one_alone(
    hall: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    hall.template(template())
    bad, good = await mining(hall, "demo.bad"), await mining(hall, "demo.good")
    for rig in (bad, good):
        await rig.submit(rig.jobs[-1], 0)
    credit = MinerSession.credit

    def fail(self: MinerSession, worker: object, change: object, n: int, now: float) -> None:
        if "demo.bad" in self.miner.workers:
            raise ZeroDivisionError
        credit(self, worker, change, n, now)  # type: ignore[arg-type]

    monkeypatch.setattr(MinerSession, "credit", fail)
    with pytest.raises(Exception):  # noqa: B017, PT011 the connection has ended, however that is told
        await bad.submit(bad.jobs[-1], 1)
    assert (await good.submit(good.jobs[-1], 1)).accepted
    assert len(sessions(hall)) == 1


async def test_shares_that_cannot_be_recorded_end_the_sessions_that_sent_them_alone(
    hall: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    hall.template(template())
    bad, good = await mining(hall, "demo.bad"), await mining(hall, "demo.good")
    await bad.submit(bad.jobs[-1], 0)  # the next one goes by the lane

    def fail(records: bytes, count: int, unix_ms: int) -> None:
        good.client.ping()  # for the turn after this one, whatever becomes of this
        raise MemoryError

    monkeypatch.setattr(hall.worker.journal, "append_shares", fail)
    told: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context))
    with pytest.raises(StopAsyncIteration):
        await bad.submit(bad.jobs[-1], 1)
    await good.answers(1)
    assert len(told) == 1
    assert [list(each.miner.workers) for each in sessions(hall)] == [["demo.good"]]


async def test_what_was_read_in_a_turn_with_an_error_is_delivered_all_the_same(
    hall: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = await hall.rig()
    wire = hall.worker.wire
    assert wire is not None
    turns = wire.sockets.turn

    class Failing:
        def __getattr__(self, name: str) -> object:
            return getattr(sockets, name)

        def turn(self, *args: object) -> None:
            turns(*args)  # type: ignore[arg-type]
            raise MemoryError

    sockets = wire.sockets
    monkeypatch.setattr(wire, "sockets", Failing())
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
    rig.client.ping()
    await rig.answers(1)
    monkeypatch.undo()


async def test_an_error_in_a_turn_does_not_leave_the_wire_deaf(
    hall: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    hall.template(template())
    rig = await mining(hall)
    await rig.submit(rig.jobs[-1], 0)
    packing, failures = hall.worker.journal.packing, [ZeroDivisionError, ZeroDivisionError]

    def fail() -> tuple[int, int, int]:
        if failures:
            raise failures.pop()
        return packing()

    monkeypatch.setattr(hall.worker.journal, "packing", fail)
    told: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context))
    assert (await rig.submit(rig.jobs[-1], 1)).accepted
    assert len(told) == 2


async def test_no_share_on_a_job_without_transactions_goes_by_the_lane(hall: Hall) -> None:
    hall.template(msgspec.structs.replace(template(), stopgap=True))
    rig = await mining(hall)
    for number in range(3):
        assert (await rig.submit(rig.jobs[-1], number)).accepted
    assert hall.worker.pool.judge.stopgap_work > 0
    assert hall.counters().stopgap_work == hall.worker.pool.judge.stopgap_work
    assert hall.worker.wire is not None
    assert hall.worker.wire.jobs_on_offer == 0


async def test_where_no_connection_can_be_accepted_that_is_told_once_a_minute(
    hall: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire = hall.worker.wire
    assert wire is not None
    sockets = SimpleNamespace(accept_failures=0, accept_errno=0)
    monkeypatch.setattr(wire, "sockets", sockets)
    told = []
    for _ in range(4):
        with capture_logs() as logs:
            hall.tick(25.0)
        told.append([each["reason"] for each in logs if each["event"] == "cannot_accept"])
        sockets.accept_failures += 7
        sockets.accept_errno = errno.EMFILE
    assert told == [[], ["Too many open files"], [], []]
    with capture_logs() as logs:
        hall.tick(25.0)
    assert [each["event"] for each in logs] == ["cannot_accept"]
    monkeypatch.undo()


def test_an_answer_waits_no_longer_for_company_than_no_rig_notices() -> None:
    assert GATHER_S <= 0.005  # half of what answers may take, see docs/performance.md
