"""What is answered in place of what was asked for: problem details (RFC 9457).

``code`` names the kind of problem for programs, and stays the same; docs/api.md lists them all.
"""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec
from aiohttp import web

PROBLEM_JSON = "application/problem+json"


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """An error's body. ``errors`` are those of a configuration, each with its place."""

    title: str
    status: int
    code: str
    detail: str = ""
    errors: tuple[str, ...] = ()


# Each code with its status and its title.
PROBLEMS: Mapping[str, tuple[int, str]] = MappingProxyType(
    {
        "bad_request": (400, "The request makes no sense"),
        "token_needed": (401, "A token is needed"),
        "not_for_this": (403, "The token is not for this"),
        "wrong_host": (403, "Asked by a name that is not this server's"),
        "not_found": (404, "Not found"),
        "method_not_allowed": (405, "There is no such method here"),
        "too_slow": (408, "The body did not come"),
        "outdated": (409, "A newer word has been taken"),
        "busy": (409, "Another one is under way"),
        "needs_restart": (409, "This can be changed by a restart alone"),
        "too_long": (413, "The body is too long"),
        "encoded": (415, "The body is encoded"),
        "refused": (422, "Refused"),
        "too_many": (429, "Too many at once"),
        "not_recorded": (500, "It could not be written down, and was not done"),
        "internal": (500, "An error in the pool"),
        "not_yet": (503, "Nothing is known of it yet"),
    }
)

# What any call may be answered, any write, and each call of a kind that few may make at once.
OF_ANY = ("bad_request", "token_needed", "not_for_this", "wrong_host", "too_many", "internal")
OF_WRITES = ("too_slow", "too_long", "encoded", "not_recorded")
OF_NO_ENDPOINT = ("method_not_allowed",)
"""Told by the HTTP server itself."""


class ApiError(Exception):
    """A problem, by its code. ``errors`` as in ``Problem``."""

    def __init__(self, code: str, detail: str = "", errors: tuple[str, ...] = ()) -> None:
        super().__init__(detail)
        self.status, self.title = PROBLEMS[code]
        self.code, self.detail, self.errors = code, detail, errors

    def response(self) -> web.Response:
        """The answer."""
        problem = Problem(self.title, self.status, self.code, self.detail, self.errors)
        headers = {"Cache-Control": "no-store"}
        if self.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        return web.Response(
            status=self.status,
            body=msgspec.json.encode(problem),
            content_type=PROBLEM_JSON,
            headers=headers,
        )
