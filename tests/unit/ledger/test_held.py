import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolserver.ledger.held import INITIAL_BYTES, HeldRecords, Mark
from poolserver.ledger.records import SHARE_SIZE, decode_records, whole_records

HASH_LE = bytes(32)


def append(held: HeldRecords, job_number: int = 0) -> bool:
    return held.append_share(1, 0, True, 10, job_number, 5, HASH_LE)


def write_all(held: HeldRecords) -> bytes:
    data = bytes(held.unwritten())
    held.wrote(len(data))
    return data


def test_records_are_numbered_from_the_first_sequence_on() -> None:
    held = HeldRecords(1, 1000)
    append(held)
    append(held)
    assert len(held) == 2
    assert [number for number, _ in decode_records(bytes(held.unwritten()), 1)] == [1, 2]


def test_a_short_write_is_gone_on_with_at_its_byte() -> None:
    held = HeldRecords(1, 1000)
    append(held)
    append(held)
    whole = bytes(held.unwritten())
    held.wrote(100)
    assert held.flushed == Mark(0, 1)  # the file ends inside a record: nothing to sync for
    assert held.unwritten() == whole[100:]
    held.wrote(len(whole) - 100)
    assert held.flushed == Mark(2 * SHARE_SIZE, 3)


def test_what_is_safe_is_let_go_and_the_rest_stays() -> None:
    held = HeldRecords(1, 1000)
    append(held)
    safe_bytes = write_all(held)
    safe = held.flushed
    append(held)
    held.wrote(10)
    append(held)
    assert held.cut(safe) == safe_bytes
    assert (held.first_sequence, held.next_sequence, len(held)) == (2, 4, 2)
    assert held.flushed == Mark(0, 2)
    held.wrote(len(held.unwritten()))
    assert held.flushed == Mark(2 * SHARE_SIZE, 4)


def test_after_a_rewind_everything_that_is_held_is_unwritten() -> None:
    held = HeldRecords(1, 1000)
    append(held)
    written = write_all(held)
    held.rewind()
    assert held.unwritten() == written
    assert held.flushed == Mark(0, 1)


def test_a_share_beyond_the_limit_is_refused_and_takes_no_number() -> None:
    held = HeldRecords(1, 2 * SHARE_SIZE)
    assert append(held)
    assert append(held)
    assert not append(held)
    assert held.next_sequence == 3
    assert len(held.unwritten()) == 2 * SHARE_SIZE


def test_a_declaration_is_kept_beyond_the_limit() -> None:
    held = HeldRecords(1, SHARE_SIZE)
    append(held)
    held.append(b"declaration")
    assert bytes(held.unwritten()).endswith(b"declaration")
    assert held.next_sequence == 3
    assert not append(held)


def test_the_buffer_grows_to_the_limit_and_shrinks_again() -> None:
    held = HeldRecords(1, 3 * INITIAL_BYTES)
    count = 0
    while append(held, count):
        count += 1
    assert count == 3 * INITIAL_BYTES // SHARE_SIZE
    records = [record for _, record in decode_records(bytes(held.unwritten()), 1)]
    assert [record.job_number for record in records] == list(range(count))  # type: ignore[union-attr]
    write_all(held)
    held.cut(held.flushed)
    assert len(held) == 0
    assert append(held)


@given(st.lists(st.sampled_from(["append", "write", "short", "cut", "rewind"]), max_size=60))
def test_the_file_and_the_buffer_together_always_hold_every_record(steps: list[str]) -> None:
    held = HeldRecords(1, 1 << 16)
    safe, file, appended = b"", b"", 0  # synced, written since, and the number of shares
    for step in steps:
        if step == "append":
            append(held, appended)
            appended += 1
        elif step == "write":
            file += write_all(held)
        elif step == "short" and len(held.unwritten()):
            file += bytes(held.unwritten()[:7])
            held.wrote(min(7, len(held.unwritten())))
        elif step == "cut":
            gone = held.cut(held.flushed)
            assert file.startswith(gone)
            safe, file = safe + gone, file[len(gone) :]
        elif step == "rewind":
            file = b""
            held.rewind()
    everything = safe + file + bytes(held.unwritten())
    assert sum(1 for _ in whole_records(everything, 1)) == appended


def packed(first_sequence: int, count: int) -> bytes:
    """Shares as they are packed elsewhere."""
    held = HeldRecords(first_sequence, 1000)
    for _ in range(count):
        append(held)
    return bytes(held.unwritten())


def test_shares_packed_elsewhere_are_held_as_if_they_had_been_appended() -> None:
    held, same = HeldRecords(1, 1000), HeldRecords(1, 1000)
    append(held)
    held.append_shares(packed(2, 3), 3)
    for _ in range(4):
        append(same)
    assert held.unwritten() == same.unwritten()
    assert held.next_sequence == same.next_sequence == 5


def test_there_is_room_for_so_many_shares_and_no_more() -> None:
    held = HeldRecords(1, 5 * SHARE_SIZE + 84)
    append(held)
    assert held.room == 4
    held.append_shares(packed(2, 4), 4)
    assert held.room == 0
    with pytest.raises(ValueError, match="1 shares are more than there is room for"):
        held.append_shares(packed(6, 1), 1)
    assert len(held) == 5


@pytest.mark.parametrize("number", [1, 3])
def test_shares_that_are_numbered_otherwise_are_not_taken(number: int) -> None:
    held = HeldRecords(1, 1000)
    append(held)
    before = bytes(held.unwritten())
    with pytest.raises(ValueError, match="the next share must have the number 2"):
        held.append_shares(packed(number, 2), 2)
    assert (bytes(held.unwritten()), held.next_sequence) == (before, 2)


def test_a_block_of_shares_makes_the_buffer_grow() -> None:
    held = HeldRecords(1, 4 * INITIAL_BYTES)
    count = 2 * INITIAL_BYTES // SHARE_SIZE
    record = packed(1, 1)
    held.append_shares(record * count, count)
    assert bytes(held.unwritten()) == record * count


def test_what_was_declared_beyond_the_limit_leaves_no_room() -> None:
    held = HeldRecords(1, SHARE_SIZE)
    held.append(bytes(2 * SHARE_SIZE))
    assert held.room == 0
