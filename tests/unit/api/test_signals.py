"""Budgets, AI loads and readings by HTTP: a real server, and books behind it."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NamedTuple

import aiohttp
import pytest
from prometheus_client import CollectorRegistry

from poolserver.api.access import Access
from poolserver.api.http import HttpServer
from poolserver.api.router import Router
from poolserver.api.signals import signal_endpoints
from poolserver.api.tokens import Token, Tokens, hash_of
from poolserver.power.readings import MeterSpec
from poolserver.power.state import LimitKind
from poolserver.power.tree import AiLoad, PowerNode, PowerTree
from tests.unit.api.unwritten import Unwritten
from tests.unit.power.signals.books import BookSink

NOW_S = 1_800_000_000.0
HALL = AiLoad("hall", "ai", 400_000_000, "Port Qasim")
TREE = PowerTree(
    [
        PowerNode("Port Qasim", "site", limit_w=1_320_000_000, ai_loads=(HALL,)),
        PowerNode("Port Qasim/T 2", "transformer", limit_w=5_000_000, meter="t2"),
        PowerNode("Sahiwal", "site", limit_w=1_320_000_000, meter="main"),
    ]
)
TOKENS = Tokens(
    [
        Token("all", hash_of("all"), frozenset({"budget", "ai-load", "meter"}), ("/",)),
        Token("qasim", hash_of("qasim"), frozenset({"budget"}), ("Port Qasim",)),
        Token("meter", hash_of("meter"), frozenset({"meter"}), ("Port Qasim",)),
    ]
)


class Answer(NamedTuple):
    status: int
    body: Any


Ask = Callable[..., Awaitable[Answer]]


@pytest.fixture
def books() -> BookSink:
    specs = [
        MeterSpec("t2", 5_000_000),
        MeterSpec("main", 1_320_000_000),
        MeterSpec("ai", 400_000_000),
    ]
    return BookSink(TREE, specs, lambda: NOW_S)


@pytest.fixture
async def ask(books: BookSink) -> AsyncIterator[Ask]:
    """Send a request with fields or bytes, as one who has a token."""
    endpoints = signal_endpoints(books, TREE, {"t2", "ai"}, lambda: NOW_S)
    routes = Router(Access(TOKENS), Unwritten()).routes(endpoints)
    server = HttpServer(CollectorRegistry(), lambda: None, routes)
    port = await server.start("127.0.0.1", 0)

    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:

        async def asked(
            method: str, path: str, token: str | None = "all", body: Any = b"", **fields: Any
        ) -> Answer:
            headers = {} if token is None else {"Authorization": f"Bearer {token}"}
            data = json.dumps(fields).encode() if fields else body
            async with session.request(
                method, f"/api/v1/{path}", data=data, headers=headers
            ) as answer:
                content = await answer.read()
                if answer.status >= 400:
                    assert answer.content_type == "application/problem+json"
                    assert json.loads(content)["status"] == answer.status
                if answer.status == 401:
                    assert answer.headers["WWW-Authenticate"] == "Bearer"
                return Answer(answer.status, json.loads(content) if content else None)

        yield asked
    await server.stop()


async def test_a_budget_is_set_and_taken_back(ask: Ask, books: BookSink) -> None:
    path = "nodes/Port Qasim/T 2/budget"
    until = NOW_S + 3600
    said = await ask("PUT", path, "qasim", limit_mw=3.5, valid_until=until, reason="heat")
    assert said == Answer(204, None)
    limit = books.budgets.limits(NOW_S)["Port Qasim/T 2"].binding
    assert limit is not None
    assert (limit.limit_w, limit.source, limit.reason) == (3_500_000, "qasim", "heat")
    (word,) = books.budgets.state()
    assert (word.issued_by, word.valid_until_s) == ("token:qasim", until)
    assert (await ask("DELETE", path, "all")).status == 204  # not all's to take back
    assert books.budgets.limits(NOW_S)["Port Qasim/T 2"].limit_w == 3_500_000
    assert (await ask("DELETE", path, "qasim")).status == 204
    assert books.budgets.limits(NOW_S)["Port Qasim/T 2"].limit_w == 5_000_000


async def test_the_programme_has_a_budget_too(ask: Ask, books: BookSink) -> None:
    assert (await ask("PUT", "programme/budget", limit_mw=2000)).status == 204
    assert books.budgets.limits(NOW_S)["/"].limit_w == 2_000_000_000
    assert (await ask("DELETE", "programme/budget")).status == 204
    assert "/" not in books.budgets.limits(NOW_S)


async def test_a_budget_of_mining_alone_is_another(ask: Ask, books: BookSink) -> None:
    assert (await ask("PUT", "nodes/Sahiwal/budget", limit_mw=9, of_mining=True)).status == 204
    assert books.budgets.mining_limits(NOW_S)["Sahiwal"].limit_w == 9_000_000
    assert (await ask("DELETE", "nodes/Sahiwal/budget")).status == 204
    assert books.budgets.mining_limits(NOW_S)["Sahiwal"].limits[0].kind is LimitKind.MINING
    for mistyped in ("True", "1", ""):
        taken = await ask("DELETE", f"nodes/Sahiwal/budget?of_mining={mistyped}")
        assert taken.status == 400
    assert (await ask("DELETE", "nodes/Sahiwal/budget?of_mining=true")).status == 204
    assert books.budgets.mining_limits(NOW_S) == {}


async def test_an_ai_load_is_told(ask: Ask, books: BookSink) -> None:
    until = NOW_S + 60
    told = await ask("PUT", "ai-loads/Port Qasim/hall", power_mw=250, valid_until=until)
    assert told.status == 204
    assert books.ai_loads.power_w(HALL, NOW_S) == 250e6


async def test_a_reading_is_answered_with_what_is_thought_of_it(ask: Ask) -> None:
    assert await ask("PUT", "meters/t2", "meter", power_mw=4) == Answer(
        200, {"quality": "good", "reason": ""}
    )
    status, judged = await ask("PUT", "meters/t2", "meter", power_mw=4000, ts=NOW_S + 1)
    assert (status, judged["quality"]) == (200, "wrong_unit")


@pytest.mark.parametrize("token", [None, "", "nobody", hash_of("all")])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "nodes/Sahiwal/budget"),
        ("DELETE", "nodes/Sahiwal/budget"),
        ("PUT", "programme/budget"),
        ("DELETE", "programme/budget"),
        ("PUT", "ai-loads/Port Qasim/hall"),
        ("PUT", "meters/t2"),
    ],
)
async def test_without_a_token_nothing_is_told(
    ask: Ask, books: BookSink, method: str, path: str, token: str | None
) -> None:
    assert (await ask(method, path, token, limit_mw=1)).status == 401
    assert books.budgets.state() == ()


@pytest.mark.parametrize(
    ("path", "token"),
    [
        ("nodes/Sahiwal/budget", "qasim"),
        ("nodes/Nowhere/budget", "qasim"),
        ("programme/budget", "qasim"),
        ("nodes/Port Qasim/../Sahiwal/budget", "qasim"),
        ("nodes/Port Qasim/budget", "meter"),
        ("ai-loads/Port Qasim/hall", "qasim"),
        ("meters/t2", "qasim"),
        ("meters/main", "meter"),
        ("meters/nowhere", "meter"),
    ],
)
async def test_a_token_is_for_its_scope_and_its_nodes(ask: Ask, path: str, token: str) -> None:
    assert (await ask("PUT", path, token, limit_mw=1)).status == 403


@pytest.mark.parametrize(
    "path", ["nodes/Nowhere/budget", "ai-loads/Sahiwal/hall", "meters/t3", "meters/main"]
)
async def test_what_is_not_there_is_told_to_those_who_may_ask(ask: Ask, path: str) -> None:
    fields = {"limit_mw": 1} if "budget" in path else {"power_mw": 1}
    if "ai-loads" in path:
        fields["valid_until"] = NOW_S + 60
    assert (await ask("PUT", path, "all", **fields)).status == 404


async def test_an_older_word_is_a_conflict(ask: Ask) -> None:
    budget, hall = "nodes/Sahiwal/budget", "ai-loads/Port Qasim/hall"
    until = NOW_S + 60
    assert (await ask("PUT", budget, limit_mw=1, ts=NOW_S)).status == 204
    assert (await ask("PUT", budget, limit_mw=2, ts=NOW_S - 1)).status == 409
    assert (await ask("PUT", hall, power_mw=1, ts=NOW_S, valid_until=until)).status == 204
    assert (await ask("PUT", hall, power_mw=2, ts=NOW_S - 1, valid_until=until)).status == 409


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("nodes/Sahiwal/budget", b""),
        ("nodes/Sahiwal/budget", b"limit_mw=5"),
        ("nodes/Sahiwal/budget", b'{"limit_mw": -5}'),
        ("nodes/Sahiwal/budget", b'{"limit_mw": 1e999}'),
        ("nodes/Sahiwal/budget", b'{"limit_mw": 1320000}'),
        ("nodes/Sahiwal/budget", b'{"limit_mw": 5, "valid_until": 1}'),
        ("nodes/Sahiwal/budget", b'{"limit_mw": 5, "source": "another"}'),
        ("ai-loads/Port Qasim/hall", b'{"power_mw": 5}'),
        ("ai-loads/Port Qasim/hall", b'{"power_mw": -5, "valid_until": 1800000060}'),
        ("meters/t2", b'{"power": 5}'),
        ("meters/t2", b'{"power_w": NaN}'),
    ],
)
async def test_what_makes_no_sense_is_refused(ask: Ask, path: str, body: bytes) -> None:
    status, problem = await ask("PUT", path, body=body)
    assert (status, problem["title"]) == (422, "Refused")
    assert problem["detail"]


async def test_a_body_that_is_too_long_is_not_read(ask: Ask) -> None:
    assert (await ask("PUT", "nodes/Sahiwal/budget", body=b" " * 5000)).status == 413


async def test_a_calibration_is_accepted_by_who_may_tell_of_meters(
    ask: Ask, books: BookSink
) -> None:
    path = "nodes/Port Qasim/T 2/calibration/accept"
    assert (await ask("POST", path, "qasim")).status == 403
    assert (await ask("POST", "nodes/Sahiwal/calibration/accept", "meter")).status == 403
    assert (await ask("POST", path, "meter")).status == 204
    assert books.accepted == ["Port Qasim/T 2"]
