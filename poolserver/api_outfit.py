"""What the HTTP server serves beside metrics and health: the API and the live page."""

from datetime import UTC, datetime

from aiohttp import web

from poolserver.api.access import Access
from poolserver.api.audit_file import AuditFile
from poolserver.api.audit_log import AuditLog
from poolserver.api.catalogue import Parts, endpoints
from poolserver.api.live_page import live_page_routes
from poolserver.api.reload import Reloads
from poolserver.api.router import Router
from poolserver.api.stream import stream_routes
from poolserver.api.tokens import Token, Tokens
from poolserver.config import Config
from poolserver.coordinator import Coordinator
from poolserver.lookout_outfit import Lookout
from poolserver.signal_outfit import meters_by


class Api:
    """The API of a pool that is about to run."""

    def __init__(
        self, config: Config, coordinator: Coordinator, lookout: Lookout, reloads: Reloads
    ) -> None:
        self._access = api_access(config)
        self._audit_log = AuditLog(AuditFile(config.data_dir))
        self._broadcast = lookout.broadcast
        self._parts = Parts(
            shown=lookout.overview,
            feed=lookout.feed,
            rigs=lookout.rigs,
            store=coordinator.store,
            efforts=lookout.overview.efforts,
            history_of=lookout.history,
            room=coordinator.room,
            http_meters=meters_by(config, "http"),
            reloads=reloads,
            audited=self._audit_log,
        )

    def routes(self) -> list[web.RouteDef]:
        """All of them."""
        return [
            *Router(self._access, self._audit_log).routes(endpoints(self._parts)),
            *stream_routes(self._access, self._broadcast),
            *live_page_routes(),
        ]


def api_tokens(config: Config) -> Tokens:
    """The tokens that were given out."""
    return Tokens(
        Token(each.name, each.sha256, frozenset(each.scopes), each.nodes, _unix_s(each.not_after))
        for each in config.api_tokens
    )


def api_access(config: Config) -> Access:
    """Who may ask for what."""
    return Access(api_tokens(config), config.http.read_from, config.http.names)


def _unix_s(moment: datetime | None) -> float | None:
    if moment is None:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
