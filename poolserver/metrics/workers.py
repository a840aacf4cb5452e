"""Series of single workers and accounts, where the operator wants them.

Their meters are read, and their lines written, by C (``lines``).
"""

import time
from array import array
from collections.abc import Callable, Iterator
from heapq import nlargest
from typing import NamedTuple

from poolserver._native import read_meters
from poolserver.config.metrics import MetricsConfig
from poolserver.metrics.families import GaugeFamily, gauge
from poolserver.metrics.lines import Encoder, batches, heading, lines, pack_labels
from poolserver.stats.meters import MeterName, Meters

COLUMNS = 7
RATE_1H = 1  # which of them

_UNLESS_WANTED = "unless `metrics.workers` asks for it"


def _declare(level: str, *labels: str) -> tuple[GaugeFamily, GaugeFamily, GaugeFamily, GaugeFamily]:
    hashrate = f"{level}_hashrate"
    return (
        gauge(
            f"{hashrate}_hashes_per_second",
            *labels,
            "window",
            help="Proven hashrate.",
            meaning="Proven hashrate over `5m` and `1h`",
            left_out=_UNLESS_WANTED,
        ),
        gauge(
            f"{hashrate}_sigma_hashes_per_second",
            *labels,
            "window",
            help="Its standard error, of chance alone.",
            left_out=f"before the first share, and {_UNLESS_WANTED}",
        ),
        gauge(
            f"{level}_reject_ratio",
            *labels,
            "window",
            "kind",
            help="Part of all judged shares.",
            meaning="Part of all judged shares, 0 to 1, over `1h`; `kind` is `stale` or `rejected`",
            left_out=f"before the first share, and {_UNLESS_WANTED}",
        ),
        gauge(
            f"{level}_last_share_age_seconds",
            *labels,
            help="Since its last share, accepted or not.",
            left_out=f"before the first share, and {_UNLESS_WANTED}",
        ),
    )


OF_WORKERS = WORKER_HASHRATE, WORKER_SIGMA, WORKER_REJECTS, WORKER_AGE = _declare(
    "worker", "account", "worker"
)
OF_ACCOUNTS = ACCOUNT_HASHRATE, ACCOUNT_SIGMA, ACCOUNT_REJECTS, ACCOUNT_AGE = _declare(
    "account", "account"
)

# Of each of the four: labels behind the name's, which column it is, and its decimals.
_SERIES: tuple[tuple[tuple[bytes, int, int], ...], ...] = (
    ((b',window="5m"', 0, 0), (b',window="1h"', RATE_1H, 0)),
    ((b',window="5m"', 2, 0), (b',window="1h"', 3, 0)),
    ((b',window="1h",kind="stale"', 4, 6), (b',window="1h",kind="rejected"', 5, 6)),
    ((b"", 6, 0),),
)


class _Batch(NamedTuple):
    """Some of a level: their labels, and what ``read_meters`` gives of them."""

    labels: bytes
    numbers: bytes


class WorkerSeries:
    """Of the ``meters``, whose clock ``now_s`` is. ``lines`` may be asked in any thread."""

    def __init__(
        self, meters: Meters, config: MetricsConfig, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._config = config
        self._now_s = now_s
        self._levels = (
            _Level(OF_WORKERS, meters.workers.states, ("account", "worker")),
            _Level(OF_ACCOUNTS, meters.accounts.states, ("account",)),
        )

    def lines(self, encode: Encoder) -> Iterator[bytes]:
        """All of them, some at a time."""
        most = self._config.top if self._config.workers == "top" else None
        now_s = self._now_s()
        for level in self._levels:
            yield from level.lines(now_s, most, encode)


class _Level:
    """Workers, or accounts. The states are the meters' own, and change under us."""

    def __init__(
        self,
        families: tuple[GaugeFamily, ...],
        states: dict[MeterName, bytes],
        labels: tuple[str, ...],
    ) -> None:
        """``labels`` are of the texts of a name, the first ones."""
        self._families = families
        self._states = states
        self._labels = labels

    def lines(self, now_s: float, most: int | None, encode: Encoder) -> Iterator[bytes]:
        """Of all, or of so many with most hashrate."""
        states = self._states.copy()  # in one go, as far as other threads can tell
        names, packed = tuple(states), tuple(states.values())
        if most is not None and most < len(names):
            best = _best(packed, now_s, most)
            names, packed = tuple(names[i] for i in best), tuple(packed[i] for i in best)
        rows = [
            _Batch(pack_labels(some, *self._labels), read_meters(states, now_s))
            for some, states in zip(batches(names), batches(packed), strict=True)
        ]
        for family, series in zip(self._families, _SERIES, strict=True):
            yield heading(family, encode)
            for more, column, decimals in series:
                for labels, numbers in rows:
                    yield lines(family, labels, _column(numbers, column), decimals, more)


def _best(states: tuple[bytes, ...], now_s: float, most: int) -> list[int]:
    """Places of those with most hashrate over an hour, the first of them first."""
    rates = array("d")
    for some in batches(states):
        rates.frombytes(_column(read_meters(some, now_s), RATE_1H))
    return nlargest(most, range(len(states)), key=rates.__getitem__)


def _column(numbers: bytes, column: int) -> bytes:
    size = len(numbers) // COLUMNS
    return numbers[column * size : (column + 1) * size]
