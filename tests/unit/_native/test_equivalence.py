"""C and the twin agree on each call: the same result, or the same exception and message."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from poolserver._native import twin

UINT32 = st.integers(0, 2**32 - 1)
HASHES = st.binary(min_size=32, max_size=32)
COINBASE_PARTS = st.binary(max_size=300)
EXTRANONCES = st.binary(min_size=1, max_size=64)

# What a caller could hand over by mistake, in any place.
JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.floats(),
    st.integers(),
    st.integers(-(2**70), 2**70),
    st.text(max_size=40),
    st.binary(max_size=100),
    st.binary(max_size=64).map(bytearray),
    st.lists(st.binary(max_size=40), max_size=3),
)


def hostile(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Mostly right, so that the later arguments get their turn too."""
    return st.one_of(strategy, strategy, strategy, JUNK)


BRANCHES = st.lists(hostile(HASHES), max_size=34) | st.lists(HASHES, max_size=34).map(tuple)
JOBS = st.tuples(
    hostile(COINBASE_PARTS),
    hostile(COINBASE_PARTS),
    hostile(BRANCHES),
    hostile(HASHES),
    hostile(UINT32),
    hostile(HASHES),
)
SHARES = st.tuples(
    hostile(EXTRANONCES), hostile(UINT32), hostile(UINT32), hostile(UINT32), hostile(HASHES)
)
GOOD_JOBS = st.tuples(
    COINBASE_PARTS, COINBASE_PARTS, st.lists(HASHES, max_size=32), HASHES, UINT32, HASHES
)
GOOD_SHARES = st.tuples(EXTRANONCES, UINT32, UINT32, UINT32, HASHES)
SCANS = st.tuples(
    hostile(st.binary(min_size=80, max_size=80)),
    hostile(UINT32),
    hostile(st.integers(0, 50)),
    hostile(HASHES),
)


def outcome(call: Callable[..., Any], *args: Any) -> Any:
    """What a call came to, in a form that two calls can be compared by."""
    try:
        return call(*args)
    except (TypeError, ValueError) as error:
        return type(error), str(error)


def check(module: ModuleType, job: tuple[Any, ...], share: tuple[Any, ...]) -> Any:
    return outcome(lambda: module.JobHasher(*job).check(*share))


@given(GOOD_JOBS, GOOD_SHARES)
def test_each_share_has_the_same_hash_and_verdicts(
    native: ModuleType, job: tuple[Any, ...], share: tuple[Any, ...]
) -> None:
    assert check(native, job, share) == check(twin, job, share)


@given(JOBS, SHARES)
def test_each_mistake_is_refused_in_the_same_words(
    native: ModuleType, job: tuple[Any, ...], share: tuple[Any, ...]
) -> None:
    assert check(native, job, share) == check(twin, job, share)


@given(SCANS)
def test_each_scan_finds_the_same_nonces(native: ModuleType, args: tuple[Any, ...]) -> None:
    # Junk may ask for a scan of billions of nonces, which is right but takes minutes.
    if type(args[2]) is int and 50 < args[2] <= 2**32:
        args = (*args[:2], 50, args[3])
    assert outcome(native.scan_nonces, *args) == outcome(twin.scan_nonces, *args)


@given(hostile(st.integers(0, 9).map(lambda count: bytes(64 * count))))
def test_each_level_of_pairs_is_the_same(native: ModuleType, data: Any) -> None:
    assert outcome(native.sha256d_pairs, data) == outcome(twin.sha256d_pairs, data)


@given(JUNK.filter(lambda name: name not in ("sha-ni", "armv8", "portable", "python")))
def test_no_junk_is_a_backend(native: ModuleType, name: Any) -> None:
    assert outcome(native.set_backend, name) == outcome(twin.set_backend, name)
