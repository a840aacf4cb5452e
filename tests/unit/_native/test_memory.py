"""No reference and no memory is lost, and a share allocates its result and nothing else."""

import ctypes
import gc
import struct
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import pytest

from tests.unit._native.lane_world import LaneWorld, lines, shares, terms_of

TIMES = 300
LEAK_FREE_BYTES = 8 * TIMES  # a leak of one pointer per call; the least Python object has 16 bytes

JOB = (b"head", b"tail" * 50, [bytes(32)] * 12, bytes(32), 0x1D00FFFF, bytes(32))
ANSWER = b'{"result":{"transactions":[{"data":"00","txid":"%s","hash":"%s",%s}]}}' % (
    b"1" * 64,
    b"2" * 64,
    b'"fee":1,"sigops":2,"weight":3',
)
RECORDS = bytes(100_000)
SHARE = (b"extranonce12", 1, 2, 3, bytes(32))


def build_jobs(native: ModuleType) -> None:
    native.JobHasher(*JOB)


def check_shares(native: ModuleType) -> None:
    native.JobHasher(*JOB).check(*SHARE)


def refuse_jobs(native: ModuleType) -> None:
    for place, value in enumerate((None, None, [*JOB[2], b"short"], b"short", -1, b"short")):
        with pytest.raises((TypeError, ValueError)):
            native.JobHasher(*JOB[:place], value, *JOB[place + 1 :])


def refuse_shares(native: ModuleType) -> None:
    job = native.JobHasher(*JOB)
    for place, value in enumerate((b"", 2**64, None, -1, b"short")):
        with pytest.raises((TypeError, ValueError)):
            job.check(*SHARE[:place], value, *SHARE[place + 1 :])


def hash_data(native: ModuleType) -> None:
    native.sha256d(b"data")
    native.sha256d_pairs(bytes(192))
    native.sha256d_pairs(bytes(64 * 256))  # without the GIL


def scan(native: ModuleType) -> None:
    native.scan_nonces(bytes(80), 2**32 - 20, 40, b"\xff" * 32)


def write_metrics(native: ModuleType) -> None:
    labels = native.metric_labels((("a", "b"), ('c"', "d")), (b'x="', b'",y="', b'"'))
    numbers = struct.pack("=2d", 1.5, 1e300)  # the second as Python writes it
    native.metric_lines(b"m{", labels, b"} ", numbers, 3)
    native.read_meters((bytes(192),), 1.0)
    with pytest.raises(ValueError, match="as many as there are numbers"):
        native.metric_lines(b"m{", labels, b"} ", numbers * 2, 3)


def name_backends(native: ModuleType) -> None:
    native.set_backend(native.backend())
    with pytest.raises(ValueError, match="no backend 'x'"):
        native.set_backend("x")


def take_transactions(native: ModuleType) -> None:
    native.take_transactions(ANSWER)
    native.take_transactions(b'{"result":null}')
    with pytest.raises(ValueError, match="no ',' or '}'"):
        native.take_transactions(ANSWER[:-1])


SHARE_FIELDS = (7, 3, 0, True, 2**70, 5, 10**12, bytes(32))  # from the sequence on


def pack_shares(native: ModuleType) -> None:
    buffer = bytearray(85)
    native.pack_share(buffer, 0, *SHARE_FIELDS)
    for place, value in enumerate((-1, 2**32, None, 2, 2**128, -1, "", b"short")):
        with pytest.raises((TypeError, ValueError)):
            native.pack_share(buffer, 0, *SHARE_FIELDS[:place], value, *SHARE_FIELDS[place + 1 :])
    with pytest.raises(BufferError):
        native.pack_share(bytes(85), 0, *SHARE_FIELDS)


def sum_shares(native: ModuleType) -> None:
    buffer = bytearray(85 * 150)  # more sums than there is room for at first
    for i in range(150):
        native.pack_share(buffer, 85 * i, i, i, 0, True, 2**70 + i, 5, 10**12, bytes(32))
    records = bytes(buffer)
    native.sum_shares(records, 0, 0, 1000, 0)
    native.skip_records(records, 0, 0, 2**40)
    with pytest.raises(ValueError, match="interval_ms must not be 0"):
        native.sum_shares(records, 0, 0, 0, 0)
    with pytest.raises(TypeError):
        native.skip_records(buffer, 0, 0, 0)


def add_up_totals(native: ModuleType) -> None:
    totals = native.ShareTotals(2**80, 2**80, 2**160, [1] * 10, 2**255, 2**40, 2**41)
    for _ in range(3):
        totals.add(totals.copy())
    totals.figures(7)
    repr(totals)
    assert totals != native.ShareTotals()
    good = [1, 1, 1, [1] * 10, 1, 1, 1]
    for place, value in enumerate(("", None, 1.5, [2**63] * 10, 2**256, 2**63, "")):
        with pytest.raises((TypeError, ValueError)):
            native.ShareTotals(*good[:place], value)
    with pytest.raises(TypeError):
        totals.add(None)
    full = native.ShareTotals(shares=[2**63 - 1] * 10)
    with pytest.raises(ValueError, match="64 bits"):
        full.add(full)


def sum_without_the_lock(native: ModuleType) -> None:
    native.sum_shares(RECORDS, 0, 0, 1000, 0)
    native.skip_records(RECORDS, 0, 0, 2**40)


def remember_hashes(native: ModuleType) -> None:
    seen = native.ShareSet()
    for number in range(100):
        seen.add(number.to_bytes(32, "little"))
    native.ShareSet().update(seen.to_bytes())
    with pytest.raises(ValueError, match="must be 32 bytes"):
        seen.add(b"short")


