"""What is alike for all calls, by a real server: who is let in, what is read and answered."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any

import msgspec
import pytest
from aiohttp.test_utils import make_mocked_request
from msgspec import Meta
from structlog.testing import capture_logs

from poolserver.api import edge, router
from poolserver.api.access import Access
from poolserver.api.encoding import encoded
from poolserver.api.endpoint import Call, Endpoint
from poolserver.api.problem import ApiError
from poolserver.api.tokens import Token, Tokens, hash_of
from tests.unit.api.asking import Asker, serving, token

SECRET = "the password is swordfish"  # noqa: S105


class Query(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    count: Annotated[int, Meta(ge=0, le=10)] = 1
    only: bool = False
    name: str | None = None


class Memory:
    """A record in memory, which may be full."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []
        self.is_full = False

    async def intend(self, endpoint: Endpoint, call: Call, path: str) -> int:
        if self.is_full:
            raise ApiError("not_recorded")
        self.lines.append((f"{call.named.name} {path} {call.body.decode()}", ""))
        return len(self.lines) - 1

    async def ended(self, number: int, outcome: str) -> None:
        self.lines[number] = (self.lines[number][0], outcome)

    async def refused(self, endpoint: Endpoint, call: Call, path: str, outcome: str) -> None:
        self.lines.append((f"{call.named.name} {path} {call.body.decode()}", outcome))


class Stage:
    """What the endpoints do."""

    def __init__(self) -> None:
        self.shared: object = {"large": ["x" * 100] * 1000}
        self.done: list[bytes] = []
        self.entered, self.go_on = asyncio.Event(), asyncio.Event()
        self.record = Memory()

    def endpoints(self) -> list[Endpoint]:
        async def echo(call: Call) -> dict[str, Any]:
            return msgspec.to_builtins(call.query) | call.path

        async def shared(call: Call) -> object:
            return self.shared

        async def slow(call: Call) -> dict[str, Any]:
            self.entered.set()
            await self.go_on.wait()
            return {}

        async def buggy(call: Call) -> dict[str, Any]:
            raise RuntimeError(SECRET)

        async def private(call: Call) -> dict[str, Any]:
            return {"by": call.by}

        async def write(call: Call) -> None:
            if call.body == b"no":
                raise ApiError("refused", "it says no")
            if call.body == b"bug":
                raise RuntimeError(SECRET)
            self.done.append(call.body)

        return [
            Endpoint("GET", "/echo/{part:.+}", "", echo, query=Query),
            Endpoint("GET", "/shared", "", shared, is_shared=True),
            Endpoint("GET", "/slow", "", slow, most_at_once=1),
            Endpoint("GET", "/large", "", shared, is_shared=True, most_at_once=1),
            Endpoint("GET", "/buggy", "", buggy),
            Endpoint("GET", "/private", "", private, is_private=True),
            Endpoint(
                "PUT",
                "/write/{node:.+}",
                "",
                write,
                scope="budget",
                node_of=lambda call: call.path["node"],
                most_bytes=100,
            ),
        ]


TOKENS = [token("reader", "read"), token("writer", "budget", nodes=["S"])]


@pytest.fixture
async def stage() -> Stage:
    return Stage()


@pytest.fixture
async def ask(stage: Stage) -> AsyncIterator[Asker]:
    async with serving(stage.endpoints(), TOKENS, stage.record) as asker:
        yield asker


# --- reading ---------------------------------------------------------------------------------


async def test_parameters_are_typed_and_parts_of_the_path_as_they_were_meant(ask: Asker) -> None:
    answer = await ask("GET", "/echo/a/b%2Fc%20ä?count=3&only=true&name=null")
    assert answer.body == {"count": 3, "only": True, "name": "null", "part": "a/b/c ä"}


