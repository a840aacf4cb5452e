from pathlib import Path
from typing import Any

import pytest

from poolserver.ledger.database import StoreError
from poolserver.ledger.findings import MAX_TOLD, Findings
from poolserver.ledger.journal_files import journal_files
from poolserver.ledger.payout_records import payout_records
from poolserver.ledger.records import BlockRecord, encode_share
from poolserver.ledger.verify import Report, VerifyTerms, verify
from poolserver.mining.coinbase import TxOut
from poolserver.mining.payout import Distribution, Due
from tests.unit.ledger.books import (
    DAY,
    RIGS,
    Books,
    day_ms,
    day_of_shares,
    declared,
    share,
    template,
    two_signed_days,
)
from tests.unit.ledger.strategies import encode

NOON_S = DAY * 86_400 + 900  # an interval with rows of all three rigs


def check(books: Books, **terms: Any) -> Report:
    return verify(books.database, books.journal_dir, VerifyTerms(**terms))


def kinds(report: Report) -> set[str]:
    return {difference.kind for difference in report.differences}


def told(report: Report) -> list[tuple[str, str, str]]:
    return [(each.kind, each.interval, each.worker) for each in report.differences]


async def test_a_ledger_as_the_pool_keeps_it_is_good(tmp_path: Path) -> None:
    books = await two_signed_days(tmp_path)
    report = check(books)
    assert report.differences == []
    assert report.good
    assert report.notes == []
    assert (report.days_signed, report.last_day) == (2, "2024-10-05")
    assert report.rows == 36
    assert report.records == 3 + 1 + 90
    assert report.journal_intervals == 12


async def test_a_ledger_without_anything_is_good(tmp_path: Path) -> None:
    books = Books(tmp_path)
    await books.seal(DAY)
    report = check(books)
    assert report.good
    assert report.notes == ["no day is signed yet"]


async def test_a_day_alone_can_be_checked(tmp_path: Path) -> None:
    books = await two_signed_days(tmp_path)
    report = check(books, day=DAY + 1)
    assert report.good
    assert (report.rows, report.journal_intervals) == (12, 4)
    books.sql("UPDATE worker_interval SET stale = 9 WHERE begin_s = ?", NOON_S)
    assert check(books, day=DAY + 1).good
    assert not check(books, day=DAY).good


# --- rows --------------------------------------------------------------------------------


async def test_one_changed_count_in_one_row_is_found_in_its_place(tmp_path: Path) -> None:
    books = await two_signed_days(tmp_path)
    books.sql(
        "UPDATE worker_interval SET accepted = accepted + 1 WHERE begin_s = ? AND worker_id ="
        " (SELECT id FROM worker WHERE worker = 'north.rig2')",
        NOON_S,
    )
    report = check(books, journal=False)
    assert ("row_changed", "2024-10-04T00:15Z", "north.rig2") in told(report)
    assert kinds(report) == {"root", "row_changed", "worker_total"}
    by_the_journal = [each for each in check(books).differences if each.kind == "journal"]
    assert [(each.interval, each.worker) for each in by_the_journal] == [
        ("2024-10-04T00:15Z", "north.rig2")
    ]
    assert "accepted is 3 in the ledger, 2 by the journal" in by_the_journal[0].text


@pytest.mark.parametrize("rig", RIGS)
async def test_a_removed_row_is_found_and_named(tmp_path: Path, rig: str) -> None:
    books = await two_signed_days(tmp_path)
    books.sql(
        "DELETE FROM worker_interval WHERE begin_s = ? AND worker_id ="
        " (SELECT id FROM worker WHERE worker = ?)",
        NOON_S,
        rig,
    )
    report = check(books)
    assert ("row_missing", "2024-10-04T00:15Z", rig) in told(report)
    assert ("journal", "2024-10-04T00:15Z", rig) in told(report)


async def test_a_removed_interval_is_found(tmp_path: Path) -> None:
    books = await two_signed_days(tmp_path)
    books.sql("DELETE FROM worker_interval WHERE begin_s = ?", NOON_S)
    missing = [
        each for each in check(books, journal=False).differences if each.kind == "row_missing"
    ]
    assert {each.worker for each in missing} == set(RIGS)


