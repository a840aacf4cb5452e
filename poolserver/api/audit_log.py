"""Who changed what by HTTP is on the disk before it is done, and how it ended before the answer.

Calls that come together share one write: a hundred meters that are told each second are a few
syncs of the disk, and not two hundred.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256

import structlog

from poolserver.api.audit_file import AuditFile, AuditLine, end_of, line_of
from poolserver.api.endpoint import Call, Endpoint
from poolserver.api.problem import ApiError
from poolserver.log import RateLimited

MOST_TEXT = 4096
"""Bytes of a body that is kept as it is: all but long lists of mappings."""
MOST_PATH = 2048

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Batch:
    """Lines that are written together, by ``task``."""

    lines: list[bytes] = field(default_factory=list)
    task: asyncio.Task[None] | None = None


class AuditLog:
    """Is a ``router.Record``. ``unix_time`` in seconds, ``clock`` monotonic."""

    def __init__(
        self,
        file: AuditFile,
        unix_time: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._file = file
        self._unix_time = unix_time
        self._clock = clock
        self._last = 0
        self._batch: _Batch | None = None
        self._lock = asyncio.Lock()
        self._trouble = RateLimited(log)

    async def intend(self, endpoint: Endpoint, call: Call, path: str) -> int:
        """See ``router.Record``."""
        number = self._number()
        await self._write(line_of(self._line(number, endpoint, call, path)))
        return number

    async def ended(self, number: int, outcome: str) -> None:
        """See ``router.Record``. What is done is done, even if that cannot be written down."""
        with suppress(ApiError):  # it was told
            await self._write(end_of(self._number(), number, self._unix_time(), outcome))

    async def refused(self, endpoint: Endpoint, call: Call, path: str, outcome: str) -> None:
        """See ``router.Record``."""
        line = self._line(self._number(), endpoint, call, path, outcome)
        with suppress(ApiError):  # nothing was done
            await self._write(line_of(line))

    async def page(self, limit: int, before: int | None) -> list[AuditLine]:
        """See ``AuditFile.page``."""
        return await asyncio.to_thread(self._file.page, limit, before)

    def _number(self) -> int:
        """Grows over restarts too, and is another one in each process: microseconds."""
        self._last = max(self._last + 1, int(self._unix_time() * 1e6))
        return self._last

    def _line(
        self, number: int, endpoint: Endpoint, call: Call, path: str, outcome: str | None = None
    ) -> AuditLine:
        text = _text_of(call.body)
        return AuditLine(
            number,
            self._unix_time(),
            call.named.name,
            call.remote,
            endpoint.method,
            path[:MOST_PATH],
            text,
            sha256(call.body).hexdigest() if text is None else None,
            outcome,
        )

    async def _write(self, line: bytes) -> None:
        """Raises:
        ApiError: it cannot be written.
        """
        batch = self._batch
        if batch is None:
            batch = self._batch = _Batch()
            batch.task = asyncio.create_task(self._write_batch(batch), name="API audit")
        batch.lines.append(line)
        assert batch.task is not None
        try:
            await asyncio.shield(batch.task)
        except OSError as error:
            self._trouble.failed("api_audit_failed", str(error), self._clock())
            raise ApiError("not_recorded", "the log has the reason") from None
        self._trouble.restored("api_audit_again", self._clock())

    async def _write_batch(self, batch: _Batch) -> None:
        async with self._lock:
            self._batch = None
            await asyncio.to_thread(self._file.append, b"".join(batch.lines))


def _text_of(body: bytes) -> str | None:
    if len(body) > MOST_TEXT:
        return None
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None
