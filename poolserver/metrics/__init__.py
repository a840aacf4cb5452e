"""Everything that Prometheus is told, read from plain numbers at each scrape."""

from poolserver.metrics.audit import AuditMetrics
from poolserver.metrics.crew import CrewMetrics
from poolserver.metrics.nodes import NodeMetrics, ProposalMetrics, RpcMetrics
from poolserver.metrics.pool import PoolMetrics
from poolserver.metrics.power import PowerMetrics
from poolserver.metrics.process import CollectorMetrics
from poolserver.metrics.reloads import ReloadMetrics
from poolserver.metrics.signals import SignalMetrics

__all__ = [
    "AuditMetrics",
    "CollectorMetrics",
    "CrewMetrics",
    "NodeMetrics",
    "PoolMetrics",
    "PowerMetrics",
    "ProposalMetrics",
    "ReloadMetrics",
    "RpcMetrics",
    "SignalMetrics",
]
