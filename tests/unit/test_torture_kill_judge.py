"""The judge of the books finds what is wrong, on evidence and books that are made up."""

import os
import sqlite3
import struct
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from random import Random
from zlib import crc32

import pytest

from poolserver.ledger.records import ShareRecord, WorkerRecord, encode_share, encode_worker
from poolserver.ledger.segment import SegmentId, encode_header
from poolserver.mining.share import ShareOutcome
from tests.torture.deaths import ROTATION, drawn
from tests.torture.evidence import Evidence, Kind, Submit
from tests.torture.journal_reader import (
    OUTCOMES,
    JournalError,
    JournalShare,
    SourceJournal,
    read_journal,
)
from tests.torture.kill_judge import Books, Key, Sums, Verdict, judge, read_books, sums_of
from tests.torture.ledger_stage import LedgerStage
from tests.torture.ledger_stores import SqliteStore

SOURCE = "pool-1/0/1"
WORK = 17


def hash_of(number: int) -> bytes:
    return number.to_bytes(32, "little")


def submit(number: int, answer: str | None = "accepted", kind: Kind = Kind.GOOD) -> Submit:
    return Submit(kind, "demo", "demo.rig", hash_of(number), WORK, 0.0, answer)


def share(
    number: int,
    outcome: str = "accepted",
    *,
    work: int = WORK,
    username: str = "demo.rig",
    sequence: int = 0,
) -> JournalShare:
    proven = outcome == "accepted"
    return JournalShare(
        SOURCE,
        sequence or number,
        "demo",
        username,
        outcome,
        proven,
        1,
        work if proven else 0,
        hash_of(number),
    )


def journal(*shares: JournalShare) -> dict[str, SourceJournal]:
    return {SOURCE: SourceJournal(SOURCE, len(shares), list(shares))}


def books_of(*shares: JournalShare) -> Books:
    """What a right ledger makes of them."""
    sums = sums_of(shares)
    earned: dict[str, int] = {}
    for key, each in sums.items():
        earned[key.account] = earned.get(key.account, 0) + each.accepted_work
    return Books(sums, sums_of(shares), earned, {SOURCE: len(shares)})


def judged(
    submits: list[Submit], shares: list[JournalShare], books: Books | None = None
) -> Verdict:
    return judge(Evidence(submits), journal(*shares), books or books_of(*shares))


def about(verdict: Verdict) -> set[str]:
    return {text.partition(":")[0] for text in verdict.wrong}


def test_each_answered_share_once_is_right() -> None:
    refused = submit(3, "low_difficulty", Kind.LOW)
    verdict = judged(
        [submit(1), submit(2), refused], [share(1), share(2), share(3, "low_difficulty")]
    )
    assert verdict.wrong == []
    assert (verdict.answered, verdict.lost, verdict.doubled) == (2, 0, 0)


@pytest.mark.parametrize("shares", [[], [share(1)]])
def test_a_share_without_an_answer_counts_once_or_not_at_all(shares: list[JournalShare]) -> None:
    verdict = judged([submit(1, None)], shares)
    assert verdict.wrong == []
    assert verdict.counted_unanswered == len(shares)


def test_an_answered_share_that_the_journal_has_not_is_lost() -> None:
    verdict = judged([submit(1), submit(2)], [share(2)])
    assert verdict.lost == 1
    assert about(verdict) == {"LOST"}


@pytest.mark.parametrize("answer", ["accepted", None])
def test_a_share_that_is_counted_twice_is_doubled(answer: str | None) -> None:
    twice = [share(1), share(1, sequence=2)]
    verdict = judged([submit(1, answer), submit(2, None)], twice)
    assert verdict.doubled == 1
    assert "doubled" in about(verdict)


def test_a_share_that_was_sent_again_counts_once() -> None:
    again = submit(1, "duplicate", Kind.AGAIN)
    shares = [share(1), share(1, "duplicate", sequence=2)]
    assert judged([submit(1, None), again], shares).wrong == []
    verdict = judged([submit(1), submit(1)], [share(1)])
    assert "answered twice" in about(verdict)


def test_a_refused_share_that_is_counted_is_wrong() -> None:
    assert "counted" in about(judged([submit(1, "stale")], [share(1)]))


def test_a_share_that_nobody_sent_is_wrong() -> None:
    assert "nobody sent" in about(judged([submit(1)], [share(1), share(2)]))


