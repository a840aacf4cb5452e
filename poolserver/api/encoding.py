"""Answers as JSON, and their entity tags (RFC 9110, 8.8.3)."""

import asyncio
from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import NamedTuple

import msgspec

AT_ONCE = 128
"""Items that are encoded in one go: a tenth of a millisecond in which no other thread runs."""


class Encoded(NamedTuple):
    """An answer as it is sent; ``etag`` is with its quotes."""

    body: bytes
    etag: str


def encoded(given: object) -> Encoded:
    """All at once: for what is small."""
    return _tagged(msgspec.json.encode(given))


def encoded_in_steps(given: object) -> Encoded:
    """The same bytes, for a thread: JSON is written with Python's lock held, so in short steps."""
    return _tagged(b"".join(_parts(given)))


class Shared:
    """The last answer of an endpoint whose answers are one object until there is news."""

    def __init__(self) -> None:
        self._given: object = None
        self._encoded = Encoded(b"", "")
        self._lock = asyncio.Lock()

    async def encoded(self, given: object) -> Encoded:
        """Encoded once, however many ask, in a thread."""
        async with self._lock:
            if given is not self._given:
                self._encoded = await asyncio.to_thread(encoded_in_steps, given)
                self._given = given
            return self._encoded


def _tagged(body: bytes) -> Encoded:
    return Encoded(body, f'"{sha256(body).hexdigest()[:32]}"')


def _parts(given: object) -> Iterator[bytes]:
    if isinstance(given, list | tuple):
        yield from _items(given)
    elif isinstance(given, msgspec.Struct) and _is_plain(given):
        separator = b"{"
        for each in msgspec.structs.fields(given):
            yield separator + msgspec.json.encode(each.encode_name) + b":"
            yield from _parts(getattr(given, each.name))
            separator = b","
        yield b"}"
    else:
        yield msgspec.json.encode(given)


def _items(given: Sequence[object]) -> Iterator[bytes]:
    separator = b"["
    for begin in range(0, len(given), AT_ONCE):
        yield separator + msgspec.json.encode(given[begin : begin + AT_ONCE])[1:-1]
        separator = b","
    yield b"[]" if not given else b"]"


def _is_plain(given: msgspec.Struct) -> bool:
    """Whether it is written as an object of all its fields."""
    settings = given.__struct_config__
    return not (settings.array_like or settings.omit_defaults or settings.tag) and bool(
        given.__struct_fields__
    )
