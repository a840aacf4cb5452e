"""A proxy between the pool and a node, in which a network or a node goes wrong on order.

It knows as much of HTTP and JSON-RPC as it takes to tell the calls apart: a fault may be that of
one method, and a test may act at a moment of a call, as when all of it has been forwarded and
nothing was answered. ``TcpGate`` does the same for a stream that nobody looks into, as ZMQ's.

It speaks to loopback only.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from tests.torture.gate import CHUNK_BYTES, LOOPBACK, Gone, Reader, Reset, TcpGate, unless_gone


class Fault(Enum):
    """What becomes of a call.

    ``CUT`` and ``BLACK_HOLE`` of every method are faults of the network: they also hit the
    answers that are still to come to calls made before.
    """

    CUT = "cut"
    """The connection is reset."""
    BLACK_HOLE = "black hole"
    """Taken and not forwarded, until it is lifted; a call whose client waited goes on then."""
    SWALLOW = "swallow"
    """Taken and never answered, as by a firewall that forgot the connection."""
    SLOW = "slow"
    """Forwarded at once and answered so many seconds later."""
    ERROR_500 = "500"
    """A web server's own error, which is no answer of JSON-RPC; nothing is forwarded."""
    ERROR_503 = "503"
    """What bitcoind says when its queue of calls is full; nothing is forwarded."""
    GARBAGE = "garbage"
    """200, and a body that is no answer of JSON-RPC; nothing is forwarded."""
    LOSE_ANSWER = "lose answer"
    """Forwarded, and when the node has answered the connection is reset."""
    CUT_REQUEST = "cut request"
    """Half of it is forwarded, then both connections are reset."""


class Moment(Enum):
    """A moment of a call at which a test may act; the call waits for it."""

    TAKEN = "taken"
    """All of the request is here and none of it forwarded."""
    HALF = "half"
    """Half of the request's body is forwarded."""
    FORWARDED = "forwarded"
    """All of the request is forwarded."""
    ANSWERED = "answered"
    """The node has answered and the answer is about to be returned."""


class Call(NamedTuple):
    """One call as it passes."""

    method: str
    is_longpoll: bool
    body: bytes


@dataclass(frozen=True)
class Rule:
    """``fault`` for the calls of ``method``, for all without one; the last ``times`` calls alone.

    ``longpolls_only``: of getblocktemplate only those that wait for news.
    """

    fault: Fault
    method: str | None = None
    seconds: float = 0.0
    times: int | None = None
    longpolls_only: bool = False

    def holds_for(self, call: Call) -> bool:
        """Whether ``call`` is one of those."""
        return self.method in (None, call.method) and (call.is_longpoll or not self.longpolls_only)


