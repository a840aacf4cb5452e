"""Keeps what is known of rigs: measures those whose rating a hashrate betters, saves every minute.

It is taken up before the journal is read, so that what a crash left to be read again is booked
at the places that it would have been booked at.
"""

import asyncio
import time
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from itertools import islice

import structlog

from poolserver.ledger import rig_sql
from poolserver.ledger.database import Connection, StoreError
from poolserver.ledger.store import LedgerStore
from poolserver.log import RateLimited
from poolserver.power.rig_book import KnownRig, RigBook
from poolserver.stats.meter import Reading

LOOK_INTERVAL_S = 60.0
# So many are measured in a row: one takes some 15 us, and all 10,000 of a site an answer's time.
AT_ONCE = 100
# A hashrate is known well where an hour's error is this at most, and steady where that of the
# last quarter agrees with it: of a rig that was off for a while neither is true.
KNOWN_SIGMA = 0.05
AGREES_SIGMAS = 2.0

log = structlog.get_logger(__name__)


class RigKeeper:
    """Looks after ``book``. ``reading_of`` gives what the meter of (account, worker) shows."""

    def __init__(
        self,
        book: RigBook,
        store: LedgerStore,
        reading_of: Callable[[str, str], Reading],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._book = book
        self._store = store
        self._reading_of = reading_of
        self._clock = clock
        self._saving: asyncio.Task[None] | None = None
        self._trouble = RateLimited(log)

    def load(self, connection: Connection) -> None:
        """Take up the saved rigs; in the store's thread, before there are others."""
        self._book.restore(rig_sql.rigs(connection))

    async def run(self) -> None:
        """Measure and save every minute; for ever."""
        while True:
            await asyncio.sleep(LOOK_INTERVAL_S)
            await self.look()
            await self.save()

    async def close(self) -> None:
        """Save what is left. The store is open still."""
        if self._saving is not None:
            await asyncio.wait([self._saving])
        await self.save()

    async def look(self) -> None:
        """Measure rigs of which that tells more, a few at a time: others wait for the loop."""
        rigs = iter(self._book.asking())
        while part := list(islice(rigs, AT_ONCE)):
            self._book.measure(part, self._hashrate_of)
            await asyncio.sleep(0)

    async def save(self) -> None:
        """Save the rigs that changed. If that fails it is tried again with the next."""
        # A task of its own: its end must be known even if the caller is cancelled.
        self._saving = asyncio.create_task(self._save(), name="rigs save")
        await asyncio.shield(self._saving)

    async def _save(self) -> None:
        changed = self._book.take_unsaved()
        if not changed:
            return
        try:
            await self._store.write(
                partial(rig_sql.put, changed=changed, at_most=self._book.max_names)
            )
        except StoreError as error:
            self._book.put_back(changed)
            self._trouble.failed("rigs_not_saved", str(error), self._clock())
        else:
            self._trouble.restored("rigs_saved_again", self._clock())

    def _hashrate_of(self, rig: KnownRig) -> Fraction | None:
        return steady_th_s(self._reading_of(rig.account, rig.worker))


def steady_th_s(reading: Reading) -> Fraction | None:
    """A rig's hashrate in TH/s to three digits; None where it is not known well, or not steady."""
    hour, quarter = reading.hashrates.h1, reading.hashrates.m15
    if not hour or reading.relative_sigmas.h1 > KNOWN_SIGMA:
        return None
    if abs(quarter - hour) > AGREES_SIGMAS * reading.relative_sigmas.m15 * hour:
        return None
    return Fraction(f"{hour / 1e12:.3g}")
