"""Intervals and tariffs that cannot be meant are told so."""

from collections.abc import Callable
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import pytest

from poolserver.config import parse_config
from poolserver.control_room.tariff_outfit import power_tariff
from poolserver.power.schedule import Hours, Season
from poolserver.power.tariff import CapacityPrice, EnergyPrice, FixedPrice, Part

After = Callable[..., list[str]]

TARIFF = """
[tariff]
currency = "PKR"
time_zone = "Asia/Karachi"
baseline_mw = 1.5

[[tariff.components]]
name = "energy"
kind = "energy"
price = 23.5
part = "incremental"

[[tariff.components]]
name = "peak"
kind = "energy"
price = 4
months = [12]
days = ["sat"]
hours = ["18:00-22:00"]

[[tariff.components]]
name = "capacity"
kind = "capacity"
price = 1250

[[tariff.components]]
name = "line"
kind = "fixed"
price = 1_000_000
"""


def test_a_tariff_is_made_of_its_components(after: After, good: str) -> None:
    assert after(text=good + TARIFF) == []
    config = parse_config(good + TARIFF, source="", folder=Path(), environ={})
    tariff = power_tariff(config)
    assert (tariff.currency, tariff.baseline_w, tariff.baseline_j_month) == ("PKR", 1_500_000, None)
    energy, peak, capacity, fixed = tariff.components
    assert energy == EnergyPrice("energy", Fraction("23.5"), Part.INCREMENTAL)
    assert isinstance(peak, EnergyPrice)
    assert peak.when is not None
    assert peak.when.hours == (Hours(18 * 60, 22 * 60),)
    assert peak.when.seasons == (Season((12, 1), (12, 31)),)
    assert peak.when.holds(0, datetime(2026, 12, 5, 21, 59, tzinfo=UTC))
    assert not peak.when.holds(0, datetime(2026, 12, 6, 21, 59, tzinfo=UTC))
    assert capacity == CapacityPrice("capacity", Fraction(1250))
    assert fixed == FixedPrice("line", Fraction(1_000_000))


def test_a_baseline_may_be_of_energy(good: str) -> None:
    text = good + TARIFF.replace("baseline_mw =", "baseline_mwh_month =")
    tariff = power_tariff(parse_config(text, source="", folder=Path(), environ={}))
    assert (tariff.baseline_w, tariff.baseline_j_month) == (None, 5_400_000_000)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (
            ("baseline_mw = 1.5", "baseline_mw = 1.5\nbaseline_mwh_month = 3"),
            "tariff.baseline_mwh_month: and baseline_mw exclude each other",
        ),
        (
            ('name = "line"', 'name = "peak"'),
            "tariff.components[3].name: 'peak' is already tariff.components[1].name",
        ),
        (
            ('kind = "fixed"', 'kind = "fixed"\nhours = ["18:00-22:00"]'),
            'tariff.components[3]: is of kind "fixed", which is for all at all times',
        ),
        (
            ("price = 1250", "price = -1"),
            "tariff.components[2].price: must be at least 0, is -1",
        ),
    ],
)
def test_what_cannot_be_meant_is_told(
    after: After, good: str, change: tuple[str, str], problem: str
) -> None:
    (found,) = after(change, text=good + TARIFF)
    assert found.replace('"peak"', "'peak'") == problem


@pytest.mark.parametrize("interval_s", [1000, 1350, 2700 * 7, 900 * 7])
def test_an_interval_is_of_quarters_of_an_hour_and_divides_a_day(
    after: After, good: str, interval_s: int
) -> None:
    (found,) = after(text=f"{good}\n[power]\ninterval_s = {interval_s}\n")
    assert found.startswith("power.interval_s: must divide a day")


@pytest.mark.parametrize("interval_s", [900, 1800, 3600, 86_400])
def test_such_are_good(after: After, good: str, interval_s: int) -> None:
    assert after(text=f"{good}\n[power]\ninterval_s = {interval_s}\n") == []
