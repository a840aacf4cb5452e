"""What one process of the pool tells the next, and what that one answers.

Whoever hands over says ``Hello``, with the listening sockets; then, once the other is ``Ready``,
``Jobs``: these do not change, and rigs are served meanwhile. Then it serves them no more, and
sends the jobs that have come since and ``Handed``, with the rigs' sockets. When the other has
``Taken`` all it says ``Go``, and its own end of the socket stays open until its books are closed:
then it says ``Left`` to one that asked for that. In place of any word of its own until ``Taken``
the other may say why it has ``Failed``.

Times are of the monotonic clock, which all processes of one boot of a machine share. Fields may
be added, with a default; with any other change FORMAT grows, and an upgrade to a process of
another format is refused by that one.
"""

import msgspec

from poolserver._vendor.asyncio_stratum import ConnectionState
from poolserver.cluster.messages import SentPlan, WorkerSettings, decode_hook, encode_hook
from poolserver.mining.job_state import JobState
from poolserver.mining.miner_state import LostState, MinerState
from poolserver.mining.template import BlockTemplate
from poolserver.server.freshness import FreshnessState
from poolserver.server.guard import GuardState

FORMAT = 1


class Listening(msgspec.Struct, frozen=True):
    """An address as the config has it, and how many sockets listen there."""

    host: str
    port: int
    sockets: int


class Reloading(msgspec.Struct, frozen=True):
    """Why the new process is started: to have the configuration of this fingerprint in force."""

    fingerprint: str
    """``Fingerprint.whole`` of what was found good: no other is to be taken for it."""
    begun_at: float
    """Unix seconds."""


class Hello(msgspec.Struct, frozen=True, tag="hello"):
    """The first word, with the sockets of all listeners, then those of HTTP, and then the lock.

    A coordinator of several worker processes has no listeners, and ``workers`` says how many. Such
    a worker has its lock, and the ``settings`` that the new one is to have. ``reloads`` counts
    those that were asked for so far, by their outcome.
    """

    format: int
    network: str
    extranonce2_size: int
    listeners: tuple[Listening, ...] = ()
    http: Listening = Listening("", 0, 0)
    workers: int = 1
    settings: WorkerSettings | None = None
    reloading: Reloading | None = None
    reloads: dict[str, int] = {}


class Jobs(msgspec.Struct, frozen=True, tag="jobs"):
    """Jobs that the other does not have yet, the oldest first.

    ``templates`` are numbered on from those that were sent before; each job is with the number of
    its own.
    """

    templates: tuple[BlockTemplate, ...]
    jobs: tuple[tuple[int, JobState], ...]


class IssuedState(msgspec.Struct, frozen=True, array_like=True):
    """What has been seen on a job: hashes of 32 bytes, those in ``seen`` one behind the other."""

    number: int
    expires_at: float
    seen: bytes
    found: list[bytes]


class PoolState(msgspec.Struct, frozen=True):
    """A ``pool.Pool`` but for its connections; jobs are told by their numbers, 0 for none."""

    current: int
    spare: int
    issued: tuple[IssuedState, ...]
    lost: tuple[LostState, ...]
    last_hashrate: dict[str, float]
    plan: SentPlan
    resumed: int
    stopgap_work: str
    """A decimal: it has more than 64 bits."""


class SessionState(msgspec.Struct, frozen=True):
    """One connection. ``listener`` is its number in ``Hello``.

    ``unsent`` is what the rig's socket did not take yet, before what ``connection`` has.
    """

    listener: int
    peername: tuple[str, int] | None
    unsent: bytes
    connection: ConnectionState
    miner: MinerState
    accepted_at: float
    has_work: bool


class Handed(msgspec.Struct, frozen=True, tag="handed"):
    """All the rest, with one socket for each session. ``latest`` numbers the last template."""

    latest: int | None
    freshness: FreshnessState
    pool: PoolState
    guard: GuardState
    malformed: int
    journal_dropped: int
    sessions: tuple[SessionState, ...]


class Go(msgspec.Struct, frozen=True, tag="go"):
    """The rigs are the other's, who may read what they say."""


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """All that can fail before rigs are taken has not. ``wants_left``: see ``Left``."""

    wants_left: bool = False


class Taken(msgspec.Struct, frozen=True, tag="taken"):
    """All that was handed is there, and only ``Go`` is waited for."""


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """The new process cannot take over, and ends; the reason is for people."""

    reason: str


class Left(msgspec.Struct, frozen=True, tag="left"):
    """The books are closed; and what is in none of them, by the part that it is of.

    Each part knows its own form. What the new process cannot read it does without.
    """

    parts: dict[str, bytes]


Message = Hello | Jobs | Handed | Go | Ready | Taken | Failed | Left

_encoder = msgspec.msgpack.Encoder(enc_hook=encode_hook)
_decoder: msgspec.msgpack.Decoder[Message] = msgspec.msgpack.Decoder(Message, dec_hook=decode_hook)


class HandoverError(RuntimeError):
    """The handover cannot go on; the text says why."""


def encode(message: Message) -> bytes:
    """As it is sent."""
    return _encoder.encode(message)


def decode(message: bytes) -> Message:
    """What was sent.

    Raises:
        HandoverError: it is no message of this format.
    """
    try:
        return _decoder.decode(message)
    except (msgspec.DecodeError, ValueError) as error:
        raise HandoverError(f"what the other process says is not understood: {error}") from error
