"""Hashing in C: the share check, and what else must be fast.

``_sharecheck`` is the C extension (sha256d.c, template_json.c and journal_records.c below
module.c), ``twin`` says the same in Python. The twin stands in only where the extension was not
built; one that is there but does not load is an error.
"""

from typing import TYPE_CHECKING, Literal

IMPLEMENTATION: Literal["c", "python"]

if TYPE_CHECKING:
    from poolserver._native._sharecheck import (
        BACKENDS,
        JobHasher,
        ShareSum,
        backend,
        pack_share,
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
            JobHasher,
            ShareSum,
            backend,
            pack_share,
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
            JobHasher,
            ShareSum,
            backend,
            pack_share,
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
    "IMPLEMENTATION",
    "JobHasher",
    "ShareSum",
    "backend",
    "pack_share",
    "scan_nonces",
    "set_backend",
    "sha256d",
    "sha256d_pairs",
    "skip_records",
    "sum_shares",
    "take_transactions",
    "update_meter",
]
