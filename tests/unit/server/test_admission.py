"""Connection limits: strangers narrow, those that have proven work wide, memory bounded."""

from ipaddress import ip_network
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolserver.server.admission import Address, Admission, AdmissionTerms, Refusal, identify

TERMS = AdmissionTerms(
    connections_unknown=4,
    connections_known=40,
    per_second_unknown=1.0,
    per_second_known=10.0,
    known_for_s=1000.0,
)
HOST = "192.0.2.1"
LAN = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


def let_in(admission: Admission, host: str, now: float) -> Address:
    address = admission.enter(host, now)
    assert isinstance(address, Address), address
    return address


def let_in_many(admission: Admission, host: str, count: int, now: float) -> Address:
    return [let_in(admission, host, now) for _ in range(count)][-1]


# --- the limits ------------------------------------------------------------------------------


def test_a_stranger_has_so_many_connections_and_no_more() -> None:
    admission = Admission(TERMS)
    address = let_in_many(admission, HOST, 4, 0.0)
    assert admission.enter(HOST, 100.0) is Refusal.TOO_MANY
    admission.leave(address, 100.0)
    assert let_in(admission, HOST, 100.0) is address
    assert admission.enter(HOST, 100.0) is Refusal.TOO_MANY


def test_one_address_does_not_use_up_anothers_limit() -> None:
    admission = Admission(TERMS)
    let_in_many(admission, HOST, 4, 0.0)
    let_in_many(admission, "192.0.2.2", 4, 0.0)


def test_who_comes_and_goes_too_fast_must_wait_until_room_has_come_back() -> None:
    admission = Admission(TERMS)
    for _ in range(4):
        admission.leave(let_in(admission, HOST, 0.0), 0.0)
    assert admission.enter(HOST, 0.5) is Refusal.TOO_FAST
    admission.leave(let_in(admission, HOST, 1.0), 1.0)
    assert admission.enter(HOST, 1.5) is Refusal.TOO_FAST


def test_a_refused_connection_takes_no_room() -> None:
    admission = Admission(TERMS)
    for _ in range(4):
        admission.leave(let_in(admission, HOST, 0.0), 0.0)
    for _ in range(1000):
        assert admission.enter(HOST, 0.5) is Refusal.TOO_FAST
    let_in(admission, HOST, 1.0)


def test_the_first_accepted_share_lifts_the_limit_for_the_rest_at_once() -> None:
    admission = Admission(TERMS)
    address = let_in_many(admission, HOST, 4, 0.0)
    assert admission.enter(HOST, 1.0) is Refusal.TOO_MANY
    address.accepted_at = 1.0
    let_in_many(admission, HOST, 36, 1.0)
    assert address.connections == 40
    assert admission.enter(HOST, 1.0) is Refusal.TOO_MANY


def test_a_known_address_is_held_to_its_own_rate() -> None:
    admission = Admission(TERMS)
    let_in(admission, HOST, 0.0).accepted_at = 0.0
    for _ in range(39):
        admission.leave(let_in(admission, HOST, 0.0), 0.0)
    assert admission.enter(HOST, 0.05) is Refusal.TOO_FAST
    let_in(admission, HOST, 0.2)


def test_a_hall_of_ten_thousand_known_rigs_comes_back_in_one_second_after_a_power_cut() -> None:
    admission = Admission(AdmissionTerms())
    address = let_in_many(admission, HOST, 500, 0.0)
    address.accepted_at = 10.0
    for _ in range(500):
        admission.leave(address, 20.0)
    for n in range(10_000):
        let_in(admission, HOST, 86_400.0 + n / 10_000)


def test_an_unknown_hall_comes_in_as_soon_as_its_first_rigs_have_proven_work() -> None:
    admission = Admission(AdmissionTerms())
    address = let_in_many(admission, HOST, 512, 0.0)
    assert admission.enter(HOST, 0.0) is Refusal.TOO_MANY
    address.accepted_at = 5.0
    let_in_many(admission, HOST, 10_000 - 512, 5.0)


def test_an_address_is_known_for_so_long_after_its_last_accepted_share() -> None:
    admission = Admission(TERMS)
    address = let_in(admission, HOST, 0.0)
    assert not admission.is_known(address, 0.0)
    address.accepted_at = 10.0
    assert admission.is_known(address, 1010.0)
    assert not admission.is_known(address, 1010.1)


