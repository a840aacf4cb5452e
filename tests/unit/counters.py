"""A worker's counters, and a node group's, for tests of those who read them."""

from types import SimpleNamespace
from typing import Any

from poolserver.cluster.messages import WorkerCounters


def worker_counters(**changes: Any) -> WorkerCounters:
    """One connection, one job, nothing wrong."""
    counters: dict[str, Any] = {
        "source": "pool-1/0/1",
        "connections": 1,
        "rigs": {"a": 1},
        "jobs": 1,
        "malformed": 0,
        "unresolved": 0,
        "resumed": 0,
        "refused": {},
        "bans": 0,
        "rejecting": 0,
        "pool_at_fault": False,
        "stopgap_seconds": 0.0,
        "stopgap_work": 0.0,
        "certificate_expires_unix": 1_800_000_000,
        "blocks_unsettled": 0,
        "blocks_unspooled": 0,
        "journal_failed": False,
        "journal_dropped": 0,
    }
    return WorkerCounters(**{**counters, **changes})


def node_group(**changes: Any) -> Any:
    """What a node group tells, of no nodes; all is well."""
    told: dict[str, Any] = {
        "figures": list,
        "is_split": False,
        "split_depth": 0,
        "is_stale": False,
        "switches": {"failover": 0},
    }
    return SimpleNamespace(**{**told, **changes})
