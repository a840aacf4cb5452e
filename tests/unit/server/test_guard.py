"""What becomes of rigs that go wrong: the ladder, bans and limits, on the wire."""

import asyncio
from ipaddress import ip_network

import pytest

from poolserver._vendor.asyncio_stratum import Submit
from poolserver.server.admission import AdmissionTerms
from poolserver.server.conduct import ConductTerms
from tests.unit.server.wire import (
    AUTHORIZE,
    SUBSCRIBE,
    FakeHouse,
    Line,
    messages,
    methods,
    mining_line,
    submit_line,
)
from tests.unit.solving import CURTIME


def bad_share(number: int = 0, name: str = "demo.rig") -> bytes:
    return submit_line(Submit(4, name, "feed", bytes(8), CURTIME, number, None))


def reject(house: FakeHouse, line: Line, seconds: float, every: float = 5.0) -> list[str | int]:
    """Send shares of an unknown job for so long; what the pool says beside its answers."""
    pushes: list[str | int] = []
    until = house.clock + seconds
    while house.clock < until and not line.transport.ended:
        house.clock += every
        said = methods(line.say(bad_share()))
        house.journal.let_go()
        said += methods(line.heard())
        pushes += [each for each in said if each != 4]
    return pushes


async def dropped(line: Line) -> bool:
    await asyncio.sleep(0)
    return line.transport.ended == "closed"


async def test_after_60_s_of_nothing_but_rejects_the_work_is_sent_again(house: FakeHouse) -> None:
    house.work()
    line = mining_line(house)
    assert reject(house, line, 60.0) == []
    assert reject(house, line, 5.0) == ["mining.set_difficulty", "mining.notify"]
    assert reject(house, line, 50.0) == []


async def test_after_120_s_it_is_told_to_reconnect_to_this_same_pool(house: FakeHouse) -> None:
    house.work()
    line = mining_line(house)
    reject(house, line, 120.0)
    house.clock += 5.0
    (said,) = [m for m in messages(line.say(bad_share())) if m.get("method") == "client.reconnect"]
    assert said["params"] == []


async def test_after_180_s_it_is_dropped_and_told_why(house: FakeHouse) -> None:
    house.work()
    line = mining_line(house)
    pushes = reject(house, line, 185.0)
    assert pushes[-1] == "client.show_message"
    assert await dropped(line)
    assert house.guard.refused["dropped"] == 1


async def test_an_accepted_share_ends_the_run(house: FakeHouse) -> None:
    job = house.work()
    line = mining_line(house)
    for number in range(8):
        reject(house, line, 50.0, every=10.0)
        line.say(submit_line(line.solve(job, number)))
        house.journal.let_go()
    assert not await dropped(line)


async def test_90_percent_rejects_over_50_submits_is_a_strike(house: FakeHouse) -> None:
    house.work()
    line = mining_line(house)
    reject(house, line, 5.0, every=0.1)
    assert await dropped(line)


async def test_shares_of_the_old_tip_are_never_abuse(house: FakeHouse) -> None:
    job = house.work()
    line = mining_line(house)
    shares = [line.solve(job, number) for number in range(100)]
    house.work(height=102, tip=2)
    for number, share in enumerate(shares):
        house.clock += 5.0
        line.say(submit_line(share, number))
    assert not await dropped(line)
    assert line.session.conduct is None


async def test_an_idle_rig_is_never_dropped(house: FakeHouse) -> None:
    house.work()
    line = mining_line(house)
    for _ in range(24 * 60):  # a planned curtailment may last for days
        house.clock += 60.0
        line.session.tick(house.clock)
        house.guard.look(house.clock)
    assert not await dropped(line)


async def misbehave(house: FakeHouse, name: str = "demo.rig", host: str = "203.0.113.9") -> Line:
    line = Line(house, host=host)
    line.say(SUBSCRIBE, AUTHORIZE.replace(b"demo.rig", name.encode()))
    reject(house, line, 5.0, every=0.1)
    await dropped(line)
    line.hang_up()
    return line


async def test_three_strikes_ban_the_username_from_that_address(house: FakeHouse) -> None:
    job = house.work()
    neighbour = Line(house, host="203.0.113.9")
    neighbour.say(SUBSCRIBE, AUTHORIZE.replace(b"demo.rig", b"demo.good"))
    share = neighbour.solve(job)._replace(worker_name="demo.good")
    neighbour.say(submit_line(share))
    for _ in range(3):
        await misbehave(house)
    again = Line(house, host="203.0.113.9")
    assert again.transport.ended == ""  # the address has proven work: it is not banned
    answer = messages(again.say(SUBSCRIBE, AUTHORIZE))[1]
    assert answer["error"] == [24, "banned", None]
    assert await dropped(again)
    elsewhere = Line(house, host="203.0.113.10")
    elsewhere.say(SUBSCRIBE, AUTHORIZE)
    assert elsewhere.session.has_work
    house.clock += 900.0
    later = Line(house, host="203.0.113.9")
    later.say(SUBSCRIBE, AUTHORIZE)
    assert later.session.has_work


async def test_an_address_that_never_proved_work_is_banned_with_it(house: FakeHouse) -> None:
    house.work()
    for _ in range(3):
        await misbehave(house)
    assert Line(house, host="203.0.113.9").transport.ended == "aborted"
    assert house.guard.refused["banned"] == 1