def test_connections_of_an_address_that_is_no_longer_known_stay() -> None:
    admission = Admission(TERMS)
    address = let_in(admission, HOST, 0.0)
    address.accepted_at = 0.0
    let_in_many(admission, HOST, 9, 0.0)
    assert admission.enter(HOST, 2000.0) is Refusal.TOO_MANY
    assert address.connections == 10
    for _ in range(7):
        admission.leave(address, 2000.0)
    let_in(admission, HOST, 2000.0)


def test_a_site_with_a_limit_of_none_is_refused_and_leaves_no_record() -> None:
    admission = Admission(AdmissionTerms(connections_unknown=0))
    assert admission.enter(HOST, 0.0) is Refusal.TOO_MANY
    assert len(admission) == 0


def test_to_leave_more_often_than_entered_is_a_bug_of_ours() -> None:
    admission = Admission(TERMS)
    address = let_in(admission, HOST, 0.0)
    admission.leave(address, 0.0)
    with pytest.raises(AssertionError):
        admission.leave(address, 0.0)


# --- bans and trust --------------------------------------------------------------------------


def test_a_banned_address_is_refused_by_its_key() -> None:
    asked: list[tuple[str, float]] = []

    def is_banned(key: str, now: float) -> bool:
        asked.append((key, now))
        return key == "2001:db8::/64"

    admission = Admission(TERMS, is_banned)
    assert admission.enter("2001:db8::17", 3.0) is Refusal.BANNED
    assert len(admission) == 0
    let_in(admission, HOST, 4.0)
    assert asked == [("2001:db8::/64", 3.0), (HOST, 4.0)]


@pytest.mark.parametrize("host", ["10.1.2.3", "::ffff:10.1.2.3", "fd00::1", "", "/run/pool.sock"])
def test_a_trusted_or_local_peer_has_no_limit_and_is_never_refused(host: str) -> None:
    terms = AdmissionTerms(connections_unknown=1, per_second_unknown=0.0, trusted=LAN)
    admission = Admission(terms, lambda key, now: True)
    address = let_in_many(admission, host, 100, 0.0)
    assert address.trusted
    assert address.connections == 100


def test_a_trusted_address_does_not_lend_its_trust_to_the_rest_of_its_64() -> None:
    terms = AdmissionTerms(connections_unknown=2, trusted=(ip_network("2001:db8::1/128"),))
    admission = Admission(terms)
    let_in_many(admission, "2001:db8::1", 50, 0.0)
    stranger = let_in_many(admission, "2001:db8::2", 2, 0.0)
    assert not stranger.trusted
    assert admission.enter("2001:db8::2", 0.0) is Refusal.TOO_MANY
    let_in(admission, "2001:db8::1", 0.0)


def test_refusals_have_stable_labels() -> None:
    assert [str(refusal) for refusal in Refusal] == [
        "too_many_connections",
        "too_many_new_connections",
        "banned",
    ]


# --- who is who ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "key"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("::FFFF:c000:0201", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:DB8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
    ],
)
def test_an_address_is_counted_by_what_one_subscriber_has(host: str, key: str) -> None:
    assert identify(host, ()) == (key, False)


def test_a_trusted_address_is_counted_by_itself() -> None:
    assert identify("fd00::1", LAN) == ("fd00::1", True)
    assert identify("::ffff:10.0.0.1", LAN) == ("10.0.0.1", True)


def test_all_of_one_64_share_one_limit() -> None:
    admission = Admission(TERMS)
    for n in range(4):
        let_in(admission, f"2001:db8::{n}", 0.0)
    assert admission.enter("2001:db8::ffff", 0.0) is Refusal.TOO_MANY
    let_in(admission, "2001:db8:0:1::", 0.0)


def test_a_mapped_and_a_plain_ipv4_address_are_one() -> None:
    admission = Admission(TERMS)
    assert let_in(admission, "::ffff:192.0.2.1", 0.0) is let_in(admission, HOST, 0.0)


@given(st.text())
def test_any_text_is_a_key_or_local(host: str) -> None:
    key, trusted = identify(host, LAN)
    assert key or trusted


@given(st.ip_addresses())
def test_every_ip_address_has_a_key_and_none_is_taken_for_local(ip: object) -> None:
    key, trusted = identify(str(ip), ())
    assert key
    assert not trusted


# --- what is remembered ----------------------------------------------------------------------


