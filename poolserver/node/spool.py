"""Found blocks where a crash does not reach them, until the nodes' word on them is final.

First in memory that outlives the process, for which no disk is waited for; then on the disk;
and settled ones on the disk as evidence.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import msgspec
import structlog

from poolserver.mining.payout import Distribution

# A file system of Linux that is memory: it outlives a process, not the machine.
SHARED_MEMORY = Path("/dev/shm")

T = TypeVar("T")

log = structlog.get_logger(__name__)


class FoundBlock(msgspec.Struct, frozen=True):
    """A solved block, whole, as submitblock takes it, and all that is booked of it."""

    hash_hex: str
    height: int
    block_hex: str
    worker_name: str
    found_at_unix: float
    account: str = ""
    """Of the worker; empty where nobody of that name was authorized."""
    distribution: Distribution | None = None
    """What it pays; None in a file of a version that did not note it."""


class SettledBlock(msgspec.Struct, frozen=True):
    """A block and the final word on it, as it is kept."""

    state: str
    reason: str
    block: FoundBlock


def quoted(block_hex: str) -> msgspec.Raw:
    """A block's hex as JSON. It is megabytes: to look for what must be escaped takes far longer."""
    return msgspec.Raw(b'"%b"' % block_hex.encode())


class _Entry(msgspec.Struct, rename={"block_json": "block_hex"}):
    """A ``FoundBlock`` whose hex is quoted already."""

    hash_hex: str
    height: int
    block_json: msgspec.Raw
    worker_name: str
    found_at_unix: float
    account: str
    distribution: Distribution | None


def spool_entry(found: FoundBlock, block_json: msgspec.Raw) -> bytes:
    """A block as its file has it; ``block_json`` is its hex, quoted."""
    return msgspec.json.encode(
        _Entry(
            found.hash_hex,
            found.height,
            block_json,
            found.worker_name,
            found.found_at_unix,
            found.account,
            found.distribution,
        )
    )


def shared_memory_for(directory: Path) -> Path | None:
    """The folder in memory that belongs to a spool; None where the system has none.

    It is named after the data folder itself and not its path, which containers have in common.
    """
    try:
        home = directory.parent.stat()
    except OSError:
        return None
    if not SHARED_MEMORY.is_dir():
        return None
    name = f"{home.st_dev:x}-{home.st_ino:x}-{directory.name}"
    return SHARED_MEMORY / f"poolserver-{os.getuid()}-{name}"


