"""Hashing in C: the share check, and what else must be fast.

``_sharecheck`` is the C extension: plain C (share_hash.c, share_lane.c, journal_records.c and the
like) below module.c, the glue. ``twin`` says the same in Python. The twin stands in only where the
extension was not built; one that is there but does not load is an error.

The lane of ordinary shares (``ShareLane``, ``LaneRig``, ``LaneTurn``) is in C only: the plain path
is its twin. Whether there is one tells ``IMPLEMENTATION == "c"``.
"""

import sys
from typing import TYPE_CHECKING, Literal

IMPLEMENTATION: Literal["c", "python"]

if TYPE_CHECKING:
    from poolserver._native._sharecheck import (
        BACKENDS,
        Histogram,
        JobHasher,
        LaneRig,
        LaneTurn,
        RigSocket,
        RigSockets,
        ShareLane,
        ShareSet,
        ShareSum,
        ShareTotals,
        backend,
        metric_labels,
        metric_lines,
        pack_share,
        read_meters,
        scan_nonces,
        set_backend,
        sha256d,
        sha256d_pairs,
        skip_records,
        sum_shares,
        take_transactions,
        update_meter,
    )
else:
    try:
        from poolserver._native._sharecheck import (
            BACKENDS,
            Histogram,
            JobHasher,
            LaneRig,
            LaneTurn,
            ShareLane,
            ShareSet,
            ShareSum,
            ShareTotals,
            backend,
            metric_labels,
            metric_lines,
            pack_share,
            read_meters,
            scan_nonces,
            set_backend,
            sha256d,
            sha256d_pairs,
            skip_records,
            sum_shares,
            take_transactions,
            update_meter,
        )

        IMPLEMENTATION = "c"
    except ModuleNotFoundError:
        from poolserver._native.twin import (
            BACKENDS,
            Histogram,
            JobHasher,
            ShareSet,
            ShareSum,
            ShareTotals,
            backend,
            metric_labels,
            metric_lines,
            pack_share,
            read_meters,
            scan_nonces,
            set_backend,
            sha256d,
            sha256d_pairs,
            skip_records,
            sum_shares,
            take_transactions,
            update_meter,
        )

        IMPLEMENTATION = "python"

__all__ = [
    "BACKENDS",
    "HAS_WIRE",
    "IMPLEMENTATION",
    "Histogram",
    "JobHasher",
    "ShareSet",
    "ShareSum",
    "ShareTotals",
    "backend",
    "metric_labels",
    "metric_lines",
    "pack_share",
    "read_meters",
    "scan_nonces",
    "set_backend",
    "sha256d",
    "sha256d_pairs",
    "skip_records",
    "sum_shares",
    "take_transactions",
    "update_meter",
]

if IMPLEMENTATION == "c":
    __all__ += ["LaneRig", "LaneTurn", "ShareLane"]
HAS_WIRE = IMPLEMENTATION == "c" and sys.platform == "linux"
"""Whether there are RigSockets, which have Linux's epoll."""
if HAS_WIRE:
    if not TYPE_CHECKING:
        from poolserver._native._sharecheck import RigSocket, RigSockets
    __all__ += ["RigSocket", "RigSockets"]
