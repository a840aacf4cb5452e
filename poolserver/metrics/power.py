"""What Prometheus is told of power: each configured node of the tree, from the last view of it.

Racks that only the names of rigs speak of have no series: whoever connects makes names up.
"""

from collections.abc import Callable, Iterator

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from poolserver.control_room.view import NodeView, PowerView
from poolserver.metrics.families import GaugeFamily, gauge

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


class PowerMetrics(Collector):
    """Of the last view, if there is one. It may be read in any thread: a view does not change."""

    def __init__(self, last: Callable[[], PowerView | None]) -> None:
        self._last = last

    def collect(self) -> Iterator[Metric]:
        view = self._last()
        if view is not None:
            yield from _families(view)


def _families(view: PowerView) -> Iterator[Metric]:
    nodes = [node for node in view.nodes if node.configured]
    for declared, figure in _FIGURES.items():
        family = declared.make()
        for node in nodes:
            value = figure(node)
            if value is not None:
                family.add_metric([node.path], value)
        yield family
    good, binds = POWER_METER_GOOD.make(), POWER_LIMIT_BINDING.make()
    for node in nodes:
        if node.meter is not None:
            good.add_metric([node.meter.name, node.path], float(node.meter.quality == "good"))
        if node.limits:
            binding = node.limits[0]
            binds.add_metric([node.path, binding.kind, binding.source], 1.0)
    yield from (good, binds)


def _metered_w(node: NodeView) -> float | None:
    meter = node.meter
    return meter.power_w if meter is not None and meter.quality == "good" else None


def _j_per_th(node: NodeView) -> float | None:
    """Mining power over proven hashrate."""
    th_s = node.hashrate_h_s.value / 1e12
    return node.mining_w.value / th_s if th_s > 0 else None


_FIGURES: dict[GaugeFamily, Callable[[NodeView], float | None]] = {
    POWER: lambda node: node.total_w.value,
    POWER_SIGMA: lambda node: node.total_w.sigma,
    POWER_LIMIT: lambda node: node.limit_w,
    POWER_MINING_LIMIT: lambda node: node.mining_limits[0].limit_w if node.mining_limits else None,
    POWER_HEADROOM: lambda node: node.headroom_w,
    POWER_MINING: lambda node: node.mining_w.value,
    POWER_ESTIMATED: lambda node: node.estimated_w.value,
    POWER_ESTIMATED_SIGMA: lambda node: node.estimated_w.sigma,
    POWER_AI: lambda node: node.ai_w,
    POWER_METERED: _metered_w,
    POWER_RESIDUAL: lambda node: None if node.residual_w is None else node.residual_w.value,
    POWER_HASHRATE: lambda node: node.hashrate_h_s.value,
    POWER_J_PER_TH: _j_per_th,
    POWER_RIGS: lambda node: node.rigs,
    POWER_SILENT_RIGS: lambda node: node.silent,
}
