"""Everything that Prometheus is told, read from plain numbers at each scrape.

Nothing on the share path touches a metric: the numbers are those that the ledger, the meters
and the workers keep anyway. The names are a contract with the operators.
"""

from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from poolserver import __version__
from poolserver.ledger.blocks import EARNING, BlockState
from poolserver.metrics.families import gauge
from poolserver.metrics.statistics import statistics_families
from poolserver.mining.share import ShareOutcome

if TYPE_CHECKING:
    from poolserver.coordinator import Coordinator

# Told of before they happen: a rate needs a zero to start from. See server.guard and listening,
# and the Stratum library's Dropped.
REFUSALS = (
    "banned",
    "dropped",
    "handshake_timeout",
    "proxy_header",
    "proxy_untrusted",
    "slow_peer",
    "slow_sender",
    "too_many_connections",
    "too_many_new_connections",
)


class PoolMetrics(Collector):
    """What the coordinator knows, as metric families."""

    def __init__(self, coordinator: "Coordinator", network: str) -> None:
        self._coordinator = coordinator
        self._network = network

    def collect(self) -> Iterator[Metric]:
        yield InfoMetricFamily(
            "poolserver",
            "The pool's version and network.",
            value={"version": __version__, "network": self._network},
        )
        yield self._shares()
        yield from self._sites()
        coordinator = self._coordinator
        yield from statistics_families(coordinator.pool_view(), coordinator.site_views())
        yield from self._template()
        yield from self._blocks()
        yield from self._blocks_under_way()
        yield from self._luck()
        yield from self._plan()
        yield from self._workers()

    def _shares(self) -> Metric:
        # Accepted shares are told of before the first one: a rate needs a zero to start from.
        counts: dict[tuple[str, str, str], int] = {
            (view.name, "accepted", "accepted"): 0 for view in self._coordinator.site_views()
        }
        for site, totals in self._coordinator.totals.sites.items():
            for outcome in ShareOutcome:
                if count := totals.shares[outcome]:
                    counts[site, outcome.result, outcome.reason] = count
        family = CounterMetricFamily(
            "poolserver_shares",
            "Shares judged, over the pool's whole life.",
            labels=["site", "result", "reason"],
        )
        for labels, count in sorted(counts.items()):
            family.add_metric(labels, count)
        return family

    def _sites(self) -> Iterator[Metric]:
        budget = gauge("site_budget_watts", "Power that the site may draw.", "site")
        scale = gauge("site_work_scale", "Hashes that each proven hash counts for.", "site")
        rigs = gauge("site_rigs", "Rigs that are connected and authorized.", "site")
        energy = CounterMetricFamily(
            "poolserver_site_energy_joules",
            "Energy that the proven work stands for: work x J/TH x PUE.",
            labels=["site"],
        )
        for view in self._coordinator.site_views():
            site = [view.name]
            rigs.add_metric(site, view.rigs)
            scale.add_metric(site, view.work_scale)
            energy.add_metric(site, view.energy_j)
            if view.budget_w is not None:
                budget.add_metric(site, view.budget_w)
        yield from (budget, scale, rigs, energy)

    def _template(self) -> Iterator[Metric]:
        age = self._coordinator.template_age_s()
        template = self._coordinator.template
        if age is not None and template is not None:
            age_family = gauge(
                "template_age_seconds", "Since the node last confirmed the work of the rigs."
            )
            age_family.add_metric([], age)
            height = gauge("template_height", "Height of the block that is worked on.")
            height.add_metric([], template.height)
            yield from (age_family, height)

    def _blocks(self) -> Iterator[Metric]:
        book = self._coordinator.keeper.blocks
        ever = CounterMetricFamily(
            "poolserver_blocks", "Blocks that ever came into this state.", labels=["state"]
        )
        now = gauge("blocks_in_state", "Blocks that are in this state now.", "state")
        value = gauge("block_value_satoshis", "What the blocks in this state pay.", "state")
        for state in BlockState:
            ever.add_metric([state], book.reached[state])
            now.add_metric([state], book.now[state])
            value.add_metric([state], book.value_sat[state])
        unpaid = gauge("unpaid_satoshis", "What the blocks that pay could not pay to payees.")
        unpaid.add_metric([], sum(book.unpaid_sat[state] for state in EARNING))
        yield from (ever, now, value, unpaid)

    def _luck(self) -> Iterator[Metric]:
        """Exact until here; a float has room enough for what is shown."""
        keeper = self._coordinator.keeper
        luck, book = keeper.rewards.luck, keeper.blocks
        blocks = CounterMetricFamily(
            "poolserver_expected_blocks",
            "Blocks that the accepted work was to find on average.",
            labels=["site"],
        )
        earnings = CounterMetricFamily(
            "poolserver_expected_satoshis",
            "What the accepted work was to earn on average, before any fee.",
            labels=["site"],
        )
        total = Fraction(0)
        for site in sorted({*luck.sites, *(view.name for view in self._coordinator.site_views())}):
            expected = luck.expected_blocks(site)
            total += expected
            blocks.add_metric([site], float(expected))
            earnings.add_metric([site], float(luck.expected_sat(site)))
        effort = gauge("round_effort", "Blocks that the work since our last one was to find.")
        effort.add_metric([], float(luck.efforts(book)[1]))
        yield from (blocks, earnings, effort)
        if total:
            ratio = gauge("luck", "Blocks that pay, over those that the work was to find.")
            ratio.add_metric([], float(sum(book.now[state] for state in EARNING) / total))
            yield ratio

    def _plan(self) -> Iterator[Metric]:
        paymaster = self._coordinator.paymaster
        payees = gauge("payees", "Payees of the next block.")
        payees.add_metric([], len(paymaster.plan.payees))
        held = gauge("debts_held", "1 while no debts are paid: it is not known what a block paid.")
        held.add_metric([], int(paymaster.holds_debts))
        yield from (payees, held)

    def _blocks_under_way(self) -> Iterator[Metric]:
        workers = self._coordinator.workers.values()
        unsettled = gauge("blocks_unsettled", "Found blocks without a final word of the nodes.")
        unsettled.add_metric([], sum(worker.blocks_unsettled for worker in workers))
        unspooled = gauge("blocks_unspooled", "Of these the ones that are on no disk.")
        unspooled.add_metric([], sum(worker.blocks_unspooled for worker in workers))
        yield from (unsettled, unspooled)

    def _workers(self) -> Iterator[Metric]:
        workers, counts = self._coordinator.workers.values(), self._coordinator.tally.counts()
        connections = gauge("connections", "Open Stratum connections.")
        connections.add_metric([], sum(worker.connections for worker in workers))
        jobs = gauge("jobs", "Jobs that shares are still taken for.")
        jobs.add_metric([], sum(worker.jobs for worker in workers))
        failed = gauge("journal_failed", "1 while the share journal cannot be written.")
        failed.add_metric([], max((int(worker.journal_failed) for worker in workers), default=0))
        malformed = CounterMetricFamily(
            "poolserver_malformed_messages",
            "Messages of rigs that were not well-formed.",
            value=counts.malformed,
        )
        drops = CounterMetricFamily(
            "poolserver_slow_connections_dropped",
            "Connections dropped because they did not read.",
            value=counts.refused["slow_peer"],
        )
        unrecorded = CounterMetricFamily(
            "poolserver_journal_dropped_shares",
            "Shares that were not recorded: the disk failed and the memory for them was full.",
            value=counts.journal_dropped,
        )
        yield from (connections, jobs, failed, malformed, drops, unrecorded)
        yield from self._conduct()
        yield from self._stopgap()

    def _conduct(self) -> Iterator[Metric]:
        """Who was not let in, who was thrown out, and whether the pool itself seems wrong."""
        workers, lives = self._coordinator.workers.values(), self._coordinator.tally.counts()
        refused = CounterMetricFamily(
            "poolserver_refused",
            "Connections and rigs that were not let in, or thrown out.",
            labels=["reason"],
        )
        counts = Counter(dict.fromkeys(REFUSALS, 0))
        counts.update(lives.refused)
        for reason, count in sorted(counts.items()):
            refused.add_metric([reason], count)
        bans = gauge("bans", "Bans in force.")
        bans.add_metric([], sum(worker.bans for worker in workers))
        rejecting = gauge("rejecting_connections", "Connections with nothing but rejects now.")
        rejecting.add_metric([], sum(worker.rejecting for worker in workers))
        fault = gauge("pool_at_fault", "1 while so many rigs have rejects that the pool is wrong.")
        fault.add_metric([], max((int(worker.pool_at_fault) for worker in workers), default=0))
        unresolved = gauge("unresolved_rigs", "Rigs that mine with under a share a minute.")
        unresolved.add_metric([], sum(worker.unresolved for worker in workers))
        resumed = CounterMetricFamily(
            "poolserver_sessions_resumed",
            "Lost sessions that their rigs came back to.",
            value=lives.resumed,
        )
        yield from (refused, bans, rejecting, fault, unresolved, resumed)
        expiries = [
            worker.certificate_expires_unix
            for worker in workers
            if worker.certificate_expires_unix is not None
        ]
        if expiries:
            expiry = gauge("certificate_expiry_timestamp_seconds", "When the first TLS one ends.")
            expiry.add_metric([], min(expiries))
            yield expiry

    def _stopgap(self) -> Iterator[Metric]:
        counts = self._coordinator.tally.counts()
        yield CounterMetricFamily(
            "poolserver_stopgap_seconds",
            "Time with only a job without transactions, at the start of a block.",
            value=counts.stopgap_seconds,
        )
        yield CounterMetricFamily(
            "poolserver_stopgap_hashes",
            "Hashes proven on jobs without transactions.",
            value=counts.stopgap_work,
        )
