"""Limits by the calendar, held against a slow reference that reads the clock minute by minute."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from poolserver.power.schedule import BudgetSchedule, Hours, ScheduleEntry, Season

SITE = "Sahiwal"
MW = 1_000_000


def at(text: str, zone: str = "UTC", fold: int = 0) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).timestamp()


def limit_at(schedule: BudgetSchedule, now_s: float) -> int | None:
    return min((entry.limit_w for entry in schedule.holding(now_s)), default=None)


def entry(limit_mw: int = 1, **narrowed: object) -> ScheduleEntry:
    return ScheduleEntry(SITE, "grid", limit_mw * MW, **narrowed)  # type: ignore[arg-type]


# --- rules --------------------------------------------------------------------------------------


def test_an_entry_without_bounds_always_holds_and_never_changes() -> None:
    schedule = BudgetSchedule([entry()])
    assert limit_at(schedule, 0.0) == MW
    assert schedule.next_change(SITE, 0.0) is None


def test_a_window_over_midnight_belongs_to_the_day_it_begins_on() -> None:
    friday_night = entry(weekdays=frozenset({4}), hours=(Hours(22 * 60, 6 * 60),))
    schedule = BudgetSchedule([friday_night])
    held = {
        text: limit_at(schedule, at(text)) is not None
        for text in (
            "2026-07-03T05:00",  # Friday morning is Thursday's night
            "2026-07-03T21:59",
            "2026-07-03T22:00",
            "2026-07-04T05:59",
            "2026-07-04T06:00",
            "2026-07-04T23:00",
        )
    }
    assert list(held.values()) == [False, False, True, True, False, False]


def test_a_season_may_go_over_new_year() -> None:
    schedule = BudgetSchedule([entry(seasons=(Season((11, 15), (2, 31)),))])
    assert limit_at(schedule, at("2026-12-31T12:00")) == MW
    assert limit_at(schedule, at("2028-02-29T12:00")) == MW
    assert limit_at(schedule, at("2026-03-01T00:00")) is None
    change = schedule.next_change(SITE, at("2026-03-01T00:00"))
    assert change is not None
    assert change.at_s == at("2026-11-15T00:00")


def test_within_one_source_the_highest_priority_counts_and_the_later_of_equals() -> None:
    schedule = BudgetSchedule([entry(5), entry(9, priority=1), entry(7, priority=1), entry(1)])
    assert limit_at(schedule, 0.0) == 7 * MW


def test_between_sources_the_least_limit_counts() -> None:
    other = ScheduleEntry(SITE, "contract", 3 * MW, priority=-5)
    schedule = BudgetSchedule([entry(5, priority=9), other])
    assert limit_at(schedule, 0.0) == 3 * MW


def test_a_limit_of_mining_alone_stands_apart() -> None:
    schedule = BudgetSchedule([entry(5), entry(1, of_mining=True)])
    assert [(each.limit_w, each.of_mining) for each in schedule.holding(0.0)] == [
        (5 * MW, False),
        (1 * MW, True),
    ]
    assert schedule.next_change(SITE, 0.0, of_mining=True) is None


def test_it_holds_from_its_first_second_to_before_its_last() -> None:
    schedule = BudgetSchedule([entry(valid_from_s=100.0, valid_until_s=200.0)])
    assert [limit_at(schedule, t) for t in (99.9, 100.0, 199.9, 200.0)] == [None, MW, MW, None]
    change = schedule.next_change(SITE, 0.0)
    assert change is not None
    assert (change.at_s, change.entry) == (100.0, schedule.entries[0])
    last = schedule.next_change(SITE, 100.0)
    assert last == (200.0, None)


@pytest.mark.parametrize(
    ("hours", "expected_h"),
    [
        (Hours(120, 180), 0.0),  # the hour that is skipped
        (Hours(90, 150), 0.5),  # ends in it: 01:30 to 02:00
        (Hours(150, 240), 1.0),  # begins in it: 03:00 to 04:00
        (Hours(60, 300), 3.0),
    ],
)
def test_an_hour_that_is_skipped_holds_nothing(hours: Hours, expected_h: float) -> None:
    schedule = BudgetSchedule([entry(time_zone="Europe/Berlin", hours=(hours,))])
    assert hours_held(schedule, at("2026-03-29T00:00", "Europe/Berlin"), 23) == expected_h


@pytest.mark.parametrize(
    ("hours", "expected_h"),
    [(Hours(120, 180), 2.0), (Hours(90, 150), 1.5), (Hours(150, 240), 2.0), (Hours(60, 300), 5.0)],
)
def test_an_hour_that_comes_twice_holds_twice(hours: Hours, expected_h: float) -> None:
    schedule = BudgetSchedule([entry(time_zone="Europe/Berlin", hours=(hours,))])
    assert hours_held(schedule, at("2026-10-25T00:00", "Europe/Berlin"), 25) == expected_h


def hours_held(schedule: BudgetSchedule, begin_s: float, hours: int) -> float:
    minutes = [limit_at(schedule, begin_s + 60 * minute) for minute in range(hours * 60)]
    return sum(limit is not None for limit in minutes) / 60


def test_a_schedule_in_the_clock_of_pakistan_is_five_hours_before_utc() -> None:
    schedule = BudgetSchedule([entry(time_zone="Asia/Karachi", hours=(Hours(0, 60),))])
    change = schedule.next_change(SITE, at("2026-07-01T00:00"))
    assert change is not None
    assert change.at_s == at("2026-07-01T19:00")


def test_an_entry_that_another_covers_makes_no_change() -> None:
    schedule = BudgetSchedule([entry(5, priority=1), entry(1, hours=(Hours(60, 120),))])
    assert schedule.next_change(SITE, 0.0) is None


def test_a_change_a_year_off_is_found_in_no_time() -> None:
    covered = [entry(5, priority=1, valid_until_s=at("2027-06-30T00:00"))]
    daily = [entry(n + 1, hours=(Hours(n * 60, n * 60 + 90),)) for n in range(20)]
    schedule = BudgetSchedule([*covered, *daily])
    change = schedule.next_change(SITE, at("2026-07-01T00:00"))
    assert change is not None
    assert change.at_s == at("2027-06-30T00:00")


# --- the slow reference -------------------------------------------------------------------------


def read_clock(each: ScheduleEntry, moment: datetime) -> bool:
    """Whether an entry holds, by walking back to the beginning of the window."""
    local = moment.astimezone(ZoneInfo(each.time_zone))
    for hours in each.hours or (Hours(0, 1440),):
        length = (hours.end_min - hours.begin_min - 1) % 1440 + 1
        since_begin = (local.hour * 60 + local.minute - hours.begin_min) % 1440
        if since_begin >= length:
            continue
        began = (local.replace(tzinfo=None) - timedelta(minutes=since_begin)).date()
        month_day = (began.month, began.day)
        in_season = not each.seasons or any(
            (first <= month_day <= last) if first <= last else not (last < month_day < first)
            for first, last in each.seasons
        )
        if in_season and (not each.weekdays or began.weekday() in each.weekdays):
            return True
    return False


def reference(entries: list[ScheduleEntry], moment: datetime) -> int | None:
    best: ScheduleEntry | None = None
    for each in entries:
        if read_clock(each, moment) and (best is None or each.priority >= best.priority):
            best = each
    return None if best is None else best.limit_w


month_days = st.tuples(st.integers(1, 12), st.integers(1, 31))
# Those near the days that are walked through, more often than chance has them.
near_days = st.sampled_from([(3, 28), (3, 29), (4, 4), (4, 5), (10, 24), (10, 25), (11, 1)])
seasons = st.builds(Season, month_days | near_days, month_days | near_days)
hours_of_day = st.builds(Hours, st.integers(0, 1439), st.integers(1, 1440)).filter(
    lambda each: each.begin_min != each.end_min
)
ZONES = [
    "UTC",
    "Europe/Berlin",
    "Asia/Karachi",
    "Australia/Lord_Howe",  # by half an hour
    "America/Havana",  # at midnight
    "Atlantic/Azores",  # back into midnight
]
entries_of = st.lists(
    st.builds(
        ScheduleEntry,
        node=st.just(SITE),
        source=st.just("grid"),
        limit_w=st.integers(1, 4),
        time_zone=st.sampled_from(ZONES),
        seasons=st.lists(seasons, max_size=2).map(tuple),
        weekdays=st.frozensets(st.integers(0, 6), max_size=4),
        hours=st.lists(hours_of_day, max_size=2).map(tuple),
        priority=st.integers(0, 2),
    ),
    min_size=1,
    max_size=4,
)
DAYS = ["2026-03-28", "2026-04-04", "2026-10-24", "2026-10-31", "2026-03-07", "2026-07-01"]


@settings(max_examples=60, deadline=None)
@given(entries_of, st.sampled_from(DAYS))
@example([entry(1, time_zone="America/Havana", hours=(Hours(0, 60),))], "2026-03-07")
def test_limits_and_their_changes_are_those_of_the_clock_read_minute_by_minute(
    entries: list[ScheduleEntry], day: str
) -> None:
    schedule = BudgetSchedule(entries)
    begin = datetime.fromisoformat(day).replace(tzinfo=UTC)
    minutes = [begin + timedelta(minutes=each) for each in range(2 * 1440)]
    limits = [reference(entries, moment) for moment in minutes]
    for moment, limit in zip(minutes[::7], limits[::7], strict=True):
        assert limit_at(schedule, moment.timestamp()) == limit
    expected = [
        (moment.timestamp(), after)
        for moment, before, after in zip(minutes[1:], limits, limits[1:], strict=False)
        if before != after
    ]
    found, now_s = [], begin.timestamp()
    while (change := schedule.next_change(SITE, now_s)) and change.at_s <= minutes[-1].timestamp():
        found.append((change.at_s, change.entry and change.entry.limit_w))
        now_s = change.at_s
    assert found == expected
