"""What is ordinary, and what is made of it: a record, a reply and a part in a credit."""

import gc
import sys
import weakref
from collections.abc import Callable
from dataclasses import replace
from math import inf
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit._native.lane_world import (
    JOB_ID,
    MASK,
    NTIME_MAX,
    NTIME_MIN,
    NUMBER,
    REF,
    VERSION,
    LaneWorld,
    Share,
    as_target,
    hashes_of,
    lines,
    shares,
    terms_of,
)

USUAL = Share()


@pytest.fixture
def world(c: ModuleType) -> LaneWorld:
    return LaneWorld(c)


def not_meeting(world: LaneWorld, share: Share) -> tuple[Any, ...]:
    """Terms whose target this share, of some that are to be sent, just misses."""
    return terms_of(target_le=as_target(world.hash_of(share), -1))


# --- what is made of an ordinary share ------------------------------------------------------------


def test_a_share_has_a_record_a_reply_and_a_credit(world: LaneWorld) -> None:
    turn = world.judge(USUAL.line, sequence=2**63)
    assert turn.count == 1
    assert turn.records == world.record_of(USUAL, 2**63)
    assert turn.replies == USUAL.reply
    assert turn.credits == [("rig", "worker", "terms", "job", 1)]
    assert turn.taken == len(USUAL.line)
    assert world.seen.to_bytes() == world.hash_of(USUAL)


@given(st.integers(1, 9))
def test_shares_are_settled_in_the_order_in_which_they_came(c: ModuleType, count: int) -> None:
    world, several = LaneWorld(c), shares(count)
    turn = world.judge(lines(*several), sequence=40)
    records = [world.record_of(share, 40 + n) for n, share in enumerate(several)]
    assert turn.records == b"".join(records)
    assert turn.replies == b"".join(share.reply for share in several)
    assert turn.credits == [("rig", "worker", "terms", "job", count)]
    assert world.seen.to_bytes() == b"".join(map(world.hash_of, several))


def test_nothing_is_made_of_what_has_nothing_ordinary(world: LaneWorld) -> None:
    assert world.judge(b'{"id":1,"method":"mining.ping","params":[]}\n' + USUAL.line) is None
    assert len(world.seen) == 0


def test_a_turn_has_thousands_of_shares(world: LaneWorld) -> None:
    several = shares(5000)
    turn = world.judge(lines(*several), room=10_000)
    assert turn.count == 5000
    assert len(world.seen) == 5000
    assert turn.records[-85:] == world.record_of(several[-1], 5000)


def test_room_is_for_so_many_shares(world: LaneWorld) -> None:
    several = shares(5)
    turn = world.judge(lines(*several), room=3)
    assert turn.count == 3
    assert turn.taken == len(lines(*several[:3]))
    assert world.judge(USUAL.line, room=0) is None


def test_a_turn_forgets_the_one_before(world: LaneWorld) -> None:
    first, second = shares(2)
    world.judge(first.line)
    turn = world.judge(second.line)
    assert (turn.count, turn.replies) == (1, second.reply)
    assert turn.credits == [("rig", "worker", "terms", "job", 1)]


# --- what is left to the plain path ---------------------------------------------------------------


@pytest.mark.parametrize(
    "share",
    [
        replace(USUAL, worker="demo.other"),
        replace(USUAL, worker="demo.ri"),
        replace(USUAL, worker="demo.rigg"),
        replace(USUAL, worker="Demo.rig"),
        replace(USUAL, worker=""),
        replace(USUAL, job_id=JOB_ID[:-1] + "2"),
        replace(USUAL, job_id=JOB_ID[:-1]),
        replace(USUAL, job_id=JOB_ID.upper()),
        replace(USUAL, job_id=""),
        replace(USUAL, job_id="0" * 32),
        replace(USUAL, job_id="0" * 33),
        replace(USUAL, ntime=NTIME_MIN - 1),
        replace(USUAL, ntime=NTIME_MAX + 1),
        replace(USUAL, version_bits=MASK >> 1),
        replace(USUAL, version_bits=1),
        replace(USUAL, version_bits=0x20000000),
    ],
)
def test_a_share_that_something_is_wrong_with_is_left(world: LaneWorld, share: Share) -> None:
    assert not world.takes(share)
    assert len(world.seen) == 0