class Spool:
    """One file a block, ``<hash>.json``; settled ones are kept in ``settled/`` as evidence.

    All functions but ``hold`` and ``leave`` wait for the disk: call them in a thread.
    """

    def __init__(self, directory: Path, memory: Path | None = None) -> None:
        """``memory`` is a folder in memory, for ``hold``; without it nothing is held."""
        self._directory = directory
        self._settled = directory / "settled"
        self._memory = memory

    def hold(self, hash_hex: str, entry: bytes) -> None:
        """Keep a block in memory that outlives this process, before its first byte leaves.

        A disk may be waited for and this must not be: it takes a millisecond for each 2 MB.

        Raises:
            OSError: it cannot be kept there.
        """
        if self._memory is None:
            return
        self._memory.mkdir(mode=0o700, exist_ok=True)
        _check_owner(self._memory)
        _write(self._memory / f"{hash_hex}.json", entry, sync=False)

    def put(self, hash_hex: str, entry: bytes) -> None:
        """Write a block and force it to the disk; it is not held in memory any longer.

        Raises:
            OSError: it cannot be written.
        """
        self._settled.mkdir(parents=True, exist_ok=True)
        _write(self._directory / f"{hash_hex}.json", entry)
        self._let_go(hash_hex)

    def settle(self, found: FoundBlock, state: str, reason: str) -> None:
        """The word on a block is final: keep it with the block, which is not submitted again.

        The evidence is safe before the spooled file goes; a power cut between the two has the
        block submitted once more, which does no harm.

        Raises:
            OSError: it cannot be written.
        """
        self._settled.mkdir(parents=True, exist_ok=True)
        path = self._directory / f"{found.hash_hex}.json"
        block = spool_entry(found, quoted(found.block_hex))
        evidence = {"state": state, "reason": reason, "block": msgspec.Raw(block)}
        _write(self._settled / path.name, msgspec.json.encode(evidence))
        path.unlink(missing_ok=True)
        _sync_directory(self._directory)
        self._let_go(found.hash_hex)

    def settled_hashes(self) -> set[str]:
        """Of all blocks that are kept as evidence: they are ours."""
        return {path.stem for path in self._settled.glob("*.json")}

    def accepted_since(self, unix_time: float, most: int) -> list[FoundBlock]:
        """The newest blocks that were settled as accepted since then, ``most`` at most."""
        times = {path: path.stat().st_mtime for path in self._settled.glob("*.json")}
        newest = sorted(times, key=times.__getitem__, reverse=True)[:most]
        read = [_read(path, SettledBlock) for path in newest if times[path] >= unix_time]
        return [each.block for each in read if each is not None and each.state == "accepted"]

    def unsettled(self) -> Iterator[tuple[FoundBlock, bool]]:
        """What a former life of the pool has left, and whether it is on the disk.

        A file that is no block is said and left.
        """
        held = self._bring_to_disk()
        for path in sorted(self._directory.glob("*.json")):
            found = _read(path, FoundBlock)
            if found is not None:
                yield found, True
        for found in held:
            yield found, False

    def take_over(self, other: "Spool") -> int:
        """Move what is in the spool of a process that is no more into this; how many blocks it was.

        Raises:
            OSError: not all could be moved.
        """
        moved = 0
        for theirs, ours in (
            (other._memory, self._memory),
            (other._directory, self._directory),
            (other._settled, self._settled),
        ):
            if theirs is None or ours is None:
                continue
            for path in theirs.glob("*.json"):
                ours.mkdir(mode=0o700, parents=True, exist_ok=True)
                path.rename(ours / path.name)
                moved += 1
        other.leave()
        return moved

    def leave(self) -> None:
        """At the end: take the folder in memory away, unless a block is still held there.

        It waits for no disk.
        """
        if self._memory is not None:
            with suppress(OSError):
                self._memory.rmdir()

    def _bring_to_disk(self) -> list[FoundBlock]:
        """Spool what a former life held in memory when it ended; what cannot be spooled yet."""
        left: list[FoundBlock] = []
        if self._memory is None or not self._memory.is_dir():
            return left
        try:
            _check_owner(self._memory)
        except OSError as error:
            log.error("block_not_held", path=str(self._memory), reason=str(error))
            return left
        for unfinished in self._memory.glob("*.part"):  # the process died while it wrote
            unfinished.unlink(missing_ok=True)
        for path in sorted(self._memory.glob("*.json")):
            found = _read(path, FoundBlock)
            if found is None:
                continue
            try:
                self.put(path.stem, path.read_bytes())
            except OSError as error:
                log.error("block_not_spooled", block=found.hash_hex, reason=str(error))
                left.append(found)
        return left

    def _let_go(self, hash_hex: str) -> None:
        if self._memory is not None:
            with suppress(OSError):  # it would be submitted once more, which does no harm
                (self._memory / f"{hash_hex}.json").unlink(missing_ok=True)


def _read(path: Path, kind: type[T]) -> T | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        log.error("spool_file_unreadable", path=str(path), reason=str(error))
        return None


def _check_owner(directory: Path) -> None:
    """Anybody may make folders in shared memory: only one of ours, that only we may use, is."""
    found = directory.lstat()
    is_ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
    if not is_ours or stat.S_IMODE(found.st_mode) & 0o077:
        raise PermissionError(f"{directory} is not this user's alone")


def _write(path: Path, content: bytes, *, sync: bool = True) -> None:
    """All or nothing: ``path`` is there, whole and (synced) on the disk, or as it was before."""
    unfinished = path.with_suffix(".part")
    try:
        with unfinished.open("wb") as file:
            file.write(content)
            file.flush()
            if sync:
                os.fsync(file.fileno())
        unfinished.replace(path)
    except OSError:
        with suppress(OSError):  # what is left of it takes room from the next try
            unfinished.unlink(missing_ok=True)
        raise
    if sync:
        _sync_directory(path.parent)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
