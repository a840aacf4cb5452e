import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolserver.power.windows import WINDOWS_S, Windows


@given(
    st.lists(st.sampled_from((0.0, 0.3, 1.0, 4.9, 5.0, 61.0, 1000.0)), min_size=1, max_size=60),
    st.floats(0, 10),
)
def test_what_came_within_the_span_is_counted_and_nothing_else(
    gaps: list[float], began_s: float
) -> None:
    windows = Windows(began_s)
    slot = windows.new()
    now_s, came = began_s, []
    for gap in gaps:
        now_s += gap
        windows.advance(now_s)
        windows.sums[slot] += 1
        came.append(now_s)
        for window_s in WINDOWS_S:
            since = windows.since(window_s, now_s)
            begin_s = now_s - since.span_s
            counted = windows.sums[slot] - since.of(slot)
            # What comes at the very moment of the start counts as after it.
            expected = sum(at_s > begin_s or at_s == began_s == begin_s for at_s in came)
            assert counted in (expected, expected + came.count(began_s))


@pytest.mark.parametrize("window_s", WINDOWS_S)
def test_a_window_is_longer_than_its_name_by_less_than_a_twelfth_or_a_tick(window_s: float) -> None:
    windows = Windows(2.5)
    for second in range(3, 8000):
        windows.advance(second + 0.25)
        if second > 3610:
            span_s = windows.since(window_s, second + 0.25).span_s
            assert window_s <= span_s <= window_s + max(5.0, window_s / 12)
    assert len(windows._copies) <= 50


def test_before_a_window_has_passed_it_is_divided_by_what_has() -> None:
    windows = Windows(1000.0)
    windows.advance(1180.0)
    assert windows.since(3600.0, 1180.0).span_s == 180.0
    assert windows.since(60.0, 1180.0).span_s == 60.0


def test_a_sum_that_came_later_was_nothing_before() -> None:
    windows = Windows(0.0)
    windows.new()
    windows.advance(100.0)
    late = windows.new(2)
    windows.sums[late] = 7.0
    assert windows.since(60.0, 100.0).of(late) == 0.0


def test_a_long_time_without_a_word_costs_no_copies() -> None:
    windows = Windows(0.0)
    slot = windows.new()
    windows.sums[slot] = 5.0
    windows.advance(1e9)
    assert len(windows._copies) <= 50
    assert windows.since(3600.0, 1e9).of(slot) == 5.0
