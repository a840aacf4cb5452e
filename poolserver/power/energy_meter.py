"""What a meter says, as joules by interval: exact, with the gaps told. Pure.

Between two readings of a counter its difference is the truth, however far they are apart and
whether or not anybody was there: over a gap it is spread evenly in time, and marked. In between,
and where there is no counter or it was set back, power is integrated (by trapezoids), and over a
gap nothing is known; the next counter corrects what was integrated since the last. So the joules
of all intervals are the counter's difference to the joule.

Energy in joules, times in Unix milliseconds, intervals named by their begin in Unix seconds.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from poolserver.power.counter import CounterMove, counter_step
from poolserver.power.readings import MeterSpec
from poolserver.power.state import MeterState

_MS = 1000
# Half a microjoule: a trapezoid of milliwatts and milliseconds is a whole number of them.
_UNITS_PER_J = 2_000_000
# Between two readings of a counter: gaps are of a minute and more, so these are half an hour.
MAX_GAPS = 32


class MeterPiece(NamedTuple):
    """What is to be added to an interval. A correction may be below 0."""

    begin_s: int
    energy_j: int
    covered_ms: int
    """How much more of the interval the meter's energy is known of."""
    spread_ms: int
    """Of that, what was in a gap: the energy is right over all of it, its shape is not known."""


@dataclass(frozen=True, slots=True)
class MeterPoint:
    """Where a meter's account stands: all that a restart takes up from."""

    at_ms: int
    power_mw: int | None
    rest: int = 0
    """Of integrated power, what is no whole joule yet: in units of half a microjoule."""
    counter_j: int | None = None
    """The last counter, if it ever told one."""
    counter_ms: int = 0
    """When that was."""
    booked_j: int = 0
    """What was integrated since."""
    gaps: tuple[tuple[int, int], ...] = ()
    """From when to when nothing was known since, the newest MAX_GAPS."""
    epoch: int | None = None
    """``MeterState.counter_epoch``, which means something in one life only: not to be saved."""


