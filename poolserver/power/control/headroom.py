"""What mining may draw: at each node that has a limit, and whose limit binds at any node.

    cap(n) = limit(n) - AI load - auxiliary load - load that nobody knows - reserve

and no more than the limit of mining alone, from which nothing is subtracted. A rig may run if
there is room at its node and at all above it. PUE is in all figures of a site and above it.
"""

from collections.abc import Mapping
from math import erf, sqrt
from typing import NamedTuple

from poolserver.power.control.decision import Overload, Seen, Terms
from poolserver.power.state import EffectiveLimit, Limit, LimitKind, NodePower, Readings
from poolserver.power.tree import PowerTree, parent_path


class Cap(NamedTuple):
    """A node that has a limit."""

    path: str
    depth: int
    cap_w: float
    """What mining may draw. Below zero where other load alone is over the limit."""
    mining_w: float
    """What it draws."""
    limit: Limit
    """The one that binds here."""
    band_w: float
    """The dead band."""
    noise_w: float
    """What has to be over before it is acted on."""
    sigma_w: float
    """Of all that is drawn."""
    seen: Seen

    @property
    def excess_w(self) -> float:
        return self.mining_w - self.cap_w

    def overload(self) -> Overload:
        chance = 0.5 * (1.0 + erf(self.excess_w / self.sigma_w / sqrt(2))) if self.sigma_w else 1.0
        return Overload(self.path, self.excess_w, chance, self.limit)


def caps(
    tree: PowerTree, readings: Readings, limits: Mapping[str, EffectiveLimit], terms: Terms
) -> list[Cap]:
    """All nodes that have a limit, the deepest first. ``limits`` are of all load."""
    found = []
    for path in {*limits, *readings.mining_limits}:
        limit = limits.get(path)
        mining_limit = readings.mining_limits.get(path)
        if path in tree:
            power = readings.nodes.get(path) or NodePower(path)
            cap = _cap(tree[path].depth, power, limit, mining_limit, terms)
            if cap is not None:
                found.append(cap)
    found.sort(key=lambda cap: (-cap.depth, cap.path))
    return found


def _cap(
    depth: int,
    power: NodePower,
    limit: EffectiveLimit | None,
    mining_limit: EffectiveLimit | None,
    terms: Terms,
) -> Cap | None:
    mining_w, ai_w = power.mining_w.value, power.ai_w
    # A meter that sees more than all that is known of: that is not ours to switch off.
    other_w = power.auxiliary_w + max(
        0.0, power.total_w.value - mining_w - ai_w - power.auxiliary_w
    )
    binding: Limit | None = None
    cap_w = 0.0
    if limit is not None and limit.binding is not None:
        binding = limit.binding
        cap_w = binding.limit_w * (1.0 - terms.reserve) - ai_w - other_w
    if mining_limit is not None and mining_limit.binding is not None:
        of_mining = mining_limit.binding
        if binding is None or of_mining.limit_w < cap_w:
            binding, cap_w = of_mining, float(of_mining.limit_w)
    if binding is None:
        return None
    uncertain = power.mining_w if binding.kind is LimitKind.MINING else power.total_w
    return Cap(
        power.path,
        depth,
        cap_w,
        mining_w,
        binding,
        band_w=(band_w := terms.dead_band * binding.limit_w),
        # Only chance makes a figure go up and down; an error in common stays where it is. And
        # what is less than the dead band does not matter: so much is kept free below the limit.
        noise_w=max(0.0, terms.noise_sigmas * sqrt(uncertain.variance) - band_w),
        sigma_w=uncertain.sigma,
        seen=Seen(binding, ai_w, mining_w, other_w, power.method.value),
    )


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