def note_times(native: ModuleType) -> None:
    observed = native.Histogram((0.25, 1.5))
    observed.note(0.3, 10**6)
    observed.add(observed.counts, observed.seconds)
    assert len(observed.bounds_s) == 2
    for act in (lambda: native.Histogram((1.0, None)), lambda: observed.add((1, 2, -3), 0.0)):
        with pytest.raises((TypeError, ValueError)):
            act()


def use_lanes(c: ModuleType) -> None:
    world = LaneWorld(c)
    for number in range(70):  # more jobs than there is room for at first
        world.offer(str(number), f"b{number}", number)
    world.open(terms_of(), workers=tuple((n, b"demo.%d" % n, n) for n in range(20)))
    world.open()
    world.judge(lines(*shares(70)))
    world.judge(lines(*shares(2)))  # seen
    world.rig.close()
    world.judge(b"")
    world.lane.expire("1", 0.0)
    world.lane.withdraw(1.0)


def refuse_lanes(c: ModuleType) -> None:
    world = LaneWorld(c)
    for terms in ([terms_of(), None], [terms_of(target_le=b"")], [terms_of(work=2**128)]):
        with pytest.raises((TypeError, ValueError)):
            world.rig.open(0, terms, [])
    with pytest.raises(TypeError):
        world.rig.open(0, [terms_of()], [("worker", b"name", 1), ("other", "name", 1)])
    for hashers, seen in ((world.hashers, None), ([*world.hashers, None], world.seen)):
        with pytest.raises(TypeError):
            world.lane.offer("job", "b", 1, 2, 3, 4, hashers, seen)
    with pytest.raises(ValueError, match="extranonce2_size"):
        c.ShareLane(17)


@pytest.mark.parametrize(
    "call",
    [
        build_jobs,
        pack_shares,
        sum_shares,
        sum_without_the_lock,
        add_up_totals,
        check_shares,
        refuse_jobs,
        refuse_shares,
        hash_data,
        scan,
        take_transactions,
        write_metrics,
        name_backends,
        remember_hashes,
        note_times,
    ],
)
def test_no_memory_is_lost(native: ModuleType, call: Callable[[ModuleType], None]) -> None:
    with _traced_memory():
        for _ in range(10):  # fills caches
            call(native)
        gc.collect()
        before, _peak = tracemalloc.get_traced_memory()
        for _ in range(TIMES):
            call(native)
        gc.collect()
        after, _peak = tracemalloc.get_traced_memory()
    assert after - before < LEAK_FREE_BYTES


@pytest.mark.parametrize("call", [remember_hashes, use_lanes, refuse_lanes])
def test_the_plain_c_loses_no_memory(c: ModuleType, call: Callable[[ModuleType], None]) -> None:
    for _ in range(30):
        call(c)
    gc.collect()
    before = _malloc_in_use()
    for _ in range(TIMES):
        call(c)
    gc.collect()
    assert _malloc_in_use() - before < LEAK_FREE_BYTES


def test_no_reference_to_an_argument_is_kept(native: ModuleType) -> None:
    # Each made anew, so that only this function and a leak hold it.
    coinb1, coinb2, prevhash_le, target_le, sibling, extranonce = map(_fresh_bytes, range(6))
    nbits, version, ntime, nonce = map(int, ("1000001", "1000002", "1000003", "1000004"))
    job = (coinb1, coinb2, [sibling], prevhash_le, nbits, target_le)
    share = (extranonce, version, ntime, nonce, target_le)
    watched = [sibling, *job, *share]
    before = list(map(sys.getrefcount, watched))
    for _ in range(100):
        hasher = native.JobHasher(*job)
        hasher.check(*share)
        del hasher
    assert list(map(sys.getrefcount, watched)) == before


def test_a_job_hasher_gives_its_type_back(c: ModuleType) -> None:
    before = sys.getrefcount(c.JobHasher)
    for _ in range(100):
        c.JobHasher(*JOB).check(*SHARE)
    assert sys.getrefcount(c.JobHasher) - before < 10  # the interpreter's caches may hold one


def test_a_job_hasher_needs_no_garbage_collector(c: ModuleType) -> None:
    assert not gc.is_tracked(c.JobHasher(*JOB))


def test_a_share_allocates_its_tuple_and_its_hash(c: ModuleType) -> None:
    check = c.JobHasher(*JOB).check
    kept: list[Any] = [None] * TIMES
    before = sys.getallocatedblocks()
    for i in range(TIMES):
        kept[i] = check(*SHARE)
    after = sys.getallocatedblocks()
    assert after - before <= 2 * TIMES + 10  # the loop's own counter and the like


def _fresh_bytes(value: int) -> bytes:
    return bytes([value]) * 32


@contextmanager
def _traced_memory() -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
    finally:
        tracemalloc.stop()


class MallocInfo(ctypes.Structure):
    """What mallinfo2() gives: ten numbers of glibc's allocator."""

    _fields_ = (("counts", ctypes.c_size_t * 10),)


def _malloc_in_use() -> int:
    """Bytes that malloc has given out; Python's small objects are not among them."""
    try:
        mallinfo2 = ctypes.CDLL(None).mallinfo2
    except AttributeError:
        pytest.skip("only glibc, from 2.33 on, tells how much of its memory is in use")
    mallinfo2.restype = MallocInfo
    counts = mallinfo2().counts
    return int(counts[7]) + int(counts[4])  # uordblks, and hblkhd: what has pages of its own
