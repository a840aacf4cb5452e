"""A proxy before a node's RPC that spoils the answers to one method when it is told to."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import msgspec
from aiohttp import web

from poolserver.node.process import BitcoindProcess
from poolserver.node.rpc import ANSWER_LIMIT_BYTES, Credentials, NodeRpc


class FaultyNode:
    """``fault`` is what happens to getblocktemplate: "" (nothing), "500", "garbage" or "slow".

    A slow one answers longpolls slowly too; ``slow_s`` is how much.
    """

    def __init__(self, node: BitcoindProcess, url: str) -> None:
        self.node = node
        self.url = url
        self.username, self.password = node.username, node.password
        self.zmq_endpoint = node.zmq_endpoint
        self.fault = ""
        self.slow_s = 10.0
        self.proposals = 0

    def new_rpc(self) -> NodeRpc:
        return NodeRpc(self.url, Credentials(self.username, self.password))

    async def _spoil(self) -> web.Response | None:
        match self.fault:
            case "500":
                return web.Response(status=500, text="Internal Server Error")
            case "garbage":
                return web.Response(text='{"result": {"version": "none"}, "error": null}')
            case "slow":
                await asyncio.sleep(self.slow_s)
        return None

    async def answer(self, session: aiohttp.ClientSession, request: web.Request) -> web.Response:
        body = await request.read()
        headers = {"Authorization": request.headers["Authorization"]}
        call = msgspec.json.decode(body)
        is_template = call["method"] == "getblocktemplate"
        if is_template and call["params"][0].get("mode") == "proposal":
            self.proposals += 1
        if is_template and self.fault in ("500", "garbage"):
            spoiled = await self._spoil()
            assert spoiled is not None
            return spoiled
        async with session.post(self.node.url, data=body, headers=headers) as answer:
            status, content = answer.status, await answer.read()
        if is_template:  # a longpoll that waited has its answer spoiled too
            spoiled = await self._spoil()
            if spoiled is not None:
                return spoiled
        return web.Response(status=status, body=content)


@asynccontextmanager
async def before(node: BitcoindProcess) -> AsyncIterator[FaultyNode]:
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        app = web.Application(client_max_size=ANSWER_LIMIT_BYTES)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        faulty = FaultyNode(node, "")

        async def answer(request: web.Request) -> web.Response:
            try:
                return await faulty.answer(session, request)
            except aiohttp.ClientError as error:
                return web.Response(status=502, text=str(error))

        app.router.add_post("/", answer)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        assert site._server is not None
        port = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
        faulty.url = f"http://127.0.0.1:{port}"
        try:
            yield faulty
        finally:
            await runner.cleanup()
