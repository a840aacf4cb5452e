from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolserver.ledger.energy import EnergyRow
from poolserver.ledger.energy_close import Method, close_interval, expected_msat
from poolserver.ledger.energy_facts import AiFact, Facts, MeterFact, NodeFact
from poolserver.ledger.totals import Earning
from poolserver.power.rating import RIG_SIGMA, common_errors
from tests.unit.ledger.energies import BEGIN, END, RATING, SPAN_MS, interval, tree, work

KNOWN_AI = AiFact(energy_mj=100_000, known_ms=SPAN_MS)


def rows(*args: object, **kwargs: object) -> dict[str, EnergyRow]:
    found = close_interval(tree(), interval(*args, **kwargs))  # type: ignore[arg-type]
    return {row.node: row for row in found}


def metered(energy_j: int, covered_ms: int = SPAN_MS) -> MeterFact:
    return MeterFact(energy_j, covered_ms)


def test_every_configured_node_has_a_row_and_what_only_names_speak_of_has_none() -> None:
    found = close_interval(tree(), interval())
    assert [row.node for row in found] == ["/", "Hall", "Hall/F1", "Hall/F2"]
    assert all((row.begin_s, row.end_s) == (BEGIN, END) for row in found)
    assert {row.method for row in found} == {Method.NOTHING}


def test_work_below_is_work_above_and_pue_applies_at_the_site() -> None:
    found = rows({"Hall/F1/r1": work(100, 90), "Hall/F2": work(10)})
    assert found["Hall/F1"].estimated_pj == 100 * 20 * 10**12
    assert found["Hall/F1"].proven_work == 100 * 10**12
    assert found["Hall/F1"].accepted_work == 90 * 10**12
    assert found["Hall"].estimated_j == found["/"].estimated_j == 110 * 20 * 105 // 100
    assert found["Hall/F2"].estimated_j == found["Hall/F2"].mining_j == 200
    assert found["Hall"].method == Method.SHARES


def test_work_at_a_node_that_is_configured_no_more_is_that_of_the_node_above() -> None:
    found = rows({"Hall/F9/x": work(3)})
    assert found["Hall"].proven_work == 3 * 10**12
    assert found["Hall"].estimated_pj == 3 * 20 * 10**12 * Fraction("1.05")


def test_a_demonstrations_hash_counts_for_many_in_energy_and_not_in_work() -> None:
    big = tree()
    site = big["Hall"]
    big._nodes["Hall"] = type(site)("Hall", "site", pue=Fraction(1), work_scale=1000)
    (row,) = [each for each in close_interval(big, interval({"Hall": work(1)})) if each.node == "/"]
    assert row.proven_work == 10**12
    assert row.estimated_j == 20 * 1000


def test_a_meter_that_covers_the_interval_tells_what_mining_took() -> None:
    # 2 W of auxiliary load over 900 s are 1800 J.
    row = rows({"Hall/F1": work(100)}, {"f1": metered(4000)})["Hall/F1"]
    assert (row.metered_j, row.auxiliary_j, row.mining_j) == (4000, 1800, 2200)
    assert row.residual_j == 4000 - 1800 - 2000
    assert row.method == Method.METER


