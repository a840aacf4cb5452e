"""What a worker process times: a histogram each, that the coordinator adds up.

Each is named here with its bounds, which both sides know; what crosses the seam are counts.
"""

from collections.abc import Mapping

from poolserver.cluster.messages import Timed
from poolserver.histogram import CALL_S, DISK_S, QUICK_S, Histogram
from poolserver.process_watch import LAG_S

SHARE_LATENCY = "share_latency"
"""From a share's bytes, read, to its answer, handed to the socket."""
NEW_TIP = "new_tip"
"""From a node's first word of a new block to the last rig that was sent work on it."""
FAN_OUT = "fan_out"
"""A job to all rigs of a process."""
SUBMIT_BLOCK = "submit_block"
"""A node's judgement of a block."""
JOURNAL_SYNC = "journal_sync"
"""The share journal's records to the disk."""
LOOP_LAG = "loop_lag"
GARBAGE = ("garbage_0", "garbage_1", "garbage_2")
"""Runs of the garbage collector, by generation."""

# A lane's turn waits for 4 ms, and an answer for the journal: so much is usual, more is not.
_ANSWER_S = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0)
# A node makes a template in some tenths of a second; a stopgap does not wait for that.
_TIP_S = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)

BOUNDS_S: Mapping[str, tuple[float, ...]] = {
    SHARE_LATENCY: _ANSWER_S,
    NEW_TIP: _TIP_S,
    FAN_OUT: DISK_S,
    SUBMIT_BLOCK: CALL_S,
    JOURNAL_SYNC: DISK_S,
    LOOP_LAG: LAG_S,
    **dict.fromkeys(GARBAGE, QUICK_S),
}


def timing(name: str) -> Histogram:
    """An empty one."""
    return Histogram(BOUNDS_S[name])


def timed(observed: Histogram) -> Timed:
    """As it crosses the seam."""
    return Timed(observed.counts, observed.seconds)
