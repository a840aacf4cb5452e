"""Which files of the journal may go: by age and by size, and never one that is still needed."""

from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from poolserver.ledger.journal_files import (
    JournalFile,
    JournalWarning,
    by_source,
    folded_files,
    journal_files,
)
from poolserver.ledger.source_lock import remove_lock


class RetentionTerms(NamedTuple):
    """How long files are kept, and how many bytes of them at most."""

    keep_s: float
    keep_bytes: int


class Pruned(NamedTuple):
    """What was done."""

    deleted: int
    """Files."""
    deleted_bytes: int
    left_bytes: int
    gone_sources: list[str]
    """That had ended and have no file any more."""


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


def prune(
    directory: Path,
    folded: Mapping[str, int],
    ended: Collection[str],
    terms: RetentionTerms,
    now_s: float,
) -> Pruned:
    """Delete what has expired.

    Blocking. Raises:
        OSError: the directory cannot be read, or a file not be deleted.
    """
    files = [item for item in journal_files(directory) if not isinstance(item, JournalWarning)]
    gone = expired(files, folded, ended, terms, now_s)
    for file in gone:
        with suppress(FileNotFoundError):
            file.path.unlink()
    kept = {file.source for file in files if file not in gone}
    gone_sources = sorted(source for source in ended if source not in kept)
    for source in gone_sources:
        remove_lock(directory, source)
    deleted_bytes = sum(file.size for file in gone)
    left_bytes = sum(file.size for file in files) - deleted_bytes
    return Pruned(len(gone), deleted_bytes, left_bytes, gone_sources)
