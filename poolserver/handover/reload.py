"""A reload: a new configuration is found good here, and put in force by a handover.

The new process has all of it, or it fails and all is as before; so there is one mechanism for
every setting. What only a restart can change is refused before, and so is what a look at the file
shows to be wrong. Whether a reload went well is known to the process that lives then: the new one,
or this one.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from typing import Literal, NamedTuple

import structlog

from poolserver.config import Config, ConfigError
from poolserver.config.fingerprint import Fingerprint, fingerprint, needs_restart
from poolserver.handover.state import Reloading

Code = Literal["begun", "unchanged", "refused", "needs_restart", "busy"]
OUTCOMES = ("reloaded", "unchanged", "refused", "failed")
"""What reloads are counted by."""

log = structlog.get_logger(__name__)


class LastReload(NamedTuple):
    """How the last one ended. ``reason`` is empty where all is well."""

    at: float
    """Unix seconds."""
    is_good: bool
    reason: str


class Answer(NamedTuple):
    """What becomes of a wish to reload."""

    code: Code
    config_sha256: str
    """``Fingerprint.public`` of the file; empty where it cannot be read."""
    errors: tuple[str, ...] = ()


class ReloadFacts:
    """Which configuration is in force here, and how the last reload ended."""

    def __init__(self, config: Config, started_at: float) -> None:
        """Times are Unix seconds. Reads the files that the configuration names."""
        self._print = fingerprint(config)
        self.config = config
        self.started_at = started_at
        """When this process was started."""
        self.last: LastReload | None = None
        """In this process, or the one that made it; None: there was none."""
        self.counts: Counter[str] = Counter()
        """By OUTCOMES, of all processes that handed over to each other."""

    @property
    def config_sha256(self) -> str:
        """``Fingerprint.public`` of what is in force."""
        return self._print.public

    @property
    def fingerprint(self) -> str:
        """``Fingerprint.whole`` of what is in force."""
        return self._print.whole

    def end(self, outcome: str, at: float, reason: str = "") -> None:
        """A reload has ended."""
        self.counts[outcome] += 1
        self.last = LastReload(at, outcome in ("reloaded", "unchanged"), reason)

    def succeed(self, mark: Reloading, at: float, left_behind: str = "") -> None:
        """This process was started for a reload, and is there; ``left_behind`` tells what is not
        as the configuration says, if anything is."""
        if left_behind:
            self.end("failed", at, left_behind)
            log.error("reload_failed", reason=left_behind)
        else:
            self.end("reloaded", at)
            seconds = round(at - mark.begun_at, 3)
            log.info("reloaded", config_sha256=self.config_sha256, seconds=seconds)


class _Checked(NamedTuple):
    """What a look at the file has found."""

    code: Code
    found: Fingerprint | None
    errors: tuple[str, ...] = ()

    @property
    def answer(self) -> Answer:
        return Answer(self.code, self.found.public if self.found else "", self.errors)


class Reload:
    """Reloads the configuration of a running pool."""

    def __init__(
        self,
        facts: ReloadFacts,
        read: Callable[[], Config],
        begin: Callable[[], bool],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """``read`` gives the configuration as it is now, or raises ConfigError; in a thread.

        ``begin`` begins the handover; False: one is under way. ``clock`` is Unix time.
        """
        self.facts = facts
        self.mark: Reloading | None = None
        """What the new process is told; None where it is not started for a reload."""
        self._read = read
        self._begin = begin
        self._clock = clock
        self.is_checking = False
        """Whether the file is being looked at for a reload."""

    async def check(self) -> Answer:
        """What ``reload`` would answer now, with nothing done."""
        return (await self._checked()).answer

    async def reload(self, by: str) -> Answer:
        """Have the configuration in force as it is now; ``begun`` means that more is to come."""
        if self.is_checking or self.mark is not None:
            return Answer("busy", "", ("another reload is under way",))
        self.is_checking = True
        try:
            checked = await self._checked()
        finally:
            self.is_checking = False
        match checked.code:
            case "unchanged":
                self.facts.end("unchanged", self._clock())
                log.info("reload_unchanged", by=by)
            case "refused" | "needs_restart":
                self.facts.end("refused", self._clock(), "; ".join(checked.errors))
                log.error("reload_refused", by=by, why=checked.code, errors=checked.errors)
            case _:
                assert checked.found is not None
                self.mark = Reloading(checked.found.whole, self._clock())
                if not self._begin():
                    self.mark = None
                    why = "an upgrade is under way, or the pool is ending"
                    return Answer("busy", checked.found.public, (why,))
                log.info("reload_begun", by=by, config_sha256=checked.found.public)
        return checked.answer

    def failed(self, reason: str) -> None:
        """The handover has failed: all is as before."""
        if self.mark is not None:
            self.mark = None
            self.facts.end("failed", self._clock(), reason)
            log.error("reload_failed", reason=reason)

    async def _checked(self) -> _Checked:
        return await asyncio.to_thread(self._look)

    def _look(self) -> _Checked:
        try:
            wanted = self._read()
        except ConfigError as error:
            return _Checked("refused", None, tuple(map(str, error.problems)))
        found = fingerprint(wanted)
        if fixed := needs_restart(self.facts.config, wanted):
            return _Checked("needs_restart", found, fixed)
        is_new = found.whole != self.facts.fingerprint
        return _Checked("begun" if is_new else "unchanged", found)
