"""What Prometheus is told of power: each configured node of the tree, from the last view of it.

Racks that only the names of rigs speak of have no series: whoever connects makes names up.
"""

from collections.abc import Callable, Iterator, Sequence

from poolserver.control_room.view import NodeView, PowerView
from poolserver.metrics.families import GaugeFamily, gauge
from poolserver.metrics.lines import (
    Encoder,
    batches,
    heading,
    lines,
    pack_labels,
    pack_numbers,
)

POWER = gauge(
    "power_watts",
    "node",
    help="What the node is believed to draw, of all load.",
    meaning=(
        "What each configured [node of the tree](power.md) is believed to draw, of all load; "
        "`/` is the programme. Renewed each tick (5 s), as all of these"
    ),
)
POWER_SIGMA = gauge(
    "power_sigma_watts",
    "node",
    help="Standard error of that.",
    meaning="Its standard error, that of the ratings included",
)
POWER_LIMIT = gauge(
    "power_limit_watts",
    "node",
    help="The least of the limits that hold.",
    left_out="where there is none",
)
POWER_MINING_LIMIT = gauge(
    "power_mining_limit_watts",
    "node",
    help="The least of the limits of mining alone.",
    left_out="where there is none",
)
POWER_HEADROOM = gauge(
    "power_headroom_watts",
    "node",
    help="The limit less what is drawn; below 0 the node is over it.",
)
POWER_LIMIT_BINDING = gauge(
    "power_limit_binding",
    "node",
    "kind",
    "source",
    help="1 for the limit that binds, by its kind and who says so.",
    meaning="1 for the limit that binds: what kind it is, and who says so",
)
POWER_MINING = gauge("power_mining_watts", "node", help="What mining is believed to draw of it.")
POWER_ESTIMATED = gauge(
    "power_estimated_watts",
    "node",
    help="Mining by proven work and ratings alone, without any meter.",
    meaning="Mining by proven work and ratings alone, whatever meters say",
)
POWER_ESTIMATED_SIGMA = gauge(
    "power_estimated_sigma_watts",
    "node",
    help="Standard error of that, with the error of the ratings.",
    meaning="Its standard error",
)
POWER_AI = gauge(
    "power_ai_watts",
    "node",
    help="What AI load draws, or is taken to.",
    meaning="What AI load draws, or is taken to where nobody tells",
)
POWER_METERED = gauge(
    "power_metered_watts",
    "node",
    help="What the node's own meter says, where it is believed.",
    meaning="What the node's own meter says",
    left_out="while it is not believed",
)
POWER_RESIDUAL = gauge(
    "power_residual_watts",
    "node",
    help="Metered less AI and estimate: load that does not mine here.",
    meaning=(
        "Metered less AI, auxiliary load and estimate: load that mines elsewhere, or does not mine"
    ),
    left_out="without a believed meter",
)
POWER_HASHRATE = gauge(
    "power_hashrate_hashes_per_second",
    "node",
    help="Proven work over time.",
    meaning="Proven, over a minute",
)
POWER_J_PER_TH = gauge(
    "power_j_per_th",
    "node",
    help="Mining power over proven hashrate, in J/TH.",
    meaning="Mining power over proven hashrate, in J/TH, cooling and losses included",
    left_out="while nothing is proven",
)
POWER_RIGS = gauge("power_rigs", "node", help="Rigs that hash at the node and below it.")
POWER_SILENT_RIGS = gauge(
    "power_silent_rigs",
    "node",
    help="Rigs that are connected and have fallen silent.",
    meaning="Rigs that are connected and have been silent for longer than luck explains",
)
POWER_METER_GOOD = gauge(
    "power_meter_good", "meter", "node", help="1 where the meter's newest reading is believed."
)


Nodes = tuple[NodeView, ...]
Column = Sequence[float | None]


