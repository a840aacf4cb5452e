"""Limits by the calendar: seasons, days of the week, hours of the day, in the clock of a place.

An entry holds whenever the wall clock of its time zone reads a time that it names. That is all
of the rule for the days on which clocks change: an hour that is skipped is never read, and holds
nothing; one that comes twice holds twice. A window over midnight belongs to the day on which it
begins: ``fri, 22:00-06:00`` ends on Saturday.

Pure; times in Unix seconds, limits in watts.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from heapq import merge
from itertools import groupby
from typing import NamedTuple
from zoneinfo import ZoneInfo

DAY_MINUTES = 1440
# A year and a day: whatever comes back every year is found, but for the 29th of February.
HORIZON_DAYS = 367
_ONE_DAY = timedelta(days=1)


class Season(NamedTuple):
    """From a day of the year to another, both in it: ``((11, 1), (2, 28))`` is a winter."""

    first: tuple[int, int]
    """Month and day. A day that a month does not have is the one after its last."""
    last: tuple[int, int]

    def has(self, day: date) -> bool:
        found = (day.month, day.day)
        if self.first <= self.last:
            return self.first <= found <= self.last
        return found >= self.first or found <= self.last


class Hours(NamedTuple):
    """Minutes of the day, the last not in it; where it is not after the first: of the next day."""

    begin_min: int
    end_min: int

    @property
    def over_midnight(self) -> bool:
        return self.end_min <= self.begin_min


@dataclass(frozen=True, slots=True)
class ScheduleEntry:
    """One limit of a node, and when it holds. What is empty or None does not narrow it."""

    node: str
    source: str
    limit_w: int
    time_zone: str = "UTC"
    seasons: tuple[Season, ...] = ()
    weekdays: frozenset[int] = frozenset()
    """0 is Monday."""
    hours: tuple[Hours, ...] = ()
    valid_from_s: float | None = None
    valid_until_s: float | None = None
    """Not in it any more."""
    priority: int = 0
    """Of the entries of one source that hold, the highest counts; of equals the later one."""
    of_mining: bool = False
    """Whether it limits mining alone."""
    reason: str = ""

    def holds(self, now_s: float, local: datetime) -> bool:
        """``local`` is ``now_s`` by the wall clock of ``time_zone``."""
        if self.valid_from_s is not None and now_s < self.valid_from_s:
            return False
        if self.valid_until_s is not None and now_s >= self.valid_until_s:
            return False
        if not self.hours:
            return self.has_day(local.date())
        minute = local.hour * 60 + local.minute
        return any(self._in(hours, minute, local.date()) for hours in self.hours)

    def _in(self, hours: Hours, minute: int, today: date) -> bool:
        if not hours.over_midnight:
            return hours.begin_min <= minute < hours.end_min and self.has_day(today)
        if minute >= hours.begin_min:
            return self.has_day(today)
        return minute < hours.end_min and self.has_day(today - _ONE_DAY)

    def has_day(self, day: date) -> bool:
        """Whether windows begin on this day."""
        return (not self.weekdays or day.weekday() in self.weekdays) and (
            not self.seasons or any(season.has(day) for season in self.seasons)
        )

    def edges(self, after_s: float) -> Iterator[float]:
        """Moments after this one at which it may begin or end to hold, in order."""
        ends = sorted(each for each in (self.valid_from_s, self.valid_until_s) if each is not None)
        return merge(
            (each for each in ends if each > after_s),
            (each for each in self._edges_of_days(after_s) if each > after_s),
        )

    def _edges_of_days(self, after_s: float) -> Iterator[float]:
        if not (self.seasons or self.weekdays or self.hours):
            return
        zone = ZoneInfo(self.time_zone)
        today = datetime.fromtimestamp(after_s, zone).date()
        minutes = sorted({0, *(minute % DAY_MINUTES for each in self.hours for minute in each)})
        was_in = self.has_day(today - _ONE_DAY)
        for _ in range(HORIZON_DAYS):
            is_in = self.has_day(today)
            # A day like the one before, without hours, has no edge of its own.
            if (is_in or was_in) and (self.hours or is_in != was_in):
                yield from _moments(today, minutes, zone)
            today, was_in = today + _ONE_DAY, is_in


class Change(NamedTuple):
    """What holds from a moment on; None: nothing."""

    at_s: float
    entry: ScheduleEntry | None


class BudgetSchedule:
    """All entries of a configuration, in its order."""

    def __init__(self, entries: Iterable[ScheduleEntry] = ()) -> None:
        """Raises ValueError (ZoneInfoNotFoundError) for a time zone that is not known."""
        self.entries = tuple(entries)
        self._zones = {entry.time_zone: ZoneInfo(entry.time_zone) for entry in self.entries}
        # Of one node and source: the one that counts first.
        ranked = sorted(
            enumerate(self.entries),
            key=lambda each: (*_of(each[1]), -each[1].priority, -each[0]),
        )
        self._groups = [
            [entry for _, entry in group]
            for _, group in groupby(ranked, key=lambda each: _of(each[1]))
        ]

    def holding(self, now_s: float) -> list[ScheduleEntry]:
        """For each node and source, and for all load and mining alone, the one that counts."""
        local = {name: datetime.fromtimestamp(now_s, zone) for name, zone in self._zones.items()}
        found = (
            next((each for each in group if each.holds(now_s, local[each.time_zone])), None)
            for group in self._groups
        )
        return [entry for entry in found if entry is not None]

    def edges(self, node: str, after_s: float) -> Iterator[float]:
        """Moments after this one at which what holds of a node may change, in order."""
        return merge(*(entry.edges(after_s) for entry in self.entries if entry.node == node))

    def next_change(self, node: str, now_s: float, *, of_mining: bool = False) -> Change | None:
        """When the least limit of a node changes next, and which entry then has it.

        None: not within a year and a day.
        """
        before = self._least(node, now_s, of_mining)
        for at_s in self.edges(node, now_s):
            after = self._least(node, at_s, of_mining)
            if (after and after.limit_w) != (before and before.limit_w):
                return Change(at_s, after)
        return None

    def _least(self, node: str, at_s: float, of_mining: bool) -> ScheduleEntry | None:
        holding = (
            entry
            for entry in self.holding(at_s)
            if entry.node == node and entry.of_mining is of_mining
        )
        return min(holding, key=lambda entry: entry.limit_w, default=None)


def _of(entry: ScheduleEntry) -> tuple[str, bool, str]:
    return entry.node, entry.of_mining, entry.source


def _moments(day: date, minutes: Sequence[int], zone: ZoneInfo) -> Iterator[float]:
    """When a wall clock reads these minutes of a day, and when it is set forward or back."""
    found: set[float] = set()
    for minute in minutes:
        wall = datetime.combine(day, time(minute // 60, minute % 60), zone)
        for fold in (0, 1):
            at = wall.replace(fold=fold).astimezone(UTC)
            if at.astimezone(zone).replace(tzinfo=None) == wall.replace(tzinfo=None):
                found.add(at.timestamp())
    set_at = _clock_set(day, zone)
    if set_at is not None:
        found.add(set_at)
    return iter(sorted(found))


def _clock_set(day: date, zone: ZoneInfo) -> float | None:
    """When the zone's offset changes between this midnight and the next; None: it does not."""
    first = int(datetime.combine(day, time(), zone).astimezone(UTC).timestamp())
    last = int(datetime.combine(day + _ONE_DAY, time(), zone).astimezone(UTC).timestamp())

    def offset(at_s: int) -> timedelta | None:
        return datetime.fromtimestamp(at_s, zone).utcoffset()

    before = offset(first - 1)
    if offset(last) == before:
        return None
    seconds = range(first, last + 1)
    return float(seconds[bisect_right(seconds, False, key=lambda at_s: offset(at_s) != before)])
