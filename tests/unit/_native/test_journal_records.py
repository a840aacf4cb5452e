"""Journal records in C and in Python: the same bytes, the same sums, whatever the records hold."""

from struct import Struct
from types import ModuleType
from typing import Any
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolserver._native import twin
from poolserver._native.share_sum import ShareSum

SIZE = 85
HASH_LE = bytes(range(32))
DAY_MS = 86_400_000
INTERVAL_MS = 900_000
NOON_MS = 20_000 * DAY_MS + DAY_MS // 2

# worker_ref, outcome, proven, work, job_number, unix_ms, hash_le
Share = tuple[int, int, bool, int, int, int, bytes]
SHARE: dict[str, Any] = {
    "sequence": 7,
    "worker_ref": 3,
    "outcome": 0,
    "proven": True,
    "work": 2**48,
    "job_number": 5,
    "unix_ms": NOON_MS,
    "hash_le": HASH_LE,
}
LIMITS = {
    "sequence": 2**64 - 1,
    "worker_ref": 2**32 - 1,
    "outcome": 255,
    "proven": 1,
    "work": 2**128 - 1,
    "job_number": 2**64 - 1,
    "unix_ms": 2**64 - 1,
}

# Few of each, so that shares meet in sums.
shares = st.tuples(
    st.sampled_from([0, 1, 2, 2**32 - 1]),
    st.integers(0, 11),
    st.booleans(),
    st.sampled_from([0, 1, 2**48, 2**64 - 1, 2**64, 2**128 - 1]),
    st.integers(0, 2**64 - 1),
    st.sampled_from([0, NOON_MS, NOON_MS + 1, NOON_MS - 1, NOON_MS + DAY_MS, 2**64 - 1]),
    st.sampled_from([bytes(32), HASH_LE, HASH_LE[::-1], b"\xff" * 32, b"\1" + bytes(31)]),
)
frame = Struct("<HBQ")


def packed(native: ModuleType, first_sequence: int, *many: Share) -> bytes:
    buffer = bytearray(SIZE * len(many))
    for number, share in enumerate(many):
        native.pack_share(buffer, SIZE * number, first_sequence + number, *share)
    return bytes(buffer)


def record(kind: int, sequence: int, payload: bytes) -> bytes:
    body = frame.pack(len(payload), kind, sequence) + payload
    return crc32(body).to_bytes(4, "little") + body


def pack(native: ModuleType, **changes: Any) -> bytes:
    buffer = bytearray(SIZE)
    native.pack_share(buffer, 0, *{**SHARE, **changes}.values())
    return bytes(buffer)


# --- packing ---------------------------------------------------------------------------------


def test_a_share_has_these_bytes(native: ModuleType) -> None:
    body = pack(native, work=0x0102 << 64 | 0x0304)[4:]
    assert body.hex() == (
        "4600" "02" "0700000000000000"  # length, kind, sequence
        "03000000" "00" "01" "0500000000000000" + NOON_MS.to_bytes(8, "little").hex() +
        "0403000000000000" "0201000000000000" + HASH_LE.hex()
    )  # fmt: skip


def test_the_checksum_is_that_of_zlib(native: ModuleType) -> None:
    data = pack(native)
    assert data[:4] == crc32(data[4:]).to_bytes(4, "little")


@given(st.integers(0, 2**63 - 1), shares)
def test_both_write_the_same_bytes(sequence: int, share: Share) -> None:
    native = pytest.importorskip("poolserver._native._sharecheck")
    assert packed(native, sequence, share) == packed(twin, sequence, share)


def test_a_share_is_written_at_its_offset_and_nowhere_else(native: ModuleType) -> None:
    buffer = bytearray(b"\xaa" * 100)
    native.pack_share(memoryview(buffer), 10, *SHARE.values())
    assert buffer == b"\xaa" * 10 + pack(native) + b"\xaa" * 5


