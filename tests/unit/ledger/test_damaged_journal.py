"""What a disk or a hand has damaged, or keeps from us, is told, and never taken to be gone."""

import os
from errno import EIO
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from poolserver.ledger import journal_reader
from poolserver.ledger.catch_up import CatchUp
from poolserver.ledger.journal_files import JournalFile, JournalWarning, journal_files
from poolserver.ledger.journal_reader import SourceEnd, read_segments
from poolserver.ledger.records import SHARE_SIZE, JournalBatch
from poolserver.ledger.retention import RetentionTerms, plan_pruning
from poolserver.ledger.segment import SegmentId, encode_header
from tests.unit.ledger.books import DAY, RIGS, SOURCE, Books, day_ms, declared, share, template
from tests.unit.ledger.strategies import encode

OTHER = "pool-1/1/100"
NOTHING_IS_KEPT = RetentionTerms(keep_s=0, keep_bytes=0)
HEADER_SIZE = len(encode_header(SegmentId(SOURCE, 1, 1)))
FOR_EVER_S = 1e12


def write(books: Books, source: str, first: int, count: int) -> Path:
    shares = [share(0, day_ms(DAY, number), work=0) for number in range(first, first + count)]
    return books.write(source, first, encode(first, shares))


@pytest.fixture
def books(tmp_path: Path) -> Books:
    """Two sources with three files of four shares each."""
    books = Books(tmp_path)
    for source in (SOURCE, OTHER):
        for first in (1, 5, 9):
            write(books, source, first, 4)
    return books


def files_of(books: Books, source: str = SOURCE) -> list[Path]:
    found = journal_files(books.journal_dir)
    return [item.path for item in found if isinstance(item, JournalFile) and item.source == source]


def folded(books: Books) -> dict[str, int]:
    """What a fold can take of the journal."""
    fold = books.new_fold()
    CatchUp(books.journal_dir, fold).read_all()
    return fold.progress


def ends(books: Books) -> set[str]:
    items = read_segments(books.journal_dir)
    return {item.source for item in items if isinstance(item, SourceEnd)}


def test_both_sources_of_a_sound_journal_are_read_to_their_end(books: Books) -> None:
    assert folded(books) == {SOURCE: 12, OTHER: 12}
    assert ends(books) == {SOURCE, OTHER}


@pytest.mark.parametrize("number", range(3))
def test_a_source_with_a_file_whose_header_is_damaged_has_not_ended(
    books: Books, number: int
) -> None:
    path = files_of(books)[number]
    data = bytearray(path.read_bytes())
    data[10] ^= 1
    path.write_bytes(data)
    (warning,) = (
        item for item in journal_files(books.journal_dir) if isinstance(item, JournalWarning)
    )
    assert warning.is_hole
    assert ends(books) == {OTHER}
    path.write_bytes(bytes([*data[:10], data[10] ^ 1, *data[11:]]))  # mended
    assert ends(books) == {SOURCE, OTHER}


@pytest.mark.parametrize("left", [b"", bytes(3000), encode_header(SegmentId(SOURCE, 13, 9))[:-2]])
def test_a_file_that_a_power_cut_left_without_a_record_does_not_keep_a_source_alive(
    books: Books, left: bytes
) -> None:
    (books.journal_dir / SegmentId(SOURCE, 13, 9).file_name).write_bytes(left)
    assert ends(books) == {SOURCE, OTHER}


@pytest.mark.parametrize("damage", [bytes, lambda size: b"\xff" * size, os.urandom])
def test_a_source_that_was_damaged_over_a_long_stretch_has_not_ended(
    tmp_path: Path, damage: Any
) -> None:
    books = Books(tmp_path)
    path = write(books, SOURCE, 1, 20_000)
    data = bytearray(path.read_bytes())
    begin, size = HEADER_SIZE + 4 * SHARE_SIZE, 1_500_000
    data[begin : begin + size] = damage(size)
    path.write_bytes(data)
    *_, warning = read_segments(books.journal_dir)
    assert isinstance(warning, JournalWarning)
    assert (warning.sequence, warning.is_hole) == (5, True)
    path.write_bytes(data[: begin + size])  # and nothing behind it: a torn tail
    assert ends(books) == {SOURCE}


def not_readable(path: Path) -> None:
    """Whoever tests may be allowed everything: a folder nobody can read as a file."""
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(("number", "readable"), [(0, 0), (1, 4), (2, 8)])
def test_a_file_that_cannot_be_read_is_told_and_the_other_sources_go_on(
    books: Books, number: int, readable: int
) -> None:
    path = files_of(books)[number]
    not_readable(path)
    with capture_logs() as said:
        progress = folded(books)
    assert progress == ({SOURCE: readable} if readable else {}) | {OTHER: 12}
    told = [line for line in said if line["event"] == "journal_damaged"]
    assert [str(path) in line["warning"] for line in told] == [True]
    assert told[0]["log_level"] == "error"
    assert ends(books) == {OTHER}


