"""What the two sides say to each other, as typed tuples.

Byte strings are bytes, 32-bit fields are ints, difficulties are floats: hex exists on the wire
only. ``prevhash_le`` is as in a block header; ``merkle_branch`` items are in digest order.
"""

from typing import Any, NamedTuple, TypeAlias

from .errors import Fault, StratumError

RequestId: TypeAlias = int | str | None

# --- a miner's requests ----------------------------------------------------------------------


class VersionRolling(NamedTuple):
    """The version-rolling extension as a miner asks for it (BIP310).

    ``mask`` is ffffffff where the miner names none. ``min_bit_count`` is informational.
    """

    mask: int
    min_bit_count: int


class RigInfo(NamedTuple):
    """The info extension (BIP310): what a rig tells about itself; empty where it tells nothing."""

    connection_url: str
    hw_version: str
    sw_version: str
    hw_id: str


class Configure(NamedTuple):
    """``mining.configure`` (BIP310): the extensions by name, and those with parameters parsed.

    A field is None (or False) where the extension is not asked for. It is None too where its
    parameters make no sense: the extension is then answered ``false``.
    """

    request_id: RequestId
    extensions: tuple[str, ...]
    version_rolling: VersionRolling | None
    minimum_difficulty: float | None
    subscribe_extranonce: bool
    info: RigInfo | None


class Subscribe(NamedTuple):
    """``mining.subscribe``; ``session_id`` is that of a session the miner wants to resume."""

    request_id: RequestId
    user_agent: str
    session_id: str | None


class Authorize(NamedTuple):
    """``mining.authorize``; a missing password is empty."""

    request_id: RequestId
    username: str
    password: str


class Submit(NamedTuple):
    """``mining.submit``; ``version_bits`` is None where the miner does not roll the version."""

    request_id: RequestId
    worker_name: str
    job_id: str
    extranonce2: bytes
    ntime: int
    nonce: int
    version_bits: int | None


class SuggestDifficulty(NamedTuple):
    """``mining.suggest_difficulty``; the difficulty is finite and above 0."""

    request_id: RequestId
    difficulty: float


class SuggestTarget(NamedTuple):
    """``mining.suggest_target``; the target is 1..2^256-1."""

    request_id: RequestId
    target: int


class ExtranonceSubscribe(NamedTuple):
    """``mining.extranonce.subscribe``: the miner knows mining.set_extranonce."""

    request_id: RequestId


class GetTransactions(NamedTuple):
    """``mining.get_transactions``: the transactions of a job."""

    request_id: RequestId
    job_id: str


class Ping(NamedTuple):
    """``mining.ping``: is anybody there?"""

    request_id: RequestId


# --- a pool's notifications ------------------------------------------------------------------


class SetDifficulty(NamedTuple):
    """``mining.set_difficulty``: for the jobs that follow."""

    difficulty: float


class Notify(NamedTuple):
    """``mining.notify``: a job."""

    job_id: str
    prevhash_le: bytes
    coinb1: bytes
    coinb2: bytes
    merkle_branch: tuple[bytes, ...]
    version: int
    nbits: int
    ntime: int
    clean_jobs: bool


class SetExtranonce(NamedTuple):
    """``mining.set_extranonce``: for the jobs that follow."""

    extranonce1: bytes
    extranonce2_size: int


class SetVersionMask(NamedTuple):
    """``mining.set_version_mask`` (BIP310)."""

    version_mask: int


class Reconnect(NamedTuple):
    """``client.reconnect``; None means the same host or port."""

    host: str | None
    port: int | None
    wait_s: float


class ShowMessage(NamedTuple):
    """``client.show_message``."""

    text: str


# --- replies, as events ----------------------------------------------------------------------


class Configured(NamedTuple):
    """The pool's reply to ``mining.configure``.

    ``version_mask`` is 0 where version rolling was not granted; ``granted`` names the extensions
    that the pool answered with true.
    """

    request_id: RequestId
    version_mask: int
    granted: frozenset[str]


class Subscribed(NamedTuple):
    """The pool's reply to ``mining.subscribe``; ``session_id`` is empty where the pool has none."""

    request_id: RequestId
    extranonce1: bytes
    extranonce2_size: int
    session_id: str


class Authorized(NamedTuple):
    """The pool's reply to ``mining.authorize``."""

    request_id: RequestId
    ok: bool
    error: StratumError | None


class SubmitResult(NamedTuple):
    """The pool's reply to ``mining.submit``."""

    request_id: RequestId
    accepted: bool
    error: StratumError | None


class Response(NamedTuple):
    """Any other reply; ``method`` is None where it answers nothing that we asked."""

    request_id: RequestId
    method: str | None
    result: Any
    error: StratumError | None


# --- what is not well-formed -----------------------------------------------------------------


class Malformed(NamedTuple):
    """Something that the peer should not have sent, in form or (``not_subscribed``) in order.

    A server has answered it with ``error`` by itself. ``fault.value`` is a label from a small
    fixed set; ``detail`` is for people; ``method`` is None unless it is one that is known here.
    """

    request_id: RequestId
    fault: Fault
    detail: str = ""
    method: str | None = None

    @property
    def error(self) -> StratumError:
        """What the peer is told: the label, and after a colon the detail."""
        reason = f"{self.fault.value}: {self.detail}" if self.detail else self.fault.value
        return StratumError(self.fault.code.value, reason)


Request: TypeAlias = (
    Configure
    | Subscribe
    | Authorize
    | Submit
    | SuggestDifficulty
    | SuggestTarget
    | ExtranonceSubscribe
    | GetTransactions
    | Ping
)
Push: TypeAlias = SetDifficulty | Notify | SetExtranonce | SetVersionMask | Reconnect | ShowMessage
Answer: TypeAlias = Configured | Subscribed | Authorized | SubmitResult
ServerEvent: TypeAlias = Request | Response | Malformed
ClientEvent: TypeAlias = Answer | Push | Response | Malformed
