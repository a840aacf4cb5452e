"""Single fields of a message: decoded JSON values to typed ones.

Each function raises ``ParamsError`` with a fixed text, and nothing else. Hex is decoded with
``unhexlify``, which takes hex digits only; ``int(text, 16)`` takes signs, spaces and underscores.
"""

from binascii import unhexlify
from math import isfinite
from typing import Any

from .errors import ErrorCode, ParamsError, StratumError


def optional_text(params: list[Any], index: int, name: str) -> str:
    """A string parameter; empty where it is missing or null."""
    value = params[index] if len(params) > index else None
    if value is None:
        return ""
    if type(value) is not str:
        raise ParamsError(f"the {name} is not a string")
    return value


def difficulty(value: Any) -> float:
    """A number that is finite and above 0, as a float."""
    if type(value) is not int and type(value) is not float:
        raise ParamsError("the difficulty is not a number")
    try:
        number = float(value)
    except OverflowError:
        raise ParamsError("the difficulty is out of range") from None
    if not (isfinite(number) and number > 0):
        raise ParamsError("the difficulty is out of range")
    return number


def hex_bytes(value: Any) -> bytes:
    """A string of hex digits, as bytes."""
    if type(value) is not str:
        raise ParamsError("a hex field is not a string")
    try:
        return unhexlify(value)
    except ValueError:
        raise ParamsError("a hex field has other characters or an odd length") from None


def is_hex(value: Any, digits: int) -> bool:
    """Whether a value is a string of so many hex digits."""
    try:
        return 2 * len(hex_bytes(value)) == digits
    except ParamsError:
        return False


def hex_word(value: Any) -> int:
    """1 to 8 hex digits, as a 32-bit int; some firmware drops leading zeros."""
    if type(value) is not str or not 1 <= len(value) <= 8:
        raise ParamsError("a 32-bit field is not 8 hex digits")
    return int.from_bytes(hex_bytes(value.zfill(8)), "big")


def parse_error(error: Any) -> StratumError | None:
    """The error member of a reply in any of the shapes that are sent: ``[code, reason, ...]``,
    ``{"code": .., "message": ..}``, a bare text; None, false and empty ones are no error."""
    if not error:
        return None
    code: Any = ErrorCode.OTHER.value
    reason: Any = error
    if type(error) is list:
        code = error[0]
        reason = error[1] if len(error) > 1 else None
    elif type(error) is dict:
        code = error.get("code")
        reason = error.get("message")
    return StratumError(
        code if type(code) is int else ErrorCode.OTHER.value,
        reason if type(reason) is str else "no reason given",
    )
