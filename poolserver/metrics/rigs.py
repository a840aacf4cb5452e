"""What Prometheus is told of the rigs' connections, and of how their conduct is answered."""

from collections import Counter
from collections.abc import Iterable, Iterator

from prometheus_client.core import Metric

from poolserver.cluster.messages import WorkerCounters
from poolserver.crew.tally import Counts, Tally
from poolserver.metrics.families import counter, gauge

# Told of before they happen: a rate needs a zero to start from. See server.guard and listening,
# and the Stratum library's Dropped.
REFUSALS = (
    "banned",
    "dropped",
    "handshake_timeout",
    "proxy_header",
    "proxy_untrusted",
    "slow_peer",
    "slow_sender",
    "too_many_connections",
    "too_many_new_connections",
)

CONNECTIONS = gauge(
    "connections",
    help="Open Stratum connections.",
    meaning="Open Stratum connections, authorized or not",
)
SESSIONS_RESUMED = counter(
    "sessions_resumed",
    help="Lost sessions that their rigs came back to.",
    meaning="Lost sessions that their rigs came back to, since the start",
)
MALFORMED_MESSAGES = counter(
    "malformed_messages",
    help="Messages of rigs that were not well-formed.",
    meaning="Messages of rigs that were not well-formed, since the start",
)
SLOW_CONNECTIONS_DROPPED = counter(
    "slow_connections_dropped",
    help="Connections dropped because they did not read.",
    meaning="Connections dropped because they did not read, since the start",
)
REFUSED = counter(
    "refused",
    "reason",
    help="Connections and rigs that were not let in, or thrown out.",
    meaning=(
        "Connections and rigs that were not let in (`too_many_connections`, "
        "`too_many_new_connections`, `banned`, `proxy_untrusted`, `proxy_header`) or thrown "
        "out (`dropped` for their shares; `handshake_timeout`, `slow_peer`, `slow_sender`), "
        "since the start. See [Stratum](stratum.md)"
    ),
)
BANS = gauge("bans", help="Bans in force.", meaning="Bans in force, of names and of addresses")
REJECTING_CONNECTIONS = gauge(
    "rejecting_connections",
    help="Connections with nothing but rejects now.",
    meaning="Connections with nothing but rejects just now",
)
POOL_AT_FAULT = gauge(
    "pool_at_fault",
    help="1 while so many rigs have rejects that the pool is wrong.",
    meaning="1 while so many rigs have rejects at once that the pool must be the cause",
)
UNRESOLVED_RIGS = gauge(
    "unresolved_rigs",
    help="Rigs that mine with under a share a minute.",
    meaning=(
        "Rigs that mine and send less than a share a minute: their own hashrate cannot be told"
    ),
)
CERTIFICATE_EXPIRY_TIMESTAMP = gauge(
    "certificate_expiry_timestamp_seconds",
    help="When the first TLS one ends.",
    meaning="When the first of the listeners' certificates ends, in Unix time",
    left_out="without TLS",
)
JOBS = gauge("jobs", help="Jobs that shares are still taken for.")
STOPGAP = counter(
    "stopgap_seconds",
    help="Time with only a job without transactions, at the start of a block.",
    meaning=("Time with only a job without transactions, at the start of a block, since the start"),
)
STOPGAP_HASHES = counter(
    "stopgap_hashes",
    help="Hashes proven on jobs without transactions.",
    meaning=("Hashes proven on such jobs, also by rigs that stayed on one longer, since the start"),
)


def rig_families(tally: Tally, counts: Counts) -> Iterator[Metric]:
    """Gauges of the workers that live, and ``counts`` of all lives."""
    living = tally.living.values()
    yield CONNECTIONS.of(sum(each.connections for each in living))
    yield SESSIONS_RESUMED.of(counts.resumed)
    yield MALFORMED_MESSAGES.of(counts.malformed)
    yield SLOW_CONNECTIONS_DROPPED.of(counts.refused["slow_peer"])
    yield from _conduct(living, counts)
    yield JOBS.of(sum(each.jobs for each in living))
    yield STOPGAP.of(counts.stopgap_seconds)
    yield STOPGAP_HASHES.of(counts.stopgap_work)


def _conduct(living: Iterable[WorkerCounters], lives: Counts) -> Iterator[Metric]:
    """Who was not let in, who was thrown out, and whether the pool itself seems wrong."""
    refused = REFUSED.make()
    counts = Counter(dict.fromkeys(REFUSALS, 0))
    counts.update(lives.refused)
    for reason, count in sorted(counts.items()):
        refused.add_metric([reason], count)
    yield refused
    yield BANS.of(sum(each.bans for each in living))
    yield REJECTING_CONNECTIONS.of(sum(each.rejecting for each in living))
    yield POOL_AT_FAULT.of(max((int(each.pool_at_fault) for each in living), default=0))
    yield UNRESOLVED_RIGS.of(sum(each.unresolved for each in living))
    expiries = [
        each.certificate_expires_unix
        for each in living
        if each.certificate_expires_unix is not None
    ]
    if expiries:
        yield CERTIFICATE_EXPIRY_TIMESTAMP.of(min(expiries))