def test_other_work_or_another_worker_is_wrong() -> None:
    assert about(judged([submit(1)], [share(1, work=WORK + 1)])) == {"work"}
    assert "worker" in about(judged([submit(1)], [share(1, username="demo.other")]))


def test_rejects_are_counted_by_reason() -> None:
    refused = [submit(n, "stale", Kind.STALE) for n in (1, 2)]
    assert about(judged(refused, [share(1, "stale")])) == {"count"}
    as_others = [share(1, "stale"), share(2, "low_difficulty")]
    assert about(judged(refused, as_others)) == {"count"}
    one_more = [share(1, "stale"), share(2, "stale"), share(3, "stale")]
    assert about(judged(refused, one_more)) == {"count"}
    assert judged([*refused, submit(3, None)], one_more).wrong == []


def test_a_malformed_submit_may_be_answered_before_its_record_is_written() -> None:
    verdict = judged([submit(1, "malformed", Kind.MALFORMED)], [])
    assert verdict.wrong == []
    assert verdict.rejects_not_held == 1


def spoiled(change: Callable[[Books], object]) -> set[str]:
    books = books_of(share(1), share(2))
    change(books)
    return about(judged([submit(1), submit(2)], [share(1), share(2)], books))


KEY = Key("demo", "demo.rig")


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda books: books.totals[KEY].counts.update(accepted=1), "total"),
        (lambda books: books.totals.clear(), "total"),
        (lambda books: books.totals.update({KEY._replace(username="x"): Sums()}), ""),
        (lambda books: books.intervals[KEY].add(Sums(accepted_work=1)), "intervals"),
        (lambda books: books.intervals[KEY].add(Sums(proven_work=1)), "intervals"),
        (lambda books: books.intervals[KEY].counts.subtract(accepted=1), "intervals"),
        (lambda books: books.earned.update(demo=2 * WORK + 1), "earned"),
        (lambda books: books.earned.clear(), "earned"),
        (lambda books: books.progress.update({SOURCE: 1}), "not folded"),
        (lambda books: books.progress.update({SOURCE: 3}), "ahead of its journal"),
        (lambda books: books.progress.update({"another": 1}), "ahead of its journal"),
    ],
)
def test_a_database_that_says_other_than_the_journal_is_told(
    change: Callable[[Books], object], found: str
) -> None:
    assert spoiled(change) == ({found} if found else set())


def test_answers_that_may_not_be_are_told() -> None:
    evidence = Evidence()
    good, junk = submit(1, None), submit(2, None, Kind.LOW)
    evidence.submits += [good, junk]
    evidence.answered(good, "accepted", 0.0)
    assert evidence.faults == []
    evidence.answered(junk, "accepted", 0.0)
    evidence.answered(good, "unauthorized", 0.0)
    assert len(evidence.faults) == 2
    assert "answer" in about(judge(evidence, journal(), None))


def test_a_ledgers_database_is_read_with_the_pools_own_columns(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "books")) as connection:
        counts = ", ".join(OUTCOMES)
        connection.executescript(
            "CREATE TABLE worker (id, site, account, worker);"
            "CREATE TABLE source (source, sequence);"
            "CREATE TABLE account_interval (account, accepted_work);"
            f"CREATE TABLE worker_totals (worker_id, accepted_work, proven_work, {counts});"
            f"CREATE TABLE worker_interval (worker_id, accepted_work, proven_work, {counts});"
            "INSERT INTO worker VALUES (1, 'hall', 'demo', 'demo.rig');"
            "INSERT INTO source VALUES ('s', 7);"
            "INSERT INTO account_interval VALUES ('demo', '20'), ('demo', '14');"
            "INSERT INTO worker_totals VALUES (1, '34', '51', 2, 0, 0, 0, 0, 0, 0, 0, 0, 3);"
            "INSERT INTO worker_interval VALUES (1, '17', '34', 1, 0, 0, 0, 0, 0, 0, 0, 0, 3);"
            "INSERT INTO worker_interval VALUES (1, '17', '17', 1, 0, 0, 0, 0, 0, 0, 0, 0, 0);"
        )
        books = read_books(connection)
    assert books.totals == books.intervals
    assert books.totals[KEY].counts["accepted"] == 2
    assert books.totals[KEY].counts["malformed"] == 3
    assert (books.earned, books.progress) == ({"demo": 34}, {"s": 7})