def test_a_folder_that_has_only_the_name_of_a_journal_stops_nothing(books: Books) -> None:
    (books.journal_dir / "old.journal").mkdir()
    assert folded(books) == {SOURCE: 12, OTHER: 12}
    assert ends(books) == {SOURCE, OTHER}


def test_a_disk_that_fails_while_a_file_is_read_ends_that_source_alone(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = files_of(books)[1].stat().st_ino
    sync = os.fdatasync

    def fdatasync(fd: int) -> None:
        if os.fstat(fd).st_ino == bad:
            raise OSError(EIO, os.strerror(EIO))
        sync(fd)

    monkeypatch.setattr(journal_reader.os, "fdatasync", fdatasync)
    assert folded(books) == {SOURCE: 4, OTHER: 12}
    assert ends(books) == {OTHER}
    monkeypatch.undo()
    assert folded(books) == {SOURCE: 12, OTHER: 12}


def test_a_file_that_fails_in_its_middle_gives_what_is_before(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_reader, "REPLAY_BATCH_BYTES", 2 * SHARE_SIZE)

    class Failing:
        def __init__(self, file: Any) -> None:
            self._file, self._reads = file, 0

        def read(self, size: int) -> bytes:
            self._reads += 1
            if self._reads == 2:
                raise OSError(EIO, os.strerror(EIO))
            return bytes(self._file.read(size))

    original = journal_reader.read_records
    monkeypatch.setattr(
        journal_reader,
        "read_records",
        lambda opened, file, *, may_grow: original(Failing(opened), file, may_grow=may_grow),  # type: ignore[arg-type]
    )
    items = [item for item in read_segments(books.journal_dir) if item.source == OTHER]
    first, warning, _ = items
    assert isinstance(first, JournalBatch)
    assert (first.last_sequence, isinstance(warning, JournalWarning)) == (2, True)
    assert warning.is_hole  # type: ignore[union-attr]


def test_whether_a_source_lives_that_cannot_be_told_is_taken_for_life(books: Books) -> None:
    (books.journal_dir / "pool-1.0.100.live").symlink_to(books.journal_dir / "pool-1.0.100.live")
    assert ends(books) == {OTHER}


def test_a_folder_that_cannot_be_read_is_not_taken_for_an_empty_one(tmp_path: Path) -> None:
    (tmp_path / "journal").write_text("no folder")
    with pytest.raises(NotADirectoryError):
        list(journal_files(tmp_path / "journal"))
    with pytest.raises(NotADirectoryError):
        plan_pruning(tmp_path / "journal", {}, {SOURCE}, NOTHING_IS_KEPT, FOR_EVER_S)


def test_of_a_source_with_a_file_that_cannot_be_read_nothing_is_deleted(books: Books) -> None:
    progress = {SOURCE: 12, OTHER: 12}
    not_readable(files_of(books)[1])
    plan = plan_pruning(
        books.journal_dir, progress, {SOURCE, OTHER}, NOTHING_IS_KEPT, now_s=FOR_EVER_S
    )
    assert {file.source for file in plan.files} == {OTHER}
    assert (plan.through, plan.gone_sources) == ({OTHER: 12}, [OTHER])
    for path in files_of(books):
        path.unlink()  # and where the one that cannot be read is the only one
    plan = plan_pruning(
        books.journal_dir, progress, {SOURCE, OTHER}, NOTHING_IS_KEPT, now_s=FOR_EVER_S
    )
    assert plan.gone_sources == [OTHER]


def test_a_file_with_a_time_of_long_ago_is_as_old_as_its_records(books: Books) -> None:
    for path in files_of(books):
        os.utime(path, (0, 0))  # as of a copy, or of a clock that stood at 1970 when it was written
    begin_s = day_ms(DAY) / 1000
    terms = RetentionTerms(keep_s=3600, keep_bytes=2**62)
    progress, ended = {SOURCE: 12, OTHER: 12}, {SOURCE}
    plan = plan_pruning(books.journal_dir, progress, ended, terms, begin_s + 3600)
    assert plan.files == []
    plan = plan_pruning(books.journal_dir, progress, ended, terms, begin_s + 3700)
    assert [file.first_sequence for file in plan.files] == [1, 5, 9]


def test_a_first_record_without_a_time_leaves_the_file_its_own(tmp_path: Path) -> None:
    books = Books(tmp_path)
    path = books.write(SOURCE, 1, b"torn")
    os.utime(path, (77, 77))
    (file,) = journal_files(books.journal_dir)
    assert isinstance(file, JournalFile)
    assert file.written_s == 77
    books.write(OTHER, 1, encode(1, [*declared(*RIGS), template()]))
