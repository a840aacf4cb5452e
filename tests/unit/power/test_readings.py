"""Which readings of a meter are believed."""

from math import inf, isfinite, nan, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolserver.power.readings import CONFIRMATIONS, MAX_AHEAD_S, MeterBook, MeterSpec
from poolserver.power.state import MeterReading, MeterState, Quality

NOW_S = 1_800_000_000.0
RATED_W = 100_000_000
SPEC = MeterSpec("t2", RATED_W, accuracy_class=0.5)
MW = 1e6


class Readings:
    """A meter that is read every five seconds."""

    def __init__(self, spec: MeterSpec = SPEC) -> None:
        self.book = MeterBook([spec])
        self.now_s = NOW_S

    def says(self, *powers_w: float | None, energy_j: int | None = None) -> MeterState:
        """What is believed after these, one after the other."""
        for power_w in powers_w:
            self.now_s += 5
            self.take(power_w, self.now_s, energy_j)
        return self.state

    def take(self, power_w: float | None, at_s: float, energy_j: int | None = None) -> MeterState:
        return self.book.take(MeterReading("t2", at_s, power_w, energy_j), self.now_s)

    @property
    def state(self) -> MeterState:
        return self.book.state("t2", self.now_s)


def test_before_the_first_reading_nothing_is_believed() -> None:
    state = Readings().state
    assert (state.quality, state.power_w, state.is_good) == (Quality.NONE, None, False)


def test_a_good_reading_is_believed_with_the_error_of_its_class() -> None:
    state = Readings().says(40 * MW)
    assert state.is_good
    assert (state.power_w, state.at_s) == (40 * MW, NOW_S + 5)
    assert state.relative_sigma == pytest.approx(0.005 / sqrt(3))


@pytest.mark.parametrize(
    ("power_w", "quality", "words"),
    [
        (nan, Quality.NOT_A_NUMBER, "no number"),
        (inf, Quality.NOT_A_NUMBER, "no number"),
        (-inf, Quality.NOT_A_NUMBER, "no number"),
        (float("1e400"), Quality.NOT_A_NUMBER, "no number"),
        (-1 * MW, Quality.NEGATIVE, "does not flow out"),
        (500 * MW, Quality.OUT_OF_RANGE, "of at most 200000000 W"),
        (40_000 * MW, Quality.WRONG_UNIT, "off by 1000"),
        (40e6 * MW, Quality.WRONG_UNIT, "off by 1000000"),
        (40e3, Quality.WRONG_UNIT, "off by 1000 from what it said before"),
        (40.0, Quality.WRONG_UNIT, "off by 1000000 from what it said before"),
        (65 * MW, Quality.JUMP, "not confirmed yet"),
        (0.0, Quality.JUMP, "not confirmed yet"),
        (None, Quality.FAULT, "neither power nor energy"),
    ],
)
def test_a_bad_reading_is_flagged_and_the_one_before_is_kept(
    power_w: float | None, quality: Quality, words: str
) -> None:
    meter = Readings()
    meter.says(40 * MW)
    state = meter.says(power_w)
    assert (state.quality, state.power_w, state.at_s) == (quality, 40 * MW, NOW_S + 5)
    assert words in state.reason
    assert not state.is_good
    assert meter.says(41 * MW).is_good


def test_a_step_is_believed_once_two_more_readings_confirm_it() -> None:
    meter = Readings()
    meter.says(10 * MW)
    assert [meter.says(70 * MW).quality for _ in range(3)] == [
        Quality.JUMP,
        Quality.JUMP,
        Quality.GOOD,
    ]
    assert meter.state.power_w == 70 * MW


def test_single_wild_readings_are_never_believed() -> None:
    meter = Readings()
    for _ in range(50):
        meter.says(10 * MW, 70 * MW, 110 * MW, 50 * MW, 90 * MW)
        assert meter.state.power_w == 10 * MW