@pytest.mark.parametrize(
    "share",
    [
        replace(USUAL, ntime=NTIME_MIN),
        replace(USUAL, ntime=NTIME_MAX),
        replace(USUAL, version_bits=0),
        replace(USUAL, version_bits=MASK),
    ],
)
def test_what_is_in_range_is_taken(world: LaneWorld, share: Share) -> None:
    assert hashes_of(world.judge(share.line).records) == [world.hash_of(share)]


def test_a_hash_that_is_the_target_meets_it(world: LaneWorld) -> None:
    world.open(not_meeting(world, USUAL))
    assert not world.takes(USUAL)
    assert len(world.seen) == 0
    world.open(terms_of(target_le=as_target(world.hash_of(USUAL))))
    assert world.takes(USUAL)


def test_a_block_is_left(c: ModuleType) -> None:
    hash_le = LaneWorld(c).hash_of(USUAL)
    block = LaneWorld(c, network_target_le=as_target(hash_le))
    assert not block.takes(USUAL)
    assert len(block.seen) == 0
    assert LaneWorld(c, network_target_le=as_target(hash_le, -1)).takes(USUAL)


def test_a_share_that_was_seen_is_left(world: LaneWorld) -> None:
    assert world.takes(USUAL)
    assert not world.takes(USUAL)
    assert not world.takes(replace(USUAL, request_id=5))
    world.seen.add(world.hash_of(replace(USUAL, nonce=1)))
    assert not world.takes(replace(USUAL, nonce=1))


def test_the_second_of_a_turn_is_found(world: LaneWorld) -> None:
    first, second = shares(2)
    turn = world.judge(lines(first, second, first, replace(second, nonce=2)))
    assert turn.count == 2
    assert turn.taken == len(lines(first, second))


@given(st.lists(st.booleans(), min_size=1, max_size=8))
def test_all_behind_the_first_that_is_not_ordinary_is_left(
    c: ModuleType, ordinary: list[bool]
) -> None:
    world = LaneWorld(c)
    several = shares(len(ordinary))
    for share, is_ordinary in zip(several, ordinary, strict=True):
        if not is_ordinary:  # known only when it is hashed
            world.seen.add(world.hash_of(share))
    good = [*ordinary, False].index(False)
    turn = world.judge(lines(*several))
    assert (0 if turn is None else turn.count) == good
    if turn is not None:
        assert turn.taken == len(lines(*several[:good]))
        assert turn.replies == b"".join(share.reply for share in several[:good])
    for share, is_ordinary in zip(several, ordinary, strict=True):
        assert (world.hash_of(share) in world.seen) is (share.nonce < good or not is_ordinary)


def test_empty_lines_before_what_is_left_are_settled_or_not_but_never_the_line(
    world: LaneWorld,
) -> None:
    first, second = shares(2)
    world.seen.add(world.hash_of(second))
    turn = world.judge(first.line + b"\r\n\n" + second.line)
    assert turn.taken == len(first.line) + 3


# --- terms ----------------------------------------------------------------------------------------


def test_a_share_is_judged_by_the_terms_of_its_job(world: LaneWorld) -> None:
    world.offer("later", "b", NUMBER + 2)
    world.open(
        terms_of("old", 1, work=1),
        terms_of("its own", NUMBER, work=2),
        terms_of("new", NUMBER + 1, work=3),
    )
    on_old, on_later = USUAL, replace(USUAL, job_id="b", nonce=1)
    turn = world.judge(lines(on_old, on_later))
    assert turn.credits == [
        ("rig", "worker", "its own", "job", 1),
        ("rig", "worker", "new", "later", 1),
    ]
    assert turn.records == world.record_of(on_old, 1, work=2) + world.record_of(
        on_later, 2, work=3, number=NUMBER + 2
    )


def test_of_terms_from_the_same_job_on_the_last_hold(world: LaneWorld) -> None:
    world.open(terms_of("first", NUMBER), terms_of("second", NUMBER))
    assert world.judge(USUAL.line).credits[0][2] == "second"


