"""Ordinary shares in a turn of the rigs' sockets: judged there, answered at the release."""

import gc
import json
import os
import random
import select
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import pytest

from tests.unit._native.rig_hall import PATIENCE_S, Recorder, RigHall, received, whole

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="epoll is Linux's")

NTIME = 1_700_000_000
PING = b'{"id":1,"method":"mining.ping"}\n'
MUCH = b"x" * 2**20


def submit(number: int, job_id: str = "1a", worker: str = "a.rig") -> bytes:
    """A share; each number is another nonce."""
    params = [worker, job_id, "00" * 8, f"{NTIME:08x}", f"{number:08x}"]
    return json.dumps({"id": number, "method": "mining.submit", "params": params}).encode() + b"\n"


def accepted(*numbers: int) -> bytes:
    return b"".join(b'{"id":%d,"result":true,"error":null}\n' % number for number in numbers)


class Lane(RigHall):
    """A job on offer, at which each share meets its target and none the network's."""

    def __init__(self, c: ModuleType) -> None:
        super().__init__(c)
        self.c = c
        hasher = c.JobHasher(b"head", b"tail", (), bytes(32), 1, bytes(32))
        self.seen = c.ShareSet()
        self.lane.offer("job", "1a", 1, 0x20000000, NTIME, NTIME + 10, (hasher,), self.seen)
        self.sequence = 0

    def rig(self, protocol: Recorder | None = None) -> tuple[socket.socket, Any, Recorder]:
        rig, sock, protocol = self.pair(protocol)
        sock.rig = self.c.LaneRig(rig)
        terms = ("terms", 0, b"\xff" * 32, 5, 0, b"\1\2\3\4", 0)
        sock.rig.open(0, (terms,), (("worker", b"a.rig", 3),))
        return rig, sock, protocol

    def judged(self, room: int = 1000) -> Any:
        """What a turn brings, once there is something for it, and before it is delivered."""
        assert self.is_ready(PATIENCE_S)
        turn = self.sockets.turn(self.clock, self.sequence, 1000, room)
        self.sequence += turn.count if turn else 0
        return turn


@pytest.fixture
def hall(c: ModuleType) -> Iterator[Lane]:
    made = Lane(c)
    yield made
    made.close()


def is_silent(rig: socket.socket) -> bool:
    return not select.select([rig], [], [], 0)[0]


def test_ordinary_shares_are_judged_and_not_delivered(hall: Lane) -> None:
    rig, _, protocol = hall.rig()
    rig.send(submit(1) + submit(2))
    turn = hall.judged()
    assert (turn.count, len(turn.records)) == (2, 2 * 85)
    assert turn.credits == [(rig, "worker", "terms", "job", 2)]
    hall.sockets.deliver()
    assert protocol.told == []


def test_they_are_answered_when_the_turn_is_released_and_once(hall: Lane) -> None:
    rig, _, _ = hall.rig()
    rig.send(submit(1) + submit(2))
    turn = hall.judged()
    hall.sockets.deliver()
    assert is_silent(rig)
    turn.release()
    turn.release()
    assert received(rig, len(accepted(1, 2))) == accepted(1, 2)
    assert is_silent(rig)


def test_each_share_is_noted_once_with_the_time_from_its_turn_to_its_release(hall: Lane) -> None:
    rig, _, _ = hall.rig()
    hall.clock = 100.0
    rig.send(submit(1) + submit(2))
    first = hall.judged()
    hall.sockets.deliver()
    hall.clock = 100.5
    rig.send(submit(3))
    second = hall.judged()
    assert hall.latency.counts == (0, 0, 0)
    hall.clock = 102.0
    for turn in (second, first, first, second):
        turn.release()
    assert (hall.latency.counts, hall.latency.seconds) == ((0, 3, 0), 1.5 + 2 * 2.0)


def test_turns_that_are_not_released_are_not_noted(hall: Lane) -> None:
    rig, _, _ = hall.rig()
    rig.send(submit(1))
    hall.judged()
    gc.collect()
    assert sum(hall.latency.counts) == 0


