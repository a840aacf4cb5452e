"""What Prometheus is told of the nodes: calls, health, what they said to our blocks."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from poolserver.metrics.families import gauge
from poolserver.node.proving import Proof

if TYPE_CHECKING:
    from poolserver.node.group import NodeGroup


class RpcMetrics:
    """Latency and errors of calls to nodes; ``observe`` is a NodeRpc's hook."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._seconds = Histogram(
            "poolserver_rpc_duration_seconds",
            "Time that a call to a node took.",
            ["method"],
            buckets=(0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 60),
            registry=registry,
        )
        self._errors: dict[tuple[str, str], int] = defaultdict(int)
        registry.register(self)

    def observe(self, method: str, seconds: float, error_kind: str | None) -> None:
        """Count a call."""
        self._seconds.labels(method).observe(seconds)
        if error_kind is not None:
            self._errors[method, error_kind] += 1

    def collect(self) -> Iterable[Metric]:
        errors = CounterMetricFamily(
            "poolserver_rpc_errors", "Calls to a node that failed.", labels=["method", "kind"]
        )
        for labels, count in sorted(self._errors.items()):
            errors.add_metric(labels, count)
        yield errors


class NodeMetrics(Collector):
    """What the node group knows, as metric families; one series a node of the config."""

    def __init__(self, group: "NodeGroup") -> None:
        self._group = group

    def collect(self) -> Iterator[Metric]:
        yield from self._nodes()
        group = self._group
        split = gauge("chain_split", "1 while a fork between nodes is alarmed.")
        split.add_metric([], int(group.is_split))
        depth = gauge("chain_split_depth", "Blocks on the shorter side of the deepest fork.")
        depth.add_metric([], group.split_depth)
        stale = gauge("work_stale", "1 while the rigs' work is on an old tip or unconfirmed.")
        stale.add_metric([], int(group.is_stale))
        switches = CounterMetricFamily(
            "poolserver_node_switches",
            "How often the node whose templates are mined on changed.",
            labels=["reason"],
        )
        for reason, count in sorted(group.switches.items()):
            switches.add_metric([reason], count)
        yield from (split, depth, stale, switches)

    def _nodes(self) -> Iterator[Metric]:
        up = gauge("node_up", "1 while the node answers and can be believed.", "node")
        active = gauge("node_active", "1 for the node whose templates are mined on.", "node")
        on_chain = gauge("node_on_mined_chain", "1 while its tip is on the mined chain.", "node")
        height = gauge("node_height", "Height of the node's tip.", "node")
        behind = gauge("node_behind_blocks", "Blocks that another node has more.", "node")
        peers = gauge("node_peers", "The node's connections to other nodes.", "node")
        latency = gauge("node_latency_seconds", "How long its last answer took.", "node")
        age = gauge("node_template_age_seconds", "Since its last template came.", "node")
        for node in self._group.figures():
            name = [node.name]
            up.add_metric(name, int(node.is_up))
            active.add_metric(name, int(node.is_active))
            on_chain.add_metric(name, int(node.on_mined_chain))
            height.add_metric(name, node.height)
            behind.add_metric(name, node.blocks_behind)
            peers.add_metric(name, node.peers)
            latency.add_metric(name, node.latency_s)
            if node.template_age_s is not None:
                age.add_metric(name, node.template_age_s)
        yield from (up, active, on_chain, height, behind, peers, latency, age)


class ProposalMetrics(Collector):
    """What nodes said to the blocks that were made of their templates."""

    def __init__(self, results: Mapping[Proof, int]) -> None:
        self._results = results

    def collect(self) -> Iterator[Metric]:
        family = CounterMetricFamily(
            "poolserver_template_proposals",
            "Blocks made of a tip's first template, as its node saw them.",
            labels=["result"],
        )
        for proof in Proof:
            family.add_metric([proof], self._results.get(proof, 0))
        yield family
