"""Series of single workers and accounts, where the operator wants them.

There may be 100,000 of them: too many for objects. Their meters are read, and lines written, by C,
a few thousand at a time, so that nobody waits long for Python's lock. Gauges look the same in both
of Prometheus' formats.
"""

import time
from array import array
from collections.abc import Callable, Iterator
from heapq import nlargest
from typing import NamedTuple

from poolserver._native import metric_labels, metric_lines, read_meters
from poolserver.config.metrics import MetricsConfig
from poolserver.metrics.families import GaugeFamily, gauge
from poolserver.stats.meters import MeterName, Meters

# Each takes C a fifth of a millisecond to read, and as long to write: so long the loop waits.
AT_ONCE = 2048
PIECE_BYTES = 1 << 20
"""A piece is made in the thread and sent by the event loop: not so small that the ways between
them are felt, nor so large that sending it is."""
NUMBERS = 7
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

# Of each of the four: what follows the name's labels, which number it is, and its decimals.
_SERIES: tuple[tuple[tuple[bytes, int, int], ...], ...] = (
    ((b',window="5m"} ', 0, 0), (b',window="1h"} ', RATE_1H, 0)),
    ((b',window="5m"} ', 2, 0), (b',window="1h"} ', 3, 0)),
    ((b',window="1h",kind="stale"} ', 4, 6), (b',window="1h",kind="rejected"} ', 5, 6)),
    ((b"} ", 6, 0),),
)


class _Batch(NamedTuple):
    """Some of a level: their labels, and what ``read_meters`` gives of each."""

    labels: bytes
    numbers: bytes


class WorkerSeries:
    """Of the ``meters``, whose clock ``now_s`` is. ``pieces`` may be asked in any thread."""

    def __init__(
        self, meters: Meters, config: MetricsConfig, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._config = config
        self._now_s = now_s
        self._levels = (
            _Level(OF_WORKERS, meters.workers.states, (b'account="', b'",worker="', b'"')),
            _Level(OF_ACCOUNTS, meters.accounts.states, (b'account="', b'"')),
        )

    def pieces(self) -> Iterator[bytes]:
        """All lines, some at a time."""
        most = self._config.top if self._config.workers == "top" else None
        now_s, size = self._now_s(), 0
        piece: list[bytes] = []
        for level in self._levels:
            for lines in level.lines(now_s, most):
                piece.append(lines)
                size += len(lines)
                if size >= PIECE_BYTES:
                    yield b"".join(piece)
                    piece.clear()
                    size = 0
        yield b"".join(piece)


class _Level:
    """Workers, or accounts. The states are the meters' own, and change under us."""

    def __init__(
        self,
        families: tuple[GaugeFamily, ...],
        states: dict[MeterName, bytes],
        around: tuple[bytes, ...],
    ) -> None:
        """``around`` the texts of a name it has labels."""
        self._families = families
        self._states = states
        self._around = around

    def lines(self, now_s: float, most: int | None) -> Iterator[bytes]:
        """Of all, or of so many with most hashrate."""
        states = self._states.copy()  # in one go, as far as other threads can tell
        names, packed = tuple(states), tuple(states.values())
        if most is not None and most < len(names):
            best = _best(packed, now_s, most)
            names, packed = tuple(names[i] for i in best), tuple(packed[i] for i in best)
        batches = [
            _Batch(
                metric_labels(names[i : i + AT_ONCE], self._around),
                read_meters(packed[i : i + AT_ONCE], now_s),
            )
            for i in range(0, len(names), AT_ONCE)
        ]
        for family, series in zip(self._families, _SERIES, strict=True):
            yield f"# HELP {family.name} {family.help}\n# TYPE {family.name} gauge\n".encode()
            head = f"{family.name}{{".encode()
            for tail, column, decimals in series:
                for batch in batches:
                    yield metric_lines(head, batch.labels, tail, batch.numbers, column, decimals)


def _best(states: tuple[bytes, ...], now_s: float, most: int) -> list[int]:
    """Places of those with most hashrate over an hour, the first of them first."""
    rates = array("d")
    for begin in range(0, len(states), AT_ONCE):
        numbers = array("d", read_meters(states[begin : begin + AT_ONCE], now_s))
        rates += numbers[RATE_1H::NUMBERS]
    return nlargest(most, range(len(states)), key=rates.__getitem__)
