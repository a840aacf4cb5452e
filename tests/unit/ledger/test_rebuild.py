import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from poolserver.ledger.journal_files import JournalWarning
from poolserver.ledger.rebuild import SealHistory, Stretch, first_sequences, joined
from poolserver.ledger.verify import VerifyTerms, verify
from tests.unit.ledger.books import DAY, RIGS, SOURCE, Books, day_ms, declared, share, template
from tests.unit.ledger.strategies import batch_of, encode

OTHER = "pool-1/1/100"
SHARES = [share(1, day_ms(DAY, second)) for second in range(5)]


@st.composite
def lives(draw: st.DrawFn) -> list[tuple[str, object]]:
    """What befalls a ledger: shares of any day from two sources, and seals in between."""
    steps: list[tuple[str, object]] = []
    sealed = DAY - 2
    for _ in range(draw(st.integers(1, 8))):
        if draw(st.booleans()) and sealed < DAY + 3:
            sealed += draw(st.integers(1, 2))
            steps.append(("seal", sealed))
        else:
            moments = draw(
                st.lists(
                    st.tuples(st.integers(1, 3), st.integers(DAY - 3, DAY + 4), st.integers(0, 95)),
                    min_size=1,
                    max_size=6,
                )
            )
            shares = [share(ref, day_ms(day, 900 * number)) for ref, day, number in moments]
            steps.append((draw(st.sampled_from([SOURCE, OTHER])), shares))
    return steps


@settings(max_examples=40, deadline=None)
@given(lives())
async def test_whatever_was_booked_late_is_booked_so_again(
    life: list[tuple[str, object]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        books = Books(Path(folder))
        for source in (SOURCE, OTHER):
            await books.book([*declared(*RIGS), template()], source)
        for what, value in life:
            if what == "seal":
                await books.seal(value)  # type: ignore[arg-type]
            else:
                await books.book(value, what)  # type: ignore[arg-type]
        report = verify(books.database, books.journal_dir, VerifyTerms())
        assert report.differences == []
        assert report.records == sum(books.fold.progress.values())


def test_a_record_was_booked_with_the_days_closed_that_were_then() -> None:
    seals = SealHistory([10, 11, 14], iter([("a", 10, 5), ("a", 14, 9)]))
    # The seal of day 11 found record 5 to be the last one still.
    assert list(seals.stretches("a", 1, 20)) == [
        Stretch(5, -1),
        Stretch(9, 11),
        Stretch(20, 14),
    ]
    assert list(seals.stretches("a", 4, 7)) == [Stretch(5, -1), Stretch(7, 11)]
    assert list(seals.stretches("a", 10, 10)) == [Stretch(10, 14)]
    assert list(seals.stretches("a", 5, 5)) == [Stretch(5, -1)]


def test_a_source_that_no_seal_has_seen_was_booked_after_all_of_them() -> None:
    seals = SealHistory([10, 11], iter([("a", 10, 5)]))
    assert list(seals.stretches("b", 1, 3)) == [Stretch(3, 11)]
    assert list(SealHistory([], iter(())).stretches("b", 1, 3)) == [Stretch(3, -1)]


def test_batches_that_follow_one_on_the_other_are_one() -> None:
    first, second = batch_of(SOURCE, 1, SHARES[:2]), batch_of(SOURCE, 3, SHARES[2:])
    other, later = batch_of(OTHER, 1, SHARES), batch_of(SOURCE, 9, SHARES)
    warning = JournalWarning(Path("x"), SOURCE, 9, "is cut short")
    items = [first, second, other, first, warning, second, later]
    assert list(joined(items)) == [
        batch_of(SOURCE, 1, SHARES),
        other,
        first,
        warning,
        second,
        later,
    ]


def test_the_first_record_of_each_source_is_told_by_its_files(tmp_path: Path) -> None:
    books = Books(tmp_path)
    for source, first in ((SOURCE, 40), (SOURCE, 7), (OTHER, 1)):
        books.write(source, first, encode(first, SHARES))
    (books.journal_dir / "x.journal").write_bytes(b"no journal")
    assert first_sequences(books.journal_dir) == {SOURCE: 7, OTHER: 1}
    (tmp_path / "empty").mkdir()
    assert first_sequences(tmp_path / "empty") == {}
