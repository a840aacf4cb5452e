"""What each node may draw now: physical limits, schedules, words of those who have a say.

A *word* is a limit that somebody gives while the pool runs, with an end: a dispatcher, a person,
another system. A *source* is declared in the configuration, with a failsafe limit that holds
whenever it is not heard: its last word has ended, is too old, or there was none.

The least of all limits of a node is its effective one. Pure; limits in watts, times in Unix
seconds. The book is used by one thread.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from heapq import merge
from itertools import groupby
from math import isfinite
from typing import NamedTuple

from poolserver.power.schedule import BudgetSchedule
from poolserver.power.signal import (
    BudgetSignal,
    OutdatedSignalError,
    SignalError,
    UnknownSignalError,
)
from poolserver.power.state import EffectiveLimit, Limit, LimitKind
from poolserver.power.tree import PowerNode, PowerTree

# A limit so far above what a node can carry is in a wrong unit: kW and MW are a thousand apart.
WRONG_UNIT = 10
# What no node draws: all power stations of the world together are some ten terawatts.
MAX_LIMIT_W = 10**13
# Clocks of a site are synchronised; one that is off by more than this is broken, and a word from
# the future would shut out those that come after it.
MAX_AHEAD_S = 60.0
# Names are made up by whoever may speak: a book of them stays small.
MAX_WORDS = 1000
MAX_NAME = 100
MAX_REASON = 300

Key = tuple[str, str, bool]
"""Source, node, and whether it is about mining alone."""


@dataclass(frozen=True, slots=True)
class BudgetSource:
    """Somebody who is expected to speak of a node, and what holds while he does not."""

    name: str
    node: str
    failsafe_w: int | None = None
    """None: nothing holds then."""
    max_age_s: float | None = None
    """A word counts for so long, if it does not end before. None: until it ends."""
    of_mining: bool = False

    @property
    def key(self) -> Key:
        return self.name, self.node, self.of_mining


class Silence(NamedTuple):
    """A declared source that is not heard, and the limit that holds for it."""

    source: BudgetSource
    since_s: float | None
    """When its last word ended; None: there was none."""


class LimitChange(NamedTuple):
    """What holds of a node from a moment on."""

    at_s: float
    limit: EffectiveLimit


class BudgetBook:
    """All limits of the tree's nodes."""

    def __init__(
        self,
        tree: PowerTree,
        schedule: BudgetSchedule | None = None,
        sources: Iterable[BudgetSource] = (),
        *,
        declared_only: bool = False,
    ) -> None:
        """With ``declared_only`` nobody may speak who is not among ``sources``."""
        self._tree = tree
        self._schedule = schedule or BudgetSchedule()
        self._sources = {source.key: source for source in sources}
        self._declared_only = declared_only
        self._words: dict[Key, BudgetSignal] = {}
        # Nodes that are added later come from names of rigs, and have no limits.
        self._physical = [limit for node in tree for limit in _physical(node)]
        self._mining = [limit for node in tree for limit in _mining(node)]

    def take(self, signal: BudgetSignal, now_s: float) -> BudgetSignal | None:
        """Hear a word. The one that is kept, to be written down; None: it is known already.

        Raises:
            SignalError: it is not taken, and what held before goes on to hold.
        """
        word = self._checked(signal, now_s)
        known = self._words.get(word.key)
        if known == word:
            return None  # a retained message comes again with every connection
        # Where the known one is from the future by now, it was our clock that was set back.
        if known is not None and word.at_s < known.at_s <= now_s + MAX_AHEAD_S:
            older, newer = _clock(word.at_s), _clock(known.at_s)
            raise OutdatedSignalError(f"was said at {older}, before the one of {newer} that holds")
        # Names that are made up do not keep those who are expected from being heard.
        if known is None and word.key not in self._sources and len(self._words) >= MAX_WORDS:
            self._forget_ended(now_s)
            if len(self._words) >= MAX_WORDS:
                raise SignalError(f"there are {MAX_WORDS} words already")
        self._words[word.key] = word
        return word

    def limits(self, now_s: float) -> dict[str, EffectiveLimit]:
        """Of all load, by path; nodes that nothing limits are left out."""
        return _effective([*self._physical, *self._told(now_s, of_mining=False)])

    def mining_limits(self, now_s: float) -> dict[str, EffectiveLimit]:
        """Of mining alone, likewise."""
        return _effective([*self._mining, *self._told(now_s, of_mining=True)])

    def silences(self, now_s: float) -> list[Silence]:
        """The declared sources that are not heard."""
        return [
            Silence(source, None if (word := self._words.get(key)) is None else self._end(word))
            for key, source in self._sources.items()
            if not self._is_heard(key, now_s)
        ]

    def next_change(self, path: str, now_s: float) -> LimitChange | None:
        """When the limit of all load of a node changes next, if nobody says anything.

        None: not within a year and a day.
        """
        before = self._limit_w(path, now_s)
        ends = sorted(self._ends(path, now_s))
        for at_s, _ in groupby(merge(ends, self._schedule.edges(path, now_s))):
            after = self.limits(at_s).get(path, EffectiveLimit(None))
            if after.limit_w != before:
                return LimitChange(at_s, after)
        return None

    def state(self) -> tuple[BudgetSignal, ...]:
        """All words, to be restored from."""
        return tuple(self._words.values())

    def restore(self, words: Iterable[BudgetSignal]) -> None:
        """Hear again what was said before a restart.

        A word on a node that is not there is kept, and holds once it is: racks that names of rigs
        speak of are back when their rigs are.
        """
        for word in words:
            try:
                checked = self._checked(word, word.at_s)
            except UnknownSignalError:
                checked = word
            except SignalError:
                continue
            known = self._words.get(checked.key)
            if known is None or known.at_s <= checked.at_s:
                self._words[checked.key] = checked

    def _told(self, now_s: float, *, of_mining: bool) -> Iterator[Limit]:
        """What schedules and words say, and failsafe limits in place of words."""
        kind = LimitKind.MINING if of_mining else None
        for entry in self._schedule.holding(now_s):
            if entry.of_mining is of_mining and entry.node in self._tree:
                node, limit_w = entry.node, entry.limit_w
                yield Limit(node, kind or LimitKind.SCHEDULE, limit_w, entry.source, entry.reason)
        for key, word in self._words.items():
            if key[2] is not of_mining or word.node not in self._tree:
                continue
            if word.limit_w is not None and self._is_heard(key, now_s):
                yield Limit(
                    word.node,
                    kind or LimitKind.OVERRIDE,
                    int(word.limit_w),
                    word.source,
                    word.reason,
                    self._end(word),
                )
        for source, since_s in self.silences(now_s):
            if source.of_mining is of_mining and source.failsafe_w is not None:
                reason = "never heard" if since_s is None else f"not heard since {_clock(since_s)}"
                yield Limit(source.node, LimitKind.FAILSAFE, source.failsafe_w, source.name, reason)

    def _is_heard(self, key: Key, now_s: float) -> bool:
        word = self._words.get(key)
        if word is None:
            return False
        end_s = self._end(word)
        return end_s is None or now_s < end_s

    def _end(self, word: BudgetSignal) -> float | None:
        """When a word does not count any more."""
        source = self._sources.get(word.key)
        ends = [word.valid_until_s]
        if source is not None and source.max_age_s is not None:
            ends.append(word.at_s + source.max_age_s)
        return min((end for end in ends if end is not None), default=None)

    def _ends(self, path: str, now_s: float) -> Iterator[float]:
        for word in self._words.values():
            end_s = self._end(word)
            if word.node == path and end_s is not None and end_s > now_s:
                yield end_s

    def _limit_w(self, path: str, at_s: float) -> int | None:
        limit = self.limits(at_s).get(path)
        return None if limit is None else limit.limit_w

    def _forget_ended(self, now_s: float) -> None:
        self._words = {
            key: word
            for key, word in self._words.items()
            if key in self._sources or self._is_heard(key, now_s)
        }

    def _checked(self, signal: BudgetSignal, now_s: float) -> BudgetSignal:
        """The word as it is kept: whole watts, rounded down, and milliseconds."""
        _check_names(signal)
        if signal.node not in self._tree:
            raise UnknownSignalError(f"there is no node {_shown(signal.node)}")
        if self._declared_only and signal.key not in self._sources:
            about = "mining at " if signal.of_mining else ""
            raise SignalError(
                f"{_shown(signal.source)} is not declared to speak of {about}{_shown(signal.node)}"
            )
        at_s = _moment("at", signal.at_s)
        if at_s > now_s + MAX_AHEAD_S:
            raise SignalError(f"was said at {_clock(at_s)}, which is in the future")
        valid_until_s = signal.valid_until_s
        if valid_until_s is not None:
            valid_until_s = _moment("valid_until", valid_until_s)
            if valid_until_s <= now_s:
                raise SignalError(f"held until {_clock(valid_until_s)}, which is past")
        limit_w = signal.limit_w
        if limit_w is not None:
            limit_w = self._checked_watts(signal.node, limit_w)
        return replace(signal, limit_w=limit_w, at_s=at_s, valid_until_s=valid_until_s)

    def _checked_watts(self, path: str, limit_w: float) -> int:
        if isinstance(limit_w, bool) or not isinstance(limit_w, int | float):
            raise SignalError("the limit must be a number of watts")
        if not isfinite(limit_w):
            raise SignalError(f"the limit must be a number of watts, is {limit_w}")
        if limit_w < 0:
            raise SignalError(f"the limit must not be negative, is {limit_w:g} W")
        carries = [node.limit_w for node in self._tree.lineage(path) if node.limit_w is not None]
        most = min(min(carries, default=MAX_LIMIT_W) * WRONG_UNIT, MAX_LIMIT_W)
        if limit_w > most:
            trouble = f"{limit_w:g} W is more than {WRONG_UNIT} times what {path} can draw"
            raise SignalError(f"{trouble}: is it in another unit?")
        return int(limit_w)


