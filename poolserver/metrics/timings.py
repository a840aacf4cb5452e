"""What Prometheus is told of how long it takes: shares to be answered, work to come to all rigs."""

from collections.abc import Iterator

from prometheus_client.core import Metric

from poolserver.cluster import timings
from poolserver.crew.tally import Counts
from poolserver.metrics.families import histogram

SHARE_LATENCY = histogram(
    "share_latency_seconds",
    help="From a share's bytes, read, to its answer, handed to the socket.",
    meaning=(
        "From a share's bytes, read, to its answer, handed to the socket: judged, written to the "
        'journal and, with `journal.release_policy = "sync"`, on the disk. Of each share, '
        "accepted or not, but for those that cannot be recorded"
    ),
)
NEW_TIP = histogram(
    "new_tip_to_rigs_seconds",
    help="From a node's first word of a new block to the last rig that was sent work on it.",
    meaning=(
        "From a node's first word of a new block (by ZMQ, a poll, or a template that has come in "
        "whole) to the last rig of a worker process that was sent work on it, be that a "
        "[stopgap](templates.md). One of each block and worker process with rigs"
    ),
)
FAN_OUT = histogram(
    "job_fan_out_seconds",
    help="Time to send a job to all rigs of a worker process.",
)
SUBMIT_BLOCK = histogram(
    "submitblock_seconds",
    help="Time that a node took to judge a found block.",
    meaning=(
        "Time that a node took to judge a found block, or to say nothing until the call was given "
        "up. One of each block and node, and of each try"
    ),
)


def timing_families(counts: Counts) -> Iterator[Metric]:
    """Sums over all lives of all workers."""
    yield SHARE_LATENCY.of(counts.timed[timings.SHARE_LATENCY])
    yield NEW_TIP.of(counts.timed[timings.NEW_TIP])
    yield FAN_OUT.of(counts.timed[timings.FAN_OUT])
    yield SUBMIT_BLOCK.of(counts.timed[timings.SUBMIT_BLOCK])
