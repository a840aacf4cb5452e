from fractions import Fraction
from math import sqrt

import pytest

from poolserver.ledger.delta import NodeKey, NodeWork
from poolserver.power.belief import believe
from poolserver.power.calibration import Calibrator
from poolserver.power.estimator import Estimator
from poolserver.power.rating import Rating, RatingSource
from poolserver.power.state import MeterState, Method, NodePower, Quality
from poolserver.power.tree import PROGRAMME, AiLoad, PowerNode, PowerTree

S21 = Rating(Fraction("17.5"), RatingSource.OPERATOR, "S21")
XP = Rating(Fraction("21.5"), RatingSource.OPERATOR, "S19 XP")
SHARE = 10**15
NOW_S = 60.0


class Site:
    """A site of two metered feeders with racks, an AI hall at the first, and 40 kW of pumps."""

    def __init__(self) -> None:
        self.hall = AiLoad("hall", "ai", 500_000)
        self.tree = PowerTree(
            [
                PowerNode("A", "site", pue=Fraction("1.1"), meter="site", auxiliary_w=40_000),
                PowerNode("A/F1", "feeder", meter="f1", ai_loads=(self.hall,)),
                PowerNode("A/F1/r1", "rack"),
                PowerNode("A/F1/r2", "rack"),
                PowerNode("A/F2", "feeder", meter="f2"),
            ]
        )
        self.estimator = Estimator(self.tree, 0.0)
        self.calibrator = Calibrator()
        self.meters: dict[str, MeterState] = {}
        self.ai_w: float | None = 100_000.0
        # 3,500 W for each rig of 12 shares a minute.
        self.prove({("A/F1/r1", S21): 300, ("A/F1/r2", S21): 300, ("A/F2", S21): 400})

    def prove(self, rigs: dict[tuple[str, Rating], int], now_s: float = NOW_S) -> None:
        self.estimator.add(
            {
                NodeKey(0, node, rating): NodeWork(
                    count * 12 * SHARE, count * 12 * SHARE**2, count * 12 * SHARE
                )
                for (node, rating), count in rigs.items()
            },
            now_s,
        )

    def meter(self, name: str, power_w: float, quality: Quality = Quality.GOOD) -> None:
        self.meters[name] = MeterState(
            name, quality, power_w=power_w, at_s=NOW_S, relative_sigma=0.0025
        )

    def believe(self, now_s: float = NOW_S) -> dict[str, NodePower]:
        return believe(
            self.tree,
            self.estimator,
            self.meters.get,
            lambda _: self.ai_w,
            self.calibrator,
            now_s,
        )


def test_without_meters_it_is_shares_and_pue_applies_at_the_site_alone() -> None:
    found = Site().believe()
    assert found["A/F1"].method is Method.SHARES
    assert found["A/F1"].mining_w.value == pytest.approx(600 * 3500)
    assert found["A/F1"].total_w.value == pytest.approx(600 * 3500 + 100_000)
    assert found["A"].mining_w.value == pytest.approx(1000 * 3500 * 1.1)
    assert found["A"].total_w.value == pytest.approx(1000 * 3500 * 1.1 + 140_000)
    assert found["A"].auxiliary_w == 40_000
    assert found[PROGRAMME].total_w == found["A"].total_w
    assert found["A"].residual_w is None
    assert list(found) == [node.path for node in Site().tree]


def test_a_good_meter_is_believed_and_what_is_no_mining_is_taken_off() -> None:
    site = Site()
    site.meter("f1", 2_300_000)
    found = site.believe()["A/F1"]
    assert found.method is Method.METER
    assert found.total_w.value == 2_300_000
    assert found.total_w.sigma == pytest.approx(2_300_000 * 0.0025)
    assert found.mining_w.value == 2_200_000
    assert found.residual_w is not None
    assert found.residual_w.value == pytest.approx(100_000)
    assert found.residual_w.sigma == pytest.approx(
        sqrt(found.total_w.sigma**2 + found.estimated_w.sigma**2)
    )


@pytest.mark.parametrize("quality", [each for each in Quality if each is not Quality.GOOD])
def test_a_meter_that_is_not_good_is_not_believed(quality: Quality) -> None:
    site = Site()
    site.meter("f1", 99e6, quality)
    found = site.believe()["A/F1"]
    assert found.method is Method.SHARES
    assert found.residual_w is None
    assert found.meter is site.meters["f1"]


def test_a_site_without_a_good_meter_is_the_sum_of_its_metered_feeders() -> None:
    site = Site()
    site.meter("f1", 2_300_000)
    site.meter("f2", 1_500_000)
    found = site.believe()["A"]
    assert found.method is Method.SUM
    assert found.mining_w.value == pytest.approx((2_200_000 + 1_500_000) * 1.1)
    assert found.total_w.value == pytest.approx((2_200_000 + 1_500_000) * 1.1 + 140_000)
    # The errors of meters are independent.
    independent = sqrt((2_300_000 * 0.0025) ** 2 + (1_500_000 * 0.0025) ** 2) * 1.1
    assert found.mining_w.sigma == pytest.approx(independent)
    assert found.estimated_w.value == pytest.approx(1000 * 3500 * 1.1)


