"""What is wrong with intervals and tariffs that no single setting shows."""

from collections.abc import Iterator

from poolserver.config.checks import each, known, repeated
from poolserver.config.errors import Problem
from poolserver.config.settings import Config

DAY_S = 86_400
QUARTER_S = 900
"""What work is booked by: as ``ledger.totals.INTERVAL_S``."""


def check_energy(config: Config) -> Iterator[Problem]:
    """All of it."""
    if known(config.power) and known(config.power.interval_s):
        interval_s = config.power.interval_s
        if DAY_S % interval_s or interval_s % QUARTER_S:
            yield Problem(
                "power.interval_s", "must divide a day, and be a multiple of 900 (15 minutes)"
            )
    yield from _tariff(config)


def _tariff(config: Config) -> Iterator[Problem]:
    """Names that stand twice, two baselines, and what narrows a price that is not of energy."""
    tariff = config.tariff
    if not known(tariff):
        return
    baselines = tariff.baseline_mw, tariff.baseline_mwh_month
    if known(*baselines) and None not in baselines:
        yield Problem("tariff.baseline_mwh_month", "and baseline_mw exclude each other")
    components = list(each("tariff.components", tariff.components))
    yield from repeated((f"{path}.name", component.name) for path, component in components)
    for path, component in components:
        fields = (
            component.kind,
            component.part,
            component.months,
            component.dates,
            component.days,
            component.hours,
        )
        if known(*fields) and component.kind != "energy" and component.is_narrowed:
            yield Problem(path, f'is of kind "{component.kind}", which is for all at all times')
