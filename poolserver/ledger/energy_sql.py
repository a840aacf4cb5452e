"""The store's statements about power and energy. See migrations/."""

from collections.abc import Mapping

from poolserver.ledger.database import Connection, Table
from poolserver.ledger.delta import NodeKey, NodeWork

NODE_WORK = Table(
    "node_work",
    ("begin_s", "node", "model", "source", "j_per_th"),
    exact=("proven_work", "proven_work_sq", "accepted_work"),
)


def add_node_work(connection: Connection, nodes: Mapping[NodeKey, NodeWork]) -> None:
    """Add work at power nodes."""
    connection.upsert(
        NODE_WORK,
        (
            (
                begin_s,
                node,
                rating.model,
                int(rating.source),
                str(rating.j_per_th),
                str(work.proven_work),
                str(work.proven_work_sq),
                str(work.accepted_work),
            )
            for (begin_s, node, rating), work in nodes.items()
        ),
    )
