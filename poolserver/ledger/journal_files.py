"""The files of a journal directory: which there are, and which of them nobody needs to read.

A file needs no reading where all of its records are folded. Without a look inside that is known
of a source that has ended, and of a file whose successor's first record is folded: the
successor holds it and all after it. (A successor that begins right behind what is folded may have
been made after a failed sync and not be written yet, while this one has the records.)
"""

import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from poolserver.ledger.payout_records import PayoutRecord
from poolserver.ledger.records import TornTail, decode_record
from poolserver.ledger.scan import has_record
from poolserver.ledger.segment import SUFFIX, decode_header, named_as

_HEADER_ROOM = 4096
"""Bytes that hold every header: a source's name is below 300."""


class JournalFile(NamedTuple):
    """A file that begins as a journal's."""

    path: Path
    source: str
    first_sequence: int
    records_at: int
    """The offset of its first record."""
    size: int
    written_s: float
    """When it was written to last, in Unix seconds: no earlier than its first record says."""


@dataclass(frozen=True, slots=True)
class JournalWarning:
    """Where the records of a source, or of a file, end before their time."""

    path: Path
    source: str
    """Empty where the file's header cannot be read."""
    sequence: int
    """The first record that is not there."""
    reason: str
    is_hole: bool = False
    """There is more than can be read, as whole records behind the damage: this is no tail that a
    crash tore. What is missing may yet be mended, so nothing is done that could not be undone."""

    def __str__(self) -> str:
        if not self.source:
            return f"{self.path}: {self.reason}"
        return f"{self.path}: {self.source} ends before record {self.sequence}: {self.reason}"


def journal_files(directory: Path) -> Iterator[JournalFile | JournalWarning]:
    """All files, each source's in the order in which they were written.

    Raises:
        OSError: the directory cannot be read.
    """
    for path in sorted(_paths(directory)):
        try:
            found = _look_at(path)
        except FileNotFoundError:
            continue  # deleted since the directory was read, so nobody needs it
        except OSError as error:
            found = unreadable(path, "", 0, error)
        yield found


def _paths(directory: Path) -> list[Path]:
    # Path.glob() takes a folder that cannot be read for an empty one.
    try:
        return [directory / name for name in os.listdir(directory) if name.endswith(SUFFIX)]
    except FileNotFoundError:
        return []  # no journal was ever begun


def _look_at(path: Path) -> JournalFile | JournalWarning:
    with path.open("rb") as file:
        begin = file.read(_HEADER_ROOM)
        stat = os.fstat(file.fileno())
        try:
            source, first_sequence, records_at = decode_header(begin)
        except TornTail as torn:
            _, first_sequence = named_as(path.name) or ("", 1)
            file.seek(0)
            is_hole = has_record(file, stat.st_size, first_sequence)
            return JournalWarning(path, "", 0, torn.reason, is_hole)
    # A file's time is what a copy, a restored disk or a clock that was wrong have made of it.
    written_s = max(stat.st_mtime, _time_of_first(begin[records_at:], first_sequence))
    return JournalFile(path, source, first_sequence, records_at, stat.st_size, written_s)


def _time_of_first(records: bytes, sequence: int) -> float:
    """The Unix seconds of a file's first record; 0 where it tells none."""
    try:
        record, _ = decode_record(records, 0, sequence)
    except TornTail:
        return 0.0
    return 0.0 if isinstance(record, PayoutRecord) else record.unix_ms / 1000


def unreadable(path: Path, source: str, sequence: int, error: OSError) -> JournalWarning:
    """The warning of a file, or of a folder in its place, that cannot be read."""
    return JournalWarning(path, source, sequence, f"it cannot be read: {error.strerror}", True)


def holes(found: Iterable[JournalFile | JournalWarning]) -> set[str]:
    """By file_stem(): the sources that have a file of which it is not known what is in it."""
    named = (named_as(item.path.name) for item in found if is_hole(item))
    return {name[0] for name in named if name is not None}


def is_hole(item: object) -> bool:
    """Whether a file has records that cannot be read."""
    return isinstance(item, JournalWarning) and item.is_hole


def by_source(files: Iterable[JournalFile]) -> Iterator[tuple[str, list[JournalFile]]]:
    """Each source with its files in order."""
    groups: dict[str, list[JournalFile]] = {}
    for file in files:
        groups.setdefault(file.source, []).append(file)
    yield from groups.items()


def folded_files(
    files: list[JournalFile], folded: Mapping[str, int], ended: Collection[str]
) -> int:
    """How many of a source's files, from the first on, have nothing that is not folded."""
    if not files:
        return 0
    source = files[0].source
    if source in ended:
        return len(files)
    through = folded.get(source, 0)
    return sum(successor.first_sequence <= through for successor in files[1:])
