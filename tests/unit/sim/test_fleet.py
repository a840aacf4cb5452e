from statistics import mean, stdev

import pytest

from poolserver.sim.fleet import (
    H_PER_TH,
    Nameplate,
    RigSpec,
    Tolerance,
    build_fleet,
    worker_names,
)

S21 = Nameplate(200.0, 3500.0)


def fleet(
    count: int = 50, seed: int = 1, tolerance: Tolerance | None = None
) -> tuple[RigSpec, ...]:
    return build_fleet(
        account="demo",
        site="hall",
        count=count,
        nameplate=S21,
        tolerance=tolerance or Tolerance(),
        seed=seed,
    )


def test_every_rig_is_within_tolerance_of_its_nameplate() -> None:
    for rig in fleet(5000):
        assert abs(rig.hashrate_h_s / (200 * H_PER_TH) - 1) <= 0.03
        assert abs(rig.power_w / 3500 - 1) <= 0.05 + 1e-12


def test_hashrates_are_normal_with_a_sigma_of_a_third_of_the_limit() -> None:
    factors = [rig.hashrate_h_s / (200 * H_PER_TH) for rig in fleet(5000)]
    assert mean(factors) == pytest.approx(1.0, abs=0.001)
    assert stdev(factors) == pytest.approx(0.01, rel=0.05)


def test_a_part_of_the_power_is_off_by_the_same_at_all_rigs_of_a_site() -> None:
    errors = [mean(rig.power_w for rig in fleet(500, seed)) / 3500 - 1 for seed in range(100)]
    assert max(errors) > 0.02
    assert min(errors) < -0.02
    assert max(map(abs, errors)) < 0.035


def test_without_tolerance_a_rig_is_its_nameplate() -> None:
    for rig in fleet(tolerance=Tolerance(0.0, 0.0, 0.0)):
        assert (rig.hashrate_h_s, rig.power_w) == (200 * H_PER_TH, 3500.0)


def test_the_same_seed_gives_the_same_fleet_and_a_larger_one_begins_alike() -> None:
    assert fleet(seed=7) == fleet(seed=7)
    assert fleet(seed=7) != fleet(seed=8)
    assert fleet(100)[:50] == fleet(50)


def test_rigs_are_named_by_their_places() -> None:
    names = list(worker_names("hall", 401))
    assert names[0] == "hall-c01-r01-s001"
    assert names[19:21] == ["hall-c01-r01-s020", "hall-c01-r02-s001"]
    assert names[199:201] == ["hall-c01-r10-s020", "hall-c02-r01-s001"]
    assert len(set(names)) == 401
    assert fleet(1)[0].username == "demo.hall-c01-r01-s001"


@pytest.mark.parametrize(("th_s", "watts"), [(0, 1), (-1, 1), (float("nan"), 1), (1, -1)])
def test_a_nameplate_that_no_rig_can_have_is_refused(th_s: float, watts: float) -> None:
    with pytest.raises(ValueError, match="hashrate"):
        Nameplate(th_s, watts)


@pytest.mark.parametrize("tolerance", [(-0.1, 0, 0), (0.6, 0, 0), (0, 0.3, 0.3)])
def test_a_tolerance_that_makes_no_sense_is_refused(tolerance: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="tolerance"):
        Tolerance(*tolerance)
