"""scan_nonces: what it finds, where it wraps, and that others run meanwhile."""

import random
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, ModuleType

import pytest

from poolserver._native import twin

GENESIS_HEADER = bytes.fromhex(
    "0100000000000000000000000000000000000000000000000000000000000000000000003ba3edfd7a7b12b27ac7"
    "2c3e67768f617fc81bc3888a51323a9fb8aa4b1e5e4a29ab5f49ffff001d1dac2b7c"
)
GENESIS_NONCE = 2083236893
DIFFICULTY_1_LE = (0xFFFF << 208).to_bytes(32, "little")
ANY_TARGET = b"\xff" * 32
NO_TARGET = bytes(32)


@pytest.mark.parametrize("before", [0, 1, 2, 99])
def test_the_nonce_of_the_genesis_block_is_found(native: ModuleType, before: int) -> None:
    found = native.scan_nonces(GENESIS_HEADER, GENESIS_NONCE - before, 100, DIFFICULTY_1_LE)
    assert found == [GENESIS_NONCE]


@pytest.mark.parametrize("count", [0, 1, 2, 3, 1023, 1024, 1025, 5000])
def test_each_nonce_is_tried_once_and_in_order(native: ModuleType, count: int) -> None:
    assert native.scan_nonces(GENESIS_HEADER, 7, count, ANY_TARGET) == list(range(7, 7 + count))


def test_no_nonce_is_lost_where_the_list_of_found_ones_is_emptied(native: ModuleType) -> None:
    every_second_hash = (2**255 - 1).to_bytes(32, "little")
    found = native.scan_nonces(GENESIS_HEADER, 0, 10_000, every_second_hash)
    assert found == twin.scan_nonces(GENESIS_HEADER, 0, 10_000, every_second_hash)


@pytest.mark.parametrize("start", [2**32 - 1, 2**32 - 2, 2**32 - 3])
def test_after_the_last_nonce_comes_zero(native: ModuleType, start: int) -> None:
    found = native.scan_nonces(GENESIS_HEADER, start, 6, ANY_TARGET)
    assert found == [(start + i) % 2**32 for i in range(6)]


def test_the_nonce_in_the_header_is_ignored(native: ModuleType) -> None:
    header = GENESIS_HEADER[:76] + b"\xff" * 4
    assert native.scan_nonces(header, GENESIS_NONCE, 1, DIFFICULTY_1_LE) == [GENESIS_NONCE]


def test_a_target_of_zero_is_met_by_none(native: ModuleType) -> None:
    assert native.scan_nonces(GENESIS_HEADER, 0, 1000, NO_TARGET) == []


def test_the_hash_itself_as_target_is_met_and_one_below_is_not(native: ModuleType) -> None:
    hash_le = native.sha256d(GENESIS_HEADER)
    below_le = (int.from_bytes(hash_le, "little") - 1).to_bytes(32, "little")
    assert native.scan_nonces(GENESIS_HEADER, GENESIS_NONCE, 1, hash_le) == [GENESIS_NONCE]
    assert native.scan_nonces(GENESIS_HEADER, GENESIS_NONCE, 1, below_le) == []


def test_the_scan_finds_what_the_share_check_accepts(native: ModuleType) -> None:
    rng = random.Random(5)
    coinb1, coinb2, extranonce, prevhash_le = map(rng.randbytes, (50, 90, 12, 32))
    target_le = (2**256 // 16).to_bytes(32, "little")
    job = native.JobHasher(coinb1, coinb2, (), prevhash_le, 4, NO_TARGET)
    root = native.sha256d(coinb1 + extranonce + coinb2)
    header = b"\2\0\0\0" + prevhash_le + root + b"\3\0\0\0" + b"\4\0\0\0" + bytes(4)

    nonces = range(2**32 - 100, 2**32 + 101)
    accepted = [
        nonce % 2**32
        for nonce in nonces
        if job.check(extranonce, 2, 3, nonce % 2**32, target_le)[1]
    ]
    assert native.scan_nonces(header, nonces.start, len(nonces), target_le) == accepted
    assert accepted


def test_other_threads_run_while_nonces_are_tried(c: ModuleType) -> None:
    started = threading.Event()
    result: list[list[int]] = []

    def scan() -> None:
        started.set()
        result.append(c.scan_nonces(GENESIS_HEADER, 0, 2**20, NO_TARGET))

    thread = threading.Thread(target=scan)
    with _no_thread_switches():  # so that this one gets the lock only when the scan gives it up
        thread.start()
        started.wait()
        ran_before_the_end = not result
    thread.join()
    assert ran_before_the_end
    assert result == [[]]


def test_a_signal_ends_a_long_scan(native: ModuleType) -> None:
    class Interrupted(Exception):
        pass

    def interrupt(signum: int, frame: FrameType | None) -> None:
        raise Interrupted

    before = signal.signal(signal.SIGVTALRM, interrupt)
    signal.setitimer(signal.ITIMER_VIRTUAL, 0.01)
    try:
        with pytest.raises(Interrupted):
            native.scan_nonces(GENESIS_HEADER, 0, 2**32, NO_TARGET)
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


@contextmanager
def _no_thread_switches() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(60)
    try:
        yield
    finally:
        sys.setswitchinterval(before)