def turn_over(admission: Admission, now: float, times: int = 10) -> None:
    """Enough calls of a trusted peer for whatever is due to be forgotten."""
    for _ in range(times):
        admission.leave(let_in(admission, "", now), now)


def test_a_stranger_is_forgotten_once_its_bucket_is_full_again() -> None:
    admission = Admission(TERMS)
    address = let_in_many(admission, HOST, 2, 0.0)
    admission.leave(address, 0.0)
    admission.leave(address, 0.0)
    turn_over(admission, 1.9)
    assert let_in(admission, HOST, 1.9) is address
    admission.leave(address, 1.9)
    turn_over(admission, 3.0)
    assert let_in(admission, HOST, 3.0) is not address


def test_a_known_address_is_remembered_as_long_as_it_is_known() -> None:
    admission = Admission(TERMS)
    address = let_in(admission, HOST, 0.0)
    address.accepted_at = 0.0
    admission.leave(address, 0.0)
    turn_over(admission, 1000.0)
    assert let_in(admission, HOST, 1000.0) is address
    admission.leave(address, 1000.0)
    turn_over(admission, 1002.0)
    assert let_in(admission, HOST, 1002.0) is not address


def test_known_addresses_do_not_keep_strangers_from_being_forgotten() -> None:
    admission = Admission(TERMS)
    known = let_in(admission, HOST, 0.0)
    known.accepted_at = 0.0
    admission.leave(known, 0.0)
    for n in range(100):
        admission.leave(let_in(admission, f"198.51.100.{n}", 0.0), 0.0)
    turn_over(admission, 100.0, times=60)
    assert len(admission) <= 2  # the known one, and the local peer


def test_at_most_so_many_idle_records_are_kept_and_the_oldest_go_first() -> None:
    admission = Admission(TERMS, max_idle_records=10)
    for n in range(30):
        admission.leave(let_in(admission, f"198.51.100.{n}", 0.0), 0.0)
    assert len(admission) == 10
    let_in_many(admission, "198.51.100.25", 3, 0.0)  # remembered: one of its four was used
    assert admission.enter("198.51.100.25", 0.0) is Refusal.TOO_FAST
    let_in_many(admission, "198.51.100.5", 4, 0.0)  # forgotten: all four are there


def test_a_crowd_of_strangers_does_not_push_out_a_known_address() -> None:
    admission = Admission(TERMS, max_idle_records=10)
    known = let_in(admission, HOST, 0.0)
    known.accepted_at = 0.0
    admission.leave(known, 0.0)
    for n in range(200):
        admission.leave(let_in(admission, f"198.51.100.{n}", 0.0), 0.0)
    assert let_in(admission, HOST, 0.0) is known


def test_an_address_with_connections_is_never_forgotten() -> None:
    admission = Admission(TERMS, max_idle_records=1)
    live = let_in(admission, HOST, 0.0)
    for n in range(200):
        admission.leave(let_in(admission, f"198.51.100.{n}", n * 10.0), n * 10.0)
    assert let_in(admission, HOST, 5000.0) is live


@pytest.mark.parametrize("accepted_at", [-inf, 0.0], ids=["stranger", "known"])
def test_an_address_that_came_back_is_not_forgotten_for_having_been_idle(
    accepted_at: float,
) -> None:
    admission = Admission(TERMS, max_idle_records=1)
    address = let_in(admission, HOST, 0.0)
    address.accepted_at = accepted_at
    admission.leave(address, 0.0)
    assert let_in(admission, HOST, 0.0) is address
    turn_over(admission, 5000.0)
    assert let_in(admission, HOST, 5000.0) is address


class Remembering:
    """The same rules in a plain form, by one that never forgets."""

    def __init__(self, terms: AdmissionTerms) -> None:
        self.terms = terms
        self.connections: dict[str, int] = {}
        self.accepted_at: dict[str, float] = {}
        self.bucket: dict[str, tuple[float, float]] = {}

    def enter(self, host: str, now: float) -> Refusal | None:
        terms = self.terms
        known = now - self.accepted_at.get(host, -inf) <= terms.known_for_s
        limit = terms.connections_known if known else terms.connections_unknown
        rate = terms.per_second_known if known else terms.per_second_unknown
        if self.connections.get(host, 0) >= limit:
            return Refusal.TOO_MANY
        spent, at = self.bucket.get(host, (0.0, 0.0))
        spent = max(0.0, spent - (now - at) * rate) + 1
        if spent > limit:
            return Refusal.TOO_FAST
        self.bucket[host] = spent, now
        self.connections[host] = self.connections.get(host, 0) + 1
        return None


