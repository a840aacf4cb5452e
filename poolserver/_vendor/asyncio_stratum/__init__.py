"""Stratum V1, the protocol between Bitcoin miners and pools: both sides, without I/O.

``ServerConnection`` and ``ClientConnection`` take bytes and give typed events; they know of no
socket, no clock and no event loop. ``ServerProtocol`` and ``StratumClient`` put them on asyncio.
See README.md for examples, the state table and the errors.
"""

from .asyncio_client import StratumClient
from .asyncio_server import Application, Handshakes, ServerProtocol
from .client import ClientConnection
from .codec import Codec, Envelope, StdlibCodec
from .errors import (
    CodecError,
    Dropped,
    ErrorCode,
    Fault,
    LineTooLong,
    LocalProtocolError,
    ParamsError,
    ProtocolError,
    RemoteProtocolError,
    StratumError,
)
from .framing import LineBuffer
from .limits import CLIENT_LIMITS, SERVER_LIMITS, Limits
from .messages import (
    Authorize,
    Authorized,
    ClientEvent,
    Configure,
    Configured,
    ExtranonceSubscribe,
    GetTransactions,
    Malformed,
    Notify,
    Ping,
    Reconnect,
    Request,
    RequestId,
    Response,
    RigInfo,
    ServerEvent,
    SetDifficulty,
    SetExtranonce,
    SetVersionMask,
    ShowMessage,
    Submit,
    SubmitResult,
    Subscribe,
    Subscribed,
    SuggestDifficulty,
    SuggestTarget,
    VersionRolling,
)
from .render import render_notify, render_set_difficulty
from .server import ConnectionState, ServerConnection
from .state import TRANSITIONS, Outcome, State
from .words import prevhash_to_stratum_hex, swap_words

__all__ = [
    "CLIENT_LIMITS",
    "SERVER_LIMITS",
    "TRANSITIONS",
    "Application",
    "Authorize",
    "Authorized",
    "ClientConnection",
    "ClientEvent",
    "Codec",
    "CodecError",
    "Configure",
    "Configured",
    "ConnectionState",
    "Dropped",
    "Envelope",
    "ErrorCode",
    "ExtranonceSubscribe",
    "Fault",
    "GetTransactions",
    "Handshakes",
    "Limits",
    "LineBuffer",
    "LineTooLong",
    "LocalProtocolError",
    "Malformed",
    "Notify",
    "Outcome",
    "ParamsError",
    "Ping",
    "ProtocolError",
    "Reconnect",
    "RemoteProtocolError",
    "Request",
    "RequestId",
    "Response",
    "RigInfo",
    "ServerConnection",
    "ServerEvent",
    "ServerProtocol",
    "SetDifficulty",
    "SetExtranonce",
    "SetVersionMask",
    "ShowMessage",
    "State",
    "StdlibCodec",
    "StratumClient",
    "StratumError",
    "Submit",
    "SubmitResult",
    "Subscribe",
    "Subscribed",
    "SuggestDifficulty",
    "SuggestTarget",
    "VersionRolling",
    "prevhash_to_stratum_hex",
    "render_notify",
    "render_set_difficulty",
    "swap_words",
]
