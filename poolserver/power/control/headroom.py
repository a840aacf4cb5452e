"""What mining may draw: at each node that has a limit, and whose limit binds at any node.

    cap(n) = limit(n) - AI load - auxiliary load - load that nobody knows - reserve

and no more than the limit of mining alone, from which nothing is subtracted. A rig may run if
there is room at its node and at all above it. PUE is in all figures of a site and above it.
"""

from collections.abc import Mapping
from math import erf, sqrt
from typing import NamedTuple

from poolserver.power.control.terms import Terms
from poolserver.power.state import EffectiveLimit, Limit, NodePower, Readings
from poolserver.power.tree import PowerTree, parent_path
from poolserver.power.uncertain import Uncertain


class Overload(NamedTuple):
    """A node that draws more than it may, whether anything can be done or not."""

    node: str
    excess_w: float
    chance: float
    """That it really is over, by the error of what is known of it."""
    limit: Limit


class Cap(NamedTuple):
    """What mining may draw at a node that has a limit, and what it does."""

    path: str
    depth: int
    cap_w: float
    """Below zero where other load alone is over the limit."""
    limit: Limit
    """The one that binds here."""
    mining_w: float
    ai_w: float
    other_w: float
    """Neither AI nor mining."""
    known: Uncertain
    """What the limit is held against, with its error."""
    method: str
    """How that is known."""

    @property
    def excess_w(self) -> float:
        return self.mining_w - self.cap_w

    def band_w(self, terms: Terms) -> float:
        """The dead band."""
        return terms.dead_band * self.limit.limit_w

    def noise_w(self, terms: Terms) -> float:
        """What has to be over before it is acted on.

        Only chance makes a figure go up and down: an error in common stays where it is. And what
        is less than the dead band does not matter, since so much is kept free.
        """
        return max(0.0, terms.noise_sigmas * sqrt(self.known.variance) - self.band_w(terms))

    def overload(self) -> Overload:
        sigma_w = self.known.sigma
        chance = 0.5 * (1.0 + erf(self.excess_w / sigma_w / sqrt(2))) if sigma_w else 1.0
        return Overload(self.path, self.excess_w, chance, self.limit)


def caps(
    tree: PowerTree, readings: Readings, limits: Mapping[str, EffectiveLimit], terms: Terms
) -> list[Cap]:
    """All nodes that have a limit, the deepest first. ``limits`` are of all load."""
    found = []
    for path in {**limits, **readings.mining_limits}:
        if path in tree:
            power = readings.nodes.get(path) or NodePower(path)
            mining_limit = readings.mining_limits.get(path)
            cap = _cap(tree[path].depth, power, limits.get(path), mining_limit, terms.reserve)
            if cap is not None:
                found.append(cap)
    found.sort(key=lambda cap: -cap.depth)
    return found


def _cap(
    depth: int,
    power: NodePower,
    limit: EffectiveLimit | None,
    mining_limit: EffectiveLimit | None,
    reserve: float,
) -> Cap | None:
    mining_w, ai_w, auxiliary_w = power.mining_w.value, power.ai_w, power.auxiliary_w
    # A meter that sees more than all that is known of: that is not ours to switch off.
    other_w = max(auxiliary_w, power.total_w.value - mining_w - ai_w)
    binding: Limit | None = None
    cap_w = 0.0
    if limit is not None and limit.limits:
        binding = limit.limits[0]
        cap_w = binding.limit_w * (1.0 - reserve) - ai_w - other_w
    known = power.total_w
    if mining_limit is not None and mining_limit.limits:
        of_mining = mining_limit.limits[0]
        if binding is None or of_mining.limit_w < cap_w:
            binding, cap_w, known = of_mining, float(of_mining.limit_w), power.mining_w
    if binding is None:
        return None
    method = power.method.value
    return Cap(power.path, depth, cap_w, binding, mining_w, ai_w, other_w, known, method)


class MiningLimit(NamedTuple):
    """What mining may draw at a node, before PUE below a site, and the limit that says so."""

    limit_w: float
    limit: Limit


def mining_limits(tree: PowerTree, limited: list[Cap]) -> dict[str, MiningLimit]:
    """For every node the least of its own cap and those above it; without any it is left out.

    What is left above is not shared out: it is what a node may draw if its siblings let it.
    """
    own = {cap.path: cap for cap in limited}
    found: dict[str, MiningLimit] = {}
    for node in tree:
        above = None if node.depth == 0 else found.get(parent_path(node.path))
        if above is not None and node.depth == 2:  # right below a site: from here without PUE
            above = MiningLimit(above.limit_w / float(tree[node.site].pue), above.limit)
        cap = own.get(node.path)
        if cap is not None and (above is None or cap.cap_w <= above.limit_w):
            above = MiningLimit(max(cap.cap_w, 0.0), cap.limit)
        if above is not None:
            found[node.path] = above
    return found