def test_a_ramp_that_is_too_fast_is_believed_on_its_way() -> None:
    meter = Readings()
    meter.says(0.0)
    for power_mw in range(15, 90, 15):
        meter.says(power_mw * MW)
    assert (meter.state.quality, meter.state.power_w) == (Quality.GOOD, 75 * MW)


def test_a_meter_that_falls_silent_is_stale() -> None:
    meter = Readings()
    meter.says(40 * MW)
    meter.now_s += 60
    assert meter.state.is_good
    meter.now_s += 1
    assert (meter.state.quality, meter.state.power_w) == (Quality.STALE, 40 * MW)
    assert meter.state.reason == "the newest reading is 61 s old"


def test_an_old_verdict_is_stale_too() -> None:
    meter = Readings()
    meter.says(nan)
    meter.now_s += 61
    assert meter.state.quality is Quality.STALE


def test_a_fault_is_told_at_once_and_ends_with_a_good_reading() -> None:
    meter = Readings()
    meter.says(40 * MW)
    state = meter.book.fault("t2", "connection refused", meter.now_s)
    assert (state.quality, state.reason) == (Quality.FAULT, "connection refused")
    assert meter.says(40 * MW).is_good


@pytest.mark.parametrize(
    ("shift_s", "quality"),
    [
        (MAX_AHEAD_S, Quality.GOOD),
        (MAX_AHEAD_S + 1, Quality.WRONG_TIME),
        (inf, Quality.WRONG_TIME),
        (nan, Quality.WRONG_TIME),
        (10**400, Quality.WRONG_TIME),
        (-1, Quality.WRONG_TIME),
        (-61, Quality.WRONG_TIME),
    ],
)
def test_the_time_of_a_reading_is_held_against_the_clock_and_the_one_before(
    shift_s: float, quality: Quality
) -> None:
    meter = Readings()
    meter.says(40 * MW)
    at_s = shift_s if shift_s == 10**400 else meter.now_s + shift_s
    assert meter.take(41 * MW, at_s).quality is quality


def test_what_is_old_when_it_comes_is_not_believed() -> None:
    meter = Readings()
    state = meter.take(40 * MW, NOW_S - 61)
    assert (state.quality, state.power_w) == (Quality.STALE, None)


def test_a_retained_message_that_comes_again_changes_nothing() -> None:
    meter = Readings()
    meter.says(40 * MW)
    meter.now_s += 30
    assert meter.take(40 * MW, NOW_S + 5).is_good
    assert meter.book.counts["t2", Quality.GOOD] == 1
    meter.now_s += 31
    assert meter.take(40 * MW, NOW_S + 5).quality is Quality.STALE


def test_readings_go_on_after_our_clock_is_set_back() -> None:
    meter = Readings()
    meter.says(40 * MW)
    meter.now_s -= 3600
    assert meter.says(41 * MW).is_good


def test_a_reading_holds_no_longer_than_it_says_itself() -> None:
    meter = Readings()

    def says(until_s: float) -> MeterState:
        meter.now_s += 5
        reading = MeterReading("t2", meter.now_s, 40 * MW, valid_until_s=until_s)
        return meter.book.take(reading, meter.now_s)

    assert says(NOW_S + 15).is_good
    meter.now_s += 9
    assert meter.state.is_good
    meter.now_s += 1
    assert meter.state.quality is Quality.STALE
    assert says(NOW_S + 15).quality is Quality.STALE  # a retained one that comes late
    assert says(nan).quality is Quality.STALE
    assert says(meter.now_s + 15).is_good
    assert meter.says(40 * MW).is_good
    meter.now_s += 59
    assert meter.state.is_good


def test_a_meter_that_falls_silent_as_our_clock_is_set_back_is_stale() -> None:
    meter = Readings()
    meter.says(40 * MW)
    meter.now_s -= 3600
    assert meter.state.quality is Quality.STALE


def test_the_same_figure_for_a_quarter_of_an_hour_is_no_measurement() -> None:
    meter = Readings()
    assert meter.says(*[40 * MW] * 180).is_good
    assert meter.says(40 * MW).quality is Quality.FROZEN
    assert meter.says(40 * MW + 1).is_good


