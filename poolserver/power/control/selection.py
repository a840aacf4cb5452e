"""Which rigs: whole ones, down by the highest J/TH first, up by the lowest first.

Nodes are relieved from the deepest to the programme, so that what is switched off for a rack
counts for its transformer and its site too, and nothing is switched off twice over.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor
from typing import NamedTuple

from poolserver.power.control.decision import Batch
from poolserver.power.control.headroom import Cap
from poolserver.power.control.plant import Above
from poolserver.power.rating import Rating

# So little is left over by rounding, in watts: no rig is switched for it.
ROUNDING_W = 1e-3


@dataclass(slots=True)
class Candidate:
    """Rigs that may be switched off."""

    node: str
    rating: Rating
    rigs: int
    rig_w: float
    above: Above
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


def choose_off(
    over: Sequence[Cap], excess_w: Mapping[str, float], candidates: Iterable[Candidate]
) -> Relief:
    """Rigs to switch off, so that ``excess_w`` of each node of ``over`` (deepest first) is gone.

    The ``rigs`` of candidates are used up.
    """
    relief = Relief([], {})
    left_w = dict(excess_w)
    below: dict[str, list[tuple[Candidate, float]]] = {cap.path: [] for cap in over}
    for candidate in sorted(candidates, key=Candidate.order):
        for path, weight in candidate.above:
            if path in below:
                below[path].append((candidate, weight))
    for cap in over:
        for candidate, weight in below[cap.path]:
            if left_w[cap.path] <= ROUNDING_W:
                break
            needed = ceil((left_w[cap.path] - ROUNDING_W) / (candidate.rig_w * weight))
            rigs = min(candidate.rigs, needed)
            if rigs > 0:
                candidate.rigs -= rigs
                relief.picked.append(Picked(candidate, rigs, cap))
                for path, factor in candidate.above:
                    if path in left_w:
                        left_w[path] -= rigs * candidate.rig_w * factor
        if left_w[cap.path] > ROUNDING_W:
            relief.short_w[cap.path] = left_w[cap.path]
    return relief


class Returning(NamedTuple):
    """A batch that may be switched on again."""

    batch: Batch
    above: Above
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
    for batch, above, site in sorted(returning, key=_order_on):
        rig_w = batch.rig_w * cold_start
        fits = (floor(room_w[path] / (rig_w * weight)) for path, weight in above)
        by_ramp = max(floor(ramp_w[site] / rig_w), int(site not in started))
        rigs = min(batch.rigs, by_ramp, *fits)
        if rigs > 0:
            started.add(site)
            ramp_w[site] -= rigs * rig_w
            for path, weight in above:
                room_w[path] -= rigs * rig_w * weight
            found.append((batch, rigs))
    return found


def _order_on(returning: Returning) -> tuple[float, float, int]:
    """The most efficient, those that have been off for longest."""
    batch = returning.batch
    return float(batch.rating.j_per_th), batch.since_s, batch.number