async def test_removed_rows_that_may_be_several_are_told_by_their_neighbours(
    tmp_path: Path,
) -> None:
    books = Books(tmp_path)
    rigs = ("a.1", "a.2", "a.3", "a.4")
    shares = [share(ref, day_ms(DAY)) for ref in (1, 2, 4)] + [share(3, day_ms(DAY, 3600))]
    await books.book([*declared(*rigs), template(), *shares])
    await books.seal(DAY)
    await books.sign()
    books.sql(
        "DELETE FROM worker_interval WHERE begin_s = ? AND worker_id ="
        " (SELECT id FROM worker WHERE worker = 'a.2')",
        DAY * 86_400,
    )
    (missing,) = [e for e in check(books, journal=False).differences if e.kind == "row_missing"]
    assert missing.worker == ""
    assert "1 signed row(s) are missing after a.1 (" in missing.text
    assert "and before a.4 (" in missing.text


async def test_an_added_row_is_found_and_named(tmp_path: Path) -> None:
    books = await two_signed_days(tmp_path)
    books.sql("INSERT INTO worker (site, account, worker) VALUES ('hall', 'north', 'north.rig1b')")
    books.sql(
        "INSERT INTO worker_interval SELECT begin_s, (SELECT max(id) FROM worker), accepted_work,"
        " proven_work, proven_work_sq, accepted, stale, job_not_found, duplicate, low_difficulty,"
        " unauthorized, not_subscribed, ntime_out_of_range, version_outside_mask, malformed,"
        " best_hash, first_ms, last_ms FROM worker_interval WHERE begin_s = ? LIMIT 1",
        NOON_S,
    )
    report = check(books)
    assert ("row_added", "2024-10-04T00:15Z", "north.rig1b") in told(report)
    assert ("journal", "2024-10-04T00:15Z", "north.rig1b") in told(report)
    assert "account" in kinds(report)


@pytest.mark.parametrize("begin_s", [-900, 1, DAY * 86_400 + 7, (DAY - 1) * 86_400])
async def test_a_row_in_an_interval_that_there_is_not_is_found(
    tmp_path: Path, begin_s: int
) -> None:
    books = await two_signed_days(tmp_path)
    books.sql("UPDATE worker_interval SET begin_s = ? WHERE begin_s = ?", begin_s, NOON_S)
    report = check(books, journal=False)
    assert kinds(report) & {"unsigned", "row_added"}


async def test_a_renamed_worker_is_found(tmp_path: Path) -> None:
    books = await two_signed_days(tmp_path)
    books.sql("UPDATE worker SET site = 'stall' WHERE worker = 'north.rig2'")
    assert {"root", "row_added", "row_missing"} <= kinds(check(books, journal=False))


async def test_a_worker_without_a_name_is_found(tmp_path: Path) -> None:
    books = await two_signed_days(tmp_path)
    books.sql("DELETE FROM worker WHERE worker = 'north.rig2'")
    assert "unnamed" in kinds(check(books))


async def test_rows_and_leaves_that_were_changed_together_are_found_by_root_and_journal(
    tmp_path: Path,
) -> None:
    books = await two_signed_days(tmp_path)
    books.sql("UPDATE worker_interval SET stale = stale + 1 WHERE begin_s = ?", NOON_S)
    books.sql("UPDATE audit_leaves SET hashes = zeroblob(96) WHERE begin_s = ?", NOON_S)
    report = check(books)
    assert {"root", "leaves", "journal"} <= kinds(report)
    assert not kinds(report) & {"row_changed", "row_added", "row_missing"}


async def test_changed_leaves_alone_are_told_from_changed_rows(tmp_path: Path) -> None:
    books = await two_signed_days(tmp_path)
    books.sql("UPDATE audit_leaves SET hashes = zeroblob(96) WHERE begin_s = ?", NOON_S)
    assert kinds(check(books)) == {"leaves"}


async def test_work_that_is_no_number_is_found(tmp_path: Path) -> None:
    books = await two_signed_days(tmp_path)
    books.sql("UPDATE worker_interval SET accepted_work = 'much' WHERE begin_s = ?", NOON_S)
    assert {"root", "row_changed", "not_a_number"} <= kinds(check(books))


async def test_counts_that_are_too_large_to_be_added_up_are_found(tmp_path: Path) -> None:
    books = await two_signed_days(tmp_path)
    books.sql("UPDATE worker_interval SET stale = ?", 2**63 - 1)
    assert {"root", "row_changed", "not_a_number"} <= kinds(check(books))


# --- the chain ---------------------------------------------------------------------------


