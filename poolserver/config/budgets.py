"""The settings on budgets: limits by the calendar, and who is expected to speak of limits."""

import re
from datetime import date, datetime, time
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from poolserver.config.kinds import doc, of_kind, shown, text
from poolserver.config.values import Megawatts, TimeZone
from poolserver.power.schedule import DAY_MINUTES, Hours, Season

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
# A leap year: the 29th of February may be named.
_ANY_YEAR = 2024


def _node_path(raw: object) -> str:
    path = text(raw)
    if path != "/" and not all(part.strip() for part in path.split("/")):
        raise ValueError(f'must be like "/", "Sahiwal" or "Sahiwal/F1/T2", is {shown(raw)}')
    return path


def _dates(raw: object) -> Season:
    parts = re.fullmatch(r"(\d\d)-(\d\d)\.\.(\d\d)-(\d\d)", text(raw))
    trouble = f'must be like "11-15..02-28", month and day, is {shown(raw)}'
    if parts is None:
        raise ValueError(trouble)
    first_month, first_day, last_month, last_day = map(int, parts.groups())
    try:
        date(_ANY_YEAR, first_month, first_day)
        date(_ANY_YEAR, last_month, last_day)
    except ValueError:
        raise ValueError(trouble) from None
    return Season((first_month, first_day), (last_month, last_day))


def _hours(raw: object) -> Hours:
    parts = re.fullmatch(r"(\d\d):(\d\d)-(\d\d):(\d\d)", text(raw))
    trouble = f'must be like "07:00-09:30" or "22:00-06:00", is {shown(raw)}'
    if parts is None:
        raise ValueError(trouble)
    begin_h, begin_min, end_h, end_min = map(int, parts.groups())
    begin, end = begin_h * 60 + begin_min, end_h * 60 + end_min
    if max(begin_min, end_min) > 59 or begin >= DAY_MINUTES or end > DAY_MINUTES or begin == end:
        raise ValueError(trouble)
    return Hours(begin, end)


def _moment(raw: object) -> datetime:
    """As it is written: without an offset it is by the entry's own clock."""
    if isinstance(raw, datetime):
        return raw
    if isinstance(raw, date):
        return datetime.combine(raw, time())
    try:
        return datetime.fromisoformat(text(raw))
    except ValueError:
        trouble = f'must be like "2026-07-01" or "2026-07-01T18:00", is {shown(raw)}'
        raise ValueError(trouble) from None


NodePath = Annotated[str, of_kind('path of a power node, as `"Sahiwal/F1/T2"`', _node_path)]
Dates = Annotated[
    Season, of_kind('`"month-day..month-day"`, both in it', _dates, r"^\d\d-\d\d\.\.\d\d-\d\d$")
]
HoursOfDay = Annotated[Hours, of_kind('`"hh:mm-hh:mm"`', _hours, r"^\d\d:\d\d-\d\d:\d\d$")]
Moment = Annotated[datetime, of_kind("date, or date and time", _moment)]


class BudgetConfig(msgspec.Struct, frozen=True, kw_only=True):
    """A limit by the calendar: it holds whenever the clock of its time zone reads a time that it
    names. [Budgets](budget.md) tells what holds with others.
    """

    node: Annotated[NodePath, doc('The power node that is limited; `"/"` is the programme.')]
    source: Annotated[
        str,
        doc(
            "Whose limit it is: a contract, the grid. Of one source's entries for a node the one "
            "with the highest priority counts, between sources the least limit."
        ),
    ] = "schedule"
    limit_mw: Annotated[Megawatts, doc("What it may draw while this holds.")]
    load: Annotated[
        Literal["all", "mining"], doc('"mining": of mining alone, whatever AI load draws.')
    ] = "all"
    months: Annotated[
        tuple[Annotated[int, Meta(ge=1, le=12)], ...], doc("In these months.", default="all")
    ] = ()
    dates: Annotated[
        tuple[Dates, ...],
        doc("On these days of the year, beside `months`; over New Year too.", default="all"),
    ] = ()
    days: Annotated[
        tuple[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"], ...],
        doc("On these days of the week.", default="all"),
    ] = ()
    hours: Annotated[
        tuple[HoursOfDay, ...],
        doc(
            "At these hours; over midnight too, and then of the day on which they begin.",
            default="all",
        ),
    ] = ()
    time_zone: Annotated[
        TimeZone | None, doc("Whose clock is meant.", default="the site's; UTC for the programme")
    ] = None
    valid_from: Annotated[Moment | None, doc("From then on, by that clock.", default="always")] = (
        None
    )
    valid_until: Annotated[
        Moment | None, doc("Until then, and not in it any more.", default="for ever")
    ] = None
    priority: Annotated[
        int, Meta(ge=-1000, le=1000), doc("Of equal ones the later entry counts.")
    ] = 0
    reason: Annotated[str | None, doc("Shown where it binds.")] = None


class BudgetSourceConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who is expected to tell limits while the pool runs: a dispatcher, the grid. While
    his last word has ended, or before he has spoken, his failsafe limit holds.
    """

    name: Annotated[str, doc("As his words name him.")]
    node: Annotated[NodePath, doc("The node that he speaks of.")]
    failsafe_mw: Annotated[
        Megawatts | None,
        doc(
            "What the node may draw while he is not heard; also while its own meter is not.",
            default="nothing limits it then",
        ),
    ] = None
    max_age_s: Annotated[
        float,
        Meta(ge=1, le=31_622_400),
        doc("A word counts for so long, if it does not end before."),
    ] = 900.0
    load: Annotated[Literal["all", "mining"], doc('"mining": he speaks of mining alone.')] = "all"