@pytest.mark.parametrize(("name", "limit"), LIMITS.items())
def test_the_greatest_number_of_a_field_is_taken_and_no_greater_one(
    native: ModuleType, name: str, limit: int
) -> None:
    pack(native, **{name: limit})
    for value in (-1, limit + 1, 2**200, -(2**64)):
        with pytest.raises(ValueError, match=rf"^{name} must be in 0\.\.{limit}$"):
            pack(native, **{name: value})


@pytest.mark.parametrize("name", LIMITS)
@pytest.mark.parametrize("value", [1.0, "1", None])
def test_a_number_is_an_int(native: ModuleType, name: str, value: object) -> None:
    with pytest.raises(TypeError, match=rf"^{name} must be int, not {type(value).__name__}$"):
        pack(native, **{name: value})


def test_a_hash_is_32_bytes(native: ModuleType) -> None:
    with pytest.raises(TypeError, match=r"^hash_le must be bytes, not bytearray$"):
        pack(native, hash_le=bytearray(32))
    with pytest.raises(ValueError, match=r"^hash_le must be 32 bytes, is 31$"):
        pack(native, hash_le=bytes(31))


def test_a_share_is_written_whole_or_not_at_all(native: ModuleType) -> None:
    buffer = bytearray(100)
    for offset in (16, -1, 2**64):
        with pytest.raises(ValueError, match=r"^offset must be in 0\.\.15$"):
            native.pack_share(buffer, offset, *SHARE.values())
    with pytest.raises(ValueError, match="hash_le"):
        native.pack_share(buffer, 0, *{**SHARE, "hash_le": b""}.values())
    assert buffer == bytes(100)
    with pytest.raises(ValueError, match=r"^buffer must have at least 85 bytes, has 84$"):
        native.pack_share(bytearray(84), 0, *SHARE.values())


@pytest.mark.parametrize(
    "buffer", [bytes(85), memoryview(bytes(85)), memoryview(bytearray(200))[::2]]
)
def test_a_buffer_must_be_writable_and_in_one_piece(native: ModuleType, buffer: Any) -> None:
    with pytest.raises(BufferError, match=r"^buffer must be writable and in one piece$"):
        native.pack_share(buffer, 0, *SHARE.values())


@pytest.mark.parametrize("buffer", [None, 7, "x" * 85, [0] * 85])
def test_a_buffer_is_a_buffer(native: ModuleType, buffer: Any) -> None:
    name = type(buffer).__name__
    with pytest.raises(TypeError, match=rf"^buffer must be a writable buffer, not {name}$"):
        native.pack_share(buffer, 0, *SHARE.values())


# --- stepping over records -------------------------------------------------------------------


def test_records_of_any_known_kind_and_size_are_stepped_over(native: ModuleType) -> None:
    many = b"".join(record(1 + n % 6, 5 + n, bytes(n)) for n in range(100))
    assert native.skip_records(many, 0, 5, len(many)) == (len(many), 100)
    assert native.skip_records(many, 15, 6, len(many)) == (len(many), 99)


@pytest.mark.parametrize("kind", [0, 7, 255])
def test_an_unknown_kind_is_not_stepped_over(native: ModuleType, kind: int) -> None:
    assert native.skip_records(record(kind, 1, b"x"), 0, 1, 99) == (0, 0)


def test_zeros_are_no_records(native: ModuleType) -> None:
    assert native.skip_records(bytes(1000), 0, 0, 1000) == (0, 0)


def test_enough_bytes_are_enough(native: ModuleType) -> None:
    many = packed(native, 1, *[(1, 0, True, 1, 1, 1, HASH_LE)] * 4)
    for enough, count in ((0, 0), (1, 1), (85, 1), (86, 2), (340, 4), (2**63 - 1, 4)):
        assert native.skip_records(many, 0, 1, enough) == (85 * count, count)


