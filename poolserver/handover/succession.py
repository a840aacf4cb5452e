"""How this process came to be the pool, and who comes after it: upgrades, reloads, the manager.

All that the composition root and those who look need of it is here, from before the pool runs
until it has ended.
"""

import asyncio
import os
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial

import structlog

from poolserver.config import Config
from poolserver.handover.init import FirstProcess
from poolserver.handover.reload import Answer, Reload, ReloadFacts
from poolserver.handover.service import Service
from poolserver.handover.state import Hello, Reloading
from poolserver.handover.upgrade import Estate, Upgrade, run_again

log = structlog.get_logger(__name__)

NOT_RUNNING = "the pool is not running yet"


class Succession:
    """Of one process. ``read`` gives the configuration as the file has it now, found good, or
    raises ConfigError; None where there is no file to read again."""

    def __init__(
        self,
        config: Config,
        *,
        read: Callable[[], Config] | None = None,
        first: FirstProcess | None = None,
        service: Service | None = None,
    ) -> None:
        self.service = service or Service({})
        self.facts = ReloadFacts(config, time.time())
        self._first = first
        self._upgrade: Upgrade | None = None
        self._reload = None if read is None else Reload(self.facts, read, self._begin)
        self._mark: Reloading | None = None
        self._is_coming = False
        self._is_owed = False  # a reload that SIGHUP has asked for
        self._hanging_up: asyncio.Task[Answer] | None = None

    # --- what this process came of -----------------------------------------------------------

    def came_of(self, hello: Hello) -> None:
        """Go on from what the process before this one has said."""
        self.facts.counts.update(hello.reloads)
        self._mark, self._is_coming = hello.reloading, True

    def has_come(self, left_behind: str = "") -> None:
        """This process has taken over, and so have its workers but for those left behind."""
        if self._mark is not None:
            self.facts.succeed(self._mark, time.time(), left_behind)
            self._mark = None
        self._is_coming = False
        self._reload_if_owed()

    # --- who comes after it ------------------------------------------------------------------

    def open(
        self,
        estate: Callable[[], Estate],
        hello: Callable[[], tuple[Hello, list[int]]],
        on_handed: Callable[[], None],
    ) -> None:
        """The pool runs: from here on it may be handed over. See ``Upgrade``."""

        def handed() -> None:
            on_handed()
            self._reload_if_owed()

        also = {} if self._first is None else self._first.inherited
        self._upgrade = Upgrade(
            estate,
            hello,
            handed,
            start=partial(run_again, also=also),
            on_main=self._on_main,
            on_failed=self._on_failed,
        )
        self.service.ready()
        self._reload_if_owed()

    @property
    def reloading(self) -> Reloading | None:
        """What the next process is started for."""
        return None if self._reload is None else self._reload.mark

    @property
    def has_heir(self) -> bool:
        """Whether all is another process's."""
        return self._upgrade is not None and self._upgrade.heir_pid is not None

    def upgrade(self) -> None:
        """Start this command anew, hand the rigs over to it, and end."""
        if self._upgrade is None:
            log.warning("upgrade_refused", reason=NOT_RUNNING)
        else:
            self._begin()

    def hang_up(self) -> None:
        """Reload, as SIGHUP asks for it.

        Nobody is there to be told that it has to wait. So it is done once more when what is under
        way has ended, however often it was asked for: the file may be another than was read.
        """
        self._is_owed = True
        self._reload_if_owed()
        if self._is_owed:
            log.info("reload_waits")

    def _reload_if_owed(self) -> None:
        if not self._is_owed:
            return
        if self.has_heir:
            with suppress(ProcessLookupError):
                os.kill(self._heir_pid, signal.SIGHUP)
        elif self._has_to_wait:
            return
        else:
            self._hanging_up = asyncio.create_task(self.reload("SIGHUP"), name="reload")
            self._hanging_up.add_done_callback(self._hung_up)
        self._is_owed = False

    def _hung_up(self, _: asyncio.Task[Answer]) -> None:
        self._hanging_up = None
        self._reload_if_owed()

    @property
    def _has_to_wait(self) -> bool:
        """Whether something is under way that ends with a call of ``_reload_if_owed``."""
        return (
            self._upgrade is None
            or self._is_coming
            or self._hanging_up is not None
            or self._upgrade.is_under_way
            or (self._reload is not None and self._reload.is_checking)
        )

    async def reload(self, by: str, *, only_check: bool = False) -> Answer:
        """Put the configuration in force as it is now, or say why not; see ``Reload``."""
        if self._upgrade is None or self._reload is None:
            answer = Answer("busy", "", (NOT_RUNNING,))
        elif only_check:
            return await self._reload.check()
        else:
            answer = await self._reload.reload(by)
        if answer.code == "busy":
            log.warning("reload_refused", by=by, why="busy", errors=answer.errors)
        if answer.code != "begun" and self._upgrade is not None and not self._is_under_way:
            # Whoever has sent the signal, as systemd does, waits for a word.
            self.service.reloading()
            self.service.ready()
        self._reload_if_owed()
        return answer

    @property
    def _is_under_way(self) -> bool:
        return self._upgrade is not None and self._upgrade.is_under_way

    def _begin(self) -> bool:
        assert self._upgrade is not None
        if not self._upgrade.begin():
            return False
        self.service.reloading()
        return True

    def _on_main(self, pid: int) -> None:
        if self._first is not None:
            self._first.newest(pid)
        self.service.main_pid(pid)

    def _on_failed(self, reason: str) -> None:
        self.service.ready()
        if self._reload is not None:
            self._reload.failed(reason)
        self._reload_if_owed()

    # --- the service manager -----------------------------------------------------------------

    async def tell_for_ever(self, sentence: Callable[[], str | None]) -> None:
        """Tell the service manager how it stands; ``sentence`` is None before the nodes answer."""
        service = self.service
        while True:
            told = sentence()
            service.starting("Waiting for a node" if told is None else "Starting")
            if told is not None:
                service.beat(told)
            await asyncio.sleep(service.interval_s)

    # --- its end -----------------------------------------------------------------------------

    def stopping(self) -> None:
        """Say that the pool ends, or that another process speaks for it."""
        if self.has_heir:
            self.service.handed_over()
        else:
            self.service.stopping()

    async def close(self) -> None:
        """This process is to end: a handover that is under way is given up."""
        if self._upgrade is not None:
            await self._upgrade.close()

    async def end(self, parts: Callable[[], Mapping[str, bytes]]) -> None:
        """All is closed here; see ``Upgrade.end``."""
        if self._upgrade is not None:
            await self._upgrade.end(parts)

    def pass_on(self, number: int) -> bool:
        """Give a signal to the heir, if this is the first process, which is asked in its place."""
        if self._first is None or not self._first.is_first or not self.has_heir:
            return False
        os.kill(self._heir_pid, number)
        return True

    def stay(self) -> None:
        """If this is the first process and has an heir, wait for that one, and do not return."""
        if self._first is not None and self.has_heir:
            self._first.stay(self._heir_pid)

    @property
    def _heir_pid(self) -> int:
        assert self._upgrade is not None
        assert self._upgrade.heir_pid is not None
        return self._upgrade.heir_pid
