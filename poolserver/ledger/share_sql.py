"""The store's statements about shares: who stands where, and the sums. See migrations/."""

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from poolserver.ledger.database import Connection, Table, Value
from poolserver.ledger.delta import Delta, TemplateInForce, WorkerRef
from poolserver.ledger.totals import ShareTotals, WorkerKey
from poolserver.mining.share import ShareOutcome

SUMS = {
    "exact": ("accepted_work", "proven_work", "proven_work_sq"),
    "counts": tuple(outcome.reason for outcome in ShareOutcome),
    "least": ("best_hash", "first_ms"),
    "greatest": ("last_ms",),
}
WORKER_TOTALS = Table("worker_totals", ("worker_id",), **SUMS)
WORKER_INTERVAL = Table("worker_interval", ("begin_s", "worker_id"), **SUMS)
ACCOUNT_INTERVAL = Table(
    "account_interval",
    ("begin_s", "site", "account", "nbits"),
    exact=("accepted_work", "value_work"),
)
SOURCE_TEMPLATE = Table("source_template", ("source",), replaced=("height", "nbits", "value_sat"))
SUM_COLUMNS = ", ".join((*SUMS["exact"], *SUMS["counts"], *SUMS["least"], *SUMS["greatest"]))

_BEGIN_SOURCE = """
    INSERT INTO source (source, sequence, ended) VALUES (?, 0, 0) ON CONFLICT (source) DO NOTHING
"""
_ADVANCE_SOURCE = "UPDATE source SET sequence = ? WHERE source = ? AND sequence = ?"
_NOTE_SAVE = """
    INSERT INTO last_save (one, token) VALUES (1, ?)
    ON CONFLICT (one) DO UPDATE SET token = excluded.token
"""
_PUT_WORKER_REF = """
    INSERT INTO source_worker (source, worker_ref, account, worker) VALUES (?, ?, ?, ?)
    ON CONFLICT (source, worker_ref)
    DO UPDATE SET account = excluded.account, worker = excluded.worker
"""
_NAMED_SOURCES = "SELECT source FROM source_worker UNION SELECT source FROM source_template"
_ADD_WORKER = """
    INSERT INTO worker (site, account, worker) VALUES (?, ?, ?)
    ON CONFLICT (site, account, worker) DO NOTHING
"""
_WORKER_ID = "SELECT id FROM worker WHERE site = ? AND account = ? AND worker = ?"
_TOTALS = (
    f"SELECT site, account, worker, {SUM_COLUMNS} FROM worker_totals JOIN worker ON id = worker_id"
)


def advance(connection: Connection, source: str, after: int, through: int) -> bool:
    """Note how far a source is counted in; False where it does not stand at ``after``."""
    connection.execute(_BEGIN_SOURCE, (source,))
    return connection.execute(_ADVANCE_SOURCE, (through, source, after)).rowcount == 1


def note_save(connection: Connection, token: str) -> None:
    """Note which save this transaction is, to know later whether it was committed."""
    connection.execute(_NOTE_SAVE, (token,))


def last_save(connection: Connection) -> str | None:
    """The token of the last save that was committed."""
    row = connection.execute("SELECT token FROM last_save").fetchone()
    return None if row is None else str(row[0])


def add_workers(connection: Connection, workers: Mapping[WorkerRef, tuple[str, str]]) -> None:
    """What the numbers of workers stand for."""
    connection.executemany(_PUT_WORKER_REF, ((*ref, *name) for ref, name in workers.items()))


def worker_id(connection: Connection, key: WorkerKey) -> int:
    """The number of a worker's rows, which it is given where it has none."""
    connection.execute(_ADD_WORKER, key)
    row = connection.execute(_WORKER_ID, key).fetchone()
    assert row is not None
    return int(row[0])


def add_shares(connection: Connection, delta: Delta, ids: Mapping[WorkerKey, int]) -> None:
    """The sums of workers and accounts, and the templates in force."""
    connection.upsert(
        WORKER_INTERVAL,
        ((key.begin_s, ids[key.worker], *sums(each)) for key, each in delta.intervals.items()),
    )
    connection.upsert(
        WORKER_TOTALS, ((ids[key], *sums(each)) for key, each in delta.by_worker().items())
    )
    connection.upsert(
        ACCOUNT_INTERVAL,
        (
            (*key, str(each.accepted_work), str(each.value_work))
            for key, each in delta.earnings.items()
        ),
    )
    connection.upsert(
        SOURCE_TEMPLATE, ((source, *each) for source, each in delta.templates.items())
    )