class PowerSeries:
    """Of the last view, if there is one. ``lines`` may be asked in any thread: a view does not
    change.
    """

    def __init__(self, last: Callable[[], PowerView | None]) -> None:
        self._last = last

    def lines(self, encode: Encoder) -> Iterator[bytes]:
        """All of them, some at a time."""
        view = self._last()
        if view is not None:
            nodes = tuple(node for node in view.nodes if node.configured)
            yield from _figures(nodes, encode)
            yield from _meters(nodes, encode)
            yield from _binding(nodes, encode)


def _figures(nodes: Nodes, encode: Encoder) -> Iterator[bytes]:
    rows = [(some, pack_labels(((n.path,) for n in some), "node")) for some in batches(nodes)]
    for family, (column, decimals) in _FIGURES.items():
        yield heading(family, encode)
        for some, labels in rows:
            yield lines(family, labels, pack_numbers(column(some)), decimals)


def _meters(nodes: Nodes, encode: Encoder) -> Iterator[bytes]:
    yield heading(POWER_METER_GOOD, encode)
    metered = tuple((meter, node.path) for node in nodes if (meter := node.meter) is not None)
    for some in batches(metered):
        labels = pack_labels(((meter.name, path) for meter, path in some), "meter", "node")
        good = pack_numbers(meter.quality == "good" for meter, _ in some)
        yield lines(POWER_METER_GOOD, labels, good)


def _binding(nodes: Nodes, encode: Encoder) -> Iterator[bytes]:
    yield heading(POWER_LIMIT_BINDING, encode)
    binding = tuple((node.limits[0], node.path) for node in nodes if node.limits)
    for some in batches(binding):
        names = ((limit.kind, path, limit.source) for limit, path in some)
        labels = pack_labels(names, "kind", "node", "source")
        yield lines(POWER_LIMIT_BINDING, labels, pack_numbers([1.0] * len(some)))


def _metered_w(nodes: Nodes) -> Column:
    return [
        m.power_w if (m := n.meter) is not None and m.quality == "good" else None for n in nodes
    ]


def _j_per_th(nodes: Nodes) -> Column:
    """Mining power over proven hashrate."""
    both = [(node.mining_w.value, node.hashrate_h_s.value / 1e12) for node in nodes]
    return [mining_w / th_s if th_s > 0 else None for mining_w, th_s in both]


_MW = 3
"""Decimals of watts: what is estimated, of a single rig or a laptop, to the milliwatt."""

_FIGURES: dict[GaugeFamily, tuple[Callable[[Nodes], Column], int]] = {
    POWER: (lambda nodes: [node.total_w.value for node in nodes], _MW),
    POWER_SIGMA: (lambda nodes: [node.total_w.sigma for node in nodes], _MW),
    POWER_LIMIT: (lambda nodes: [node.limit_w for node in nodes], 0),
    POWER_MINING_LIMIT: (
        lambda nodes: [each[0].limit_w if (each := node.mining_limits) else None for node in nodes],
        0,
    ),
    POWER_HEADROOM: (lambda nodes: [node.headroom_w for node in nodes], _MW),
    POWER_MINING: (lambda nodes: [node.mining_w.value for node in nodes], _MW),
    POWER_ESTIMATED: (lambda nodes: [node.estimated_w.value for node in nodes], _MW),
    POWER_ESTIMATED_SIGMA: (lambda nodes: [node.estimated_w.sigma for node in nodes], _MW),
    POWER_AI: (lambda nodes: [node.ai_w for node in nodes], _MW),
    POWER_METERED: (_metered_w, _MW),
    POWER_RESIDUAL: (
        lambda nodes: [None if (w := node.residual_w) is None else w.value for node in nodes],
        _MW,
    ),
    POWER_HASHRATE: (lambda nodes: [node.hashrate_h_s.value for node in nodes], 0),
    POWER_J_PER_TH: (_j_per_th, 6),
    POWER_RIGS: (lambda nodes: [node.rigs for node in nodes], 0),
    POWER_SILENT_RIGS: (lambda nodes: [node.silent for node in nodes], 0),
}
"""What each says of some nodes, and with how many decimals. A call a node would take four times as
long."""
