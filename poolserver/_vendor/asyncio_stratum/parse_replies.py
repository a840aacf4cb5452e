"""A pool's replies and notifications: decoded JSON values to typed events.

Pools differ in what they send, so these parsers take every shape that is known to be sent.
Each raises ``ParamsError`` with a fixed text, and nothing else.
"""

from typing import Any

from .errors import ParamsError
from .fields import difficulty, hex_bytes, hex_word, optional_text
from .messages import (
    Configured,
    Notify,
    Reconnect,
    RequestId,
    SetDifficulty,
    SetExtranonce,
    SetVersionMask,
    ShowMessage,
    Subscribed,
)
from .words import swap_words

# No pool is known to want more; it bounds what a hostile one can make a miner allocate.
MAX_EXTRANONCE2_SIZE = 64


def parse_subscribed(request_id: RequestId, result: Any) -> Subscribed:
    """``[subscriptions, extranonce1, extranonce2_size, ...]``.

    Subscriptions are a list of ``[method, session_id]`` pairs, one such pair, or nothing.
    """
    if type(result) is not list or len(result) < 3:
        raise ParamsError("the reply to mining.subscribe is not a list of three")
    extranonce1, extranonce2_size = _extranonce(result[1], result[2])
    return Subscribed(request_id, extranonce1, extranonce2_size, _session_id(result[0]))


def _session_id(subscriptions: Any) -> str:
    """The id that goes with mining.notify, or else the first one there is."""
    if type(subscriptions) is not list:
        return ""
    if len(subscriptions) == 2 and type(subscriptions[0]) is str:
        subscriptions = [subscriptions]
    ids = {
        pair[0]: pair[1]
        for pair in subscriptions
        if type(pair) is list and len(pair) == 2 and type(pair[0]) is type(pair[1]) is str
    }
    return ids.get("mining.notify") or next(iter(ids.values()), "")


def parse_configured(request_id: RequestId, result: Any) -> Configured:
    """``{"version-rolling": true, "version-rolling.mask": "1fffe000", ...}`` (BIP310)."""
    if type(result) is not dict:
        raise ParamsError("the reply to mining.configure is not an object")
    granted = frozenset(name for name, value in result.items() if value is True)
    mask = 0
    if "version-rolling" in granted:
        mask = hex_word(result.get("version-rolling.mask"))
    return Configured(request_id, mask, granted)


def parse_set_difficulty(params: list[Any]) -> SetDifficulty:
    """``[difficulty]``."""
    return SetDifficulty(difficulty(params[0] if params else None))


def parse_notify(params: list[Any]) -> Notify:
    """``[job_id, prevhash, coinb1, coinb2, merkle_branch, version, nbits, ntime, clean_jobs]``."""
    if len(params) < 9:
        raise ParamsError("mining.notify takes 9 parameters")
    prevhash, merkle_branch = hex_bytes(params[1]), params[4]
    if type(merkle_branch) is not list:
        raise ParamsError("the merkle branch is not a list")
    branch = tuple(hex_bytes(item) for item in merkle_branch)
    if len(prevhash) != 32 or any(len(item) != 32 for item in branch):
        raise ParamsError("a hash is not 64 hex digits")
    return Notify(
        job_id=optional_text(params, 0, "job id"),
        prevhash_le=swap_words(prevhash),
        coinb1=hex_bytes(params[2]),
        coinb2=hex_bytes(params[3]),
        merkle_branch=branch,
        version=hex_word(params[5]),
        nbits=hex_word(params[6]),
        ntime=hex_word(params[7]),
        clean_jobs=bool(params[8]),
    )


def parse_set_extranonce(params: list[Any]) -> SetExtranonce:
    """``[extranonce1, extranonce2_size]``."""
    if len(params) < 2:
        raise ParamsError("mining.set_extranonce takes 2 parameters")
    return SetExtranonce(*_extranonce(params[0], params[1]))


def parse_set_version_mask(params: list[Any]) -> SetVersionMask:
    """``[mask]`` (BIP310)."""
    return SetVersionMask(hex_word(params[0] if params else None))


def parse_reconnect(params: list[Any]) -> Reconnect:
    """``[host, port, wait_s]``, all optional; the port comes as a number or as a string."""
    host = optional_text(params, 0, "host")
    port = params[1] if len(params) > 1 else None
    if type(port) is str and len(port) <= 5 and port.isascii() and port.isdigit():
        port = int(port)
    if port is not None and not (type(port) is int and 0 <= port <= 65535):
        raise ParamsError("the port is not a port")
    wait_s = params[2] if len(params) > 2 else 0
    if type(wait_s) not in (int, float) or not 0 <= wait_s <= 86_400:
        wait_s = 0
    return Reconnect(host or None, port or None, float(wait_s))


def parse_show_message(params: list[Any]) -> ShowMessage:
    """``[text]``."""
    return ShowMessage(optional_text(params, 0, "message"))


def _extranonce(extranonce1_hex: Any, extranonce2_size: Any) -> tuple[bytes, int]:
    if type(extranonce2_size) is not int or not 0 <= extranonce2_size <= MAX_EXTRANONCE2_SIZE:
        raise ParamsError("the size of extranonce2 is out of range")
    return hex_bytes(extranonce1_hex), extranonce2_size