def _physical(node: PowerNode) -> Iterator[Limit]:
    if node.limit_w is not None:
        yield Limit(node.path, LimitKind.PHYSICAL, node.limit_w, node.kind)


def _mining(node: PowerNode) -> Iterator[Limit]:
    if node.mining_limit_w is not None:
        yield Limit(node.path, LimitKind.MINING, node.mining_limit_w, node.kind)


def _effective(limits: Iterable[Limit]) -> dict[str, EffectiveLimit]:
    """By node, the least first; of equal ones the one that was there first."""
    of_node: dict[str, list[Limit]] = {}
    for limit in limits:
        of_node.setdefault(limit.node, []).append(limit)
    found: dict[str, EffectiveLimit] = {}
    for path, each in of_node.items():
        each.sort(key=lambda limit: limit.limit_w)
        found[path] = EffectiveLimit(each[0].limit_w, tuple(each))
    return found


def merged_limits(
    limits: Mapping[str, EffectiveLimit], more: Iterable[Limit]
) -> dict[str, EffectiveLimit]:
    """``limits`` with some more, for those who know of others."""
    return _effective([*(each for limit in limits.values() for each in limit.limits), *more])


def _check_names(signal: BudgetSignal) -> None:
    for what, text, most in (
        ("source", signal.source, MAX_NAME),
        ("issued_by", signal.issued_by, MAX_NAME),
        ("reason", signal.reason, MAX_REASON),
    ):
        if len(text) > most or (text and not text.isprintable()):
            raise SignalError(f"{what} must be at most {most} printable characters")
    if not signal.source.strip():
        raise SignalError("source must be told")


def _moment(what: str, at_s: float) -> float:
    """To the millisecond, as it is written down.

    Raises:
        SignalError: no clock ever shows it.
    """
    if not isfinite(at_s) or not 0 <= at_s < 253_402_300_800:  # the year 10000
        raise SignalError(f"{what} must be a time, is {at_s}")
    return round(at_s * 1000) / 1000


def _clock(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _shown(name: str) -> str:
    return repr(name[:MAX_NAME])
