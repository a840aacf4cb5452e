"""Meters within their class; silent ones; what their counters tell."""

import numpy as np
import pytest

from poolserver.config.simulation import EventConfig, SimulationConfig
from poolserver.sim.programme.meters import SimulatedMeter, make_meter, suffer

QUIET = SimulationConfig(meter_noise_percent=0, meter_outages_per_day=0)


def meter(config: SimulationConfig = QUIET, gain: float = 1.0) -> SimulatedMeter:
    return SimulatedMeter("m", gain, config, np.random.default_rng(1))


def test_no_meter_is_further_off_than_its_class_allows() -> None:
    random = np.random.default_rng(1)
    gains = [make_meter("m", 0.5, QUIET, random).gain for _ in range(1000)]
    assert 0.995 <= min(gains) < 0.9955
    assert 1.0045 < max(gains) <= 1.005


def test_it_tells_whole_kilowatts_and_kilowatt_hours_as_it_sees_them() -> None:
    reading = meter(gain=1.004).read(1e6, 36e9, 100.0)
    assert reading is not None
    assert (reading.power_w, reading.energy_j) == (1_004_000, 10_040 * 3_600_000)


def test_power_scatters_and_the_counter_does_not() -> None:
    noisy = meter(SimulationConfig(meter_noise_percent=1, meter_outages_per_day=0))
    readings = [noisy.read(1e8, 7.2e9, float(each)) for each in range(400)]
    powers = [each.power_w for each in readings if each is not None and each.power_w]
    assert np.std(powers) == pytest.approx(1e6, rel=0.15)
    assert {each.energy_j for each in readings if each} == {7_200_000_000}


def test_it_is_silent_as_often_and_as_long_as_configured() -> None:
    config = SimulationConfig(meter_outages_per_day=20, meter_outage_minutes=10)
    often = meter(config)
    days = 20
    for tick in range(0, days * 86_400, 5):
        often.read(1e6, 0.0, float(tick))
    # Out of service 10 minutes in each 72 + 10.
    assert often.silent_s / (days * 86_400) == pytest.approx(10 / 82, rel=0.2)


def test_events_silence_it_and_change_its_unit() -> None:
    one = meter()
    suffer([one], EventConfig(at_h=0, kind="meter_out", name="m", minutes=1), now_s=10.0)
    assert one.read(1e6, 0.0, 60.0) is None
    suffer([one], EventConfig(at_h=0, kind="meter_kw", name="m"), now_s=70.0)
    reading = one.read(1e6, 0.0, 75.0)
    assert reading is not None
    assert reading.power_w == 1000
    with pytest.raises(ValueError, match="no meter"):
        suffer([one], EventConfig(at_h=0, kind="meter_out", name="x"), now_s=0.0)
