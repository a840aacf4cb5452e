import os
from errno import ENOSPC
from pathlib import Path

import pytest

from poolserver.ledger.chain import Segment, SegmentChain
from poolserver.ledger.segment import SegmentId, decode_header

FIRST = SegmentId("pool-1/0/17", 1, 0)


def test_a_segment_begins_with_its_header(tmp_path: Path) -> None:
    segment = Segment(tmp_path, FIRST)
    segment.write(memoryview(b"records"))
    segment.sync()
    segment.close()
    data = segment.path.read_bytes()
    source, first_sequence, offset = decode_header(data)
    assert (source, first_sequence, data[offset:]) == ("pool-1/0/17", 1, b"records")
    assert segment.size == len(data)


def test_a_file_that_is_there_is_not_written_over(tmp_path: Path) -> None:
    Segment(tmp_path, FIRST).close()
    with pytest.raises(FileExistsError):
        Segment(tmp_path, FIRST)


def test_a_segment_is_closed_once_and_then_refuses(tmp_path: Path) -> None:
    segment = Segment(tmp_path, FIRST)
    segment.close()
    other = os.open(os.devnull, os.O_RDONLY)  # takes the descriptor's number over
    segment.close()
    os.close(other)
    with pytest.raises(OSError, match="closed"):
        segment.write(memoryview(b"x"))
    with pytest.raises(OSError, match="closed"):
        segment.sync()


class ShortHeader(Segment):
    def write(self, data: memoryview) -> int:
        return super().write(data[:10])


def test_a_header_that_does_not_fit_the_disk_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space") as raised:
        ShortHeader(tmp_path, FIRST)
    assert raised.value.errno == ENOSPC
    assert list(tmp_path.iterdir()) == []


def test_a_new_segment_begins_when_the_last_one_is_full(tmp_path: Path) -> None:
    chain = SegmentChain(tmp_path, "pool-1/0/17", 100, 3600.0)
    first = chain.begin(1, 0.0)
    first.write(memoryview(b"x" * 20))
    chain.end_if_full(0.0)
    assert chain.begin(5, 0.0) is first
    first.write(memoryview(b"x" * 80))
    chain.end_if_full(0.0)
    second = chain.begin(9, 0.0)
    assert [path.name for path in sorted(tmp_path.iterdir())] == [
        "pool-1.0.17-00000000000000000001-000000.journal",
        "pool-1.0.17-00000000000000000009-000001.journal",
    ]
    chain.abandon()
    assert second.path.exists()


def test_a_segment_that_fills_up_during_a_sync_is_synced_again(tmp_path: Path) -> None:
    chain = SegmentChain(tmp_path, "pool-1/0/17", 100, 3600.0)
    first = chain.begin(1, 0.0)
    point = chain.sync_point()
    first.write(memoryview(b"x" * 100))
    chain.end_if_full(0.0)
    point.sync()
    chain.synced(point)
    assert chain.sync_point().full == (first,)
    point = chain.sync_point()
    assert point.sync() >= 0
    chain.synced(point)
    assert chain.sync_point() == ((), None)
    with pytest.raises(OSError, match="closed"):
        first.write(memoryview(b"x"))


def test_an_abandoned_chain_goes_on_with_a_new_segment(tmp_path: Path) -> None:
    chain = SegmentChain(tmp_path, "pool-1/0/17", 100, 3600.0)
    first = chain.begin(1, 0.0)
    chain.abandon()
    second = chain.begin(1, 0.0)  # the same first record: the file's ordinal tells them apart
    assert second.path != first.path
    chain.abandon()


def test_a_segment_that_is_old_is_followed_by_a_new_one(tmp_path: Path) -> None:
    chain = SegmentChain(tmp_path, "pool-1/0/17", 1 << 20, 3600.0)
    first = chain.begin(1, 100.0)
    chain.end_if_full(3699.0)
    assert chain.begin(2, 3699.0) is first
    chain.end_if_full(3700.0)
    second = chain.begin(2, 3700.0)
    assert second is not first
    chain.end_if_full(3701.0)
    assert chain.begin(3, 3701.0) is second
    chain.abandon()
