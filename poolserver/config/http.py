"""The settings on the HTTP server: who may look at the pool, and who may tell it something."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from poolserver.config.budgets import Moment
from poolserver.config.kinds import doc
from poolserver.config.values import (
    Endpoint,
    HostName,
    IpNetwork,
    ListenAddress,
    PowerNodeName,
    Sha256Hex,
)


class HttpConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The HTTP server: `/metrics`, the live page and the [API](api.md)."""

    address: Annotated[
        ListenAddress,
        doc("Where to listen. This machine only by default."),
    ] = Endpoint("127.0.0.1", 9333)
    read_from: Annotated[
        tuple[IpNetwork, ...],
        doc(
            "Who may read page and API without a token. Others need one with the scope `read`; "
            "whoever changes anything needs one from wherever. A request that a proxy passed on "
            "(it has `Forwarded`, `X-Forwarded-For`, `X-Real-IP` or `Via`; some proxies add "
            "one only if they are told) always needs one."
        ),
    ] = ("127.0.0.0/8", "::1/128")
    names: Annotated[
        tuple[HostName, ...],
        doc(
            "The names that this server is asked by, beside addresses and `localhost`. Other names "
            "are refused without a token: a web page elsewhere could point one of its own here."
        ),
    ] = ()


class ApiTokenConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Who may tell the HTTP API something. `poolserver token` makes one of these."""

    name: Annotated[PowerNodeName, doc("Whose it is. A budget that it sets has this as source.")]
    sha256: Annotated[Sha256Hex, doc("The SHA-256 of the token. The token itself is kept nowhere.")]
    scopes: Annotated[
        tuple[Literal["read", "budget", "ai-load", "meter", "mapping", "reload"], ...],
        Meta(min_length=1),
        doc("What it is for: `read` for all that is shown, each other for what it may change."),
    ]
    nodes: Annotated[
        tuple[str, ...],
        Meta(min_length=1),
        doc('The nodes that it may speak for, with all below them, as "Sahiwal/T2"; "/" is all.'),
    ]
    not_after: Annotated[
        Moment | None,
        doc("Until when it is good, in UTC unless it says otherwise; then it is nobody's."),
    ] = None
