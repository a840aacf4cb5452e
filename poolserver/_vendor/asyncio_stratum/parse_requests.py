"""A miner's requests: decoded JSON parameters to typed requests. Every field is checked here, once.

Each parser raises ``ParamsError`` with a fixed text, and nothing else.
"""

from binascii import unhexlify
from struct import Struct
from typing import Any

from .errors import ParamsError
from .fields import difficulty, hex_bytes, hex_word, is_hex, optional_text
from .messages import (
    Authorize,
    Configure,
    GetTransactions,
    RequestId,
    RigInfo,
    Submit,
    Subscribe,
    SuggestDifficulty,
    SuggestTarget,
    VersionRolling,
)

_two_words = Struct(">2I").unpack
_three_words = Struct(">3I").unpack
_new_tuple = tuple.__new__  # a third of the cost of Submit(...); on the hot path only


def parse_submit(request_id: RequestId, params: list[Any], extranonce2_size: int) -> Submit:
    """``[worker_name, job_id, extranonce2, ntime, nonce]``, and with BIP310 ``version_bits``."""
    count = len(params)
    if count == 6:
        worker_name, job_id, extranonce2_hex, ntime_hex, nonce_hex, bits_hex = params
    elif count == 5:
        worker_name, job_id, extranonce2_hex, ntime_hex, nonce_hex = params
        bits_hex = None
    else:
        raise ParamsError("mining.submit takes 5 or 6 parameters")
    if type(worker_name) is not str or type(job_id) is not str:
        raise ParamsError("worker name or job id is not a string")
    try:
        extranonce2 = unhexlify(extranonce2_hex)
        # Lengths are checked one by one: a digit too few and one too many join well.
        if len(extranonce2) != extranonce2_size or len(ntime_hex) != 8 or len(nonce_hex) != 8:
            raise _bad_submit_field(params, extranonce2_size)
        if bits_hex is None:
            bits = None
            ntime, nonce = _two_words(unhexlify(ntime_hex + nonce_hex))
        elif len(bits_hex) != 8:
            raise _bad_submit_field(params, extranonce2_size)
        else:
            ntime, nonce, bits = _three_words(unhexlify(ntime_hex + nonce_hex + bits_hex))
    except (TypeError, ValueError):  # not a string; not hex
        raise _bad_submit_field(params, extranonce2_size) from None
    return _new_tuple(Submit, (request_id, worker_name, job_id, extranonce2, ntime, nonce, bits))


def _bad_submit_field(params: list[Any], extranonce2_size: int) -> ParamsError:
    """The error for the first field that is wrong in a submit that has a wrong one."""
    digits = {"extranonce2": 2 * extranonce2_size, "ntime": 8, "nonce": 8, "version bits": 8}
    wrong = (
        f"{name} is not {length} hex digits"
        for (name, length), value in zip(digits.items(), params[2:], strict=False)
        if not is_hex(value, length)
    )
    return ParamsError(next(wrong))


def with_whole_nonce(params: list[Any]) -> list[Any]:
    """A submit's parameters with the leading zeros of the nonce, where 1 to 7 digits are given."""
    nonce_hex = params[4] if len(params) > 4 else None
    if type(nonce_hex) is not str or not 1 <= len(nonce_hex) <= 7:
        return params
    return [*params[:4], nonce_hex.zfill(8), *params[5:]]


def parse_configure(request_id: RequestId, params: list[Any]) -> Configure:
    """``[[extension, ...], {"extension.parameter": value, ...}]`` (BIP310)."""
    extensions = params[0] if params else []
    options = params[1] if len(params) > 1 else {}
    if options is None:
        options = {}
    if type(extensions) is not list or type(options) is not dict:
        raise ParamsError("mining.configure takes a list of extensions and an object")
    if not all(type(name) is str for name in extensions):
        raise ParamsError("an extension's name is not a string")
    return Configure(
        request_id,
        tuple(dict.fromkeys(extensions)),
        _version_rolling(options) if "version-rolling" in extensions else None,
        _minimum_difficulty(options) if "minimum-difficulty" in extensions else None,
        "subscribe-extranonce" in extensions,
        _rig_info(options) if "info" in extensions else None,
    )


def _version_rolling(options: dict[str, Any]) -> VersionRolling | None:
    try:
        mask = hex_word(options.get("version-rolling.mask", "ffffffff"))
    except ParamsError:
        return None
    min_bit_count = options.get("version-rolling.min-bit-count")
    return VersionRolling(mask, min_bit_count if type(min_bit_count) is int else 0)


def _minimum_difficulty(options: dict[str, Any]) -> float | None:
    try:
        return difficulty(options.get("minimum-difficulty.value"))
    except ParamsError:
        return None


def _rig_info(options: dict[str, Any]) -> RigInfo:
    fields = (options.get(f"info.{name}") for name in _INFO_FIELDS)
    return RigInfo(*(field if type(field) is str else "" for field in fields))


_INFO_FIELDS = ("connection-url", "hw-version", "sw-version", "hw-id")


def parse_subscribe(request_id: RequestId, params: list[Any]) -> Subscribe:
    """``[user_agent, session_id, ...]``, all optional; some miners add host and port."""
    user_agent = optional_text(params, 0, "user agent")
    session_id = optional_text(params, 1, "session id")
    return Subscribe(request_id, user_agent, session_id or None)


def parse_authorize(request_id: RequestId, params: list[Any], username_bytes: int) -> Authorize:
    """``[username, password]``, the password being optional."""
    username = optional_text(params, 0, "username")
    if not username:
        raise ParamsError("the username is missing")
    if len(username.encode()) > username_bytes:
        raise ParamsError(f"the username is longer than {username_bytes} bytes")
    return Authorize(request_id, username, optional_text(params, 1, "password"))


def parse_suggest_difficulty(request_id: RequestId, params: list[Any]) -> SuggestDifficulty:
    """``[difficulty]``."""
    return SuggestDifficulty(request_id, difficulty(params[0] if params else None))


def parse_suggest_target(request_id: RequestId, params: list[Any]) -> SuggestTarget:
    """``[target_hex]``, most significant digit first."""
    text = optional_text(params, 0, "target")
    if not 1 <= len(text) <= 64:
        raise ParamsError("the target is not 1 to 64 hex digits")
    target = int.from_bytes(hex_bytes(text.zfill(64)), "big")
    if target == 0:
        raise ParamsError("the target is zero")
    return SuggestTarget(request_id, target)


def parse_get_transactions(request_id: RequestId, params: list[Any]) -> GetTransactions:
    """``[job_id]``."""
    return GetTransactions(request_id, optional_text(params, 0, "job id"))
