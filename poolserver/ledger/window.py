"""The window of work that a block is shared out by (pplns). Pure.

It holds the accepted work of each account that can be paid, by interval: the newest intervals
that together have N times the work that a block takes on average. Of the oldest one just so
much counts as is missing to that, by the shares that its accounts have in it.

All is exact: the same books make the same window, whenever it was loaded.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from fractions import Fraction
from sys import intern
from typing import NamedTuple

from poolserver.ledger.totals import Earning, EarningKey
from poolserver.mining.payout import split

_WORK_SIZE = 16
_BEFORE_ALL_S, _AFTER_ALL_S = -(2**62), 2**62
# Only these are still added to, but for records that come late.
_LOOSE_INTERVALS = 2


class WindowWeights(NamedTuple):
    """Whose work counts, and how much."""

    weights: dict[str, int]
    """By account, in hashes, above 0; together ``work``."""
    work: int
    wanted_work: int
    """N times the network's work. There is less in a window that is not full yet."""
    since_s: int | None
    """Where its oldest interval begins, in Unix seconds; None without any work."""


class IntervalWork:
    """The work of accounts in one interval: 24 bytes for each while nothing is added."""

    __slots__ = ("_names", "_packed", "_works", "total")

    def __init__(self, works: Iterable[tuple[str, int]] = ()) -> None:
        self.total = 0
        self._names: tuple[str, ...] = ()
        self._packed = b""
        self._works: dict[str, int] | None = {}
        for account, work in works:
            self.add(account, work)

    def add(self, account: str, work: int) -> None:
        """Add to what is there, however old."""
        if self._works is None:
            self._works = dict(self.items())
        self._works[intern(account)] = self._works.get(account, 0) + work
        self.total += work

    def items(self) -> Iterator[tuple[str, int]]:
        """Each account with its work, in no order that means anything."""
        if self._works is not None:
            yield from self._works.items()
            return
        for number, name in enumerate(self._names):
            at = number * _WORK_SIZE
            yield name, int.from_bytes(self._packed[at : at + _WORK_SIZE], "little")

    def pack(self) -> None:
        """Make it small. Sums beyond what a share can count for stay as they are."""
        if self._works is None or self.total >= 1 << 8 * _WORK_SIZE:
            return
        self._names = tuple(self._works)
        self._packed = b"".join(
            work.to_bytes(_WORK_SIZE, "little") for work in self._works.values()
        )
        self._works = None


class RewardWindow:
    """The newest work, as far back as it was loaded or has come.

    Everything from ``floor_s`` on is held and nothing before it. To begin with, that is
    nothing at all: see ``keeper.LedgerKeeper``, which loads it.
    """

    def __init__(self, times: Fraction, is_paid: Callable[[str], bool]) -> None:
        """``times`` is N; only work of accounts that ``is_paid`` counts."""
        self._times = times
        self.is_paid = is_paid
        self.floor_s = _AFTER_ALL_S
        self.is_whole = False
        """Whether the books have nothing before ``floor_s``."""
        self.work = 0
        self._intervals: dict[int, IntervalWork] = {}
        self._sums: dict[str, int] = {}
        self._newest_s = _BEFORE_ALL_S
        self._meanwhile: list[tuple[int, str, int]] | None = None

    def wanted_work(self, network_work: int) -> int:
        """The work of a full window, at least 1."""
        return max(1, int(self._times * network_work))

    def missing_work(self, network_work: int) -> int:
        """How much the books may have before ``floor_s`` that belongs in; 0: nothing."""
        return 0 if self.is_whole else max(0, self.wanted_work(network_work) - self.work)

    def add(self, earnings: Mapping[EarningKey, Earning]) -> None:
        """Take in new work. What is before ``floor_s`` is left to the books."""
        for key, earning in earnings.items():
            if earning.accepted_work and self.is_paid(key.account):
                self._add(key.begin_s, key.account, earning.accepted_work)

    def _add(self, begin_s: int, account: str, work: int) -> None:
        if begin_s < self.floor_s:
            if self._meanwhile is not None:
                self._meanwhile.append((begin_s, account, work))
            return
        interval = self._intervals.get(begin_s)
        if interval is None:
            interval = self._intervals[begin_s] = IntervalWork()
            self._pack_before(begin_s)
        interval.add(account, work)
        self.work += work
        account = intern(account)
        self._sums[account] = self._sums.get(account, 0) + work

    def _pack_before(self, begin_s: int) -> None:
        if begin_s <= self._newest_s:
            return
        self._newest_s = begin_s
        for each in sorted(self._intervals)[-_LOOSE_INTERVALS - 2 : -_LOOSE_INTERVALS]:
            self._intervals[each].pack()

    # --- loading -------------------------------------------------------------------------

    def begin_loading(self, *unsaved: Mapping[EarningKey, Earning]) -> None:
        """The books are going to be read, which have all that was added but ``unsaved``."""
        self._meanwhile = []
        for part in unsaved:
            self.add({key: each for key, each in part.items() if key.begin_s < self.floor_s})

    def end_loading(self, older: Mapping[int, IntervalWork], *, is_whole: bool) -> None:
        """What the books have before ``floor_s``: whole intervals, the newest without a gap.

        ``is_whole`` says that there is nothing before these.
        """
        for begin_s, interval in older.items():
            self._intervals[begin_s] = interval
            self.work += interval.total
            for account, work in interval.items():
                self._sums[account] = self._sums.get(account, 0) + work
        self.is_whole = is_whole
        self.floor_s = _BEFORE_ALL_S if is_whole else min(older, default=self.floor_s)
        meanwhile, self._meanwhile = self._meanwhile or [], None
        for each in meanwhile:
            self._add(*each)

    def give_up_loading(self) -> None:
        """The books could not be read: all stays as it was."""
        self._meanwhile = None

    # --- the window ----------------------------------------------------------------------

    def weights(self, network_work: int) -> WindowWeights:
        """Whose work is in the window, at what a block takes on average now."""
        wanted = self.wanted_work(network_work)
        edge_s, part = self._edge(wanted)
        if edge_s is None:
            since_s = min(
                (each for each, got in self._intervals.items() if got.total), default=None
            )
            return WindowWeights(dict(self._sums), self.work, wanted, since_s)
        weights = dict(self._sums)
        for begin_s, interval in self._intervals.items():
            if begin_s <= edge_s:
                for account, work in interval.items():
                    weights[account] -= work
        accounts, works = zip(*sorted(self._intervals[edge_s].items()), strict=True)
        for account, work in zip(accounts, split(part, works), strict=True):
            weights[account] += work
        positive = {account: work for account, work in weights.items() if work}
        return WindowWeights(positive, wanted, wanted, edge_s)

    def expire(self, network_work: int) -> None:
        """Let go of what is out of the window."""
        edge_s, _ = self._edge(self.wanted_work(network_work))
        if edge_s is None:
            return
        for begin_s in [each for each in self._intervals if each < edge_s]:
            interval = self._intervals.pop(begin_s)
            self.work -= interval.total
            self.is_whole = False
            for account, work in interval.items():
                self._sums[account] -= work
                if not self._sums[account]:
                    del self._sums[account]
        if not self.is_whole:
            self.floor_s = edge_s

    def _edge(self, wanted: int) -> tuple[int | None, int]:
        """The interval in which the window is full, and what of it is in; None: it is not full."""
        newer = 0
        for begin_s in sorted(self._intervals, reverse=True):
            total = self._intervals[begin_s].total
            if newer + total >= wanted:
                return begin_s, wanted - newer
            newer += total
        return None, 0
