import asyncio
from pathlib import Path

import pytest
import structlog

from poolserver.ledger import audit_sql, auditor
from poolserver.ledger.audit import FIRST_PREVIOUS, SignedDay, head_of, is_signed
from poolserver.ledger.auditor import Auditor, next_root
from poolserver.ledger.database import Connection, StoreError
from poolserver.ledger.interval_reader import Pace, UnnamedRows
from poolserver.ledger.merkle import leaf_hash, merkle_root
from poolserver.ledger.records import LedgerError
from poolserver.ledger.signing import load_or_make_key
from poolserver.ledger.store import LedgerStore
from tests.unit.ledger.books import (
    DAY,
    RIGS,
    Books,
    day_ms,
    day_of_shares,
    declared,
    share,
    two_signed_days,
)


def signed(books: Books) -> list[SignedDay]:
    connection = books.database.reader()
    try:
        return audit_sql.signed_days(connection)
    finally:
        connection.close()


async def test_days_are_signed_once_they_are_closed(tmp_path: Path) -> None:
    books = Books(tmp_path)
    await books.book([*declared(*RIGS), *day_of_shares(DAY)])
    await books.sign()
    assert signed(books) == []
    await books.seal(DAY)
    with structlog.testing.capture_logs() as logs:
        head = (await books.sign()).last
    assert [head] == signed(books)
    assert head is not None
    key = load_or_make_key(books.key_file)
    assert head.public_key == key.public_key
    assert is_signed(head.head, head.signature, key.public_key)
    (line,) = [line for line in logs if line["event"] == "ledger_day_signed"]
    assert line["day"] == "2024-10-04"
    assert line["head"] == head.head.hex()
    assert line["rows"] == head.row_count == 12  # three rigs, 3,000 s: four intervals


async def test_the_root_is_over_the_rows_in_the_order_of_their_bytes(tmp_path: Path) -> None:
    # An uppercase letter, an umlaut and a letter beyond 16 bits: no database sorts them so.
    rigs = ("b.1", "B.1", "b.ä", "b.𝔸", "b.ﬀ")
    books = Books(tmp_path)
    shares = [share(ref, day_ms(DAY, at)) for ref in (3, 1, 5, 2, 4) for at in (1000, 1)]
    await books.book([*declared(*rigs), *shares])
    await books.seal(DAY)
    (day,) = (await books.sign(), signed(books))[1]
    one = "1099511627776"
    square = str((1 << 40) ** 2)
    best = "00000000" + "01" * 28
    rows = [
        (f"poolserver interval 1\0unassigned\0{name[0]}\0{name}", begin_s, at)
        for begin_s, at in ((DAY * 86400, 1), (DAY * 86400 + 900, 1000))
        for name in sorted(rigs, key=lambda name: (name[0].encode(), name.encode()))
    ]
    leaves = []
    for names, begin_s, at in rows:
        ms = day_ms(DAY, at)
        numbers = f"{begin_s} {one} {one} {square} 1 0 0 0 0 0 0 0 0 0 {best} {ms} {ms}"
        texts = [text.encode() for text in (*names.split("\0"), numbers)]
        leaves.append(leaf_hash(b"".join(b"%d:%s," % (len(text), text) for text in texts)))
    assert day.root == merkle_root(leaves)


async def test_each_head_stands_over_the_one_before_it(tmp_path: Path) -> None:
    first, second = signed(await two_signed_days(tmp_path))
    assert (first.day, second.day) == (DAY, DAY + 1)
    assert first.head == head_of(FIRST_PREVIOUS, DAY, first.row_count, first.root)
    assert second.head == head_of(first.head, DAY + 1, second.row_count, second.root)


async def test_days_without_rows_are_left_out_of_the_chain(tmp_path: Path) -> None:
    books = Books(tmp_path)
    await books.book([*declared(*RIGS), *day_of_shares(DAY), *day_of_shares(DAY + 3)])
    await books.seal(DAY + 4)
    await books.sign()
    assert [day.day for day in signed(books)] == [DAY, DAY + 3]


async def test_what_was_booked_before_there_were_intervals_is_day_0(tmp_path: Path) -> None:
    books = Books(tmp_path)
    await books.book([*declared(*RIGS), share(1, 1000), *day_of_shares(DAY)])
    await books.seal(DAY)
    await books.sign()
    assert [day.day for day in signed(books)] == [0, DAY]


async def test_the_leaves_of_each_interval_are_kept(tmp_path: Path) -> None:
    books = await two_signed_days(tmp_path)
    connection = books.database.reader()
    leaves = b"".join(
        audit_sql.leaves(connection, DAY, begin_s)
        for begin_s in audit_sql.leaf_intervals(connection, DAY)
    )
    connection.close()
    day = signed(books)[0]
    assert merkle_root([leaves[at : at + 32] for at in range(0, len(leaves), 32)]) == day.root


async def test_a_day_is_signed_once_whoever_comes_again(tmp_path: Path) -> None:
    books = await two_signed_days(tmp_path)
    before = signed(books)
    await books.sign()
    assert signed(books) == before


async def test_a_store_that_fails_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    books = Books(tmp_path)
    await books.book([*declared(*RIGS), *day_of_shares(DAY)])
    await books.seal(DAY)
    add, left = audit_sql.add_signed_day, [1]

    def fails_once(day: SignedDay, leaves: dict[int, bytes], connection: Connection) -> None:
        add(day, leaves, connection)
        if left:
            raise StoreError(books.database, "is locked", transient=bool(left.pop()))

    monkeypatch.setattr(audit_sql, "add_signed_day", fails_once)
    monkeypatch.setattr(auditor, "CHECK_INTERVAL_S", 0.0)

    async def until_signed(store: LedgerStore) -> None:
        signer = Telling(store, books.key_file)
        await signer.open()
        with structlog.testing.capture_logs() as logs:
            task = asyncio.create_task(signer.run())
            async with asyncio.timeout(10):
                await signer.signed.wait()
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        events = [line["event"] for line in logs if line["event"] != "ledger_key_made"]
        assert events == ["ledger_audit", "ledger_day_signed", "ledger_audit_restored"]

    await books.with_store(until_signed)
    assert [day.day for day in signed(books)] == [DAY]


class Telling(Auditor):
    """Tells when it has signed what there was."""

    def __init__(self, store: LedgerStore, key_file: Path) -> None:
        super().__init__(store, key_file)
        self.signed = asyncio.Event()

    async def sign_due(self) -> None:
        await super().sign_due()
        self.signed.set()


async def test_rows_of_nobody_are_not_signed(tmp_path: Path) -> None:
    books = Books(tmp_path)
    await books.book([*declared(*RIGS), *day_of_shares(DAY)])
    await books.seal(DAY)
    books.sql("DELETE FROM worker WHERE worker = 'north.rig2'")
    with pytest.raises(UnnamedRows, match="numbers 2") as raised:
        await books.sign()
    assert isinstance(raised.value, LedgerError)
    assert signed(books) == []


async def test_a_read_that_is_not_wanted_any_more_ends(tmp_path: Path) -> None:
    books = Books(tmp_path)
    await books.book([*declared(*RIGS), *day_of_shares(DAY)])

    class Stopping(Pace):
        def step(self) -> None:
            self.stop()
            self._turn_ends = 0.0
            super().step()

    assert next_root(books.database, -1, DAY, Stopping()) is None
    found = next_root(books.database, -1, DAY, Pace())
    assert found is not None
    assert found.day == DAY


async def test_a_database_that_is_not_there_is_an_error_of_the_store(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be opened"):
        next_root(Books(tmp_path).database, -1, DAY, Pace())
