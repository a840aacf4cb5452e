"""The worker process: everything between a rig's socket and the share journal.

It knows nothing of SQLite, HTTP, meters or other workers. Its settings and templates come down
the link, journal batches and counters go up; with the other end gone it goes on with what it
has, and submits and spools a block alone.
"""

import asyncio
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import count, cycle
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from poolserver._native import HAS_WIRE
from poolserver.bitcoin.networks import NETWORKS
from poolserver.cluster import timings
from poolserver.cluster.link import Sender
from poolserver.cluster.messages import (
    Down,
    OurBlock,
    PayoutUpdate,
    RigsChanged,
    TemplateConfirmed,
    TemplateUpdate,
    Up,
    WorkerSettings,
    WorkerStarted,
    WorkOutdated,
)
from poolserver.judge import SolvedBlock
from poolserver.ledger.journal import Journal
from poolserver.ledger.waiting import ReleasePolicy, WhenFull
from poolserver.ledger.wall_clock import WallClock
from poolserver.log import Alarm
from poolserver.mining.coinbase import CoinbaseError
from poolserver.mining.identity import WorkerIdentity
from poolserver.mining.template import BlockTemplate
from poolserver.node.submitter import BlockSubmitter
from poolserver.process_watch import ProcessWatch
from poolserver.server.block_desk import BlockDesk
from poolserver.server.counting import counters_of
from poolserver.server.fan_out import FanOut
from poolserver.server.freshness import Freshness, FreshnessState
from poolserver.server.guard import Guard
from poolserver.server.reception import Reception
from poolserver.server.rig_roll import RigRoll
from poolserver.server.session import MinerSession
from poolserver.server.sweep import Sweep
from poolserver.server.terms import admission_terms, conduct_terms, make_pool

if TYPE_CHECKING:
    from poolserver.server.rig_wire import RigWire

TICK_S = 1.0
# How often a slice of what is new of rigs is told: 10,000 that come at once are in five seconds.
TELLS_A_TICK = 20
# How soon a renewed certificate is taken up.
CERTIFICATE_LOOK_TICKS = 60

log = structlog.get_logger(__name__)