async def test_swapped_days_are_found(tmp_path: Path) -> None:
    books = await two_signed_days(tmp_path)
    books.sql("UPDATE worker_interval SET begin_s = -begin_s WHERE begin_s < ?", (DAY + 1) * 86_400)
    books.sql(
        "UPDATE worker_interval SET begin_s = begin_s - 86400 WHERE begin_s BETWEEN ? AND ?",
        (DAY + 1) * 86_400,
        (DAY + 2) * 86_400 - 1,
    )
    books.sql("UPDATE worker_interval SET begin_s = -begin_s + 86400 WHERE begin_s < 0")
    books.sql("UPDATE audit_day SET day = -day")
    books.sql("UPDATE audit_day SET day = ? WHERE day = ?", DAY, -DAY - 1)
    books.sql("UPDATE audit_day SET day = ? WHERE day = ?", DAY + 1, -DAY)
    report = check(books, journal=False)
    assert [(each.kind, each.day) for each in report.differences if each.kind == "head"] == [
        ("head", "2024-10-04"),
        ("head", "2024-10-05"),
    ]


async def test_a_day_that_was_taken_out_of_the_chain_is_found(tmp_path: Path) -> None:
    books = await two_signed_days(tmp_path)
    books.sql("DELETE FROM audit_day WHERE day = ?", DAY)
    assert {"head", "unsigned"} <= kinds(check(books, journal=False))


async def test_a_signature_by_nobody_is_found(tmp_path: Path) -> None:
    books = await two_signed_days(tmp_path)
    books.sql("UPDATE audit_day SET signature = zeroblob(64) WHERE day = ?", DAY)
    assert kinds(check(books)) == {"signature"}


async def test_a_chain_that_was_signed_again_is_found_by_a_head_that_was_kept(
    tmp_path: Path,
) -> None:
    books = await two_signed_days(tmp_path)
    heads = dict(books.sql("SELECT day, head FROM audit_day"))
    assert check(books, kept_heads=heads).good
    # As the operator could: everything consistent, and signed with the real key.
    books.sql("UPDATE worker_interval SET stale = stale + 1 WHERE begin_s = ?", NOON_S)
    books.sql(
        "UPDATE worker_totals SET stale = stale + (SELECT 1 FROM worker_interval AS each"
        " WHERE each.worker_id = worker_totals.worker_id AND begin_s = ?)",
        NOON_S,
    )
    books.sql("DELETE FROM audit_day")
    books.sql("DELETE FROM audit_leaves")
    await books.sign()
    assert check(books, journal=False).good
    report = check(books, journal=False, kept_heads={DAY + 1: heads[DAY + 1]})
    assert [(each.kind, each.day) for each in report.differences] == [("kept_head", "2024-10-05")]
    assert "journal" in kinds(check(books))


async def test_a_head_of_a_day_that_is_not_signed_is_found(tmp_path: Path) -> None:
    books = await two_signed_days(tmp_path)
    report = check(books, kept_heads={DAY + 9: bytes(32)})
    assert kinds(report) == {"kept_head"}


async def test_a_chain_by_another_key_is_found_where_the_key_is_known(tmp_path: Path) -> None:
    books = await two_signed_days(tmp_path)
    ((key,),) = books.sql("SELECT DISTINCT public_key FROM audit_day")
    assert check(books, public_key=key).good
    books.key_file.unlink()
    books.sql("DELETE FROM audit_day")
    books.sql("DELETE FROM audit_leaves")
    await books.sign()
    assert kinds(check(books, public_key=key)) == {"key"}
    assert check(books).good


async def test_days_that_wait_for_their_signature_are_told(tmp_path: Path) -> None:
    books = await two_signed_days(tmp_path)
    await books.seal(DAY + 2)
    report = check(books)
    assert report.good
    assert report.notes == ["closed and not signed yet: 2024-10-06"]


async def test_a_key_that_was_changed_is_told(tmp_path: Path) -> None:
    books = await two_signed_days(tmp_path)
    await books.seal(DAY + 2)
    books.key_file.unlink()
    await books.sign()
    report = check(books)
    assert report.good
    assert report.notes == ["the days are signed by 2 keys, one after the other"]


# --- sums --------------------------------------------------------------------------------


async def test_a_changed_total_is_found(tmp_path: Path) -> None:
    books = await two_signed_days(tmp_path)
    books.sql("UPDATE worker_totals SET accepted_work = '5' WHERE worker_id = 2")
    (difference,) = check(books).differences
    assert (difference.kind, difference.worker) == ("worker_total", "north.rig2")