# --- the judge's reader of journals ------------------------------------------------------


def encoded(first: int, count: int) -> bytes:
    records = b""
    for sequence in range(first, first + count):
        if sequence == 1:
            records += encode_worker(1, WorkerRecord(1, 5, "demo", "demo.rig"))
        else:
            outcome = ShareOutcome.ACCEPTED if sequence % 2 else ShareOutcome.MALFORMED
            ref = 1 if sequence % 2 else 0
            one = ShareRecord(ref, outcome, True, 9, 5, 2**70 + 1, hash_of(sequence))
            records += encode_share(sequence, one)
    return records


def put(folder: Path, first: int, ordinal: int, records: bytes) -> Path:
    identity = SegmentId(SOURCE, first, ordinal)
    path = folder / identity.file_name
    path.write_bytes(encode_header(identity) + records)
    return path


def test_the_reader_knows_the_outcomes_of_the_pool() -> None:
    assert tuple(each.reason for each in ShareOutcome) == OUTCOMES


def test_the_reader_reads_what_the_pool_writes(tmp_path: Path) -> None:
    put(tmp_path, 1, 0, encoded(1, 3))
    put(tmp_path, 3, 1, encoded(3, 3))  # overlaps, as after a failed sync
    (source,) = read_journal(tmp_path).values()
    assert [each.sequence for each in source.shares] == [2, 3, 4, 5]
    nobody, mine = source.shares[:2]
    assert (nobody.account, nobody.username, nobody.outcome) == ("", "", "malformed")
    assert mine == JournalShare(
        SOURCE, 3, "demo", "demo.rig", "accepted", True, 5, 2**70 + 1, hash_of(3)
    )
    assert (source.last_sequence, source.torn) == (5, [])


def test_the_reader_ends_at_every_torn_byte(tmp_path: Path) -> None:
    records = encoded(1, 3)
    ends = [len(encoded(1, count)) for count in range(4)]
    for size in range(len(records)):
        put(tmp_path, 1, 0, records[:size])
        (source,) = read_journal(tmp_path).values()
        assert source.last_sequence == sum(end <= size for end in ends[1:])
        assert bool(source.torn) == (size not in ends)


def test_the_reader_takes_no_gap_and_no_stranger(tmp_path: Path) -> None:
    put(tmp_path, 1, 0, encoded(1, 2))
    put(tmp_path, 4, 1, encoded(4, 1))
    with pytest.raises(JournalError, match="gap"):
        read_journal(tmp_path)
    header = struct.pack("<8sHHQ", b"POOLJRNL", 9, 0, 1)
    (tmp_path / "z.journal").write_bytes(header + struct.pack("<I", crc32(header)))
    (tmp_path / f"{SegmentId(SOURCE, 4, 1).file_name}").unlink()
    with pytest.raises(JournalError, match="version"):
        read_journal(tmp_path)


def test_a_power_cut_takes_only_what_was_not_synced(tmp_path: Path) -> None:
    journals, synced = tmp_path / "var" / "journal", tmp_path / "synced"
    journals.mkdir(parents=True)
    synced.mkdir()
    notes = {"a": struct.pack("<Q", 60), "b": struct.pack("<Q", 100), "c": None, "d": b""}
    for name, note in notes.items():
        (journals / f"{name}.journal").write_bytes(os.urandom(100))
        if note is not None:
            (synced / f"{name}.journal").write_bytes(note)
    pool = type("Pool", (), {"folder": tmp_path})()
    LedgerStage(pool, None, SqliteStore(tmp_path)).lose_unsynced(Random(3))  # type: ignore[arg-type]
    sizes = {path.stem: path.stat().st_size for path in journals.iterdir()}
    assert 60 <= sizes["a"] < 100
    assert sizes["b"] == 100
    assert sizes.get("c", 0) < 100
    assert sizes.get("d", 0) < 100


def test_each_way_to_die_has_its_turn() -> None:
    deaths = drawn(2 * len(ROTATION), Random(5))
    assert all(deaths.count(each) == 2 * ROTATION.count(each) for each in ROTATION)
    assert deaths == drawn(2 * len(ROTATION), Random(5))
    assert sum(each.step is None for each in deaths) > len(deaths) / 2
