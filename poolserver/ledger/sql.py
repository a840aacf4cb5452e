"""The statements of the SQLite store. What its columns mean stands in migrations/."""

from fractions import Fraction

from poolserver.ledger.totals import WorkerKey, WorkerTotals
from poolserver.mining.share import ShareOutcome

_OUTCOMES = tuple(outcome.reason for outcome in ShareOutcome)
_EXACT = ("accepted_work", "proven_work", "proven_work_sq")
_TOTALS = ("site", "account", "worker", *_EXACT, "best_hash", "first_ms", "last_ms", *_OUTCOMES)


def _either(function: str, column: str) -> str:
    # SQLite's min() and max() of a NULL are NULL: a side without a value takes the other's.
    mine, new = column, f"excluded.{column}"
    return f"{column} = {function}(coalesce({mine}, {new}), coalesce({new}, {mine}))"


BEGIN_SOURCE = "INSERT INTO source (source, sequence) VALUES (?, 0) ON CONFLICT DO NOTHING"
ADVANCE_SOURCE = "UPDATE source SET sequence = ? WHERE source = ? AND sequence = ?"
SOURCES = "SELECT source, sequence FROM source"

PUT_WORKER = """
    INSERT INTO source_worker (source, worker_ref, account, worker) VALUES (?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET account = excluded.account, worker = excluded.worker
"""
WORKERS = "SELECT source, worker_ref, account, worker FROM source_worker"

ADD_TOTALS = f"""
    INSERT INTO worker_totals ({", ".join(_TOTALS)}) VALUES ({", ".join("?" * len(_TOTALS))})
    ON CONFLICT DO UPDATE SET
    {", ".join(f"{column} = int_sum({column}, excluded.{column})" for column in _EXACT)},
    {", ".join(f"{column} = {column} + excluded.{column}" for column in _OUTCOMES)},
    {_either("min", "best_hash")}, {_either("min", "first_ms")}, {_either("max", "last_ms")}
"""
TOTALS = f"SELECT {', '.join(_TOTALS)} FROM worker_totals"

ADD_ENERGY = """
    INSERT INTO site_energy (site, energy_pj) VALUES (?, ?)
    ON CONFLICT DO UPDATE SET energy_pj = fraction_sum(energy_pj, excluded.energy_pj)
"""
ENERGY = "SELECT site, energy_pj FROM site_energy"


def int_sum(a: str, b: str) -> str:
    """The SQL function that adds decimal TEXT."""
    return str(int(a) + int(b))


def fraction_sum(a: str, b: str) -> str:
    """The SQL function that adds fractions as TEXT."""
    return str(Fraction(a) + Fraction(b))


def totals_row(key: WorkerKey, totals: WorkerTotals) -> tuple[str | int | None, ...]:
    """The row of ADD_TOTALS and TOTALS."""
    return (
        *key,
        str(totals.accepted_work),
        str(totals.proven_work),
        str(totals.proven_work_sq),
        None if totals.best_hash is None else f"{totals.best_hash:064x}",
        totals.first_ms,
        totals.last_ms,
        *totals.shares,
    )


def totals_from_row(
    site: str,
    account: str,
    worker: str,
    accepted_work: str,
    proven_work: str,
    proven_work_sq: str,
    best_hash: str | None,
    first_ms: int | None,
    last_ms: int | None,
    *shares: int,
) -> tuple[WorkerKey, WorkerTotals]:
    """What a row of TOTALS says; the inverse of totals_row()."""
    return WorkerKey(site, account, worker), WorkerTotals(
        accepted_work=int(accepted_work),
        proven_work=int(proven_work),
        proven_work_sq=int(proven_work_sq),
        shares=list(shares),
        best_hash=None if best_hash is None else int(best_hash, 16),
        first_ms=first_ms,
        last_ms=last_ms,
    )