async def test_changed_work_of_an_account_is_found(tmp_path: Path) -> None:
    books = await two_signed_days(tmp_path)
    books.sql("UPDATE account_interval SET accepted_work = '5' WHERE begin_s = ? AND account ="
              " 'north'", NOON_S)  # fmt: skip
    assert kinds(check(books)) == {"account", "rounds", "journal_account"}


async def test_changed_value_of_work_is_found_by_totals_and_journal(tmp_path: Path) -> None:
    books = await two_signed_days(tmp_path)
    books.sql("UPDATE account_interval SET value_work = '5' WHERE begin_s = ?", NOON_S)
    assert kinds(check(books, journal=False)) == {"account"}
    assert kinds(check(books)) == {"account", "journal_account"}


async def test_changed_totals_of_accounts_are_found(tmp_path: Path) -> None:
    books = await two_signed_days(tmp_path)
    books.sql("UPDATE account_totals SET value_work = '5'")
    assert kinds(check(books, journal=False)) == {"account"}


async def test_work_of_accounts_without_workers_is_found(tmp_path: Path) -> None:
    books = await two_signed_days(tmp_path)
    books.sql("INSERT INTO account_interval VALUES (900, 'hall', 'x', 1, '1', '1')")
    assert kinds(check(books, journal=False)) == {"account"}


async def test_changed_rounds_are_found(tmp_path: Path) -> None:
    books = await two_signed_days(tmp_path)
    books.sql("UPDATE block_round SET accepted_work = '1'")
    assert kinds(check(books)) == {"rounds"}


async def test_what_was_booked_before_there_were_intervals_is_no_difference(
    tmp_path: Path,
) -> None:
    books = await two_signed_days(tmp_path)
    # What the migration makes of totals of old: rows at 0, and of workers alone.
    before = (DAY + 1) * 86_400
    books.sql("UPDATE worker_interval SET begin_s = 0 WHERE begin_s = ?", NOON_S)
    books.sql("DELETE FROM worker_interval WHERE begin_s > 0 AND begin_s < ?", before)
    books.sql("DELETE FROM account_interval WHERE begin_s < ?", before)
    report = check(books)
    assert not kinds(report) & {"journal", "journal_account"}
    assert "2024-10-05T00:15Z" in report.notes[-1]


async def test_shares_of_a_clock_that_stood_at_1970_are_compared_as_any(tmp_path: Path) -> None:
    books = Books(tmp_path)
    await books.book([*declared(*RIGS), template(), share(1, 5000), *day_of_shares(DAY)])
    report = check(books)
    assert report.good
    assert report.journal_intervals == 5


# --- the journal -------------------------------------------------------------------------


def files(books: Books) -> list[Path]:
    return sorted(books.journal_dir.iterdir())


def change_a_share(path: Path, number: int, first: int, **changes: Any) -> None:
    """Another share in place of one, with a checksum that is right."""
    data = path.read_bytes()
    size = 85
    at = data.index(encode(number, [share(**changes.pop("was"))]))
    changed = encode_share(number, share(**changes))
    assert len(changed) == size
    path.write_bytes(data[:at] + changed + data[at + size :])


async def test_a_changed_record_of_the_journal_is_found_in_its_place(tmp_path: Path) -> None:
    books = await two_signed_days(tmp_path)
    first = files(books)[0]
    was = {"ref": 1, "unix_ms": day_ms(DAY), "work": 1 << 40}
    change_a_share(first, 5, 1, was=was, ref=1, unix_ms=day_ms(DAY), work=1 << 41)
    report = check(books)
    assert ("journal", "2024-10-04T00:00Z", "north.rig1") in told(report)
    assert kinds(report) == {"journal", "journal_account"}


async def test_a_damaged_record_of_the_journal_is_found(tmp_path: Path) -> None:
    books = await two_signed_days(tmp_path)
    first = files(books)[0]
    data = bytearray(first.read_bytes())
    data[-100] ^= 1
    first.write_bytes(data)
    report = check(books)
    short = [each.text for each in report.differences if each.kind == "journal_short"]
    assert len(short) == 1
    assert "the ledger has counted 94" in short[0]