@pytest.mark.parametrize("told", [ZeroDivisionError, "noon"])
def test_a_clock_that_fails_is_told_of_once_the_answers_are_out(c: ModuleType, told: Any) -> None:
    class Broken(Lane):
        def now(self) -> Any:
            if isinstance(told, str):
                return told
            raise told

    hall = Broken(c)
    rig, _, _ = hall.rig()
    rig.send(submit(1))
    turn = hall.judged()
    with pytest.raises((ZeroDivisionError, TypeError)):
        turn.release()
    assert received(rig, len(accepted(1))) == accepted(1)
    assert sum(hall.latency.counts) == 0
    turn.release()
    hall.close()


def test_the_shares_of_many_are_one_turn_and_each_has_its_own_answers(hall: Lane) -> None:
    rigs = [hall.rig()[0] for _ in range(50)]
    for number, rig in enumerate(rigs):
        rig.send(b"".join(submit(100 * number + i) for i in range(3)))
    turn = hall.judged()
    assert turn.count == 150
    sequences = [int.from_bytes(turn.records[i + 1 : i + 9], "little") for i in range(0, 150, 85)]
    assert sorted(owner.fileno() for owner, *_ in turn.credits) == sorted(r.fileno() for r in rigs)
    assert len(set(sequences)) == len(sequences)
    turn.release()
    for number, rig in enumerate(rigs):
        expected = accepted(*range(100 * number, 100 * number + 3))
        assert received(rig, len(expected)) == expected


def test_what_is_not_ordinary_and_all_behind_it_is_delivered_as_it_came(hall: Lane) -> None:
    rig, _, protocol = hall.rig()
    other, _, silent = hall.rig()
    rig.send(submit(1) + PING + submit(2))
    other.send(submit(3))
    turn = hall.judged()
    assert turn.count == 2
    hall.sockets.deliver()
    assert protocol.told == [("data", PING + submit(2))]
    assert silent.told == []


def test_a_share_that_was_seen_is_delivered(hall: Lane) -> None:
    rig, _, protocol = hall.rig()
    rig.send(submit(1) + submit(1) + submit(2))
    assert hall.judged().count == 1
    hall.sockets.deliver()
    assert protocol.told == [("data", submit(1) + submit(2))]


def test_a_turn_without_an_ordinary_share_is_none(hall: Lane) -> None:
    rig, _, protocol = hall.rig()
    rig.send(PING + submit(1))
    assert hall.judged() is None
    hall.sockets.deliver()
    assert protocol.told == [("data", PING + submit(1))]


def test_a_line_in_pieces_is_the_protocols_and_all_until_a_piece_ends_with_a_line(
    hall: Lane,
) -> None:
    rig, _, protocol = hall.rig()
    pieces = [submit(1) + submit(2)[:30], submit(2)[30:] + submit(3) + b"{", submit(4)[1:]]
    counts = []
    for piece in [*pieces, submit(5)]:
        rig.send(piece)
        turn = hall.judged()
        counts.append(turn.count if turn else 0)
        hall.sockets.deliver()
    assert counts == [1, 0, 0, 1]
    assert whole(protocol.told) == b"".join(pieces).removeprefix(submit(1))


@pytest.mark.parametrize("what", ["none", "closed", "never opened", "taken away"])
def test_of_one_that_is_not_open_all_is_delivered(hall: Lane, c: ModuleType, what: str) -> None:
    rig, sock, protocol = hall.rig()
    if what == "closed":
        sock.rig.close()
    else:
        sock.rig = c.LaneRig(rig) if what == "never opened" else None
    if what == "taken away":
        hall.lane.withdraw(float("inf"))
    rig.send(submit(1))
    assert hall.judged() is None
    hall.sockets.deliver()
    assert protocol.told == [("data", submit(1))]