def test_no_load_and_a_counter_that_goes_on_are_not_frozen() -> None:
    assert Readings().says(*[0.0] * 400).is_good
    meter = Readings()
    for number in range(400):
        assert meter.says(40 * MW, energy_j=number).is_good


def test_a_coarse_meter_may_be_let_off() -> None:
    assert Readings(MeterSpec("t2", RATED_W, frozen_after_s=None)).says(*[40 * MW] * 999).is_good


def test_a_little_below_zero_is_no_load() -> None:
    assert Readings().says(-400_000.0).power_w == 0.0


def test_a_node_that_feeds_back_may_be_negative() -> None:
    meter = Readings(MeterSpec("t2", RATED_W, feeds_back=True))
    assert meter.says(-40 * MW).power_w == -40 * MW
    assert meter.says(-230 * MW).quality is Quality.OUT_OF_RANGE


def test_an_overload_does_not_hide_itself() -> None:
    meter = Readings()
    meter.says(90 * MW)
    assert [meter.says(150 * MW).is_good for _ in range(3)] == [False, False, True]
    assert meter.state.power_w == 150 * MW
    ramp = Readings()
    assert all(ramp.says(each * MW).is_good for each in (90, 105, 120, 135, 150))


def test_an_overload_that_a_meter_begins_with_is_confirmed_first() -> None:
    meter = Readings()
    qualities = [meter.says(150 * MW).quality for _ in range(3)]
    assert qualities == [Quality.OUT_OF_RANGE, Quality.OUT_OF_RANGE, Quality.GOOD]


# --- the wrong unit ----------------------------------------------------------------------------


def test_a_wrong_unit_is_not_confirmed_by_itself() -> None:
    meter = Readings()
    meter.says(40 * MW)
    for number in range(500):
        assert meter.says(40e3 + number).quality is Quality.WRONG_UNIT


def test_shares_tell_the_wrong_unit_of_the_first_reading() -> None:
    meter = Readings()
    meter.book.expect("t2", 30 * MW)
    state = meter.says(40e3)
    assert state.quality is Quality.WRONG_UNIT
    assert state.reason == "it says 40000 W, off by 1000 from what shares tell"


def test_a_node_that_was_really_switched_off_is_believed_once_its_shares_stop() -> None:
    meter = Readings()
    meter.book.expect("t2", 40 * MW)
    meter.says(40 * MW, 40e3, 40e3, 40e3)
    assert meter.state.quality is Quality.WRONG_UNIT
    meter.book.expect("t2", 0.0)
    assert meter.says(40e3, 40e3, 40e3).power_w == 40e3


def test_few_shares_prove_nothing_against_a_meter() -> None:
    """After a start of the pool its rigs come back one by one."""
    meter = Readings()
    meter.book.expect("t2", 40e3)
    assert meter.says(40 * MW).is_good


def test_shares_speak_for_a_thousandfold_rise() -> None:
    meter = Readings()
    meter.says(40e3)
    assert meter.says(40 * MW).quality is Quality.WRONG_UNIT
    meter.book.expect("t2", 38 * MW)
    assert meter.says(40 * MW, 40 * MW, 40 * MW).is_good


def test_an_expectation_that_is_no_number_says_nothing() -> None:
    meter = Readings()
    meter.book.expect("t2", nan)
    assert meter.says(40 * MW).is_good


# --- the energy counter ------------------------------------------------------------------------


def test_a_counter_that_is_set_back_is_told_and_begins_another_epoch() -> None:
    meter = Readings()
    meter.says(40 * MW, energy_j=10**12)
    state = meter.says(40 * MW, energy_j=5)
    assert state.is_good
    assert (state.energy_j, state.counter_epoch) == (5, 1)
    assert state.reason == "its energy counter set back from 1000000000000 J to 5 J"
    assert meter.says(41 * MW, energy_j=6).reason == ""


def test_a_counter_that_leaps_begins_another_epoch() -> None:
    meter = Readings()
    meter.says(40 * MW, energy_j=0)
    assert meter.says(41 * MW, energy_j=10**15).counter_epoch == 1


