"""What Prometheus is told of power: each configured node of the tree, from the last view of it.

Racks that only the names of rigs speak of have no series: whoever connects makes names up.
"""

from collections.abc import Callable, Iterator

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from poolserver.control_room.view import NodeView, PowerView

# One family for each of these figures of a node, where it is there.
_FIGURES: tuple[tuple[str, str], ...] = (
    ("power_watts", "What the node is believed to draw, of all load."),
    ("power_sigma_watts", "Standard error of that."),
    ("power_limit_watts", "The least of the limits that hold."),
    ("power_mining_limit_watts", "The least of the limits of mining alone."),
    ("power_headroom_watts", "The limit less what is drawn; below 0 the node is over it."),
    ("power_mining_watts", "What mining is believed to draw of it."),
    ("power_estimated_watts", "Mining by proven work and ratings alone, without any meter."),
    ("power_estimated_sigma_watts", "Standard error of that, with the error of the ratings."),
    ("power_ai_watts", "What AI load draws, or is taken to."),
    ("power_metered_watts", "What the node's own meter says, where it is believed."),
    ("power_residual_watts", "Metered less AI and estimate: load that does not mine here."),
    ("power_hashrate_hashes_per_second", "Proven work over time."),
    ("power_rigs", "Rigs that hash at the node and below it."),
    ("power_silent_rigs", "Rigs that are connected and have fallen silent."),
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
    families = {
        name: GaugeMetricFamily(f"poolserver_{name}", text, labels=["node"])
        for name, text in _FIGURES
    }
    good = GaugeMetricFamily(
        "poolserver_power_meter_good",
        "1 where the meter's newest reading is believed.",
        labels=["meter", "node"],
    )
    binds = GaugeMetricFamily(
        "poolserver_power_limit_binding",
        "1 for the limit that binds, by its kind and who says so.",
        labels=["node", "kind", "source"],
    )
    for node in view.nodes:
        if not node.configured:
            continue
        for name, value in _values(node).items():
            if value is not None:
                families[name].add_metric([node.path], value)
        if node.meter is not None:
            good.add_metric([node.meter.name, node.path], float(node.meter.quality == "good"))
        if node.limits:
            binding = node.limits[0]
            binds.add_metric([node.path, binding.kind, binding.source], 1.0)
    yield from families.values()
    yield from (good, binds)


def _values(node: NodeView) -> dict[str, float | None]:
    meter, residual = node.meter, node.residual_w
    is_good = meter is not None and meter.quality == "good"
    return {
        "power_watts": node.total_w.value,
        "power_sigma_watts": node.total_w.sigma,
        "power_limit_watts": node.limit_w,
        "power_mining_limit_watts": node.mining_limits[0].limit_w if node.mining_limits else None,
        "power_headroom_watts": node.headroom_w,
        "power_mining_watts": node.mining_w.value,
        "power_estimated_watts": node.estimated_w.value,
        "power_estimated_sigma_watts": node.estimated_w.sigma,
        "power_ai_watts": node.ai_w,
        "power_metered_watts": meter.power_w if meter is not None and is_good else None,
        "power_residual_watts": None if residual is None else residual.value,
        "power_hashrate_hashes_per_second": node.hashrate_h_s.value,
        "power_rigs": node.rigs,
        "power_silent_rigs": node.silent,
    }