def test_there_are_no_more_shares_in_a_turn_than_there_is_room_for(hall: Lane) -> None:
    pairs = [hall.rig() for _ in range(5)]
    for number, (rig, _, _) in enumerate(pairs):
        rig.send(submit(2 * number) + submit(2 * number + 1))
    assert hall.judged(room=3).count == 3
    hall.sockets.deliver()
    assert sum(whole(protocol.told).count(b"\n") for _, _, protocol in pairs) == 7


def test_the_end_comes_after_the_shares(hall: Lane) -> None:
    rig, sock, protocol = hall.rig()
    rig.send(submit(1))
    rig.shutdown(socket.SHUT_WR)
    turn = hall.judged()
    hall.sockets.deliver()
    turn.release()
    hall.until(sock.is_closing)
    hall.run_soon()
    assert protocol.told == [("eof",), ("lost", type(None))]
    assert received(rig, 1000) == accepted(1)


def test_who_is_gone_by_the_release_is_passed_over(hall: Lane) -> None:
    pairs = [hall.rig() for _ in range(3)]
    for number, (rig, _, _) in enumerate(pairs):
        rig.send(submit(number))
    turn = hall.judged()
    hall.sockets.deliver()
    pairs[0][1].abort()
    pairs[1][1].close()
    hall.run_soon()
    turn.release()
    answers = [received(rig, len(accepted(0))) for rig, _, _ in pairs]
    assert answers == [b"", b"", accepted(2)]


def test_answers_stand_behind_what_waits(hall: Lane) -> None:
    rig, sock, _ = hall.rig()
    sock.set_write_buffer_limits(high=2**30)
    rig.send(submit(1))
    turn = hall.judged()
    hall.sockets.deliver()
    sock.write(MUCH)
    turn.release()
    data = b""
    while len(data) < len(MUCH) + len(accepted(1)):
        data += rig.recv(65536)
        if hall.is_ready():
            hall.sockets.turn(0.0, 0, 0, 0)
            hall.sockets.deliver()
    assert data == MUCH + accepted(1)


def test_who_does_not_read_its_answers_is_dropped_by_its_protocol(hall: Lane) -> None:
    rig, sock, protocol = hall.rig()
    other, _, _ = hall.rig()
    protocol.on["pause"] = sock.abort
    sock.set_write_buffer_limits(high=1000)
    number = 0
    while not sock.is_closing():
        number += 1
        rig.send(submit(number))
        other.send(submit(2**31 + number))
        turn = hall.judged()
        hall.sockets.deliver()
        turn.release()
        other.recv(65536)
    hall.run_soon()
    assert protocol.told == [("pause",), ("lost", type(None))]


def test_a_turn_may_be_released_within_its_own_release(hall: Lane) -> None:
    rig, sock, protocol = hall.rig()
    rig.send(submit(1))
    turn = hall.judged()
    hall.sockets.deliver()
    sock.set_write_buffer_limits(high=0)
    protocol.on["pause"] = turn.release
    sock.set_write_buffer_limits(high=2**30)
    sock.write(MUCH)
    sock.set_write_buffer_limits(high=2**20)
    turn.release()
    gc.collect()


def test_one_whose_answers_are_not_released_is_not_given_away(hall: Lane) -> None:
    rig, sock, _ = hall.rig()
    rig.send(submit(1))
    turn = hall.judged()
    hall.sockets.deliver()
    with pytest.raises(RuntimeError, match="must be delivered or released first"):
        sock.detach()
    turn.release()
    fd, _ = sock.detach()
    assert received(rig, len(accepted(1))) == accepted(1)
    os.close(fd)


def test_a_turn_that_is_never_released_answers_nobody(hall: Lane) -> None:
    rig, sock, _ = hall.rig()
    rig.send(submit(1))
    turn = hall.judged()
    hall.sockets.deliver()
    del turn
    assert is_silent(rig)
    os.close(sock.detach()[0])


def test_a_turn_outlives_its_connections_and_their_set(c: ModuleType) -> None:
    hall = Lane(c)
    rig, _, _ = hall.rig()
    rig.send(submit(1))
    turn = hall.judged()
    hall.close()
    del hall
    gc.collect()
    turn.release()
    assert turn.replies == accepted(1)


