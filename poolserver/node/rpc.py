"""JSON-RPC to bitcoind.

The exception tree::

    NodeError
    ├── NodeUnreachable     no connection, or it broke
    ├── NodeTimeout         no answer in time
    ├── NodeAuthError       the login was refused, or there is no cookie
    ├── NodeHttpError       an HTTP status without a JSON-RPC answer (503: its work queue is full)
    ├── NodeGarbage         an answer that is not what the call answers
    └── RpcError            the node's own error: code and message
        └── NodeWarmingUp   code -28: it has just been started
"""

import asyncio
import socket
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import msgspec

from poolserver._native import take_transactions
from poolserver.mining.template import GetBlockTemplate
from poolserver.mining.transactions import TemplateTransactions

T = TypeVar("T")

CALL_TIMEOUT_S = 30.0
CONNECT_TIMEOUT_S = 5.0
# A long poll has no time-out: by these a peer that is gone without a word is noticed in a minute.
KEEPALIVE = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}
# Big answers are decoded in a thread, which costs 0.1 ms: too much for the small ones. That helps
# where the GIL is released, as for templates; msgspec holds it, some 2 ms for each MB.
OFF_LOOP_BYTES = 64 * 1024
# A full block's template is 8 MB of hex; an answer of four times that is no answer of a node.
ANSWER_LIMIT_BYTES = 32 * 1024 * 1024
# A full block is sent in pieces, between which the loop may do other things; smaller ones than
# this made it arrive later.
PIECE_BYTES = 1024 * 1024
RPC_IN_WARMUP = -28
# "Block not found": the node has never heard of it, or has forgotten it.
RPC_INVALID_ADDRESS_OR_KEY = -5
# bitcoind has 16 threads for calls and answers 503 when its queue is full: on regtest, where every
# share is a block, submissions would fill it. What is over waits here, in order.
MAX_CONNECTIONS = 8
# bitcoind sends JSON-RPC errors with 404 (unknown method) and 500, and results with 200.
RESULT_STATUS = 200
RPC_STATUSES = frozenset({RESULT_STATUS, 404, 500})


# Threads of our own: those of the loop may all be waiting for a name server.
_threads = ThreadPoolExecutor(2, thread_name_prefix="templates")


async def in_thread(do: Callable[..., T], *arguments: Any) -> T:
    """Do what takes milliseconds, and mostly without the GIL, off the loop."""
    return await asyncio.get_running_loop().run_in_executor(_threads, do, *arguments)


class NodeError(Exception):
    """A call to a node failed; ``kind`` is a stable label for metrics."""

    kind = "error"


class NodeUnreachable(NodeError):
    kind = "unreachable"


class NodeTimeout(NodeError):
    kind = "timeout"


class NodeAuthError(NodeError):
    kind = "auth"


class NodeHttpError(NodeError):
    """The node's web server answered, its RPC did not."""

    kind = "http"

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class NodeGarbage(NodeError):
    kind = "garbage"


class RpcError(NodeError):
    """The node understood the call and refused it."""

    kind = "rpc"

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{message} (code {code})")
        self.code = code
        self.message = message


class NodeWarmingUp(RpcError):
    """The node has been started and is not ready yet."""

    kind = "warming_up"


class Credentials:
    """A login: name and password, or the cookie file that the node rewrites at each start."""

    def __init__(
        self, username: str | None, password: str | None, cookie_file: Path | None = None
    ) -> None:
        self._username = username
        self._password = password
        self._cookie_file = cookie_file

    def header(self) -> str:
        """The Authorization header, read anew each time.

        Raises:
            NodeAuthError: the cookie file cannot be read.
        """
        login = f"{self._username}:{self._password}"
        if self._cookie_file is not None:
            try:
                login = self._cookie_file.read_text().strip()
            except OSError as error:
                raise NodeAuthError(f"no cookie: {error.strerror}: {error.filename}") from None
            except UnicodeDecodeError:
                raise NodeAuthError(f"no cookie: {self._cookie_file} is not text") from None
        return "Basic " + b64encode(login.encode()).decode()


class _RpcFailure(msgspec.Struct):
    code: int
    message: str


class _Envelope(msgspec.Struct):
    result: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    error: _RpcFailure | None = None


_envelope_decoder = msgspec.json.Decoder(_Envelope)


def _no_observer(method: str, seconds: float, error_kind: str | None) -> None:
    """Nobody counts the calls."""


