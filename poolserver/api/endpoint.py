"""What can be asked: each endpoint is declared once, and routes, OpenAPI and docs are made of it.

A handler is given typed arguments and gives typed data; tokens, bodies, JSON, ETags and errors are
dealt with here, alike for all.
"""

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from poolserver.api.problem import ApiError
from poolserver.api.tokens import Scope, Token
from poolserver.power.tree import PROGRAMME

API = "/api/v1"

MOST_BYTES = 4096
"""Of a body, where an endpoint does not say otherwise: all that may be told takes some hundred."""

Method = Literal["GET", "PUT", "POST", "DELETE"]

_PARAMETER = re.compile(r"\{(\w+)(?::[^}]+)?\}")


class NoQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of an endpoint without query parameters."""


@dataclass(frozen=True, slots=True)
class Call:
    """A request, once it was let in. ``query`` is of the endpoint's type, ``body`` as it came."""

    path: dict[str, str]
    query: Any
    body: bytes
    token: Token | None
    remote: str

    @property
    def by(self) -> str:
        """Who asks, for logs and books."""
        return f"token:{self.token.name}" if self.token is not None else self.remote

    @property
    def named(self) -> Token:
        """The token of a write, which nobody may do without one."""
        assert self.token is not None, "only reads are let in without a token"
        return self.token

    def check_node(self, node: str) -> None:
        """Raises:
        ApiError: the token does not speak for this node. Whether it is there is not told.
        """
        if self.token is not None and not self.token.may_speak_for(node or PROGRAMME):
            raise ApiError(
                "not_for_this", f"the token {self.token.name} does not speak for this node"
            )


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One method of one path. Its handler returns what is to be JSON, None for 204.

    ``path`` is below API; ``{name}`` is a part of it, ``{name:.+}`` may have slashes. The fields of
    ``query``, a Struct, are the query's parameters. ``body`` tells what the body holds, for the
    document; ``answer`` what is given. ``node_of`` says which power node a call is about: the token
    must be for it. ``problems`` are the codes of what else may be answered, beside those that any
    call may get. ``is_shared``: what the handler gives is the same object until there is news, and
    may be large; it is encoded once, off the event loop. What ``is_private`` is read with a token
    alone. Where a
    thread is asked, only ``most_at_once`` calls are let in.
    """

    method: Method
    path: str
    summary: str
    handler: Callable[[Call], Awaitable[object]]
    scope: Scope = "read"
    query: type[msgspec.Struct] = NoQuery
    body: Any = None
    answer: Any = None
    node_of: Callable[[Call], str] | None = None
    problems: Sequence[str] = ()
    description: str = ""
    status: int = field(default=200)
    most_bytes: int = MOST_BYTES
    is_shared: bool = False
    is_private: bool = False
    most_at_once: int | None = None

    @property
    def name(self) -> str:
        """``operationId``: the handler's name."""
        return self.handler.__name__.strip("_")

    @property
    def route(self) -> str:
        """The whole path, as the HTTP server takes it. A part with slashes may have line breaks
        too: who sends such a name is told of that, and not that there is no such call.
        """
        return f"{API}{self.path}".replace(":.+}", ":(?s:.+)}")

    @property
    def parameters(self) -> list[str]:
        """The names of the parts of the path."""
        return _PARAMETER.findall(self.path)

    @property
    def is_write(self) -> bool:
        """Whether it changes something: then it is written down who did it."""
        return self.method != "GET"

    @property
    def needs_token(self) -> bool:
        """Whoever asks, and from wherever."""
        return self.is_write or self.is_private
