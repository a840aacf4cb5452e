"""Found blocks on the disk, until the node's word on them is final."""

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
        path = self._path(found.hash_hex)
        unfinished = path.with_suffix(".part")
        with unfinished.open("wb") as file:
            file.write(msgspec.json.encode(found))
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
        _sync_directory(self._directory)

    def settle(self, hash_hex: str) -> None:
        """The word on a block is final: it is not submitted again.

        Raises:
            OSError: the file cannot be moved.
        """
        path = self._path(hash_hex)
        if path.exists():
            path.replace(self._settled / path.name)

    def unsettled(self) -> Iterator[FoundBlock]:
        """What a former life of the pool has left; a file that is no block is said and left."""
        for path in sorted(self._directory.glob("*.json")):
            try:
                yield msgspec.json.decode(path.read_bytes(), type=FoundBlock)
            except (OSError, msgspec.DecodeError) as error:
                log.error("spool_file_unreadable", path=str(path), reason=str(error))

    def _path(self, hash_hex: str) -> Path:
        return self._directory / f"{hash_hex}.json"


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
