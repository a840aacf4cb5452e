"""The statistics as they were saved last, beside the sums of the whole life; for people to read."""

from collections import defaultdict
from collections.abc import Callable
from math import isfinite

import msgspec

from poolserver.ledger import meter_sql, share_sql
from poolserver.ledger.database import Connection
from poolserver.ledger.totals import ShareTotals, WorkerKey
from poolserver.stats import meter
from poolserver.stats.meter import NO_READING, REJECT_WINDOWS, WINDOWS, Judged, Reading, Rejects
from poolserver.stats.meters import OF_POOL, Level, MeterName
from poolserver.stats.saved import meters_of

EVER = "ever"


class RejectRatios(msgspec.Struct, frozen=True):
    """Parts of all judged shares, 0 to 1."""

    stale: float
    rejected: float


class Figures(msgspec.Struct, frozen=True):
    """Of the pool, a site, an account or a worker; what does not tell is empty."""

    account: str
    name: str
    hashrate_h_s: dict[str, float]
    """By window, with ``work_scale`` in it."""
    relative_sigma: dict[str, float | None]
    """The Poisson error of each; None before the first share."""
    reject_ratio: dict[str, RejectRatios | None]
    """By window, and ``ever``; None where there is no share."""
    best_difficulty_ever: float
    best_difficulty_in_round: float
    shares: int
    """Ever judged."""
    last_share_unix_ms: int | None


class Report(msgspec.Struct, frozen=True):
    """All figures are of the moment of the last save; None: nothing is saved yet."""

    level: str
    saved_at_unix_ms: int | None
    count: int
    """How many there are; ``figures`` may be the first of them."""
    figures: list[Figures]


def report(connection: Connection, level: Level, top: int | None = None) -> Report:
    """Read it; the highest hashrates of an hour first, ``top`` of them."""
    with connection.transaction():  # of one moment
        rows = list(meter_sql.meters(connection, level))
        pool_rows = list(meter_sql.meters(connection, Level.POOL))
        ever = _sums(connection, level)
    saved_at_ms = max((row.saved_at_ms for row in (*rows, *pool_rows)), default=None)
    # Meters are saved when they change: those of before stood still, and time passed for them.
    now_ms = saved_at_ms or 0
    meters, _ = meters_of(rows, 0.0, now_ms)
    of_pool = meters_of(pool_rows, 0.0, now_ms)[0][Level.POOL].get(OF_POOL)
    round_number = 0 if of_pool is None else meter.round_of(of_pool)
    readings = {name: meter.read(state, 0.0, round_number) for name, state in meters[level].items()}
    names = sorted(
        {*readings, *ever},
        key=lambda name: (-readings.get(name, NO_READING).hashrates.h1, name),
    )
    figures = [
        _figures(name, readings.get(name, NO_READING), ever.get(name, ShareTotals()))
        for name in names[:top]
    ]
    return Report(level.value, saved_at_ms, len(names), figures)


_NAME_OF: dict[Level, Callable[[WorkerKey], MeterName | None]] = {
    Level.POOL: lambda key: OF_POOL,
    Level.SITE: lambda key: MeterName("", key.site),
    # What nobody sent has a site only.
    Level.ACCOUNT: lambda key: MeterName(key.account, "") if key.account else None,
    Level.WORKER: lambda key: MeterName(key.account, key.worker) if key.account else None,
}


def _sums(connection: Connection, level: Level) -> dict[MeterName, ShareTotals]:
    """Of the whole life; an account that moved to another site is one."""
    sums: dict[MeterName, ShareTotals] = defaultdict(ShareTotals)
    for key, totals in share_sql.totals(connection):
        if (name := _NAME_OF[level](key)) is not None:
            sums[name].add(totals)
    return sums


def _figures(name: MeterName, reading: Reading, ever: ShareTotals) -> Figures:
    judged = Judged.of(ever)
    rejects = [*reading.rejects, Rejects.of(judged.judged, judged.stale, judged.rejected)]
    return Figures(
        account=name.account,
        name=name.name,
        hashrate_h_s=dict(zip(WINDOWS, reading.hashrates, strict=True)),
        relative_sigma={
            window: sigma if isfinite(sigma) else None
            for window, sigma in zip(WINDOWS, reading.relative_sigmas, strict=True)
        },
        reject_ratio={
            window: RejectRatios(*each) if each is not None else None
            for window, each in zip((*REJECT_WINDOWS, EVER), rejects, strict=True)
        },
        best_difficulty_ever=ever.best_difficulty,
        best_difficulty_in_round=reading.best_in_round,
        shares=judged.judged,
        last_share_unix_ms=ever.last_ms,
    )
