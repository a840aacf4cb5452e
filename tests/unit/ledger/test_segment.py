from pathlib import Path

import pytest

from poolserver.ledger import segment
from poolserver.ledger.records import JournalBatch, ShareRecord, TornTail
from poolserver.ledger.segment import (
    JournalWarning,
    SegmentId,
    decode_header,
    encode_header,
    read_segments,
)
from poolserver.mining.share import ShareOutcome
from tests.unit.ledger.strategies import batch_of, encode

SOURCE = "pool-1/0/17"


def share(job_number: int) -> ShareRecord:
    return ShareRecord(0, ShareOutcome.STALE, True, job_number, 5, 10, bytes(32))


def write(
    directory: Path, first: int, count: int, *, source: str = SOURCE, ordinal: int = 0, cut: int = 0
) -> Path:
    identity = SegmentId(source, first, ordinal)
    path = directory / identity.file_name
    records = encode(first, map(share, range(first, first + count)))
    path.write_bytes(encode_header(identity) + records[: len(records) - cut])
    return path


def batch(first: int, count: int, source: str = SOURCE) -> JournalBatch:
    return batch_of(source, first, [share(number) for number in range(first, first + count)])


def test_a_header_has_these_bytes() -> None:
    assert encode_header(SegmentId("a/0/1", 7, 0))[:-4].hex() == (
        "504f4f4c4a524e4c" "0100" "0500" "0700000000000000" "612f302f31"
    )  # fmt: skip


def test_every_cut_and_every_flipped_bit_of_a_header_is_detected() -> None:
    header = bytearray(encode_header(SegmentId(SOURCE, 7, 0)))
    assert decode_header(bytes(header)) == (SOURCE, 7, len(header))
    for size in range(len(header)):
        with pytest.raises(TornTail):
            decode_header(bytes(header[:size]))
    for place in range(len(header) * 8):
        header[place // 8] ^= 1 << place % 8
        with pytest.raises(TornTail):
            decode_header(bytes(header))
        header[place // 8] ^= 1 << place % 8


def test_an_instance_may_have_any_name() -> None:
    name = SegmentId("../ü/0/17", 1, 0).file_name
    assert "/" not in name
    assert name == "...%C3%BC.0.17-00000000000000000001-000000.journal"


def test_a_directory_without_a_journal_has_no_records(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not a journal")
    assert list(read_segments(tmp_path)) == []


def test_the_segments_of_each_source_are_read_in_order(tmp_path: Path) -> None:
    write(tmp_path, 4, 2)
    write(tmp_path, 1, 3)
    write(tmp_path, 1, 1, source="pool-1/1/17")
    write(tmp_path, 6, 0)
    assert list(read_segments(tmp_path)) == [
        batch(1, 3),
        batch(4, 2),
        batch(1, 1, "pool-1/1/17"),
    ]


def test_a_long_segment_is_read_in_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segment, "REPLAY_BATCH_BYTES", 200)
    write(tmp_path, 1, 7, cut=1)
    items = list(read_segments(tmp_path))
    assert items[:2] == [batch(1, 3), batch(4, 3)]
    assert isinstance(items[2], JournalWarning)
    assert items[2].sequence == 7


def test_a_torn_tail_ends_its_source_with_a_warning_and_no_other(tmp_path: Path) -> None:
    path = write(tmp_path, 1, 3, cut=1)
    write(tmp_path, 4, 2)
    write(tmp_path, 1, 1, source="pool-1/1/17")
    first, torn, gap, other = read_segments(tmp_path)
    assert first == batch(1, 2)
    assert isinstance(torn, JournalWarning)
    assert (torn.path, torn.source, torn.sequence) == (path, SOURCE, 3)
    assert "cut short" in str(torn)
    assert isinstance(gap, JournalWarning)
    assert (gap.source, gap.sequence) == (SOURCE, 3)
    assert other == batch(1, 1, "pool-1/1/17")


def test_a_later_segment_that_takes_up_before_a_torn_tail_is_read_on(tmp_path: Path) -> None:
    write(tmp_path, 1, 5, cut=90)
    write(tmp_path, 3, 4, ordinal=1)
    first, torn, second = read_segments(tmp_path)
    assert first == batch(1, 3)
    assert isinstance(torn, JournalWarning)
    assert second == batch(3, 4)


@pytest.mark.parametrize("data", [b"", b"POOL", b"something else, and longer than a header"])
def test_a_file_without_a_header_is_warned_of(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.journal"
    path.write_bytes(data)
    (warning,) = read_segments(tmp_path)
    assert isinstance(warning, JournalWarning)
    assert warning.source == ""
    assert str(warning).startswith(f"{path}: ")


def test_a_format_of_a_newer_version_is_told() -> None:
    header = bytearray(encode_header(SegmentId(SOURCE, 1, 0)))
    header[8] = 2
    with pytest.raises(TornTail, match="format 2 is unknown"):
        decode_header(bytes(header))