@contextmanager
def without_memory(calls: int) -> Iterator[None]:
    """So many of Python's own allocations succeed, and the next one does not."""
    testcapi = pytest.importorskip("_testcapi")
    testcapi.set_nomemory(calls, calls + 1)
    try:
        yield
    finally:
        testcapi.remove_mem_hooks()


def test_without_memory_for_a_turn_its_shares_are_delivered_and_not_held_to_be_seen(
    hall: Lane,
) -> None:
    rig, _, protocol = hall.rig()
    other, _, silent = hall.rig()
    failures = 0
    for calls in range(20):
        sent = [submit(100 * calls), submit(100 * calls + 1) + PING]
        rig.send(sent[0])
        other.send(sent[1])
        assert hall.is_ready(PATIENCE_S)
        seen = hall.seen.to_bytes()
        try:
            with without_memory(calls):
                turn = hall.sockets.turn(0.0, 0, 0, 1000)
        except MemoryError:
            failures += 1
            assert hall.seen.to_bytes() == seen
        else:
            assert turn.count == 2
            break
        hall.sockets.deliver()
        assert (protocol.told.pop(), silent.told.pop()) == (("data", sent[0]), ("data", sent[1]))
        for line in (sent[0], sent[1].removesuffix(PING)):  # as if it came for the first time
            rig.send(line)
            assert hall.judged().count == 1
            hall.sockets.deliver()
    assert failures > 2


def test_without_memory_for_what_was_read_its_connection_ends(hall: Lane) -> None:
    rig, _, protocol = hall.rig()
    rig.send(PING)
    assert hall.judged() is None
    with pytest.raises(MemoryError), without_memory(0):
        hall.sockets.deliver()
    hall.run_soon()
    assert protocol.told == [("lost", OSError)]


def is_merge(lines: list[bytes], delivered: list[bytes], taken: list[int]) -> bool:
    """Whether each line is in one of the two, which are in the order of the lines."""
    told, numbers = iter(delivered), iter(taken)
    next_told, next_number = next(told, None), next(numbers, None)
    for line in lines:
        if line == next_told:
            next_told = next(told, None)
        elif json.loads(line)["id"] == next_number:
            next_number = next(numbers, None)
        else:
            return False
    return next_told is None and next_number is None


def test_each_line_goes_one_way_in_its_order_whatever_pieces_it_comes_in(hall: Lane) -> None:
    chance = random.Random(3)
    pairs = [hall.rig() for _ in range(8)]
    sent, left, answers = ([b""] * len(pairs) for _ in range(3))
    credited = dict.fromkeys((rig for rig, _, _ in pairs), 0)

    def turn() -> None:
        if turn := hall.judged():
            for rig, *_, count in turn.credits:
                credited[rig] += count
            turn.release()
        hall.sockets.deliver()
        for at, (rig, _, _) in enumerate(pairs):
            answers[at] += b"" if is_silent(rig) else rig.recv(65536)

    for number in range(2000):
        at = chance.randrange(len(pairs))
        line = chance.choice([submit(number)] * 9 + [PING])
        sent[at] += line
        left[at] += line
        if chance.random() < 0.3:
            size = chance.choice([len(left[at]), chance.randrange(len(left[at]) + 1)])
            pairs[at][0].send(left[at][:size])
            left[at] = left[at][size:]
        if chance.random() < 0.1 and hall.is_ready():
            turn()
    for (rig, _, _), rest in zip(pairs, left, strict=True):
        rig.send(rest)
    while hall.is_ready():
        turn()
    assert sum(credited.values()) > 500
    for (rig, _, protocol), lines, answered in zip(pairs, sent, answers, strict=True):
        taken = [json.loads(answer)["id"] for answer in answered.splitlines()]
        assert len(taken) == credited[rig]
        assert is_merge(lines.splitlines(), whole(protocol.told).splitlines(), taken)
