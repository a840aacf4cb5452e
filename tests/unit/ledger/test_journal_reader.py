from pathlib import Path

import pytest

from poolserver.ledger import journal_reader
from poolserver.ledger.journal_files import JournalWarning
from poolserver.ledger.journal_reader import SourceEnd, read_segments
from poolserver.ledger.records import JournalBatch, ShareRecord
from poolserver.ledger.segment import SegmentId, encode_header
from poolserver.ledger.source_lock import SourceLock
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
        SourceEnd(SOURCE, 5),
        batch(1, 1, "pool-1/1/17"),
        SourceEnd("pool-1/1/17", 1),
    ]


def test_a_long_segment_is_read_in_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_reader, "REPLAY_BATCH_BYTES", 200)
    write(tmp_path, 1, 7, cut=1)
    *batches, torn, end = read_segments(tmp_path)
    assert [each.count for each in batches if isinstance(each, JournalBatch)] == [2, 2, 2]
    whole = b"".join(each.records for each in batches if isinstance(each, JournalBatch))
    assert whole == batch(1, 6).records
    assert isinstance(torn, JournalWarning)
    assert torn.sequence == 7
    assert end == SourceEnd(SOURCE, 6)


def test_a_torn_tail_ends_its_source_with_a_warning_and_no_other(tmp_path: Path) -> None:
    path = write(tmp_path, 1, 3, cut=1)
    write(tmp_path, 4, 2)
    write(tmp_path, 1, 1, source="pool-1/1/17")
    first, torn, gap, other, _ = read_segments(tmp_path)
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
    first, torn, second, _ = read_segments(tmp_path)
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


# --- what need not be read -------------------------------------------------------------------


def three_files(directory: Path) -> None:
    """Records 1 to 3, 4 to 6, and 7 to 8."""
    for ordinal, (first, count) in enumerate([(1, 3), (4, 3), (7, 2)]):
        write(directory, first, count, ordinal=ordinal)


@pytest.mark.parametrize(
    ("folded", "read"),
    [
        (0, [batch(1, 3), batch(4, 3), batch(7, 2)]),
        (3, [batch(1, 3), batch(4, 3), batch(7, 2)]),  # the second may not have been written yet
        (4, [batch(4, 3), batch(7, 2)]),
        (6, [batch(4, 3), batch(7, 2)]),
        (7, [batch(7, 2)]),
        (8, [batch(7, 2)]),
    ],
)
def test_a_file_whose_successor_is_being_folded_is_not_read(
    tmp_path: Path, folded: int, read: list[JournalBatch]
) -> None:
    three_files(tmp_path)
    assert list(read_segments(tmp_path, {SOURCE: folded})) == [*read, SourceEnd(SOURCE, 8)]


def test_of_a_source_that_has_ended_nothing_is_read(tmp_path: Path) -> None:
    three_files(tmp_path)
    assert list(read_segments(tmp_path, {}, {SOURCE})) == []


def test_a_file_that_was_written_anew_after_a_failure_hides_nothing_of_the_one_before(
    tmp_path: Path,
) -> None:
    write(tmp_path, 1, 5)
    write(tmp_path, 3, 1, ordinal=1)  # killed before it had all
    *batches, end = read_segments(tmp_path, {SOURCE: 2})
    assert batches == [batch(1, 5), batch(3, 1)]
    assert end == SourceEnd(SOURCE, 5)


# --- whether it has ended --------------------------------------------------------------------


def test_a_source_that_lives_has_not_ended_and_may_be_cut_short(tmp_path: Path) -> None:
    write(tmp_path, 1, 3, cut=1)
    lock = SourceLock(tmp_path, SOURCE)
    assert list(read_segments(tmp_path)) == [batch(1, 2)]
    lock.release()
    assert [type(item) for item in read_segments(tmp_path)] == [
        JournalBatch,
        JournalWarning,
        SourceEnd,
    ]


def test_damage_in_a_source_that_lives_is_told(tmp_path: Path) -> None:
    path = write(tmp_path, 1, 3)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    lock = SourceLock(tmp_path, SOURCE)
    whole, warning = read_segments(tmp_path)
    assert whole == batch(1, 2)
    assert isinstance(warning, JournalWarning)
    lock.release()


def test_a_source_with_a_gap_has_not_ended_for_the_file_may_come_back(tmp_path: Path) -> None:
    write(tmp_path, 1, 3)
    write(tmp_path, 5, 1)
    items = list(read_segments(tmp_path))
    assert [type(item) for item in items] == [JournalBatch, JournalWarning]
