"""The pool's own books of energy over simulated hours, against the truth and against plain sums."""

from collections.abc import Callable, Mapping
from fractions import Fraction

import pytest

from poolserver.config import Config
from poolserver.control_room.meter_outfit import meter_specs
from poolserver.ledger.delta import NodeKey, NodeWork
from poolserver.ledger.energy import EnergyRow
from poolserver.ledger.energy_close import Interval, Method, close_interval
from poolserver.ledger.energy_facts import Facts, OpenBooks
from poolserver.power.energy_meter import MeterEnergy
from poolserver.power.readings import MeterBook
from poolserver.sim.programme.run import Run, Tick

Programme = Callable[..., Config]
QUARTER_S = 900


class Books:
    """Facts as the room's keeper books them, and work as the fold does, by quarters of an hour."""

    def __init__(self, config: Config, run: Run) -> None:
        self._run = run
        self._meters = MeterBook(meter_specs(config))
        self._accounts = {spec.name: MeterEnergy(spec, QUARTER_S) for spec in self._meters.specs}
        self._open = OpenBooks()
        self.paths = run.world.paths
        self._work: dict[int, dict[NodeKey, NodeWork]] = {}
        self.true_j: dict[int, Mapping[str, float]] = {}
        """By the end of a quarter and the path of a node, since the beginning."""

    def take(self, tick: Tick) -> None:
        for reading in tick.readings:
            state = self._meters.take(reading, tick.at_s)
            self._open.take_pieces(reading.meter, self._accounts[reading.meter].take(state))
        for key, work in tick.work.items():
            self._work.setdefault(key.begin_s, {}).setdefault(key, NodeWork()).add(work)
        if tick.at_s % QUARTER_S == 0:
            self.true_j[int(tick.at_s)] = dict(
                zip(self._run.world.paths, tick.truth.node_j.tolist(), strict=True)
            )

    def rows(self) -> list[EnergyRow]:
        """Of all quarters but the first and the last: in these the meters were not there."""
        found = []
        for begin_s in sorted(self._work)[1:-1]:
            facts = self._open.facts
            its = Facts(meters={k: v for k, v in facts.meters.items() if k[0] == begin_s})
            work = {(key.node, key.rating): each for key, each in self._work[begin_s].items()}
            interval = Interval(begin_s, begin_s + QUARTER_S, its, work)
            found += close_interval(self._run.world.tree, interval)
        return found

    def true_of(self, row: EnergyRow) -> float:
        return self.true_j[row.end_s][row.node] - self.true_j[row.begin_s][row.node]

    def worked_pj(self, path: str, begin_s: int) -> Fraction:
        """Work times rating, times PUE from the site on, term by term."""
        tree, sum_pj = self._run.world.tree, Fraction(0)
        for key, work in self._work[begin_s].items():
            above = [node.path for node in tree.lineage(key.node)]
            if path in above:
                site = tree.site_of(key.node)
                pue = site.pue if site and path in ("/", site.path) else Fraction(1)
                sum_pj += work.proven_work * key.rating.j_per_th * pue
        return sum_pj


def books_of(config: Config, hold_out: tuple[str, ...] = (), hours: float = 2.5) -> Books:
    run = Run(config, 3, hours=hours, hold_out=hold_out)
    books = Books(config, run)
    for tick in run.ticks():
        books.take(tick)
    return books


def test_estimated_energy_is_work_times_rating_to_the_picojoule(programme: Programme) -> None:
    books = books_of(programme(), hours=1.0)
    rows = books.rows()
    assert {row.node for row in rows} == set(books.paths)
    for row in rows:
        assert row.estimated_pj == books.worked_pj(row.node, row.begin_s)
        assert row.estimated_pj > 0


def test_what_is_metered_is_the_truth_within_the_meters_class(programme: Programme) -> None:
    books = books_of(programme())
    for row in books.rows():
        if row.meter is not None:
            other_j = row.ai_j + row.auxiliary_j
            assert row.method == Method.METER
            assert row.mining_j + other_j == row.metered_j
            # Its class, a counter's step of a kilowatt-hour, and a second between reading and tick.
            assert row.metered_j == pytest.approx(books.true_of(row), rel=0.006, abs=3.6e6)


def test_a_site_whose_meter_is_held_out_is_known_by_its_feeders(programme: Programme) -> None:
    books = books_of(programme("pue_swing_percent = 0\n"), ("north",))
    rows = [row for row in books.rows() if row.node == "North"]
    told_j = sum(row.mining_j + row.ai_j + row.auxiliary_j for row in rows)
    true_j = sum(books.true_of(row) for row in rows)
    assert len(rows) == 8
    assert {row.method for row in rows} == {Method.SUM}
    assert all(row.metered_j is None for row in rows)
    assert told_j / true_j - 1 == pytest.approx(0, abs=0.005)


def test_meters_that_fall_silent_are_right_over_the_whole(programme: Programme) -> None:
    often = "meter_outages_per_day = 300\nmeter_outage_minutes = 3\n"
    books = books_of(programme(often))
    rows = [row for row in books.rows() if row.node == "North/F1"]
    metered_j = sum(row.metered_j or 0 for row in rows)
    assert sum(row.spread_ms for row in rows) > 600_000
    # Over an outage a counter's energy is spread evenly, also to before these hours and after.
    assert metered_j == pytest.approx(sum(books.true_of(row) for row in rows), rel=0.01)
