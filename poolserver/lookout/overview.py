"""The pool, its sites and its nodes as they are now, from the numbers that its parts keep anyway.

For the event loop: nothing here goes through rigs. What can wait for a disk is asked in a thread.
"""

import asyncio
import shutil
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from poolserver import __version__
from poolserver.cluster.messages import WorkerCounters
from poolserver.control_room.view import NodeView, PowerView
from poolserver.crew.berths import Berths
from poolserver.handover.reload import ReloadFacts
from poolserver.ledger.blocks import BlockBook
from poolserver.ledger.rewards import Rewards
from poolserver.ledger.totals import ShareTotals, Totals
from poolserver.lookout.blocks import Efforts
from poolserver.lookout.figures import hashrates, power_status, reject_ratios, shares
from poolserver.lookout.lately import Lasting, Lately
from poolserver.lookout.troubles import Signs, troubles
from poolserver.lookout.view import NodeStatus, Reload, SiteStatus, Status, TemplateStatus
from poolserver.mining.template import BlockTemplate
from poolserver.node.group import NodeFigures
from poolserver.node.splits import Trouble as Apart
from poolserver.power.tree import PROGRAMME
from poolserver.sites import PoolView, SiteView

ROUND_EVERY_S = 10.0
"""All work is added up by site and difficulty, in exact fractions: some microseconds for each."""
DISK_EVERY_S = 30.0


@dataclass(frozen=True, slots=True)
class Life:
    """What is known of this process itself."""

    network: str
    instance_id: str
    facts: ReloadFacts

    @property
    def started_at(self) -> float:
        """In Unix seconds."""
        return self.facts.started_at

    @property
    def config_sha256(self) -> str:
        """Of the configuration in force."""
        return self.facts.config_sha256

    @property
    def last_reload(self) -> Reload | None:
        """How it ended, in this process or the one that made it."""
        last = self.facts.last
        return None if last is None else Reload(last.at, last.is_good, last.reason)


class Keeper(Protocol):
    """The books; see ``ledger.keeper.LedgerKeeper``."""

    blocks: BlockBook
    rewards: Rewards

    def lag_s(self) -> float: ...
    @property
    def stuck(self) -> Collection[str]: ...


class Room(Protocol):
    """Power; see ``control_room.room.ControlRoom``."""

    @property
    def view(self) -> PowerView | None: ...


class Pool(Protocol):
    """See ``coordinator.Coordinator``."""

    template: BlockTemplate | None
    is_outdated: bool

    @property
    def keeper(self) -> Keeper: ...
    @property
    def room(self) -> Room: ...
    @property
    def totals(self) -> Totals: ...
    @property
    def workers(self) -> Mapping[str, WorkerCounters]: ...
    @property
    def is_clock_wrong(self) -> bool: ...
    def template_age_s(self) -> float | None: ...
    def not_ready_because(self) -> str | None: ...
    def site_views(self) -> list[SiteView]: ...
    def pool_view(self) -> PoolView: ...


class Nodes(Protocol):
    """See ``node.group.NodeGroup``."""

    laggards: dict[str, Apart]

    @property
    def is_split(self) -> bool: ...
    @property
    def is_stale(self) -> bool: ...
    def figures(self) -> list[NodeFigures]: ...


