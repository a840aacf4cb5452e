from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolserver.ledger import scan
from poolserver.ledger.records import SHARE_SIZE
from poolserver.ledger.scan import has_record
from tests.unit.ledger.books import share
from tests.unit.ledger.strategies import encode, records


def found(data: bytes, sequence: int) -> bool:
    return has_record(BytesIO(data), len(data), sequence)


@given(st.binary(max_size=400), records, st.integers(1, 2**63 - 5), st.integers(0, 3), st.binary())
def test_a_whole_record_is_found_whatever_is_around_it(
    before: bytes, record: object, sequence: int, ahead: int, after: bytes
) -> None:
    data = before + encode(sequence + ahead, [record]) + after  # type: ignore[list-item]
    is_possible = ahead <= len(data) // scan.FRAME_SIZE
    assert found(data, sequence) is is_possible
    assert not found(data, sequence + ahead + 1)


@given(st.binary(max_size=2000), st.integers(1, 2**40))
def test_what_is_no_record_is_not_taken_for_one(data: bytes, sequence: int) -> None:
    assert not found(data, sequence)


@pytest.mark.parametrize("at", [*range(190, 215), 0, 1, 999])
def test_a_record_across_two_windows_is_found(at: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "_WINDOW", 100)
    record = encode(7, [share(0, 5)])
    assert len(record) == SHARE_SIZE
    assert found(bytes(at) + record, 6)
    assert not found(bytes(at) + record[:-1], 6)


def test_a_source_that_passes_a_power_of_two_is_found_on_both_sides() -> None:
    edge = 2**32
    for number in (edge - 1, edge, edge + 1):
        assert found(bytes(200) + encode(number, [share(0, 5)]), edge - 3)


def test_a_number_beyond_all_others_is_none() -> None:
    assert not found(encode(1, [share(0, 5)]), 10**20 - 1)


def test_only_the_bytes_that_are_given_are_looked_at() -> None:
    data = bytes(200) + encode(7, [share(0, 5)])
    assert not has_record(BytesIO(data), len(data) - 1, 6)
