import re
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolserver.ledger.audit import (
    FIRST_PREVIOUS,
    NUMBERS,
    LedgerRow,
    day_of,
    day_text,
    head_of,
    is_signed,
    names_bytes,
    numbers_bytes,
    parse_row,
)
from poolserver.ledger.share_sql import SUM_COLUMNS, sums
from poolserver.ledger.totals import ShareTotals, WorkerKey
from tests.unit.ledger.strategies import names

ROOT = Path(__file__).parents[3]
RIG = WorkerKey("halle-süd", "north", "north.rig1")
numbers = st.integers(0, 2**200)
keys = st.builds(WorkerKey, names, names, names)


def totals(**given: object) -> ShareTotals:
    values = {
        "accepted_work": 10,
        "proven_work": 20,
        "proven_work_sq": 400,
        "shares": list(range(10)),
        "best_hash": 255,
        "first_ms": 5,
        "last_ms": 6,
    }
    return ShareTotals(**values | given)  # type: ignore[arg-type]


def canonical(key: WorkerKey, begin_s: int, columns: Sequence[object]) -> bytes:
    return LedgerRow(begin_s, names_bytes(key), numbers_bytes(begin_s, columns)).canonical


def test_the_bytes_of_a_row_are_these() -> None:
    hash_hex = "0" * 62 + "ff"
    assert (
        canonical(RIG, 1_728_000_900, sums(totals()))
        == (
            "21:poolserver interval 1,10:halle-süd,5:north,10:north.rig1,"
            f"109:1728000900 10 20 400 0 1 2 3 4 5 6 7 8 9 {hash_hex} 5 6,"
        ).encode()
    )


def test_what_there_is_none_of_is_a_dash() -> None:
    nothing = sums(totals(best_hash=None, first_ms=None, last_ms=None))
    assert numbers_bytes(0, nothing) == b"37:0 10 20 400 0 1 2 3 4 5 6 7 8 9 - - -,"


def test_the_columns_are_those_of_the_table_in_its_order() -> None:
    # A new outcome of a share is a new column: then the tag's number must grow.
    assert SUM_COLUMNS.split(", ") == list(NUMBERS)


@given(keys, st.integers(0, 2**60), numbers, st.one_of(st.none(), st.integers(0, 2**256 - 1)))
def test_a_row_can_be_read_back_from_its_bytes(
    key: WorkerKey, begin_s: int, work: int, best_hash: int | None
) -> None:
    found = canonical(key, begin_s, sums(totals(proven_work=work, best_hash=best_hash)))
    same_key, columns = parse_row(found)
    assert same_key == key
    assert columns["begin_s"] == str(begin_s)
    assert columns["proven_work"] == str(work)
    assert columns["best_hash"] == ("-" if best_hash is None else f"{best_hash:064x}")


@given(
    keys,
    st.builds(
        ShareTotals,
        numbers,
        numbers,
        numbers,
        st.lists(st.integers(0, 2**63 - 1), min_size=10, max_size=10),
        st.one_of(st.none(), st.integers(0, 2**256 - 1)),
        st.one_of(st.none(), st.integers(0, 2**62)),
        st.one_of(st.none(), st.integers(0, 2**62)),
    ),
)
def test_a_row_tells_whose_it_is_and_what_it_says(key: WorkerKey, given: ShareTotals) -> None:
    row = LedgerRow(900, names_bytes(key), numbers_bytes(900, sums(given)))
    assert (row.key, row.totals) == (key, given)


@given(keys, keys)
def test_no_two_names_have_the_same_bytes(key: WorkerKey, other: WorkerKey) -> None:
    assert (names_bytes(key) == names_bytes(other)) == (key == other)


@pytest.mark.parametrize("spoilt", [b"", b"1:a,", b"05:abcde,", b"5:abc,", b"x", b"21:poolserver"])
def test_bytes_that_are_no_row_are_refused(spoilt: bytes) -> None:
    with pytest.raises(ValueError, match="no row of a ledger"):
        parse_row(spoilt)


def test_the_example_in_the_document_is_right() -> None:
    text = (ROOT / "docs" / "ledger.md").read_text()
    (example,) = re.findall(r"    (21:poolserver interval 1,.*,)\n\n", text, re.DOTALL)
    entry = " ".join(line.strip() for line in example.splitlines()).encode()
    key, numbers = parse_row(entry)
    work = int(numbers["accepted_work"])
    times_ms = 1728000901000, 1728000902000
    totals = ShareTotals(work, work, work * work // 2, [2, *[0] * 9], None, *times_ms)
    assert canonical(key, 1728000900, sums(totals)) == entry


def test_every_kind_of_difference_is_documented() -> None:
    table = (ROOT / "docs" / "ledger.md").read_text().partition("| kind |")[2]
    sources = [path.read_text() for path in (ROOT / "poolserver" / "ledger").glob("*.py")]
    pattern = r"(?:differ\(|kind, text =)\s*\"(\w+)\""
    kinds = {kind for source in sources for kind in re.findall(pattern, source)}
    assert {"root", "row_changed", "row_added", "journal_short"} <= kinds
    assert sorted(kind for kind in kinds if f"`{kind}`" not in table) == []


def test_a_head_is_the_hash_of_these_bytes() -> None:
    previous, root = b"p" * 32, b"r" * 32
    expected = sha256(
        b"poolserver ledger day 1\n"
        + previous
        + bytes.fromhex("0000000000004e20")
        + bytes.fromhex("00000000000ea600")
        + root
    )
    assert head_of(previous, 20_000, 960_000, root) == expected.digest()
    assert bytes(32) == FIRST_PREVIOUS


def test_a_key_of_the_wrong_length_signs_nothing() -> None:
    assert not is_signed(bytes(32), bytes(64), b"short")


@pytest.mark.parametrize(("day", "text"), [(0, "1970-01-01"), (20_000, "2024-10-04")])
def test_a_day_is_told_by_its_date(day: int, text: str) -> None:
    assert day_text(day) == text
    assert day_of(text) == day_of(str(day)) == day


def test_a_day_beyond_the_calendar_is_a_number() -> None:
    assert day_text(10**12) == "1000000000000"
    assert day_of("1000000000000") == 10**12
