"""extranonce1: the part of the coinbase by which the pool keeps its connections' work apart.

Layout of the 4 bytes, big-endian: 6 bits worker index, 6 bits of instance and boot epoch
(identity.py), 20 bits that count connections. Four bytes are what every firmware takes.
Two live connections of one process never share a value, and worker processes of one
instance never do. Across instances the unique tag in each job's coinbase (job.py) is
what keeps headers apart: there a collision of extranonce1 is harmless.
"""

from poolserver.mining.identity import WorkerIdentity

EXTRANONCE1_SIZE = 4
COUNTER_BITS = 20
# 1,048,576 connections: seventy times what one process is built for.
COUNTER_SPACE = 1 << COUNTER_BITS


class ExtranonceExhausted(RuntimeError):
    """Every extranonce1 of this process is on a live connection."""


class ExtranonceAllocator:
    """Hands out extranonce1 values; a freed one comes round again as late as possible."""

    def __init__(self, identity: WorkerIdentity) -> None:
        self._prefix = identity.extranonce_prefix << COUNTER_BITS
        self._next = 0
        self._live: set[int] = set()  # whole values: those of a former process have its prefix

    def allocate(self) -> bytes:
        """A value of 4 bytes that no live connection of this process has.

        Raises:
            ExtranonceExhausted: all are in use.
        """
        if len(self._live) >= COUNTER_SPACE:
            raise ExtranonceExhausted(f"{COUNTER_SPACE} connections hold an extranonce1")
        while self._prefix | self._next in self._live:
            self._next = (self._next + 1) % COUNTER_SPACE
        value = self._prefix | self._next
        self._live.add(value)
        self._next = (self._next + 1) % COUNTER_SPACE
        return value.to_bytes(EXTRANONCE1_SIZE, "big")

    def adopt(self, extranonce1: bytes) -> None:
        """A connection that was taken over from another process has this value."""
        self._live.add(int.from_bytes(extranonce1, "big"))

    def free(self, extranonce1: bytes) -> None:
        """Give a value back when its connection has ended."""
        self._live.discard(int.from_bytes(extranonce1, "big"))

    def __len__(self) -> int:
        return len(self._live)
