"""What a session needs of the worker process that it lives in."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from poolserver.histogram import Histogram
from poolserver.judge import SolvedBlock
from poolserver.ledger.records import ShareRecord
from poolserver.mining.payout import Distribution
from poolserver.mining.share import ShareOutcome
from poolserver.pool import Pool
from poolserver.server.guard import Guard
from poolserver.server.rig_roll import RigRoll

if TYPE_CHECKING:
    from poolserver.server.session import MinerSession


class Journal(Protocol):
    """What a session needs of the share journal. ``turn`` numbers the event loop's turns."""

    @property
    def turn(self) -> int: ...
    def declare_worker(self, account: str, worker_name: str) -> int: ...
    def append_share(
        self,
        worker_ref: int,
        outcome: ShareOutcome,
        proven: bool,
        work: int,
        job_number: int,
        hash_le: bytes,
    ) -> bool: ...
    def append_solution(self, share: ShareRecord) -> None: ...
    def append_block(
        self, height: int, hash_le: bytes, worker_ref: int, distribution: Distribution
    ) -> None: ...
    def release(self, callback: Callable[[], None]) -> None: ...


class House(Protocol):
    """What a session needs of the worker process that it lives in."""

    malformed: int
    latency: Histogram
    """From a share's bytes to its answer."""
    transactions_limit: int
    by_session_id: dict[str, "MinerSession"]

    @property
    def pool(self) -> Pool: ...
    @property
    def guard(self) -> Guard: ...
    @property
    def roll(self) -> RigRoll: ...
    @property
    def journal(self) -> Journal: ...
    def now(self) -> float: ...
    def unix_time(self) -> int: ...
    def enter(self, session: "MinerSession") -> None: ...
    def enter_again(self, session: "MinerSession") -> None: ...
    def leave(self, session: "MinerSession") -> None: ...
    def offer(self, job_id: str) -> None: ...
    def solved(
        self, block: SolvedBlock, worker_name: str, on_spooled: Callable[[], None]
    ) -> None: ...
