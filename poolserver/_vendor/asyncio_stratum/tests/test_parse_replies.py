from typing import Any

import pytest

from .. import Configured, Notify, ParamsError, Reconnect, SetExtranonce, Subscribed
from ..parse_replies import (
    parse_configured,
    parse_notify,
    parse_reconnect,
    parse_set_difficulty,
    parse_set_extranonce,
    parse_set_version_mask,
    parse_show_message,
    parse_subscribed,
)

NOTIFY: list[Any] = [
    "5a",
    "03020100" * 8,
    "c0",
    "c1c2",
    ["ab" * 32, "cd" * 32],
    "20000000",
    "1d00ffff",
    "504e86ed",
    True,
]


def test_a_job_is_decoded() -> None:
    assert parse_notify(NOTIFY) == Notify(
        job_id="5a",
        prevhash_le=bytes([0, 1, 2, 3] * 8),
        coinb1=b"\xc0",
        coinb2=b"\xc1\xc2",
        merkle_branch=(b"\xab" * 32, b"\xcd" * 32),
        version=0x20000000,
        nbits=0x1D00FFFF,
        ntime=0x504E86ED,
        clean_jobs=True,
    )


@pytest.mark.parametrize(
    ("index", "value"),
    [(0, 5), (1, "00"), (2, "0"), (3, None), (4, "ab"), (4, ["ab"]), (5, ""), (6, "g"), (7, 1)],
)
def test_a_job_with_a_bad_field_is_refused(index: int, value: Any) -> None:
    with pytest.raises(ParamsError):
        parse_notify([*NOTIFY[:index], value, *NOTIFY[index + 1 :]])
    with pytest.raises(ParamsError):
        parse_notify(NOTIFY[:8])


@pytest.mark.parametrize(
    ("subscriptions", "session_id"),
    [
        ([["mining.set_difficulty", "1"], ["mining.notify", "2"]], "2"),
        ([["mining.set_difficulty", "1"]], "1"),
        (["mining.notify", "2"], "2"),
        ([["mining.notify", "2", "3"], [], 5, ["mining.notify", 5]], ""),
        ([], ""),
        (None, ""),
    ],
)
def test_the_subscriptions_may_have_any_shape(subscriptions: Any, session_id: str) -> None:
    result = [subscriptions, "08000002", 4, "more"]
    assert parse_subscribed(1, result) == Subscribed(1, b"\x08\x00\x00\x02", 4, session_id)


@pytest.mark.parametrize(
    "result",
    [True, [], [[], "08"], [[], "0", 4], [[], None, 4], [[], "08", "4"], [[], "08", 65], {}],
)
def test_a_subscribe_reply_without_an_extranonce_is_refused(result: Any) -> None:
    with pytest.raises(ParamsError):
        parse_subscribed(1, result)


def test_what_is_granted_is_what_is_true() -> None:
    result = {
        "version-rolling": True,
        "version-rolling.mask": "1fffe000",
        "info": True,
        "minimum-difficulty": False,
        "subscribe-extranonce": "not here",
    }
    granted = frozenset({"version-rolling", "info"})
    assert parse_configured(1, result) == Configured(1, 0x1FFFE000, granted)
    assert parse_configured(1, {"version-rolling": False}) == Configured(1, 0, frozenset())


@pytest.mark.parametrize("result", [{"version-rolling": True}, [], True])
def test_a_configure_reply_is_an_object_and_has_the_mask_that_it_grants(result: Any) -> None:
    with pytest.raises(ParamsError):
        parse_configured(1, result)


@pytest.mark.parametrize(
    ("params", "reconnect"),
    [
        ([], Reconnect(None, None, 0.0)),
        (["", 0, 0], Reconnect(None, None, 0.0)),
        (["pool.example", 3333, 5], Reconnect("pool.example", 3333, 5.0)),
        (["pool.example", "3333"], Reconnect("pool.example", 3333, 0.0)),
        (["pool.example", 3333, "soon"], Reconnect("pool.example", 3333, 0.0)),
        (["pool.example", 3333, 1e9], Reconnect("pool.example", 3333, 0.0)),
    ],
)
def test_a_reconnect_may_leave_all_out(params: list[Any], reconnect: Reconnect) -> None:
    assert parse_reconnect(params) == reconnect


@pytest.mark.parametrize("port", [-1, 65536, "²", "99999", "", 1.5, True])
def test_a_port_is_a_port(port: Any) -> None:
    with pytest.raises(ParamsError):
        parse_reconnect(["pool.example", port])


def test_small_notifications() -> None:
    assert parse_set_difficulty([0.5]).difficulty == 0.5
    assert parse_set_extranonce(["0800", 4]) == SetExtranonce(b"\x08\x00", 4)
    assert parse_set_version_mask(["1fffe000"]).version_mask == 0x1FFFE000
    assert parse_show_message(["hello"]).text == "hello"
    for parse in (parse_set_difficulty, parse_set_extranonce, parse_set_version_mask):
        with pytest.raises(ParamsError):
            parse([])