class FaultProxy(TcpGate):
    """JSON-RPC over HTTP, as the pool's client and bitcoind speak it."""

    def __init__(self, upstream_port: int) -> None:
        super().__init__(upstream_port)
        self._rule: Rule | None = None
        self._left: int | None = None
        self._lifted = asyncio.Event()
        self._actions: dict[tuple[Moment, str], Callable[[Call], Awaitable[None]]] = {}
        self.calls: Counter[str] = Counter()
        """How many calls of each method came."""

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    def apply(self, rule: Rule) -> None:
        """The fault from now on, in place of any other."""
        self.heal()
        self._rule, self._left, self._lifted = rule, rule.times, asyncio.Event()
        if rule.fault is Fault.CUT and rule.method is None:
            self.cut()

    def heal(self) -> None:
        """All passes again; actions that were not come to are forgotten."""
        super().heal()
        self._rule = None
        self._lifted.set()
        self._actions.clear()

    def at(self, moment: Moment, method: str, action: Callable[[Call], Awaitable[None]]) -> None:
        """Do this once, at that moment of the next call of ``method``."""
        self._actions[moment, method] = action

    def reached(self, moment: Moment, method: str) -> "asyncio.Future[Call]":
        """Done at that moment of the next call of ``method``, which is held up for a turn."""
        reached: asyncio.Future[Call] = asyncio.get_running_loop().create_future()

        async def tell(call: Call) -> None:
            reached.set_result(call)
            await asyncio.sleep(0)

        self.at(moment, method, tell)
        return reached

    # --- one call after the other --------------------------------------------------------

    async def _pass(
        self,
        reader: Reader,
        writer: asyncio.StreamWriter,
        answers: Reader,
        node: asyncio.StreamWriter,
    ) -> None:
        while True:
            # A node ends a connection that is idle for long, and the client must see that.
            head = await unless_gone(answers, reader.readuntil(b"\r\n\r\n"))
            body = await reader.readexactly(_content_length(head))
            call = _call(body)
            self.calls[call.method] += 1
            fault = self._fault_of(call)
            await unless_gone(reader, self._one(fault, call, head, writer, answers, node))

    def _fault_of(self, call: Call) -> Rule | None:
        rule = self._rule
        if rule is None or not rule.holds_for(call):
            return None
        if self._left is not None:
            if self._left == 0:
                return None
            self._left -= 1
        return rule

    async def _one(
        self,
        rule: Rule | None,
        call: Call,
        head: bytes,
        writer: asyncio.StreamWriter,
        answers: asyncio.StreamReader,
        node: asyncio.StreamWriter,
    ) -> None:
        fault = rule.fault if rule is not None else None
        await self._act(Moment.TAKEN, call)
        match fault:
            case Fault.CUT:
                raise Reset
            case Fault.BLACK_HOLE:
                await self._lifted.wait()
            case Fault.SWALLOW:
                await asyncio.get_running_loop().create_future()
            case Fault.ERROR_500:
                await _answer(writer, "500 Internal Server Error", b"<h1>out of order</h1>")
                return
            case Fault.ERROR_503:
                await _answer(writer, "503 Service Unavailable", b"Work queue depth exceeded")
                return
            case Fault.GARBAGE:
                await _answer(writer, "200 OK", b'{"result": {"height": "many"')
                return
        await self._forward(fault, call, head, node)
        answer_head = await answers.readuntil(b"\r\n\r\n")
        size = _content_length(answer_head)
        if fault is Fault.LOSE_ANSWER:
            await answers.readexactly(size)
        elif rule is not None and fault is Fault.SLOW:
            await asyncio.sleep(rule.seconds)
        await self._act(Moment.ANSWERED, call)
        await self._network_lets_pass()
        if fault is Fault.LOSE_ANSWER:
            raise Reset
        writer.write(answer_head)
        await _copy(answers, writer, size)

    async def _forward(
        self, fault: Fault | None, call: Call, head: bytes, node: asyncio.StreamWriter
    ) -> None:
        half = len(call.body) // 2
        node.write(head + call.body[:half])
        if fault is Fault.CUT_REQUEST or (Moment.HALF, call.method) in self._actions:
            await node.drain()
            await self._act(Moment.HALF, call)
        if fault is Fault.CUT_REQUEST:
            raise Reset
        node.write(call.body[half:])
        await node.drain()
        await self._act(Moment.FORWARDED, call)

    async def _network_lets_pass(self) -> None:
        """A fault of the network that began after the call."""
        if self._rule == Rule(Fault.BLACK_HOLE):
            await self._lifted.wait()

    async def _act(self, moment: Moment, call: Call) -> None:
        action = self._actions.pop((moment, call.method), None)
        if action is not None:
            # It is done to its end, also where it ends the client, and so this call.
            await asyncio.shield(asyncio.ensure_future(action(call)))


def _call(body: bytes) -> Call:
    question = json.loads(body)
    params = question["params"]
    is_longpoll = bool(params) and isinstance(params[0], dict) and "longpollid" in params[0]
    return Call(question["method"], is_longpoll, body)


def _content_length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name == b"content-length":
            return int(value)
    if head[:4].isalpha() or b"transfer-encoding" in head.lower():
        raise NotImplementedError(f"a message without its length: {head!r}")
    return 0


async def _answer(writer: asyncio.StreamWriter, status: str, body: bytes) -> None:
    writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
    await writer.drain()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, size: int) -> None:
    while size:
        chunk = await reader.read(min(size, CHUNK_BYTES))
        if not chunk:
            raise Gone
        writer.write(chunk)
        await writer.drain()
        size -= len(chunk)
