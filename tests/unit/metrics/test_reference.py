"""Metrics are declared once: a scrape, its types, labels and help are what is declared."""

import re

import pytest
from prometheus_client.core import Metric

from poolserver.metrics.families import Family
from poolserver.metrics.reference import LABELS, declared
from tests.unit.metrics.full_stage import full_registry

SUFFIXES = {"counter": "_total", "info": "_info"}
UNITS = ("seconds", "watts", "joules", "bytes", "satoshis", "hashes", "ratio", "info", "total")


@pytest.fixture(scope="module")
def scraped() -> dict[str, Metric]:
    return {f.name + SUFFIXES.get(f.type, ""): f for f in full_registry().collect()}


def labels_of(metric: Metric) -> set[str]:
    assert metric.samples, f"the stage has nothing of {metric.name}"
    return {label for sample in metric.samples for label in sample.labels} - {"le"}


def test_all_that_is_declared_is_scraped_and_nothing_else(scraped: dict[str, Metric]) -> None:
    assert sorted(scraped) == sorted(declared())


@pytest.mark.parametrize("family", declared().values(), ids=lambda family: family.name)
def test_a_family_is_scraped_as_declared(family: Family, scraped: dict[str, Metric]) -> None:
    metric = scraped[family.name]
    assert metric.type == family.kind
    assert metric.documentation == family.help
    assert labels_of(metric) == set(family.labels)


def test_of_each_label_it_is_said_how_many_values_it_may_have() -> None:
    used = {label for family in declared().values() for label in family.labels}
    assert used == set(LABELS)


@pytest.mark.parametrize("family", declared().values(), ids=lambda family: family.name)
def test_help_is_one_sentence(family: Family) -> None:
    assert re.fullmatch(r"[A-Z0-9].*\.", family.help)
    assert len(family.help) < 100
