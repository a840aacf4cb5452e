"""Who mines and who is missing: each worker process has a berth, and an empty one is filled.

Pure: it is told what happens and when, and says which are to be started. A worker that ends is
started again at once, and then after pauses that grow as long as it never lives for long: what
kills it may be with it at its start.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf

# Whoever lived for so long has not died of its start.
STEADY_S = 60.0
# 1 s, 2 s, 4 s ... of ever the same trouble the log has a line each half minute.
FIRST_PAUSE_S = 1.0
LAST_PAUSE_S = 30.0
# A worker tells its counts each second, and one without a link looks for the coordinator twice.
ADRIFT_S = 10.0
# Rigs of a hung worker had better be at another; and the kernel gives it new ones all the same.
# While a worker hands over it may be silent for a minute, if the other process does not answer.
HUNG_S = 90.0


@dataclass(slots=True)
class Berth:
    """One worker's place. ``source`` is its life's journal source; times are monotonic seconds."""

    index: int
    source: str = ""
    """Of who lives, or was the last to; empty before it is known."""
    is_linked: bool = False
    """It speaks to this coordinator."""
    is_living: bool = False
    """Its process runs, as far as is known."""
    has_listened: bool = False
    """It has told that it takes rigs, in this life."""
    starts: int = 0
    """By this coordinator."""
    short_lives: int = 0
    """In a row."""
    began_at: float = -inf
    due_at: float = -inf
    silent_s: float = 0.0
    """For how long it has been waited for: for a word, or for its link."""

    @property
    def is_empty(self) -> bool:
        """Nobody is there, and nothing of the last one is still to come."""
        return not self.is_living and not self.is_linked

    @property
    def restarts(self) -> int:
        """Starts after the first, by this coordinator."""
        return max(0, self.starts - 1)

    @property
    def is_up(self) -> bool:
        """It takes rigs and speaks to us."""
        return self.is_linked and self.has_listened and not self.is_adrift

    @property
    def is_adrift(self) -> bool:
        """It should speak and does not: by its link, or to say that it is there."""
        return self.is_living and self._should_speak and self.silent_s >= ADRIFT_S

    @property
    def is_hung(self) -> bool:
        """It has not spoken for so long that it is better ended."""
        return self.is_adrift and self.silent_s >= HUNG_S

    @property
    def _should_speak(self) -> bool:
        return self.has_listened or not self.is_linked  # until it has work it has nothing to say


class Berths:
    """``count`` of them."""

    def __init__(self, count: int) -> None:
        self._berths = [Berth(index) for index in range(count)]

    def __len__(self) -> int:
        return len(self._berths)

    def __iter__(self) -> Iterator[Berth]:
        return iter(self._berths)

    def get(self, index: int) -> Berth | None:
        """None: there is no such berth, as for a worker of a larger crew of yesterday."""
        return self._berths[index] if 0 <= index < len(self._berths) else None

    def due(self, now: float) -> list[Berth]:
        """Those whose worker is to be started now."""
        return [each for each in self._berths if each.is_empty and now >= each.due_at]

    @property
    def unlinked(self) -> list[Berth]:
        """Those whose worker is thought to live and has no link to us."""
        return [each for each in self._berths if each.is_living and not each.is_linked]

    def wait(self, passed_s: float) -> None:
        """So long all were listened to; none is silent where it is us who slept."""
        for each in self._berths:
            each.silent_s += passed_s

    @property
    def up(self) -> int:
        """How many take rigs and speak to us."""
        return sum(each.is_up for each in self._berths)


def begin(berth: Berth, now: float) -> None:
    """A process is started there."""
    assert berth.is_empty
    berth.is_living, berth.has_listened = True, False
    berth.source, berth.began_at, berth.silent_s = "", now, 0.0
    berth.starts += 1


def found_living(berth: Berth, now: float) -> None:
    """A process of an earlier coordinator is there still."""
    berth.is_living, berth.began_at, berth.silent_s = True, now, 0.0


def link(berth: Berth, source: str) -> None:
    """Its worker speaks; ``source`` is empty where its life has not begun."""
    berth.is_living = berth.is_linked = True
    berth.silent_s = 0.0
    if source:
        berth.source = source


def hear(berth: Berth) -> None:
    """It says something."""
    berth.silent_s = 0.0


def part(berth: Berth) -> None:
    """Its link is lost. It may live on, and come back."""
    berth.is_linked = False


def end(berth: Berth, now: float) -> float:
    """Its process is no more; how long its successor is waited with, in seconds."""
    berth.is_living = False
    is_steady = berth.has_listened and now - berth.began_at >= STEADY_S
    pause_s = 0.0
    if is_steady:
        berth.short_lives = 0
    elif berth.short_lives:
        pause_s = min(FIRST_PAUSE_S * 2 ** (berth.short_lives - 1), LAST_PAUSE_S)
    berth.short_lives = min(berth.short_lives + 1, 16)  # the pause has long been the last
    berth.due_at = now + pause_s
    return pause_s
