"""What is refused, with which words; nothing is truncated, wrapped or read past its end."""

from types import ModuleType
from typing import Any

import pytest

JOB: dict[str, Any] = {
    "coinb1": b"head",
    "coinb2": b"tail",
    "merkle_branch": (bytes(32),),
    "prevhash_le": bytes(32),
    "nbits": 0x1D00FFFF,
    "network_target_le": bytes(32),
}
CHECK: dict[str, Any] = {
    "extranonce": b"nonce",
    "version": 1,
    "ntime": 2,
    "nonce": 3,
    "share_target_le": bytes(32),
}
SCAN: dict[str, Any] = {
    "header": bytes(80),
    "nonce_start": 0,
    "count": 1,
    "target_le": bytes(32),
}

NOT_BYTES = [bytearray(32), memoryview(bytes(32)), "0" * 32, None, 32, [0] * 32]
NOT_INTS = [1.0, "1", b"\1\0\0\0", None, [1]]
OUTSIDE_UINT32 = [-1, 2**32, 2**63, 2**64, -(2**64), 10**5000]


def type_names(values: list[Any]) -> list[str]:
    return [type(value).__name__ for value in values]


def int_name(value: int) -> str:
    return f"{'-' if value < 0 else ''}{value.bit_length()}bit"


def job(native: ModuleType, **changes: Any) -> Any:
    return native.JobHasher(**{**JOB, **changes})


def check(native: ModuleType, **changes: Any) -> Any:
    return job(native).check(*{**CHECK, **changes}.values())


def scan(native: ModuleType, **changes: Any) -> Any:
    return native.scan_nonces(*{**SCAN, **changes}.values())


BYTES_ARGUMENTS = [
    (job, "coinb1"),
    (job, "coinb2"),
    (job, "prevhash_le"),
    (job, "network_target_le"),
    (check, "extranonce"),
    (check, "share_target_le"),
    (scan, "header"),
    (scan, "target_le"),
]
SIZED_ARGUMENTS = [
    (job, "prevhash_le", 32),
    (job, "network_target_le", 32),
    (check, "share_target_le", 32),
    (scan, "header", 80),
    (scan, "target_le", 32),
]
INT_ARGUMENTS = [
    (job, "nbits"),
    (check, "version"),
    (check, "ntime"),
    (check, "nonce"),
    (scan, "nonce_start"),
]


@pytest.mark.parametrize(("call", "name"), BYTES_ARGUMENTS)
@pytest.mark.parametrize("value", NOT_BYTES, ids=type_names(NOT_BYTES))
def test_only_bytes_are_taken_for_bytes(
    native: ModuleType, call: Any, name: str, value: object
) -> None:
    with pytest.raises(TypeError, match=f"^{name} must be bytes, not {type(value).__name__}$"):
        call(native, **{name: value})


@pytest.mark.parametrize(("call", "name", "size"), SIZED_ARGUMENTS)
@pytest.mark.parametrize("given_size", [0, 1, 31, 33, 79, 81, 100_000])
def test_a_wrong_size_is_named(
    native: ModuleType, call: Any, name: str, size: int, given_size: int
) -> None:
    with pytest.raises(ValueError, match=f"^{name} must be {size} bytes, is {given_size}$"):
        call(native, **{name: bytes(given_size)})


@pytest.mark.parametrize(("call", "name"), [*INT_ARGUMENTS, (scan, "count")])
@pytest.mark.parametrize("value", NOT_INTS, ids=type_names(NOT_INTS))
def test_only_an_int_is_taken_for_an_int(
    native: ModuleType, call: Any, name: str, value: object
) -> None:
    with pytest.raises(TypeError, match=f"^{name} must be int, not {type(value).__name__}$"):
        call(native, **{name: value})


@pytest.mark.parametrize(("call", "name"), INT_ARGUMENTS)
@pytest.mark.parametrize("value", OUTSIDE_UINT32, ids=int_name)
def test_an_int_outside_32_bits_is_refused(
    native: ModuleType, call: Any, name: str, value: int
) -> None:
    with pytest.raises(ValueError, match=rf"^{name} must be in 0\.\.4294967295$"):
        call(native, **{name: value})


