"""``/audit``: who changed what by HTTP."""

from collections.abc import Sequence
from typing import Annotated, Protocol

import msgspec
from msgspec import Meta

from poolserver.api.audit_file import AuditLine
from poolserver.api.endpoint import Call, Endpoint
from poolserver.api.page import MOST_ITEMS, Cursor, Page, key_of, page_of


class Audited(Protocol):
    """Who is asked; see ``audit_log.AuditLog``."""

    async def page(self, limit: int, before: int | None) -> list[AuditLine]: ...


class AuditQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of ``/audit``."""

    limit: Annotated[int, Meta(ge=1, le=MOST_ITEMS, description="Of a page.")] = 100
    cursor: Cursor | None = None


def audit_endpoints(audited: Audited) -> Sequence[Endpoint]:
    """The endpoint."""

    async def audit(call: Call) -> Page[AuditLine]:
        limit = call.query.limit
        lines = await audited.page(limit + 1, key_of(call.query.cursor, int))
        return page_of(lines, limit, lambda line: line.number, None)

    return [
        Endpoint(
            "GET",
            "/audit",
            "Who changed what, the newest first",
            audit,
            query=AuditQuery,
            answer=Page[AuditLine],
            is_private=True,
            most_at_once=2,
            description=(
                "Every write by somebody with a token is written down, what was refused too: with "
                "what was asked for before it is done, and how it ended before it is answered."
            ),
        )
    ]