def test_a_job_from_before_all_terms_is_left(world: LaneWorld) -> None:
    world.open(terms_of(first_job=NUMBER + 1))
    assert not world.takes(USUAL)
    world.rig.open(MASK, [], [("worker", b"demo.rig", 1)])
    assert not world.takes(USUAL)


@pytest.mark.parametrize("extranonce1", [b"", b"\x01", b"12345678"])
def test_extranonce1_is_that_of_the_terms(world: LaneWorld, extranonce1: bytes) -> None:
    world.open(terms_of(extranonce1=extranonce1))
    turn = world.judge(USUAL.line)
    assert hashes_of(turn.records) == [world.hash_of(USUAL, extranonce1)]


def test_the_coinbase_is_that_of_the_terms_and_there_has_to_be_one(world: LaneWorld) -> None:
    world.open(terms_of(coinbase_class=1))
    assert hashes_of(world.judge(USUAL.line).records) == [world.hash_of(USUAL, size_class=1)]
    world.open(terms_of(coinbase_class=2))
    assert not world.takes(USUAL)


@pytest.mark.parametrize(("of_terms", "of_rig"), [(MASK, 0), (0, MASK), (0x4000, 0x2000)])
def test_bits_may_be_those_of_the_terms_and_those_of_the_rig(
    world: LaneWorld, of_terms: int, of_rig: int
) -> None:
    world.open(terms_of(version_mask=of_terms), version_mask=of_rig)
    mask = of_terms | of_rig
    share = replace(USUAL, version_bits=0x6000)
    assert hashes_of(world.judge(share.line).records) == [world.hash_of(share, mask=mask)]
    assert not world.takes(replace(share, version_bits=~mask & 0xFFFFFFFF))


def test_bits_take_the_place_of_the_jobs_own_within_the_mask(world: LaneWorld) -> None:
    mask = VERSION | 0x2000
    world.open(terms_of(version_mask=mask))
    with_bits = replace(USUAL, version_bits=0x2000)
    turn = world.judge(lines(with_bits, replace(USUAL, nonce=1)))
    assert hashes_of(turn.records) == [
        world.hash_of(with_bits, mask=mask),
        world.hash_of(replace(USUAL, nonce=1)),
    ]


def test_work_is_of_up_to_128_bits(world: LaneWorld) -> None:
    world.open(terms_of(work=2**128 - 1))
    assert world.judge(USUAL.line).records == world.record_of(USUAL, 1, work=2**128 - 1)


# --- workers --------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 4, 5, 8, 9, 500])
def test_each_worker_of_a_connection_is_found(world: LaneWorld, count: int) -> None:
    workers = tuple((f"worker {n}", b"demo.%d" % n, n) for n in range(count))
    world.open(workers=workers)
    for n in range(count):
        share = replace(USUAL, worker=f"demo.{n}", nonce=n)
        turn = world.judge(share.line)
        assert turn.credits == [("rig", f"worker {n}", "terms", "job", 1)]
        assert turn.records == world.record_of(share, 1, ref=n)
    assert not world.takes(replace(USUAL, worker=f"demo.{count}", nonce=count))


def test_shares_in_a_row_of_one_worker_are_one_credit(world: LaneWorld) -> None:
    world.open(workers=(("a", b"a", 1), ("b", b"b", 2)))
    several = [replace(s, worker="aabba"[n]) for n, s in enumerate(shares(5))]
    assert [credit[1:2] + credit[4:] for credit in world.judge(lines(*several)).credits] == [
        ("a", 2),
        ("b", 2),
        ("a", 1),
    ]


@pytest.mark.parametrize("name", [b'a"b', b"a\\b", b"a\x1f", b"a\x7f", "é".encode(), b"a" * 192])
def test_a_worker_whose_name_json_writes_otherwise_is_left_out(
    world: LaneWorld, name: bytes
) -> None:
    world.open(workers=(("odd", name, 1), ("worker", b"demo.rig", REF)))
    assert not world.takes(replace(USUAL, worker=name.decode()))
    assert world.takes(USUAL)


