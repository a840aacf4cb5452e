"""The Stratum library alone, fed any bytes: first the plan, then what a peer sends.

The first input byte says which codec is fed in pieces and how long a line may be, the second how
long the pieces are. Each input is heard twice: whole by the one codec, in pieces by the other.
Whatever they are, the two must hear the same and say the same.
"""

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Annotated, Any

import msgspec

from poolserver._vendor.asyncio_stratum import (
    Authorize,
    Codec,
    Configure,
    GetTransactions,
    Limits,
    Malformed,
    Response,
    ServerConnection,
    ServerEvent,
    StdlibCodec,
    StratumError,
    Submit,
    Subscribe,
)
from poolserver.server.msgspec_codec import MsgspecCodec

CODECS: tuple[Codec, Codec] = (StdlibCodec(), MsgspecCodec())
# The least is shorter than any honest line, the next holds all of them but a long configure;
# MAX_BRACKETS (256) can be reached in the last two only.
LIMITS = tuple(Limits(line_bytes=line_bytes) for line_bytes in (48, 240, 600, 16 * 1024))
# A piece costs as much as a line, so only so many bytes of an input come one by one. The windows
# for the steps from 0 on lie side by side: each place of an input is in one of them.
SINGLE_BYTES = 12
SINGLE_STEPS = 32


class Reply(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """A reply as it must be; msgspec checks the types."""

    id: Any
    result: Any
    error: tuple[Annotated[int, msgspec.Meta(ge=20, le=25)], str, None] | None


watching = nullcontext
"""Hold this around all inputs."""
decode_reply = msgspec.json.Decoder(Reply).decode


def one_input(data: bytes) -> None:
    """Hear one input.

    Raises:
        AssertionError: the library has a bug; and so has whatever else is raised.
    """
    if len(data) < 2:
        return
    plan, step, said = data[0], data[1], data[2:]
    limits = LIMITS[plan >> 1 & 3]
    events, written = hear(CODECS[plan & 1], limits, [said])
    check_replies(events, written, content_lines(said, limits.line_bytes))
    again = hear(CODECS[~plan & 1], limits, pieces(said, step))
    if repr((events, written)) != repr(again):  # equal values may differ: 1, 1.0 and true
        raise AssertionError(explain(said, limits, step))


def hear(codec: Codec, limits: Limits, parts: list[bytes]) -> tuple[list[ServerEvent], list[bytes]]:
    """The events that bytes make at a pool that answers all, and its replies line by line."""
    connection = ServerConnection(codec=codec, limits=limits)
    # There is no public way to see what is held back, and that it is bounded is the point.
    lines = connection._lines
    events: list[ServerEvent] = []
    written: list[bytes] = []
    for part in parts:
        for event in connection.receive_data(part):
            answer(connection, event)
            events.append(event)
            replies = connection.data_to_send().splitlines()
            written += replies
            if type(event) is not Response:
                assert decode_reply(replies[-1]).id == event.request_id, (event, replies)
        written += connection.data_to_send().splitlines()
        assert len(lines._tail) <= limits.line_bytes, "more than a line is held back"
        assert not lines._lines, "lines that were asked for are held back"
    return events, written


def answer(connection: ServerConnection, event: ServerEvent) -> None:
    """What a pool says: each kind of answer that there is, and always the same to the same."""
    match event:
        case Malformed() | Response():
            return
        case Submit(nonce=nonce) if nonce & 1:
            connection.refuse(event, StratumError(23, "low_difficulty"))
        case Subscribe():
            connection.subscribed(event, extranonce1=b"\x08\0\0\2", session_id="5e55")
        case Authorize(username=username) if len(username) > 100:
            connection.refuse(event, StratumError(24, username))
        case Authorize():
            connection.authorized(event)
        case Configure(minimum_difficulty=floor):
            connection.configured(
                event, version_mask=0x1FFFE000, minimum_difficulty=(floor or 0) > 1
            )
        case GetTransactions(job_id=job_id):
            connection.answer(event, ["00", job_id])
        case _:
            connection.accept(event)


def check_replies(events: list[ServerEvent], written: list[bytes], lines: int) -> None:
    """Each line with content has one reply, or is an answer of the peer's and has none."""
    answers = sum(type(event) is Response for event in events)
    assert len(events) <= lines, f"{len(events)} events of {lines} lines"
    assert len(written) + answers == lines, f"{len(written)} replies, {answers} of {lines} lines"
    for reply in map(decode_reply, written):
        assert reply.error is None or reply.result is None, reply


def content_lines(said: bytes, limit: int) -> int:
    """How many lines want an event or a reply; one that has not ended does once it is too long."""
    *whole, rest = said.split(b"\n")
    return sum(len(line) > limit or line not in (b"", b"\r") for line in whole) + (
        len(rest) > limit
    )


def pieces(said: bytes, step: int) -> list[bytes]:
    """``said`` cut as ``step`` says: single bytes in a window, or short and long pieces."""
    if step < SINGLE_STEPS:
        start = SINGLE_BYTES * step
        window = said[start : start + SINGLE_BYTES]
        singles = [window[i : i + 1] for i in range(len(window))]
        return [said[:start], *singles, said[start + SINGLE_BYTES :]]
    return list(_cut(said, (1 + (step & 31), 24 * (step >> 5))))


def _cut(said: bytes, sizes: tuple[int, int]) -> Iterator[bytes]:
    start = turn = 0
    while start < len(said):
        yield said[start : start + sizes[turn]]
        start += sizes[turn]
        turn = 1 - turn


def explain(said: bytes, limits: Limits, step: int) -> str:
    """What each codec hears, of the whole and of the pieces."""
    ways = {"whole": [said], "in pieces": pieces(said, step)}
    return "\n".join(
        f"{type(codec).__name__} {way}: {hear(codec, limits, parts)!r}"
        for codec in CODECS
        for way, parts in ways.items()
    )