class MeterEnergy:
    """One meter's account. Feed it each state that ``MeterBook`` believes, and save ``point``."""

    def __init__(self, spec: MeterSpec, interval_s: int, point: MeterPoint | None = None) -> None:
        self._spec = spec
        self._gap_ms = spec.stale_after_s * _MS
        self._interval_ms = interval_s * _MS
        self.point = point

    def take(self, state: MeterState) -> list[MeterPiece]:
        """What was measured since the last state; nothing for the first, or for one again."""
        if state.at_s is None:
            return []
        at_ms, before = int(state.at_s * _MS), self.point
        power_mw = None if state.power_w is None else round(state.power_w * _MS)
        if before is None:
            self.point = _anchored(MeterPoint(at_ms, power_mw), state)
            return []
        if at_ms == before.at_ms:
            return []
        gained_j = self._gained_j(before, at_ms, state)
        if gained_j is None:
            pieces, rest = self._integrated(before, at_ms, power_mw)
        else:
            pieces, rest = self._counted(before, at_ms, gained_j), before.rest
        now = replace(
            before,
            at_ms=at_ms,
            power_mw=power_mw,
            rest=rest,
            booked_j=before.booked_j + sum(piece.energy_j for piece in pieces),
            gaps=before.gaps if pieces else _with_gap(before, at_ms),
        )
        self.point = _anchored(now, state)
        return pieces

    def _gained_j(self, before: MeterPoint, at_ms: int, state: MeterState) -> int | None:
        """By the counter, since it was told last; None where that is not known."""
        if before.counter_j is None or state.energy_j is None:
            return None
        if before.epoch is not None and before.epoch != state.counter_epoch:
            return None
        step = counter_step(
            before.counter_j,
            state.energy_j,
            (at_ms - before.counter_ms) / _MS,
            self._spec.most_w,
            self._spec.counter_modulus_j,
        )
        is_known = step.move in (CounterMove.GREW, CounterMove.ROLLED_OVER)
        return step.gained_j if is_known else None

    def _counted(self, before: MeterPoint, at_ms: int, gained_j: int) -> list[MeterPiece]:
        """What the counter gained beyond what was integrated: it was drawn in the gaps and since
        the last reading, or, where there was no gap, over all of its time."""
        more_j = gained_j - before.booked_j
        if at_ms <= before.at_ms:  # the clock was set back: what was gained is gained
            return [MeterPiece(self._begin_s(at_ms), more_j, 0, 0)]
        last = before.at_ms, at_ms
        spans = [*before.gaps, last]
        found: dict[int, MeterPiece] = {}
        for each in spans:
            is_gap = each is not last or at_ms - before.at_ms > self._gap_ms
            for begin_s, from_ms, end_ms in self._cuts(*each):
                covered_ms = end_ms - from_ms
                _add(found, MeterPiece(begin_s, 0, covered_ms, covered_ms if is_gap else 0))
        over = spans if before.gaps else [(min(before.counter_ms, before.at_ms), at_ms)]
        all_ms = sum(end_ms - from_ms for from_ms, end_ms in over)
        energy_j = since_ms = 0
        for each in over:
            for begin_s, from_ms, end_ms in self._cuts(*each):
                since_ms += end_ms - from_ms
                until_j = more_j * since_ms // all_ms
                _add(found, MeterPiece(begin_s, until_j - energy_j, 0, 0))
                energy_j = until_j
        return list(found.values())

    def _integrated(
        self, before: MeterPoint, at_ms: int, last_mw: int | None
    ) -> tuple[list[MeterPiece], int]:
        """The area under the line between the two, and what of it is no whole joule."""
        elapsed_ms, first_mw = at_ms - before.at_ms, before.power_mw
        if first_mw is None or last_mw is None or not 0 < elapsed_ms <= self._gap_ms:
            return [], before.rest
        units = _trapezoid(first_mw, last_mw, elapsed_ms)
        pieces, energy_j = [], 0
        for begin_s, from_ms, end_ms in self._cuts(before.at_ms, at_ms):
            until_j = (before.rest + units(end_ms - before.at_ms)) // _UNITS_PER_J
            pieces.append(MeterPiece(begin_s, until_j - energy_j, end_ms - from_ms, 0))
            energy_j = until_j
        return pieces, (before.rest + units(elapsed_ms)) % _UNITS_PER_J

    def _cuts(self, from_ms: int, until_ms: int) -> Iterator[tuple[int, int, int]]:
        """A span by intervals: the begin of each, and from when to when the span is in it."""
        while from_ms < until_ms:
            end_ms = min(until_ms, (from_ms // self._interval_ms + 1) * self._interval_ms)
            yield self._begin_s(from_ms), from_ms, end_ms
            from_ms = end_ms

    def _begin_s(self, at_ms: int) -> int:
        return at_ms // self._interval_ms * self._interval_ms // _MS


def _with_gap(before: MeterPoint, at_ms: int) -> tuple[tuple[int, int], ...]:
    """Only a counter can tell later what was drawn in it."""
    if before.counter_j is None or at_ms <= before.at_ms:
        return before.gaps
    return (*before.gaps, (before.at_ms, at_ms))[-MAX_GAPS:]


def _add(found: dict[int, MeterPiece], piece: MeterPiece) -> None:
    mine = found.get(piece.begin_s)
    if mine is not None:
        begin_s, energy_j, covered_ms, spread_ms = mine
        piece = MeterPiece(
            begin_s,
            energy_j + piece.energy_j,
            covered_ms + piece.covered_ms,
            spread_ms + piece.spread_ms,
        )
    found[piece.begin_s] = piece


def _anchored(point: MeterPoint, state: MeterState) -> MeterPoint:
    """From here on its counter counts, if it tells one."""
    if state.energy_j is None:
        return replace(point, epoch=state.counter_epoch)
    return replace(
        point,
        counter_j=state.energy_j,
        counter_ms=point.at_ms,
        booked_j=0,
        gaps=(),
        epoch=state.counter_epoch,
    )


def _trapezoid(first_mw: int, last_mw: int, elapsed_ms: int) -> Callable[[int], int]:
    """From a time since the first on to the area until then, in halves of a microjoule."""
    rise_mw = last_mw - first_mw
    return lambda since_ms: 2 * first_mw * since_ms + rise_mw * since_ms * since_ms // elapsed_ms
