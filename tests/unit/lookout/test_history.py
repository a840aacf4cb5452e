"""Graphs are of what was, step by step; what nobody knows is a gap."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolserver.lookout.history import SAMPLE_S, STEPS, Histories, Sample, Series, Span

BEGIN_S = 1_800_000_000  # a multiple of all steps


def fed(seconds: int, begin_s: int = BEGIN_S, **figures: float) -> Series:
    """A sample each ten seconds, with five accepted shares between two."""
    series = Series()
    for number in range(seconds // SAMPLE_S + 1):
        series.take(begin_s + number * SAMPLE_S + 0.01, Sample(accepted=5 * number, **figures))
    return series


@pytest.mark.parametrize("span", STEPS)
def test_a_steady_pool_is_a_flat_line_and_the_newest_whole_step_is_last(span: Span) -> None:
    step_s, points = STEPS[span]
    series = fed(4 * step_s, hashrate_h_s=1e18, power_w=5e6)
    history = series.history(span, BEGIN_S + 4 * step_s + 1)
    assert (history.end_s, history.step_s) == (BEGIN_S + 4 * step_s, step_s)
    assert len(history.power_w) == len(history.accepted) == points
    assert history.hashrate_h_s[-4:] == (1e18,) * 4
    assert history.power_w[-5:] == (None, 5e6, 5e6, 5e6, 5e6)
    assert history.limit_w == (None,) * points
    assert history.accepted[-3:] == (step_s // 2,) * 3


def test_a_step_has_the_mean_but_the_least_limit_and_the_sum_of_shares() -> None:
    series = Series()
    for number, (rate, limit) in enumerate([(1.0, 9.0), (2.0, 3.0), (6.0, 9.0)]):
        at_s = BEGIN_S + 20 * number
        series.take(at_s, Sample(hashrate_h_s=rate, limit_w=limit, accepted=10 * number, rigs=7))
    series.take(BEGIN_S + 60, Sample())
    history = series.history("6h", BEGIN_S + 61)
    assert history.hashrate_h_s[-1] == pytest.approx(3.0)
    assert (history.limit_w[-1], history.accepted[-1], history.rigs[-1]) == (3.0, 20, 7)


def test_while_the_pool_was_away_nothing_is_known_and_its_shares_are_in_no_step() -> None:
    series = fed(60, power_w=1.0)
    restored = Series()
    restored.restore(series.state())
    restored.take(BEGIN_S + 120, Sample(power_w=3.0, accepted=2_000_000))
    restored.take(BEGIN_S + 130, Sample(power_w=4.0, accepted=2_000_005))
    restored.take(BEGIN_S + 140, Sample())
    history = restored.history("1h", BEGIN_S + 141)
    assert history.power_w[-9:] == (1.0, 1.0, None, None, None, None, None, 3.0, 4.0)
    assert history.accepted[-2:] == (None, 5)


def test_a_graph_that_nobody_feeds_any_more_ends_in_a_gap() -> None:
    series = fed(600, power_w=1.0)
    history = series.history("1h", BEGIN_S + 900)
    assert history.end_s == BEGIN_S + 900
    assert history.power_w[-30:] == (None,) * 30
    assert history.power_w[-31] == 1.0
    assert series.history("1h", BEGIN_S + 10**6).power_w == (None,) * 360


def test_a_clock_that_is_set_back_begins_anew() -> None:
    series = fed(600, power_w=1.0)
    for number in range(3):
        series.take(BEGIN_S - 5000 + 10 * number, Sample(power_w=2.0))
    history = series.history("1h", BEGIN_S - 4979)
    assert history.power_w[-2:] == (2.0, 2.0)
    assert history.power_w[:-2] == (None,) * 358


def test_the_step_under_way_goes_on_over_a_reload() -> None:
    before, after = fed(1790, power_w=1.0), Series()
    after.restore(before.state())
    after.take(BEGIN_S + 1795, Sample(power_w=2.0, accepted=5 * 179))
    after.take(BEGIN_S + 1800, Sample())
    history = after.history("7d", BEGIN_S + 1801)
    assert history.accepted[-1] == 5 * 179
    assert history.power_w[-1] == pytest.approx(1.0, abs=0.01)


def test_counts_that_go_back_are_no_negative_shares() -> None:
    series = Series()
    for number, accepted in enumerate([100, 5, 8]):
        series.take(BEGIN_S + 10 * number, Sample(accepted=accepted))
    series.take(BEGIN_S + 30, Sample())
    assert series.history("1h", BEGIN_S + 31).accepted[-3:] == (None, 0, 3)


def test_what_is_saved_comes_back_to_seven_digits() -> None:
    histories = Histories()
    for number in range(400):
        sample = Sample(hashrate_h_s=1.23456789e18 + number, power_w=1e6, rigs=10)
        histories.take(BEGIN_S + 10 * number, {"": sample, "Sahiwal": sample})
    text = histories.text()
    assert len(text) < 100_000
    again = Histories()
    again.restore(text)
    for span in STEPS:
        now_s = BEGIN_S + 4000
        mine = histories.history("Sahiwal", span, now_s)
        its = again.history("Sahiwal", span, now_s)
        assert mine is not None
        assert its is not None
        assert its.rigs == mine.rigs
        for ours, theirs in zip(mine.hashrate_h_s, its.hashrate_h_s, strict=True):
            assert ours == theirs or ours == pytest.approx(theirs, rel=1e-6)
    assert again.history("nowhere", "1h", BEGIN_S) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        '{"": {}}',
        '{"": {"1h": [1, "x"]}}',
        "null",
        "3",
        '{"": {"1h": [1]}}',
        '{"":1}',
    ],
)
def test_what_is_no_history_is_refused_and_changes_nothing(text: str) -> None:
    histories = Histories()
    histories.take(BEGIN_S, {"": Sample(power_w=1.0)})
    if text == "[]":
        histories.restore(text)
        return
    with pytest.raises((ValueError, TypeError, KeyError)):
        histories.restore(text)
    assert histories.history("", "1h", BEGIN_S) is not None


@given(
    st.lists(
        st.tuples(
            st.floats(0, 4000),
            st.one_of(st.none(), st.floats(0, 1e20)),
            st.one_of(st.none(), st.integers(0, 10**12)),
        ),
        max_size=30,
    ),
    st.sampled_from(sorted(STEPS)),
)
def test_whatever_comes_a_history_has_its_points_and_no_nan(samples: Any, span: Span) -> None:
    series = Series()
    for after_s, power, count in samples:
        series.take(BEGIN_S + after_s, Sample(power_w=power, accepted=count))
    history = series.history(span, BEGIN_S + 4000)
    columns: list[Any] = [history.power_w, history.accepted, history.rigs]
    for column in columns:
        assert len(column) == STEPS[span][1]
        assert all(value is None or value >= 0 for value in column)