class NodeRpc:
    """One connection pool to one node.

    Block submission has a ``NodeRpc`` of its own, so that a long poll or a slow template is
    never before a block in a queue.
    """

    def __init__(
        self,
        url: str,
        credentials: Credentials,
        *,
        observe: Callable[[str, float, str | None], None] = _no_observer,
    ) -> None:
        """``observe(method, seconds, error_kind)`` is told of every call."""
        self.url = url
        self._credentials = credentials
        self._observe = observe
        self._session: aiohttp.ClientSession | None = None

    async def call(
        self,
        method: str,
        *params: Any,
        type: type[T] | Any = Any,
        timeout_s: float | None = CALL_TIMEOUT_S,
    ) -> Any:
        """Call ``method``; its result, decoded as ``type``.

        Without a time-out it is a long poll, and is counted as one: the node answers when it has
        news. Giving up on a long poll is no remedy, since the node's RPC thread goes on waiting.

        Raises:
            NodeError: see the module's tree.
        """
        began = time.perf_counter()
        kind: str | None = None
        try:
            return await self._call(method, params, type, timeout_s)
        except NodeError as error:
            kind = error.kind
            raise
        finally:
            label = method if timeout_s is not None else "longpoll"
            self._observe(label, time.perf_counter() - began, kind)

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _call(
        self, method: str, params: tuple[Any, ...], type: Any, timeout_s: float | None
    ) -> Any:
        body = msgspec.json.encode(
            {"jsonrpc": "1.0", "id": 0, "method": method, "params": list(params)}
        )
        status, chunks = await self._post(body, timeout_s)
        if status in (401, 403):
            raise NodeAuthError(f"{self.url}: the login was refused")
        if status not in RPC_STATUSES:
            raise NodeHttpError(status, f"{self.url}: HTTP status {status} to {method}")
        if sum(map(len, chunks)) > OFF_LOOP_BYTES:
            return await in_thread(_decode, method, status, chunks, type)
        return _decode(method, status, chunks, type)

    async def _post(self, body: bytes, timeout_s: float | None) -> tuple[int, list[bytes]]:
        """The HTTP status, and the answer in the pieces that it came in."""
        if self._session is None:
            connector = aiohttp.TCPConnector(
                limit=MAX_CONNECTIONS, socket_factory=_kept_alive_socket
            )
            self._session = aiohttp.ClientSession(connector=connector, trust_env=False)
        timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=CONNECT_TIMEOUT_S)
        headers = {
            "Authorization": self._credentials.header(),
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
        }
        try:
            async with self._session.post(
                self.url,
                data=_pieces(body),
                headers=headers,
                timeout=timeout,
                allow_redirects=False,
            ) as response:
                chunks, size = [], 0
                async for chunk in response.content.iter_any():
                    chunks.append(chunk)
                    size += len(chunk)
                    if size > ANSWER_LIMIT_BYTES:
                        raise NodeGarbage(f"{self.url}: an answer over {ANSWER_LIMIT_BYTES} bytes")
                return response.status, chunks
        except aiohttp.ConnectionTimeoutError:
            raise NodeTimeout(f"{self.url}: no connection within {CONNECT_TIMEOUT_S:g} s") from None
        except TimeoutError:
            raise NodeTimeout(f"{self.url}: no answer within {timeout_s:g} s") from None
        except (aiohttp.ClientError, OSError) as error:
            reason = str(error) or error.__class__.__name__
            raise NodeUnreachable(f"{self.url}: {reason}") from None


async def _pieces(body: bytes) -> AsyncIterator[memoryview]:
    whole = memoryview(body)
    for begin in range(0, len(body), PIECE_BYTES):
        yield whole[begin : begin + PIECE_BYTES]


def _kept_alive_socket(address: Any) -> socket.socket:
    """A socket for one of getaddrinfo's answers, as aiohttp's connector asks for one."""
    family, kind, protocol, _, _ = address
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEPALIVE.items():
        if hasattr(socket, name):  # not every system lets them be set
            made.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return made


def _decode(method: str, status: int, chunks: list[bytes], type: Any) -> Any:
    """The result in an answer. Its pieces are used up, so that they are freed in this thread."""
    answer = b"".join(chunks)  # megabytes are joined without the GIL
    chunks.clear()
    try:
        if type is not GetBlockTemplate:
            return _result(status, answer, type)
        rest, *columns = take_transactions(answer)
        template: GetBlockTemplate = _result(status, rest, type)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise NodeGarbage(
            f"{method}: status {status}, an answer that is not one: {error}"
        ) from None
    return msgspec.structs.replace(template, transactions=TemplateTransactions(*columns))


def _result(status: int, answer: bytes, type: Any) -> Any:
    """A result must be there and come with status 200.

    Whatever stands before a node may answer in JSON too, and to submitblock nothing is good news.
    """
    envelope = _envelope_decoder.decode(answer)
    failure = envelope.error
    if failure is None:
        if isinstance(envelope.result, msgspec.UnsetType) or status != RESULT_STATUS:
            raise ValueError("it has neither a result nor an error")
        return msgspec.json.decode(envelope.result, type=type)
    refused = NodeWarmingUp if failure.code == RPC_IN_WARMUP else RpcError
    raise refused(failure.code, failure.message)