class Worker:
    """Listeners, sessions, jobs, journal and blocks of one process, on one event loop."""

    def __init__(
        self,
        settings: WorkerSettings,
        up: Sender[Up],
        submitter: BlockSubmitter,
        *,
        now: Callable[[], float] = time.monotonic,
        unix_time: Callable[[], float] = time.time,
        watch: ProcessWatch | None = None,
    ) -> None:
        """Needs a running loop. ``watch`` is of a process that is a worker and nothing else.

        Raises:
            JournalError: the journal's folder cannot be used.
        """
        self._settings = settings
        self._up = up
        self._now = now
        self._unix_time = unix_time
        self._watch = watch
        self._wall = WallClock(unix_time, is_held=NETWORKS[settings.network].is_public)
        identity = WorkerIdentity(settings.instance_id, settings.worker_index, settings.boot_epoch)
        self.source = identity.source
        self.pool = make_pool(identity, settings)
        self.journal = Journal(
            Path(settings.journal_dir),
            identity,
            on_durable=up.send,
            release=ReleasePolicy(settings.journal_release),
            when_full=WhenFull(settings.journal_when_full),
            max_held_bytes=settings.journal_held_bytes,
            sync_interval_s=settings.journal_sync_interval_s,
            on_failure=self._on_journal_failure,
            wall_ms=self._wall.unix_ms,
        )
        self.blocks = BlockDesk(submitter, self.journal, up, unix_time)
        # In the order in which they came, which is nearly that of memory: to go through 10,000 in
        # that of a set takes twice as long.
        self.sessions: dict[MinerSession, None] = {}
        self.roll = RigRoll()
        self.by_session_id: dict[str, MinerSession] = {}
        self.guard = Guard(
            admission_terms(settings.limits), conduct_terms(settings.limits), self.sessions
        )
        self.latency = timings.timing(timings.SHARE_LATENCY)
        self.fan_outs = timings.timing(timings.FAN_OUT)
        self.new_tips = timings.timing(timings.NEW_TIP)
        self.wire = self._make_wire()
        self._fan_out = FanOut() if self.wire is None else self.wire.fan_out()
        self.sweep = Sweep(self.sessions)
        self.reception = Reception(self, settings, self.wire)
        self._refuges = cycle(settings.reconnect_hosts)
        self._ticker: asyncio.Task[None] | None = None
        self.freshness = Freshness(settings.template_max_age_s, settings.node_loss_grace_s)
        # A peer that takes more at once than the outbox holds is dropped; and one more line.
        self.transactions_limit = settings.outbox_limit // 2
        self.malformed = 0
        self._refused = 0  # shares, at the last tick
        self._refusing = Alarm("shares_refused", "shares_recorded_again", log)

    # --- life ----------------------------------------------------------------------------

    async def start(self) -> None:
        """Take up spooled blocks again and open the listeners.

        Raises:
            OSError: an address cannot be bound.
        """
        await self.resume_blocks()
        await self.bind({})
        await self.serve()

    async def resume_blocks(self) -> None:
        """Take up spooled blocks again, once no other process is at them."""
        await self.blocks.resume()

    async def bind(self, inherited: Mapping[tuple[str, int], Sequence[socket.socket]]) -> None:
        """See Reception.bind()."""
        await self.reception.bind(inherited)

    async def serve(self) -> None:
        """Accept rigs, and say that they may come."""
        await self.go_on()
        self._up.send(WorkerStarted(self.source, self.reception.ports))

    async def go_on(self) -> None:
        """Accept rigs, read what they send, and do what is to be done from time to time."""
        await self.reception.go_on()
        if self.wire is not None:
            self.wire.go_on()
        for session in self.sessions:
            session.go_on()
        self._ticker = asyncio.create_task(self._tick_for_ever(), name="worker ticks")

    def pause(self) -> None:
        """Accept and read nothing more, and do nothing by itself: all that rigs send waits.

        Templates are the caller's affair.
        """
        if self._ticker is not None:
            self._ticker.cancel()
            self._ticker = None
        self.reception.pause()
        if self.wire is not None:
            self.wire.pause()
        for session in self.sessions:
            session.pause()

    async def settle(self) -> bool:
        """Have all that was judged on the disk, and answered; False where it cannot be."""
        await self.blocks.spooled()
        return await self.journal.settle()

    def go_on_from(self, latest: BlockTemplate | None, state: FreshnessState) -> None:
        """Take up another process's work; the pool has its jobs already."""
        self.freshness.restore(latest, state)
        if latest is not None:
            self._wall.note_chain(latest.mintime)
        if self.pool.jobs.current is not None:
            self._note(self.pool.jobs.current.template)

    def count_from(self, malformed: int, journal_dropped: int) -> None:
        """Count on from where another process stood: who adds up would see sums go back."""
        self.malformed = malformed
        self.journal.dropped = self._refused = journal_dropped

    def forget_rigs(self) -> None:
        """They are another process's now: nothing more is told of them."""
        self.sessions.clear()
        self.by_session_id.clear()

    async def stop(self) -> None:
        """Close the listeners and every session; save the journal and give blocks a last chance."""
        if self._ticker is not None:
            self._ticker.cancel()
        self.reception.close()
        self._send_away()
        await self.blocks.close()
        await self.journal.close()
        if self.wire is not None:
            self.wire.close()

    def check(self) -> None:
        """Raise what ended the ticks, which should never end, if they have."""
        if self._ticker is not None and self._ticker.done() and not self._ticker.cancelled():
            self._ticker.result()

    def _make_wire(self) -> "RigWire | None":
        """The fast way for plain TCP rigs, where it was built: see rig_wire.py."""
        if not HAS_WIRE:
            return None
        from poolserver.server.rig_wire import RigWire

        return RigWire(
            asyncio.get_running_loop(),
            self.pool.jobs,
            self.journal,
            self._settings.extranonce2_size,
            self._now,
            self.latency,
        )

    # --- from the coordinator ------------------------------------------------------------

    def receive(self, message: Down) -> None:
        """Take one message of the coordinator."""
        match message:
            case TemplateUpdate():
                self._on_template(message)
            case TemplateConfirmed():
                self.freshness.confirmed(self._now())
            case WorkOutdated():
                self.freshness.outdated(self._now())
            case PayoutUpdate(sent):
                self.pool.pay_by(sent.plan)
            case OurBlock(hash_hex):
                self.blocks.note_ours(hash_hex)
            case WorkerSettings():
                self._introduce_again(message)

    def _introduce_again(self, settings: WorkerSettings) -> None:
        """A coordinator's first word: this one knows neither the worker nor its rigs."""
        self._up.send(WorkerStarted(self.source, self.reception.ports))
        self.roll.tell_all()
        if settings != self._settings:
            log.warning("settings_ignored", reason="a worker's settings hold for its life")

    def _on_template(self, update: TemplateUpdate) -> None:
        """A new tip goes out at once, and so do a stopgap and what follows it; else it waits."""
        template = update.template
        self._wall.note_chain(template.mintime)
        ages = update.age_s, update.unconfirmed_s
        if self.freshness.on_template(template, self._now(), *ages):
            self._broadcast()
            if update.heard_at is not None and self.sessions:
                self.new_tips.note(max(0.0, self._now() - update.heard_at))

    def _broadcast(self) -> None:
        """One job for every session; those with the most hashrate are first."""
        latest, before = self.freshness.latest, self.pool.jobs.current
        if latest is None:
            return
        try:
            job = self.pool.on_template(latest, self._now(), self.unix_time())
        except CoinbaseError as error:
            log.error("no_job", height=latest.height, reason=str(error))
            return
        if self.wire is not None:
            self.wire.withdraw()
        self._note(job.template)
        began_at = self._now()
        self.freshness.sent(began_at)
        is_clean = before is None or _replaces(job.template, before.template)
        self._fan_out.send(self.sessions, job, is_clean=is_clean)
        self.fan_outs.note(self._now() - began_at)

    def _note(self, template: BlockTemplate) -> None:
        self.journal.note_template(template.height, template.nbits, template.coinbase_value_sat)

    # --- for the sessions ----------------------------------------------------------------

    def now(self) -> float:
        """Monotonic seconds."""
        return self._now()

    def unix_time(self) -> int:
        """Unix seconds for ntime: the node's clock, which judges our blocks, and not ours."""
        of_node = self.freshness.unix_time(self._now())
        return int(self._unix_time()) if of_node is None else of_node

    def enter(self, session: MinerSession) -> None:
        """A rig has connected; while there is no work to be trusted it is sent away at once."""
        if session.address is None:  # a listener with a handshake has admitted it before
            session.address = self.guard.enter(session.host, self._now())
        if session.address is None:
            session.abort()
            return
        self.sessions[session] = None
        if self.freshness.is_lost(self._now()):
            session.close()

    def enter_again(self, session: MinerSession) -> None:
        """A rig is taken over from another process, which had let it in."""
        miner = session.miner
        session.address = self.guard.enter_again(session.host)
        self.guard.added(session, len(miner.workers))
        self.sessions[session] = None
        if miner.session_id:
            self.by_session_id[miner.session_id] = session
        for name in miner.workers:
            self.roll.enter(session, name)

    def offer(self, job_id: str) -> None:
        """A rig whose ordinary shares are judged in the lane had one for this job accepted."""
        issued = self.pool.jobs.get(job_id, self._now())
        if self.wire is not None and issued is not None:
            self.wire.offer(issued)

    def leave(self, session: MinerSession) -> None:
        """Its connection has ended."""
        self.roll.leave(session)
        self.guard.leave(session, self._now())
        self.sessions.pop(session, None)

    def solved(self, block: SolvedBlock, worker_name: str, on_spooled: Callable[[], None]) -> None:
        """A share is a block; see ``BlockDesk``. What it repays is not repaid by the next, too."""
        self.blocks.solved(block, worker_name, on_spooled)
        self.pool.repay_no_debts()

    # --- what happens by itself ----------------------------------------------------------

    async def _tick_for_ever(self) -> None:
        for told in count(1):
            await asyncio.sleep(TICK_S / TELLS_A_TICK)
            if told % TELLS_A_TICK:
                self._tell_of_rigs()
            else:  # a tick tells too: never two slices in one go
                self.tick()
            if told % (TELLS_A_TICK * CERTIFICATE_LOOK_TICKS) == 0:
                self.reception.look_at_certificates()

    def tick(self, *, sweep_steps: int = 1) -> None:
        """Refresh work that is old, ease silent rigs, report; every second."""
        now, fresh = self._now(), self.freshness
        if fresh.is_lost(now):
            self._send_rigs_away(fresh.age_s(now))
        elif (
            fresh.may_be_good(now) and fresh.sent_before_s(now) >= self._settings.refresh_interval_s
        ):
            self._broadcast()
        self.guard.look(now)
        if self.wire is not None:
            self.wire.look(now)
        refused, self._refused = self.journal.dropped - self._refused, self.journal.dropped
        is_refusing = self.journal.is_refusing or refused > 0  # however short it was
        self._refusing.update(is_refusing, now, refused=self._refused)
        for _ in range(sweep_steps):
            self.sweep.step(now)
        self._up.send(counters_of(self, self._watch))
        self._tell_of_rigs()

    def _tell_of_rigs(self) -> None:
        if (news := self.roll.take()) or self.roll.is_all:
            self._up.send(RigsChanged(self.source, news, self.roll.is_all))

    def _send_rigs_away(self, age: float) -> None:
        """Work that may be on an old tip is worth less than a rig's backup pool."""
        if self.sessions:
            log.error("rigs_sent_away", template_age_s=round(age), rigs=len(self.sessions))
        self._send_away()

    def _send_away(self) -> None:
        """End every session; the rigs go to the operator's other pools, or find their own."""
        for session in list(self.sessions):
            refuge = next(self._refuges, None)
            if refuge is None:
                session.close()
            else:
                session.send_to(*refuge)

    def _on_journal_failure(self, error: OSError | None) -> None:
        if error is None:
            log.info("journal_restored")
        else:
            log.error("journal_failed", reason=str(error))


def _replaces(template: BlockTemplate, before: BlockTemplate) -> bool:
    """Whether work on the one before is worth nothing any more: a new tip, or it was refused."""
    is_new_tip = template.prevhash_le != before.prevhash_le
    return is_new_tip or (template.stopgap and not before.stopgap)
