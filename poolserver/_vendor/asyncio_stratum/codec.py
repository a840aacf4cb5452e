"""JSON is a parameter: what a codec must do, and the one of the standard library.

Codecs must agree on what they take, or else the same miner is well-formed on one pool and
malformed on the next. The rules, which are those of RFC 8259 and a little stricter:

* a line is one JSON object in UTF-8, without a byte order mark;
* NaN and Infinity are not JSON, nor is a number that no double can hold (1e999);
* a string with half a surrogate pair is no text;
* of duplicate names the last one counts;
* an integer stays an integer, however long, up to Python's 4,300 digits.
"""

import json
from math import isinf
from typing import Any, NamedTuple, NoReturn, Protocol

from .errors import CodecError

# No message of the protocol comes near it, and each codec can nest as deep as this well within the
# interpreter's default recursion limit of 1,000: so all codecs refuse the same messages.
MAX_BRACKETS = 256


class Envelope(Protocol):
    """One decoded line; members that the line does not have are None, nothing is checked yet."""

    @property
    def id(self) -> Any: ...
    @property
    def method(self) -> Any: ...
    @property
    def params(self) -> Any: ...
    @property
    def result(self) -> Any: ...
    @property
    def error(self) -> Any: ...


class Codec(Protocol):
    """A JSON codec."""

    def decode(self, line: bytes) -> Envelope:
        """Decode a line without its end.

        Raises:
            CodecError: the line is not a JSON object; nothing else is raised for any bytes.
        """

    def encode(self, value: Any) -> bytes:
        """Encode a value compactly as UTF-8 with no escapes but those that JSON demands."""


class StdlibEnvelope(NamedTuple):
    """The envelope of ``StdlibCodec``."""

    id: Any = None
    method: Any = None
    params: Any = None
    result: Any = None
    error: Any = None


class StdlibCodec:
    """The default codec: ``json``, kept to the rules above."""

    def __init__(self) -> None:
        self._decode = json.JSONDecoder(
            parse_float=_finite_float, parse_constant=_refuse_constant
        ).decode
        # With objects as lists of pairs, so that of a name given twice both values are there.
        self._decode_all = json.JSONDecoder(object_pairs_hook=list).decode
        self._encode = json.JSONEncoder(
            ensure_ascii=False, allow_nan=False, separators=(",", ":")
        ).encode

    def decode(self, line: bytes) -> StdlibEnvelope:
        try:
            text = line.decode()
            members = self._decode(text)
            if "\\u" in text:
                self._encode(self._decode_all(text)).encode()  # fails on half a surrogate pair
        except (ValueError, RecursionError) as error:  # UnicodeError is a ValueError
            raise CodecError(f"not JSON: {error}") from error
        if type(members) is not dict:
            raise CodecError("not a JSON object")
        member = members.get
        return StdlibEnvelope(
            member("id"), member("method"), member("params"), member("result"), member("error")
        )

    def encode(self, value: Any) -> bytes:
        return self._encode(value).encode()


def nests_too_deep(line: bytes) -> bool:
    """Whether a line could nest deeper than ``MAX_BRACKETS``, which takes as many bytes."""
    return line.count(b"[") + line.count(b"{") > MAX_BRACKETS


def _finite_float(text: str) -> float:
    value = float(text)
    if isinf(value):
        raise ValueError("number out of range")
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
