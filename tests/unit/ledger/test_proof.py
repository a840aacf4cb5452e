from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from poolserver.ledger import audit_sql
from poolserver.ledger.database import StoreError
from poolserver.ledger.proof import LaterDay, Proof, ProofError, check_proof, make_proof
from poolserver.ledger.records import WorkerRecord
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

BEGIN_S = DAY * 86_400 + 900


def heads(books: Books) -> list[bytes]:
    connection = books.database.reader()
    try:
        return [day.head for day in audit_sql.signed_days(connection)]
    finally:
        connection.close()


@pytest.mark.parametrize("rig", RIGS)
@pytest.mark.parametrize("interval", range(4))
@pytest.mark.parametrize("day", [DAY, DAY + 1])
async def test_every_row_of_a_signed_day_can_be_proved(
    tmp_path: Path, day: int, interval: int, rig: str
) -> None:
    books = await two_signed_days(tmp_path)
    proof = make_proof(books.database, day * 86_400 + interval * 900, rig)
    # As it goes from one who makes it to one who checks it.
    same = msgspec.json.decode(msgspec.json.encode(proof), type=Proof)
    assert f"{rig} in {proof.interval}" in check_proof(same)
    for head in heads(books)[day - DAY :]:
        assert check_proof(same, head).startswith(f"proved by the head {head.hex()}")


async def test_a_proof_is_checked_by_any_head_from_its_day_on(tmp_path: Path) -> None:
    books = await two_signed_days(tmp_path)
    first, second = heads(books)
    proof = make_proof(books.database, BEGIN_S, "north.rig1")
    check_proof(proof, second)
    later = make_proof(books.database, BEGIN_S + 86_400, "north.rig1")
    with pytest.raises(ProofError, match="does not lead to the head"):
        check_proof(later, first)
    with pytest.raises(ProofError, match="does not lead to the head"):
        check_proof(proof, bytes(32))


async def test_a_proof_by_another_key_is_told(tmp_path: Path) -> None:
    books = await two_signed_days(tmp_path)
    proof = make_proof(books.database, BEGIN_S, "north.rig1")
    check_proof(proof, public_key=bytes.fromhex(proof.public_key))
    with pytest.raises(ProofError, match="signed by another key"):
        check_proof(proof, public_key=bytes(32))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"format": "2"}, "format"),
        ({"canonical": "1:a,"}, "damaged: no row of a ledger"),
        ({"worker": "north.rig9"}, "not what the row's bytes say"),
        ({"row": {}}, "not what the row's bytes say"),
        ({"day": DAY + 1}, "of another day"),
        ({"index": 0}, "does not lead from the row"),
        ({"row_count": 5}, "does not lead from the row"),
        ({"path": []}, "does not lead from the row"),
        ({"path": ["zz"]}, "damaged"),
        ({"root": "00" * 32}, "does not lead from the row"),
        ({"previous_head": "00" * 31 + "01"}, "does not stand over the root"),
        ({"head": "00" * 32}, "does not stand over the root"),
        ({"signature": "00" * 64}, "signature is not good"),
        ({"public_key": "00" * 32}, "signature is not good"),
        ({"later": [LaterDay(1, 1, "zz")]}, "damaged"),
        ({"later": [LaterDay(2**70, 1, "00")]}, "damaged"),
    ],
)
async def test_whatever_is_changed_in_a_proof_it_proves_nothing(
    tmp_path: Path, changes: dict[str, object], reason: str
) -> None:
    books = await two_signed_days(tmp_path)
    proof = make_proof(books.database, BEGIN_S, "north.rig2")
    with pytest.raises(ProofError, match=reason):
        check_proof(replace(proof, **changes))


async def test_a_better_row_is_not_proved(tmp_path: Path) -> None:
    books = await two_signed_days(tmp_path)
    proof = make_proof(books.database, BEGIN_S, "north.rig2")
    mine, better = proof.row["accepted_work"], str(int(proof.row["accepted_work"]) + 1)
    assert len(mine) == len(better)
    forged = replace(
        proof,
        row={**proof.row, "accepted_work": better},
        canonical=proof.canonical.replace(f" {mine} ", f" {better} ", 1),
    )
    with pytest.raises(ProofError, match="does not lead from the row"):
        check_proof(forged)


async def test_what_is_not_there_is_not_proved(tmp_path: Path) -> None:
    books = await two_signed_days(tmp_path)
    with pytest.raises(ProofError, match="2024-10-06 is not signed"):
        make_proof(books.database, BEGIN_S + 2 * 86_400, "north.rig1")
    with pytest.raises(ProofError, match=r"north\.rig9 has no row"):
        make_proof(books.database, BEGIN_S, "north.rig9")


async def test_a_row_that_was_changed_is_not_proved(tmp_path: Path) -> None:
    books = await two_signed_days(tmp_path)
    books.sql("UPDATE worker_interval SET stale = stale + 1 WHERE begin_s = ?", BEGIN_S)
    with pytest.raises(ProofError, match="not as it was signed"):
        make_proof(books.database, BEGIN_S, "north.rig1")
    books.sql("DELETE FROM audit_leaves")
    with pytest.raises(ProofError, match="not as it was signed"):
        make_proof(books.database, BEGIN_S, "north.rig1")


async def test_of_a_worker_at_two_sites_one_must_be_named(tmp_path: Path) -> None:
    books = Books(tmp_path)
    await books.book([*declared(*RIGS), template(), *day_of_shares(DAY)])
    books.sites["north"] = "barn"
    await books.book(day_of_shares(DAY))
    await books.seal(DAY)
    await books.sign()
    with pytest.raises(ProofError, match="a site: north at barn, north at hall"):
        make_proof(books.database, BEGIN_S, "north.rig1")
    proof = make_proof(books.database, BEGIN_S, "north.rig1", site="barn")
    assert proof.site == "barn"
    check_proof(proof)


async def test_of_a_name_that_workers_of_two_accounts_have_one_account_must_be_named(
    tmp_path: Path,
) -> None:
    books = Books(tmp_path)
    for number, account in enumerate(("north", "south"), 1):
        worker = WorkerRecord(1, 1, account, "north.rig1")  # as where the rules of accounts changed
        shares = [share(1, day_ms(DAY, second)) for second in range(number)]
        await books.book([worker, template(), *shares], f"pool-1/{number}/100")
    await books.seal(DAY)
    await books.sign()
    with pytest.raises(ProofError, match="an account or a site: north at hall, south at hall"):
        make_proof(books.database, DAY * 86_400, "north.rig1", site="hall")
    proof = make_proof(books.database, DAY * 86_400, "north.rig1", account="south")
    assert (proof.account, proof.row["accepted"]) == ("south", "2")
    check_proof(proof)


def test_a_database_that_is_not_there_is_an_error_of_the_store(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be opened"):
        make_proof(Books(tmp_path).database, BEGIN_S, "north.rig1")
