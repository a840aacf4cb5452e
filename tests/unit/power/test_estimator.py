from fractions import Fraction
from math import sqrt
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolserver.ledger.delta import NodeKey, NodeWork
from poolserver.power.estimator import Estimator
from poolserver.power.rating import (
    MODEL_SIGMA,
    NAMEPLATE_SIGMA,
    RIG_SIGMA,
    SITE_SIGMA,
    Rating,
    RatingSource,
    common_errors,
)
from poolserver.power.state import RigGroup
from poolserver.power.tree import PROGRAMME, PowerNode, PowerTree

S21 = Rating(Fraction("17.5"), RatingSource.OPERATOR, "Antminer S21")
XP = Rating(Fraction("21.5"), RatingSource.IDENTITY, "Antminer S19 XP")
UNKNOWN = Rating(Fraction(30), RatingSource.SITE_DEFAULT, "")
TH = 10**12
SHARE = 1000 * TH


def tree() -> PowerTree:
    return PowerTree(
        [
            PowerNode("A", "site", pue=Fraction("1.05")),
            PowerNode("A/F1", "feeder"),
            PowerNode("A/F1/r1", "rack"),
            PowerNode("A/F1/r2", "rack"),
            PowerNode("B", "site", pue=Fraction("1.2"), work_scale=1000),
        ]
    )


def work(shares: int, accepted: int | None = None, share: int = SHARE) -> NodeWork:
    return NodeWork(
        shares * share, shares * share**2, (shares if accepted is None else accepted) * share
    )


def key(node: str, rating: Rating = S21, begin_s: int = 0) -> NodeKey:
    return NodeKey(begin_s, node, rating)


def test_power_is_proven_work_times_rating_and_pue_at_the_site_and_above() -> None:
    estimator = Estimator(tree(), 0.0)
    estimator.add({key("A/F1/r1"): work(12), key("A/F1/r2"): work(6), key("A"): work(6)}, 60.0)
    # 12 PH in 60 s are 200 TH/s, 3.5 kW.
    assert estimator.read("A/F1/r1", 60.0, 60.0).power_w.value == pytest.approx(3500)
    assert estimator.read("A/F1", 60.0, 60.0).power_w.value == pytest.approx(5250)
    assert estimator.read("A", 60.0, 60.0).power_w.value == pytest.approx(7000 * 1.05)
    assert estimator.read(PROGRAMME, 60.0, 60.0).power_w.value == pytest.approx(7000 * 1.05)
    assert estimator.read(PROGRAMME, 60.0, 60.0).hashrate_h_s.value == pytest.approx(400 * TH)
    assert estimator.group_w("A", S21, 60.0, 60.0) == pytest.approx(1750)


def test_stale_work_takes_power_and_gets_no_credit() -> None:
    estimator = Estimator(tree(), 0.0)
    estimator.add({key("A/F1/r1"): work(12, accepted=9)}, 60.0)
    estimate = estimator.read("A", 60.0, 60.0)
    assert estimate.hashrate_h_s.value == pytest.approx(200 * TH)
    assert estimate.accepted_h_s == pytest.approx(150 * TH)


