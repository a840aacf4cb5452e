import random
from math import exp, inf, isclose, sqrt

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolserver.power.hashrate import WINDOWS_S, DecayingRate, HashrateMeter, Hashrates, RateState

TH_S = 10**12
WORK = 65_536 * 4_295_032_833  # one share of difficulty 65,536


def send_steadily(rate: DecayingRate, until_s: float, *, every_s: float = 5.0) -> None:
    now_s = every_s
    while now_s <= until_s:
        rate.update(now_s, WORK, WORK**2)
        now_s += every_s


def test_before_the_first_share_the_rate_is_zero_and_nothing_is_known() -> None:
    rate = DecayingRate(60.0, started_s=100.0)
    assert rate.rate(100.0) == 0.0
    assert rate.rate(160.0) == 0.0
    assert rate.relative_sigma == inf


@pytest.mark.parametrize("tau_s", WINDOWS_S)
@pytest.mark.parametrize("minutes", [1, 5, 60, 600])
def test_a_steady_rig_shows_its_rate_from_the_first_minute_on(tau_s: float, minutes: int) -> None:
    rate = DecayingRate(tau_s, started_s=0.0)
    send_steadily(rate, 60.0 * minutes)
    # A share each 5 s, read right after one: at most a share too much in the first minute.
    assert rate.rate(60.0 * minutes) == pytest.approx(WORK / 5.0, rel=0.05)


def test_the_mean_over_many_poisson_rigs_is_unbiased_in_the_first_minute() -> None:
    chance = random.Random(1)
    total = 0.0
    for _ in range(2000):
        rate = DecayingRate(3600.0, started_s=0.0)
        now_s = chance.expovariate(1 / 5)
        while now_s < 60.0:
            rate.update(now_s, 5, 25)
            now_s += chance.expovariate(1 / 5)
        total += rate.rate(60.0)
    assert total / 2000 == pytest.approx(1.0, rel=0.03)  # 4 sigma: 24,000 shares are good to 0.65 %


def test_silence_lowers_the_rate_by_the_window() -> None:
    rate = DecayingRate(60.0, started_s=0.0)
    send_steadily(rate, 6000.0)
    assert rate.rate(6060.0) == pytest.approx(rate.rate(6000.0) * exp(-1), rel=1e-9)
    before = rate.relative_sigma
    rate.update(6100.0, 0, 0)  # a batch without a share of this rig is silence too
    assert rate.relative_sigma == before


def test_after_a_very_long_silence_the_next_share_counts_alone() -> None:
    rate = DecayingRate(60.0, started_s=0.0)
    send_steadily(rate, 600.0)
    rate.update(1e9, WORK, WORK**2)
    assert rate.rate(1e9) == WORK / 60.0
    assert rate.relative_sigma == 1.0


def test_a_batch_counts_as_its_shares_at_one_time() -> None:
    one, many = DecayingRate(60.0, 0.0), DecayingRate(60.0, 0.0)
    one.update(10.0, 6 * WORK, 6 * WORK**2)
    for _ in range(6):
        many.update(10.0, WORK, WORK**2)
    assert one.rate(20.0) == pytest.approx(many.rate(20.0), rel=1e-12)
    assert one.relative_sigma == pytest.approx(many.relative_sigma, rel=1e-12)


def test_the_error_is_one_over_root_n_for_fresh_shares_of_one_difficulty() -> None:
    rate = DecayingRate(60.0, 0.0)
    rate.update(10.0, 25 * WORK, 25 * WORK**2)
    assert rate.relative_sigma == pytest.approx(1 / 5)


@pytest.mark.parametrize(("tau_s", "sigma"), [(60.0, 0.204), (300.0, 0.0913), (3600.0, 0.0264)])
def test_at_12_shares_a_minute_the_error_is_that_of_twice_the_window(
    tau_s: float, sigma: float
) -> None:
    # Of an exponential window: 1/sqrt(2 * tau * rate).
    rate = DecayingRate(tau_s, 0.0)
    send_steadily(rate, 20 * tau_s)
    assert rate.relative_sigma == pytest.approx(sigma, rel=0.03)


@given(st.lists(st.tuples(st.floats(0.01, 500), st.integers(1, 10**20)), min_size=1, max_size=20))
def test_rate_and_error_are_the_sums_that_define_them(shares: list[tuple[float, int]]) -> None:
    rate = DecayingRate(300.0, started_s=50.0)
    now_s, sent = 50.0, []
    for gap_s, work in shares:
        now_s += gap_s
        rate.update(now_s, work, work**2)
        sent.append((now_s, work))
    weighted = [work * exp((at_s - now_s) / 300.0) for at_s, work in sent]
    observed_s = 300.0 * (1 - exp((50.0 - now_s) / 300.0))
    assert isclose(rate.rate(now_s), sum(weighted) / observed_s, rel_tol=1e-6)
    sigma = sqrt(sum(part**2 for part in weighted)) / sum(weighted)
    assert isclose(rate.relative_sigma, sigma, rel_tol=1e-6)


def test_time_does_not_go_back() -> None:
    rate = DecayingRate(60.0, 100.0)
    with pytest.raises(ValueError, match="time went back"):
        rate.rate(99.0)
    with pytest.raises(ValueError, match="time went back"):
        rate.update(99.0, 1, 1)


def test_a_state_resumes_on_another_clock_as_if_no_time_had_passed() -> None:
    rate = DecayingRate(300.0, started_s=0.0)
    send_steadily(rate, 120.0)
    saved = msgspec.json.encode(rate.state(150.0))
    resumed = DecayingRate.resume(msgspec.json.decode(saved, type=RateState), 7.0)
    assert resumed.rate(7.0) == pytest.approx(rate.rate(150.0))
    assert resumed.relative_sigma == pytest.approx(rate.relative_sigma)
    assert resumed.rate(37.0) == pytest.approx(rate.rate(180.0))


def test_a_meter_shows_four_windows_of_the_same_shares() -> None:
    meter = HashrateMeter(0.0)
    assert meter.rates(0.0) == Hashrates(0.0, 0.0, 0.0, 0.0)
    assert meter.relative_sigmas == Hashrates(inf, inf, inf, inf)
    for second in range(5, 7205, 5):
        meter.update(second, 1000 * TH_S, (1000 * TH_S) ** 2)
    assert meter.rates(7200.0) == pytest.approx((200 * TH_S,) * 4, rel=0.05)
    sigmas = meter.relative_sigmas
    assert sigmas.m1 > sigmas.m5 > sigmas.m15 > sigmas.h1
    resumed = HashrateMeter.resume(meter.state(7200.0), 0.0)
    assert resumed.rates(0.0) == pytest.approx(meter.rates(7200.0))
