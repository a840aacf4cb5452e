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

from poolserver.ledger.records import TornTail
from poolserver.ledger.segment import SUFFIX, decode_header

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
    """When it was written to last, in Unix seconds."""


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
    """Whole records follow: this is no tail that a crash tore, but damage to what was written."""

    def __str__(self) -> str:
        if not self.source:
            return f"{self.path}: {self.reason}"
        return f"{self.path}: {self.source} ends before record {self.sequence}: {self.reason}"


def journal_files(directory: Path) -> Iterator[JournalFile | JournalWarning]:
    """All files, each source's in the order in which they were written.

    Raises:
        OSError: the directory or a file cannot be read.
    """
    for path in sorted(directory.glob(f"*{SUFFIX}")):
        try:
            with path.open("rb") as file:
                begin = file.read(_HEADER_ROOM)
                stat = os.fstat(file.fileno())
        except FileNotFoundError:
            continue  # deleted since the directory was read, so nobody needs it
        try:
            source, first_sequence, records_at = decode_header(begin)
        except TornTail as torn:
            yield JournalWarning(path, "", 0, torn.reason)
        else:
            yield JournalFile(path, source, first_sequence, records_at, stat.st_size, stat.st_mtime)


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
