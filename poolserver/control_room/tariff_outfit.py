"""What energy costs, made of the configuration."""

from poolserver.config import Config
from poolserver.config.budgets import WEEKDAYS
from poolserver.config.tariff import TariffComponentConfig
from poolserver.power.schedule import ScheduleEntry, Season
from poolserver.power.tariff import (
    J_PER_MWH,
    CapacityPrice,
    Component,
    EnergyPrice,
    FixedPrice,
    Part,
    Tariff,
)


def power_tariff(config: Config) -> Tariff:
    """What energy costs."""
    tariff = config.tariff
    baseline_mw, baseline_mwh = tariff.baseline_mw, tariff.baseline_mwh_month
    return Tariff(
        tariff.currency,
        tuple(_component(each, tariff.time_zone) for each in tariff.components),
        tariff.time_zone,
        None if baseline_mw is None else int(baseline_mw * 1_000_000),
        None if baseline_mwh is None else int(baseline_mwh * J_PER_MWH),
    )


def _component(component: TariffComponentConfig, time_zone: str) -> Component:
    match component.kind:
        case "capacity":
            return CapacityPrice(component.name, component.price)
        case "fixed":
            return FixedPrice(component.name, component.price)
        case "energy":
            when = _when(component, time_zone)
            return EnergyPrice(component.name, component.price, Part(component.part), when)


def _when(component: TariffComponentConfig, time_zone: str) -> ScheduleEntry | None:
    """A schedule's rule, of no node and no limit."""
    months = (Season((month, 1), (month, 31)) for month in component.months)
    if not (component.months or component.dates or component.days or component.hours):
        return None
    return ScheduleEntry(
        "",
        component.name,
        0,
        time_zone=time_zone,
        seasons=(*months, *component.dates),
        weekdays=frozenset(WEEKDAYS.index(day) for day in component.days),
        hours=component.hours,
    )