def test_a_counter_that_rolls_over_is_told_and_goes_on_in_its_epoch() -> None:
    meter = Readings(MeterSpec("t2", RATED_W, counter_modulus_j=2**32))
    meter.says(40 * MW, energy_j=2**32 - 1)
    state = meter.says(41 * MW, energy_j=10)
    assert (state.counter_epoch, "rolled over" in state.reason) == (0, True)


def test_a_counter_is_followed_over_readings_without_one() -> None:
    meter = Readings()
    meter.says(40 * MW, energy_j=10**12)
    meter.says(41 * MW)
    assert meter.says(40 * MW, energy_j=5).counter_epoch == 1


@pytest.mark.parametrize(
    "energy_j", [-1, -(10**9000), 2**63, 10**9000], ids=["-1", "-huge", "2^63", "huge"]
)
def test_a_counter_out_of_range_is_refused(energy_j: int) -> None:
    state = Readings().says(40 * MW, energy_j=energy_j)
    assert state.quality in (Quality.NEGATIVE, Quality.OUT_OF_RANGE)
    assert state.energy_j is None


def test_a_counter_alone_is_good_and_tells_no_power() -> None:
    state = Readings().says(None, energy_j=7)
    assert (state.quality, state.energy_j, state.is_good) == (Quality.GOOD, 7, False)


# --- whatever comes ----------------------------------------------------------------------------

HOSTILE_NUMBERS = st.one_of(
    st.floats(),
    st.integers(),
    st.sampled_from([10**400, -(10**400), 0, 1, 40e3, 40 * MW, 40e3 * MW, 90 * MW]),
)
READINGS = st.tuples(
    st.floats(-100, 100),  # how much time passes
    st.one_of(st.floats(-200, 200), HOSTILE_NUMBERS),  # how the reading's time is off
    st.one_of(st.none(), HOSTILE_NUMBERS),
    st.one_of(st.none(), st.integers(), st.just(10**9000)),
    st.one_of(st.none(), HOSTILE_NUMBERS),
)


@given(readings=st.lists(READINGS, max_size=40), feeds_back=st.booleans())
def test_nothing_that_a_meter_says_raises_or_is_believed_out_of_range(
    readings: list[tuple[float, float, float | None, int | None, float | None]], feeds_back: bool
) -> None:
    spec = MeterSpec("t2", RATED_W, feeds_back=feeds_back)
    book, now_s = MeterBook([spec]), NOW_S
    for passes_s, off_s, power_w, energy_j, expected_w in readings:
        now_s += passes_s
        book.expect("t2", expected_w)
        at_s = now_s + off_s if abs(off_s) < 1e300 else off_s
        state = book.take(MeterReading("t2", at_s, power_w, energy_j), now_s)
        if state.power_w is not None:
            assert isfinite(state.power_w)
            lowest_w = -spec.most_w if feeds_back else 0.0
            assert lowest_w <= state.power_w <= spec.most_w
        if state.energy_j is not None:
            assert 0 <= state.energy_j < 2**63
        if state.quality is Quality.GOOD:
            assert state.at_s is not None
            assert -spec.stale_after_s - 1 <= state.at_s - now_s <= MAX_AHEAD_S + 1
        else:
            assert state.reason or state.quality is Quality.NONE


@given(powers_w=st.lists(st.floats(0, 1.2 * RATED_W), min_size=1, max_size=40))
def test_whatever_came_before_a_steady_load_is_believed_within_three_readings(
    powers_w: list[float],
) -> None:
    meter = Readings()
    meter.says(*powers_w)
    meter.book.expect("t2", 55 * MW)
    assert meter.says(*[55 * MW + n for n in range(CONFIRMATIONS + 1)]).is_good


def test_a_meter_that_is_not_known_is_an_error_of_the_caller() -> None:
    book = MeterBook([SPEC])
    assert "t2" in book
    assert "t3" not in book
    with pytest.raises(KeyError):
        book.take(MeterReading("t3", NOW_S, 1.0), NOW_S)
