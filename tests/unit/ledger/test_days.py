from poolserver.ledger.days import DayCloser

DAY = 86_400


def test_a_day_may_be_closed_when_it_has_been_over_for_a_while() -> None:
    days = DayCloser(grace_s=600)
    assert days.over(10 * DAY - 1, 0) == -1  # what was over at the start is not trusted at once
    assert days.over(10 * DAY - 1, 599) == -1
    assert days.over(10 * DAY - 1, 600) == 8
    assert days.over(10 * DAY, 601) == 8
    assert days.over(10 * DAY + 599, 1200) == 8
    assert days.over(10 * DAY + 600, 1201) == 9


def test_a_clock_that_jumps_ahead_and_back_closes_nothing() -> None:
    days = DayCloser(grace_s=600)
    days.over(10 * DAY, 0)
    assert days.over(10 * DAY + 600, 600) == 9
    assert days.over(500 * DAY, 700) == 9
    assert days.over(10 * DAY + 800, 800) == 9
    assert days.over(11 * DAY, 900) == 9
    assert days.over(11 * DAY + 600, 1500) == 10
