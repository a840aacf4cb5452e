"""The API as an OpenAPI document (version 3.1), made of its endpoints.

https://spec.openapis.org/oas/v3.1.0: the schemas in it are JSON Schema 2020-12.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from poolserver import __version__
from poolserver.api.endpoint import API, Call, Endpoint
from poolserver.api.problem import OF_ANY, OF_WRITES, PROBLEM_JSON, PROBLEMS, Problem
from poolserver.log_event import Event
from poolserver.lookout.view import NodeStatus, SiteStatus, Status

Json = dict[str, Any]

_PATTERN = re.compile(r"\{(\w+):[^}]+\}")
_REF = "#/components/schemas/{name}"
_STREAM = (
    "Server-sent events (WHATWG HTML, 9.2), without an end: `status` every two seconds, `sites` "
    "and `nodes` every ten, `power` at each tick with the configured nodes alone, and `event` for "
    "each line of the log, whose id `Last-Event-ID` goes on from."
)


def openapi_endpoint(others: Sequence[Endpoint]) -> Endpoint:
    """``/openapi.json``, of the other endpoints and of itself."""
    made: list[Json] = []

    async def openapi(call: Call) -> Json:
        if not made:
            made.append(openapi_document([*others, endpoint]))
        return made[0]

    endpoint = Endpoint(
        "GET", "/openapi.json", "This document", openapi, answer=dict[str, Any], is_shared=True
    )
    return endpoint


def openapi_document(endpoints: Sequence[Endpoint]) -> Json:
    """The document, as data for JSON."""
    schemas = _Schemas(endpoints)
    paths: dict[str, Json] = {}
    for each in endpoints:
        path = paths.setdefault(plain_path(each.path), {})
        path[each.method.lower()] = _operation(each, schemas)
    paths["/stream"] = {"get": _stream(schemas)}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "poolserver",
            "version": __version__,
            "description": "What a mining pool shows and is told. See docs/api.md.",
        },
        "servers": [{"url": API}],
        "paths": paths,
        "components": {
            "schemas": schemas.components,
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": (
                        "A token of `[[api_tokens]]`; `poolserver token` makes one. Reading from "
                        "the networks of `http.read_from` needs none."
                    ),
                }
            },
        },
    }


def plain_path(path: str) -> str:
    """A path as documents write it: ``{path:.+}`` as ``{path}``."""
    return _PATTERN.sub(r"{\1}", path)


def problems_of(endpoint: Endpoint) -> list[str]:
    """The codes of all that it may answer in place of what was asked for."""
    codes = [*OF_ANY, *(OF_WRITES if endpoint.is_write else ()), *endpoint.problems]
    return sorted(codes, key=list(PROBLEMS).index)


class _Schemas:
    """The schema of each type that comes or goes."""

    def __init__(self, endpoints: Iterable[Endpoint]) -> None:
        kinds = {repr(kind): kind for each in endpoints for kind in (each.body, each.answer)}
        self._queries: dict[str, type] = {}
        kinds |= {repr(kind): kind for kind in (Problem, Event, Status, SiteStatus, NodeStatus)}
        wanted = [kind for kind in kinds.values() if kind is not None]
        found, self.components = msgspec.json.schema_components(wanted, ref_template=_REF)
        self._of = dict(zip(map(repr, wanted), found, strict=True))
        self.components["Problem"]["properties"]["code"]["enum"] = list(PROBLEMS)

    def of(self, kind: Any) -> Json:
        return self._of[repr(kind)]

    def content(self, kind: Any, media_type: str = "application/json") -> Json:
        return {"content": {media_type: {"schema": self.of(kind)}}}


def _operation(endpoint: Endpoint, schemas: _Schemas) -> Json:
    operation: Json = {
        "operationId": endpoint.name,
        "summary": endpoint.summary,
        "security": _security(endpoint),
        "parameters": [*_path_parameters(endpoint), *query_parameters(endpoint.query)],
        "responses": {**_answers(endpoint, schemas), **_problems(problems_of(endpoint), schemas)},
    }
    if endpoint.description:
        operation["description"] = endpoint.description
    if endpoint.body is not None:
        operation["requestBody"] = {"required": True, **schemas.content(endpoint.body)}
    return operation


def _security(endpoint: Endpoint) -> list[Json]:
    token: Json = {"token": [endpoint.scope]}
    return [token] if endpoint.needs_token else [token, {}]


def _answers(endpoint: Endpoint, schemas: _Schemas) -> Json:
    if endpoint.answer is None:
        return {"204": {"description": "It was done."}}
    answer: Json = {"description": "Done.", **schemas.content(endpoint.answer)}
    if endpoint.is_write:
        return {str(endpoint.status): answer}
    etag: Json = {"ETag": {"schema": {"type": "string"}}}
    return {
        str(endpoint.status): {**answer, "description": "What was asked for.", "headers": etag},
        "304": {"description": "It is as `If-None-Match` has it.", "headers": etag},
    }


def _problems(codes: Iterable[str], schemas: _Schemas) -> Json:
    by_status: dict[int, list[str]] = {}
    for code in codes:
        by_status.setdefault(PROBLEMS[code][0], []).append(code)
    return {
        str(status): {
            "description": "; ".join(f"`{code}`: {PROBLEMS[code][1]}" for code in codes),
            **schemas.content(Problem, PROBLEM_JSON),
        }
        for status, codes in sorted(by_status.items())
    }


def _path_parameters(endpoint: Endpoint) -> list[Json]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in endpoint.parameters
    ]


def query_parameters(query: type[msgspec.Struct]) -> list[Json]:
    """The parameters of a query: one that may be None is one that need not be given."""
    (_,), components = msgspec.json.schema_components([query], ref_template=_REF)
    schema = components[query.__name__]
    return [
        _parameter(name, each, is_required=name in schema["required"])
        for name, each in schema["properties"].items()
    ]


def _parameter(name: str, schema: Mapping[str, Any], *, is_required: bool) -> Json:
    plain = {key: value for key, value in schema.items() if value is not None}
    kinds = [each for each in plain.pop("anyOf", []) if each != {"type": "null"}]
    plain |= kinds[0] if len(kinds) == 1 else {"anyOf": kinds} if kinds else {}
    parameter: Json = {"name": name, "in": "query", "required": is_required, "schema": plain}
    if description := plain.pop("description", ""):
        parameter["description"] = description
    return parameter


def _stream(schemas: _Schemas) -> Json:
    events = {"type": "string", "description": "Data of events is JSON: see the schemas."}
    last_id: Json = {"type": "integer", "description": "Events after this one come first."}
    return {
        "operationId": "stream",
        "summary": "What happens, as it does",
        "description": _STREAM,
        "security": [{"token": ["read"]}, {}],
        "parameters": [
            {"name": "Last-Event-ID", "in": "header", "schema": last_id},
            {"name": "after", "in": "query", "schema": last_id},
        ],
        "responses": {
            "200": {
                "description": "For as long as one reads.",
                "content": {"text/event-stream": {"schema": events}},
            },
            **_problems(OF_ANY, schemas),
        },
    }
