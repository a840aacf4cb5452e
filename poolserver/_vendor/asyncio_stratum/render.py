"""Messages to bytes.

What goes out often is filled into byte templates, all of one shape
(``{"id":7,"result":true,"error":null}``), so that exact bytes can be relied on. Ids are echoed
as they came: an int as an int, a string as a string, null as null.
"""

from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache
from json import dumps
from math import inf
from typing import Any

from .codec import Codec
from .errors import LocalProtocolError, StratumError
from .messages import RequestId


def render_id(request_id: RequestId, codec: Codec) -> bytes:
    """An id as JSON."""
    if type(request_id) is int:
        return b"%d" % request_id
    return b"null" if request_id is None else codec.encode(request_id)


def render_result(request_id: RequestId, result: Any, codec: Codec) -> bytes:
    """A reply that grants a request."""
    return b'{"id":%b,"result":%b,"error":null}\n' % (
        render_id(request_id, codec),
        b"true" if result is True else codec.encode(result),
    )


def render_subscribed(
    request_id: RequestId, extranonce1: bytes, extranonce2_size: int, session_id: str, codec: Codec
) -> bytes:
    """The reply that grants ``mining.subscribe``: both subscriptions bear the session's id."""
    name = codec.encode(session_id)
    return (
        b'{"id":%b,"result":[[["mining.set_difficulty",%b],["mining.notify",%b]],"%b",%d],'
        b'"error":null}\n'
    ) % (
        render_id(request_id, codec),
        name,
        name,
        extranonce1.hex().encode(),
        extranonce2_size,
    )


def render_error(request_id: RequestId, error: StratumError, codec: Codec) -> bytes:
    """A reply that refuses a request: ``"error":[code,reason,null]``."""
    return b'{"id":%b,"result":null,"error":[%d,%b,null]}\n' % (
        render_id(request_id, codec),
        error.code,
        codec.encode(error.reason),
    )


def render_call(request_id: RequestId, method: str, params: list[Any], codec: Codec) -> bytes:
    """A request; with an id of None a notification."""
    return b'{"id":%b,"method":%b,"params":%b}\n' % (
        render_id(request_id, codec),
        codec.encode(method),
        codec.encode(params),
    )


@lru_cache(maxsize=256)  # vardiff deals in powers of two; to render one anew takes 4 us
def render_set_difficulty(difficulty: float) -> bytes:
    """``mining.set_difficulty``.

    Raises:
        LocalProtocolError: the difficulty is not a finite number above 0.
    """
    text = _decimal(difficulty).encode()
    return b'{"id":null,"method":"mining.set_difficulty","params":[%b]}\n' % text


def render_notify(
    *,
    job_id: str,
    prevhash_hex: str,
    coinb1: bytes,
    coinb2: bytes,
    merkle_branch: Sequence[bytes],
    version: int,
    nbits: int,
    ntime: int,
    clean_jobs: bool,
) -> bytes:
    """``mining.notify``, to be rendered once a job and written to many.

    ``prevhash_hex`` is in Stratum's own word order, see ``prevhash_to_stratum_hex``.
    """
    branch = ",".join(f'"{item.hex()}"' for item in merkle_branch)
    return (
        f'{{"id":null,"method":"mining.notify","params":[{dumps(job_id)},"{prevhash_hex}",'
        f'"{coinb1.hex()}","{coinb2.hex()}",[{branch}],'
        f'"{version:08x}","{nbits:08x}","{ntime:08x}",{"true" if clean_jobs else "false"}]}}\n'
    ).encode()


def json_number(difficulty: float) -> int | float:
    """A difficulty to be encoded: an int where it is a whole number.

    Raises:
        LocalProtocolError: the difficulty is not a finite number above 0.
    """
    if not 0 < difficulty < inf:
        raise LocalProtocolError(f"not a difficulty: {difficulty}")
    return int(difficulty) if difficulty == int(difficulty) else float(difficulty)


def _decimal(difficulty: float) -> str:
    """A difficulty as every miner's parser reads it: digits and a point but no exponent, and whole
    numbers without a point (some firmware stops at the first sign that is not a digit).

    Reading it back gives the same float.
    """
    number = json_number(difficulty)
    return str(number) if isinstance(number, int) else format(Decimal(repr(number)), "f")
