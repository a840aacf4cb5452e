"""Found blocks on the disk, until the nodes' word on them is final, and then as evidence."""

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import structlog

log = structlog.get_logger(__name__)


class FoundBlock(msgspec.Struct, frozen=True):
    """A solved block, whole, as submitblock takes it."""

    hash_hex: str
    height: int
    block_hex: str
    worker_name: str
    found_at_unix: float


class SettledBlock(msgspec.Struct, frozen=True):
    """A block and the final word on it, as it is kept."""

    state: str
    reason: str
    block: FoundBlock


class Spool:
    """One file a block, ``<hash>.json``; settled ones are kept in ``settled/`` as evidence.

    The functions block: call them in a thread.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._settled = directory / "settled"

    def put(self, found: FoundBlock) -> None:
        """Write a block and force it to the disk.

        Raises:
            OSError: it cannot be written.
        """
        self._settled.mkdir(parents=True, exist_ok=True)
        _write(self._path(found.hash_hex), msgspec.json.encode(found))

    def settle(self, found: FoundBlock, state: str, reason: str) -> None:
        """The word on a block is final: keep it with the block, which is not submitted again.

        The evidence is safe before the spooled file goes; a power cut between the two has the
        block submitted once more, which does no harm.

        Raises:
            OSError: it cannot be written.
        """
        self._settled.mkdir(parents=True, exist_ok=True)
        path = self._path(found.hash_hex)
        _write(self._settled / path.name, msgspec.json.encode(SettledBlock(state, reason, found)))
        path.unlink(missing_ok=True)
        _sync_directory(self._directory)

    def has_settled(self, hash_hex: str) -> bool:
        """Whether the block of that hash is kept as evidence: it is one of ours."""
        return (self._settled / f"{hash_hex}.json").exists()

    def unsettled(self) -> Iterator[FoundBlock]:
        """What a former life of the pool has left; a file that is no block is said and left."""
        for path in sorted(self._directory.glob("*.json")):
            try:
                yield msgspec.json.decode(path.read_bytes(), type=FoundBlock)
            except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                log.error("spool_file_unreadable", path=str(path), reason=str(error))

    def _path(self, hash_hex: str) -> Path:
        return self._directory / f"{hash_hex}.json"


def _write(path: Path, content: bytes) -> None:
    """All or nothing: ``path`` is there, whole and on the disk, or it is as it was before."""
    unfinished = path.with_suffix(".part")
    with unfinished.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
    _sync_directory(path.parent)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
