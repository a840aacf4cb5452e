from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolserver.power.energy import EnergyLine, energy_of
from poolserver.power.rating import RIG_SIGMA, Rating, RatingSource, common_errors

S21 = Rating(Fraction("17.5"), RatingSource.OPERATOR, "Antminer S21")
SHARE = 2**48


def line(shares: int, rating: Rating = S21, site: str = "hall") -> EnergyLine:
    return EnergyLine(site, rating, rating.j_per_th, shares * SHARE, shares * SHARE**2)


def test_the_energy_is_work_times_what_a_hash_takes() -> None:
    each = EnergyLine("hall", S21, Fraction("18.375"), 200 * 10**12, 1)
    assert each.energy_pj == 3675 * 10**12
    assert energy_of([each], 1.0).value == pytest.approx(3675)


def test_chance_averages_out_and_the_models_error_does_not() -> None:
    few, many = energy_of([line(100)], 900.0), energy_of([line(10**10)], 900.0)
    rating = sum(sigma**2 for _, sigma in common_errors(S21, "hall")) ** 0.5
    assert few.sigma / few.value == pytest.approx(
        (0.01 + rating**2 + RIG_SIGMA**2) ** 0.5, rel=0.01
    )
    assert many.sigma / many.value == pytest.approx(rating, rel=0.01)


def test_two_models_are_off_each_by_itself_and_two_sites_too() -> None:
    other = S21._replace(model="Whatsminer M60")
    big = 10**10
    alone = energy_of([line(big)], 900.0)
    two_models = energy_of([line(big), line(big, other)], 900.0)
    two_sites = energy_of([line(big), line(big, other, "south")], 900.0)
    assert two_sites.sigma < two_models.sigma < 2 * alone.sigma


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=10))
def test_lines_that_are_cut_up_have_the_same_energy_and_common_error(parts: list[int]) -> None:
    whole = energy_of([line(sum(parts))], 900.0)
    cut = energy_of([line(part) for part in parts], 900.0)
    assert cut.value == pytest.approx(whole.value)
    assert dict(cut.common) == pytest.approx(dict(whole.common))
