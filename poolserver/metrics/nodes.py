"""What Prometheus is told of the nodes: calls, health, what they said to our blocks."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from poolserver.histogram import CALL_S, Histogram
from poolserver.metrics.families import buckets, counter, gauge, histogram
from poolserver.node.proving import Proof

if TYPE_CHECKING:
    from poolserver.node.group import NodeGroup

NODE_UP = gauge(
    "node_up",
    "node",
    help="1 while the node answers and can be believed.",
    meaning=(
        "1 while the node answers and can be believed: it passed its check and is not loading "
        "the chain. `node` is its name in the config"
    ),
)
NODE_ACTIVE = gauge(
    "node_active",
    "node",
    help="1 for the node whose templates are mined on.",
    meaning=(
        "1 for the node whose templates are mined on, also while it is lost and no other can "
        "take over"
    ),
)
NODE_ON_MINED_CHAIN = gauge(
    "node_on_mined_chain",
    "node",
    help="1 while its tip is on the mined chain.",
    meaning=(
        "1 while its tip is on the mined chain, behind or ahead; 0 on a fork, or where that "
        "cannot be told"
    ),
)
NODE_HEIGHT = gauge(
    "node_height",
    "node",
    help="Height of the node's tip.",
    meaning="Height of its tip, as last told",
)
NODE_BEHIND_BLOCKS = gauge(
    "node_behind_blocks",
    "node",
    help="Blocks that another node has more.",
    meaning="Blocks that the chain with most work has more",
)
NODE_PEERS = gauge(
    "node_peers",
    "node",
    help="The node's connections to other nodes.",
    meaning="Its connections to other nodes",
)
NODE_LATENCY = gauge(
    "node_latency_seconds",
    "node",
    help="How long its last answer took.",
    meaning="How long its last answer to the monitor took",
)
NODE_TEMPLATE_AGE = gauge(
    "node_template_age_seconds",
    "node",
    help="Since its last template came.",
    left_out="before the first, and for nodes that only take blocks",
)
NODE_SWITCHES = counter(
    "node_switches",
    "reason",
    help="How often the node whose templates are mined on changed.",
    meaning=(
        "Changes of the active node: `first` at the start, `failover` from one that is lost, "
        "`better` to one that has a template on a newer block or a full one, `fail_back` to "
        "one earlier in the config"
    ),
)
CHAIN_SPLIT = gauge(
    "chain_split",
    help="1 while a fork between nodes is alarmed.",
    meaning="1 while a fork between nodes is alarmed ([several nodes](nodes.md))",
)
CHAIN_SPLIT_DEPTH = gauge(
    "chain_split_depth",
    help="Blocks on the shorter side of the deepest fork.",
    meaning=(
        "Blocks on the shorter side of the deepest fork now, alarmed or not; 0 where all agree"
    ),
)
WORK_STALE = gauge(
    "work_stale",
    help="1 while the rigs' work is on an old tip or unconfirmed.",
    meaning=("1 while rigs work on an old tip, or on a template that was not confirmed for 60 s"),
)
TEMPLATE_PROPOSALS = counter(
    "template_proposals",
    "result",
    help="Blocks made of a tip's first template, as its node saw them.",
    meaning=(
        "Blocks made of a tip's first template, as its node saw them, since the start: "
        "`good`, `refused` (rigs got a block without transactions instead), `overtaken` by a "
        "newer tip, or `unanswered`"
    ),
    left_out="with `templates.check_blocks = false`",
)
RPC_DURATION = histogram(
    "rpc_duration_seconds",
    "method",
    help="Time that a call to a node took.",
    meaning="Time that a call to a node took. `method` is the call's name, or `longpoll`",
)
RPC_ERRORS = counter(
    "rpc_errors",
    "method",
    "kind",
    help="Calls to a node that failed.",
    meaning=(
        "Calls to a node that failed. `kind` is `unreachable`, `timeout`, `auth`, `http`, "
        "`garbage`, `warming_up` or `rpc` (the node answered with an error)"
    ),
)


class RpcMetrics(Collector):
    """Latency and errors of calls to nodes; ``observe`` is a NodeRpc's hook."""

    def __init__(self) -> None:
        self._seconds: dict[str, Histogram] = {}
        self._errors: dict[tuple[str, str], int] = defaultdict(int)

    def observe(self, method: str, seconds: float, error_kind: str | None) -> None:
        """Count a call."""
        observed = self._seconds.get(method)
        if observed is None:
            observed = self._seconds[method] = Histogram(CALL_S)
        observed.note(seconds)
        if error_kind is not None:
            self._errors[method, error_kind] += 1

    def collect(self) -> Iterator[Metric]:
        durations, errors = RPC_DURATION.make(), RPC_ERRORS.make()
        for method, observed in sorted(self._seconds.items()):
            durations.add_metric([method], buckets(observed), observed.seconds)
        for labels, count in sorted(self._errors.items()):
            errors.add_metric(labels, count)
        yield from (durations, errors)


class NodeMetrics(Collector):
    """What the node group knows, as metric families; one series a node of the config."""

    def __init__(self, group: "NodeGroup") -> None:
        self._group = group

    def collect(self) -> Iterator[Metric]:
        group = self._group
        yield from self._nodes()
        yield CHAIN_SPLIT.of(int(group.is_split))
        yield CHAIN_SPLIT_DEPTH.of(group.split_depth)
        yield WORK_STALE.of(int(group.is_stale))
        switches = NODE_SWITCHES.make()
        for reason, count in sorted(group.switches.items()):
            switches.add_metric([reason], count)
        yield switches

    def _nodes(self) -> Iterator[Metric]:
        up, active, on_chain = NODE_UP.make(), NODE_ACTIVE.make(), NODE_ON_MINED_CHAIN.make()
        height, behind, peers = NODE_HEIGHT.make(), NODE_BEHIND_BLOCKS.make(), NODE_PEERS.make()
        latency, age = NODE_LATENCY.make(), NODE_TEMPLATE_AGE.make()
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
        family = TEMPLATE_PROPOSALS.make()
        for proof in Proof:
            family.add_metric([proof], self._results.get(proof, 0))
        yield family