def add_energy(connection: Connection, site_energy_pj: Mapping[str, Fraction]) -> None:
    """Energy by site; few rows, and no database has fractions."""
    for site, news_pj in site_energy_pj.items():
        energy_pj = energy(connection).get(site, Fraction(0)) + news_pj
        connection.execute(
            "INSERT INTO site_energy (site, energy_pj) VALUES (?, ?)"
            " ON CONFLICT (site) DO UPDATE SET energy_pj = excluded.energy_pj",
            (site, str(energy_pj)),
        )


def energy(connection: Connection) -> dict[str, Fraction]:
    """Picojoules by site."""
    rows = connection.execute("SELECT site, energy_pj FROM site_energy")
    return {site: Fraction(pj) for site, pj in rows}


def totals(connection: Connection) -> Iterable[tuple[WorkerKey, ShareTotals]]:
    """The sums of every worker over all intervals."""
    for site, account, worker, *columns in connection.execute(_TOTALS):
        yield WorkerKey(site, account, worker), sums_of(columns)


def progress(connection: Connection) -> dict[str, int]:
    """The last sequence of each source that is counted in."""
    return dict(connection.execute("SELECT source, sequence FROM source").fetchall())


def ended(connection: Connection) -> set[str]:
    """Sources whose life is over and of which every record is counted in."""
    rows = connection.execute("SELECT source FROM source WHERE ended = 1")
    return {source for (source,) in rows}


def end_sources(connection: Connection, sources: Iterable[str]) -> None:
    """Note that these have ended; nobody speaks of their workers' numbers again."""
    for source in sources:
        connection.execute(_BEGIN_SOURCE, (source,))
        connection.execute("UPDATE source SET ended = 1 WHERE source = ?", (source,))


def note_pruned(connection: Connection, through: Mapping[str, int], gone: Iterable[str]) -> None:
    """Note up to which record journals are deleted; of ``gone`` nothing is to be folded again.

    Of those there are more with each life of the pool, and but few that still have workers.
    """
    for source, sequence in through.items():
        connection.execute("UPDATE source SET pruned = ? WHERE source = ?", (sequence, source))
    rows = connection.execute(_NAMED_SOURCES)
    for source in {source for (source,) in rows}.intersection(gone):
        connection.execute("DELETE FROM source_worker WHERE source = ?", (source,))
        connection.execute("DELETE FROM source_template WHERE source = ?", (source,))


def pruned(connection: Connection) -> dict[str, int]:
    """The last record of each source that was deleted by age or size; 0 where none was."""
    return dict(connection.execute("SELECT source, pruned FROM source").fetchall())


def worker_refs(connection: Connection) -> dict[WorkerRef, tuple[str, str]]:
    """What the numbers of workers stand for, of sources that have not ended."""
    rows = connection.execute(
        "SELECT source, worker_ref, account, worker FROM source_worker"
        " JOIN source USING (source) WHERE ended = 0"
    )
    return {WorkerRef(source, ref): (account, worker) for source, ref, account, worker in rows}


def templates(connection: Connection) -> dict[str, TemplateInForce]:
    """The last template of each source that has not ended."""
    rows = connection.execute(
        "SELECT source, height, nbits, value_sat FROM source_template"
        " JOIN source USING (source) WHERE ended = 0"
    )
    return {source: TemplateInForce(*template) for source, *template in rows}


def sums(each: ShareTotals) -> tuple[Value, ...]:
    """The columns of SUMS."""
    return (
        str(each.accepted_work),
        str(each.proven_work),
        str(each.proven_work_sq),
        *each.shares,
        None if each.best_hash is None else each.best_hash.to_bytes(32, "big"),
        each.first_ms,
        each.last_ms,
    )


def sums_of(columns: Sequence[Any]) -> ShareTotals:
    """What SUM_COLUMNS say; the inverse of sums()."""
    accepted_work, proven_work, proven_work_sq, *shares, best_hash, first_ms, last_ms = columns
    return ShareTotals(
        accepted_work=int(accepted_work),
        proven_work=int(proven_work),
        proven_work_sq=int(proven_work_sq),
        shares=[int(count) for count in shares],
        best_hash=None if best_hash is None else int.from_bytes(best_hash, "big"),
        first_ms=first_ms,
        last_ms=last_ms,
    )
