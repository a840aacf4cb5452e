"""Which lines the lane takes, and that it takes them for what they say.

The rig and the job take any hash, so a line that is read is accepted. Whether each means the
same to the Stratum library is proven in tests/unit/server/test_lane_and_plain_path.py.
"""

import json
from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit._native.lane_world import (
    JOB_ID,
    NTIME_MIN,
    LaneWorld,
    Share,
    hashes_of,
    terms_of,
)
from tests.unit._native.submit_lines import NOT_TAKEN, TAKEN, WITH_BITS, line_of

USUAL = Share()


def taken(c: ModuleType, line: bytes, **terms: Any) -> Any:
    return LaneWorld(c).judge(line + b"\n", **terms)


@pytest.mark.parametrize("line", TAKEN.values(), ids=TAKEN)
def test_a_line_in_the_form_of_rigs_is_taken(c: ModuleType, line: bytes) -> None:
    turn = taken(c, line)
    assert turn is not None
    assert turn.replies == b'{"id":%d,"result":true,"error":null}\n' % json.loads(line)["id"]
    assert turn.taken == len(line) + 1


@pytest.mark.parametrize("line", NOT_TAKEN.values(), ids=NOT_TAKEN)
def test_all_else_is_left_to_the_library(c: ModuleType, line: bytes) -> None:
    assert taken(c, line) is None


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_line_ends_with_lf_or_crlf(c: ModuleType, end: bytes) -> None:
    world, line = LaneWorld(c), line_of() + end
    assert world.judge(line).taken == len(line)


def test_a_line_that_has_not_ended_is_left(c: ModuleType) -> None:
    assert LaneWorld(c).judge(line_of()) is None
    assert LaneWorld(c).judge(b"") is None
    line = line_of() + b"\n"
    assert LaneWorld(c).judge(line + line_of()).taken == len(line)


def test_empty_lines_are_skipped_as_the_library_skips_them(c: ModuleType) -> None:
    data = b"\n\r\n" + line_of() + b"\r\n\n\r\n"
    assert LaneWorld(c).judge(data).taken == len(data)
    assert LaneWorld(c).judge(b"\n\r\n") is None
    # CR CR LF is a line: CR, which is no JSON.
    assert LaneWorld(c).judge(line_of() + b"\n\r\r\n").taken == len(line_of()) + 1


def test_a_line_of_512_bytes_is_the_longest(c: ModuleType) -> None:
    padding = b" " * (512 - len(line_of()))
    assert taken(c, line_of() + padding) is not None
    assert taken(c, line_of() + padding + b" ") is None
    assert taken(c, line_of() + padding + b"\r") is None


@given(st.binary(max_size=300))
def test_no_bytes_are_taken_for_a_share_that_are_none(c: ModuleType, data: bytes) -> None:
    assert LaneWorld(c).judge(data) is None


@given(st.data())
def test_a_line_with_one_byte_changed_is_what_json_says_or_is_not_taken(
    c: ModuleType, data: st.DataObject
) -> None:
    line = bytearray(line_of(params=WITH_BITS))
    place = data.draw(st.integers(0, len(line) - 1))
    line[place] = data.draw(st.integers(0, 255).filter(lambda byte: byte != ord("\n")))
    world = LaneWorld(c)
    turn = world.judge(bytes(line) + b"\n")
    if turn is None:
        return
    message = json.loads(line.decode())
    name, job_id, extranonce2, ntime, nonce, bits = message["params"]
    assert (message["method"], name, job_id) == ("mining.submit", "demo.rig", JOB_ID)
    said = Share(
        extranonce2=bytes.fromhex(extranonce2),
        ntime=int(ntime, 16),
        nonce=int(nonce, 16),
        version_bits=int(bits, 16),
        request_id=message["id"],
    )
    assert turn.replies == said.reply
    assert hashes_of(turn.records) == [world.hash_of(said)]


@given(
    st.builds(
        Share,
        extranonce2=st.binary(min_size=8, max_size=8),
        ntime=st.integers(NTIME_MIN, NTIME_MIN + 7000),
        nonce=st.integers(0, 2**32 - 1),
        version_bits=st.none() | st.integers(0, 2**16 - 1).map(lambda bits: bits << 13),
        request_id=st.integers(0, 10**18 - 1),
    )
)
def test_each_value_is_read_as_it_is_written(c: ModuleType, share: Share) -> None:
    world = LaneWorld(c)
    turn = world.judge(share.line)
    assert turn.replies == share.reply
    assert turn.records == world.record_of(share, 1)


@pytest.mark.parametrize("size", [0, 1, 4, 16])
def test_extranonce2_has_the_size_that_the_lane_was_made_for(c: ModuleType, size: int) -> None:
    world = LaneWorld(c)
    world.lane = c.ShareLane(size)
    world.offer()
    share = replace(USUAL, extranonce2=bytes(range(size)))
    assert hashes_of(world.judge(share.line).records) == [world.hash_of(share)]
    assert not world.takes(replace(share, extranonce2=bytes(size + 1), nonce=1))


def test_a_name_may_have_any_sign_that_json_leaves_alone(c: ModuleType) -> None:
    world = LaneWorld(c)
    names = ["".join(map(chr, range(35, 92))), "]" * 96 + "~" * 95, " ", "[" * 191]
    for number, name in enumerate(names):
        world.open(terms_of(), workers=(("worker", name.encode(), 1),))
        assert world.takes(replace(USUAL, worker=name, nonce=number))
