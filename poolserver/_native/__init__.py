"""Hashing in C: the share check, and what else must be fast.

``_sharecheck`` is the C extension (sha256d.c and template_json.c below module.c), ``twin`` says the
same in Python. The twin stands in only where the extension was not built; one that is there but
does not load is an error.
"""

from typing import TYPE_CHECKING, Literal

IMPLEMENTATION: Literal["c", "python"]

if TYPE_CHECKING:
    from poolserver._native._sharecheck import (
        BACKENDS,
        JobHasher,
        backend,
        scan_nonces,
        set_backend,
        sha256d,
        sha256d_pairs,
        take_transactions,
    )
else:
    try:
        from poolserver._native._sharecheck import (
            BACKENDS,
            JobHasher,
            backend,
            scan_nonces,
            set_backend,
            sha256d,
            sha256d_pairs,
            take_transactions,
        )

        IMPLEMENTATION = "c"
    except ModuleNotFoundError:
        from poolserver._native.twin import (
            BACKENDS,
            JobHasher,
            backend,
            scan_nonces,
            set_backend,
            sha256d,
            sha256d_pairs,
            take_transactions,
        )

        IMPLEMENTATION = "python"

# For now in Python.
from poolserver._native.journal_twin import ShareSum, sum_shares  # noqa: E402

__all__ = [
    "BACKENDS",
    "IMPLEMENTATION",
    "JobHasher",
    "ShareSum",
    "backend",
    "scan_nonces",
    "set_backend",
    "sha256d",
    "sha256d_pairs",
    "sum_shares",
    "take_transactions",
]
