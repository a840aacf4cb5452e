"""Series of workers: what they say, of whom, and that no name can forge one."""

from collections.abc import Iterator
from math import isfinite

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import generate_latest
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

from poolserver.config.metrics import MetricsConfig
from poolserver.ledger.totals import ShareTotals, WorkerKey
from poolserver.metrics.lines import AT_ONCE
from poolserver.metrics.workers import WorkerSeries
from poolserver.mining.share import ShareOutcome
from poolserver.stats.meters import Level, Meters
from tests.unit.share_counts import share_counts

RATE = "worker_hashrate_hashes_per_second"


def totals(accepted: int, stale: int = 0, work: int = 10**12) -> ShareTotals:
    counts = share_counts({ShareOutcome.ACCEPTED: accepted, ShareOutcome.STALE: stale})
    return ShareTotals(0, accepted * work, accepted * work * work, counts)


def mining(meters: Meters, account: str, worker: str, accepted: int, stale: int = 0) -> None:
    meters.declare(account, worker, 0.0)
    shares = [(WorkerKey("hall", account, worker), totals(accepted, stale))]
    meters.update(meters.judged(shares), 600.0)


def series(meters: Meters, now_s: float = 600.0, **config: object) -> Iterator[Metric]:
    terms = MetricsConfig(**({"workers": "all"} | config))  # type: ignore[arg-type]
    text = b"".join(WorkerSeries(meters, terms, lambda: now_s).lines(generate_latest)).decode()
    yield from text_string_to_metric_families(text)


def values(metrics: Iterator[Metric], name: str) -> dict[tuple[str, ...], float]:
    (family,) = (family for family in metrics if family.name == f"poolserver_{name}")
    return {tuple(sample.labels.values()): sample.value for sample in family.samples}


@pytest.fixture
def meters() -> Meters:
    return Meters(lambda account: "hall")


def test_a_worker_is_told_as_its_meter_reads(meters: Meters) -> None:
    mining(meters, "a", "a.rig1", accepted=3, stale=1)
    reading = meters.read(Level.WORKER, ("a", "a.rig1"), 660.0)
    name = ("a", "a.rig1")
    rates = values(series(meters, 660.0), RATE)
    assert rates[*name, "5m"] == pytest.approx(reading.hashrates.m5, abs=1)
    assert rates[*name, "1h"] == pytest.approx(reading.hashrates.h1, abs=1)
    sigmas = values(series(meters, 660.0), "worker_hashrate_sigma_hashes_per_second")
    wanted = reading.hashrates.h1 * reading.relative_sigmas.h1
    assert sigmas[*name, "1h"] == pytest.approx(wanted, abs=1)
    rejects = values(series(meters, 660.0), "worker_reject_ratio")
    assert rejects == {(*name, "1h", "stale"): 0.25, (*name, "1h", "rejected"): 0.0}
    assert values(series(meters, 660.0), "worker_last_share_age_seconds") == {name: 60.0}
    accounts = values(series(meters, 660.0), "account_hashrate_hashes_per_second")
    assert accounts["a", "1h"] == rates[*name, "1h"]


def test_before_the_first_share_there_is_only_a_rate_of_nothing(meters: Meters) -> None:
    meters.declare("a", "a.rig1", 0.0)
    names = {family.name for family in series(meters) if family.samples}
    assert names == {f"poolserver_{RATE}", "poolserver_account_hashrate_hashes_per_second"}


def test_the_top_ones_are_those_with_most_hashrate_in_an_hour(meters: Meters) -> None:
    count = AT_ONCE + 10  # more than one batch
    for number in range(count):
        mining(meters, f"a{number}", f"a{number}.rig", accepted=1 + number)
    rates = values(series(meters, workers="top", top=3), RATE)
    assert {labels[1] for labels in rates} == {f"a{count - 1 - n}.rig" for n in range(3)}
    accounts = values(series(meters, workers="top", top=3), "account_hashrate_hashes_per_second")
    assert len(accounts) == 2 * 3


def test_all_are_told_however_many(meters: Meters) -> None:
    count = 2 * AT_ONCE + 1
    for number in range(count):
        mining(meters, "a", f"a.rig{number:05d}", accepted=1)
    assert len(values(series(meters), RATE)) == 2 * count


def test_who_has_left_is_told_no_more_and_who_came_is(meters: Meters) -> None:
    mining(meters, "a", "a.old", accepted=1)
    told = WorkerSeries(meters, MetricsConfig(workers="all"), lambda: 600.0)
    assert b"a.old" in b"".join(told.lines(generate_latest))
    del meters.workers.states["a", "a.old"]
    mining(meters, "a", "a.new", accepted=1)
    text = b"".join(told.lines(generate_latest))
    assert b"a.new" in text
    assert b"a.old" not in text


@given(name=st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_no_name_can_forge_a_line(name: str) -> None:
    meters = Meters(lambda account: "hall")
    mining(meters, name, f"{name}.rig", accepted=1)
    families = list(series(meters))
    assert len(families) == 8
    assert sum(len(family.samples) for family in families) == 14
    assert set(values(iter(families), RATE)) == {(name, f"{name}.rig", w) for w in ("5m", "1h")}
    assert all(isfinite(sample.value) for family in families for sample in family.samples)
