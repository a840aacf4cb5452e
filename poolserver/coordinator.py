"""The coordinator: nodes, templates, the books, site power and what operators are shown.

The other side of the seam from ``server.worker.Worker``. It never sees a rig's socket; what it
knows of shares comes up the link as journal batches, or from the journal on the disk.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

import msgspec
import structlog

from poolserver.bitcoin.header import hash_le_to_hex
from poolserver.cluster.link import Sender
from poolserver.cluster.messages import (
    BlockEvent,
    Down,
    OurBlock,
    PayoutUpdate,
    RigsChanged,
    TemplateConfirmed,
    TemplateUpdate,
    Up,
    WorkerCounters,
    WorkerEnded,
    WorkerStarted,
    WorkerSucceeded,
    WorkOutdated,
)
from poolserver.config import Config
from poolserver.control_room.outfit import control_room
from poolserver.crew.presence import Presence
from poolserver.crew.tally import Tally
from poolserver.ledger.auditor import Auditor
from poolserver.ledger.blocks import BlockChange, BlockState, KnownBlock
from poolserver.ledger.database import Database
from poolserver.ledger.delta import Delta
from poolserver.ledger.journal import unix_ms
from poolserver.ledger.keeper import LedgerKeeper
from poolserver.ledger.records import JournalBatch
from poolserver.ledger.retention import RetentionTerms
from poolserver.ledger.rewards import Rewards
from poolserver.ledger.store import LedgerStore
from poolserver.ledger.totals import DAY_S, Totals
from poolserver.ledger.wall_clock import WallClock
from poolserver.log import Alarm
from poolserver.mining.payout import PayoutPlan
from poolserver.mining.source import JobSource
from poolserver.mining.template import BlockTemplate
from poolserver.node.checks import Rpc
from poolserver.node.follower import BlockFollower
from poolserver.paymaster import Paymaster, payout_terms
from poolserver.power.rig_book import KnownRig
from poolserver.power.silence import RigState
from poolserver.sites import PoolView, Sites, SiteView
from poolserver.stats.keeper import StatisticsKeeper
from poolserver.stats.meter import Glance, Reading
from poolserver.stats.meters import Level

# What readiness asks for: without fresh work a rig had better use its backup pool.
READY_TEMPLATE_AGE_S = 60.0

log = structlog.get_logger(__name__)


class Coordinator:
    """Templates down, books and metrics up. ``clock`` is monotonic, in seconds.

    ``node`` gives the node whose chain says what becomes of our blocks; it is asked anew for
    each round of questions. ``database`` is where the books are kept. ``on_plan`` is given each
    plan that the workers are sent. ``heard_at`` says when a node first told of a block.
    """

    def __init__(
        self,
        config: Config,
        source: JobSource,
        down: Sender[Down],
        node: Callable[[], Rpc],
        database: Database,
        on_plan: Callable[[PayoutPlan], None] = lambda plan: None,
        heard_at: Callable[[str], float | None] = lambda tip_hex: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._config = config
        self._source = source
        self._down = down
        self._clock = clock
        self.sites = Sites(config.sites)
        self.meters, self.site_of = self.sites.meters, self.sites.of_account
        self._tasks: list[asyncio.Task[None]] = []
        self.tally = Tally()
        self._presence = Presence()
        self.ports: tuple[int, ...] = ()
        self.template: BlockTemplate | None = None
        self.template_at: float | None = None
        self.is_outdated = False
        self.has_template = asyncio.Event()
        self._is_started = self._may_plan = False
        self._inherited: dict[str, bytes] = {}
        self.store = store = LedgerStore(database)
        self._on_plan = on_plan
        self._heard_at = heard_at
        self._wall = WallClock(time.time, is_held=config.bitcoin_network.is_public)
        self._clock_wrong = Alarm("clock_wrong", "clock_right", log)
        terms = payout_terms(config)
        journal_dir = config.data_dir / "journal"
        self._statistics = StatisticsKeeper(
            self.meters,
            store,
            journal_dir,
            site_of=self.site_of,
            clock=clock,
            unix_time=self._wall.unix_s,
        )
        self.room = control_room(
            config,
            store,
            self._reading_of,
            clock=clock,
            unix_time=self._wall.unix_s,
            is_time_sure=self._is_time_sure,
            unsaved_s=lambda: self.keeper.unsaved_s(),
        )
        self.keeper = LedgerKeeper(
            store,
            journal_dir,
            site_of=self.site_of,
            place_of=self.room.rigs.place_of,
            on_delta=self._on_delta,
            in_thread=self._in_fold,
            load=self.room.load,
            rewards=Rewards(terms.new_window()),
            retention=RetentionTerms(
                config.journal.keep_days * DAY_S, config.journal.keep_gib << 30
            ),
            save_interval_s=config.ledger.save_interval_s,
            unix_time=self._wall.unix_s,
            is_time_sure=self._is_time_sure,
        )
        self.paymaster = Paymaster(
            terms, self.keeper, config.payout_plan, self._send_plan, clock=clock
        )
        self.auditor = Auditor(
            store, config.ledger.signing_key_file or config.data_dir / "ledger.key", clock=clock
        )
        self._follower = BlockFollower(
            node,
            self.keeper.blocks,
            on_state=self._on_followed,
            on_final=lambda block: self.keeper.end_block(block.hash_hex),
            clock=clock,
        )

    # --- life ----------------------------------------------------------------------------

    def watch(self) -> None:
        """Begin to ask for templates. Before ``start`` no plan is made: the books tell who is paid.

        A process that takes the rigs of another does so while that one has the books.
        """
        run = self._source.run(self._on_template, self._on_confirmed, self._on_outdated)
        self._tasks = [asyncio.create_task(run, name="templates")]

    async def start(self) -> None:
        """Open the books and begin to ask for templates, unless that has begun.

        Raises:
            StoreError: the database cannot be used.
            SigningKeyError: the key that days are signed with cannot be used.
        """
        self._is_started = True
        await self.keeper.open()
        await self.auditor.open()
        await self._statistics.open()
        for site in self.sites.scaled():
            log.warning("work_scale_in_force", site=site.name, work_scale=site.work_scale)
        if power := self._inherited.pop("power", b""):
            await asyncio.to_thread(self.room.take_up, power, self.site_of)
        self._may_plan = True
        if self.template is not None:
            self.paymaster.on_template(self.template)
        if not self._tasks:
            self.watch()
        self._tasks += [
            asyncio.create_task(self.keeper.run(), name="ledger keeper"),
            asyncio.create_task(self.auditor.run(), name="ledger auditor"),
            asyncio.create_task(self._statistics.run(), name="statistics keeper"),
            asyncio.create_task(self._follower.run(), name="block follower"),
            asyncio.create_task(self.paymaster.run(), name="paymaster"),
            *(asyncio.create_task(each, name="control room") for each in self.room.tasks()),
        ]

    async def stop(self) -> None:
        """Stop asking for templates, write down what is left and close the books."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if not self._is_started:
            return
        await self.keeper.take_in()  # so that the statistics have it too
        await self._statistics.close()
        await self.room.close()
        await self.keeper.close()

    def take_up(self, left: Mapping[str, bytes]) -> None:
        """Go on from what the coordinator before this one has left; before ``start``."""
        self._inherited.update(left)
        if rigs := self._inherited.pop("presence", b""):
            with suppress(msgspec.DecodeError):  # of another version: each tells of itself anew
                self._presence.restore(msgspec.msgpack.decode(rigs, type=dict[str, dict[str, str]]))

    def left(self) -> dict[str, bytes]:
        """What the next one may go on from, and no book has; after ``stop``."""
        rigs = msgspec.msgpack.encode(self._presence.state())
        return {"power": self.room.left(), "presence": rigs}

    def sentence(self) -> str:
        """How the pool is, in a line for people."""
        if (trouble := self.not_ready_because()) is not None:
            return f"Not ready: {trouble}"
        connections = sum(each.connections for each in self.workers.values())
        height = self.template.height if self.template is not None else 0
        hashrate = self.pool_view().reading.hashrates.m5
        return f"{connections} connections, {hashrate / 1e15:.3g} PH/s, at work on block {height}"

    def check(self) -> None:
        """Look at the clock; raise what ended a background task that should never end."""
        self._clock_wrong.update(self._wall.is_wrong, self._clock())
        for task in self._tasks:
            if task.done() and not task.cancelled():
                task.result()

    # --- from the node -------------------------------------------------------------------

    def _on_template(self, template: BlockTemplate, received_at: float) -> None:
        self._wall.note_chain(template.mintime)
        heard_at = None
        if self.template is None or template.prevhash_le != self.template.prevhash_le:
            if self.template is not None:
                heard_at = self._heard_at(hash_le_to_hex(template.prevhash_le))
            log.info(
                "new_tip",
                height=template.height,
                transactions=template.transactions.count,
                left_out=template.left_out,
            )
            self._follower.on_tip()
        self.template, self.template_at, self.is_outdated = template, received_at, False
        self.has_template.set()
        if self._may_plan:
            self.paymaster.on_template(template)
        self._down.send(TemplateUpdate(template, heard_at=heard_at))

    def _on_confirmed(self, received_at: float) -> None:
        self.template_at, self.is_outdated = received_at, False
        self._down.send(TemplateConfirmed())

    def _on_outdated(self, at: float) -> None:
        self.is_outdated = True
        self._down.send(WorkOutdated())

    def _send_plan(self, plan: PayoutPlan) -> None:
        self._on_plan(plan)
        self._down.send(PayoutUpdate.of(plan))

    # --- from the workers ----------------------------------------------------------------

    def receive(self, message: Up) -> None:
        """Take one message of a worker."""
        match message:
            case JournalBatch():
                self.keeper.add(message)
            case RigsChanged(source, rigs, is_all):
                self.room.take_rigs(self._presence.take(source, rigs, is_all=is_all))
            case WorkerCounters():
                self.tally.take(message)
                self._judge_pool()
            case WorkerStarted():
                self.ports = message.ports
                self._presence.begin(message.source)
                log.info("listening", source=message.source, ports=message.ports)
                self.keeper.read_journal()  # it may have gone on while no coordinator was there
            case WorkerSucceeded(before, source):
                self.tally.succeed(before, source)
                self._presence.succeed(before, source)
                self.keeper.read_journal()  # the last records of the one, the first of the other
            case WorkerEnded():
                self.tally.end(message.source)
                self._judge_pool()
                self.room.take_rigs(self._presence.end(message.source))
                self.keeper.read_journal()  # its last records may have come in no batch
            case BlockEvent():
                self._on_block(message)

    def _judge_pool(self) -> None:
        living = self.workers.values()
        self.room.take_fault_of_pool(
            any(each.journal_failed or each.pool_at_fault for each in living)
        )

    def _in_fold(self, delta: Delta) -> None:
        """In the fold's thread, before the delta is merged with others."""
        self._statistics.add(delta)
        self.room.take_delta(delta)

    def _on_delta(self, delta: Delta) -> None:
        self.paymaster.on_delta(delta)
        self._statistics.wake()
        self.sites.tell_unassigned(delta)

    def _on_block(self, event: BlockEvent) -> None:
        self.keeper.note_block(
            BlockChange(
                event.hash_hex,
                event.height,
                event.worker_name,
                BlockState(event.state),
                event.reason,
                event.unix_ms,
            )
        )
        self.paymaster.on_block(event)
        if event.state == BlockState.ACCEPTED:
            self._down.send(OurBlock(event.hash_hex))

    def _on_followed(self, block: KnownBlock, state: BlockState, reason: str) -> None:
        change = BlockChange(block.hash_hex, block.height, "", state, reason, unix_ms())
        if self.keeper.note_block(change):
            self.paymaster.on_state()
            log.info(
                "block_state",
                height=block.height,
                block=block.hash_hex,
                state=state,
                reason=reason,
            )

    # --- for those who look --------------------------------------------------------------

    @property
    def workers(self) -> Mapping[str, WorkerCounters]:
        """The last word of each worker process that lives, by its source."""
        return self.tally.living

    @property
    def totals(self) -> Totals:
        """The books as they stand."""
        return self.keeper.totals

    def template_age_s(self) -> float | None:
        """Since when the node last confirmed the template that rigs work on; None before one."""
        return None if self.template_at is None else self._clock() - self.template_at

    @property
    def is_clock_wrong(self) -> bool:
        """Whether the system's clock cannot be, by what the chain tells."""
        return self._wall.is_wrong

    def not_ready_because(self) -> str | None:
        """Why this pool should not be given rigs now, None where all is well."""
        age = self.template_age_s()
        if age is None:
            return "no template yet"
        if age > READY_TEMPLATE_AGE_S:
            return f"the template is {age:.0f} s old"
        if self.is_outdated:
            return "there is a newer block, and no template on it"
        if not self.workers:
            return "no worker is listening yet"
        return None

    def site_views(self) -> list[SiteView]:
        """Every site of the config, and ``unassigned`` where there is work without a site."""
        return self.sites.views(self.totals, self.workers.values(), self._clock())

    def pool_view(self) -> PoolView:
        """All sites together."""
        return self.sites.pool_view(self.totals, self._clock())

    def rigs(self) -> list[KnownRig]:
        """All that are known; from any thread, as what is asked of each below."""
        return self.room.rigs.all()

    def state_of(self, worker: str) -> RigState:
        """What a rig does as far as shares tell."""
        return self.room.rig_state(worker)

    def glance(self, account: str, worker: str) -> Glance:
        """What a worker's meter shows, as far as lists of rigs go."""
        return self.meters.glance(account, worker, self._clock())

    def glance_epoch_s(self) -> float:
        """When the meters' clock showed 0, in Unix seconds."""
        return self._wall.unix_s() - self._clock()

    def _is_time_sure(self) -> bool:
        return self._wall.is_sure and not self._wall.is_wrong

    def _reading_of(self, account: str, worker: str) -> Reading:
        return self.meters.read(Level.WORKER, (account, worker), self._clock())