def test_a_rig_without_workers_has_nothing_ordinary(world: LaneWorld) -> None:
    world.open(workers=())
    assert not world.takes(USUAL)


# --- jobs -----------------------------------------------------------------------------------------


def test_a_job_is_on_offer_until_its_time_is_over(world: LaneWorld) -> None:
    world.lane.expire("job", 10.0)
    assert world.takes(USUAL, now=9.999)
    assert not world.takes(replace(USUAL, nonce=1), now=10.0)
    world.lane.expire("job", inf)
    assert world.takes(replace(USUAL, nonce=1), now=10.0)


def test_expiry_is_of_the_owners_job_alone(world: LaneWorld) -> None:
    owner = object()
    world.offer(owner, "b", NUMBER + 1)
    world.lane.expire(owner, 0.0)
    world.lane.expire(object(), 0.0)
    assert world.takes(USUAL)
    assert not world.takes(replace(USUAL, job_id="b", nonce=1))


def test_jobs_whose_time_is_over_are_withdrawn(world: LaneWorld) -> None:
    for number in range(5):
        owner = f"job {number}"
        world.offer(owner, f"b{number}", NUMBER + 1 + number)
        world.lane.expire(owner, float(number))
    assert len(world.lane) == 6
    world.lane.withdraw(2.0)
    assert len(world.lane) == 3
    on = [replace(USUAL, job_id=f"b{n}", nonce=n) for n in range(5)]
    assert [world.takes(share, now=-1.0) for share in on] == [False, False, False, True, True]
    assert world.takes(replace(USUAL, nonce=9))
    world.lane.withdraw(inf)
    assert len(world.lane) == 0
    assert not world.takes(replace(USUAL, nonce=10))
    world.offer()
    assert world.takes(replace(USUAL, nonce=10))


def test_each_of_many_jobs_is_found(world: LaneWorld) -> None:
    for number in range(300):
        world.offer(f"job {number}", f"a1000abcd{number:x}", number)
    for number in range(0, 300, 7):
        share = replace(USUAL, job_id=f"a1000abcd{number:x}", nonce=number)
        world.open(terms_of(first_job=0))
        assert world.judge(share.line).credits[0][3] == f"job {number}"


def test_a_lane_without_jobs_has_nothing_ordinary(c: ModuleType, world: LaneWorld) -> None:
    world.lane = c.ShareLane(8)
    assert len(world.lane) == 0
    assert not world.takes(USUAL)
    world.lane.withdraw(inf)


# --- rigs -----------------------------------------------------------------------------------------


def test_a_new_rig_is_closed_and_so_is_one_that_was_closed(c: ModuleType) -> None:
    world = LaneWorld(c)
    world.rig = c.LaneRig("rig")
    assert not world.rig.is_open
    assert not world.takes(USUAL)
    world.open()
    assert world.rig.is_open
    assert world.takes(USUAL)
    world.rig.close()
    assert not world.rig.is_open
    assert not world.takes(replace(USUAL, nonce=1))
    world.rig.close()


def test_a_rig_that_cannot_be_opened_stays_as_it_was(world: LaneWorld) -> None:
    with pytest.raises(ValueError, match="target_le must be 32 bytes"):
        world.rig.open(0, [terms_of("new"), terms_of(target_le=b"")], [])
    assert world.judge(USUAL.line).credits == [("rig", "worker", "terms", "job", 1)]


def test_what_a_rig_holds_is_let_go_when_it_is_opened_anew_or_closed(world: LaneWorld) -> None:
    class Owner:
        pass

    def opened() -> list[weakref.ref[Owner]]:
        terms, worker = Owner(), Owner()
        world.open(terms_of(terms), workers=((worker, b"demo.rig", 1),))
        return [weakref.ref(terms), weakref.ref(worker)]

    first = opened()
    assert all(owner() is not None for owner in first)
    second = opened()
    assert all(owner() is None for owner in first)
    world.rig.close()
    assert all(owner() is None for owner in second)


# --- objects --------------------------------------------------------------------------------------


