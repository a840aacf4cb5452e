from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest

from poolserver.ledger import journal_reader
from poolserver.ledger.journal_files import JournalFile, JournalWarning
from poolserver.ledger.journal_reader import Item, SourceEnd, read_records, read_segments
from poolserver.ledger.payout_records import payout_records
from poolserver.ledger.records import (
    SHARE_SIZE,
    BlockRecord,
    JournalBatch,
    Record,
    ShareRecord,
    TemplateRecord,
    WorkerRecord,
)
from poolserver.ledger.segment import SegmentId, encode_header
from poolserver.ledger.source_lock import SourceLock
from poolserver.mining.coinbase import TxOut
from poolserver.mining.payout import Distribution, Due
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


def test_records_longer_than_what_is_read_at_a_time_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_reader, "REPLAY_BATCH_BYTES", 10)
    write(tmp_path, 1, 7)
    assert list(read_segments(tmp_path))[:-1] == [batch(number, 1) for number in range(1, 8)]


def test_a_file_that_is_deleted_while_others_are_read_is_passed_over(tmp_path: Path) -> None:
    write(tmp_path, 1, 3)
    path = write(tmp_path, 4, 3, ordinal=1)
    items = read_segments(tmp_path)
    assert next(items) == batch(1, 3)
    path.unlink()
    assert list(items) == [SourceEnd(SOURCE, 3)]


# --- torn tails ------------------------------------------------------------------------------

HEADER = encode_header(SegmentId(SOURCE, 1, 0))
EVERY_KIND: list[Record] = [
    WorkerRecord(1, 5, "north", "north.rig1"),
    TemplateRecord(840_000, 0x1702F120, 312_500_000, 5),
    share(1),
    BlockRecord(840_000, bytes(32), 1, 5),
    *payout_records(
        bytes(32), Distribution((TxOut(60, b"\x51" * 22),), (Due("north", 40, -5),), 60)
    ),
    share(2),
]


def items_of(data: bytes, *, may_grow: bool = False) -> list[Item]:
    file = JournalFile(Path("torn.journal"), SOURCE, 1, len(HEADER), len(data), 0.0)
    opened = BytesIO(data)
    opened.seek(file.records_at)
    return list(read_records(opened, file, may_grow=may_grow))


@pytest.mark.parametrize("may_grow", [False, True])
@pytest.mark.parametrize(
    "after",
    [b"", bytes(200), b"\xff" * 200, bytes(range(256))],
    ids=["nothing", "zeros", "ones", "garbage"],
)
def test_a_file_torn_at_any_byte_has_the_records_before_it_and_says_where(
    after: bytes, may_grow: bool
) -> None:
    starts = [
        HEADER + encode(1, EVERY_KIND[:count]) for count in range(len(EVERY_KIND) + 1)
    ]  # with so many records
    for cut in range(len(HEADER), len(starts[-1]) + 1):
        data = starts[-1][:cut] + after
        # What comes after may happen to be what was cut off.
        count = max(count for count, start in enumerate(starts) if data.startswith(start))
        *good, last = [None, *items_of(data, may_grow=may_grow)]
        if data == starts[count] or (may_grow and isinstance(last, JournalBatch)):
            good.append(last)  # nothing is wrong with it, or nobody can know yet
        else:
            assert isinstance(last, JournalWarning) or (may_grow and not count)
            if isinstance(last, JournalWarning):
                assert (last.source, last.sequence) == (SOURCE, count + 1)
                assert last.reason.startswith(f"byte {len(starts[count])}: ")
        batches = [batch_of(SOURCE, 1, EVERY_KIND[:count])] if count else []
        assert [item for item in good if item is not None] == batches
        if not may_grow and data != starts[count]:
            assert isinstance(last, JournalWarning)


def test_a_flipped_bit_anywhere_ends_the_records_before_it() -> None:
    data = bytearray(HEADER + encode(1, EVERY_KIND))
    for place in range(len(HEADER), len(data)):
        data[place] ^= 1 << place % 8
        *good, torn = items_of(bytes(data))
        data[place] ^= 1 << place % 8
        assert isinstance(torn, JournalWarning)
        given = b"".join(item.records for item in good if isinstance(item, JournalBatch))
        assert given == encode(1, EVERY_KIND[: torn.sequence - 1])
        assert torn.reason.startswith(f"byte {len(HEADER) + len(given)}: ")
        assert len(HEADER) + len(given) <= place


@pytest.mark.parametrize("after", [b"", bytes(50), b"\xff" * 50], ids=["nothing", "zeros", "ones"])
def test_a_real_file_that_is_torn_in_its_header_is_told(tmp_path: Path, after: bytes) -> None:
    path = tmp_path / SegmentId(SOURCE, 1, 0).file_name
    for cut in range(len(HEADER)):
        path.write_bytes(HEADER[:cut] + after)
        (warning,) = read_segments(tmp_path)
        assert isinstance(warning, JournalWarning)
        assert warning.source == ""


@pytest.mark.parametrize("place", [0, 4, 6, 7, 40, 84])  # checksum, length, kind, number, payload
def test_a_source_that_was_damaged_in_the_middle_has_not_ended(tmp_path: Path, place: int) -> None:
    path = write(tmp_path, 1, 3)
    data = bytearray(path.read_bytes())
    data[-2 * SHARE_SIZE + place] ^= 0x80
    path.write_bytes(data)
    whole, warning = read_segments(tmp_path)
    assert whole == batch(1, 1)
    assert isinstance(warning, JournalWarning)
    assert (warning.sequence, warning.is_hole) == (2, True)
    assert "whole records follow" in str(warning)
    write(tmp_path, 2, 2, ordinal=1)  # as after a failed sync, or mended
    *_, end = read_segments(tmp_path)
    assert end == SourceEnd(SOURCE, 3)


@pytest.mark.parametrize("tail", [b"", bytes(200), b"\xff" * 200, b"garbage" * 40])
def test_a_tail_that_a_crash_tore_ends_its_source(tmp_path: Path, tail: bytes) -> None:
    path = write(tmp_path, 1, 3, cut=60)
    path.write_bytes(path.read_bytes() + tail)
    whole, warning, end = read_segments(tmp_path)
    assert whole == batch(1, 2)
    assert isinstance(warning, JournalWarning)
    assert not warning.is_hole
    assert end == SourceEnd(SOURCE, 2)


def test_a_source_that_begins_or_ends_while_files_are_listed_has_not_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, 1, 3)
    ends = SourceLock(tmp_path, SOURCE)
    listed = journal_reader.journal_files

    def change(directory: Path) -> Iterator[JournalFile | JournalWarning]:
        monkeypatch.setattr(journal_reader, "journal_files", listed)
        yield from listed(directory)
        # Now it is known that this one lives and that there is no other.
        monkeypatch.setattr(journal_reader, "journal_files", begin_and_end)

    def begin_and_end(directory: Path) -> Iterator[JournalFile | JournalWarning]:
        write(tmp_path, 1, 1, source="pool-1/0/18")
        found = list(listed(directory))
        write(tmp_path, 4, 2)
        ends.release()
        return iter(found)

    monkeypatch.setattr(journal_reader, "journal_files", change)
    items = list(read_segments(tmp_path))
    assert items == [batch(1, 3), batch(1, 1, "pool-1/0/18")]
