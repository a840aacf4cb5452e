"""What AI loads draw: by a meter that is believed, else by the last word on it while that holds.

Where neither tells, nobody knows: the load then counts as what it may draw at the most, since
it has first call and mining must not take its power away.
"""

from collections.abc import Callable, Iterable
from math import isfinite

from poolserver.power.readings import MAX_AHEAD_S, MOST
from poolserver.power.signal import (
    AiLoadSignal,
    OutdatedSignalError,
    SignalError,
    UnknownSignalError,
)
from poolserver.power.state import MeterState
from poolserver.power.tree import AiLoad, PowerTree

# A word that outlives the one who gave it by days is no measurement any more.
MOST_VALID_S = 86_400.0


class AiLoadBook:
    """The last word on each AI load of a tree."""

    def __init__(
        self, tree: PowerTree, meter_of: Callable[[str], MeterState | None] = lambda name: None
    ) -> None:
        """``meter_of`` gives the state of a meter now, None of one that is not there."""
        self._loads = {(node.site, load.name): load for node in tree for load in node.ai_loads}
        self._meter_of = meter_of
        self._words: dict[tuple[str, str], AiLoadSignal] = {}

    def take(self, signal: AiLoadSignal, now_s: float) -> None:
        """Take a word, from when it holds until it expires. The same one again changes nothing.

        Raises:
            UnknownSignalError: there is no such load.
            OutdatedSignalError: a newer word has been taken.
            SignalError: it cannot be true, or holds no more, or for too long.
        """
        key = signal.site, signal.name
        load = self._loads.get(key)
        if load is None:
            raise UnknownSignalError(f"there is no AI load {signal.site}/{signal.name}")
        if not isfinite(signal.power_w) or signal.power_w < 0:
            raise SignalError("its power is no number from 0 up")
        if signal.power_w > load.assumed_w * MOST:
            raise SignalError(
                f"{signal.power_w:.0f} W is more than twice its assumed {load.assumed_w} W"
            )
        if not isfinite(signal.at_s) or signal.at_s > now_s + MAX_AHEAD_S:
            raise SignalError("its time is ahead of the pool's")
        if not now_s < signal.valid_until_s <= now_s + MOST_VALID_S:
            raise SignalError("valid_until must be in the next 24 hours")
        last = self._words.get(key)
        if last is not None and signal.at_s < last.at_s <= now_s + MAX_AHEAD_S:
            raise OutdatedSignalError("a newer word on it has been taken")
        self._words[key] = signal

    def words(self) -> list[AiLoadSignal]:
        """The last word on each, for ``restore``."""
        return list(self._words.values())

    def restore(self, words: Iterable[AiLoadSignal]) -> None:
        """Hear again what another book was told, as far as it can be true of these loads."""
        for word in words:
            load = self._loads.get((word.site, word.name))
            if load is not None and word.power_w <= load.assumed_w * MOST:
                self._words[word.site, word.name] = word

    def power_w(self, load: AiLoad, now_s: float) -> float | None:
        """What it draws; None where nobody tells."""
        if load.meter is not None:
            meter = self._meter_of(load.meter)
            if meter is not None and meter.is_good:
                return meter.power_w
        word = self._words.get((load.site, load.name))
        # One from the future was said before our clock was set back: how old it is, nobody knows.
        holds = word is not None and word.at_s - MAX_AHEAD_S <= now_s < word.valid_until_s
        return word.power_w if word is not None and holds else None
