"""What is expected: the level aimed at, as long as commands under way explain the reading."""

from hypothesis import given
from hypothesis import strategies as st

from poolserver.power.control.expected import expected

watts = st.floats(0, 1e9)


@given(watts, watts)
def test_with_nothing_under_way_it_is_what_is_read(aimed: float, read: float) -> None:
    assert expected(aimed, read, 0.0, 0.0) == read


@given(watts, watts, watts, watts)
def test_it_is_never_off_the_reading_by_more_than_what_is_under_way(
    aimed: float, read: float, off: float, on: float
) -> None:
    assert read - off <= expected(aimed, read, off, on) <= read + on


@given(st.floats(0, 1), st.floats(1e3, 1e9))
def test_while_a_command_takes_effect_it_stays_at_what_was_aimed_at(
    done: float, read: float
) -> None:
    off = 0.1 * read
    assert expected(0.9 * read, read - done * off, off, 0.0) <= 0.9 * read * (1 + 1e-9)


def test_of_what_nothing_is_remembered_all_that_is_under_way_is_still_to_come() -> None:
    assert expected(None, 100.0, 10.0, 3.0) == 93.0
