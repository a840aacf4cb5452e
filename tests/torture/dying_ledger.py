"""The pool, that kills itself at a step of writing down shares.

    python -m tests.torture.dying_ledger CONFIG STEP:WHEN:COUNT[:SYNCED]

It is ``poolserver run --config CONFIG``, and dies at the COUNT-th time that it comes to STEP: from
its start on (WHEN ``start``), or from SIGUSR1 on (``signal``). STEP ``none`` never comes. SYNCED is
a folder for notes of how much of each journal file is on the disk: a power cut would leave no more.

What is patched are calls of the system and of the databases' drivers, not the pool.
"""

import os
import signal
import sqlite3
import struct
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, NoReturn

from poolserver.cli import main

JOURNAL_STEPS = {
    "appended": "a turn's records are in memory, and nothing of them is written",
    "torn": "a part of a turn's records is written",
    "written": "all of a turn's records are written, no answer has left",
    "unsynced": "a sync is due and has not begun",
    "synced": "a sync is done, nobody was told",
}
STORE_STEPS = {
    "statement": "before a statement of the store's transaction",
    "rows": "in the middle of rows that a statement puts in",
    "commit": "before the commit",
    "committed": "after the commit, nobody was told",
}
STEPS = {**JOURNAL_STEPS, **STORE_STEPS}
NONE = "none"
# So that a life of some seconds has commits.
SAVE_INTERVAL_S = 0.3


class Death:
    """Knows when it is time."""

    def __init__(self, step: str, count: int, *, is_armed: bool) -> None:
        self._step = step
        self._left = count
        self.is_armed = is_armed
        self._lock = threading.Lock()

    def comes_at(self, step: str) -> bool:
        """Whether this is the moment; each call is one time that the pool comes to ``step``."""
        if step != self._step or not self.is_armed:
            return False
        with self._lock:
            self._left -= 1
            return self._left == 0

    def at(self, step: str) -> None:
        """Die, if this is the moment."""
        if self.comes_at(step):
            die()


def die() -> NoReturn:
    """End as if the power went."""
    os.kill(os.getpid(), signal.SIGKILL)
    while True:  # the signal may take a moment to arrive
        threading.Event().wait()


class JournalCalls:
    """The system's calls for files that end in ``.journal``."""

    def __init__(self, death: Death, synced: Path | None) -> None:
        self._death = death
        self._synced = synced
        self._writers: set[int] = set()
        self._open, self._write, self._close = os.open, os.write, os.close
        self._fdatasync = os.fdatasync

    def patch(self) -> None:
        os.open, os.write, os.close = self.open, self.write, self.close
        os.fdatasync = self.fdatasync  # type: ignore[assignment]

    def open(self, path: Any, flags: int, *args: Any, **options: Any) -> int:
        fd = self._open(path, flags, *args, **options)
        if str(path).endswith(".journal") and flags & os.O_CREAT:
            self._writers.add(fd)
        return fd

    def write(self, fd: int, data: Any) -> int:
        if fd not in self._writers:
            return self._write(fd, data)
        self._death.at("appended")
        if self._death.comes_at("torn"):
            self._write(fd, bytes(data)[: Random().randrange(1, max(2, len(data)))])
            die()
        written = self._write(fd, data)
        self._death.at("written")
        return written

    def close(self, fd: int) -> None:
        self._writers.discard(fd)
        self._close(fd)

    def fdatasync(self, fd: int) -> None:
        is_writers = fd in self._writers
        if is_writers:
            self._death.at("unsynced")
        size = os.fstat(fd).st_size
        self._fdatasync(fd)
        self._note(fd, size)
        if is_writers:
            self._death.at("synced")

    def _note(self, fd: int, size: int) -> None:
        """Whoever syncs a file syncs all of it: a start does so with those of former lives."""
        path = Path(os.readlink(f"/proc/self/fd/{fd}"))
        if self._synced is not None and path.suffix == ".journal":
            note = self._open(self._synced / path.name, os.O_WRONLY | os.O_CREAT, 0o644)
            os.pwrite(note, struct.pack("<Q", size), 0)  # in one: a death leaves the former one
            self._close(note)


def around(death: Death, execute: Callable[..., Any], target: Any, sql: Any, *args: Any) -> Any:
    """A statement of a store, with the moments before and after it."""
    text = str(sql).lstrip().upper()
    if text.startswith("COMMIT"):
        death.at("commit")
    elif text.startswith(("INSERT", "UPDATE")):
        death.at("statement")
    result = execute(target, sql, *args)
    if text.startswith("COMMIT"):
        death.at("committed")
    return result


def patch_sqlite(death: Death) -> None:
    class DyingConnection(sqlite3.Connection):
        def execute(self, sql: str, *args: Any) -> sqlite3.Cursor:
            result: sqlite3.Cursor = around(death, sqlite3.Connection.execute, self, sql, *args)
            return result

        def executemany(self, sql: str, rows: Iterable[Any], /) -> sqlite3.Cursor:
            death.at("statement")
            return super().executemany(sql, self._each(rows))

        def _each(self, rows: Iterable[Any]) -> Iterator[Any]:
            for row in rows:
                death.at("rows")
                yield row

    sqlite3.connect = partial(sqlite3.connect, factory=DyingConnection)  # type: ignore[assignment]


def patch_psycopg(death: Death) -> None:
    try:
        import psycopg
    except ImportError:
        return
    execute, write_row = psycopg.Cursor.execute, psycopg.Copy.write_row

    def execute_or_die(cursor: Any, sql: Any, *args: Any, **options: Any) -> Any:
        return around(death, partial(execute, **options), cursor, sql, *args)

    def write_row_or_die(copy: Any, row: Any) -> None:
        death.at("rows")
        write_row(copy, row)

    setattr(psycopg.Cursor, "execute", execute_or_die)  # noqa: B010 - it is overloaded
    setattr(psycopg.Copy, "write_row", write_row_or_die)  # noqa: B010


def arm(step: str, when: str, count: int, synced: Path | None) -> None:
    """Have the process die at the ``count``-th time of ``step``."""
    death = Death(step, count, is_armed=when == "start")

    def now(*_: object) -> None:
        death.is_armed = True

    signal.signal(signal.SIGUSR1, now)
    JournalCalls(death, synced).patch()
    if step in STORE_STEPS:
        from poolserver.ledger.keeper import LedgerKeeper

        patch_sqlite(death)
        patch_psycopg(death)
        begin = LedgerKeeper.__init__

        def begin_hasty(keeper: LedgerKeeper, *args: Any, **options: Any) -> None:
            begin(keeper, *args, **{**options, "save_interval_s": SAVE_INTERVAL_S})

        setattr(LedgerKeeper, "__init__", begin_hasty)  # noqa: B010 - of another type


if __name__ == "__main__":
    _, config, chosen = sys.argv
    chosen_step, chosen_when, chosen_count, *folder = chosen.split(":", 3)
    if chosen_step not in (*STEPS, NONE) or chosen_when not in ("start", "signal"):
        sys.exit(f"steps: {', '.join(STEPS)}")
    arm(chosen_step, chosen_when, int(chosen_count), Path(folder[0]) if folder else None)
    main(["run", "--config", config])
