"""How the pool's own kinds of value are read."""

from fractions import Fraction
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolserver.config import values
from poolserver.config.values import COINBASE_TAG_MAX, Endpoint, Secret
from poolserver.mining.coinbase import max_tag_size


def read(kind: object, raw: object) -> Any:
    (meta,) = get_args(kind)[1:]
    return meta.extra["kind"].read(raw)


@pytest.mark.parametrize(
    ("written", "endpoint"),
    [
        ("127.0.0.1:3333", Endpoint("127.0.0.1", 3333)),
        ("[::1]:3333", Endpoint("::1", 3333)),
        ("[0:0::1]:65535", Endpoint("::1", 65535)),
        ("Pool.Example:0", Endpoint("pool.example", 0)),
    ],
)
def test_an_endpoint_is_a_host_and_a_port(written: str, endpoint: Endpoint) -> None:
    assert Endpoint.parse(written) == endpoint
    assert Endpoint.parse(str(endpoint)) == endpoint


@pytest.mark.parametrize(
    "written",
    [
        *("3333", ":3333", "::1:3333", "[::1]", "[127.0.0.1]:1", "127.0.0.256:1", "127.1:1"),
        *("a b:1", "h:65536", "h:٣", "h:-1", "h:", "-h:1", "h:1\n", "http://h:1", "x" * 300 + ":1"),
    ],
)
def test_what_is_no_endpoint_is_refused_with_an_example(written: str) -> None:
    with pytest.raises(ValueError, match=r'must be like "127\.0\.0\.1:3333"'):
        Endpoint.parse(written)


@given(st.text())
def test_an_endpoint_is_read_or_refused(written: str) -> None:
    try:
        endpoint = Endpoint.parse(written)
    except ValueError:
        return
    assert Endpoint.parse(str(endpoint)) == endpoint


def test_a_secret_shows_itself_only_when_asked() -> None:
    secret = Secret("hunter2")
    assert "hunter2" not in f"{secret} {secret!r} {[secret]}"
    assert secret.reveal() == "hunter2"
    assert secret == Secret("hunter2") != Secret("hunter3")
    assert hash(secret) == hash(Secret("hunter2"))
    with pytest.raises(TypeError):
        msgspec.json.encode(secret)


@pytest.mark.parametrize(
    ("kind", "raw", "value"),
    [
        (values.InstanceId, "pool-1", "pool-1"),
        (values.Account, "port-qasim_1", "port-qasim_1"),
        (values.CoinbaseTag, "/poolserver/", "/poolserver/"),
        (values.VersionMask, "1FFFE000", 0x1FFFE000),
        (values.NodeUrl, "https://node.example:443/rpc", "https://node.example:443/rpc"),
        (values.NodeUrl, "http://[::1]:8332", "http://[::1]:8332"),
        (values.ZmqEndpoint, "tcp://127.0.0.1:28332", "tcp://127.0.0.1:28332"),
        (values.ZmqEndpoint, "ipc:///run/node.sock", "ipc:///run/node.sock"),
        (values.FilePath, "a/b", Path("a/b")),
        (values.FilePath, "~", Path.home()),
        (values.Megawatts, 0, Fraction(0)),
        (values.Megawatts, 1320, Fraction(1320)),
        (values.Password, "p w\n", Secret("p w\n")),
    ],
)
def test_good_values_are_read(kind: object, raw: object, value: object) -> None:
    assert read(kind, raw) == value


@pytest.mark.parametrize(
    ("kind", "raw", "trouble"),
    [
        (values.InstanceId, "Pool", "must be 1 to 32 of a-z, 0-9 and -"),
        (values.InstanceId, "x" * 33, "must be 1 to 32 of a-z, 0-9 and -"),
        (values.Account, "a.b", "before the first dot"),
        (values.Account, "a b", "without spaces"),
        (values.Account, "ä" * 32, "at most 63 bytes"),
        (values.CoinbaseTag, "x" * 41, "at most 40 ASCII"),
        (values.CoinbaseTag, "pöol", "at most 40 ASCII"),
        (values.VersionMask, "0x1fffe0", "8 hex digits"),
        (values.VersionMask, "1fffe00", "8 hex digits"),
        (values.VersionMask, 536862720, "must be text in quotes"),
        (values.NodeUrl, "127.0.0.1:8332", "must be like"),
        (values.NodeUrl, "http://127.0.0.1", "must be like"),
        (values.NodeUrl, "http://127.0.0.1:0", "must name the port"),
        (values.NodeUrl, "ftp://127.0.0.1:8332", "must be like"),
        (values.ZmqEndpoint, "127.0.0.1:28332", "must be like"),
        (values.ZmqEndpoint, "tcp://*:28332", "must be like"),
        (values.ZmqEndpoint, "ipc://", "must be like"),
        (values.FilePath, "~nobody-has-this-name/x", "home folder"),
        (values.FilePath, "a\0b", "control characters"),
        (values.Megawatts, -1, "at least 0"),
        (values.Megawatts, 10**7, "at most 1000000"),
        (values.Password, "", "must be text in quotes"),
        (values.Password, 1234, "must be text in quotes"),
    ],
)
def test_bad_values_are_refused_by_name(kind: object, raw: object, trouble: str) -> None:
    with pytest.raises(ValueError, match=trouble):
        read(kind, raw)


@pytest.mark.parametrize(
    ("kind", "raw"), [(values.NodeUrl, "http://u:hunter2@h:1"), (values.Password, ["hunter2"])]
)
def test_a_password_is_not_repeated_in_an_error(kind: object, raw: object) -> None:
    with pytest.raises(ValueError, match="must") as error:
        read(kind, raw)
    assert "hunter2" not in str(error.value)


def test_the_longest_tag_fits_the_coinbase_at_any_height_and_extranonce() -> None:
    longest = max_tag_size(height=2**31 - 1, job_tag_size=16, extranonce_size=4 + 16)
    assert longest >= COINBASE_TAG_MAX
