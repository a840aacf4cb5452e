"""The share check, the hashes around it, the reading of templates and journal records, in C.

Only ``bytes`` are taken where bytes are meant (not ``bytearray``, ``memoryview`` or ``str``) and
only ``int`` where an integer is meant. A wrong type is a ``TypeError``, a wrong size or an integer
out of range a ``ValueError`` that names the argument. Nothing is truncated or wrapped.

``_le``: 32 bytes in digest order, which Bitcoin reads as a little-endian 256-bit integer.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol, Self, final

from poolserver._native.share_sum import ShareSum as ShareSum

BACKENDS: tuple[str, ...]
"""Names of the SHA-256 backends this CPU can run, best first: the first one is in use."""

def backend() -> str:
    """The name of the backend in use."""

def set_backend(name: str, /) -> None:
    """Use another backend, in the whole process: for tests and benchmarks.

    Raises:
        ValueError: ``name`` is not in ``BACKENDS``.
    """

def sha256d(data: bytes, /) -> bytes:
    """SHA-256 of the SHA-256 of ``data``: 32 bytes in digest order."""

def sha256d_pairs(data: bytes, /) -> bytes:
    """``sha256d`` of each 64-byte pair of ``data``, concatenated: one level of a merkle tree.

    Releases the GIL from 256 pairs on.

    Raises:
        ValueError: the size of ``data`` is not a multiple of 64.
    """

@final
class JobHasher:
    """All of one job that does not change from share to share. Immutable.

    The coinbase transaction (non-witness serialisation) is coinb1 + extranonce + coinb2.

    Args:
        merkle_branch: a tuple or list of the hashes beside the coinbase's path to the merkle root,
            lowest first, at most 32 of 32 bytes each.
        prevhash_le: as it stands in the header.
    """

    def __new__(
        cls,
        coinb1: bytes,
        coinb2: bytes,
        merkle_branch: Sequence[bytes],
        prevhash_le: bytes,
        nbits: int,
        network_target_le: bytes,
    ) -> Self: ...
    def check(
        self, extranonce: bytes, version: int, ntime: int, nonce: int, share_target_le: bytes, /
    ) -> tuple[bytes, bool, bool]:
        """The header hash of one share, and whether it meets its targets.

        Args:
            extranonce: extranonce1 + extranonce2, 1..64 bytes.

        Returns:
            ``(hash_le, meets the share target, meets the network target)``; a target is met by
            each hash that is <= it.
        """

def scan_nonces(header: bytes, nonce_start: int, count: int, target_le: bytes, /) -> list[int]:
    """The nonces of ``count`` from ``nonce_start`` with which the header's hash is <= the target.

    The nonce in the header (80 bytes) is ignored; after 2^32-1 comes 0; ``count`` is at most 2^32.
    Releases the GIL; Ctrl-C interrupts it.
    """

def take_transactions(
    answer: bytes, /
) -> tuple[bytes, bytes, bytes, bytes, bytes, bytes, bytes, bytes]:
    """A node's answer to getblocktemplate without its transactions, and these in columns.

    They are the items of the array ``transactions`` of the object ``result``, each an object with
    ``data``, ``txid``, ``hash``, ``fee``, ``sigops`` and ``weight``; what else it has is ignored.
    An answer without such an array, as one that tells an error, comes back as it is, with empty
    columns. Does its work without the GIL.

    Returns:
        The answer with that array emptied; then of all transactions ``data`` (hex digits) in one;
        and in packed columns, integers little-endian: the size of each in bytes (4 bytes), txid
        (32, as in a merkle tree), wtxid (``hash``; 32), fee in satoshi (8), weight (4), sigops (4).

    Raises:
        ValueError: the answer is not JSON, or a field is missing, there twice or malformed; the
            text says at which byte.
    """

def pack_share(
    buffer: bytearray | memoryview,
    offset: int,
    sequence: int,
    worker_ref: int,
    outcome: int,
    proven: bool,
    work: int,
    job_number: int,
    unix_ms: int,
    hash_le: bytes,
    /,
) -> None:
    """Write a share's record into ``buffer``, 85 bytes from ``offset`` on (see ledger/records.py).

    Args:
        work: in hashes, up to 2^128 - 1; the rest are integers of the record's sizes.
        hash_le: 32 bytes.

    Raises:
        BufferError: ``buffer`` cannot be written to, or is not in one piece.
        ValueError: something is out of range, or the record does not fit; nothing is written.
    """

def skip_records(records: bytes, offset: int, sequence: int, enough: int, /) -> tuple[int, int]:
    """Step over whole journal records of known kinds, from ``offset`` on.

    Ends before one that is damaged, cut short or has not its number (the first one's is
    ``sequence``), or behind the one with which ``enough`` bytes are reached. What is in a record
    is not looked at. Releases the GIL where there are 64 KiB or more.

    Returns:
        The offset at which it ended, and the number of records.
    """

def sum_shares(
    records: bytes, offset: int, sequence: int, interval_ms: int, open_from_ms: int, /
) -> tuple[int, int, list[ShareSum]]:
    """Add up the shares that begin at ``offset``, up to the first record that is no good share.

    That may be one of another kind, a damaged one, one that is cut short or has not the number
    that is due (``sequence`` is the first one's), or the end. A share is booked in the interval
    of ``interval_ms`` (which divides a day) that it was made in, or that begins at
    ``open_from_ms`` if that is later. Releases the GIL where there are 64 KiB or more.

    Returns:
        The offset at which it stopped, the number of shares, and their sums in the order in which
        each came up first.
    """

@final
class ShareTotals:
    """The sum of some shares. Work is in hashes, exact; times are Unix milliseconds.

    Sums of work are of any size; counts and times fit into 64 bits, a hash into 256.
    """

    def __new__(
        cls,
        accepted_work: int = 0,
        proven_work: int = 0,
        proven_work_sq: int = 0,
        shares: Sequence[int] = ...,
        best_hash: int | None = None,
        first_ms: int | None = None,
        last_ms: int | None = None,
    ) -> Self:
        """``shares`` has a count for each outcome, 0 where nothing is given.

        Raises:
            ValueError: a number does not fit, or there is not one count for each outcome.
        """

    @property
    def accepted_work(self) -> int:
        """Credit: the work of accepted shares."""

    @property
    def proven_work(self) -> int:
        """What the machines did: the work of every share whose hash proved it, late ones too."""

    @property
    def proven_work_sq(self) -> int:
        """The sum of squares of the proven work: its root is the Poisson error of it."""

    @property
    def shares(self) -> tuple[int, ...]:
        """How many there were of each ShareOutcome, by its number."""

    @property
    def best_hash(self) -> int | None:
        """The lowest hash of an accepted share, as an integer."""

    @property
    def best_difficulty(self) -> float:
        """The difficulty that the best share would have met; 0 before the first one."""

    @property
    def first_ms(self) -> int | None: ...
    @property
    def last_ms(self) -> int | None: ...
    def add(self, other: ShareTotals, /) -> None:
        """Take in the other's shares.

        Raises:
            ValueError: a count would not fit; nothing is changed.
        """

    def copy(self) -> ShareTotals:
        """One of its own."""

    def figures(self, work_scale: int, /) -> tuple[float, float, int, int, int, float]:
        """What a meter takes, each proven hash standing for ``work_scale`` of them.

        The proven work and the sum of its squares; how many were judged, stale and otherwise
        rejected; the best difficulty.

        Raises:
            OverflowError: the work is more than a float can be.
        """

def update_meter(
    state: bytes,
    decays: bytes,
    at_s: float,
    work: float,
    squares: float,
    judged: float,
    stale: float,
    rejected: float,
    best: float,
    round_number: float,
    /,
) -> bytes:
    """The state of a meter (24 doubles, see stats/meter.py) with some more shares in it.

    Args:
        decays: 14 doubles: what is left of the work in each window, and of its squares.
        at_s: when the shares came, not before the last ones.
        work: of the new shares, in hashes; ``squares`` the sum of its squares.
        judged: how many shares there are; so ``stale`` and ``rejected``.
        best: the difficulty that the best of them would have met.
    """

def read_meters(states: tuple[bytes, ...], now_s: float, /) -> bytes:
    """Seven columns of doubles, one behind the other; a row is of a meter (see stats/meter.py).

    The rates over 5 minutes and an hour in H/s; their standard errors; the stale and the rejected
    part of the last hour's shares; seconds since the last one. NaN is what is not known: nothing
    but rates before the first share. ``now_s`` is of the meters' clock.
    """

def metric_labels(names: tuple[tuple[str, ...], ...], between: tuple[bytes, ...], /) -> bytes:
    """Labels of many names, packed for ``metric_lines``: the texts of each, escaped.

    Args:
        between: what stands before each text, and behind the last one; a name's further texts
            are left out.
    """

def metric_lines(
    head: bytes,
    labels: bytes,
    tail: bytes,
    numbers: bytes,
    decimals: int,
    /,
) -> bytes:
    """A line "HEAD LABELS TAIL NUMBER" (without the spaces) each, as Prometheus reads it.

    Args:
        labels: what ``metric_labels`` gave of as many names.
        numbers: a double for each of them; what is NaN has no line.
        decimals: how many of them, at most 9; a number of more than 18 digits with them is
            written as Python does.
    """

@final
class Histogram:
    """How often something took how long, by upper bounds that never change.

    On whatever path it stands, to note something costs a twentieth of a microsecond.
    """

    def __new__(cls, bounds_s: tuple[float, ...]) -> Self:
        """``bounds_s``: ascending.

        Raises:
            ValueError: there are more than 16.
        """

    @property
    def bounds_s(self) -> tuple[float, ...]: ...
    @property
    def counts(self) -> tuple[int, ...]:
        """Of up to each bound, and above the one before; the last is of all beyond."""

    @property
    def seconds(self) -> float:
        """The sum of all that was noted."""

    def note(self, seconds: float, count: int = 1, /) -> None:
        """``count`` of them took so long, each."""

    def add(self, counts: tuple[int, ...], seconds: float, /) -> None:
        """Those of another one. One of other bounds, as of a process of an older version, is left
        out: half of it would be worse.

        Raises:
            ValueError: a count is negative, or has more than 64 bits.
        """

@final
class ShareSet:
    """Hashes of shares, each of 32 bytes in digest order, in the order in which they were added.

    It is what a set of ``bytes`` is, with a tenth of the memory, and the lane can add to it.
    """

    def __new__(cls) -> Self: ...
    def __len__(self) -> int: ...
    def __contains__(self, hash_le: object, /) -> bool: ...
    def add(self, hash_le: bytes, /) -> bool:
        """Add a hash; False if it was there."""

    def to_bytes(self) -> bytes:
        """All hashes, one behind the other."""

    def update(self, hashes_le: bytes, /) -> None:
        """Add what ``to_bytes`` gave; those that are there already stay once."""

@final
class LaneRig:
    """What the ordinary shares of one connection are judged by; see share_lane.h.

    ``owner`` is whatever Python calls the connection: credits name it. A cycle with it is broken
    by ``close``.
    """

    def __new__(cls, owner: object) -> Self: ...
    @property
    def is_open(self) -> bool: ...
    def open(
        self,
        version_mask: int,
        terms: Sequence[tuple[object, int, bytes, int, int, bytes, int]],
        workers: Sequence[tuple[object, bytes, int]],
        /,
    ) -> None:
        """From now on what this connection sends may be ordinary.

        Args:
            version_mask: which bits the rig may roll in any of its jobs.
            terms: by first job, ascending, each ``(owner, first_job, target_le, work,
                version_mask, extranonce1, coinbase_class)``; see ``miner.ChangePoint``.
            workers: each ``(owner, name, ref)``: the name in UTF-8, ``ref`` the journal's number.
                One whose name cannot stand in JSON as it is, is left out.
        """

    def close(self) -> None:
        """Nothing of it is ordinary any more; lets go of all owners but its own."""

@final
class ShareLane:
    """The jobs on offer to ordinary shares, and the judge of these; see share_lane.h."""

    def __new__(cls, extranonce2_size: int) -> Self: ...
    def __len__(self) -> int:
        """The number of jobs on offer."""

    def offer(
        self,
        owner: object,
        job_id: str,
        number: int,
        version: int,
        ntime_min: int,
        ntime_max: int,
        hashers: Sequence[JobHasher],
        seen: ShareSet,
        /,
    ) -> None:
        """Put a job on offer, without an end to its time; ``hashers`` by coinbase class."""

    def expire(self, owner: object, at: float, /) -> None:
        """The job of that owner is on offer until ``at`` (monotonic seconds) and no longer."""

    def withdraw(self, expired_before: float, /) -> None:
        """Take jobs whose time is over by then off the offer; with ``inf`` all jobs."""

    def judge(
        self, rig: LaneRig, data: bytes, now: float, sequence: int, unix_ms: int, room: int, /
    ) -> LaneTurn | None:
        """A turn with one connection's data, for tests and measurements: None if none is ordinary.

        ``LaneTurn.taken`` tells how many bytes of ``data`` were settled.
        """

@final
class LaneTurn:
    """The ordinary shares of one turn of the event loop, judged and counted nowhere else yet."""

    @property
    def count(self) -> int:
        """How many shares there are."""

    @property
    def records(self) -> bytes:
        """Their journal records, in the order of their sequence numbers."""

    @property
    def credits(self) -> list[tuple[Any, Any, Any, Any, int]]:
        """Owners of ``(rig, worker, terms, job)``, and how many shares in a row were theirs."""

    @property
    def taken(self) -> int:
        """After ``ShareLane.judge``: how many bytes of its data are settled."""

    @property
    def replies(self) -> bytes:
        """All answers, for tests."""

    def release(self) -> None:
        """Send the answers to all that are still connected, and note how long they took. Once."""

class SocketProtocol(Protocol):
    """What a rig's socket needs of its ``asyncio.Protocol``."""

    def connection_made(self, transport: Any, /) -> None: ...
    def data_received(self, data: bytes, /) -> None: ...
    def eof_received(self) -> bool | None: ...
    def connection_lost(self, error: Exception | None, /) -> None: ...
    def pause_writing(self) -> None: ...
    def resume_writing(self) -> None: ...

@final
class RigSocket:
    """One rig's plain TCP socket: an ``asyncio.Transport`` in all that ``ServerProtocol`` asks for.

    ``write`` sends at once what the kernel takes. The protocol is told of the end by
    ``connection_lost``, always from a turn of the event loop of its own.
    """

    rig: LaneRig | None
    """Set it and what comes in is looked at by the lane first."""

    def write(self, data: bytes, /) -> None: ...
    def close(self) -> None:
        """No more is read; the end comes when all that was written is sent."""

    def abort(self) -> None: ...
    def is_closing(self) -> bool: ...
    def get_extra_info(self, name: str, default: Any = None, /) -> Any:
        """``peername`` and ``sockname`` as sockets give them; of no other name anything."""

    def get_write_buffer_size(self) -> int: ...
    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...
    def set_protocol(self, protocol: SocketProtocol, /) -> None: ...
    def get_protocol(self) -> SocketProtocol: ...
    def detach(self) -> tuple[int, bytes]:
        """The file descriptor, which is the caller's from now on, and what is not sent yet.

        The protocol is told nothing, and let go. For a handover to another process.

        Raises:
            RuntimeError: it is closing, or something was read from it that ``deliver`` has not
                given to the protocol, or answers are held that a ``LaneTurn`` has not released.
        """

@final
class RigSockets:
    """The plain TCP sockets of all rigs of a process, in one epoll set. Linux only.

    The event loop watches ``fileno()`` and calls ``turn``, then ``deliver``, when it is readable.
    """

    def __new__(
        cls,
        lane: ShareLane,
        call_soon: Callable[[Callable[[], None]], object],
        now: Callable[[], float],
        latency: Histogram,
    ) -> Self:
        """``call_soon`` is the event loop's.

        Each share that a turn settles is noted in ``latency`` when the turn is released: from the
        turn's ``now`` to that moment, which ``now()`` tells.
        """

    def __len__(self) -> int:
        """The number of connections, with those that have ended and are to be told."""

    @property
    def staged(self) -> int:
        """How many sockets, and new connections, the last turn found; until ``deliver``."""

    @property
    def accept_failures(self) -> int:
        """How often accepting has failed; after each it is let be for 0.1 s.

        Or until a connection ends: mostly no file descriptor was left.
        """

    @property
    def accept_errno(self) -> int:
        """The errno of the last of these failures; 0: there was none."""

    def fileno(self) -> int:
        """What the event loop is to watch; -1 once it is closed."""
    def listen(self, fd: int, accept: Callable[[RigSocket], SocketProtocol], /) -> None:
        """Accept from a listening socket, non-blocking; its descriptor stays the caller's.

        ``accept`` gives a new connection's protocol, whose ``connection_made`` is then called. If
        it raises, the connection is closed and the error is raised by ``deliver`` at its end.
        """

    def unlisten(self, fd: int, /) -> None: ...
    def adopt(self, fd: int, unsent: bytes, protocol: SocketProtocol, /) -> RigSocket:
        """Take over a connected socket, such as ``detach`` gave; ``connection_made`` is not called.

        The descriptor is the set's from now on, unless that is closed.

        Raises:
            OSError: it cannot be watched, and is closed.
            RuntimeError: the set is closed.
        """

    def turn(self, now: float, sequence: int, unix_ms: int, room: int, /) -> LaneTurn | None:
        """Accept, read and judge what there is, within limits; calls no Python code.

        After a turn that was not delivered, nothing: that must be delivered first.


        ``now`` is monotonic seconds; the first share's record is number ``sequence``; at most
        ``room`` shares go the lane's way. None if no ordinary share came.
        """

    def deliver(self) -> None:
        """Hand new connections, all that was not ordinary, and ends to the protocols.

        An exception of a protocol keeps nothing from the others: the first is raised at the end,
        and more are given to ``sys.unraisablehook``.
        """

    def write_all(self, sockets: Sequence[RigSocket], data: bytes, /) -> None:
        """The same to many, in their order."""

    def close(self) -> None:
        """Abort all connections, and close the epoll set once they have been told.

        The event loop must have ceased to watch it.
        """
