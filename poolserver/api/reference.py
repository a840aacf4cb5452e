"""The tables of docs/api.md, made of the endpoints."""

from collections.abc import Iterator, Sequence

from poolserver.api.endpoint import Endpoint
from poolserver.api.openapi import plain_path, query_parameters
from poolserver.api.problem import OF_ANY, OF_NO_ENDPOINT, OF_WRITES, PROBLEMS


def api_reference(endpoints: Sequence[Endpoint]) -> str:
    """The text."""
    return "\n".join([*_endpoints(endpoints), "", *_problems(endpoints), ""])


def _endpoints(endpoints: Sequence[Endpoint]) -> Iterator[str]:
    yield "### Endpoints"
    yield ""
    yield "| | scope | | parameters |"
    yield "| --- | --- | --- | --- |"
    for each in endpoints:
        names = ", ".join(f"`{one['name']}`" for one in query_parameters(each.query))
        call = f"{each.method} {plain_path(each.path)}"
        yield f"| `{call}` | {each.scope} | {each.summary} | {names} |"


def _problems(endpoints: Sequence[Endpoint]) -> Iterator[str]:
    yield "### Problems"
    yield ""
    yield "| code | status | | of |"
    yield "| --- | --- | --- | --- |"
    for code, (status, title) in PROBLEMS.items():
        yield f"| `{code}` | {status} | {title} | {_who_answers(code, endpoints)} |"


def _who_answers(code: str, endpoints: Sequence[Endpoint]) -> str:
    if code in OF_ANY:
        return "any call"
    if code in OF_WRITES:
        return "any write"
    if code in OF_NO_ENDPOINT:
        return "other methods"
    found = [f"`{each.name}`" for each in endpoints if code in each.problems]
    return ", ".join(found) or "nobody"
