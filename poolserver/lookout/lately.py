"""What was of late, as far as troubles are told by it. Pure, and forgotten at a restart.

The alerts ask Prometheus the same of the same figures.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from statistics import linear_regression
from typing import Generic, TypeVar

from poolserver.control_room.view import NodeView
from poolserver.lookout.thresholds import DISK_LATER_S, DISK_SOON_S, ORDER_S, REJECTS_S
from poolserver.lookout.view import Shares, SiteStatus

EVERY_S = 15.0
"""As often as Prometheus looks."""
TREND_AFTER_S = 600.0
"""What a disk did in less is no trend: at a start books catch up."""
SOON_BY_S, LATER_BY_S = 3600.0, 6 * 3600.0
"""Of how long it is told when a disk is full: soon, and later."""

T = TypeVar("T")


@dataclass(slots=True)
class Trail(Generic[T]):
    """Values of the last ``span_s``, and the one before them."""

    span_s: float
    _kept: deque[tuple[float, T]] = field(default_factory=deque)

    def note(self, value: T, now_s: float) -> None:
        """One more."""
        kept = self._kept
        kept.append((now_s, value))
        while len(kept) > 1 and kept[1][0] <= now_s - self.span_s:
            kept.popleft()

    def __iter__(self) -> Iterator[tuple[float, T]]:
        """The moment and the value of each, the oldest first."""
        return iter(self._kept)


@dataclass(slots=True)
class Lasting:
    """For how long something has been so."""

    _since_s: float | None = None

    def s(self, is_so: bool, now_s: float) -> float:
        """It is, or is not, at ``now_s``; in seconds, 0 while it is not."""
        if not is_so:
            self._since_s = None
        elif self._since_s is None:
            self._since_s = now_s
        return 0.0 if self._since_s is None else now_s - self._since_s


class Lately:
    """Of all sites, and the disk. Times are in seconds of a monotonic clock."""

    def __init__(self) -> None:
        self._noted_s = -inf
        self._shares: Trail[Mapping[str, Shares]] = Trail(REJECTS_S)
        self._rooms_w: Trail[Mapping[str, float]] = Trail(ORDER_S)
        self._free_bytes: Trail[int] = Trail(LATER_BY_S)
        self.least_room_w: Mapping[str, float] = {}
        """By site, the least that mining might draw in the last ORDER_S, where a limit held."""
        self.free_soon_bytes: float | None = None
        """What will be free in DISK_SOON_S as it goes; below 0: it will be full. None: no trend."""
        self.free_later_bytes: float | None = None
        """The same in DISK_LATER_S, by a longer time."""

    def note(
        self, sites: Iterable[SiteStatus], power_nodes: Iterable[NodeView], now_s: float
    ) -> None:
        """How the sites are now. It may be said at any time, and is heard now and then."""
        if now_s - self._noted_s < EVERY_S:
            return
        self._noted_s = now_s
        self._shares.note({site.name: site.shares for site in sites}, now_s)
        rooms_w = ((node.path, mining_room_w(node)) for node in power_nodes if node.depth == 1)
        self._rooms_w.note({path: room_w for path, room_w in rooms_w if room_w is not None}, now_s)
        least_w: dict[str, float] = {}
        for _, rooms in self._rooms_w:
            for path, room_w in rooms.items():
                least_w[path] = min(room_w, least_w.get(path, inf))
        self.least_room_w = least_w

    def note_disk(self, free_bytes: int, now_s: float) -> None:
        """What is free now."""
        self._free_bytes.note(free_bytes, now_s)
        points = list(self._free_bytes)
        newest = [point for point in points if point[0] >= now_s - SOON_BY_S]
        self.free_soon_bytes = _trend(newest, now_s + DISK_SOON_S)
        self.free_later_bytes = _trend(points, now_s + DISK_LATER_S)

    def shares(self, site: SiteStatus) -> Shares:
        """What was judged of a site's in the last REJECTS_S."""
        now = site.shares
        _, sites = next(iter(self._shares), (0.0, {site.name: now}))
        then = sites.get(site.name) or Shares(0, 0, 0)  # its first shares came since
        return Shares(
            now.accepted - then.accepted, now.stale - then.stale, now.rejected - then.rejected
        )


def mining_room_w(node: NodeView) -> float | None:
    """What mining may draw: its own limit, or what other load leaves of the whole one. None: no
    limit holds."""
    rooms_w = [float(limit.limit_w) for limit in node.mining_limits[:1]]
    if node.headroom_w is not None:
        rooms_w.append(node.headroom_w + node.mining_w.value)
    return max(0.0, min(rooms_w)) if rooms_w else None


def _trend(points: Sequence[tuple[float, int]], at_s: float) -> float | None:
    """Where the least squares' line is at a moment; None of too short a time."""
    if not points or points[-1][0] - points[0][0] < TREND_AFTER_S:
        return None
    slope, intercept = linear_regression(*zip(*points, strict=True))
    return intercept + slope * at_s
