from fractions import Fraction

import pytest

from poolserver.power.break_even import HASHES_PER_DIFFICULTY, Market, break_even
from poolserver.power.models import MinerModel

S21 = MinerModel("Bitmain", "S21", Fraction(200), Fraction(3500), Fraction("17.5"), "air", "")
# A petahash a second finds one block a day, of one bitcoin, of 42 dollars: a hashprice of 42.
EASY = Market(
    Fraction(42), 10**15 * 86_400 / HASHES_PER_DIFFICULTY, 10**8, Fraction("0.05"), Fraction(1)
)


def test_the_hashprice_is_what_a_petahash_a_second_earns_in_a_day() -> None:
    assert EASY.sat_per_ph_day == 10**8
    assert EASY.hashprice == 42


def test_difficulty_1_takes_4295032833_hashes() -> None:
    assert pytest.approx(4_295_032_833, rel=1e-12) == HASHES_PER_DIFFICULTY


def test_a_rig_breaks_even_where_its_power_costs_what_it_earns() -> None:
    # 42 dollars buy 840 kWh at 5 cents: for a day 35 kW, which is 35 J/TH at 1 PH/s.
    assert EASY.j_per_th == 35
    assert EASY._replace(pue=Fraction("1.25")).j_per_th == 28
    assert EASY._replace(per_kwh=Fraction(0)).j_per_th is None


def test_a_model_earns_by_the_megawatt_hour_at_the_meter() -> None:
    # 1 PH/s by 17.5 J/TH is 17.5 kW, 420 kWh a day, for which it earns 42 dollars.
    found = break_even(S21, EASY)
    assert found.per_kwh == Fraction("0.1")
    assert found.per_mwh == 100
    assert found.margin_per_mwh == 50
    assert found.sat_per_day == 20_000_000  # a fifth of a petahash
    assert found.margin_per_day == Fraction("4.2")  # 84 kWh of 3.5 kW
    assert break_even(S21, EASY._replace(pue=Fraction("1.25"))).per_mwh == 80


def test_a_worked_example_of_the_main_network() -> None:
    market = Market(
        Fraction(95_000), Fraction(150 * 10**12), 312_500_000, Fraction("0.06"), Fraction("1.05")
    )
    # 8.64e19 hashes of 6.44255e23 are 1.34108e-4 blocks.
    assert float(market.sat_per_ph_day) == pytest.approx(41_909, abs=1)
    assert float(market.hashprice) == pytest.approx(39.81, abs=0.01)
    assert market.j_per_th is not None
    assert float(market.j_per_th) == pytest.approx(26.33, abs=0.01)
    assert float(break_even(S21, market).per_mwh) == pytest.approx(90.28, abs=0.01)
