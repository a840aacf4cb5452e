import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from .. import Codec, LocalProtocolError, StratumError, render_notify, render_set_difficulty
from ..parse_replies import parse_notify
from ..render import json_number, render_call, render_error, render_id, render_result


@pytest.mark.parametrize(
    ("request_id", "rendered"),
    [
        (7, b"7"),
        (-1, b"-1"),
        (2**200, str(2**200).encode()),
        ("", b'""'),
        ('a"é', '"a\\"é"'.encode()),
        (None, b"null"),
    ],
)
def test_an_id_is_echoed_as_it_came(codec: Codec, request_id: Any, rendered: bytes) -> None:
    assert render_id(request_id, codec) == rendered


def test_replies_and_calls_are_exact_to_the_byte(codec: Codec) -> None:
    assert render_result(7, True, codec) == b'{"id":7,"result":true,"error":null}\n'
    assert render_result("a", [1, "b"], codec) == b'{"id":"a","result":[1,"b"],"error":null}\n'
    assert (
        render_error(None, StratumError(23, "low_difficulty"), codec)
        == b'{"id":null,"result":null,"error":[23,"low_difficulty",null]}\n'
    )
    assert (
        render_call(4, "client.get_version", [], codec)
        == b'{"id":4,"method":"client.get_version","params":[]}\n'
    )


@pytest.mark.parametrize(
    ("difficulty", "text"),
    [
        (1, b"1"),
        (65536.0, b"65536"),
        (1e22, b"10000000000000000000000"),
        (0.5, b"0.5"),
        (1234.5, b"1234.5"),
        (2**-32, b"0.00000000023283064365386963"),
        (1e-9, b"0.000000001"),
    ],
)
def test_a_difficulty_has_no_exponent_and_no_point_where_it_is_whole(
    difficulty: float, text: bytes
) -> None:
    assert (
        render_set_difficulty(difficulty)
        == b'{"id":null,"method":"mining.set_difficulty","params":[%b]}\n' % text
    )


@given(st.floats(min_value=0, exclude_min=True, allow_infinity=False))
def test_every_difficulty_is_read_back_as_it_was(difficulty: float) -> None:
    line = render_set_difficulty(difficulty)
    assert float(json.loads(line)["params"][0]) == difficulty
    assert b"e" not in line.split(b"[")[1]
    assert json_number(difficulty) == difficulty


@pytest.mark.parametrize("difficulty", [0, -1, float("nan"), float("inf")])
def test_what_is_no_difficulty_is_our_own_error(difficulty: float) -> None:
    with pytest.raises(LocalProtocolError):
        render_set_difficulty(difficulty)


JOB: dict[str, Any] = {
    "job_id": "5a",
    "prevhash_hex": "03020100" * 8,
    "coinb1": b"\xc0",
    "coinb2": b"\xc1\xc2",
    "merkle_branch": [b"\xab" * 32, b"\xcd" * 32],
    "version": 0x20000000,
    "nbits": 0x1D00FFFF,
    "ntime": 0x504E86ED,
    "clean_jobs": True,
}


def test_a_job_is_exact_to_the_byte() -> None:
    assert render_notify(**JOB) == (
        b'{"id":null,"method":"mining.notify","params":["5a","%b","c0","c1c2",["%b","%b"],'
        b'"20000000","1d00ffff","504e86ed",true]}\n'
    ) % (b"03020100" * 8, b"ab" * 32, b"cd" * 32)
    assert b'"c1c2",[],"' in render_notify(**{**JOB, "merkle_branch": []})


def test_a_miner_reads_the_job_that_a_pool_rendered(codec: Codec) -> None:
    line = render_notify(**{**JOB, "version": 1, "clean_jobs": False})
    notify = parse_notify(codec.decode(line).params)
    assert notify.prevhash_le == bytes([0, 1, 2, 3] * 8)
    assert notify.merkle_branch == tuple(JOB["merkle_branch"])
    assert (notify.coinb1, notify.coinb2) == (JOB["coinb1"], JOB["coinb2"])
    assert (notify.version, notify.nbits, notify.ntime) == (1, JOB["nbits"], JOB["ntime"])
    assert notify.clean_jobs is False
