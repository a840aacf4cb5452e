"""How messages cross the seam: by a call in one process, by a stream between two.

A sender never waits and never fails: where the other end is gone the message is dropped.
Nothing is lost by it: the journal on disk is the truth that the coordinator catches up
from, and a worker goes on with the last template that it has.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar, cast

import msgspec

from poolserver.cluster.messages import Down, Up, decode_hook, encode_hook

LENGTH_SIZE = 4
# A template of a full block is some 8 MB of hex, and a journal batch has little more than 8 MiB
# (journal.py). Ten times as much is a broken peer.
MESSAGE_LIMIT = 96 * 1024 * 1024
# A peer that leaves so much unread is stuck; it catches up from the journal when it is back.
UNREAD_LIMIT = 2 * MESSAGE_LIMIT

M_contra = TypeVar("M_contra", contravariant=True)
M = TypeVar("M")
Sent = TypeVar("Sent")
Received = TypeVar("Received")

_encoder = msgspec.msgpack.Encoder(enc_hook=encode_hook)


class Sender(Protocol[M_contra]):
    def send(self, message: M_contra) -> None: ...


class LocalLink(Generic[M]):
    """One direction within a process: each message is handed over in a turn of its own.

    A turn of its own, so that the receiver's work is never done inside the sender's call.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, receive: Callable[[M], None]) -> None:
        self._loop = loop
        self._receive = receive
        self._held: deque[M] | None = None
        self._handing: asyncio.Handle | None = None

    def send(self, message: M) -> None:
        if self._held is None:
            self._loop.call_soon(self._receive, message)
        else:
            self._held.append(message)

    def hold(self) -> None:
        """Keep what is sent until ``let_go``: the receiver is not there, or must not act."""
        if self._handing is not None:
            self._handing.cancel()
            self._handing = None
        self._held = self._held or deque()

    def let_go(self) -> None:
        """Hand over what was kept, in its order, and all that follows.

        One message in a turn of the loop: there may be all that 10,000 rigs have told of
        themselves, which takes 60 ms to take in.
        """
        if self._handing is None:
            self._handing = self._loop.call_soon(self._hand_next)

    def _hand_next(self) -> None:
        if not self._held:
            self._held = self._handing = None
            return
        self._handing = self._loop.call_soon(self._hand_next)
        self._receive(self._held.popleft())


def frame(message: object) -> bytes:
    """A message as it crosses a stream. A template is encoded once, however many it goes to."""
    body = _encoder.encode(message)
    return len(body).to_bytes(LENGTH_SIZE, "big") + body


class StreamLink(asyncio.Protocol, Generic[Sent, Received]):
    """Both directions over a stream socket: a length of 4 bytes, then msgpack."""

    def __init__(
        self,
        decoder: msgspec.msgpack.Decoder[Received],
        receive: Callable[[Received], None],
        on_lost: Callable[[Exception | None], None],
    ) -> None:
        self._decoder = decoder
        self._receive = receive
        self._on_lost = on_lost
        self._unread = bytearray()
        self._transport: asyncio.Transport | None = None
        self._fault: Exception | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's for Unix sockets is none

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._on_lost(self._fault or exc)

    def send(self, message: Sent) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self.send_frame(frame(message))

    def send_frame(self, framed: bytes) -> None:
        """Send what frame() made of a message."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if transport.get_write_buffer_size() > UNREAD_LIMIT:
            transport.abort()
            return
        transport.write(framed)

    def data_received(self, data: bytes) -> None:
        self._unread += data
        while len(self._unread) >= LENGTH_SIZE:
            end = LENGTH_SIZE + int.from_bytes(self._unread[:LENGTH_SIZE], "big")
            if end > MESSAGE_LIMIT:
                self._abort(ValueError(f"a message of {end} bytes is over the limit"))
                return
            if len(self._unread) < end:
                return
            with memoryview(self._unread) as unread:
                body = bytes(unread[LENGTH_SIZE:end])  # one copy of megabytes, not two
            del self._unread[:end]
            try:
                message = self._decoder.decode(body)
            except msgspec.DecodeError as error:
                self._abort(error)
                return
            self._receive(message)

    def _abort(self, error: Exception) -> None:
        self._fault = error
        if self._transport is not None:
            self._transport.abort()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


def down_decoder() -> msgspec.msgpack.Decoder[Down]:
    """Decodes what the coordinator says."""
    return msgspec.msgpack.Decoder(Down, dec_hook=decode_hook)


def up_decoder() -> msgspec.msgpack.Decoder[Up]:
    """Decodes what a worker says."""
    return msgspec.msgpack.Decoder(Up)
