"""What can go wrong, and whose fault it is.

The exception tree::

    ProtocolError
    ├── LocalProtocolError      our side broke the protocol: a bug in the calling code
    ├── RemoteProtocolError     the peer broke it: carries the fault and a detail
    │   ├── CodecError          the line is not a JSON object
    │   ├── LineTooLong         the line is longer than the limit
    │   └── ParamsError         a request's or a reply's fields are not as they must be
    └── Dropped                 the peer was given up: the cause in on_disconnect, never raised

A ``RemoteProtocolError`` never leaves ``receive_data``: it becomes a ``Malformed`` event and,
on the server's side, an error reply; the connection lives on. What the peer is told is a value,
``StratumError``, not an exception.
"""

from enum import Enum, IntEnum
from typing import NamedTuple


class ErrorCode(IntEnum):
    """The error codes of Stratum V1, as the first pools assigned them."""

    OTHER = 20
    JOB_NOT_FOUND = 21
    DUPLICATE = 22
    LOW_DIFFICULTY = 23
    UNAUTHORIZED = 24
    NOT_SUBSCRIBED = 25


class StratumError(NamedTuple):
    """An error as it stands in a reply: ``[code, reason, null]``.

    ``code`` is a plain int, for a peer may send any.
    """

    code: int
    reason: str


class Fault(Enum):
    """What was wrong with something that the peer sent; the value is a stable label."""

    LINE_TOO_LONG = "line_too_long"
    INVALID_JSON = "invalid_json"
    INVALID_ID = "invalid_id"
    INVALID_MESSAGE = "invalid_message"
    UNKNOWN_METHOD = "unknown_method"
    MALFORMED = "malformed"
    ALREADY_SUBSCRIBED = "already_subscribed"
    NOT_SUBSCRIBED = "not_subscribed"

    @property
    def code(self) -> ErrorCode:
        """The code that goes with the fault in an error reply."""
        return ErrorCode.NOT_SUBSCRIBED if self is Fault.NOT_SUBSCRIBED else ErrorCode.OTHER


class ProtocolError(Exception):
    """The base of all exceptions of this library."""


class LocalProtocolError(ProtocolError):
    """The calling code asked for something that the protocol does not allow."""


class RemoteProtocolError(ProtocolError):
    """The peer sent something that the protocol does not allow."""

    fault = Fault.MALFORMED

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail)
        self.detail = detail


class CodecError(RemoteProtocolError):
    """A line is not a JSON object."""

    fault = Fault.INVALID_JSON


class LineTooLong(RemoteProtocolError):
    """A line is longer than the limit; the rest of it is thrown away."""

    fault = Fault.LINE_TOO_LONG


class ParamsError(RemoteProtocolError):
    """The fields of a request or of a reply have the wrong number, type or form."""


class Dropped(ProtocolError):
    """The peer was given up on; the text is ``handshake_timeout``, ``slow_peer`` (it does not read)
    or ``slow_sender`` (it does not end a line)."""