def test_a_turn_outlives_what_it_was_made_of(world: LaneWorld) -> None:
    turn = world.judge(USUAL.line)
    world.rig.close()
    world.lane.withdraw(inf)
    del world
    gc.collect()
    assert turn.credits == [("rig", "worker", "terms", "job", 1)]
    assert turn.replies == USUAL.reply
    assert turn.release() is None
    assert turn.release() is None


def test_no_turn_can_be_made_by_hand(c: ModuleType) -> None:
    with pytest.raises(TypeError):
        c.LaneTurn()


def test_cycles_through_each_owner_are_collected(c: ModuleType) -> None:
    class Owner:
        held: Any

    def cycle() -> list[weakref.ref[Owner]]:
        owners = [Owner() for _ in range(4)]
        rig_owner, terms, worker, job = owners
        world = LaneWorld(c)
        world.rig = c.LaneRig(rig_owner)
        world.open(terms_of(terms), workers=((worker, b"demo.rig", 1),))
        world.lane.withdraw(inf)
        world.offer(job)
        turn = world.judge(USUAL.line)
        for owner in owners:
            owner.held = (world, turn)
        return [weakref.ref(owner) for owner in owners]

    owners = cycle()
    gc.collect()
    assert [owner() for owner in owners] == [None] * 4


def test_an_owner_that_comes_back_when_it_is_let_go_does_no_harm(c: ModuleType) -> None:
    world = LaneWorld(c)
    left: list[int] = []

    class Owner:
        def __del__(self) -> None:
            left.append(len(world.lane))
            world.lane.withdraw(inf)
            world.offer("again", "c", 100)
            world.rig.close()

    for number in range(3):
        world.offer(Owner(), f"b{number}", NUMBER + number)
    world.open(terms_of(Owner()))
    world.lane.withdraw(inf)
    world.rig.open(0, [], [])
    assert left[0] == 0
    assert len(world.lane) == 1


def test_no_reference_is_lost_or_kept(world: LaneWorld) -> None:
    owner = object()
    items = [owner, world.seen, *world.hashers]
    before = list(map(sys.getrefcount, items))
    for number in range(50):
        world.offer(owner, f"b{number}", NUMBER + number)
        world.open(terms_of(owner), workers=((owner, b"demo.rig", 1),))
        world.judge(replace(USUAL, nonce=number).line)
    world.lane.withdraw(inf)
    world.rig.close()
    world.lane.withdraw(inf)
    after = list(map(sys.getrefcount, items))
    assert after[0] == before[0]
    assert [now - then for now, then in zip(after[1:], before[1:], strict=True)] == [-1, -1, -1]


# --- arguments ------------------------------------------------------------------------------------


def offer_with(world: LaneWorld, place: int, value: Any) -> None:
    arguments: list[Any] = ["job", "b", 1, 2, 3, 4, world.hashers, world.seen]
    arguments[place] = value
    world.lane.offer(*arguments)


def open_with(world: LaneWorld, place: int, value: Any) -> None:
    terms = list(terms_of())
    terms[place] = value
    world.open(tuple(terms))


def judge_with(world: LaneWorld, place: int, value: Any) -> None:
    arguments: list[Any] = [world.rig, b"", 0.0, 0, 0, 0]
    arguments[place] = value
    world.lane.judge(*arguments)


