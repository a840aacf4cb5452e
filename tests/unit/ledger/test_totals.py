from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolserver.bitcoin.target import DIFFICULTY_1_TARGET
from poolserver.ledger.totals import (
    UNASSIGNED_SITE,
    ShareTotals,
    Totals,
    WorkerKey,
    site_lookup,
)
from poolserver.mining.share import ShareOutcome

KEYS = [
    WorkerKey("north", "a", "a.1"),
    WorkerKey("north", "a", "a.2"),
    WorkerKey("south", "b", "b"),
]

amounts = st.integers(0, 2**100)
counts = st.integers(0, 1000)
hashes = st.none() | st.integers(0, 2**256 - 1)
times_ms = st.none() | st.integers(-(2**63), 2**63 - 1)

share_totals = st.builds(
    ShareTotals,
    accepted_work=amounts,
    proven_work=amounts,
    proven_work_sq=amounts,
    shares=st.lists(counts, min_size=len(ShareOutcome), max_size=len(ShareOutcome)),
    best_hash=hashes,
    first_ms=times_ms,
    last_ms=times_ms,
)
energies = st.dictionaries(
    st.sampled_from(["north", "south"]), st.fractions(min_value=0, max_value=10**30)
)
parts = st.tuples(
    st.dictionaries(st.sampled_from(["north", "south"]), share_totals, max_size=3), energies
)
Part = tuple[dict[str, ShareTotals], dict[str, Fraction]]


def total_of(parts: list[Part]) -> Totals:
    total = Totals()
    for sites, site_energy_pj in parts:
        total.add(sites, site_energy_pj)
    return total


@given(
    st.lists(parts, max_size=4).flatmap(
        lambda some: st.tuples(st.just(some), st.permutations(some))
    )
)
def test_totals_are_the_same_in_any_order(orders: tuple[list[Part], list[Part]]) -> None:
    assert total_of(orders[0]) == total_of(orders[1])


@given(share_totals, share_totals, share_totals)
def test_sums_are_the_same_in_any_parts(a: ShareTotals, b: ShareTotals, c: ShareTotals) -> None:
    left, right, rest = ShareTotals(), ShareTotals(), ShareTotals()
    for each in (a, b, c):
        left.add(each)
    rest.add(b)
    rest.add(c)
    right.add(a)
    right.add(rest)
    assert left == right


def test_adding_leaves_the_other_as_it_was() -> None:
    part = ShareTotals(accepted_work=5)
    total = total_of([({"north": part}, {}), ({"north": part}, {})])
    assert total.sites["north"].accepted_work == 10
    assert part.accepted_work == 5


def test_the_best_share_is_the_one_of_the_lowest_hash() -> None:
    worker = ShareTotals()
    assert worker.best_difficulty == 0.0
    for best_hash in (
        DIFFICULTY_1_TARGET // 4,
        DIFFICULTY_1_TARGET // 16,
        None,
        DIFFICULTY_1_TARGET,
    ):
        worker.add(ShareTotals(best_hash=best_hash))
    assert worker.best_difficulty == pytest.approx(16)


def test_energy_is_shown_in_whole_joules_rounded_down() -> None:
    total = Totals(site_energy_pj={"north": Fraction(2 * 10**12) - Fraction(1, 3)})
    assert total.energy_j("north") == 1
    total.add({}, {"north": Fraction(1, 3)})
    assert total.energy_j("north") == 2
    assert total.energy_j("south") == 0


def test_an_account_belongs_to_the_site_that_lists_it_or_to_none() -> None:
    site_of = site_lookup({"north": ["a", "b"], "south": ["c"]})
    assert [site_of(account) for account in "abcd"] == ["north", "north", "south", UNASSIGNED_SITE]


def test_an_account_of_two_sites_is_refused() -> None:
    with pytest.raises(ValueError, match="'a' is claimed by sites 'north' and 'south'"):
        site_lookup({"north": ["a"], "south": ["a"]})
