"""A worker process on a real loop, with clocks that the test turns and a node that obeys it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from poolserver._native import scan_nonces, sha256d
from poolserver._vendor.asyncio_stratum import (
    Notify,
    SetDifficulty,
    StratumClient,
    SubmitResult,
)
from poolserver.bitcoin.header import pack_header
from poolserver.bitcoin.merkle import merkle_root_from_branch
from poolserver.bitcoin.target import MAX_TARGET, target_le
from poolserver.cluster.messages import (
    ListenerSettings,
    TemplateUpdate,
    Up,
    WorkerCounters,
    WorkerSettings,
    WorkerStarted,
)
from poolserver.config import LimitsConfig
from poolserver.mining.payout import PayoutPlan
from poolserver.mining.template import BlockTemplate
from poolserver.outfit import limit_settings
from poolserver.server.block_desk import block_submitter
from poolserver.server.sweep import SWEEP_STEPS
from poolserver.server.worker import Worker
from tests.unit.solving import CURTIME, MASK, P2WPKH

EASIEST = 2.0**-32
SOURCE = "pool-1/0/1763942400"
REFRESH_S = 30.0
MAX_AGE_S = 300.0
GRACE_S = 60.0


def settings(folder: Path, **changes: Any) -> WorkerSettings:
    terms: dict[str, Any] = {
        "instance_id": "pool-1",
        "worker_index": 0,
        "boot_epoch": 1_763_942_400,
        "network": "regtest",
        "payout": PayoutPlan(P2WPKH),
        "coinbase_tag": b"/test/",
        "extranonce2_size": 8,
        "version_mask": MASK,
        "target_shares_per_minute": 12.0,
        "max_shares_per_minute": 600.0,
        "job_lifetime_s": 600.0,
        "refresh_interval_s": REFRESH_S,
        "template_max_age_s": MAX_AGE_S,
        "node_loss_grace_s": GRACE_S,
        "line_limit": 16384,
        "outbox_limit": 65536,
        "handshake_timeout_s": 60.0,
        "line_timeout_s": 60.0,
        "resume_window_s": 600.0,
        "reconnect_hosts": (),
        "firmware": "",
        "limits": limit_settings(LimitsConfig()),
        "listeners": (ListenerSettings("127.0.0.1", 0, EASIEST, EASIEST, EASIEST),),
        "nodes": (),
        "listed_accounts": ("demo",),
        "any_account": False,
        "journal_dir": str(folder / "journal"),
        "spool_dir": str(folder / "spool"),
        "journal_release": "turn",
        "journal_sync_interval_s": 0.001,
        "journal_when_full": "hold",
        "journal_held_bytes": 64 << 20,
    }
    return WorkerSettings(**{**terms, **changes})


class FakeNode:
    """Takes every block, at its own pace."""

    url = "fake"

    def __init__(self) -> None:
        self.submitted: list[str] = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def call(
        self, method: str, *params: Any, type: Any = Any, timeout_s: float | None = 1.0
    ) -> None:
        self.submitted.append(params[0])
        await self.may_answer.wait()

    async def close(self) -> None: ...


@dataclass
class Hall:
    """A worker with all that is around it: what it says, its clock and its rigs."""

    clock: float = 1000.0
    said: list[Up] = field(default_factory=list)
    heard: asyncio.Event = field(default_factory=asyncio.Event)
    node: FakeNode = field(default_factory=FakeNode)
    rigs: list[StratumClient] = field(default_factory=list)
    worker: Worker = field(init=False)

    def send(self, message: Up) -> None:
        self.said.append(message)
        self.heard.set()

    def all_of(self, kind: type) -> list[Any]:
        return [message for message in self.said if isinstance(message, kind)]

    async def until(self, reached: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not reached():
                self.heard.clear()
                await self.heard.wait()

    @property
    def port(self) -> int:
        return int(self.all_of(WorkerStarted)[0].ports[0])

    def tick(self, seconds: float = 0.0, *, sweep: bool = False) -> None:
        self.clock += seconds
        self.worker.tick(sweep_steps=SWEEP_STEPS if sweep else 0)

    def counters(self) -> WorkerCounters:
        self.worker.tick(sweep_steps=0)
        counters: WorkerCounters = self.all_of(WorkerCounters)[-1]
        return counters

    def template(self, template: BlockTemplate) -> None:
        self.worker.receive(TemplateUpdate(template))

    async def rig(self, name: str = "demo.rig") -> "Rig":
        client = await StratumClient.connect("127.0.0.1", self.port, user_agent="test-rig/1.0")
        self.rigs.append(client)
        client.subscribe()
        client.authorize(name)
        rig = Rig(client, name)
        await rig.answers(2)
        return rig


@dataclass
class Rig:
    client: StratumClient
    name: str
    jobs: list[Notify] = field(default_factory=list)

    async def answers(self, count: int) -> Any:
        """Read on until so many answers have come; the last of them."""
        while count:
            event = await self.event()
            count -= not isinstance(event, Notify | SetDifficulty)
        return event

    async def event(self) -> Any:
        async with asyncio.timeout(5):
            event = await anext(self.client)
        if isinstance(event, Notify):
            self.jobs.append(event)
        return event

    async def job(self) -> Notify:
        """The next job that comes."""
        while not isinstance(event := await self.event(), Notify):
            pass
        return event

    async def is_told_nothing(self) -> bool:
        """Whether no job came before the answer to a ping."""
        count = len(self.jobs)
        self.client.ping()
        await self.answers(1)
        return len(self.jobs) == count

    async def submit(self, job: Notify, number: int = 0) -> SubmitResult:
        """Send a hash below the target of half of all hashes: on regtest a block."""
        connection = self.client.connection
        extranonce2 = number.to_bytes(connection.extranonce2_size, "big")
        coinbase = job.coinb1 + connection.extranonce1 + extranonce2 + job.coinb2
        root_le = merkle_root_from_branch(sha256d(coinbase), job.merkle_branch)
        header = pack_header(job.version, job.prevhash_le, root_le, job.ntime, job.nbits, 0)
        nonce = scan_nonces(header, 0, 256, target_le(MAX_TARGET >> 1))[0]
        self.client.submit(self.name, job.job_id, extranonce2, job.ntime, nonce)
        result = await self.answers(1)
        assert isinstance(result, SubmitResult)
        return result


@asynccontextmanager
async def running(folder: Path, **changes: Any) -> AsyncIterator[Hall]:
    hall = Hall()
    hall.worker = Worker(
        settings(folder, **changes),
        hall,
        block_submitter(folder / "spool", [hall.node]),
        now=lambda: hall.clock,
        unix_time=lambda: CURTIME + hall.clock - 1000.0,
    )
    await hall.worker.start()
    try:
        yield hall
    finally:
        for client in hall.rigs:
            client.close()
            await client.wait_closed()
        await hall.worker.stop()
