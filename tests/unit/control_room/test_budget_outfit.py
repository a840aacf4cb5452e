"""What is written of budgets is what holds."""

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from poolserver.config import Config, parse_config
from poolserver.control_room.budget_outfit import budget_book, control_terms
from poolserver.control_room.outfit import power_tree
from poolserver.power.budget import BudgetSignal, SignalError
from tests.unit.pool_toml import POOL_TOML

BUDGETS = """
[power]
budget_words = "declared"
[programme]
limit_mw = 2000
[[sites]]
name = "Sahiwal"
accounts = ["sahiwal"]
budget_mw = 1320
time_zone = "Asia/Karachi"

[[budgets]]
node = "Sahiwal"
source = "contract"
limit_mw = 1000
months = [6, 7]
dates = ["08-01..08-15"]
days = ["mon", "tue", "wed", "thu", "fri"]
hours = ["18:00-22:00"]
reason = "evening peak"
[[budgets]]
node = "Sahiwal"
source = "contract"
limit_mw = 1200
priority = 1
valid_from = 2027-01-01
load = "mining"

[[budget_sources]]
name = "grid"
node = "Sahiwal"
failsafe_mw = 1100
[[budget_sources]]
name = "npcc"
node = "Sahiwal"
failsafe_mw = 900
max_age_s = 60
[[budget_sources]]
name = "npcc"
node = "/"
load = "mining"
failsafe_mw = 5
"""


@pytest.fixture
def config() -> Config:
    return parse_config(
        POOL_TOML + BUDGETS, source="pool.toml", folder=Path("/etc/pool"), environ={}
    )


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Asia/Karachi")).timestamp()


@pytest.mark.parametrize(
    ("moment", "limit_mw"),
    [
        ("2026-07-01T18:00", 900),  # a Wednesday; the sources are not heard
        ("2026-07-01T17:59", 900),
    ],
)
def test_limits_are_as_they_are_written(config: Config, moment: str, limit_mw: int) -> None:
    limits = budget_book(config, power_tree(config)).limits(at(moment))
    assert limits["Sahiwal"].limit_w == limit_mw * 1_000_000
    sources = [(each.source, each.limit_w // 1_000_000) for each in limits["Sahiwal"].limits]
    schedule = [("contract", 1000)] if moment.endswith("18:00") else []
    assert sources == [("npcc", 900), *schedule, ("grid", 1100), ("site", 1320)]


def test_a_schedule_is_by_the_clock_of_its_site(config: Config) -> None:
    book = budget_book(config, power_tree(config))
    moments = ("2026-08-14T21:59", "2026-08-14T22:00", "2026-08-15T18:00", "2026-08-17T18:00")
    held = {
        moment: "contract" in {each.source for each in book.limits(at(moment))["Sahiwal"].limits}
        for moment in moments
    }
    assert list(held.values()) == [True, False, False, False]
    assert "Sahiwal" not in book.mining_limits(at("2026-12-31T23:59"))
    assert book.mining_limits(at("2027-01-01T00:00"))["Sahiwal"].limit_w == 1_200_000_000
    assert book.mining_limits(0.0)["/"].limit_w == 5_000_000


def test_who_is_not_declared_may_not_speak(config: Config) -> None:
    book = budget_book(config, power_tree(config))
    with pytest.raises(SignalError, match="not declared"):
        book.take(BudgetSignal("Sahiwal", 1.0, "operator", 100.0), 100.0)
    assert book.take(BudgetSignal("Sahiwal", 1e9, "grid", 100.0), 100.0) is not None


def test_the_failsafe_limit_of_a_node_is_the_least_of_its_sources(config: Config) -> None:
    terms = control_terms(config)
    assert terms.failsafe_w == {"Sahiwal": 900_000_000}
    assert terms.spread_s == 5.0