class Overview:
    """``clock`` is monotonic, ``unix_time`` the time of day; both in seconds."""

    def __init__(
        self,
        pool: Pool,
        nodes: Nodes,
        berths: Berths,
        life: Life,
        data_dir: Path,
        *,
        clock: Callable[[], float] = time.monotonic,
        unix_time: Callable[[], float] = time.time,
    ) -> None:
        self._pool = pool
        self._nodes = nodes
        self._berths = berths
        self.life = life
        self._data_dir = data_dir
        self._clock = clock
        self._unix_time = unix_time
        self._began = clock()
        self.efforts = Efforts(pool.keeper)
        self._last_round: tuple[float, float | None] = (0.0, None)
        self._round_at = -ROUND_EVERY_S
        self._disk: tuple[int, int] | None = None
        self._lately = Lately()
        self._unsettled = Lasting()
        self._unspooled = Lasting()

    async def run(self) -> None:
        """Look at the disk now and then; for ever."""
        while True:
            try:
                usage = await asyncio.to_thread(shutil.disk_usage, self._data_dir)
                self._disk = (usage.free, usage.total)
                self._lately.note_disk(usage.free, self._clock())
            except OSError:
                self._disk = None
            await asyncio.sleep(DISK_EVERY_S)

    def status(self) -> Status:
        """The whole pool."""
        pool, life = self._pool, self.life
        reading, best_difficulty = pool.pool_view()
        workers = list(pool.workers.values())
        sites, power = self.sites(), pool.room.view
        programme = _node_of(power, PROGRAMME)
        effort, luck = self._round()
        return Status(
            at=self._unix_time(),
            version=__version__,
            network=life.network,
            instance_id=life.instance_id,
            started_at=life.started_at,
            config_sha256=life.config_sha256,
            last_reload=life.last_reload,
            not_ready_because=pool.not_ready_because(),
            troubles=troubles(self._signs(sites, workers)),
            hashrate_h_s=hashrates(reading),
            shares=shares(_sum(pool.totals.sites.values())),
            rejects=reject_ratios(reading),
            best_difficulty=best_difficulty,
            rigs=sum(site.rigs for site in sites),
            silent_rigs=sum(site.silent_rigs for site in sites),
            connections=sum(each.connections for each in workers),
            worker_processes=self._berths.up,
            template=self._template(),
            round_effort=effort,
            luck=luck,
            blocks={state.value: count for state, count in pool.keeper.blocks.now.items() if count},
            journal_lag_s=pool.keeper.lag_s(),
            power=None if programme is None else power_status(programme),
            power_mode="" if power is None else power.mode,
            power_state="" if power is None else power.state,
            intended=() if power is None else power.intended,
        )

    def sites(self) -> list[SiteStatus]:
        """Every site, and ``unassigned`` where there is work without a site."""
        power = self._pool.room.view
        nodes = {} if power is None else {node.path: node for node in power.nodes if node.depth < 2}
        return [self._site(view, nodes.get(view.name)) for view in self._pool.site_views()]

    def nodes(self) -> list[NodeStatus]:
        """Every Bitcoin node, in the order of preference."""
        return [NodeStatus(**asdict(figures)) for figures in self._nodes.figures()]

    def _site(self, view: SiteView, node: NodeView | None) -> SiteStatus:
        return SiteStatus(
            name=view.name,
            budget_w=view.budget_w,
            hashrate_h_s=hashrates(view.reading),
            shares=shares(self._pool.totals.sites.get(view.name)),
            rejects=reject_ratios(view.reading),
            rigs=view.rigs,
            silent_rigs=0 if node is None else node.silent,
            energy_j=view.energy_j,
            best_difficulty=view.best_difficulty,
            work_scale=view.work_scale,
            power=None if node is None else power_status(node),
        )

    def _template(self) -> TemplateStatus | None:
        template, age_s = self._pool.template, self._pool.template_age_s()
        if template is None or age_s is None:
            return None
        return TemplateStatus(
            template.height,
            age_s,
            template.transactions.count,
            template.coinbase_value_sat,
            self._pool.is_outdated,
        )

    def _round(self) -> tuple[float, float | None]:
        """The effort of the round that is under way, and the luck of all work so far."""
        now = self._clock()
        if now - self._round_at >= ROUND_EVERY_S:
            self._round_at = now
            self._last_round = self.efforts.under_way(), self.efforts.luck()
        return self._last_round

    def _signs(self, sites: list[SiteStatus], workers: list[WorkerCounters]) -> Signs:
        pool, now = self._pool, self._clock()
        power = pool.room.view
        power_nodes = () if power is None else power.nodes
        free, size = self._disk or (None, 0)
        lately = self._lately
        lately.note(sites, power_nodes, now)
        ends = [each.certificate_expires_unix for each in workers]
        first_end = min((end for end in ends if end is not None), default=None)
        unspooled = sum(each.blocks_unspooled for each in workers)
        return Signs(
            not_ready_because=pool.not_ready_because(),
            template_age_s=pool.template_age_s(),
            is_stale=self._nodes.is_stale,
            nodes=self.nodes(),
            lagging={n: each.ours for n, each in self._nodes.laggards.items() if each.alarmed},
            is_split=self._nodes.is_split,
            sites=sites,
            recent_shares={site.name: lately.shares(site) for site in sites},
            least_room_w=lately.least_room_w,
            power_nodes=power_nodes,
            pool_at_fault=any(each.pool_at_fault for each in workers),
            unsettled_s=self._unsettled.s(any(each.blocks_unsettled for each in workers), now),
            blocks_unspooled=unspooled,
            unspooled_s=self._unspooled.s(unspooled > 0, now),
            journal_failed=any(each.journal_failed for each in workers),
            journal_lag_s=pool.keeper.lag_s(),
            stuck_sources=sorted(pool.keeper.stuck),
            disk_free_bytes=free,
            disk_size_bytes=size,
            disk_free_soon_bytes=lately.free_soon_bytes,
            disk_free_later_bytes=lately.free_later_bytes,
            certificate_left_s=None if first_end is None else first_end - self._unix_time(),
            processes=len(self._berths),
            processes_down=[each.index for each in self._berths if not each.is_up],
            is_clock_wrong=pool.is_clock_wrong,
            last_reload=self.life.last_reload,
            up_s=now - self._began,
        )


def _node_of(power: PowerView | None, path: str) -> NodeView | None:
    nodes = () if power is None else power.nodes
    return next((node for node in nodes if node.path == path), None)


def _sum(totals: Iterable[ShareTotals]) -> ShareTotals:
    result = ShareTotals()
    for each in totals:
        result.add(each)
    return result
