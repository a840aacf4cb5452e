from poolserver.ledger.energy_facts import (
    AiFact,
    AiTick,
    MeterFact,
    NodeFact,
    NodeTick,
    OpenBooks,
    PowerTick,
)
from poolserver.power.energy_meter import MeterPiece
from tests.unit.ledger.energies import BEGIN


def tick(at_s: float, limit_w: int | None = 100, ai_w: int = 7, known: bool = True) -> PowerTick:
    nodes = {"Hall": NodeTick(limit_w, excess_w=2, curtailed_w=1)}
    return PowerTick(int((BEGIN + at_s) * 1000), nodes, {("Hall", "ai"): AiTick(ai_w, known)})


def test_what_was_so_at_a_tick_was_so_until_the_next() -> None:
    books = OpenBooks()
    books.take_tick(tick(0, limit_w=100, ai_w=7))
    books.take_tick(tick(5, limit_w=None, ai_w=9, known=False))
    books.take_tick(tick(10))
    assert books.facts.nodes == {(BEGIN, "Hall"): NodeFact(10_000, 5_000, 500_000, 20_000, 10_000)}
    assert books.facts.ai_loads == {(BEGIN, "Hall", "ai"): AiFact(80_000, 5_000)}


def test_a_tick_over_the_end_of_a_quarter_is_cut_there() -> None:
    books = OpenBooks()
    books.take_tick(tick(898))
    books.take_tick(tick(903))
    assert {key: fact.observed_ms for key, fact in books.facts.nodes.items()} == {
        (BEGIN, "Hall"): 2_000,
        (BEGIN + 900, "Hall"): 3_000,
    }


def test_between_two_ticks_far_apart_nobody_looked() -> None:
    books = OpenBooks()
    books.take_tick(tick(0))
    books.take_tick(tick(61))
    assert books.facts.nodes == {}
    books.take_tick(tick(50))  # the clock was set back
    books.take_tick(tick(55))
    assert books.facts.nodes[BEGIN, "Hall"].observed_ms == 5_000


def test_nothing_is_booked_in_what_is_closed() -> None:
    books = OpenBooks()
    books.close(BEGIN + 900)
    books.take_tick(tick(895))
    books.take_tick(tick(905))
    assert list(books.facts.nodes) == [(BEGIN + 900, "Hall")]
    assert books.facts.nodes[BEGIN + 900, "Hall"].observed_ms == 5_000


def test_a_meter_that_tells_late_is_booked_in_the_first_open_quarter_as_late() -> None:
    books = OpenBooks()
    books.close(BEGIN + 900)
    books.take_pieces(
        "f1",
        [MeterPiece(BEGIN, 10, 1000, 1000), MeterPiece(BEGIN + 900, 5, 500, 500)],
    )
    books.take_pieces("f1", [MeterPiece(BEGIN + 900, 1, 100, 0)])
    assert books.facts.meters == {(BEGIN + 900, "f1"): MeterFact(6, 600, 500, late_j=10)}


def test_what_is_closed_is_forgotten_once_it_is_safe() -> None:
    books = OpenBooks()
    books.take_pieces("f1", [MeterPiece(BEGIN, 1, 1, 0), MeterPiece(BEGIN + 900, 2, 2, 0)])
    books.take_tick(tick(890))
    books.take_tick(tick(910))
    books.facts.forget_before(BEGIN + 900)
    assert {key[0] for key in books.facts.meters} == {BEGIN + 900}
    assert {key[0] for key in books.facts.nodes} == {BEGIN + 900}
    assert {key[0] for key in books.facts.ai_loads} == {BEGIN + 900}
