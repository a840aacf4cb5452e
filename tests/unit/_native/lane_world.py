"""A lane with one job and one rig, which takes any hash unless it is told otherwise."""

from dataclasses import dataclass, replace
from struct import Struct
from types import ModuleType
from typing import Any

ANY_HASH = b"\xff" * 32
NO_HASH = bytes(32)
JOB_ID = "a1000abcdef01"
NUMBER, WORK, REF = 7, 2**70 + 5, 3
VERSION, MASK = 0x20000000, 0x1FFFE000
NTIME_MIN, NTIME_MAX = 1_763_942_400, 1_763_949_400
EXTRANONCE1 = b"\x0a\x0b\x0c\x0d"
WORKER = b"demo.rig"
RECORD = Struct("<IHBQIBBQQQQ32s")


@dataclass(frozen=True)
class Share:
    """What a rig sends, by the values that are meant."""

    worker: str = "demo.rig"
    job_id: str = JOB_ID
    extranonce2: bytes = bytes(8)
    ntime: int = NTIME_MIN
    nonce: int = 0
    version_bits: int | None = None
    request_id: int = 4

    @property
    def line(self) -> bytes:
        params = (
            f'"{self.worker}", "{self.job_id}", "{self.extranonce2.hex()}", '
            f'"{self.ntime:08x}", "{self.nonce:08x}"'
        )
        if self.version_bits is not None:
            params += f', "{self.version_bits:08x}"'
        return (
            f'{{"id": {self.request_id}, "method": "mining.submit", "params": [{params}]}}\n'
        ).encode()

    @property
    def reply(self) -> bytes:
        return b'{"id":%d,"result":true,"error":null}\n' % self.request_id


class LaneWorld:
    """The lane, and the plain way to say what it should find."""

    def __init__(self, c: ModuleType, network_target_le: bytes = NO_HASH) -> None:
        self.c = c
        self.hashers = [
            c.JobHasher(
                b"coinb1" * size, b"coinb2", [b"\x11" * 32] * 3, bytes(32), 9, network_target_le
            )
            for size in (10, 20)
        ]
        self.lane, self.seen, self.rig = c.ShareLane(8), c.ShareSet(), c.LaneRig("rig")
        self.offer()
        self.open()

    def offer(self, owner: Any = "job", job_id: str = JOB_ID, number: int = NUMBER) -> None:
        self.lane.offer(
            owner, job_id, number, VERSION, NTIME_MIN, NTIME_MAX, self.hashers, self.seen
        )

    def open(
        self,
        *terms: tuple[Any, ...],
        workers: tuple[tuple[Any, bytes, int], ...] = (("worker", WORKER, REF),),
        version_mask: int = MASK,
    ) -> None:
        self.rig.open(version_mask, terms or (terms_of(),), workers)

    def hash_of(
        self, share: Share, extranonce1: bytes = EXTRANONCE1, size_class: int = 0, mask: int = MASK
    ) -> bytes:
        bits = share.version_bits
        version = VERSION if bits is None else VERSION & ~mask | bits
        hash_le: bytes = self.hashers[size_class].check(
            extranonce1 + share.extranonce2, version, share.ntime, share.nonce, NO_HASH
        )[0]
        return hash_le

    def record_of(self, share: Share, sequence: int, **fields: Any) -> bytes:
        """Its record, if it was accepted with the terms that are usual here."""
        buffer = bytearray(85)
        usual = {"ref": REF, "work": WORK, "number": NUMBER, "unix_ms": 5}
        ref, work, number, unix_ms = {**usual, **fields}.values()
        self.c.pack_share(
            buffer, 0, sequence, ref, 0, True, work, number, unix_ms, self.hash_of(share)
        )
        return bytes(buffer)

    def judge(self, data: bytes, *, now: float = 0.0, sequence: int = 1, room: int = 100) -> Any:
        return self.lane.judge(self.rig, data, now, sequence, 5, room)

    def takes(self, share: Share, **terms: Any) -> bool:
        return self.judge(share.line, **terms) is not None


def terms_of(
    owner: Any = "terms",
    first_job: int = 1,
    target_le: bytes = ANY_HASH,
    work: int = WORK,
    version_mask: int = MASK,
    extranonce1: bytes = EXTRANONCE1,
    coinbase_class: int = 0,
) -> tuple[Any, int, bytes, int, int, bytes, int]:
    return owner, first_job, target_le, work, version_mask, extranonce1, coinbase_class


def shares(count: int, **fields: Any) -> list[Share]:
    """Shares that differ in nonce and id."""
    usual = Share(**fields)
    return [replace(usual, nonce=n, request_id=100 + n) for n in range(count)]


def lines(*several: Share) -> bytes:
    return b"".join(share.line for share in several)


def as_target(hash_le: bytes, change: int = 0) -> bytes:
    """The target that this hash just meets; with -1 the one that it just misses."""
    return (int.from_bytes(hash_le, "little") + change).to_bytes(32, "little")


def hashes_of(records: bytes) -> list[bytes]:
    """The hashes in journal records of shares."""
    return [fields[-1] for fields in RECORD.iter_unpack(records)]
