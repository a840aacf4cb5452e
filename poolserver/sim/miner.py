"""A simulated rig's connection to its pool: the events of the wire, a timer, a place at the CPU."""

import asyncio
from dataclasses import dataclass
from random import Random
from typing import NoReturn

from poolserver._vendor.asyncio_stratum import (
    Authorized,
    ClientEvent,
    Configured,
    Notify,
    Reconnect,
    Response,
    SetDifficulty,
    SetExtranonce,
    SetVersionMask,
    State,
    StratumClient,
    SubmitResult,
    Subscribed,
)
from poolserver.sim.cpu import Cpu
from poolserver.sim.rig import Rig
from poolserver.sim.search import Attempt
from poolserver.sim.tally import Tally

USER_AGENT = "poolserver-simulate/0.1"
DEFAULT_PASSWORD = "x"  # noqa: S105 - not a secret: what rigs send to pools that ask for none
# What rigs with version rolling ask for: all of the bits that BIP320 sets aside.
WANTED_VERSION_MASK = 0x1FFFE000
CONNECT_TIMEOUT_S = 10.0
# From the connection to the first job. Pools themselves wait for a minute.
HANDSHAKE_TIMEOUT_S = 60.0
# cgminer gives a pool up after as long a silence; pools send work every 30 s or so.
SILENCE_TIMEOUT_S = 90.0
# Rigs that lost their pool together must not come back together.
BACK_OFF_FIRST_S = 1.0
BACK_OFF_MAX_S = 60.0
# Event loops fire a timer up to a millisecond early.
TIMER_RESOLUTION_S = 0.001


@dataclass(frozen=True, slots=True)
class PoolAddress:
    """The one place that rigs connect to, whatever a pool says.

    ``client.reconnect`` is ignored, for it is also how miners are led away to a thief's pool.
    With ``obey_reconnect`` a rig connects anew, but to this address always.
    """

    host: str
    port: int
    password: str = DEFAULT_PASSWORD
    obey_reconnect: bool = False


class PoolRefused(Exception):
    """The pool will not have this rig, or asks of it what no rig can do."""


class Miner:
    """One rig and its connection, made anew for as long as ``run`` runs."""

    def __init__(
        self, username: str, rig: Rig, pool: PoolAddress, cpu: Cpu, tally: Tally, random: Random
    ) -> None:
        self.rig = rig
        self._username = username
        self._pool = pool
        self._cpu = cpu
        self._tally = tally
        self._random = random
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._is_queued = False
        self._failures = 0
        self._client: StratumClient | None = None
        self._unanswered: dict[int, int] = {}  # request id: the share's work
        self._early_job: Notify | None = None

    async def run(self, start_after_s: float) -> NoReturn:
        """Mine until cancelled; a lost connection is made again."""
        wait_s: float | None = start_after_s
        while True:
            await asyncio.sleep(self._back_off_s() if wait_s is None else wait_s)
            try:
                wait_s = await self._mine()
            except (OSError, PoolRefused) as error:  # a timeout is an OSError without a text
                self._tally.trouble = str(error) or "the pool is silent"
                wait_s = None

    def _back_off_s(self) -> float:
        longest = min(BACK_OFF_FIRST_S * 2.0**self._failures, BACK_OFF_MAX_S)
        self._failures = min(self._failures + 1, 16)  # 2^16 s is beyond any maximum
        return longest * self._random.uniform(0.5, 1.0)

    async def _mine(self) -> float:
        """One connection from its beginning to its end; the seconds to stay away, if so asked.

        Raises:
            OSError: it could not be made, was lost, or went silent.
            PoolRefused: there is no work to be had.
        """
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            client = await StratumClient.connect(
                self._pool.host, self._pool.port, user_agent=USER_AGENT
            )
        self._client = client
        try:
            client.configure(version_mask=WANTED_VERSION_MASK, subscribe_extranonce=True)
            client.subscribe()
            async with asyncio.timeout(HANDSHAKE_TIMEOUT_S) as patience:
                async for event in client:
                    if type(event) is Reconnect and self._pool.obey_reconnect:
                        return event.wait_s
                    self._on_event(event, client)
                    if self.rig.is_hashing:
                        patience.reschedule(self._loop.time() + SILENCE_TIMEOUT_S)
            raise ConnectionResetError("the pool closed the connection")
        finally:
            client.close()
            self._forget_connection()

    def _forget_connection(self) -> None:
        self._client = self._early_job = None
        self._tally.unanswered += len(self._unanswered)
        self._unanswered.clear()
        self.rig.on_disconnected(self._loop.time())
        self._schedule()

    # --- what the pool says ------------------------------------------------------------------

    def _on_event(self, event: ClientEvent, client: StratumClient) -> None:
        match event:
            case Notify():
                self._on_notify(event, client)
            case SubmitResult(request_id=int(request_id)) if request_id in self._unanswered:
                self._tally.count(event, self._unanswered.pop(request_id))
            case SetDifficulty():
                self._on_difficulty(event)
            case Subscribed():
                self.rig.on_extranonce(event.extranonce1, event.extranonce2_size)
                client.authorize(self._username, self._pool.password)
            case SetExtranonce():
                self.rig.on_extranonce(event.extranonce1, event.extranonce2_size)
            case Configured() | SetVersionMask():
                self.rig.on_version_mask(event.version_mask)
            case Authorized():
                self._on_authorized(event, client)
            case Response(method="mining.subscribe"):
                raise PoolRefused("the pool refused mining.subscribe")

    def _on_notify(self, job: Notify, client: StratumClient) -> None:
        if client.connection.state is not State.READY:
            self._early_job = job  # many pools send work before they have answered authorize
            return
        self._failures = 0
        self.rig.on_notify(job, self._loop.time())
        self._schedule()

    def _on_difficulty(self, event: SetDifficulty) -> None:
        try:
            self.rig.on_difficulty(event.difficulty)
        except ValueError as error:
            raise PoolRefused(str(error)) from error

    def _on_authorized(self, event: Authorized, client: StratumClient) -> None:
        if not event.ok:
            reason = event.error.reason if event.error else "no reason given"
            raise PoolRefused(f"{self._username} is not authorized: {reason}")
        if self._early_job is not None:
            self._on_notify(self._early_job, client)

    # --- shares ------------------------------------------------------------------------------

    def _schedule(self) -> None:
        """Set the timer to the next share, unless the CPU has the rig in its queue already."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self.rig.due_at is not None and not self._is_queued:
            self._timer = self._loop.call_at(self.rig.due_at, self._on_due)

    def _on_due(self) -> None:
        self._is_queued = True
        self._cpu.enqueue(self)

    def next_attempt(self) -> Attempt | None:
        """What to hash for the share that is due (see ``cpu.Searching``)."""
        if self.rig.is_due(self._loop.time() + TIMER_RESOLUTION_S):
            return self.rig.attempt()
        self._is_queued = False
        self._schedule()
        return None

    def on_tried(self, attempt: Attempt, nonce: int | None) -> None:
        """Submit what was found, unless its job was replaced meanwhile: then the search goes on."""
        client = self._client
        if nonce is None or client is None or attempt.work is not self.rig.work:
            return
        if client.connection.state is not State.READY:  # the end has come but is not told yet
            return
        job = attempt.work.job
        request_id = client.submit(
            self._username, job.job_id, attempt.extranonce2, job.ntime, nonce, attempt.version_bits
        )
        self._unanswered[request_id] = attempt.work.difficulty.work
        self.rig.on_found(self._loop.time())
