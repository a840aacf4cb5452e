"""Which rigs: whole ones, down by the highest J/TH first, up by the lowest first.

Nodes are relieved from the deepest to the programme, so that what is switched off for a rack
counts for its transformer and its site too, and nothing is switched off twice over.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor
from typing import NamedTuple

from poolserver.power.control.decision import Batch
from poolserver.power.control.headroom import Cap
from poolserver.power.rating import Rating

# So little is left over by rounding, in watts: no rig is switched for it.
ROUNDING_W = 1e-3


@dataclass(slots=True)
class Candidate:
    """Rigs that may be switched off."""

    node: str
    rating: Rating
    rigs: int
    hashing: int
    """All of this rating at this node, those that may not be switched off too."""
    rig_w: float
    above: tuple[str, ...]
    """The limited nodes that these rigs are below, the deepest first."""
    pue: float
    site: str
    dry: bool
    """At a site where it is only told."""
    young: Batch | None = None
    """Back on for less than the least time."""
    last_off_s: float = 0.0
    """When rigs at this node were switched off last."""

    def order(self) -> tuple[bool, bool, float, float, str]:
        """Those that can be, not just back on, the least efficient, whose turn it is."""
        return (
            self.dry,
            self.young is not None,
            -float(self.rating.j_per_th),
            self.last_off_s,
            self.node,
        )


class Picked(NamedTuple):
    """So many rigs of a candidate, to relieve a node."""

    candidate: Candidate
    rigs: int
    cap: Cap


class Relief(NamedTuple):
    """What is switched off, and what that leaves over, by node."""

    picked: list[Picked]
    short_w: dict[str, float]


def weight(path: str, site: str, pue: float) -> float:
    """What a watt at a rig's plug is at a node: from its site up with PUE."""
    return pue if path in (site, "/") else 1.0


def choose_off(
    over: Sequence[Cap], excess_w: Mapping[str, float], candidates: Callable[[], list[Candidate]]
) -> Relief:
    """Rigs to switch off, so that ``excess_w`` of each node of ``over`` (deepest first) is gone.

    ``candidates`` are asked for only if there is something to do; their ``rigs`` are used up.
    """
    relief = Relief([], {})
    if not over:
        return relief
    left_w = dict(excess_w)
    below: dict[str, list[Candidate]] = {cap.path: [] for cap in over}
    for candidate in sorted(candidates(), key=Candidate.order):
        for path in candidate.above:
            if path in below:
                below[path].append(candidate)
    for cap in over:
        for candidate in below[cap.path]:
            if left_w[cap.path] <= ROUNDING_W:
                break
            at_cap = candidate.rig_w * weight(cap.path, candidate.site, candidate.pue)
            rigs = min(candidate.rigs, ceil((left_w[cap.path] - ROUNDING_W) / at_cap))
            if rigs <= 0:
                continue
            candidate.rigs -= rigs
            relief.picked.append(Picked(candidate, rigs, cap))
            for path in candidate.above:
                if path in left_w:
                    power_w = rigs * candidate.rig_w
                    left_w[path] -= power_w * weight(path, candidate.site, candidate.pue)
        if left_w[cap.path] > ROUNDING_W:
            relief.short_w[cap.path] = left_w[cap.path]
    return relief


class Returning(NamedTuple):
    """A batch that may be switched on again."""

    batch: Batch
    above: tuple[str, ...]
    pue: float
    site: str


def choose_on(
    returning: Iterable[Returning],
    room_w: dict[str, float],
    ramp_w: dict[str, float],
    cold_start: float,
) -> list[tuple[Batch, int]]:
    """Rigs to switch on: as many as fit below every node above them and into the site's ramp.

    ``room_w``, by limited node, and ``ramp_w``, by site and in watts at plugs, are used up; a
    ramp that is smaller than a rig lets one through.
    """
    found = []
    started: set[str] = set()
    order = sorted(
        returning,
        key=lambda each: (
            float(each.batch.rating.j_per_th),
            each.batch.since_s,
            each.batch.number,
        ),
    )
    for batch, above, pue, site in order:
        rig_w = batch.rig_w * cold_start
        fits = min(
            (floor(room_w[path] / (rig_w * weight(path, site, pue))) for path in above),
            default=batch.rigs,
        )
        by_ramp = floor(ramp_w[site] / rig_w)
        if site not in started:
            by_ramp = max(by_ramp, 1)
        rigs = min(batch.rigs, fits, by_ramp)
        if rigs <= 0:
            continue
        started.add(site)
        ramp_w[site] -= rigs * rig_w
        for path in above:
            room_w[path] -= rigs * rig_w * weight(path, site, pue)
        found.append((batch, rigs))
    return found
