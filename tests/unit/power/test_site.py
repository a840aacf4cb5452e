from dataclasses import dataclass, replace
from fractions import Fraction
from math import floor

from hypothesis import given
from hypothesis import strategies as st

from poolserver.ledger.totals import Totals
from poolserver.power.rating import Place, Rating, RatingSource
from poolserver.power.site import SitePower


@dataclass(frozen=True)
class Site:
    name: str = "sahiwal"
    pue: Fraction = Fraction("1.05")
    default_j_per_th: Fraction = Fraction("17.5")
    work_scale: int = 1


def test_a_simulated_site_counts_each_hash_for_many() -> None:
    scaled = SitePower(Site(work_scale=10**9)).default_place
    assert scaled.pj_per_hash == SitePower(Site()).default_place.pj_per_hash * 10**9


def test_one_joule_per_terahash_is_one_picojoule_per_hash() -> None:
    site = SitePower(Site(pue=Fraction(1), default_j_per_th=Fraction(1)))
    assert site.default_place.pj_per_hash == 1


def test_an_s21_takes_3675_joules_a_second_at_the_meter() -> None:
    energy_pj = 200 * 10**12 * SitePower(Site()).default_place.pj_per_hash
    assert Totals(site_energy_pj={"sahiwal": energy_pj}).energy_j("sahiwal") == 3675


efficiencies = st.decimals("0.01", "200", places=2).map(Fraction)
pues = st.decimals("1", "3", places=3).map(Fraction)
works = st.lists(st.integers(0, 2**80), max_size=30)


@given(works, efficiencies, pues, st.integers(1, 10**9), st.data())
def test_energy_depends_on_the_work_and_not_on_its_batches(
    work: list[int], j_per_th: Fraction, pue: Fraction, work_scale: int, data: st.DataObject
) -> None:
    config = replace(Site(), default_j_per_th=j_per_th, pue=pue, work_scale=work_scale)
    site = SitePower(config)
    totals, rest = Totals(), list(work)
    while rest:
        size = data.draw(st.integers(1, len(rest)))
        batch, rest = rest[:size], rest[size:]
        totals.add({}, {site.name: sum(batch) * site.default_place.pj_per_hash})
    exact_j = sum(work) * work_scale * j_per_th * pue / 10**12
    assert totals.energy_j(site.name) == floor(exact_j)


def test_rigs_of_a_rating_of_their_own_are_booked_at_their_node_with_the_sites_pue() -> None:
    rating = Rating(Fraction(15), RatingSource.OPERATOR, "Antminer S21 Pro")
    place = SitePower(Site()).place_of(rating, "sahiwal/F1")
    assert place == Place("sahiwal/F1", rating, Fraction("15.75"))


def test_rigs_that_nothing_else_is_known_of_are_at_the_site_with_its_default() -> None:
    place = SitePower(Site()).default_place
    assert place.node == "sahiwal"
    assert place.rating == Rating(Fraction("17.5"), RatingSource.SITE_DEFAULT, "")
