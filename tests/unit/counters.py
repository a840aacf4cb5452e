"""A worker's counters for tests of those who read them."""

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