def test_a_site_with_a_work_scale_counts_real_hashes() -> None:
    estimator = Estimator(tree(), 0.0)
    estimator.add({key("B"): work(12, share=SHARE // 1000)}, 60.0)
    estimate = estimator.read("B", 60.0, 60.0)
    assert estimate.hashrate_h_s.value == pytest.approx(200 * TH)
    assert estimate.accepted_h_s == pytest.approx(200 * TH)
    assert estimate.power_w.value == pytest.approx(3500 * 1.2)
    assert estimate.effective_shares == pytest.approx(12)


def test_a_pool_that_just_started_divides_by_the_time_there_was() -> None:
    estimator = Estimator(tree(), 1000.0)
    estimator.add({key("A"): work(36)}, 1180.0)
    for window_s in (300.0, 900.0, 3600.0):
        estimate = estimator.read("A", window_s, 1180.0)
        assert estimate.span_s == 180.0
        assert estimate.hashrate_h_s.value == pytest.approx(200 * TH)
    assert estimator.read("A", 60.0, 1000.0).power_w.value == 0.0


def test_late_rows_count_when_they_come() -> None:
    estimator = Estimator(tree(), 0.0)
    estimator.add({key("A", begin_s=0): work(12)}, 3000.0)
    assert estimator.read("A", 60.0, 3000.0).hashrate_h_s.value == pytest.approx(200 * TH)


def test_what_was_a_window_ago_is_gone() -> None:
    estimator = Estimator(tree(), 0.0)
    estimator.add({key("A"): work(100)}, 1.0)
    assert estimator.read("A", 60.0, 200.0).hashrate_h_s.value == 0.0
    assert estimator.read("A", 300.0, 200.0).hashrate_h_s.value > 0
    nothing = estimator.read("A", 60.0, 200.0)
    # No share in a minute: the upper limit is that of Garwood, 3.69 shares.
    assert nothing.hashrate_interval.low == 0.0
    assert nothing.hashrate_interval.high == pytest.approx(3.68888 * SHARE / 60)


def test_a_node_that_never_had_a_share_draws_nothing_that_is_known() -> None:
    estimate = Estimator(tree(), 0.0).read("A/F1", 60.0, 100.0)
    assert (estimate.power_w.value, estimate.interval) == (0.0, (0.0, 0.0))


@given(
    st.dictionaries(
        st.tuples(
            st.sampled_from(["A", "A/F1", "A/F1/r1", "A/F1/r2", "B"]),
            st.sampled_from([S21, XP, UNKNOWN]),
        ),
        st.integers(0, 10**6),
        min_size=1,
    ),
    st.integers(1, 5),
)
def test_a_node_is_the_sum_of_its_lines_and_of_those_below(
    shares: dict[tuple[str, Rating], int], deltas: int
) -> None:
    power_tree = tree()
    estimator = Estimator(power_tree, 0.0)
    for second in range(1, deltas + 1):
        estimator.add({key(*each): work(n) for each, n in shares.items()}, float(second))
    for node in power_tree:
        expected_w = 0.0
        for (path, rating), count in shares.items():
            if node in power_tree.lineage(path):
                watts = float(count * SHARE * rating.j_per_th) / TH
                for step in power_tree.lineage(path):
                    watts *= float(step.pue) * step.work_scale
                    if step is node:
                        break
                else:
                    raise AssertionError
                expected_w += watts
        found = estimator.read(node.path, 60.0, float(deltas)).power_w.value
        assert found == pytest.approx(expected_w, rel=1e-9)


def filled(rigs: int, models: int) -> Estimator:
    """A feeder of rigs that send 720 shares each, of some models alike."""
    estimator = Estimator(tree(), 0.0)
    ratings = [Rating(Fraction(20), RatingSource.OPERATOR, f"model {n}") for n in range(models)]
    groups = [RigGroup("A/F1", each, rigs // models, 0, 3500.0 * rigs / models) for each in ratings]
    estimator.add({key("A/F1", each): work(1) for each in ratings}, 0.0)
    estimator.note_rigs(groups)
    estimator.add({key("A/F1", each): work(720 * rigs // models) for each in ratings}, 3600.0)
    return estimator


def relative_sigma(rigs: int, models: int = 1) -> float:
    power_w = filled(rigs, models).read("A/F1", 3600.0, 3600.0).power_w
    return power_w.sigma / power_w.value


def test_the_error_of_a_rating_does_not_average_out_over_one_model() -> None:
    model = MODEL_SIGMA[RatingSource.OPERATOR]
    of_all = sqrt(NAMEPLATE_SIGMA**2 + SITE_SIGMA**2)
    floor = sqrt(model**2 + of_all**2)
    # Of one rig it is that, what differs from rig to rig and the chance of 720 shares; of a
    # million rigs it is the first alone, and no more rigs make it less.
    assert relative_sigma(10_000) == pytest.approx(floor, rel=1e-3)
    assert relative_sigma(1_000_000) == pytest.approx(floor, rel=1e-4)
    # Over many models the part of the model does, those of all nameplates and the site do not.
    assert relative_sigma(10_000, 100) == pytest.approx(sqrt(model**2 / 100 + of_all**2), 1e-3)


def test_what_differs_from_rig_to_rig_averages_out_over_counted_rigs() -> None:
    power_w = filled(100, 1).read("A/F1", 3600.0, 3600.0).power_w
    chance = 1 / sqrt(72_000)
    # The rigs are counted at 3.5 kW each; they draw 20 J/TH of 200 TH/s.
    expected = sqrt(chance**2 + RIG_SIGMA**2 * 3500 / (4000 * 100))
    assert sqrt(power_w.variance) / power_w.value == pytest.approx(expected, rel=1e-2)


def test_sites_are_off_each_by_itself_and_models_together() -> None:
    estimator = Estimator(tree(), 0.0)
    count = 10**8
    estimator.add({key("A"): work(count), key("B"): work(count, share=SHARE // 1000)}, 60.0)
    programme = estimator.read(PROGRAMME, 60.0, 60.0).power_w
    site_a = estimator.read("A", 60.0, 60.0).power_w
    site_b = estimator.read("B", 60.0, 60.0).power_w
    assert programme.common["site:A"] == pytest.approx(SITE_SIGMA * site_a.value)
    assert programme.common["site:B"] == pytest.approx(SITE_SIGMA * site_b.value)
    model = MODEL_SIGMA[RatingSource.OPERATOR] * (site_a.value + site_b.value)
    assert programme.common["model:Antminer S21"] == pytest.approx(model)
    of_all = NAMEPLATE_SIGMA * (site_a.value + site_b.value)
    assert programme.common["nameplates"] == pytest.approx(of_all)


def test_a_rack_that_names_grow_later_is_measured_too() -> None:
    power_tree = tree()
    estimator = Estimator(power_tree, 0.0)
    estimator.add({key("A/F1"): work(5)}, 10.0)
    power_tree.add(PowerNode("A/F1/new", "rack", is_configured=False))
    estimator.add({key("A/F1/new", XP): work(5)}, 60.0)
    assert estimator.read("A/F1/new", 60.0, 60.0).effective_shares == pytest.approx(5)
    feeder = estimator.read("A/F1", 60.0, 60.0)
    assert feeder.effective_shares == pytest.approx(10)
    models = {"model:Antminer S21", "model:Antminer S19 XP"}
    assert set(feeder.power_w.common) == {*models, "nameplates", "site:A"}


def test_mixed_difficulties_tell_less_than_as_many_alike() -> None:
    estimator = Estimator(tree(), 0.0)
    mixed = work(80)
    mixed.add(work(10, share=8 * SHARE))
    estimator.add({key("A"): mixed}, 60.0)
    # (80 + 80)^2 / (80 + 640)
    assert estimator.read("A", 60.0, 60.0).effective_shares == pytest.approx(25600 / 720)


@pytest.mark.parametrize("per_window", [3, 12, 40, 1000])
def test_the_interval_holds_the_truth_about_as_often_as_it_says(per_window: int) -> None:
    # 4 sigmas of a binomial count about 95 % (few shares: up to 99 %). bench.coverage has more.
    random = Random(per_window)
    estimator, held, windows = Estimator(tree(), 0.0), 0, 800
    truth_w = per_window * SHARE * 17.5 / TH / 60 * 1.05
    for window in range(1, windows + 1):
        count, gap = 0, random.expovariate(per_window)
        while gap < 1:
            count, gap = count + 1, gap + random.expovariate(per_window)
        estimator.add({key("A"): work(count)}, window * 60.0)
        off = sum(sigma * random.gauss(0, 1) for _, sigma in common_errors(S21, "A"))
        off += RIG_SIGMA * random.gauss(0, 1)
        if window == 1:
            estimator.note_rigs([RigGroup("A", S21, 1, 0, truth_w / 1.05)])
        held += truth_w * (1 + off) in estimator.read("A", 60.0, window * 60.0).interval
    slack = 4 * sqrt(0.05 * 0.95 / windows)
    assert 0.95 - slack <= held / windows <= (0.95 if per_window >= 30 else 0.99) + slack