HOSTS = st.sampled_from(["192.0.2.1", "192.0.2.2", "192.0.2.3"])
MOVES = st.lists(
    st.tuples(
        st.sampled_from(["enter", "enter", "enter", "leave", "accept"]),
        HOSTS,
        st.sampled_from([0.0, 0.0, 0.25, 1.0, 8.0, 40.0]),
    ),
    max_size=80,
)


@given(MOVES)
def test_what_is_forgotten_makes_no_difference(moves: list[tuple[str, str, float]]) -> None:
    terms = AdmissionTerms(
        connections_unknown=3,
        connections_known=6,
        per_second_unknown=0.5,
        per_second_known=2.0,
        known_for_s=32.0,
    )
    admission, model = Admission(terms), Remembering(terms)
    live: dict[str, list[Address]] = {}
    now = 0.0
    for move, host, wait_s in moves:
        now += wait_s
        sessions = live.setdefault(host, [])
        if move == "enter":
            answer = admission.enter(host, now)
            refusal = model.enter(host, now)
            if isinstance(answer, Address):
                assert refusal is None
                sessions.append(answer)
            else:
                assert refusal is answer
        elif sessions and move == "leave":
            admission.leave(sessions.pop(), now)
            model.connections[host] -= 1
        elif sessions:
            sessions[0].accepted_at = model.accepted_at[host] = now


@given(MOVES, st.integers(0, 2))
def test_counts_and_memory_are_bounded(
    moves: list[tuple[str, str, float]], max_idle_records: int
) -> None:
    terms = AdmissionTerms(connections_unknown=3, connections_known=6, known_for_s=32.0)
    admission = Admission(terms, max_idle_records=max_idle_records)
    live: dict[str, list[Address]] = {}
    now = 0.0
    for move, host, wait_s in moves:
        now += wait_s
        sessions = live.setdefault(host, [])
        if move == "enter":
            answer = admission.enter(host, now)
            if isinstance(answer, Address):
                sessions.append(answer)
        elif sessions and move == "leave":
            admission.leave(sessions.pop(), now)
        elif sessions:
            sessions[0].accepted_at = now
        in_use = [sessions for sessions in live.values() if sessions]
        assert len(admission) <= len(in_use) + max_idle_records
        for sessions in in_use:
            assert len(set(sessions)) == 1  # all of a host share one record
            assert sessions[0].connections == len(sessions) <= 6


@given(st.lists(st.sampled_from([0.0, 0.1, 1.0, 3.0]), max_size=100))
def test_a_stranger_never_gets_more_in_than_its_burst_and_its_rate(waits: list[float]) -> None:
    admission = Admission(TERMS)
    now, entered = 0.0, 0
    for wait_s in waits:
        now += wait_s
        answer = admission.enter(HOST, now)
        if isinstance(answer, Address):
            entered += 1
            admission.leave(answer, now)
    assert entered <= TERMS.connections_unknown + now * TERMS.per_second_unknown + 1e-6


# --- from one process to the next --------------------------------------------------------------


def test_what_was_remembered_of_addresses_is_remembered_by_the_next_process() -> None:
    there, here = Admission(TERMS), Admission(TERMS)
    known, stranger = let_in(there, HOST, 0.0), let_in_many(there, "192.0.2.2", 4, 0.0)
    known.accepted_at = 10.0
    left = let_in(there, "192.0.2.3", 0.0)
    left.accepted_at = 20.0
    there.leave(left, 20.0)
    here.restore(there.state(), 30.0)
    for _ in range(4):
        address = here.enter_again("192.0.2.2")
    assert here.enter("192.0.2.2", 30.0) is Refusal.TOO_MANY
    assert (address.connections, address.spent) == (4, stranger.spent)
    let_in_many(here, HOST, 20, 31.0)
    let_in_many(here, "192.0.2.3", 20, 31.0)


def test_a_connection_that_was_let_in_once_is_refused_nothing() -> None:
    admission = Admission(TERMS, lambda key, now: True)
    for _ in range(10):
        address = admission.enter_again(HOST)
    assert address.connections == 10
    for _ in range(10):
        admission.leave(address, 0.0)