REFUSED: list[tuple[Callable[[LaneWorld], Any], type[Exception], str]] = [
    (lambda w: w.c.ShareLane("8"), TypeError, "extranonce2_size must be int, not str"),
    (lambda w: w.c.ShareLane(17), ValueError, r"extranonce2_size must be in 0\.\.16"),
    (lambda w: w.c.ShareLane(), TypeError, "extranonce2_size"),
    (lambda w: w.c.LaneRig(), TypeError, "owner"),
    (lambda w: offer_with(w, 1, b"b"), TypeError, "job_id must be str, not bytes"),
    (lambda w: offer_with(w, 1, ""), ValueError, r"job_id must be 1\.\.32 bytes, is 0"),
    (lambda w: offer_with(w, 1, "b" * 33), ValueError, r"job_id must be 1\.\.32 bytes, is 33"),
    (lambda w: offer_with(w, 1, "\udc80"), UnicodeEncodeError, "surrogates"),
    (lambda w: offer_with(w, 2, -1), ValueError, "number must be in 0"),
    (lambda w: offer_with(w, 3, 2**32), ValueError, "version must be in 0"),
    (lambda w: offer_with(w, 4, None), TypeError, "ntime_min must be int"),
    (lambda w: offer_with(w, 5, 2**32), ValueError, "ntime_max must be in 0"),
    (lambda w: offer_with(w, 6, iter(w.hashers)), TypeError, "hashers must be a tuple or list"),
    (lambda w: offer_with(w, 6, [None]), TypeError, "hashers must be of JobHasher"),
    (lambda w: offer_with(w, 7, set()), TypeError, "seen must be ShareSet, not set"),
    (lambda w: w.lane.offer("job"), TypeError, "takes 8 positional arguments but 1"),
    (lambda w: w.lane.expire("job", "x"), TypeError, "must be real number"),
    (lambda w: w.lane.expire("job"), TypeError, "takes 2 positional arguments but 1"),
    (lambda w: w.lane.withdraw(None), TypeError, "must be real number"),
    (lambda w: w.rig.open(-1, [], []), ValueError, "version_mask must be in 0"),
    (lambda w: w.rig.open(0, None, []), TypeError, "terms must be a tuple or list"),
    (lambda w: w.rig.open(0, [], {}), TypeError, "workers must be a tuple or list"),
    (lambda w: w.rig.open(0, [None], []), TypeError, "terms must be a tuple, not NoneType"),
    (lambda w: w.rig.open(0, [()], []), ValueError, "terms must have 7 fields, has 0"),
    (lambda w: w.rig.open(0, [], [("a", b"a")]), ValueError, "workers must have 3 fields"),
    (lambda w: w.rig.open(0, [], [("a", "a", 1)]), TypeError, "name must be bytes, not str"),
    (lambda w: w.rig.open(0, [], [("a", b"a", -1)]), ValueError, "ref must be in 0"),
    (lambda w: w.rig.open(0, []), TypeError, "takes 3 positional arguments but 2"),
    (lambda w: open_with(w, 1, -1), ValueError, "first_job must be in 0"),
    (lambda w: open_with(w, 2, "x"), TypeError, "target_le must be bytes"),
    (lambda w: open_with(w, 3, 2**128), ValueError, "work must be in 0"),
    (lambda w: open_with(w, 4, 2**32), ValueError, "version_mask must be in 0"),
    (lambda w: open_with(w, 5, bytes(9)), ValueError, "extranonce1 must be at most 8 bytes, is 9"),
    (lambda w: open_with(w, 6, 256), ValueError, r"coinbase_class must be in 0\.\.255"),
    (lambda w: w.open(terms_of(first_job=2), terms_of()), ValueError, "terms must ascend"),
    (lambda w: judge_with(w, 0, None), TypeError, "rig must be LaneRig, not NoneType"),
    (lambda w: judge_with(w, 1, bytearray()), TypeError, "data must be bytes, not bytearray"),
    (lambda w: judge_with(w, 2, "x"), TypeError, "must be real number"),
    (lambda w: judge_with(w, 3, -1), ValueError, "sequence must be in 0"),
    (lambda w: judge_with(w, 4, 2**64), ValueError, "unix_ms must be in 0"),
    (lambda w: judge_with(w, 5, 2**32), ValueError, "room must be in 0"),
    (lambda w: w.lane.judge(w.rig), TypeError, "takes 6 positional arguments but 1"),
]


@pytest.mark.parametrize(("call", "error", "text"), REFUSED)
def test_a_wrong_argument_is_refused_and_changes_nothing(
    world: LaneWorld,
    call: Callable[[LaneWorld], Any],
    error: type[Exception],
    text: str,
) -> None:
    with pytest.raises(error, match=text):
        call(world)
    assert len(world.lane) == 1
    assert world.takes(USUAL)


def test_a_job_without_variants_has_nothing_ordinary(world: LaneWorld) -> None:
    world.lane.offer("job", "b", NUMBER, 0, 0, 2**32 - 1, (), world.seen)
    assert not world.takes(replace(USUAL, job_id="b"))
