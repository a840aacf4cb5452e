"""The meters of the pool and of every site, account and worker. Pure; ``now_s`` is monotonic."""

from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from typing import TypeVar

from poolserver.ledger.totals import ShareTotals, WorkerKey
from poolserver.stats import meter
from poolserver.stats.meter import NO_GLANCE, NO_READING, Glance, Judged, Moment, Reading

# Names are made up by whoever connects: so many are measured at most, of workers and of accounts.
# It is ten times the largest site that we mean to serve, and 60 MB.
MAX_NAMES = 100_000
# The longest window: of what was idle for longer little more than a third is left in it.
IDLE_S = 7 * 86_400.0

K = TypeVar("K")


class Level(StrEnum):
    """Whose meter it is; the values stand in the database."""

    POOL = "pool"
    SITE = "site"
    ACCOUNT = "account"
    WORKER = "worker"


MeterName = tuple[str, str]
"""Account and name, of a site or a worker (its full username); what does not tell is empty.

A plain tuple of texts, which the garbage collector does not look at: there may be 100,000.
"""
OF_POOL = ("", "")
JudgedShares = list[tuple[WorkerKey, Judged]]
Changes = Mapping[Level, dict[MeterName, bytes]]


class NamedMeters:
    """Meters of one level, the one that was idle for longest first."""

    def __init__(self, max_names: int | None = None) -> None:
        self.states: dict[MeterName, bytes] = {}
        self.changed: dict[MeterName, bytes] = {}
        """Those of ``states`` that were not saved."""
        self._max_names = max_names

    def begin(self, name: MeterName, now_s: float) -> None:
        """Begin to measure, if that is not done."""
        if name not in self.states:
            self.states[name] = self.changed[name] = meter.begin(now_s)

    def update(self, name: MeterName, moment: Moment, shares: Judged, round_number: int) -> None:
        """Add shares; this one is the last to have been idle now."""
        state = self.states.pop(name, None)
        if state is None:
            state = meter.begin(moment.at_s)
        state = meter.updated(state, moment, shares, round_number)
        self.states[name] = self.changed[name] = state

    def leave(self, idle_before_s: float) -> None:
        """Forget whose last share is from before that, and whoever is too many."""
        if self._max_names is None:
            return
        excess = len(self.states) - self._max_names
        gone: list[MeterName] = []
        for name, state in self.states.items():
            if len(gone) >= excess and meter.last_s(state) >= idle_before_s:
                break
            gone.append(name)
        for name in gone:
            del self.states[name]
            self.changed.pop(name, None)


class Meters:
    """All meters. ``site_of`` gives an account's site; ``scale_of`` a site's ``work_scale``,
    which is in all hashrates.

    A round of best shares ends with a block that the pool finds; rounds are numbered.
    """

    def __init__(
        self,
        site_of: Callable[[str], str],
        scale_of: Callable[[str], int] = lambda site: 1,
        max_names: int = MAX_NAMES,
    ) -> None:
        self._site_of = site_of
        self._scale_of = scale_of
        self._moment = Moment(0.0)
        self.max_names = max_names
        self.round_number = 0
        self.pool = NamedMeters()
        self.sites = NamedMeters()
        self.accounts = NamedMeters(max_names)
        self.workers = NamedMeters(max_names)
        self.levels = {
            Level.POOL: self.pool,
            Level.SITE: self.sites,
            Level.ACCOUNT: self.accounts,
            Level.WORKER: self.workers,
        }

    # --- what happens --------------------------------------------------------------------

    def declare(self, account: str, worker: str, now_s: float) -> None:
        """A rig was let in: begin to measure it and whatever it belongs to, where not done."""
        self.pool.begin(OF_POOL, now_s)
        self.sites.begin(("", self._site_of(account)), now_s)
        self.accounts.begin((account, ""), now_s)
        self.workers.begin((account, worker), now_s)

    def judged(self, shares: Iterable[tuple[WorkerKey, ShareTotals]]) -> JudgedShares:
        """What update() takes, without a tie to sums that go on."""
        scale_of = self._scale_of
        return [(key, Judged.of(totals, scale_of(key.site))) for key, totals in shares]

    def update(self, shares: Iterable[tuple[WorkerKey, Judged]], at_s: float) -> None:
        """Add shares that were made at ``at_s``, which may be before others that are in.

        What nobody sent counts for its site and the pool only.
        """
        if at_s != self._moment.at_s:
            self._moment = Moment(at_s)
        moment, round_number = self._moment, self.round_number
        groups: dict[tuple[str, str], Judged] = {}
        for (site, account, worker), judged in shares:
            if account:
                name = (account, worker)
                self.workers.update(name, moment, judged, round_number)
            _add(groups, (site, account), judged)
        of_site: dict[MeterName, Judged] = {}
        of_pool: dict[MeterName, Judged] = {}
        for (site, account), judged in groups.items():
            if account:
                self.accounts.update((account, ""), moment, judged, round_number)
            _add(of_site, ("", site), judged)
            _add(of_pool, OF_POOL, judged)
        for name, judged in of_site.items():
            self.sites.update(name, moment, judged, round_number)
        for name, judged in of_pool.items():
            self.pool.update(name, moment, judged, round_number)

    def end_round(self, at_s: float) -> None:
        """A block was found: what comes from here on is of the next round."""
        self.round_number += 1
        # The pool's meter tells the number of the round after a restart.
        self.pool.update(OF_POOL, Moment(at_s), Judged(), self.round_number)

    def leave(self, now_s: float) -> None:
        """Forget workers and accounts that were idle for IDLE_S, and those that are too many."""
        self.workers.leave(now_s - IDLE_S)
        self.accounts.leave(now_s - IDLE_S)

    # --- what they show ------------------------------------------------------------------

    def read(self, level: Level, name: MeterName, now_s: float) -> Reading:
        """What a meter shows; NO_READING where there is none."""
        state = self.levels[level].states.get(name)
        return NO_READING if state is None else meter.read(state, now_s, self.round_number)

    def glance(self, account: str, worker: str, now_s: float) -> Glance:
        """What a list of rigs has of a worker; from any thread."""
        state = self.workers.states.get((account, worker))
        return NO_GLANCE if state is None else meter.glance(state, now_s, self.round_number)

    # --- to be saved, and taken up -------------------------------------------------------

    def take_changes(self) -> Changes:
        """The meters that changed since this was called last; put_back() what was not saved."""
        changes = {level: meters.changed for level, meters in self.levels.items()}
        for meters in self.levels.values():
            meters.changed = {}
        return changes

    def put_back(self, changes: Changes) -> None:
        """These were not saved; those that changed again, or left, need not be in that state."""
        for level, meters in self.levels.items():
            unsaved = {
                name: state for name, state in changes[level].items() if name in meters.states
            }
            meters.changed = unsaved | meters.changed

    def restore(self, saved: Changes, now_s: float) -> None:
        """Take up meters, whose times are of this clock."""
        for level, states in saved.items():
            ordered = sorted(states.items(), key=lambda item: meter.last_s(item[1]))
            self.levels[level].states.update(ordered)
        pool = self.pool.states.values() or self.workers.states.values()
        self.round_number = max(map(meter.round_of, pool), default=0)
        self.leave(now_s)


def _add(sums: dict[K, Judged], key: K, shares: Judged) -> None:
    known = sums.get(key)
    if known is None:
        known = sums[key] = Judged()
    known.add(shares)
