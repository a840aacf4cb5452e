"""The book of limits and the controller's terms, made of the configuration."""

from poolserver.config import Config
from poolserver.config.budget_checks import validity_s, zone_of
from poolserver.config.budgets import WEEKDAYS, BudgetConfig, BudgetSourceConfig
from poolserver.power.budget import BudgetBook, BudgetSource
from poolserver.power.control import Terms
from poolserver.power.schedule import BudgetSchedule, ScheduleEntry, Season
from poolserver.power.tree import PowerTree


def budget_book(config: Config, tree: PowerTree) -> BudgetBook:
    """All limits of ``tree``; nobody has said anything yet."""
    return BudgetBook(
        tree,
        BudgetSchedule(_entry(config, each) for each in config.budgets),
        map(_source, config.budget_sources),
        declared_only=config.power.budget_words == "declared",
    )


def control_terms(config: Config) -> Terms:
    """The failsafe limit of a source is its node's, too, while the node's meter is not heard."""
    failsafe_w: dict[str, int] = {}
    for source in map(_source, config.budget_sources):
        if source.failsafe_w is not None and not source.of_mining:
            least_w = failsafe_w.get(source.node, source.failsafe_w)
            failsafe_w[source.node] = min(least_w, source.failsafe_w)
    return Terms(failsafe_w=failsafe_w, spread_s=config.power.tick_s)


def _entry(config: Config, entry: BudgetConfig) -> ScheduleEntry:
    valid_from_s, valid_until_s = validity_s(config, entry)
    return ScheduleEntry(
        entry.node,
        entry.source,
        int(entry.limit_mw * 1_000_000),
        time_zone=zone_of(config, entry),
        seasons=(*(Season((month, 1), (month, 31)) for month in entry.months), *entry.dates),
        weekdays=frozenset(WEEKDAYS.index(day) for day in entry.days),
        hours=entry.hours,
        valid_from_s=valid_from_s,
        valid_until_s=valid_until_s,
        priority=entry.priority,
        of_mining=entry.load == "mining",
        reason=entry.reason or "",
    )


def _source(source: BudgetSourceConfig) -> BudgetSource:
    failsafe_mw = source.failsafe_mw
    return BudgetSource(
        source.name,
        source.node,
        None if failsafe_mw is None else int(failsafe_mw * 1_000_000),
        source.max_age_s,
        source.load == "mining",
    )
