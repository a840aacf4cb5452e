"""The rate of proven work: what shares, luck and silence make of it."""

import pytest

from poolserver.mining.rate_estimate import MAX_EASE, TAU_S, WINDOW_S, RateEstimate


def estimate(*at: float, difficulty: float = 1.0) -> RateEstimate:
    """One that began at 0 and has had shares of ``difficulty`` at these times."""
    result = RateEstimate(0.0)
    for now in at:
        result.add(difficulty, difficulty, now)
    return result


def every(seconds: float, count: int) -> list[float]:
    return [n * seconds for n in range(1, count + 1)]


def test_nothing_is_known_before_a_share_however_long_it_takes() -> None:
    nothing = RateEstimate(0.0)
    assert nothing.rate(0.0) == nothing.rate(1e9) == nothing.last_rate() == 0.0
    assert not nothing.is_silent(1.0, 1e9)


def test_the_time_before_the_first_share_counts() -> None:
    assert estimate(10.0).last_rate() == pytest.approx(1 / 10, rel=0.03)


def test_nothing_is_concluded_from_shares_within_a_second() -> None:
    assert estimate(1e-9).last_rate() == 1.0
    assert estimate(*[0.0] * 50).rate(0.0) == 50.0


def test_the_shares_of_the_first_window_are_believed_until_it_is_over() -> None:
    young = estimate(*every(5.0, 20))
    assert young.known == 0.0
    assert young.believed() == young.last_rate() == pytest.approx(1 / 5, rel=0.05)
    old = estimate(*every(5.0, 24))
    assert old.updated_at == WINDOW_S
    assert old.known == old.believed() == pytest.approx(1 / 5, rel=0.05)


@pytest.mark.parametrize(("shares", "due"), [(1, 162_754), (2, 805), (3, 161), (6, 38), (20, 16.5)])
def test_the_fewer_the_shares_the_longer_a_gap_is_luck(shares: int, due: int) -> None:
    young = estimate(*every(1.0, shares))
    gap = due / young.last_rate()  # so many would have come, if the few tell the rate
    assert not young.is_silent(1.0, young.updated_at + gap * 0.98)
    assert young.is_silent(1.0, young.updated_at + gap * 1.02)


def test_a_silence_after_some_shares_is_left_out_of_a_first_window() -> None:
    young = estimate(*every(5.0, 20))
    before = young.last_rate()
    young.add(1.0, 1.0, 100.0 + 3600.0)
    assert young.last_rate() == young.known == before


def test_a_silence_after_few_shares_counts() -> None:
    young = estimate(0.0, 0.0, 0.0, 0.0)
    young.add(1.0, 1.0, 40.0)
    assert young.last_rate() == pytest.approx(5 / 40, rel=0.05)


def test_a_silence_after_few_shares_counts_as_256_times_slower_and_no_more() -> None:
    young = estimate(*every(1.0, 3), difficulty=256.0)
    young.add(1.0, 1.0, 3.0 + 200.0)
    assert young.known == pytest.approx(1.0, rel=0.01)  # 256 a second before
    assert young.last_rate() == pytest.approx(1.0, rel=0.01)


def test_a_second_silence_in_the_first_window_makes_it_slower() -> None:
    young = estimate(*every(5.0, 20))
    young.add(1.0, 1.0, 400.0)
    young.add(1.0, 1.0, 700.0)
    assert young.last_rate() == pytest.approx(1 / TAU_S)


@pytest.mark.parametrize("shares", [1, 3, 20, 100])
@pytest.mark.parametrize("gap", [0.0, 100.0, 1e4, 1e6, 3e8])
def test_no_gap_makes_the_rate_less_than_what_silence_eases_to(shares: int, gap: float) -> None:
    some = estimate(*every(5.0, shares))
    assert some.rate(some.updated_at + gap) >= some.last_rate() / MAX_EASE > 0


def test_of_shares_that_come_at_once_those_found_in_a_silence_take_its_time_with_them() -> None:
    together, one_by_one = (estimate(*every(1.0, 20)) for _ in range(2))
    for each in (together, one_by_one):
        each.add(1.0, 1.0, 60.0)  # the end of a silence: twice 40 shares may come of it
    seconds = together.seconds
    together.add(1.0, 1.0, 64.0, 90)
    for _ in range(90):
        one_by_one.add(1.0, 1.0, 64.0)
    assert together.seconds == one_by_one.seconds == seconds
    assert together.work == one_by_one.work


@pytest.mark.parametrize("silent_s", [0.0, 400.0])
def test_shares_that_come_at_once_count_as_if_told_one_by_one(silent_s: float) -> None:
    together, one_by_one = RateEstimate(0.0), RateEstimate(0.0)
    now = 0.0
    for turn in range(300):
        now += 1.0 + (silent_s if turn == 200 else 0.0)
        count = 1 + turn % 4
        together.add(8.0, 8.0, now, count)
        for _ in range(count):
            one_by_one.add(8.0, 8.0, now)
    assert together.work == pytest.approx(one_by_one.work)
    assert together.squares == pytest.approx(one_by_one.squares)
    assert together.seconds == pytest.approx(one_by_one.seconds)
    assert together.rate(now) == pytest.approx(one_by_one.rate(now))
