"""Each fault of the proxy is what the pool's own client sees as that fault."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest
from aiohttp import web

from poolserver.node.rpc import (
    Credentials,
    NodeGarbage,
    NodeHttpError,
    NodeRpc,
    NodeTimeout,
    NodeUnreachable,
)
from tests.torture.fault_proxy import Fault, FaultProxy, Moment, Rule
from tests.torture.gate import LIMIT_BYTES, TcpGate

LONG_BLOCK = "ab" * 500_000


class Node:
    """Answers each call with how many bytes its first parameter had; keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def answer(self, request: web.Request) -> web.Response:
        question = msgspec.json.decode(await request.read())
        self.asked.append(question["method"])
        await self.may_answer.wait()
        params = question["params"]
        size = len(params[0]) if params and isinstance(params[0], str) else 0
        return web.Response(body=msgspec.json.encode({"result": size, "error": None}))


@asynccontextmanager
async def listening(node: Node) -> AsyncIterator[int]:
    app = web.Application(client_max_size=LIMIT_BYTES)
    app.router.add_post("/", node.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@asynccontextmanager
async def between() -> AsyncIterator[tuple[Node, FaultProxy, NodeRpc]]:
    """A node, a proxy before it and the pool's client of the proxy."""
    node = Node()
    async with listening(node) as port:
        proxy = FaultProxy(port)
        async with proxy.running():
            rpc = NodeRpc(proxy.url, Credentials("name", "word"))
            try:
                async with asyncio.timeout(10):
                    yield node, proxy, rpc
            finally:
                await rpc.close()


async def test_calls_pass_over_one_connection_and_are_counted() -> None:
    async with between() as (_, proxy, rpc):
        for _ in range(3):
            assert await rpc.call("submitblock", LONG_BLOCK) == len(LONG_BLOCK)
        assert await rpc.call("getblockcount") == 0
        assert proxy.calls == {"submitblock": 3, "getblockcount": 1}


async def test_a_cut_resets_a_call_that_is_under_way_and_those_that_follow() -> None:
    async with between() as (node, proxy, rpc):
        node.may_answer.clear()
        forwarded = proxy.reached(Moment.FORWARDED, "getblockcount")
        under_way = asyncio.create_task(rpc.call("getblockcount"))
        await forwarded
        proxy.apply(Rule(Fault.CUT))
        with pytest.raises(NodeUnreachable):
            await under_way
        with pytest.raises(NodeUnreachable):
            await rpc.call("getblockcount")
        node.may_answer.set()
        proxy.heal()
        assert await rpc.call("getblockcount") == 0
        assert len(node.asked) == 2


async def test_what_a_black_hole_took_goes_on_once_it_is_lifted() -> None:
    async with between() as (node, proxy, rpc):
        proxy.apply(Rule(Fault.BLACK_HOLE))
        with pytest.raises(NodeTimeout):
            await rpc.call("getblockcount", timeout_s=0.05)
        taken = proxy.reached(Moment.TAKEN, "submitblock")
        waiting = asyncio.create_task(rpc.call("submitblock", "ab"))
        await taken
        assert node.asked == []
        proxy.heal()
        assert await waiting == 2
        assert node.asked == ["submitblock"]  # whoever gave up is not forwarded later


async def test_a_black_hole_holds_the_answers_to_earlier_calls_too() -> None:
    async with between() as (node, proxy, rpc):
        node.may_answer.clear()
        forwarded = proxy.reached(Moment.FORWARDED, "getblocktemplate")
        longpoll = asyncio.create_task(rpc.call("getblocktemplate", {"longpollid": "a"}))
        await forwarded
        proxy.apply(Rule(Fault.BLACK_HOLE))
        answered = proxy.reached(Moment.ANSWERED, "getblocktemplate")
        node.may_answer.set()
        await answered
        assert not longpoll.done()
        proxy.heal()
        assert await longpoll == 0


async def test_what_is_swallowed_is_never_answered() -> None:
    async with between() as (node, proxy, rpc):
        proxy.apply(Rule(Fault.SWALLOW, "submitblock"))
        with pytest.raises(NodeTimeout):
            await rpc.call("submitblock", "ab", timeout_s=0.05)
        assert node.asked == []


async def test_a_slow_node_has_the_call_at_once_and_answers_late() -> None:
    async with between() as (node, proxy, rpc):
        proxy.apply(Rule(Fault.SLOW, "submitblock", seconds=0.1))
        with pytest.raises(NodeTimeout):
            await rpc.call("submitblock", "ab", timeout_s=0.05)
        assert node.asked == ["submitblock"]
        assert await rpc.call("submitblock", "ab") == 2


async def test_errors_of_a_web_server_and_garbage_are_not_forwarded() -> None:
    async with between() as (node, proxy, rpc):
        proxy.apply(Rule(Fault.ERROR_500))
        with pytest.raises(NodeGarbage):  # 500 is also what bitcoind's own errors come with
            await rpc.call("getblockcount")
        proxy.apply(Rule(Fault.ERROR_503))
        with pytest.raises(NodeHttpError):
            await rpc.call("getblockcount")
        proxy.apply(Rule(Fault.GARBAGE))
        with pytest.raises(NodeGarbage):
            await rpc.call("getblockcount")
        assert node.asked == []


async def test_an_answer_is_lost_after_the_node_has_given_it() -> None:
    async with between() as (node, proxy, rpc):
        proxy.apply(Rule(Fault.LOSE_ANSWER, "submitblock", times=1))
        with pytest.raises(NodeUnreachable):
            await rpc.call("submitblock", LONG_BLOCK)
        assert node.asked == ["submitblock"]
        assert await rpc.call("submitblock", "ab") == 2


async def test_of_a_request_that_is_cut_the_node_has_half() -> None:
    async with between() as (node, proxy, rpc):
        proxy.apply(Rule(Fault.CUT_REQUEST, "submitblock"))
        with pytest.raises(NodeUnreachable):
            await rpc.call("submitblock", LONG_BLOCK)
        assert node.asked == []


async def test_a_fault_may_be_that_of_one_method_of_longpolls_or_of_some_calls_alone() -> None:
    async with between() as (_, proxy, rpc):
        proxy.apply(Rule(Fault.CUT, "submitblock", times=2))
        assert await rpc.call("getblockcount") == 0
        for _ in range(2):
            with pytest.raises(NodeUnreachable):
                await rpc.call("submitblock", "ab")
        assert await rpc.call("submitblock", "ab") == 2
        proxy.apply(Rule(Fault.SWALLOW, "getblocktemplate", longpolls_only=True))
        assert await rpc.call("getblocktemplate", {"rules": []}) == 0
        with pytest.raises(NodeTimeout):
            await rpc.call("getblocktemplate", {"longpollid": "a"}, timeout_s=0.05)


async def test_a_call_waits_for_what_is_done_at_a_moment_of_it() -> None:
    async with between() as (node, proxy, rpc):
        seen: list[tuple[Moment, int]] = []
        for moment in Moment:

            async def note(call: object, moment: Moment = moment) -> None:
                seen.append((moment, len(node.asked)))

            proxy.at(moment, "submitblock", note)
        assert await rpc.call("submitblock", "ab") == 2
        assert [moment for moment, _ in seen] == list(Moment)
        assert seen[0] == (Moment.TAKEN, 0)
        assert seen[-1] == (Moment.ANSWERED, 1)
        assert await rpc.call("submitblock", "ab") == 2
        assert len(seen) == len(Moment)  # each once


async def test_a_client_sees_that_the_node_has_ended_an_idle_connection() -> None:
    async def end_at_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(end_at_once, "127.0.0.1", 0)
    proxy = FaultProxy(server.sockets[0].getsockname()[1])
    async with server, proxy.running(), asyncio.timeout(5):
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        assert await reader.read() == b""
        writer.close()


async def test_a_gate_passes_any_bytes_until_it_is_held_or_cut() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(100):
            writer.write(data)
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    gate = TcpGate(server.sockets[0].getsockname()[1])
    async with server, gate.running(), asyncio.timeout(5):
        reader, writer = await asyncio.open_connection("127.0.0.1", gate.port)
        writer.write(b"\x00tip")
        assert await reader.readexactly(4) == b"\x00tip"
        gate.hold()
        writer.write(b"late")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await reader.read(1)
        gate.heal()
        assert await reader.readexactly(4) == b"late"
        gate.cut()
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()
        gate.heal()
        reader, writer = await asyncio.open_connection("127.0.0.1", gate.port)
        writer.write(b"tip")
        assert await reader.readexactly(3) == b"tip"
        writer.close()
