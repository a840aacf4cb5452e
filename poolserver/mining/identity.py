"""Who a worker process is: the name under which it hands out work and books shares."""

from dataclasses import dataclass
from hashlib import sha256

MAX_WORKER_INDEX = 63  # 6 bits of extranonce1, see extranonce.py


@dataclass(frozen=True, slots=True)
class WorkerIdentity:
    """One life of one worker process.

    ``boot_epoch`` grows at each start of the process, so nothing that is named
    after an identity (a job id, a journal source) is ever named twice.

    Raises:
        ValueError: ``worker_index`` is not in 0..63 or ``boot_epoch`` not in 1..2^32-1.
    """

    instance_id: str
    worker_index: int
    boot_epoch: int

    def __post_init__(self) -> None:
        if not 0 <= self.worker_index <= MAX_WORKER_INDEX:
            raise ValueError(f"worker_index must be 0..{MAX_WORKER_INDEX}, is {self.worker_index}")
        if not 1 <= self.boot_epoch <= 0xFFFFFFFF:
            raise ValueError(f"boot_epoch must be 1..2^32-1, is {self.boot_epoch}")

    @property
    def source(self) -> str:
        """The journal source, e.g. ``pool-1/0/1763942400``."""
        return f"{self.instance_id}/{self.worker_index}/{self.boot_epoch}"

    @property
    def job_prefix(self) -> str:
        """The first 12 hex digits of each job id: instance, worker index, boot epoch.

        Two of the digits stand for the instance by a hash; edges that share one
        are still told apart by their epochs (the second at which each was started).
        """
        return f"{_digest(self.instance_id)[0]:02x}{self.worker_index:02x}{self.boot_epoch:08x}"

    @property
    def job_tag_prefix(self) -> bytes:
        """8 bytes that open the unique value in each job's coinbase (job.py)."""
        return _digest(self.source)[:8]

    @property
    def extranonce_prefix(self) -> int:
        """12 bits: the worker index in the upper 6, instance and boot epoch in the lower 6."""
        mark = _digest(f"{self.instance_id}/{self.boot_epoch}")[0] & 0x3F
        return self.worker_index << 6 | mark


def _digest(text: str) -> bytes:
    return sha256(text.encode()).digest()
