import tempfile
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poolserver.ledger import audit_sql, interval_reader
from poolserver.ledger.interval_reader import (
    FOR_EVER_S,
    FROM_EVER_S,
    IntervalReader,
    NoPace,
    Pace,
    Stopped,
)
from tests.unit.ledger.books import DAY, Books, day_ms, declared, share, two_signed_days

# As a rig may call itself: what is not printable is not let in.
printable = st.text(st.characters(codec="utf-8").filter(str.isprintable), max_size=8)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(printable, printable), min_size=1, max_size=30, unique=True))
async def test_rows_come_in_the_order_of_their_names_bytes(names: list[tuple[str, str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        books = Books(Path(folder))
        # Of the names the account is what is before the first dot.
        rigs = list(dict.fromkeys(f"{account}.{rig}" for account, rig in names))
        await books.book(
            [*declared(*rigs), *(share(ref, day_ms(DAY)) for ref in range(1, len(rigs) + 1))]
        )
        with closing(books.database.reader()) as connection:
            reader = IntervalReader(connection, NoPace())
            keys = [row.key for row in reader.rows(DAY * 86_400)]
        assert keys == sorted(keys, key=lambda key: tuple(text.encode() for text in key))
        assert {key.worker for key in keys} == set(rigs)


async def test_more_names_than_are_sorted_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interval_reader, "SORTED_AT_ONCE", 3)
    books = Books(tmp_path)
    rigs = [f"a.rig{number % 7}{number}" for number in range(20)]
    await books.book([*declared(*rigs), *(share(ref, day_ms(DAY)) for ref in range(1, 21))])
    with closing(books.database.reader()) as connection:
        reader = IntervalReader(connection, NoPace())
        assert [row.key.worker for row in reader.rows(DAY * 86_400)] == sorted(rigs)


async def test_intervals_are_those_with_rows_whatever_they_begin_with(tmp_path: Path) -> None:
    books = await two_signed_days(tmp_path)
    books.sql("UPDATE worker_interval SET begin_s = 7 WHERE begin_s = ?", DAY * 86_400)
    books.sql("UPDATE worker_interval SET begin_s = -1 WHERE begin_s = ?", DAY * 86_400 + 900)
    with closing(books.database.reader()) as connection:
        reader = IntervalReader(connection, NoPace())
        begins = list(reader.intervals(FROM_EVER_S, FOR_EVER_S))
        assert begins[:2] == [-1, 7]
        assert len(begins) == 12
        assert list(reader.intervals(7, 8)) == [7]
        assert audit_sql.next_interval(connection, 8, 9) is None


def test_a_pace_that_is_stopped_ends_the_work_at_its_next_pause(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(interval_reader, "TURN_S", 0.0)
    pace = Pace()
    pace.step()
    pace.stop()
    with pytest.raises(Stopped):
        pace.step()
    NoPace().step()