def test_a_record_of_another_number_is_not_stepped_over(native: ModuleType) -> None:
    one = record(3, 8, b"block")
    assert native.skip_records(one + one, 0, 8, 99) == (len(one), 1)
    assert native.skip_records(one, 0, 9, 99) == (0, 0)


# --- sums ------------------------------------------------------------------------------------


def test_shares_of_one_worker_interval_and_work_are_one_sum(native: ModuleType) -> None:
    records = packed(
        native,
        1,
        (1, 0, True, 2**70, 9, NOON_MS + 5, HASH_LE),
        (2, 1, True, 2**70, 9, NOON_MS, HASH_LE),
        (1, 0, True, 2**70, 9, NOON_MS, b"\1" + bytes(31)),
        (1, 3, False, 0, 9, NOON_MS + INTERVAL_MS, HASH_LE),
    )
    later_ms = NOON_MS + INTERVAL_MS
    assert native.sum_shares(records, 0, 1, INTERVAL_MS, 0) == (
        len(records),
        4,
        [
            ShareSum(
                1,
                NOON_MS,
                native.ShareTotals(2**71, 2**71, 2**141, (2, *[0] * 9), 1, NOON_MS, NOON_MS + 5),
            ),
            ShareSum(
                2,
                NOON_MS,
                native.ShareTotals(0, 2**70, 2**140, (0, 1, *[0] * 8), None, NOON_MS, NOON_MS),
            ),
            ShareSum(
                1,
                later_ms,
                native.ShareTotals(0, 0, 0, (0, 0, 0, 1, *[0] * 6), None, later_ms, later_ms),
            ),
        ],
    )


def test_a_sum_has_names(native: ModuleType) -> None:
    _, _, [one] = native.sum_shares(
        packed(native, 1, (4, 0, True, 6, 9, NOON_MS, HASH_LE)), 0, 1, INTERVAL_MS, 0
    )
    assert type(one) is ShareSum
    assert type(one.totals) is native.ShareTotals
    assert (one.worker_ref, one.totals.proven_work) == (4, 6)
    assert one.totals.best_hash == int.from_bytes(HASH_LE, "little")


def test_what_comes_late_is_booked_in_the_first_open_interval(native: ModuleType) -> None:
    records = packed(native, 1, (1, 0, True, 1, 9, NOON_MS, HASH_LE))
    _, _, [one] = native.sum_shares(records, 0, 1, INTERVAL_MS, NOON_MS + DAY_MS)
    assert (one.interval_ms, one.totals.first_ms) == (NOON_MS + DAY_MS, NOON_MS)


def test_sums_end_at_the_first_record_that_is_no_good_share(native: ModuleType) -> None:
    share = (1, 0, True, 1, 9, NOON_MS, HASH_LE)
    good = packed(native, 1, share, share)
    assert native.sum_shares(good + record(1, 3, bytes(70)), 0, 1, 1000, 0)[:2] == (170, 2)
    assert native.sum_shares(good + record(2, 3, bytes(69)), 0, 1, 1000, 0)[:2] == (170, 2)
    unknown = packed(native, 3, (1, 10, True, 1, 9, NOON_MS, HASH_LE))
    assert native.sum_shares(good + unknown, 0, 1, 1000, 0)[:2] == (170, 2)
    assert native.sum_shares(good, 0, 2, 1000, 0) == (0, 0, [])
    assert native.sum_shares(good, 170, 3, 1000, 0) == (170, 0, [])
    assert native.sum_shares(b"", 0, 0, 1000, 0) == (0, 0, [])


