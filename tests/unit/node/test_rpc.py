"""What a node may answer, and what each answer is called; against an HTTP server of our own."""

import asyncio
import socket
from base64 import b64decode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from hypothesis import given
from hypothesis import strategies as st

from poolserver.mining.template import GetBlockTemplate
from poolserver.node import rpc as rpc_module
from poolserver.node.rpc import (
    Credentials,
    NodeAuthError,
    NodeError,
    NodeGarbage,
    NodeHttpError,
    NodeRpc,
    NodeTimeout,
    NodeUnreachable,
    NodeWarmingUp,
    RpcError,
)
from tests.unit import made_up

Handler = Callable[[web.Request], Awaitable[web.Response]]
Observed = list[tuple[str, str | None]]


class Tip(msgspec.Struct):
    height: int


@asynccontextmanager
async def node(
    handler: Handler, credentials: Credentials | None = None, observed: Observed | None = None
) -> AsyncIterator[NodeRpc]:
    app = web.Application(client_max_size=rpc_module.ANSWER_LIMIT_BYTES)
    app.router.add_post("/", handler)

    def observe(method: str, seconds: float, error_kind: str | None) -> None:
        if observed is not None:
            observed.append((method, error_kind))

    async with TestServer(app) as server:
        rpc = NodeRpc(
            str(server.make_url("/")),
            credentials or Credentials("pool", "secret-word"),
            observe=observe,
        )
        try:
            yield rpc
        finally:
            await rpc.close()


def answering(body: str | bytes, status: int = 200) -> Handler:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(body=body, status=status)

    return handler


def plain(authorization: str) -> str:
    return b64decode(authorization.removeprefix("Basic ")).decode()


async def test_a_result_is_decoded_as_the_type_that_was_asked_for() -> None:
    async with node(answering('{"result":{"height":7,"more":1},"error":null,"id":0}')) as rpc:
        assert await rpc.call("tip", type=Tip) == Tip(7)


async def test_a_call_carries_its_method_and_parameters_and_login() -> None:
    seen: list[Any] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append((await request.json(), request.headers["Authorization"]))
        return web.Response(body=b'{"result":null,"error":null}')

    async with node(handler) as rpc:
        assert await rpc.call("getblockheader", "00ff", True, type=str | None) is None
    ((body, login),) = seen
    assert (body["method"], body["params"]) == ("getblockheader", ["00ff", True])
    assert plain(login) == "pool:secret-word"


async def test_a_question_of_megabytes_arrives_whole_and_with_its_length() -> None:
    seen: list[Any] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append((await request.json(), request.content_length))
        return web.Response(body=b'{"result":null,"error":null}')

    block = "00ff" * 1_000_000
    async with node(handler) as rpc:
        await rpc.call("submitblock", block, type=str | None)
    ((body, length),) = seen
    assert body["params"] == [block]
    assert length == len(msgspec.json.encode(body))


async def test_a_big_answer_is_decoded_like_a_small_one() -> None:
    numbers = list(range(100_000))
    body = msgspec.json.encode({"result": numbers, "error": None})
    assert len(body) > rpc_module.OFF_LOOP_BYTES
    async with node(answering(body)) as rpc:
        assert await rpc.call("numbers", type=list[int]) == numbers


@pytest.mark.parametrize("status", [200, 404, 500])
async def test_the_nodes_own_error_has_its_code_and_message(status: int) -> None:
    body = '{"result":null,"error":{"code":-5,"message":"Block not found"},"id":0}'
    async with node(answering(body, status)) as rpc:
        with pytest.raises(RpcError, match="Block not found") as caught:
            await rpc.call("getblockheader", "00", type=Tip)
    assert caught.value.code == -5


async def test_a_node_that_is_starting_says_so() -> None:
    body = '{"result":null,"error":{"code":-28,"message":"Loading block index…"},"id":0}'
    async with node(answering(body, 500)) as rpc:
        with pytest.raises(NodeWarmingUp, match="Loading"):
            await rpc.call("getblockcount")


@pytest.mark.parametrize("status", [200, 404, 500])
@pytest.mark.parametrize(
    "body", ["{}", '{"message":"no Route matched"}', '{"error":null}', '{"id":0,"error":null}']
)
async def test_json_without_a_result_is_no_good_news(body: str, status: int) -> None:
    async with node(answering(body, status)) as rpc:
        with pytest.raises(NodeGarbage, match="neither a result nor an error"):
            await rpc.call("submitblock", "00", type=str | None)


@pytest.mark.parametrize("status", [404, 500])
async def test_a_result_comes_with_status_200(status: int) -> None:
    async with node(answering('{"result":null,"error":null,"id":0}', status)) as rpc:
        with pytest.raises(NodeGarbage, match="neither a result nor an error"):
            await rpc.call("submitblock", "00", type=str | None)


async def test_a_cookie_that_is_no_text_is_a_login_that_failed(tmp_path: Path) -> None:
    cookie = tmp_path / ".cookie"
    cookie.write_bytes(b"\xff\xfe")
    rpc = NodeRpc("http://127.0.0.1:1", Credentials(None, None, cookie))
    with pytest.raises(NodeAuthError, match="is not text"):
        await rpc.call("getblockcount")
    await rpc.close()


@pytest.mark.parametrize("status", [301, 400, 503])
async def test_another_status_is_an_http_error_that_has_it(status: int) -> None:
    async with node(answering("Work queue depth exceeded", status)) as rpc:
        with pytest.raises(NodeHttpError, match=f"status {status}") as caught:
            await rpc.call("getblockcount")
    assert caught.value.status == status