def test_what_a_meter_does_not_cover_is_filled_by_proven_work() -> None:
    row = rows({"Hall/F1": work(100)}, {"f1": metered(3000, SPAN_MS * 3 // 4)})["Hall/F1"]
    assert row.method == Method.FILLED
    assert row.mining_j == 3000 + (2000 + 1800) // 4 - 1800
    assert row.residual_j == 3000 - (2000 + 1800) * 3 // 4


def test_a_meter_that_told_nothing_is_no_zero() -> None:
    row = rows({"Hall/F1": work(100)})["Hall/F1"]
    assert (row.metered_j, row.residual_j, row.mining_j) == (None, None, 2000)
    assert row.method == Method.SHARES


def test_without_a_meter_of_its_own_a_node_is_the_sum_of_what_is_below() -> None:
    found = rows({"Hall/F1": work(100), "Hall/F2": work(10)}, {"f1": metered(4000)})
    assert found["Hall"].mining_j == found["/"].mining_j == (2200 + 200) * 105 // 100
    assert found["Hall"].method == found["/"].method == Method.SUM


def test_ai_load_that_its_meter_tells_is_exact_and_else_as_told() -> None:
    by_meter = rows(meters={"ai-meter": metered(777)}, ai=AiFact(100_000, 5))
    assert (by_meter["Hall"].ai_j, by_meter["Hall"].ai_known_ms) == (777, SPAN_MS)
    told = rows(meters={"ai-meter": metered(777, 5)}, ai=KNOWN_AI)
    assert (told["/"].ai_j, told["/"].ai_known_ms) == (100, SPAN_MS)
    assert (told["Hall/F1"].ai_j, told["Hall/F1"].ai_known_ms) == (0, SPAN_MS)


def test_where_ai_load_is_assumed_a_meter_does_not_tell_what_mining_took() -> None:
    found = rows({"Hall/F2": work(10)}, {"main": metered(50_000)}, AiFact(450_000_000, 0))
    assert found["Hall"].metered_j == 50_000
    assert found["Hall"].residual_j is None
    assert found["Hall"].mining_j == 210
    assert found["Hall"].method == Method.SHARES


def test_late_energy_is_metered_and_not_of_this_intervals_mining() -> None:
    row = rows(meters={"f1": MeterFact(4000, SPAN_MS, SPAN_MS, late_j=9000)})["Hall/F1"]
    assert (row.metered_j, row.late_j, row.spread_ms, row.mining_j) == (4000, 9000, SPAN_MS, 2200)


def test_limits_and_what_was_over_them_are_told_of_the_time_they_held() -> None:
    facts = {"Hall": NodeFact(600_000, 300_000, 6_000_999, 5_000, 2_500)}
    found = rows(node_facts=facts)
    assert found["Hall"].allocated_j == 6000
    assert (found["Hall"].excess_j, found["Hall"].curtailed_j) == (5, 2)
    assert found["Hall"].observed_ms == 600_000
    assert found["/"].allocated_j is None


def test_quarters_of_an_hour_add_up_to_a_longer_interval() -> None:
    hour = interval()
    hour.end_s = BEGIN + 3600
    hour.facts = Facts(
        meters={(BEGIN + 900 * n, "f1"): MeterFact(1000 + n, SPAN_MS) for n in range(4)}
    )
    row = next(each for each in close_interval(tree(), hour) if each.node == "Hall/F1")
    assert (row.metered_j, row.covered_ms, row.method) == (4006, 3_600_000, Method.METER)


def test_sites_and_programme_tell_what_work_was_worth() -> None:
    each = interval()
    # A hash in 2^32: a block takes 4,295,032,833 at difficulty 1.
    each.earnings = {
        ("Hall", 0x1D00FFFF): Earning(10, 4_295_032_833 * 5),
        ("unassigned", 0x1D00FFFF): Earning(10, 4_295_032_833),
        ("Hall", 0): Earning(1, 1),
    }
    found = {row.node: row.expected_msat for row in close_interval(tree(), each)}
    assert found == {"/": 5000, "Hall": 5000, "Hall/F1": None, "Hall/F2": None}
    assert expected_msat({("Hall", 0x1D00FFFF): Earning(1, 4_295_032_833 // 2)}) == 499


def test_on_a_test_network_work_is_worth_more_than_63_bits_hold() -> None:
    worth = expected_msat({("Hall", 0x207FFFFF): Earning(10**15, 10**15 * 5_000_000_000)})
    assert worth == 10**15 * 5_000_000_000 * 1000 // 2


def test_the_error_has_chance_in_it_and_that_of_the_model() -> None:
    row = rows({"Hall/F1": work(100_000)})["Hall/F1"]
    # One share alone is known to 100 %, and a rating to a few percent on top.
    parts = 1 + RIG_SIGMA**2 + sum(sigma**2 for _, sigma in common_errors(RATING, "Hall"))
    assert row.sigma_j == pytest.approx(2_000_000 * parts**0.5, rel=0.01)


@given(
    st.dictionaries(
        st.sampled_from(["Hall", "Hall/F1", "Hall/F2", "Hall/F1/r1", "Hall/F9"]),
        st.integers(0, 10**6).map(work),
    ),
    st.dictionaries(
        st.sampled_from(["main", "f1", "ai-meter"]),
        st.builds(metered, st.integers(0, 10**9), st.integers(0, SPAN_MS)),
    ),
    st.builds(AiFact, st.integers(0, 10**9), st.integers(0, SPAN_MS)),
)
def test_what_a_whole_meter_shows_is_mining_and_ai_and_auxiliary(
    nodes: dict[str, object], meters: dict[str, MeterFact], ai: AiFact
) -> None:
    for row in rows(nodes, meters, ai).values():
        if row.method == Method.METER:
            assert row.metered_j == row.mining_j + row.ai_j + row.auxiliary_j
            assert row.residual_j == (row.mining_j - row.estimated_pj / 10**12).__floor__()
        if row.node != "/":
            assert row.metered_j is None or row.meter in meters
