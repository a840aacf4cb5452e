"""The settings on what energy costs."""

from fractions import Fraction
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from poolserver.config.budgets import Dates, HoursOfDay
from poolserver.config.kinds import doc, exact
from poolserver.config.values import Megawatts, TimeZone


class TariffComponentConfig(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the tariff. All parts add up."""

    name: Annotated[str, doc("Shown in reports.")]
    kind: Annotated[
        Literal["energy", "capacity", "fixed"],
        doc(
            '"energy": by the kWh. "capacity": by the kW of the highest interval of each calendar '
            'month. "fixed": by the month, whatever is drawn.'
        ),
    ]
    price: Annotated[
        Fraction,
        exact(ge=0, le=1_000_000_000),
        doc("Of a kWh, of a kW and month, or of a month; in `currency`."),
    ]
    part: Annotated[
        Literal["all", "baseline", "incremental"],
        doc('Of "energy": which energy it is for. "incremental" is what is beyond the baseline.'),
    ] = "all"
    months: Annotated[
        tuple[Annotated[int, Meta(ge=1, le=12)], ...],
        doc('Of "energy": in these months.', default="all"),
    ] = ()
    dates: Annotated[
        tuple[Dates, ...],
        doc('Of "energy": on these days of the year, beside `months`.', default="all"),
    ] = ()
    days: Annotated[
        tuple[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"], ...],
        doc('Of "energy": on these days of the week.', default="all"),
    ] = ()
    hours: Annotated[
        tuple[HoursOfDay, ...],
        doc('Of "energy": at these hours; over midnight too.', default="all"),
    ] = ()

    @property
    def is_narrowed(self) -> bool:
        """Whether it is not for all energy at all times."""
        return bool(self.months or self.dates or self.days or self.hours) or self.part != "all"


class TariffConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What energy costs, for [reports](energy.md#tariffs). Of each node all that it draws is
    priced as if it had a contract of its own: mining, AI load and auxiliary load.
    """

    currency: Annotated[str, doc("Shown in reports.")] = "USD"
    time_zone: Annotated[TimeZone, doc("Whose clock has the months, days and hours.")] = "UTC"
    baseline_mw: Annotated[
        Megawatts | None,
        doc("So much power at any time is baseline, what is beyond it is incremental."),
    ] = None
    baseline_mwh_month: Annotated[
        Fraction | None,
        exact(ge=0, le=1_000_000_000),
        doc("Or so much energy from the begin of each calendar month on."),
    ] = None
    components: tuple[TariffComponentConfig, ...] = ()
