"""A rig that finds blocks when it is told to, and knows which ones it has sent."""

import asyncio
import random
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from random import Random

from poolserver._native import scan_nonces
from poolserver._vendor.asyncio_stratum import (
    ClientEvent,
    Notify,
    SetDifficulty,
    StratumClient,
    StratumError,
    SubmitResult,
)
from poolserver.bitcoin.header import pack_header
from poolserver.bitcoin.merkle import merkle_root_from_branch
from poolserver.bitcoin.target import target_from_difficulty, target_le
from tests.integration.running import height_of
from tests.torture.handmade import REGTEST_TARGET, sha256d
from tests.torture.network import within

CONNECT_TIMEOUT_S = 30.0
JOB_TIMEOUT_S = 45.0
RECONNECT_S = 0.05
NAME = "demo.finder"
# Later than the pool allows (7,000 s) and sooner than the node does (7,200 s).
LATE_S = 7050


class Kind(Enum):
    """A share that is a block, and what else is wrong with it."""

    GOOD = "good"
    LOW = "low difficulty"
    STRANGER = "unauthorized"
    LATE = "ntime out of range"


@dataclass(frozen=True)
class Solved:
    """A block as the rig has solved it. The hash is of the header that it made itself."""

    hash_hex: str
    height: int
    prevhash_hex: str
    kind: Kind
    job: Notify
    extranonce2: bytes
    ntime: int
    nonce: int


class Finder:
    """Stays connected as well as the pool lets it."""

    def __init__(self, port: int, rng: Random) -> None:
        self._port = port
        self._rng = rng
        self._client: StratumClient | None = None
        self._job: Notify | None = None
        self._difficulty = 0.0
        self._answers: dict[object, asyncio.Future[str]] = {}

    async def run(self) -> None:
        """Connect, and again whenever the connection is lost, until cancelled."""
        while True:
            with suppress(OSError):
                await self._one_connection()
            self._lost()
            await asyncio.sleep(RECONNECT_S)

    async def _one_connection(self) -> None:
        client = await StratumClient.connect(
            "127.0.0.1", self._port, user_agent="finder/1.0", on_event=self._on_event
        )
        try:
            client.subscribe()
            client.authorize(NAME)
            self._client = client
            await client.wait_closed()
        finally:
            client.close()

    def _lost(self) -> None:
        self._client = self._job = None
        for answer in self._answers.values():
            if not answer.done():
                answer.set_result("died")
        self._answers.clear()

    def _on_event(self, event: ClientEvent) -> None:
        match event:
            case SetDifficulty(difficulty):
                self._difficulty = difficulty
            case Notify():
                self._job = event
            case SubmitResult():
                answer = self._answers.pop(event.request_id, None)
                if answer is not None and not answer.done():
                    answer.set_result(_word(event.error))

    # --- what the harness does -----------------------------------------------------------

    async def is_on(self, tip_hex: str) -> bool:
        """Whether it comes to have a job on this tip."""

        async def has_job() -> bool:
            return self._job is not None and self._job.prevhash_le[::-1].hex() == tip_hex

        return await within(JOB_TIMEOUT_S, has_job)

    @property
    def transactions(self) -> int:
        """About how many transactions the job has: 2 to the length of its branch."""
        return 0 if self._job is None else 2 ** len(self._job.merkle_branch) - 1

    def solve(self, kind: Kind = Kind.GOOD) -> Solved:
        """Solve a block of the current job, without sending it."""
        client, job = self._client, self._job
        assert client is not None
        assert job is not None
        ntime = job.ntime + (LATE_S if kind is Kind.LATE else 0)
        share_target = target_from_difficulty(self._difficulty)
        while True:
            extranonce2 = random.randbytes(client.connection.extranonce2_size)
            coinbase = job.coinb1 + client.connection.extranonce1 + extranonce2 + job.coinb2
            root_le = merkle_root_from_branch(sha256d(coinbase), job.merkle_branch)
            fields = (job.version, job.prevhash_le, root_le, ntime, job.nbits)
            for nonce in scan_nonces(pack_header(*fields, 0), 0, 64, target_le(REGTEST_TARGET)):
                hash_le = sha256d(pack_header(*fields, nonce))
                is_low = int.from_bytes(hash_le, "little") > share_target
                if is_low == (kind is Kind.LOW):
                    return Solved(
                        hash_hex=hash_le[::-1].hex(),
                        height=height_of(job),
                        prevhash_hex=job.prevhash_le[::-1].hex(),
                        kind=kind,
                        job=job,
                        extranonce2=extranonce2,
                        ntime=ntime,
                        nonce=nonce,
                    )

    def send(self, solved: Solved) -> "asyncio.Future[str]":
        """Send it; the pool's word on it, or ``died`` where the connection was lost first."""
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        if self._client is None:
            answer.set_result("died")
            return answer
        name = "stranger.rig" if solved.kind is Kind.STRANGER else NAME
        request_id = self._client.submit(
            name, solved.job.job_id, solved.extranonce2, solved.ntime, solved.nonce
        )
        self._answers[request_id] = answer
        return answer


def _word(error: StratumError | None) -> str:
    return "accepted" if error is None else str(error.reason)