@pytest.mark.parametrize(("call", "name"), INT_ARGUMENTS)
@pytest.mark.parametrize("value", [0, 2**31, 2**32 - 1, True])
def test_each_int_of_32_bits_is_taken(native: ModuleType, call: Any, name: str, value: int) -> None:
    call(native, **{name: value})


def test_an_object_that_could_become_an_int_is_refused(native: ModuleType) -> None:
    class Index:
        def __index__(self) -> int:
            raise AssertionError("asked")

    with pytest.raises(TypeError, match=r"^nonce must be int, not Index$"):
        check(native, nonce=Index())


@pytest.mark.parametrize("count", [-1, 2**32 + 1, 2**64, 10**5000], ids=int_name)
def test_no_more_nonces_are_tried_than_there_are(native: ModuleType, count: int) -> None:
    with pytest.raises(ValueError, match=r"^count must be in 0\.\.4294967296$"):
        scan(native, count=count)


@pytest.mark.parametrize("size", [0, 65, 100_000])
def test_an_extranonce_has_1_to_64_bytes(native: ModuleType, size: int) -> None:
    with pytest.raises(ValueError, match=rf"^extranonce must be 1\.\.64 bytes, is {size}$"):
        check(native, extranonce=bytes(size))


@pytest.mark.parametrize("size", [1, 64])
def test_the_shortest_and_the_longest_extranonce_are_taken(native: ModuleType, size: int) -> None:
    check(native, extranonce=bytes(size))


@pytest.mark.parametrize("count", [33, 1000])
def test_a_merkle_branch_has_at_most_32_items(native: ModuleType, count: int) -> None:
    message = f"^merkle_branch must have at most 32 items, has {count}$"
    with pytest.raises(ValueError, match=message):
        job(native, merkle_branch=[bytes(32)] * count)


@pytest.mark.parametrize(
    "branch", [b"", "", None, {}, set(), iter([bytes(32)]), bytearray(32), memoryview(b"")]
)
def test_a_merkle_branch_is_a_tuple_or_list(native: ModuleType, branch: object) -> None:
    message = f"^merkle_branch must be a tuple or list, not {type(branch).__name__}$"
    with pytest.raises(TypeError, match=message):
        job(native, merkle_branch=branch)


def test_a_bad_item_of_the_merkle_branch_is_named_by_its_place(native: ModuleType) -> None:
    with pytest.raises(ValueError, match=r"^merkle_branch\[1\] must be 32 bytes, is 31$"):
        job(native, merkle_branch=[bytes(32), bytes(31)])
    with pytest.raises(TypeError, match=r"^merkle_branch\[31\] must be bytes, not int$"):
        job(native, merkle_branch=(*[bytes(32)] * 31, 7))


def test_a_coinbase_of_nothing_but_extranonce_is_hashed(native: ModuleType) -> None:
    hash_le, *_ = job(native, coinb1=b"", coinb2=b"").check(*CHECK.values())
    assert len(hash_le) == 32


@pytest.mark.parametrize("missing", [1, 5])
def test_an_argument_too_few_or_many_is_a_type_error(native: ModuleType, missing: int) -> None:
    hasher = job(native)
    with pytest.raises(TypeError):
        native.JobHasher(*list(JOB.values())[:-missing])
    with pytest.raises(TypeError):
        native.JobHasher(*JOB.values(), 1)
    with pytest.raises(TypeError):
        native.JobHasher(**JOB, other=1)
    with pytest.raises(TypeError):
        hasher.check(*list(CHECK.values())[:-missing])
    with pytest.raises(TypeError):
        hasher.check(*CHECK.values(), 1)
    with pytest.raises(TypeError):
        hasher.check(**CHECK)
    with pytest.raises(TypeError):
        native.scan_nonces(*SCAN.values(), 1)
    with pytest.raises(TypeError):
        native.scan_nonces(*list(SCAN.values())[:-1])


def test_a_check_needs_a_job(native: ModuleType) -> None:
    with pytest.raises(TypeError):
        native.JobHasher.check(*CHECK.values())
    with pytest.raises((TypeError, AttributeError)):
        native.JobHasher.check(object(), *CHECK.values())


def test_a_job_hasher_cannot_be_made_without_its_parts(native: ModuleType) -> None:
    with pytest.raises(TypeError):
        native.JobHasher()
    with pytest.raises(TypeError):
        native.JobHasher.__new__(native.JobHasher)
