"""What the journal has beyond the saved meters, counted at the time at which it was made."""

import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path

import structlog

from poolserver.ledger.delta import Delta, WorkerRef
from poolserver.ledger.fold import Fold
from poolserver.ledger.journal_reader import read_segments
from poolserver.ledger.meter_sql import MeteredSource
from poolserver.ledger.records import JournalBatch, LedgerError
from poolserver.stats.meters import JudgedShares, Meters

# Shares are counted at the middle of so much time; one that is not caught up comes to the meters
# up to a second late. It divides a day.
BIN_S = 2
# A start waits no longer for figures that only describe: rigs are at their backup pool meanwhile.
# It is enough for a million shares; a crash leaves a minute's.
GIVE_UP_S = 10.0

log = structlog.get_logger(__name__)


class CatchUp:
    """Reads for ``meters`` at a start, when it is ``now_s`` by their clock and ``unix_s``."""

    def __init__(self, meters: Meters, now_s: float, unix_s: float) -> None:
        self._meters = meters
        self._now_s = now_s
        self._unix_s = unix_s

    def read(
        self,
        journal_dir: Path,
        sources: Mapping[str, MeteredSource],
        workers: Mapping[WorkerRef, tuple[str, str]],
        site_of: Callable[[str], str],
    ) -> dict[str, int]:
        """Measure what is new, for GIVE_UP_S at most; blocking.

        Returns:
            The last record of each source that is in the meters.
        """
        fold = Fold(
            site_of=site_of,
            progress={source: stands.metered for source, stands in sources.items()},
            workers=workers,
            interval_s=BIN_S,
        )
        give_up_at = time.monotonic() + GIVE_UP_S
        done = {name for name, each in sources.items() if each.is_ended and not each.is_behind}
        for item in read_segments(journal_dir, fold.progress, done):
            if not isinstance(item, JournalBatch) or item.source in done:
                continue  # the books' keeper says what is wrong with the journal
            if time.monotonic() > give_up_at:
                reason = f"there is more to read than takes {GIVE_UP_S:.0f} s: the books have it"
                log.warning("statistics_incomplete", source=item.source, reason=reason)
                break
            try:
                self.measure(fold.fold(item))
            except LedgerError as error:
                done.add(item.source)
                log.warning("statistics_incomplete", source=item.source, reason=str(error))
        return fold.progress

    def measure(self, delta: Delta) -> None:
        """Measure what was folded in intervals of BIN_S."""
        bins: dict[int, JudgedShares] = defaultdict(list)
        for (begin_s, worker), totals in delta.intervals.items():
            bins[begin_s] += self._meters.judged([(worker, totals)])
        declared_s = self._at_s(min(bins)) if bins else self._now_s
        for account, name in delta.workers.values():
            self._meters.declare(account, name, declared_s)
        found_s = sorted(block.found_at_ms / 1000 for block in delta.blocks)
        for begin_s in sorted(bins):
            while found_s and found_s[0] < begin_s:
                self._meters.end_round(self._at_s(found_s.pop(0)))
            self._meters.update(bins[begin_s], self._at_s(begin_s + BIN_S / 2))
        for each in found_s:
            self._meters.end_round(self._at_s(each))

    def _at_s(self, unix_s: float) -> float:
        """A time of day on the meters' clock; what is to come is now."""
        return self._now_s - max(0.0, self._unix_s - unix_s)