@pytest.mark.parametrize("number", [1, 2])
async def test_a_removed_file_of_the_journal_is_found(tmp_path: Path, number: int) -> None:
    books = await two_signed_days(tmp_path)
    files(books)[number].unlink()
    report = check(books)
    assert {"journal_short", "journal"} <= kinds(report)


async def test_the_removed_journal_of_a_whole_life_is_found_between_others(
    tmp_path: Path,
) -> None:
    books = Books(tmp_path)
    for number in range(3):
        source = f"pool-1/0/{100 + number}"
        await books.book([*declared(*RIGS), template(), *day_of_shares(DAY + number)], source)
    assert check(books).good
    files(books)[1].unlink()
    report = check(books)
    assert {"journal_missing", "journal"} <= kinds(report)


def expire(books: Books, *paths: Path) -> None:
    """Delete journal files as the pool does with old ones."""
    found = [each for each in journal_files(files(books)[0].parent) if each.path in paths]
    for each in found:
        later = [f for f in journal_files(each.path.parent) if f.source == each.source]
        after = [f.first_sequence - 1 for f in later if f.first_sequence > each.first_sequence]
        books.sql(
            "UPDATE source SET pruned = coalesce(?, sequence) WHERE source = ?",
            min(after, default=None),
            each.source,
        )
        each.path.unlink()


@pytest.mark.parametrize("number", [0, 1])
async def test_the_oldest_file_too_is_missed_if_it_was_not_deleted_for_its_age(
    tmp_path: Path, number: int
) -> None:
    books = await two_signed_days(tmp_path)
    for path in files(books)[: number + 1]:
        path.unlink()
    assert "journal_missing" in kinds(check(books))


async def test_what_retention_deleted_is_checked_by_chain_and_rows_alone(tmp_path: Path) -> None:
    books = await two_signed_days(tmp_path)
    expire(books, files(books)[0])
    report = check(books)
    assert report.good, report.differences
    assert len(report.notes) == 2
    assert "checked by chain and rows only" in report.notes[0]
    assert "compared from 2024-10-05T00:15Z on" in report.notes[1]
    assert report.journal_intervals == 7
    # Where the journal does not reach it may not have more than the ledger, either.
    books.sql("UPDATE worker_interval SET accepted = 0 WHERE begin_s = ?", (DAY + 1) * 86_400)
    assert "journal" in kinds(check(books))


async def test_a_ledger_whose_journal_is_all_gone_is_checked_by_chain_and_rows(
    tmp_path: Path,
) -> None:
    books = await two_signed_days(tmp_path)
    expire(books, *files(books))
    report = check(books)
    assert report.good
    assert report.journal_intervals == 0
    assert "nothing that whole intervals can be compared with" in report.notes[1]


async def test_a_worker_of_old_that_has_no_files_any_more_is_no_difference(tmp_path: Path) -> None:
    books = Books(tmp_path)
    await books.book([*declared(*RIGS), template(), *day_of_shares(DAY)], "pool-1/1/100")
    for day in (DAY + 1, DAY + 2):
        records = [*declared(*RIGS), template(), *day_of_shares(day)]
        await books.book(records, f"pool-1/0/{day}")
    (path,) = [path for path in files(books) if ".1." in path.name]
    expire(books, path)
    report = check(books)
    assert report.good, report.differences
    assert report.journal_intervals == 4  # of the newest day: the day before may not be whole


async def test_a_journal_that_is_ahead_of_the_ledger_is_no_difference(tmp_path: Path) -> None:
    books = await two_signed_days(tmp_path)
    last = files(books)[-1]
    with last.open("ab") as file:
        file.write(encode(95, day_of_shares(DAY + 2)))
    books.write("pool-1/0/200", 1, encode(1, [*declared(*RIGS), *day_of_shares(DAY)]))
    report = check(books)
    assert report.good, report.differences
    assert report.records == 94


async def test_a_torn_tail_beyond_what_was_counted_is_no_difference(tmp_path: Path) -> None:
    books = await two_signed_days(tmp_path)
    with files(books)[-1].open("ab") as file:
        file.write(encode(95, day_of_shares(DAY + 2))[:-10])
    assert check(books).good


