"""Whatever is sent to the API, byte by byte, is answered, and an error as a problem."""

import asyncio
from contextlib import suppress

import msgspec
import pytest
from structlog.testing import capture_logs

from poolserver.api import router
from poolserver.api.endpoint import Call, Endpoint
from poolserver.api.problem import PROBLEMS, Problem
from tests.unit.api.asking import serving, token

GET = b"GET /api/v1/read"
HOST = b"Host: localhost\r\n"
PUT = b"PUT /api/v1/write HTTP/1.1\r\n" + HOST + b"Authorization: Bearer writer\r\n"
CHUNKED = PUT + b"Transfer-Encoding: chunked\r\n\r\n"
BODY = b"Content-Length: 4\r\n\r\nword"

REFUSED = {
    "a line too long": (GET + b"?q=" + b"a" * 9000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "a header too long": (GET + b" HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 9000 + b"\r\n\r\n", 400),
    "too many headers": (GET + b" HTTP/1.1\r\n" + HOST + b"X: a\r\n" * 200 + b"\r\n", 400),
    "no host": (GET + b" HTTP/1.1\r\n\r\n", 400),
    "an odd version": (GET + b" HTTP/3.0\r\n" + HOST + b"\r\n", 400),
    "an odd method": (b"BREW /api/v1/read HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "no UTF-8": (b"GET /api/v1/\xff HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    "no length": (PUT + b"Content-Length: many\r\n\r\n", 400),
    "two lengths": (PUT + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "a chunk that is none": (CHUNKED + b"zz\r\n", 400),
    "a chunk that is none later": (CHUNKED + b"3\r\nabc\r\nzz\r\n", 400),
    "an odd expectation": (PUT + b"Expect: miracles\r\n" + BODY, 400),
    "no such path": (b"GET /api/v1/nothing HTTP/1.1\r\n" + HOST + b"\r\n", 404),
    "no such path, expecting": (b"GET /api/v1/no HTTP/1.1\r\n" + HOST + b"Expect: x\r\n\r\n", 400),
    "another method": (b"DELETE /api/v1/read HTTP/1.1\r\n" + HOST + b"\r\n", 405),
    "a long body": (PUT + b"Content-Length: 9000\r\n\r\n" + b"a" * 9000, 413),
    "an unknown coding": (PUT + b"Content-Encoding: zorp\r\n" + BODY, 415),
    "a coding that others know": (PUT + b"Content-Encoding: br\r\n" + BODY, 415),
    "a coding that it is not": (PUT + b"Content-Encoding: gzip\r\n" + BODY, 415),
}


async def _read(call: Call) -> str:
    return "read"


async def _write(call: Call) -> int:
    return len(call.body)


def endpoints() -> list[Endpoint]:
    return [
        Endpoint("GET", "/read", "", _read),
        Endpoint("PUT", "/write", "", _write, scope="budget"),
    ]


async def answer_to(port: int, *sent: bytes, ends: bool = False) -> bytes:
    """Up to the end of its JSON."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for each in sent:
            writer.write(each)
            await writer.drain()
        if ends:
            writer.write_eof()
        return await reader.readuntil(b"}")
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


def problem_of(answer: bytes) -> Problem:
    head, _, body = answer.partition(b"\r\n\r\n")
    problem = msgspec.json.decode(body, type=Problem)
    assert b"content-type: application/problem+json" in head.lower()
    assert int(head.split()[1]) == problem.status
    assert PROBLEMS[problem.code] == (problem.status, problem.title)
    return problem


@pytest.mark.parametrize("why", REFUSED)
async def test_each_refusal_is_a_problem(why: str) -> None:
    sent, status = REFUSED[why]
    with capture_logs() as lines:
        async with serving(endpoints(), [token("writer", "budget")]) as ask, asyncio.timeout(10):
            problem = problem_of(await answer_to(ask.port, sent))
    assert problem.status == status
    assert problem.detail
    assert "\n" not in problem.detail
    assert "api_failed" not in [line["event"] for line in lines]


@pytest.mark.parametrize("then", [b"", b"zz\r\n"])
async def test_a_body_that_goes_wrong_later_is_a_problem(
    then: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(router, "BODY_WITHIN_S", 0.2)
    async with serving(endpoints(), [token("writer", "budget")]) as ask, asyncio.timeout(10):
        answer = await answer_to(ask.port, CHUNKED + b"3\r\nabc\r\n", then)
    # The library tells of a chunk only where it has not begun to give the body away.
    assert problem_of(answer).status in ((408, 400) if then else (408,))


async def test_one_who_leaves_in_the_middle_of_its_body_is_no_fault_of_ours() -> None:
    with capture_logs() as lines:
        async with serving(endpoints(), [token("writer", "budget")]) as ask, asyncio.timeout(10):
            with suppress(asyncio.IncompleteReadError):
                await answer_to(ask.port, CHUNKED + b"3\r\nabc\r\n", ends=True)
    assert [line["event"] for line in lines] in ([], ["api_refused"])


async def test_an_identity_is_no_coding() -> None:
    async with serving(endpoints(), [token("writer", "budget")]) as ask:
        answer = await ask("PUT", "/write", "writer", b"word", {"Content-Encoding": "identity"})
    assert (answer.status, answer.body) == (200, 4)
