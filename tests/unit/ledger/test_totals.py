from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolserver.bitcoin.target import DIFFICULTY_1_TARGET
from poolserver.ledger.totals import (
    UNASSIGNED_SITE,
    Totals,
    WorkerKey,
    WorkerTotals,
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
maybe = st.none() | st.integers(0, 2**256 - 1)

worker_totals = st.builds(
    WorkerTotals,
    accepted_work=amounts,
    proven_work=amounts,
    proven_work_sq=amounts,
    shares=st.lists(counts, min_size=len(ShareOutcome), max_size=len(ShareOutcome)),
    best_hash=maybe,
    first_ms=maybe,
    last_ms=maybe,
)
totals = st.builds(
    Totals,
    st.dictionaries(st.sampled_from(KEYS), worker_totals),
    st.dictionaries(
        st.sampled_from(["north", "south"]), st.fractions(min_value=0, max_value=10**30)
    ),
)


def total_of(parts: list[Totals]) -> Totals:
    total = Totals()
    for part in parts:
        total.add(part)
    return total


@given(
    st.lists(totals, max_size=4).flatmap(
        lambda parts: st.tuples(st.just(parts), st.permutations(parts))
    )
)
def test_totals_are_the_same_in_any_order(parts: tuple[list[Totals], list[Totals]]) -> None:
    assert total_of(parts[0]) == total_of(parts[1])


@given(totals, totals, totals)
def test_totals_are_the_same_in_any_parts(a: Totals, b: Totals, c: Totals) -> None:
    assert total_of([a, total_of([b, c])]) == total_of([total_of([a, b]), c])


def test_adding_leaves_the_other_as_it_was() -> None:
    part = Totals({KEYS[0]: WorkerTotals(accepted_work=5)})
    total = total_of([part, part])
    assert total.workers[KEYS[0]].accepted_work == 10
    assert part.workers[KEYS[0]].accepted_work == 5


def test_the_best_share_is_the_one_of_the_lowest_hash() -> None:
    worker = WorkerTotals()
    assert worker.best_difficulty == 0.0
    for best_hash in (
        DIFFICULTY_1_TARGET // 4,
        DIFFICULTY_1_TARGET // 16,
        None,
        DIFFICULTY_1_TARGET,
    ):
        worker.add(WorkerTotals(best_hash=best_hash))
    assert worker.best_difficulty == pytest.approx(16)


def test_energy_is_shown_in_whole_joules_rounded_down() -> None:
    total = Totals(site_energy_pj={"north": Fraction(2 * 10**12) - Fraction(1, 3)})
    assert total.energy_j("north") == 1
    total.add(Totals(site_energy_pj={"north": Fraction(1, 3)}))
    assert total.energy_j("north") == 2
    assert total.energy_j("south") == 0


def test_an_account_belongs_to_the_site_that_lists_it_or_to_none() -> None:
    site_of = site_lookup({"north": ["a", "b"], "south": ["c"]})
    assert [site_of(account) for account in "abcd"] == ["north", "north", "south", UNASSIGNED_SITE]


def test_an_account_of_two_sites_is_refused() -> None:
    with pytest.raises(ValueError, match="'a' is claimed by sites 'north' and 'south'"):
        site_lookup({"north": ["a"], "south": ["a"]})
