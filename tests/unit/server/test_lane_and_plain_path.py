"""The lane does what the plain path would: the same answers, records and memory, of any bytes.

``tests/fuzz/fuzz_lane.py`` has the two rigs, and how they are compared.
"""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolserver._native import IMPLEMENTATION
from poolserver.mining.registry import IssuedJob, JobRegistry
from tests.unit._native.submit_lines import NOT_TAKEN, TAKEN
from tests.unit.server.wire import AUTHORIZE, FakeHouse
from tests.unit.solving import CURTIME, MASK

if IMPLEMENTATION != "c":
    pytest.skip("the lane is in C", allow_module_level=True)

from tests.fuzz import fuzz_lane
from tests.fuzz.seeds import lane_seeds
from tests.unit.mutants import mutants

LANE_MUTANTS = 1000

JOBS = [FakeHouse().work().job_id[:-1] + last for last in "12"]
PLANS = st.integers(0, 31)


def submit(
    name: str = "demo.rig",
    job_id: str = JOBS[1],
    extranonce2: str = "0000000000000000",
    ntime: int = CURTIME,
    nonce: int = 0,
    bits: int | None = None,
    request_id: str = "4",
) -> bytes:
    fields = [name, job_id, extranonce2, f"{ntime:08x}", f"{nonce:08x}"]
    if bits is not None:
        fields.append(f"{bits:08x}")
    params = ",".join(f'"{field}"' for field in fields)
    return f'{{"id":{request_id},"method":"mining.submit","params":[{params}]}}\n'.encode()


def mostly(usual: st.SearchStrategy, *odd: object) -> st.SearchStrategy:  # type: ignore[type-arg]
    """Three times in four what is usual, so that whole submits are as they should be."""
    return st.one_of(usual, usual, usual, st.sampled_from(odd))


SUBMITS = st.builds(
    submit,
    name=mostly(st.just("demo.rig"), "demo.b", "demo.c", "", "démo", "demo.\\u0072ig"),
    job_id=mostly(st.sampled_from(JOBS), JOBS[0][:-1] + "3", "", "0" * 40),
    extranonce2=mostly(
        st.sampled_from(["0000000000000000", "00000000000000fF"]), "00", "000000000000000g", ""
    ),
    ntime=mostly(
        st.just(CURTIME), CURTIME - 600, CURTIME - 601, CURTIME + 7000, CURTIME + 7001, 2**32 - 1
    ),
    nonce=st.integers(0, 20),  # few: the same comes again
    bits=mostly(st.none(), 0, 0x2000, MASK, 1, 2**32 - 1),
    request_id=mostly(
        st.integers(0, 9).map(str), "null", '"4"', "-4", "4.0", "04", "1" * 18, "1" * 19, "1" * 30
    ),
)
OTHERS = st.sampled_from(
    [
        b"\n",
        b"\r\n",
        b"\r\r\n",
        b"{}\n",
        b'{"id":7,"method":"mining.ping","params":[]}\n',
        b'{"id":8,"method":"mining.suggest_difficulty","params":[1]}\n',
        b'{"id":9,"method":"mining.extranonce.subscribe","params":[]}\n',
        fuzz_lane.CONFIGURE,
        AUTHORIZE.replace(b"demo.rig", b"demo.c"),
        AUTHORIZE.replace(b"demo.rig", b"nobody"),
        b'{"id":10,"result":true,"error":null}\n',
        b"x" * 17_000 + b"\n",
    ]
)
EDITED = st.builds(
    lambda line, place, byte: line[: place % len(line)] + byte + line[place % len(line) + 1 :],
    SUBMITS,
    st.integers(0, 300),
    st.binary(max_size=2),
)
SPACED = SUBMITS.map(lambda line: line.replace(b",", b" ,\t").replace(b":", b" : "))
ENDED_OTHERWISE = SUBMITS.map(lambda line: line[:-1] + b"\r\n")
LINES = st.lists(
    st.one_of(SUBMITS, SUBMITS, SUBMITS, SUBMITS, SPACED, ENDED_OTHERWISE, EDITED, OTHERS),
    max_size=12,
)


@st.composite
def streams(draw: st.DrawFn) -> list[bytes]:
    """Lines, cut anywhere."""
    said = b"".join(draw(LINES))
    cuts = sorted(draw(st.lists(st.integers(0, len(said)), max_size=3)))
    places = [0, *cuts, len(said)]
    return [said[begin:end] for begin, end in pairwise(places)]


@given(PLANS, streams())
def test_any_stream_has_the_same_answers_records_and_memory(plan: int, parts: list[bytes]) -> None:
    fuzz_lane.compare(plan, parts)


@given(PLANS, st.lists(st.integers(0, 30), min_size=1, max_size=20))
def test_honest_rigs_have_the_same_answers_records_and_memory(plan: int, nonces: list[int]) -> None:
    line = [submit(nonce=nonce, request_id=str(n)) for n, nonce in enumerate(nonces)]
    fuzz_lane.compare(plan, [b"".join(line)])


def test_honest_shares_go_by_the_lane() -> None:
    lines = [submit(nonce=nonce, job_id=JOBS[nonce & 1]) for nonce in range(10)]
    assert fuzz_lane.compare(0, lines) == 10
    assert fuzz_lane.compare(0, [b"".join(lines)]) == 10
    assert fuzz_lane.compare(fuzz_lane.HAS_STALE, lines) == 5
    with_bits = [submit(nonce=nonce, bits=0x2000) for nonce in range(10)]
    assert fuzz_lane.compare(fuzz_lane.ROLLS, with_bits) == 10
    assert fuzz_lane.compare(0, with_bits) == 0
    of_the_other = [submit("demo.b", nonce=nonce) for nonce in range(10)]
    assert fuzz_lane.compare(fuzz_lane.HAS_TWO, of_the_other) == 10
    assert fuzz_lane.compare(0, of_the_other) == 0
    assert 0 < fuzz_lane.compare(fuzz_lane.FINDS_BLOCKS, lines) < 10
    assert 0 < fuzz_lane.compare(fuzz_lane.HARDER, lines) < 10


def test_a_share_in_two_pieces_goes_the_plain_path() -> None:
    line = submit()
    for cut in (1, len(line) - 1):
        assert fuzz_lane.compare(0, [line[:cut], line[cut:], submit(nonce=1)]) == 1


@pytest.mark.parametrize("name", [*TAKEN, *NOT_TAKEN])
def test_each_odd_line_means_what_the_library_takes_it_for(name: str) -> None:
    line = {**TAKEN, **NOT_TAKEN}[name].replace(b"a1000abcdef01", JOBS[1].encode())
    went = fuzz_lane.compare(fuzz_lane.ROLLS, [line + b"\n", submit(nonce=99)])
    assert went == 1 + (name in TAKEN)


def test_mutants_of_the_fuzzers_seeds_have_the_same_answers_records_and_memory() -> None:
    for data in mutants(lane_seeds(), LANE_MUTANTS):
        fuzz_lane.one_input(data)


def test_a_lane_of_its_own_mind_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def also_stale(jobs: JobRegistry, job_id: str, now: float) -> IssuedJob | None:
        return None if now > 0.025 else jobs._by_id.get(job_id)

    monkeypatch.setattr(JobRegistry, "get", also_stale)
    with pytest.raises(AssertionError, match="plain path and lane differ"):
        fuzz_lane.compare(0, [submit(nonce=nonce) for nonce in range(9)])
