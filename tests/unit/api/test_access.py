"""Who may read without a token."""

import pytest
from aiohttp.test_utils import make_mocked_request

from poolserver.api.access import Access
from poolserver.api.problem import ApiError
from poolserver.api.tokens import Tokens

LOOPBACK = ("127.0.0.0/8", "::1/128")


class Transport:
    """Of a connection from ``address``."""

    def __init__(self, address: str) -> None:
        self._peer = address, 40000

    def get_extra_info(self, name: str, default: object = None) -> object:
        return self._peer if name == "peername" else default


def outcome(address: str, headers: dict[str, str]) -> str:
    """``in``, or the problem's code."""
    access = Access(Tokens(), LOOPBACK, ["pool.example"])
    request = make_mocked_request("GET", "/", headers, transport=Transport(address))
    try:
        return "in" if access.admit(request, "read") is None else "token"
    except ApiError as error:
        return error.code


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST:9333", "127.0.0.1:9333", "[::1]:9333", "[::1]", "pool.example:80"],
)
def test_our_names_and_addresses_are_admitted(host: str) -> None:
    assert outcome("127.0.0.1", {"Host": host}) == "in"


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "localhost.evil.example", "evil.example:9333", "localhost@evil.example"),
        *("127.0.0.1.evil.example", "pool.example.evil.example", "[evil.example]", ":", ""),
    ],
)
def test_a_name_that_was_made_to_lead_here_is_not(host: str) -> None:
    assert outcome("127.0.0.1", {"Host": host}) == "wrong_host"


@pytest.mark.parametrize("header", ["Forwarded", "X-Forwarded-For", "X-Real-IP", "Via"])
def test_what_a_proxy_passed_on_is_not_from_here(header: str) -> None:
    assert outcome("127.0.0.1", {"Host": "localhost", header: ""}) == "token_needed"


@pytest.mark.parametrize("address", ["10.0.0.1", "::ffff:10.0.0.1", "fe80::1%eth0", "::2"])
def test_who_is_elsewhere_needs_a_token(address: str) -> None:
    assert outcome(address, {"Host": "localhost"}) == "token_needed"


@pytest.mark.parametrize(
    "authorization",
    ["Bearer", "Bearer ", "Basic eDp5", f"Bearer {'x' * 5000}", "bearer\tx"],
)
def test_a_token_that_is_none_is_no_better_than_none_and_not_even_as_good(
    authorization: str,
) -> None:
    headers = {"Host": "localhost", "Authorization": authorization}
    assert outcome("127.0.0.1", headers) == "token_needed"


@pytest.mark.parametrize(
    ("authorization", "told"), [("Bearer x", "takes a reload"), ("Basic eDp5", "Bearer TOKEN")]
)
def test_of_a_token_that_is_not_in_force_it_is_said_what_may_be_forgotten(
    authorization: str, told: str
) -> None:
    access = Access(Tokens(), LOOPBACK)
    headers = {"Host": "localhost", "Authorization": authorization}
    request = make_mocked_request("PUT", "/", headers, transport=Transport("127.0.0.1"))
    with pytest.raises(ApiError) as refused:
        access.admit(request, "budget")
    assert told in refused.value.detail
