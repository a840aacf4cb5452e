"""The pool, that kills itself at a step of the next block that is found on it.

    python -m tests.torture.dying_server CONFIG STEP

It is ``poolserver run --config CONFIG`` with the pool's own classes patched from without: until a
rig of this life finds a block nothing differs, and blocks taken up from a former life do not count.
SIGKILL is what a power cut or the kernel's OOM killer is to a process: nothing is cleaned up.
"""

import asyncio
import os
import signal
import socket
import sys
import threading
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn
from urllib.parse import urlsplit

from poolserver.cli import main
from poolserver.cluster.messages import BlockEvent, Up
from poolserver.coordinator import Coordinator
from poolserver.node.rpc import NodeRpc
from poolserver.node.spool import Spool
from poolserver.server.worker import Worker

STEPS = {
    "found": "the share has come in, and not a byte of it has gone anywhere",
    "submitting": "half of submitblock is on its way to one node",
    "submitted": "all of submitblock is on its way to one node, no answer was read",
    "spooled": "the block is in the spool, and submitblock has not left yet",
    "answered": "a node has answered, and the block is not in the spool",
    "answered_spooled": "a node has answered and the block is in the spool, no verdict was booked",
    "settled": "the spool has the verdict and the ledger has not",
}

_found = False
_spooled = threading.Event()


def die() -> NoReturn:
    """End as if the power went."""
    os.kill(os.getpid(), signal.SIGKILL)
    while True:  # the signal may take a moment to arrive
        threading.Event().wait()


def patch(owner: type, name: str, wrap: Callable[[Any], Any]) -> None:
    """Replace ``owner.name``; that it is there is the one thing taken for granted."""
    setattr(owner, name, wrap(getattr(owner, name)))


def arm(step: str) -> None:
    """Have the process die at ``step`` of the first block that is found from now on."""
    patch(Worker, "solved", _arming(die_at_once=step == "found"))
    match step:
        case "submitting" | "submitted":
            patch(NodeRpc, "_post", _dying_in_write(1.0 if step == "submitted" else 0.5))
        case "spooled":
            patch(NodeRpc, "call", _never_submitting)
            patch(Spool, "put", _dying_after)
        case "answered":
            patch(NodeRpc, "call", _dying_when_answered)
            patch(Spool, "put", _never_returning)
            _spooled.set()  # it is not waited for
        case "answered_spooled":
            patch(NodeRpc, "call", _dying_when_answered)
            patch(Spool, "put", _telling)
        case "settled":
            patch(Coordinator, "receive", _never_hearing)
            patch(Spool, "settle", _dying_after)


def _arming(*, die_at_once: bool) -> Callable[[Any], Any]:
    def wrap(solved: Callable[..., None]) -> Callable[..., None]:
        def solved_and_armed(*args: Any, **options: Any) -> None:
            global _found
            _found = True
            if die_at_once:
                die()
            solved(*args, **options)

        return solved_and_armed

    return wrap


def _dying_in_write(share: float) -> Callable[[Any], Any]:
    """Write this share of a submitblock's bytes on a socket of its own."""

    def wrap(post: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def post_or_die(rpc: NodeRpc, body: bytes, *args: Any, **options: Any) -> Any:
            if not (_found and b'"submitblock"' in body[:100]):
                return await post(rpc, body, *args, **options)
            url = urlsplit(rpc.url)
            head = (
                f"POST / HTTP/1.1\r\nHost: {url.netloc}\r\nContent-Type: application/json\r\n"
                f"Authorization: {rpc._credentials.header()}\r\nContent-Length: {len(body)}\r\n\r\n"
            )
            with socket.create_connection((url.hostname or "", url.port or 0)) as connection:
                connection.sendall(head.encode() + body[: int(len(body) * share)])
                die()

        return post_or_die

    return wrap


def _never_submitting(call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    async def call_or_wait(rpc: NodeRpc, method: str, *args: Any, **options: Any) -> Any:
        if _found and method == "submitblock":
            await asyncio.get_running_loop().create_future()
        return await call(rpc, method, *args, **options)

    return call_or_wait


def _dying_when_answered(call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    async def call_and_die(rpc: NodeRpc, method: str, *args: Any, **options: Any) -> Any:
        answer = await call(rpc, method, *args, **options)
        if _found and method == "submitblock":
            await asyncio.to_thread(_spooled.wait)
            die()
        return answer

    return call_and_die


def _dying_after(put: Callable[..., None]) -> Callable[..., None]:
    def put_and_die(spool: Spool, *block: Any) -> None:
        put(spool, *block)
        if _found:
            die()

    return put_and_die


def _telling(put: Callable[..., None]) -> Callable[..., None]:
    def put_and_tell(spool: Spool, *block: Any) -> None:
        put(spool, *block)
        _spooled.set()

    return put_and_tell


def _never_returning(put: Callable[..., None]) -> Callable[..., None]:
    def put_or_wait(spool: Spool, *block: Any) -> None:
        if _found:
            threading.Event().wait()
        put(spool, *block)

    return put_or_wait


def _never_hearing(receive: Callable[..., None]) -> Callable[..., None]:
    """The coordinator, which keeps the ledger, is not told of verdicts."""

    def receive_or_not(coordinator: Coordinator, message: Up) -> None:
        if not (_found and isinstance(message, BlockEvent) and message.state != "found"):
            receive(coordinator, message)

    return receive_or_not


if __name__ == "__main__":
    _, config, chosen = sys.argv
    if chosen not in STEPS:
        sys.exit(f"steps: {', '.join(STEPS)}")
    arm(chosen)
    main(["run", "--config", config])
