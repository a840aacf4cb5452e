"""Which files of the journal may go: by age and by size, and never one that is still needed."""

from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from poolserver.ledger.journal_files import (
    JournalFile,
    by_source,
    folded_files,
    holes,
    journal_files,
)
from poolserver.ledger.segment import file_stem
from poolserver.ledger.source_lock import remove_locks


class RetentionTerms(NamedTuple):
    """How long files are kept, and how many bytes of them at most."""

    keep_s: float
    keep_bytes: int


class Pruning(NamedTuple):
    """What is to be deleted, and what that leaves."""

    files: list[JournalFile]
    """The oldest first."""
    through: dict[str, int]
    """The last record of each source that goes with them."""
    left_bytes: int
    gone_sources: list[str]
    """That have ended and have no file any more."""


def expired(
    files: list[JournalFile],
    folded: Mapping[str, int],
    ended: Collection[str],
    terms: RetentionTerms,
    now_s: float,
) -> list[JournalFile]:
    """The files to delete, the oldest first; ``now_s`` is Unix seconds.

    Only what is wholly folded goes, and of a source no file before an earlier one.
    """
    queues = {
        source: its_files[: folded_files(its_files, folded, ended)]
        for source, its_files in by_source(files)
    }
    left_bytes = sum(file.size for file in files)
    gone = []
    while first := [queue[0] for queue in queues.values() if queue]:
        oldest = min(first, key=lambda file: file.written_s)
        if now_s - oldest.written_s <= terms.keep_s and left_bytes <= terms.keep_bytes:
            break
        gone.append(queues[oldest.source].pop(0))
        left_bytes -= oldest.size
    return gone


def plan_pruning(
    directory: Path,
    folded: Mapping[str, int],
    ended: Collection[str],
    terms: RetentionTerms,
    now_s: float,
) -> Pruning:
    """What has expired. Blocking.

    Raises:
        OSError: the directory cannot be read.
    """
    found = list(journal_files(directory))
    with_holes = holes(found)
    files = [item for item in found if isinstance(item, JournalFile)]
    # Of a source that has a hole nothing goes: somebody may want to mend it.
    whole = [file for file in files if file_stem(file.source) not in with_holes]
    gone = expired(whole, folded, ended, terms, now_s)
    through = {}
    for source, its_files in by_source(files):
        count = sum(file in gone for file in its_files)
        if count:
            left = its_files[count:]
            through[source] = left[0].first_sequence - 1 if left else folded[source]
    kept = {file.source for file in files if file not in gone}
    left_bytes = sum(file.size for file in files) - sum(file.size for file in gone)
    gone_sources = sorted(
        source for source in ended if source not in kept and file_stem(source) not in with_holes
    )
    return Pruning(gone, through, left_bytes, gone_sources)


def delete(directory: Path, pruning: Pruning) -> None:
    """Do it. Blocking.

    Raises:
        OSError: a file cannot be deleted.
    """
    for file in pruning.files:
        with suppress(FileNotFoundError):
            file.path.unlink()
    remove_locks(directory, pruning.gone_sources)
