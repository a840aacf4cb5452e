import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolserver.mining import extranonce
from poolserver.mining.extranonce import ExtranonceAllocator, ExtranonceExhausted
from poolserver.mining.identity import WorkerIdentity

IDENTITY = WorkerIdentity("pool-1", 0, 1_763_942_400)


@given(st.lists(st.booleans(), max_size=200))
def test_no_two_live_connections_share_an_extranonce1(steps: list[bool]) -> None:
    allocator = ExtranonceAllocator(IDENTITY)
    live: list[bytes] = []
    for connect in steps:
        if connect or not live:
            value = allocator.allocate()
            assert value not in live
            live.append(value)
        else:
            allocator.free(live.pop(0))
    assert len(allocator) == len(live)


def test_worker_processes_of_one_instance_never_share_a_prefix() -> None:
    prefixes = {WorkerIdentity("pool-1", n, 1).extranonce_prefix >> 6 for n in range(64)}
    assert len(prefixes) == 64


def test_a_freed_value_comes_round_again_as_late_as_possible(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(extranonce, "COUNTER_SPACE", 4)
    allocator = ExtranonceAllocator(IDENTITY)
    first = allocator.allocate()
    allocator.free(first)
    others = [allocator.allocate() for _ in range(3)]
    assert first not in others
    assert allocator.allocate() == first


def test_an_exhausted_space_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extranonce, "COUNTER_SPACE", 2)
    allocator = ExtranonceAllocator(IDENTITY)
    allocator.allocate()
    allocator.allocate()
    with pytest.raises(ExtranonceExhausted, match="2 connections"):
        allocator.allocate()


def test_what_another_process_gave_out_is_not_given_and_not_freed_for_another() -> None:
    former, allocator = ExtranonceAllocator(IDENTITY), ExtranonceAllocator(IDENTITY)
    other = ExtranonceAllocator(WorkerIdentity("pool-1", 0, 1_763_942_401))
    ours, foreign = former.allocate(), other.allocate()
    allocator.adopt(ours)
    allocator.adopt(foreign)
    taken = [allocator.allocate() for _ in range(3)]
    assert ours not in taken
    allocator.free(foreign)  # with the same count as the first of ours, and another prefix
    assert ours not in [allocator.allocate() for _ in range(3)]
    assert len(allocator) == 7