@pytest.mark.parametrize(
    "query",
    [
        "none=1",
        "count=1&count=2",
        "count=11",
        "count=-1",
        "count=1.0",
        "count=1e1",
        "count=%2B1",
        "count=٣",
        "count=null",
        "count=",
        f"count={2**70}",
        "count=NaN",
        "only=1",
        "only=True",
        "only=",
    ],
)
async def test_what_is_mistyped_is_refused(ask: Asker, query: str) -> None:
    answer = await ask("GET", f"/echo/x?{query}")
    assert (answer.status, answer.code) == (400, "bad_request")


async def test_what_is_known_is_not_sent_again(ask: Asker, stage: Stage) -> None:
    first = await ask("GET", "/shared")
    etag = first.headers["ETag"]
    for known in (etag, f'"x", W/{etag}', f'W/"y",{etag},"z"', "*"):
        again = await ask("GET", "/shared", headers={"If-None-Match": known})
        assert (again.status, again.body, again.headers["ETag"]) == (304, None, etag)
    for unknown in ('"x"', etag.strip('"'), '"*"', "", '"', "W/"):
        assert (await ask("GET", "/shared", headers={"If-None-Match": unknown})).status == 200
    stage.shared = {"other": 1}
    assert (await ask("GET", "/shared", headers={"If-None-Match": etag})).status == 200


async def test_head_is_as_get_without_its_body(ask: Asker) -> None:
    head, get = await ask("HEAD", "/shared"), await ask("GET", "/shared")
    assert (head.status, head.body) == (200, None)
    assert head.headers["ETag"] == get.headers["ETag"]
    assert head.headers["Content-Length"] == get.headers["Content-Length"]


async def test_options_and_other_methods_are_told_what_there_is(ask: Asker) -> None:
    options = await ask("OPTIONS", "/write/S")
    assert (options.status, options.headers["Allow"]) == (204, "PUT")
    assert "Access-Control-Allow-Origin" not in options.headers
    other = await ask("POST", "/write/S")
    assert (other.code, other.headers["Allow"]) == ("method_not_allowed", "PUT")
    assert (await ask("GET", "/nothing")).code == "not_found"


async def test_no_answer_is_taken_for_a_page(ask: Asker) -> None:
    for path in ("/shared", "/nothing", "/buggy"):
        assert (await ask("GET", path)).headers["X-Content-Type-Options"] == "nosniff"
    assert (await ask("GET", "/private")).headers["Cache-Control"] == "no-store"


async def test_a_bug_is_logged_and_told_nobody(ask: Asker) -> None:
    with capture_logs() as logs:
        answer = await ask("GET", "/buggy")
    assert (answer.status, answer.code) == (500, "internal")
    assert SECRET not in str(answer.body)
    (line,) = [each for each in logs if each["event"] == "api_failed"]
    assert SECRET in line["reason"]
    assert line["exc_info"]


async def test_of_what_asks_a_thread_only_so_many_are_let_in(ask: Asker, stage: Stage) -> None:
    first = asyncio.create_task(ask("GET", "/slow"))
    await stage.entered.wait()
    assert (await ask("GET", "/slow")).code == "too_many"
    stage.go_on.set()
    assert (await first).status == 200
    assert (await ask("GET", "/slow")).status == 200


async def test_who_does_not_read_is_let_go(
    ask: Asker, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edge, "WRITE_WITHIN_S", 0.05)
    stage.shared = "x" * (32 << 20)  # more than the buffers of a connection on this machine
    port = ask.session._base_url.port  # type: ignore[union-attr]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /api/v1/large HTTP/1.1\r\nHost: localhost\r\n\r\n")
    async with asyncio.timeout(20):
        while (await ask("HEAD", "/large")).status != 429:
            pass
        while (await ask("HEAD", "/large")).status == 429:
            pass
    with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
        await reader.readexactly(32 << 20)
    writer.close()


# --- who is let in ---------------------------------------------------------------------------


