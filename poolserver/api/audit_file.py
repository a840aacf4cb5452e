"""The file of who changed what: JSON lines that are only added to, and read from the end.

A call is two lines: what is about to be done, and how it ended, with the number of the first. A
torn line, as a power cut leaves, is passed over, and the next one begins on a line of its own.
"""

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import msgspec

NAME = "api-audit.jsonl"
FILE_BYTES = 10 << 20
"""Some 25,000 calls: a dispatcher's two weeks, at a budget a minute."""
MOST_FILES = 10

_NUMBER = re.compile(rb'\{"number":(\d{1,18}),')


class AuditLine(msgspec.Struct, frozen=True):
    """A write by HTTP: who asked for what, and how it ended. Times in Unix seconds.

    ``outcome`` is ``done`` or a problem's code; None while it is under way, and of what the pool's
    own end cut short. ``body`` is there if it is a short text, else its SHA-256.
    """

    number: int
    at: float
    token: str
    remote: str
    method: str
    path: str
    body: str | None = None
    body_sha256: str | None = None
    outcome: str | None = None
    ended_at: float | None = None


class _OnDisk(msgspec.Struct, frozen=True, omit_defaults=True):
    """A line: with a token it tells what is asked for, with ``of`` how that one ended."""

    number: int
    at: datetime
    token: str = ""
    remote: str = ""
    method: str = ""
    path: str = ""
    body: str | None = None
    body_sha256: str | None = None
    of: int | None = None
    outcome: str | None = None


def line_of(line: AuditLine) -> bytes:
    """As it is written when it begins, or when it is refused at once."""
    on_disk = _OnDisk(
        line.number,
        _moment(line.at),
        line.token,
        line.remote,
        line.method,
        line.path,
        line.body,
        line.body_sha256,
        outcome=line.outcome,
    )
    return msgspec.json.encode(on_disk) + b"\n"


def end_of(number: int, of: int, at_s: float, outcome: str) -> bytes:
    """How call ``of`` ended."""
    return msgspec.json.encode(_OnDisk(number, _moment(at_s), of=of, outcome=outcome)) + b"\n"


class AuditFile:
    """The newest file and those before it, in ``folder``. Blocking: for a thread."""

    def __init__(
        self, folder: Path, file_bytes: int = FILE_BYTES, most_files: int = MOST_FILES
    ) -> None:
        self._path = folder / NAME
        self._file_bytes = file_bytes
        self._most_files = most_files

    def append(self, lines: bytes) -> None:
        """Add whole lines; they are on the disk when this returns.

        Opened each time: another process of the pool, which takes over, may write there too.

        Raises:
            OSError: it cannot be written.
        """
        is_new = not self._path.exists()
        fd = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            size = os.fstat(fd).st_size
            if size and os.pread(fd, 1, size - 1) != b"\n":
                lines = b"\n" + lines
            while lines:
                lines = lines[os.write(fd, lines) :]
            os.fsync(fd)
            is_full = os.fstat(fd).st_size >= self._file_bytes
        finally:
            os.close(fd)
        if is_full:
            self._rotate()
        if is_new or is_full:
            self._sync_folder()

    def page(self, limit: int, before: int | None) -> list[AuditLine]:
        """Up to ``limit`` calls, the newest first; ``before`` a number: only older ones."""
        found: list[AuditLine] = []
        for line in self._newest_first(before):
            if before is None or line.number < before:
                found.append(line)
                before = line.number
                if len(found) == limit:
                    break
        return found

    def _newest_first(self, before: int | None) -> Iterator[AuditLine]:
        ends: dict[int, _OnDisk] = {}
        for path in self._worth_reading(before):
            for line in _lines_backwards(path, before):
                if line.of is not None:
                    ends[line.of] = line
                elif line.token:
                    yield _joined(line, ends.pop(line.number, None))

    def _worth_reading(self, before: int | None) -> list[Path]:
        """The files, newest first, from the one after that which has calls ``before``: it may tell
        how they ended."""
        paths = self._paths()
        if before is None:
            return paths
        for place, path in enumerate(paths):
            if (first := next(_lines(path), None)) is not None and first.number < before:
                return paths[max(0, place - 1) :]
        return []

    def _paths(self) -> list[Path]:
        older = (Path(f"{self._path}.{age}") for age in range(1, self._most_files))
        return [self._path, *older]

    def _rotate(self) -> None:
        *older, _ = paths = self._paths()
        for path, next_path in reversed(list(zip(older, paths[1:], strict=True))):
            if path.exists():
                path.rename(next_path)

    def _sync_folder(self) -> None:
        fd = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def _joined(line: _OnDisk, end: _OnDisk | None) -> AuditLine:
    return AuditLine(
        line.number,
        line.at.timestamp(),
        line.token,
        line.remote,
        line.method,
        line.path,
        line.body,
        line.body_sha256,
        outcome=line.outcome if end is None else end.outcome,
        ended_at=None if end is None else end.at.timestamp(),
    )


# A file that has got another name since it was found is read by that one.


def _lines(path: Path) -> Iterator[_OnDisk]:
    with suppress(FileNotFoundError), path.open("rb") as file:
        for line in file:
            if (decoded := _decoded(line)) is not None:
                yield decoded


def _lines_backwards(path: Path, before: int | None) -> Iterator[_OnDisk]:
    """Of calls those ``before``, and all ends."""
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return
    for line in reversed(lines):
        number = _NUMBER.match(line)
        if before and number and int(number[1]) >= before and b'"of":' not in line:
            continue  # most of a file, for its last page
        if (decoded := _decoded(line)) is not None:
            yield decoded


def _decoded(line: bytes) -> _OnDisk | None:
    try:
        return msgspec.json.decode(line, type=_OnDisk)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None  # torn


def _moment(unix_s: float) -> datetime:
    return datetime.fromtimestamp(unix_s, UTC)
