"""How much of a peer is put up with."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Each limit with its reason.

    line_bytes: a client's longest honest line, a configure with all extensions, is under 1 KiB,
        and a server's notify under 16 KiB for coinbases that rigs accept (raise it on a client
        that is to take larger ones).
    line_timeout_s: honest lines come in one piece or two; who takes longer over one holds memory
        and a place for nothing.
    username_bytes: a payout address, a dot and a worker's name; 191 is what MySQL's utf8mb4 keys
        hold, and the longest that pools take.
    outbox_bytes: what a peer may leave unread, twenty or more notifies, before it is dropped.
    handshake_timeout_s: rigs subscribe and authorize within a second or two; who does not is
        not a miner.
    keepalive_idle_s: below the shortest time after which home routers forget a silent connection.
    event_backlog: events that a client's reader may lag behind before reading is paused.
    """

    line_bytes: int = 16 * 1024
    line_timeout_s: float = 60.0
    username_bytes: int = 191
    outbox_bytes: int = 64 * 1024
    handshake_timeout_s: float = 60.0
    keepalive_idle_s: int = 60
    event_backlog: int = 1024


SERVER_LIMITS = Limits()
# A pool's lines may be longer than a miner's: jobs with many outputs, a job's transactions.
CLIENT_LIMITS = Limits(line_bytes=1024 * 1024)
