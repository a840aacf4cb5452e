"""The composition root: the one place where the parts are wired together."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, suppress
from functools import partial
from typing import Any

import structlog

from poolserver import __version__
from poolserver.api.http import HttpServer
from poolserver.api_outfit import Api
from poolserver.cluster.epoch import next_boot_epoch
from poolserver.cluster.messages import Up, WorkerSaid, WorkerSettings
from poolserver.config import Config
from poolserver.control_room.room import ControlRoom
from poolserver.coordinator import Coordinator
from poolserver.crew.alone import Alone
from poolserver.crew.crew import Crew, worker_command
from poolserver.crew.spools import spool_of, take_over_spools
from poolserver.handover.heir import Heir, needs_restart
from poolserver.handover.state import FORMAT, HandoverError, Hello, Listening
from poolserver.handover.succession import Succession
from poolserver.ledger.records import LedgerError
from poolserver.log import EventFeed
from poolserver.lookout.overview import Life
from poolserver.lookout_outfit import Lookout
from poolserver.metrics.nodes import ProposalMetrics
from poolserver.metrics.outfit import PoolMetricsOutfit, many_series
from poolserver.metrics.signals import BusMetrics
from poolserver.mining.payout import PayoutPlan
from poolserver.node.group import GroupTerms, NodeGroup
from poolserver.node_outfit import PoolNodes
from poolserver.outfit import (
    StartError,
    ledger_database,
    listener_settings,
    submit_nodes,
    trial_factory,
    worker_settings,
)
from poolserver.process_watch import ProcessWatch
from poolserver.server.block_desk import block_submitter, submit_rpcs
from poolserver.signal_outfit import modbus_meters, mqtt_bus, site_words

# How soon the end of a task that should never end is noticed.
CHECK_INTERVAL_S = 1.0
# Who takes rigs over does so only when it has work for them; a node that answers has it at once.
FIRST_TEMPLATE_S = 60.0

log = structlog.get_logger(__name__)


# What means that the pool could not start and is no bug: one line each for the operator.
START_ERRORS = (StartError, LedgerError, HandoverError, OSError)


class PoolServer:
    """The coordinator, on the running loop, and its workers: one here, or several processes."""

    def __init__(
        self,
        config: Config,
        group_terms: GroupTerms | None = None,
        heir: Heir | None = None,
        succession: Succession | None = None,
    ) -> None:
        """Make it, not started yet; as ``heir`` it takes another process's rigs over.

        Raises:
            StartError: a file that the config names cannot be used.
        """
        self._config = config
        self.succession = succession or Succession(config)
        self._group_terms = group_terms or GroupTerms()
        self._factory = trial_factory(config)
        self._database = ledger_database(config)
        self._metrics = PoolMetricsOutfit()
        self._heir = heir
        self._coordinator: Coordinator | None = None
        self._feed = EventFeed()
        self._life = Life(config.network, config.instance_id, self.succession.facts)
        self.http_port = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until ``stop`` is set.

        Raises:
            StartError: the nodes, an address, the data folder or the database cannot be used.
        """
        with self._feed.listening():
            await self._run(stop)

    async def _run(self, stop: asyncio.Event) -> None:
        nodes = PoolNodes(self._config, self._factory, self._metrics.rpc.observe, self._group_terms)
        crew = self._crew()
        succession = self.succession
        beats = asyncio.create_task(succession.tell_for_ever(self._sentence), name="service news")
        try:
            # Before all else: whatever else has to be waited for, a found block has not the time.
            await self._take_up_blocks(crew)
            passed = await nodes.found(stop)
            if passed:
                await self._serve(nodes, nodes.group(passed), crew, stop)
        except START_ERRORS as error:
            if self._heir is not None:
                await self._heir.fail(str(error))
            raise
        finally:
            await crew.close(whole_pool=self._ends_whole(stop))
            await succession.end(self._left)
            beats.cancel()
            await nodes.close()

    def _sentence(self) -> str | None:
        return None if self._coordinator is None else self._coordinator.sentence()

    def _left(self) -> Mapping[str, bytes]:
        return {} if self._coordinator is None else self._coordinator.left()

    async def _take_up_blocks(self, crew: Alone | Crew) -> None:
        config = self._config
        if self._heir is None:
            await asyncio.to_thread(take_over_spools, config.data_dir, config.workers)
            await crew.open()
            return
        hello = await self._heir.greet()  # the other process has the spool still
        self._heir.check(config.network, config.stratum.extranonce2_size)
        self._heir.check_reload(self.succession.facts.fingerprint)
        self.succession.came_of(hello)
        if (hello.workers > 1) != (config.workers > 1):
            raise needs_restart("workers", hello.workers, config.workers)

    def _crew(self) -> Alone | Crew:
        config = self._config
        if config.workers > 1:
            return Crew(
                config.workers,
                config.data_dir,
                listener_settings(config),
                partial(worker_settings, config),
                self._hear,
                worker_command(config.log.level, config.log.format),
            )
        rpcs = submit_rpcs(submit_nodes(config), self._metrics.rpc.observe)
        submitter = block_submitter(spool_of(config.data_dir, 0), rpcs)
        is_heir = self._heir is not None
        return Alone(config.data_dir, self._own_settings, submitter, self._hear, is_heir=is_heir)

    def _own_settings(self) -> WorkerSettings:
        epoch = next_boot_epoch(self._config.data_dir, int(time.time()))
        return worker_settings(self._config, 0, epoch, listener_settings(self._config))

    def _hear(self, message: Up) -> None:
        """What workers say before there is a coordinator is in their journals, or said again."""
        if isinstance(message, WorkerSaid):
            self._feed.relay(message.events)
        elif self._coordinator is not None:
            self._coordinator.receive(message)

    async def _serve(
        self, nodes: PoolNodes, group: NodeGroup, crew: Alone | Crew, stop: asyncio.Event
    ) -> None:
        """Start the parts one after the other, and stop each whatever becomes of the others."""
        config = self._config
        active = nodes.active(group)
        proving = nodes.proving(group, active)
        coordinator = Coordinator(
            config,
            proving or group,
            crew,
            active,
            self._database,
            on_plan=self._pay_by,
            heard_at=group.heard_at,
        )
        self._coordinator = coordinator
        metrics, process = self._metrics, ProcessWatch()
        metrics.watch(config, coordinator, group, crew.berths, process, self.succession.facts)
        if proving is not None:
            metrics.on_loop.register(ProposalMetrics(proving.results))
        room = coordinator.room
        self._open_ways_in(room)
        lookout = Lookout(config, coordinator, group, crew.berths, self._life, self._feed)
        http = HttpServer(
            metrics.on_loop,
            coordinator.not_ready_because,
            Api(config, coordinator, lookout, self.succession).routes(),
            metrics.in_thread,
            many_series(config, coordinator),
            metrics.watch_http(lambda: len(lookout.broadcast)).observe,
        )
        async with AsyncExitStack() as parts:
            parts.push_async_callback(http.stop)
            if self._heir is None:
                self.http_port = await http.start(*config.http.address)
                log.info("http_listening", port=self.http_port)
            parts.push_async_callback(coordinator.stop)
            if self._heir is None:
                await coordinator.start()
            parts.push_async_callback(lambda: crew.stop(whole_pool=self._ends_whole(stop)))
            if self._heir is None:
                await crew.start()
            else:
                inherited = self._inherit(self._heir, crew, coordinator, http)
                await _unless_stopped(inherited, stop, self._heir.give_up)
            parts.push_async_callback(lookout.stop)
            await lookout.start()
            process.start(time.monotonic())
            parts.callback(process.stop)
            log.info("running", version=__version__, network=config.network)
            succession = self.succession
            succession.open(crew.estate, partial(self._hello, crew, http), stop.set)
            parts.push_async_callback(succession.close)
            parts.callback(succession.stopping)
            renewal = asyncio.create_task(self._settle(crew), name="renewal of the workers")
            parts.callback(renewal.cancel)
            while not await _set_within(stop, CHECK_INTERVAL_S):
                coordinator.check()
                crew.check()
                process.look(time.monotonic())
            log.info("stopping")

    async def _inherit(
        self, heir: Heir, crew: Alone | Crew, coordinator: Coordinator, http: HttpServer
    ) -> None:
        """Take the rigs over, answer them, and open the books when the other has closed them."""
        address = self._config.http.address
        await http.bind(*address, heir.http(*address))
        if isinstance(crew, Alone):
            await crew.prepare(heir)
        else:
            await crew.prepare()
        coordinator.watch()
        try:
            async with asyncio.timeout(FIRST_TEMPLATE_S):
                await coordinator.has_template.wait()
        except TimeoutError as error:
            raise HandoverError("no template has come") from error
        if isinstance(crew, Alone):
            await crew.take_over(heir)
        else:
            await heir.take_no_rigs()
        coordinator.take_up(await heir.books_are_closed())
        await crew.open()
        self.http_port = await http.start(*address)
        log.info("http_listening", port=self.http_port)
        await coordinator.start()
        if isinstance(crew, Alone):
            await crew.settle_in()
        else:
            await crew.start()

    def _hello(self, crew: Alone | Crew, http: HttpServer) -> tuple[Hello, list[int]]:
        config = self._config
        listeners, fds = crew.listening()
        hello = Hello(
            format=FORMAT,
            network=config.network,
            extranonce2_size=config.stratum.extranonce2_size,
            listeners=listeners,
            http=Listening(*config.http.address, len(http.sockets)),
            workers=config.workers,
            reloading=self.succession.reloading,
            reloads=dict(self.succession.facts.counts),
        )
        return hello, [*fds, *(sock.fileno() for sock in http.sockets)]

    async def _settle(self, crew: Alone | Crew) -> None:
        """Have the workers as the configuration says, where they were another process's."""
        if self._heir is not None:
            left_behind = await crew.renew() if isinstance(crew, Crew) else ""
            self.succession.has_come(left_behind)

    def _ends_whole(self, stop: asyncio.Event) -> bool:
        """Whether the whole pool is to end, and not this process alone."""
        return stop.is_set() and not self.succession.has_heir

    def _open_ways_in(self, room: ControlRoom) -> None:
        """Signals that the pool fetches or is sent; those by HTTP come by the HTTP server.

        Raises:
            StartError: what they need is not installed.
        """
        for meter in modbus_meters(self._config, room, room.unix_time):
            room.hear(meter)
        bus = mqtt_bus(self._config, room)
        if bus is not None:
            room.hear(bus)
            room.show(lambda view: bus.tell(site_words(view)))
            self._metrics.on_loop.register(BusMetrics(bus))

    def _pay_by(self, plan: PayoutPlan) -> None:
        """Blocks that are proved are to have the coinbase of those that are mined."""
        self._factory.plan = plan


async def _unless_stopped(
    coroutine: Coroutine[Any, Any, None], stop: asyncio.Event, give_up: Callable[[], None]
) -> None:
    """Wait for its end, or give it up when ``stop`` is set."""
    task, stopped = asyncio.create_task(coroutine), asyncio.create_task(stop.wait())
    await asyncio.wait([task, stopped], return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if not task.done():
        give_up()
        task.cancel()
        await asyncio.wait([task])
    else:
        task.result()


async def _set_within(event: asyncio.Event, seconds: float) -> bool:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    return event.is_set()