async def test_one_bad_rig_does_not_ban_the_name_that_it_shares_with_good_ones(
    house: FakeHouse,
) -> None:
    job = house.work()
    good = Line(house, host="203.0.113.9")
    good.say(SUBSCRIBE, AUTHORIZE)
    good.say(submit_line(good.solve(job)))
    for _ in range(3):
        await misbehave(house)
    again = Line(house, host="203.0.113.9")
    again.say(SUBSCRIBE, AUTHORIZE)
    assert again.session.has_work


async def test_while_a_fifth_of_all_sessions_rejects_nobody_is_dropped(house: FakeHouse) -> None:
    job = house.work()
    lines = [mining_line(house) for _ in range(20)]
    lines[19].say(submit_line(lines[19].solve(job)))  # their address is known
    for _ in range(60):
        house.clock += 5.0
        for line in lines[:6]:
            line.say(bad_share())
            house.journal.let_go()
        house.guard.look(house.clock)
    assert house.guard.pool_at_fault
    assert not any([await dropped(line) for line in lines])
    house.clock += 61.0
    house.guard.look(house.clock)
    assert not house.guard.pool_at_fault


async def test_one_stranger_cannot_make_it_look_as_if_the_pool_were_at_fault(
    house: FakeHouse,
) -> None:
    job = house.work()
    good = [mining_line(house) for _ in range(20)]
    good[0].say(submit_line(good[0].solve(job)))
    bad = [Line(house, host="203.0.113.9") for _ in range(20)]
    for line in bad:
        line.say(SUBSCRIBE, AUTHORIZE)
    for _ in range(12):
        house.clock += 1.0
        for line in bad:
            line.say(bad_share())
        house.guard.look(house.clock)
    assert house.guard.rejecting == 20
    assert not house.guard.pool_at_fault


async def test_after_a_fault_of_the_pool_nobody_is_dropped_for_what_was_rejected(
    house: FakeHouse,
) -> None:
    job = house.work()
    lines = [mining_line(house) for _ in range(6)]
    lines[0].say(submit_line(lines[0].solve(job)))
    for _ in range(60):
        house.clock += 5.0
        for line in lines:
            line.say(bad_share())
        house.guard.look(house.clock)
    house.clock += 61.0
    house.guard.look(house.clock)
    lines[0].say(bad_share())
    assert not await dropped(lines[0])


async def test_a_rig_told_to_reconnect_gets_an_extranonce1_of_its_own_again(
    house: FakeHouse,
) -> None:
    house.work()
    line = mining_line(house)
    reject(house, line, 125.0)
    before, name = line.session.miner.extranonce1, line.session.miner.session_id
    line.hang_up()
    again = Line(house)
    again.say(SUBSCRIBE.replace(b'"rig/1.0"', b'"rig/1.0","%s"' % name.encode()))
    assert again.session.miner.extranonce1 != before


async def test_a_strangers_names_are_bounded_in_all_until_he_proves_work(
    house: FakeHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("poolserver.server.guard.MAX_WORKERS", 3)
    job = house.work()
    first, second = mining_line(house), mining_line(house)
    names = [b"demo.%d" % n for n in range(3)]
    taken = [second.ask("mining.authorize", name.decode(), "x")["result"] for name in names]
    assert taken == [True, None, None]
    assert second.ask("mining.authorize", "demo.rig", "x")["result"] is True  # it is there already
    first.say(submit_line(first.solve(job)))
    assert second.ask("mining.authorize", "demo.2", "x")["result"] is True
    address = second.session.address
    assert address is not None
    assert address.names == 4
    second.hang_up()
    assert address.names == 1


async def test_a_share_that_came_with_the_last_bad_ones_is_still_judged(house: FakeHouse) -> None:
    job = house.work()
    line = mining_line(house)
    share = line.solve(job)
    line.say(*(bad_share(n) for n in range(60)), submit_line(share))
    assert house.journal.records[-1][1].reason == "accepted"
    assert await dropped(line)


async def test_an_unknown_method_is_never_abuse(house: FakeHouse) -> None:
    house.work()
    line = mining_line(house)
    for _ in range(1000):
        house.clock += 1.0
        line.say(b'{"id":1,"method":"mining.make_tea","params":[]}\n')
    assert not await dropped(line)


async def test_a_peer_that_sends_garbage_is_dropped_at_last(house: FakeHouse) -> None:
    house.work()
    line = Line(house)
    for _ in range(185):
        house.clock += 1.0
        line.say(b"GET / HTTP/1.1\n")
    assert await dropped(line)


async def test_an_address_may_have_so_many_connections_until_it_proves_work() -> None:
    house = FakeHouse(limits=AdmissionTerms(connections_unknown=2, connections_known=4))
    job = house.work()
    lines = [mining_line(house), mining_line(house)]
    assert mining_line(house).transport.ended == "aborted"
    assert Line(house, host="203.0.113.10").transport.ended == ""
    lines[0].say(submit_line(lines[0].solve(job)))
    assert [Line(house).transport.ended for _ in range(3)] == ["", "", "aborted"]
    assert house.guard.refused["too_many_connections"] == 2


async def test_a_trusted_network_has_no_limits() -> None:
    limits = AdmissionTerms(connections_unknown=1, trusted=(ip_network("192.0.2.0/24"),))
    house = FakeHouse(limits=limits)
    assert all(not Line(house).transport.ended for _ in range(10))


@pytest.mark.parametrize("name", ["demo", "demo.rig", "", "nobody"])
async def test_a_refused_name_counts_against_the_session(house: FakeHouse, name: str) -> None:
    house.conduct = ConductTerms()
    house.work()
    line = Line(house)
    line.ask("mining.authorize", name, "x")
    assert (line.session.conduct is not None) == (not name.startswith("demo"))