@given(
    st.lists(shares, max_size=12),
    st.integers(0, 2**63 - 20),
    st.sampled_from([1, 1000, INTERVAL_MS, 2**64 - 1]),
    st.sampled_from([0, NOON_MS, 2**64 - 1]),
    st.data(),
)
def test_both_say_the_same_of_any_records(
    many: list[Share], sequence: int, interval_ms: int, open_from_ms: int, data: st.DataObject
) -> None:
    native = pytest.importorskip("poolserver._native._sharecheck")
    records = bytearray(packed(twin, sequence, *many))
    other = data.draw(st.integers(0, len(many)))
    kind, payload = data.draw(st.integers(0, 8)), data.draw(st.binary(max_size=80))
    records[SIZE * other : SIZE * other] = record(kind, sequence + other, payload)
    for _ in range(data.draw(st.integers(0, 2))):  # damage
        records[data.draw(st.integers(0, len(records) - 1))] ^= data.draw(st.integers(1, 255))
    end = data.draw(st.integers(0, len(records)))
    offset = data.draw(st.one_of(st.just(0), st.integers(0, end)))
    enough = data.draw(st.integers(0, 2000))
    torn = bytes(records[:end])
    args = torn, offset, sequence, interval_ms, open_from_ms
    assert repr(native.sum_shares(*args)) == repr(twin.sum_shares(*args))
    assert native.skip_records(torn, offset, sequence, enough) == twin.skip_records(
        torn, offset, sequence, enough
    )


@pytest.mark.parametrize("workers", [1, 63, 64, 65, 128, 129, 1000, 5000])
def test_any_number_of_sums_is_kept_apart(native: ModuleType, workers: int) -> None:
    # With 5000 workers the GIL is released and the table grows several times.
    many = [(ref, 0, True, 2**48, 1, NOON_MS, HASH_LE) for ref in range(workers)] * 2
    records = packed(native, 1, *many)
    offset, count, sums = native.sum_shares(records, 0, 1, INTERVAL_MS, 0)
    assert (offset, count) == (len(records), 2 * workers)
    assert [one.worker_ref for one in sums] == list(range(workers))
    assert all(one.totals.shares[0] == 2 for one in sums)


def test_the_lowest_hash_is_found_by_its_last_bytes(native: ModuleType) -> None:
    hashes = [bytes(31) + b"\2", b"\xff" * 31 + b"\1", bytes(30) + b"\1\1", bytes(31) + b"\1"]
    best = [bytes(31) + b"\2", b"\xff" * 31 + b"\1", bytes(30) + b"\1\1", bytes(31) + b"\1"]
    for count in range(1, 5):
        many = [(1, 0, True, 1, 1, NOON_MS, hash_le) for hash_le in hashes[:count]]
        _, _, [one] = native.sum_shares(packed(native, 1, *many), 0, 1, INTERVAL_MS, 0)
        assert one.totals.best_hash == int.from_bytes(best[count - 1], "little")


@pytest.mark.parametrize("function", ["skip_records", "sum_shares"])
def test_what_is_not_right_is_named(native: ModuleType, function: str) -> None:
    more = {"skip_records": ["enough"], "sum_shares": ["interval_ms", "open_from_ms"]}[function]
    names = ["records", "offset", "sequence", *more]
    good: list[Any] = [bytes(10), 0, 0, *[1] * len(more)]
    call = getattr(native, function)
    call(*good)
    with pytest.raises(TypeError, match=r"^records must be bytes, not bytearray$"):
        call(bytearray(10), *good[1:])
    limits = {"offset": 10, "sequence": 2**63 - 1, "enough": 2**63 - 1}
    for place, name in enumerate(names[1:], 1):
        limit = limits.get(name, 2**64 - 1)
        for value in (-1, limit + 1):
            with pytest.raises(ValueError, match=rf"^{name} must be in 0\.\.{limit}$"):
                call(*good[:place], value, *good[place + 1 :])
        with pytest.raises(TypeError, match=rf"^{name} must be int, not str$"):
            call(*good[:place], "1", *good[place + 1 :])
    with pytest.raises(TypeError):
        call(*good[:-1])
    with pytest.raises(TypeError):
        call(*good, 1)


def test_an_interval_has_a_length(native: ModuleType) -> None:
    with pytest.raises(ValueError, match=r"^interval_ms must not be 0$"):
        native.sum_shares(b"", 0, 0, 0, 0)
