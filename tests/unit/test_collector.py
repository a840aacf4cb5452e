"""When garbage is collected. The memory and the processor's time are made up; the runs are real."""

import gc
import sys
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from poolserver.collector import (
    GROWTH_BLOCKS,
    PATIENCE_S,
    REST_S,
    URGENT_BLOCKS,
    Collector,
    without_collector,
)

BLOCKS = 1_000_000
GROWN = int(BLOCKS * 1.5) + GROWTH_BLOCKS
MUCH_TOO_MUCH = BLOCKS + URGENT_BLOCKS


class Process:
    """What a process would say of itself."""

    def __init__(self) -> None:
        self.blocks, self.worked_s = BLOCKS, 0.0
        self.collector = Collector(lambda: self.blocks, lambda: self.worked_s)

    def look(self, now_s: float, load: float = 0.0) -> bool:
        """After a second of so much work, and all of the time before."""
        self.worked_s += 1e9
        did = self.collector.look(now_s - 1)
        self.worked_s += load
        return self.collector.look(now_s) or did


@pytest.fixture
def process() -> Iterator[Process]:
    process = Process()
    process.collector.start(0.0)
    yield process
    process.collector.stop()


class Ring:
    """A cycle."""

    def __init__(self) -> None:
        self.mine = self
        self.weight = bytearray(1000)


def test_python_never_makes_a_full_collection_by_itself(process: Process) -> None:
    before = gc.get_stats()[2]["collections"]
    kept = [[n] for n in range(200_000)]
    assert gc.get_stats()[2]["collections"] == before
    assert kept


def test_young_garbage_is_collected_as_ever(process: Process) -> None:
    young = weakref.ref(Ring())
    kept = [[n] for n in range(10_000)]
    assert young() is None
    assert kept


def test_what_has_not_grown_is_never_looked_through(process: Process) -> None:
    process.blocks = GROWN - 1
    assert not process.look(1e6)


def test_what_has_grown_is_looked_through_in_a_quiet_second(process: Process) -> None:
    ring = Ring()
    gone = weakref.ref(ring)
    gc.collect(1)  # it is old now
    del ring
    process.blocks = GROWN
    assert not process.look(REST_S + 1, load=0.5)
    assert gone() is not None
    assert process.look(REST_S + 3, load=0.1)
    assert gone() is None


def test_a_quiet_second_is_not_waited_for_for_ever(process: Process) -> None:
    process.blocks = GROWN
    assert not process.look(REST_S + 2, load=1.0)
    assert not process.look(REST_S + PATIENCE_S, load=1.0)
    assert process.look(REST_S + PATIENCE_S + 3, load=1.0)


def test_the_growth_of_a_start_is_not_looked_through_again_and_again(process: Process) -> None:
    process.blocks = GROWN
    assert not process.look(REST_S - 1)
    assert process.look(REST_S + 1)
    assert not process.look(REST_S + 3)
    process.blocks = int(GROWN * 1.4)
    assert not process.look(3 * REST_S)


def test_memory_that_runs_away_is_not_waited_for(process: Process) -> None:
    process.blocks = MUCH_TOO_MUCH
    assert process.look(2.0, load=1.0)


def test_memory_stays_bounded_where_cycles_are_made_for_ever() -> None:
    """The real memory, against a growth of a few thousand blocks."""
    with bounded() as collector:
        highest = 0
        for second in range(200):
            rings = [Ring() for _ in range(1000)]
            gc.collect(1)  # they are old before they are garbage
            del rings
            collector.look(float(second))
            highest = max(highest, collector.grown())
        assert highest < 50_000
        assert gc.get_stats()[2]["collections"] > 0


@contextmanager
def bounded() -> "Iterator[Bounded]":
    collector = Bounded()
    collector.start(0.0)
    try:
        yield collector
    finally:
        collector.stop()


class Bounded(Collector):
    """Counts blocks from what there were at its start, a hundred for each."""

    def __init__(self) -> None:
        super().__init__(lambda: 100 * self.grown(), lambda: 0.0)
        self._first = 0

    def start(self, now_s: float) -> None:
        super().start(now_s)
        self._first = self._count()
        self._note_full(now_s)

    def grown(self) -> int:
        return self._count() - self._first if self._first else 0

    @staticmethod
    def _count() -> int:
        return sys.getallocatedblocks()


def test_pauses_are_told_by_generation(process: Process) -> None:
    process.blocks = MUCH_TOO_MUCH
    process.look(2.0)
    assert sum(process.collector.pauses[2].counts) == 1


@pytest.mark.parametrize("was_enabled", [True, False])
def test_it_is_let_be_meanwhile_and_comes_back_whatever_happens(was_enabled: bool) -> None:
    (gc.enable if was_enabled else gc.disable)()
    try:
        with suppress(ZeroDivisionError), without_collector():
            assert not gc.isenabled()
            raise ZeroDivisionError
        assert gc.isenabled() is was_enabled
    finally:
        gc.enable()