def test_a_sites_meter_sees_pue_and_a_feeders_does_not() -> None:
    site = Site()
    site.meter("site", 1000 * 3500 * 1.1 + 140_000)
    site.meter("f2", 400 * 3500.0)
    found = site.believe()
    for path in ("A", "A/F2"):
        residual_w = found[path].residual_w
        assert residual_w is not None
        assert residual_w.value == pytest.approx(0, abs=1)


def test_while_ai_load_is_assumed_there_is_no_residual_and_mining_is_estimated() -> None:
    site = Site()
    site.ai_w = None
    site.meter("f1", 2_300_000)
    found = site.believe()
    assert found["A/F1"].ai_w == 500_000
    assert not found["A/F1"].ai_known
    assert not found["A"].ai_known
    assert found["A/F2"].ai_known
    assert found["A/F1"].total_w.value == 2_300_000
    assert found["A/F1"].mining_w.value == pytest.approx(600 * 3500)
    assert found["A/F1"].residual_w is None
    assert site.calibrator.lessons() == {}


def test_a_meter_below_all_other_load_leaves_no_mining_rather_than_less() -> None:
    site = Site()
    site.meter("f1", 50_000)
    assert site.believe()["A/F1"].mining_w.value == 0.0


def taught(meter: str, factor: float) -> Site:
    """A site where one meter has taught for two days, and then was lost."""
    site = Site()
    rigs = {("A/F1/r1", S21): 200, ("A/F1/r2", XP): 100, ("A/F2", S21): 400, ("A", S21): 10}
    for minute in range(1, 2881):
        now_s = NOW_S + minute * 60.0
        site.prove(rigs, now_s)
        estimates = {
            "f1": site.estimator.read("A/F1", 60.0, now_s).power_w.value * factor + 100_000,
            "site": site.estimator.read("A", 60.0, now_s).power_w.value * factor + 140_000,
        }
        site.meter(meter, estimates[meter])
        if minute % 5 == 0:
            site.believe(now_s)
    site.meter(meter, 0.0, Quality.STALE)
    return site


def test_a_lost_meter_has_taught_its_node_and_those_below() -> None:
    site = taught("f1", 1.06)
    found = site.believe(NOW_S + 2880 * 60.0)
    feeder, rack, other = found["A/F1"], found["A/F1/r1"], found["A/F2"]
    assert (feeder.method, rack.method) == (Method.CALIBRATED, Method.CALIBRATED)
    assert feeder.mining_w.value == pytest.approx(feeder.estimated_w.value * 1.06, rel=1e-3)
    assert rack.calibrated_w.value == pytest.approx(rack.estimated_w.value * 1.06, rel=1e-3)
    assert other.method is Method.SHARES
    assert other.mining_w.value == pytest.approx(other.estimated_w.value)
    assert found["A"].method is Method.SHARES
    assert found["A"].mining_w.value == pytest.approx(
        (feeder.mining_w.value + other.mining_w.value + 10 * 3500) * 1.1, rel=1e-3
    )


def test_a_taught_node_no_longer_has_its_ratings_error_but_that_of_its_mix_below() -> None:
    found = taught("f1", 1.06).believe(NOW_S + 2880 * 60.0)
    feeder, rack = found["A/F1"], found["A/F1/r1"]
    assert feeder.mining_w.sigma < 0.5 * feeder.estimated_w.sigma  # most of it by chance
    assert sum(feeder.mining_w.common.values()) < 0.25 * sum(feeder.estimated_w.common.values())
    assert feeder.mining_w.common["site:A"] == pytest.approx(0, abs=1e-6)
    # The feeder has two models and the rack one: what sets that one apart is not known.
    assert feeder.mining_w.common["model:S21"] == pytest.approx(0, abs=1)
    assert rack.mining_w.common["model:S21"] > 1000
    assert rack.mining_w.common["site:A"] == pytest.approx(0, abs=1e-6)


def test_a_sites_meter_teaches_all_its_nodes() -> None:
    found = taught("site", 0.95).believe(NOW_S + 2880 * 60.0)
    for path in ("A", "A/F1", "A/F1/r2", "A/F2"):
        assert found[path].method is Method.CALIBRATED
        assert found[path].mining_w.value == pytest.approx(
            found[path].estimated_w.value * 0.95, rel=1e-3
        )


def test_a_rack_that_comes_in_the_middle_of_a_look_is_of_the_next_one() -> None:
    """The thread that books work adds it; a look takes part of a second."""
    site = Site()

    def meter_of(name: str) -> MeterState | None:
        if name == "f2" and "A/F1/r3" not in site.tree:
            site.tree.add(PowerNode("A/F1/r3", "rack", is_configured=False))
        return None

    def look() -> dict[str, NodePower]:
        return believe(site.tree, site.estimator, meter_of, lambda _: 0.0, site.calibrator, NOW_S)

    assert "A/F1/r3" not in look()
    assert "A/F1/r3" in look()