async def test_from_trusted_networks_whoever_asks_reads_and_others_with_a_token(
    stage: Stage,
) -> None:
    async with serving(stage.endpoints(), TOKENS, read_from=["10.0.0.0/8"]) as ask:
        assert (await ask("GET", "/echo/x")).code == "token_needed"
        assert (await ask("GET", "/echo/x", "reader")).status == 200
        assert (await ask("GET", "/echo/x", "writer")).code == "not_for_this"


async def test_what_is_private_needs_a_token_from_wherever(ask: Asker) -> None:
    assert (await ask("GET", "/private")).code == "token_needed"
    assert (await ask("GET", "/private", "reader")).body == {"by": "token:reader"}


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"X-Forwarded-For": "127.0.0.1"}, "token_needed"),
        ({"Forwarded": "for=127.0.0.1"}, "token_needed"),
        ({"Host": "evil.example"}, "wrong_host"),
        ({"Host": "evil.example:80"}, "wrong_host"),
        ({"Authorization": "Bearer x"}, "token_needed"),
    ],
)
async def test_a_proxys_clients_and_pages_of_others_do_not_read(
    ask: Asker, headers: dict[str, str], code: str
) -> None:
    assert (await ask("GET", "/echo/x", headers=headers)).code == code


def test_a_token_ends_by_itself() -> None:
    ending = Token("x", hash_of("x"), frozenset({"read"}), ("/",), 1000.0)
    now_s = [1000.0]
    access = Access(Tokens([ending]), unix_time=lambda: now_s[0])
    request = make_mocked_request("GET", "/", headers={"Authorization": "Bearer x"})
    assert access.admit(request, "read") is ending
    now_s[0] += 0.001
    with pytest.raises(ApiError, match="not good any more"):
        access.admit(request, "read")


# --- writing ---------------------------------------------------------------------------------


async def test_each_write_is_recorded_before_it_is_done_with_its_outcome(
    ask: Asker, stage: Stage
) -> None:
    for body, status in ((b"yes", 204), (b"no", 422), (b"bug", 500)):
        assert (await ask("PUT", "/write/S?", "writer", body)).status == status
    assert stage.record.lines == [
        ("writer /api/v1/write/S yes", "done"),
        ("writer /api/v1/write/S no", "refused"),
        ("writer /api/v1/write/S bug", "internal"),
    ]
    assert stage.done == [b"yes"]


async def test_what_is_refused_before_is_recorded_too_if_it_is_known_whose_it_is(
    ask: Asker, stage: Stage
) -> None:
    assert (await ask("PUT", "/write/T", "writer", b"yes")).code == "not_for_this"
    assert (await ask("PUT", "/write/S", "reader", b"yes")).code == "not_for_this"
    assert (await ask("PUT", "/write/S?x=1", "writer", b"yes")).code == "bad_request"
    assert (await ask("PUT", "/write/S", "writer", b"x" * 101)).code == "too_long"
    assert (await ask("PUT", "/write/S", body=b"yes")).code == "token_needed"
    assert [outcome for _, outcome in stage.record.lines] == [
        "not_for_this",
        "not_for_this",
        "bad_request",
        "too_long",
    ]
    assert stage.done == []


async def test_what_cannot_be_recorded_is_not_done(ask: Asker, stage: Stage) -> None:
    stage.record.is_full = True
    answer = await ask("PUT", "/write/S", "writer", b"yes")
    assert (answer.status, answer.code) == (500, "not_recorded")
    assert stage.done == []


async def test_a_body_that_does_not_come_is_not_waited_for(
    ask: Asker, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(router, "BODY_WITHIN_S", 0.05)

    async def stuck() -> AsyncIterator[bytes]:
        yield b"a"
        await asyncio.Event().wait()

    async with asyncio.timeout(10):
        async with ask.session.put(
            "/api/v1/write/S", data=stuck(), headers={"Authorization": "Bearer writer"}
        ) as answer:
            assert answer.status == 408


def test_an_etag_is_of_the_bytes() -> None:
    assert encoded([1]).etag == encoded([1]).etag != encoded([2]).etag