@pytest.mark.parametrize(
    "body", ["", "<html>", "[]", '{"result":{"height":"7"}}', '{"result":null}', '{"error":7}']
)
async def test_an_answer_of_another_shape_is_garbage(body: str) -> None:
    async with node(answering(body)) as rpc:
        with pytest.raises(NodeGarbage, match="tip"):
            await rpc.call("tip", type=Tip)


async def test_an_answer_without_end_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rpc_module, "ANSWER_LIMIT_BYTES", 1000)
    async with node(answering(b" " * 1001)) as rpc:
        with pytest.raises(NodeGarbage, match="over 1000 bytes"):
            await rpc.call("getblockcount")


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refused_login_never_shows_the_password(status: int) -> None:
    async with node(answering("", status)) as rpc:
        with pytest.raises(NodeAuthError, match="refused") as caught:
            await rpc.call("getblockcount")
        assert "secret-word" not in f"{caught.value!r} {caught.value} {rpc!r} {vars(rpc)}"


async def test_the_cookie_is_read_anew_since_the_node_rewrites_it(tmp_path: Path) -> None:
    cookie = tmp_path / ".cookie"
    logins: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        logins.append(plain(request.headers["Authorization"]))
        return web.Response(body=b'{"result":1}')

    async with node(handler, Credentials(None, None, cookie)) as rpc:
        for password in ("first", "second"):
            cookie.write_text(f"__cookie__:{password}\n")
            await rpc.call("getblockcount")
    assert logins == ["__cookie__:first", "__cookie__:second"]


async def test_no_answer_in_time_is_a_timeout() -> None:
    done = asyncio.Event()

    async def handler(request: web.Request) -> web.Response:
        await done.wait()
        return web.Response()

    async with node(handler) as rpc:
        with pytest.raises(NodeTimeout, match=r"no answer within 0\.05 s"):
            await rpc.call("getblockcount", timeout_s=0.05)
        done.set()


async def test_a_closed_port_is_unreachable() -> None:
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        rpc = NodeRpc(f"http://127.0.0.1:{unheard.getsockname()[1]}", Credentials("u", "p"))
        with pytest.raises(NodeUnreachable):
            await rpc.call("getblockcount")
        await rpc.close()


async def test_every_call_is_observed_and_a_long_poll_is_told_from_the_others() -> None:
    observed: Observed = []
    async with node(answering('{"result":1}'), observed=observed) as rpc:
        await rpc.call("getblocktemplate")
        await rpc.call("getblocktemplate", timeout_s=None)
        with pytest.raises(NodeGarbage):
            await rpc.call("getblockcount", type=str)
    assert observed == [
        ("getblocktemplate", None),
        ("longpoll", None),
        ("getblockcount", "garbage"),
    ]


def test_a_connection_notices_by_itself_that_the_peer_is_gone() -> None:
    made = rpc_module._kept_alive_socket((socket.AF_INET, socket.SOCK_STREAM, 0, "", ("", 0)))
    with made:
        assert made.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1


@given(st.binary(max_size=200) | st.integers(1, 5000).map(lambda depth: b"[" * depth))
def test_no_answer_raises_anything_but_a_node_error(answer: bytes) -> None:
    with pytest.raises(NodeError):
        rpc_module._decode("tip", 200, [answer], Tip)
    with pytest.raises(NodeError):
        rpc_module._decode("getblocktemplate", 200, [answer], GetBlockTemplate)


async def test_a_templates_transactions_come_in_columns() -> None:
    given = made_up.result([made_up.transaction(Random(n)) for n in range(3)])
    async with node(answering(made_up.answer(given))) as rpc:
        template: GetBlockTemplate = await rpc.call("getblocktemplate", type=GetBlockTemplate)
    assert template.height == given["height"]
    assert template.transactions.count == 3
    data = "".join(each["data"] for each in given["transactions"])
    assert template.transactions.data_hex.decode() == data
    assert list(template.transactions.fees_sat) == [1000] * 3


async def test_a_template_of_megabytes_comes_like_a_small_one() -> None:
    async with node(answering(made_up.full_answer(count=500))) as rpc:
        template: GetBlockTemplate = await rpc.call("getblocktemplate", type=GetBlockTemplate)
    assert template.transactions.count == 500


@pytest.mark.parametrize(
    "body",
    [
        '{"result":null,"error":null}',
        '{"result":{"transactions":[{"data":"00"}]},"error":null}',
        made_up.answer(made_up.result([]) | {"transactions": {}}),
        made_up.answer(made_up.result([]) | {"transactions": [[]]}),
        made_up.answer(made_up.result([], height=None)),
        made_up.answer(made_up.result([]))[:-2],
    ],
)
async def test_what_is_no_template_is_garbage(body: str | bytes) -> None:
    async with node(answering(body)) as rpc:
        with pytest.raises(NodeGarbage, match="getblocktemplate"):
            await rpc.call("getblocktemplate", type=GetBlockTemplate)


async def test_a_refused_template_has_the_nodes_own_words() -> None:
    body = '{"result":null,"error":{"code":-9,"message":"is not connected!"},"id":0}'
    async with node(answering(body, 500)) as rpc:
        with pytest.raises(RpcError, match="not connected"):
            await rpc.call("getblocktemplate", type=GetBlockTemplate)
