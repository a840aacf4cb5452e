"""The API of the running pool, made of the configuration."""

from collections.abc import Iterable

from aiohttp import web

from poolserver.api.access import Access
from poolserver.api.endpoint import Call, Endpoint
from poolserver.api.router import Router
from poolserver.api.tokens import Token, Tokens
from poolserver.config import Config


def api_tokens(config: Config) -> Tokens:
    """The tokens that were given out."""
    return Tokens(
        Token(each.name, each.sha256, frozenset(each.scopes), each.nodes)
        for each in config.api_tokens
    )


def api_access(config: Config) -> Access:
    """Who may ask for what."""
    return Access(api_tokens(config), config.http.read_from, config.http.names)


def api_routes(access: Access, endpoints: Iterable[Endpoint]) -> list[web.RouteDef]:
    """The routes of ``api.catalogue.endpoints``."""
    return Router(access, _NoRecord()).routes(endpoints)


class _NoRecord:
    async def intend(self, endpoint: Endpoint, call: Call, path: str) -> int:
        return 0

    async def ended(self, number: int, outcome: str) -> None:
        pass
