"""Shares of cohorts: Poisson, as many as the hashrate finds, booked as the fold books them."""

from collections.abc import Callable

import numpy as np
import pytest

from poolserver.config import Config
from poolserver.ledger.delta import NodeKey
from poolserver.sim.programme.fleets import Cohort
from poolserver.sim.programme.shares import ShareSource
from poolserver.sim.programme.world import World

COUNT = 20_000


@pytest.fixture
def cohorts(programme: Callable[..., Config]) -> tuple[Cohort, ...]:
    return World(programme(), 1).fleets.cohorts


def source(cohorts: tuple[Cohort, ...], stale: float = 0.25) -> ShareSource:
    return ShareSource(cohorts, 12, stale, 900, np.random.default_rng(1))


def test_a_rig_at_its_nameplate_finds_the_shares_that_vardiff_aims_at(
    cohorts: tuple[Cohort, ...],
) -> None:
    shares = source(cohorts)
    hashrate = np.array([float(each.model.hashrate_th_s) * 1e12 for each in cohorts])
    drawn = np.array([shares.draw(hashrate, 5.0) for _ in range(COUNT)])
    counts, accepted = drawn[:, 0], drawn[:, 1]
    assert counts.mean(axis=0) == pytest.approx(1.0, abs=4 / COUNT**0.5)
    assert counts.var(axis=0) == pytest.approx(1.0, abs=0.05)
    assert accepted.sum() / counts.sum() == pytest.approx(0.75, abs=0.01)
    assert (accepted <= counts).all()


def test_work_is_booked_by_node_and_rating_in_exact_numbers(cohorts: tuple[Cohort, ...]) -> None:
    shares = source(cohorts)
    counts = np.arange(len(cohorts))
    nodes = shares.delta(counts, np.maximum(counts - 1, 0), at_s=1800.0)
    key = NodeKey(900, cohorts[2].node, cohorts[2].rating)
    work = shares.share_work[2]
    assert work == 200 * 10**12 * 5
    assert (nodes[key].proven_work, nodes[key].proven_work_sq) == (2 * work, 2 * work**2)
    assert nodes[key].accepted_work == work
    assert NodeKey(900, cohorts[0].node, cohorts[0].rating) not in nodes  # it has found none


def test_what_comes_after_an_interval_is_of_the_next(cohorts: tuple[Cohort, ...]) -> None:
    shares = source(cohorts)
    ones = np.ones(len(cohorts), np.int64)
    assert {key.begin_s for key in shares.delta(ones, ones, at_s=1805.0)} == {1800}
