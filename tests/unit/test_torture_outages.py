"""The measure of an outage: what was behind at its end, when it had come in, what is too late."""

import pytest

from tests.torture.journal_reader import JournalShare, SourceJournal
from tests.torture.outages import LATE_MS, Outage

SOURCE = "pool-1/0/1"


def journal(*unix_ms: int) -> dict[str, SourceJournal]:
    """A share at each of these times, the first with number 1."""
    shares = [
        JournalShare(SOURCE, number, "a", "a.b", "accepted", True, at, 1, bytes(32))
        for number, at in enumerate(unix_ms, 1)
    ]
    return {SOURCE: SourceJournal(SOURCE, len(shares), shares)}


def outage(looks: list[tuple[int, int]], during: list[float] | None = None) -> Outage:
    """Ended at 5,000 ms, with one record counted in before; ``looks``: when, and how far."""
    return Outage(
        "x",
        [1.0],
        [1.0] if during is None else during,
        5000,
        {SOURCE: 1},
        [(at, {SOURCE: sequence}) for at, sequence in looks],
    )


def test_it_is_caught_up_once_all_that_was_written_until_its_end_is_in() -> None:
    one = outage([(5100, 1), (6000, 2), (7500, 3), (9000, 4)])
    one.measure(journal(1000, 2000, 5000, 5001))
    assert (one.behind, one.caught_up_s) == (2, 2.5)
    assert one.wrong() == []
    assert " 2.5" in one.row()


@pytest.mark.parametrize(
    ("one", "wrong"),
    [
        (outage([(6000, 3)], during=[LATE_MS + 1]), "longer"),
        (outage([(6000, 3)], during=[]), "no share"),
        (outage([(6000, 2)]), "never caught up"),
    ],
)
def test_late_answers_none_at_all_and_books_that_stay_behind_are_told(
    one: Outage, wrong: str
) -> None:
    one.measure(journal(1000, 2000, 3000))
    (said,) = one.wrong()
    assert wrong in said


def test_an_outage_that_nothing_waited_for_was_none() -> None:
    one = outage([(6000, 1)])
    one.measure(journal(1000))
    (said,) = one.wrong()
    assert "was it away" in said
