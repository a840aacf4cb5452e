"""Energy by counters: a node's own, or what is below it."""

from collections.abc import Callable

import pytest

from poolserver.config import Config
from poolserver.power.state import MeterReading
from poolserver.sim.programme.counters import CounterBook
from poolserver.sim.programme.world import World

BEGIN_S = 1000.0


@pytest.fixture
def book(programme: Callable[..., Config]) -> CounterBook:
    return CounterBook(World(programme(), 1).tree, BEGIN_S)


def told(book: CounterBook, **energies: int) -> None:
    book.take(
        MeterReading(name.replace("_", "-"), BEGIN_S + 100, 0.0, energy_j)
        for name, energy_j in energies.items()
    )


def test_a_nodes_own_counter_comes_first(book: CounterBook) -> None:
    told(book, north=1000, north_f1=400, north_f2=300, north_ai=0)
    assert book.node_j("North", BEGIN_S + 100) == 1000


def test_what_is_below_is_mining_times_pue_and_ai_and_the_rest(book: CounterBook) -> None:
    # 50 kW of F2 are neither mining nor AI: 5 MJ in 100 s, and no part of what PUE is on.
    told(book, north_f1=40_000_000, north_f2=30_000_000, north_ai=20_000_000)
    expected = (40e6 + 30e6 - 20e6 - 5e6) * 1.1 + 20e6 + 5e6
    assert book.node_j("North", BEGIN_S + 100, by_own=False) == pytest.approx(expected)


def test_what_is_not_metered_is_not_made_up(book: CounterBook) -> None:
    told(book, north_f1=40, north_ai=20)
    assert book.node_j("North", BEGIN_S + 100) is None
    assert book.node_j("South", BEGIN_S + 100) is None
    assert book.node_j("/", BEGIN_S + 100) is None


def test_after_the_newest_reading_its_power_goes_on(book: CounterBook) -> None:
    book.take([MeterReading("north-f1", BEGIN_S + 90, 2e6, 100_000_000)])
    assert book.node_j("North/F1", BEGIN_S + 100) == 120_000_000


def test_a_reading_without_a_counter_is_no_energy(book: CounterBook) -> None:
    book.take([MeterReading("north-f1", BEGIN_S + 90, 2e6)])
    assert book.node_j("North/F1", BEGIN_S + 100) is None
