"""The Bitcoin nodes: are they there, do they agree, how fast are they."""

from scripts.dashboards.model import Dashboard, Row
from scripts.dashboards.panels import BAD, GOOD, WATCH, Query, graph, stat, timeline
from scripts.dashboards.words import (
    BITCOIN_NODE,
    INSTANCE,
    NONE_IS_GOOD,
    TEMPLATE_AGE,
    YES_IS_GOOD,
    at_node,
    of,
    quantiles,
    rate,
)

_WELL = Row(
    "Is all well?",
    (
        stat(
            "Nodes lost",
            f"count({of('node_up')} == 0) or vector(0)",
            "Nodes that do not answer, or cannot be believed.",
            unit="none",
            steps=NONE_IS_GOOD,
            width=4,
        ),
        stat(
            "Work",
            f"max({of('work_stale')})",
            "Stale: on an old block, or not confirmed for a minute.",
            steps=NONE_IS_GOOD,
            texts={"0": "fresh", "1": "stale"},
            width=4,
        ),
        stat(
            "Work confirmed",
            f"max({of('template_age_seconds')})",
            "How long ago a node confirmed what rigs work on.",
            unit="s",
            steps=TEMPLATE_AGE,
            width=4,
        ),
        stat(
            "Chain",
            f"max({of('chain_split')})",
            "Whether a fork between nodes is alarmed.",
            steps=NONE_IS_GOOD,
            texts={"0": "one", "1": "split"},
            width=4,
        ),
        stat(
            "Farthest behind",
            f"max({of('node_behind_blocks')})",
            "Blocks that the chain with most work has more than the last of the nodes.",
            unit="none",
            steps=((None, GOOD), (1, WATCH), (2, BAD)),
            width=4,
        ),
        stat(
            "Height",
            f"max({of('template_height')})",
            "Of the block that is worked on.",
            unit="none",
            width=4,
        ),
    ),
)

_NODES = Row(
    "The nodes",
    (
        timeline(
            "Answers",
            "While a node answers and can be believed.",
            Query(at_node("node_up"), "{{node}}"),
            steps=YES_IS_GOOD,
            texts={"0": "lost", "1": "up"},
            width=8,
        ),
        timeline(
            "Mined on",
            "Whose templates rigs work on.",
            Query(at_node("node_active"), "{{node}}"),
            steps=((None, "text"), (1, GOOD)),
            texts={"0": "waits", "1": "active"},
            width=8,
        ),
        timeline(
            "On the mined chain",
            "Behind or ahead counts; a fork does not.",
            Query(at_node("node_on_mined_chain"), "{{node}}"),
            steps=YES_IS_GOOD,
            texts={"0": "on another", "1": "on it"},
            width=8,
        ),
        graph(
            "Height",
            "Of each node's tip.",
            Query(at_node("node_height"), "{{node}}"),
            unit="none",
            width=8,
        ),
        graph(
            "Behind",
            "Blocks that the chain with most work has more.",
            Query(at_node("node_behind_blocks"), "{{node}}"),
            unit="none",
            width=8,
            steps=((None, GOOD), (2, BAD)),
        ),
        graph(
            "Peers",
            "Connections to other nodes.",
            Query(at_node("node_peers"), "{{node}}"),
            unit="none",
            width=8,
        ),
    ),
)

_FAST = Row(
    "How fast",
    (
        graph(
            "Last answer",
            "How long a node took to answer the monitor; 0.75 s is taken for a failure.",
            Query(at_node("node_latency_seconds"), "{{node}}"),
            unit="s",
            steps=((None, GOOD), (0.75, BAD)),
        ),
        graph(
            "Age of the last template",
            "Since each node gave one.",
            Query(at_node("node_template_age_seconds"), "{{node}}"),
            unit="s",
        ),
        graph(
            "Calls",
            "How long calls to nodes take. A longpoll waits for news: it is left out.",
            *quantiles("rpc_duration_seconds", "method", 'method!="longpoll"'),
            unit="s",
        ),
        graph(
            "Calls that failed",
            "A second, by method and kind.",
            Query(f"sum by (method, kind) ({rate('rpc_errors_total')})", "{{method}}: {{kind}}"),
            unit="suffix: /s",
        ),
    ),
)

_CHANGES = Row(
    "Changes and proofs",
    (
        graph(
            "Changes of the active node",
            "In the hour before each moment, by reason.",
            Query(f"sum by (reason) (increase({of('node_switches_total')}[1h]))", "{{reason}}"),
            unit="none",
        ),
        graph(
            "Blocks made as a proof",
            "Of each tip's first template, as its node saw them, in the hour before each moment.",
            Query(
                f"sum by (result) (increase({of('template_proposals_total')}[1h]))", "{{result}}"
            ),
            unit="none",
        ),
        graph(
            "Depth of a fork",
            "Blocks on the shorter side. One is a race, and normal.",
            Query(of("chain_split_depth"), "depth"),
            unit="none",
            steps=((None, GOOD), (2, BAD)),
        ),
        graph(
            "New work to rigs",
            "From the node's new tip to the last rig's notify written.",
            *quantiles("new_tip_to_rigs_seconds"),
            unit="s",
        ),
    ),
)

NODE = Dashboard(
    "node",
    "node",
    "The Bitcoin nodes: are they there, do they agree, how fast are they.",
    (INSTANCE, BITCOIN_NODE),
    (_WELL, _NODES, _FAST, _CHANGES),
)