async def test_late_records_are_booked_as_they_were_after_each_seal(tmp_path: Path) -> None:
    books = Books(tmp_path)
    other = "pool-1/1/100"
    late = [share(1, day_ms(DAY, 50)), share(2, day_ms(DAY - 3)), share(3, day_ms(DAY, 80_000))]
    await books.book([*declared(*RIGS), template(), *day_of_shares(DAY)])
    await books.book([*declared(*RIGS), template(), *day_of_shares(DAY)], other)
    await books.seal(DAY)
    await books.book(late)
    await books.seal(DAY + 1)
    await books.book(late)
    await books.book(late, other)
    await books.seal(DAY + 2)
    await books.seal(DAY + 3)
    await books.book([*declared(*RIGS), *late], "pool-1/2/100")
    await books.sign()
    report = check(books)
    assert report.good, report.differences
    begins = {begin for (begin,) in books.sql("SELECT DISTINCT begin_s FROM worker_interval")}
    assert {(DAY + number) * 86_400 for number in (1, 2, 4)} <= begins
    assert (DAY - 3) * 86_400 not in begins


async def test_accounts_that_moved_to_another_site_are_no_difference(tmp_path: Path) -> None:
    books = Books(tmp_path)
    await books.book([*declared(*RIGS), template(), *day_of_shares(DAY)])
    books.sites["north"] = "barn"
    await books.book(day_of_shares(DAY))
    report = check(books)
    assert report.good, report.differences


def block(number: int, pays: int = 5) -> list[Any]:
    hash_le = bytes([number]) * 32
    paid = Distribution((TxOut(pays, b"\x51"),), (Due("north", pays, 0),), 0)
    return [BlockRecord(900_000, hash_le, 1, day_ms(DAY)), *payout_records(hash_le, paid)]


async def test_blocks_and_what_they_pay_are_compared(tmp_path: Path) -> None:
    books = Books(tmp_path)
    await books.book([*declared(*RIGS), template(), *day_of_shares(DAY), *block(1), *block(2)])
    assert check(books).good
    hash_hex = "01" * 32
    books.sql("UPDATE block_due SET due_sat = 6 WHERE hash = ?", hash_hex)
    assert kinds(check(books)) == {"journal_payout", "payout"}
    books.sql("UPDATE block SET height = 7 WHERE hash = ?", hash_hex)
    assert kinds(check(books)) == {"journal_block", "journal_payout", "payout"}
    books.sql("DELETE FROM block WHERE hash = ?", hash_hex)
    assert "journal_block" in kinds(check(books))


async def test_a_file_that_is_no_journal_is_left_alone(tmp_path: Path) -> None:
    books = await two_signed_days(tmp_path)
    (books.journal_dir / "pool-1.0.99-00000000000000000001-000001.journal").write_bytes(b"POOL")
    assert check(books).good


async def test_a_database_that_is_not_there_is_an_error_of_the_store(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be opened"):
        check(Books(tmp_path))


def test_of_thousands_of_differences_the_first_thousand_are_told() -> None:
    findings = Findings()
    for _ in range(MAX_TOLD + 5):
        findings.differ("root", "is wrong", day=DAY)
    assert len(findings.differences) == MAX_TOLD
    assert findings.count == MAX_TOLD + 5
    assert findings.differences[0].text == "2024-10-04: is wrong"


async def test_a_made_up_debt_is_found(tmp_path: Path) -> None:
    books = Books(tmp_path)
    await books.book([*declared(*RIGS), template(), *day_of_shares(DAY), *block(1)])
    books.sql("INSERT INTO block_due VALUES (?, 0, 'mallory', 7, 7)", "ee" * 32)
    assert kinds(check(books, journal=False)) == {"payout"}


async def test_a_made_up_block_that_adds_up_is_found_by_the_journal(tmp_path: Path) -> None:
    books = Books(tmp_path)
    await books.book([*declared(*RIGS), template(), *day_of_shares(DAY), *block(1)])
    hash_hex = "ee" * 32
    books.sql(
        "INSERT INTO block (hash, height, state, reason, worker, found_at_ms, updated_at_ms, final)"
        " VALUES (?, 1, 'mature', '', '', ?, ?, 1)",
        hash_hex,
        day_ms(DAY),
        day_ms(DAY),
    )
    books.sql("INSERT INTO block_payout VALUES (?, 7, 0, 1, 1)", hash_hex)
    books.sql("INSERT INTO block_output VALUES (?, 0, '51', 7)", hash_hex)
    books.sql("INSERT INTO block_due VALUES (?, 0, 'mallory', 7, 7)", hash_hex)
    assert kinds(check(books, journal=False)) == set()
    assert kinds(check(books)) == {"journal_block"}
