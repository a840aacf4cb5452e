"""Who may ask for what: reading from networks that are trusted, the rest with a token."""

import time
from collections.abc import Callable, Iterable
from ipaddress import ip_address, ip_network

from aiohttp import web

from poolserver.api.problem import ApiError
from poolserver.api.tokens import Scope, Token, Tokens

# What proxies add: who asks is then not who is connected.
_PASSED_ON = ("Forwarded", "X-Forwarded-For", "X-Real-IP", "Via")

_WITHOUT = "Authorization: Bearer TOKEN, with a token of [[api_tokens]]"
_UNKNOWN = "this token is none of [[api_tokens]] as they are in force: a new one takes a reload"


class Access:
    """``read_from`` are networks whose hosts may read without a token; ``names`` those by which
    this server is asked, beside addresses and localhost."""

    def __init__(
        self,
        tokens: Tokens,
        read_from: Iterable[str] = (),
        names: Iterable[str] = (),
        unix_time: Callable[[], float] = time.time,
    ) -> None:
        self._unix_time = unix_time
        self._tokens = tokens
        self._read_from = tuple(map(ip_network, read_from))
        self._names = frozenset({"localhost", *names})

    def admit(self, request: web.Request, scope: Scope) -> Token | None:
        """The token, which has this scope; None of one who may read without.

        Raises:
            ApiError: it is for others.
        """
        token = self.identify(request, scope)
        if token is not None:
            check_scope(token, scope)
        return token

    def identify(
        self, request: web.Request, scope: Scope, *, is_private: bool = False
    ) -> Token | None:
        """The token, whatever it is for; None of one who may read without, unless ``is_private``.

        Raises:
            ApiError: there is none of ours.
        """
        authorization = request.headers.get("Authorization", "")
        if not (authorization or is_private) and scope == "read" and self._may_read(request):
            return None
        token = self._tokens.find(authorization)
        if token is None:
            is_one = authorization.lower().startswith("bearer ")
            raise ApiError("token_needed", _UNKNOWN if is_one else _WITHOUT)
        if token.not_after_s is not None and self._unix_time() > token.not_after_s:
            raise ApiError("token_needed", f"the token {token.name} is not good any more")
        return token

    def _may_read(self, request: web.Request) -> bool:
        """Without a token.

        Raises:
            ApiError: they may from there, but not by that name. A page of another site, whose
                name was made to lead here, could read all with its visitor's browser otherwise.
        """
        if any(name in request.headers for name in _PASSED_ON) or request.remote is None:
            return False
        remote = ip_address(request.remote.partition("%")[0])
        if not any(remote in network for network in self._read_from):
            return False
        if not self._is_our_name(request.host):
            raise ApiError("wrong_host", "list the name in http.names, or bring a token")
        return True

    def _is_our_name(self, host: str) -> bool:
        """``host`` is as in the Host header, with its port."""
        name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
        try:
            ip_address(name.strip("[]"))
        except ValueError:
            return name.lower() in self._names
        return True


def check_scope(token: Token, scope: Scope) -> None:
    """Raises:
    ApiError: the token is not for this.
    """
    if scope not in token.scopes:
        raise ApiError("not_for_this", f"the token {token.name} has not the scope {scope}")
