"""Takes the samples that graphs are made of, and saves these and the newest events.

So neither a page's graphs nor its list of events begins anew at each reload of the configuration.
What is saved describes and decides nothing: after a crash up to five minutes of it are missing.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

import msgspec
import structlog

from poolserver.ledger import energy_sql
from poolserver.ledger.database import Connection, StoreError
from poolserver.log import EventFeed, RateLimited
from poolserver.log_event import Event
from poolserver.lookout.history import SAMPLE_S, Histories, Sample
from poolserver.lookout.view import SiteStatus, Status

SAVE_INTERVAL_S = 300.0
"""Of three sites some 200 kB are written: 60 MB a day."""
EVENTS_SAVED = 200
HISTORY, EVENTS = "history", "events"

T = TypeVar("T")

log = structlog.get_logger(__name__)


class Shown(Protocol):
    """What is sampled; see ``overview.Overview``."""

    def status(self) -> Status: ...
    def sites(self) -> list[SiteStatus]: ...


class Store(Protocol):
    """See ``ledger.store.LedgerStore``."""

    async def read(self, work: Callable[[Connection], T]) -> T: ...
    async def write(self, work: Callable[[Connection], T]) -> T: ...


class LookoutKeeper:
    """``clock`` is monotonic, ``unix_time`` the time of day; both in seconds."""

    def __init__(
        self,
        shown: Shown,
        feed: EventFeed,
        store: Store,
        *,
        clock: Callable[[], float] = time.monotonic,
        unix_time: Callable[[], float] = time.time,
    ) -> None:
        self._shown = shown
        self._feed = feed
        self._store = store
        self._clock = clock
        self._unix_time = unix_time
        self._is_open = False
        self._trouble = RateLimited(log)
        self.histories = Histories()

    async def open(self) -> None:
        """Take up what was saved. The store is open; what cannot be used is left."""
        try:
            saved = await self._store.read(energy_sql.states)
            if HISTORY in saved:
                self.histories.restore(saved[HISTORY])
            if EVENTS in saved:
                self._feed.restore(msgspec.json.decode(saved[EVENTS], type=list[Event]))
        except (StoreError, ValueError, TypeError, KeyError, msgspec.MsgspecError) as error:
            log.warning("history_not_restored", reason=str(error))
        self._is_open = True

    async def run(self) -> None:
        """Sample every ten seconds, save now and then; for ever."""
        save_at = self._clock() + SAVE_INTERVAL_S
        while True:
            taken_at = self.sample()
            if self._clock() >= save_at:
                save_at = self._clock() + SAVE_INTERVAL_S
                await self.save()
            await asyncio.sleep(wait_s(taken_at, self._unix_time()))

    async def close(self) -> None:
        """Save what there is. The store is open still."""
        if self._is_open:
            await self.save()

    def sample(self) -> float:
        """How all of it is now, and when that was, in Unix seconds."""
        taken_at, sites = self._unix_time(), self._shown.sites()
        samples = {site.name: _sample(site) for site in sites}
        self.histories.take(taken_at, {"": _of_all(self._shown.status(), sites), **samples})
        return taken_at

    async def save(self) -> None:
        """If that fails it is done again with the next."""
        events = self._feed.after(0)[-EVENTS_SAVED:]
        text = await asyncio.to_thread(self.histories.text)
        states = {HISTORY: text, EVENTS: msgspec.json.encode(events).decode()}
        try:
            await self._store.write(lambda connection: energy_sql.put_states(connection, states))
        except StoreError as error:
            self._trouble.failed("history_not_saved", str(error), self._clock())
        else:
            self._trouble.restored("history_saved_again", self._clock())


def wait_s(taken_at: float, now: float) -> float:
    """Until the step after that of a sample begins; both in Unix seconds.

    Timers fire up to a millisecond early: a sample just before a step begins is one of the step
    before, and the step that has begun while it was taken needs one of its own.

    >>> wait_s(20.001, 20.004), wait_s(29.9996, 30.0013)
    (9.996, 0.0)
    """
    return max(0.0, round((taken_at // SAMPLE_S + 1) * SAMPLE_S - now, 6))


def _of_all(status: Status, sites: Sequence[SiteStatus]) -> Sample:
    """Where there is but one site, its limit is that of all together."""
    sample = _sample(status)
    powers = [site.power for site in sites if site.power is not None]
    if sample.limit_w is None and len(powers) == 1:
        return sample._replace(limit_w=powers[0].limit_w)
    return sample


def _sample(shown: Status | SiteStatus) -> Sample:
    power, shares = shown.power, shown.shares
    return Sample(
        hashrate_h_s=shown.hashrate_h_s._1m.value,
        power_w=None if power is None else power.total_w.value,
        power_sigma_w=None if power is None else power.total_w.sigma,
        limit_w=None if power is None else power.limit_w,
        ai_w=None if power is None else power.ai_w,
        accepted=shares.accepted,
        stale=shares.stale,
        rejected=shares.rejected,
        rigs=shown.rigs,
    )
