"""What Prometheus is told, to the names and labels: they are a contract with the operators."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from poolserver import __version__
from poolserver.cluster.messages import WorkerCounters
from poolserver.crew.tally import Tally
from poolserver.histogram import QUICK_S, Histogram
from poolserver.ledger.audit import SignedDay
from poolserver.ledger.blocks import BlockBook, BlockState
from poolserver.ledger.rewards import Rewards
from poolserver.ledger.totals import Earning, ShareTotals, Totals
from poolserver.metrics.audit import AuditMetrics
from poolserver.metrics.nodes import NodeMetrics, ProposalMetrics, RpcMetrics
from poolserver.metrics.pool import PoolMetrics
from poolserver.mining.payout import Payee, PayoutPlan
from poolserver.mining.share import ShareOutcome
from poolserver.mining.template import BlockTemplate
from poolserver.node.group import NodeFigures
from poolserver.node.proving import Proof
from poolserver.sites import PoolView, SiteView
from poolserver.stats.meter import NO_READING, WINDOWS, Hashrates, Reading, Rejects
from tests.unit.counters import node_group, worker_counters
from tests.unit.share_counts import share_counts
from tests.unit.solving import P2WPKH, REGTEST_NBITS, template

READING = Reading(
    Hashrates(1e15, 2e15, 3e15, 4e15, 5e15, 6e15, 7e15),
    Hashrates(0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1),
    (Rejects(0.01, 0.02), Rejects(0.03, 0.04)),
    12_000.0,
)
HALL = SiteView(
    name="hall",
    budget_w=200_000,
    work_scale=1000,
    reading=READING,
    best_difficulty=1e6,
    energy_j=12_345,
    rigs=42,
)
UNASSIGNED = SiteView("unassigned", None, 1, NO_READING, 0.0, 0, 1)


@dataclass
class FakeCoordinator:
    """Plain numbers, where the coordinator has what it was told."""

    totals: Totals = field(default_factory=Totals)
    tally: Tally = field(default_factory=Tally)
    views: list[SiteView] = field(default_factory=list)
    template: BlockTemplate | None = None
    age_s: float | None = None
    blocks: BlockBook = field(default_factory=BlockBook)
    rewards: Rewards = field(default_factory=Rewards)
    plan: PayoutPlan = field(default_factory=lambda: PayoutPlan(P2WPKH))
    holds_debts: bool = False
    is_clock_wrong: bool = False
    room: SimpleNamespace = field(
        default_factory=lambda: SimpleNamespace(energy_closed_until_s=3600)
    )

    def not_ready_because(self) -> str | None:
        return None if self.template else "no template yet"

    @property
    def workers(self) -> Mapping[str, WorkerCounters]:
        return self.tally.living

    @property
    def keeper(self) -> SimpleNamespace:
        return SimpleNamespace(
            blocks=self.blocks,
            rewards=self.rewards,
            saves=Histogram(QUICK_S),
            stuck=("pool-1/0/1",),
            lag_s=lambda: 1.5,
            unsaved_s=lambda: 7.0,
        )

    @property
    def paymaster(self) -> SimpleNamespace:
        return SimpleNamespace(plan=self.plan, holds_debts=self.holds_debts)

    def site_views(self) -> list[SiteView]:
        return self.views

    def pool_view(self) -> PoolView:
        return PoolView(READING, 2e6)

    def template_age_s(self) -> float | None:
        return self.age_s


def tally_of(*told: WorkerCounters) -> Tally:
    tally = Tally()
    for each in told:
        tally.take(each)
    return tally


def scrape(coordinator: FakeCoordinator) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(PoolMetrics(coordinator, "regtest"))  # type: ignore[arg-type]
    return registry


def totals(**shares: int) -> ShareTotals:
    counts = {ShareOutcome[name.upper()]: count for name, count in shares.items()}
    return ShareTotals(shares=share_counts(counts))


def test_the_version_and_the_network_are_told() -> None:
    labels = {"version": __version__, "network": "regtest"}
    assert scrape(FakeCoordinator()).get_sample_value("poolserver_info", labels) == 1


def test_shares_add_up_by_site_result_and_reason() -> None:
    coordinator = FakeCoordinator(
        Totals(
            {
                "hall": totals(accepted=15, stale=2, duplicate=1),
                "unassigned": totals(malformed=3),
            }
        )
    )
    (family,) = [f for f in scrape(coordinator).collect() if f.name == "poolserver_shares"]
    assert {
        tuple(s.labels[n] for n in ("site", "result", "reason")): s.value for s in family.samples
    } == {
        ("hall", "accepted", "accepted"): 15,
        ("hall", "stale", "stale"): 2,
        ("hall", "rejected", "duplicate"): 1,
        ("unassigned", "rejected", "malformed"): 3,
    }


@pytest.mark.parametrize("outcome", list(ShareOutcome))
def test_every_outcome_of_a_share_is_told(outcome: ShareOutcome) -> None:
    registry = scrape(FakeCoordinator(Totals({"hall": totals(**{outcome.name: 7})})))
    labels = {"site": "hall", "result": outcome.result, "reason": outcome.reason}
    assert registry.get_sample_value("poolserver_shares_total", labels) == 7


def test_a_site_is_told_in_full() -> None:
    registry = scrape(FakeCoordinator(views=[HALL]))
    for name, value in {
        "site_budget_watts": 200_000,
        "site_work_scale": 1000,
        "site_rigs": 42,
        "site_energy_joules_total": 12_345,
    }.items():
        assert registry.get_sample_value(f"poolserver_{name}", {"site": "hall"}) == value, name


@pytest.mark.parametrize(("level", "labels"), [("pool", {}), ("site", {"site": "hall"})])
def test_statistics_are_told_of_the_pool_and_of_each_site(
    level: str, labels: dict[str, str]
) -> None:
    registry = scrape(FakeCoordinator(views=[HALL, UNASSIGNED]))

    def value(name: str, **more: str) -> float | None:
        return registry.get_sample_value(f"poolserver_{level}_{name}", labels | more)

    for number, window in enumerate(WINDOWS):
        rate = READING.hashrates[number]
        assert value("hashrate_hashes_per_second", window=window) == rate
        sigma = rate * READING.relative_sigmas[number]
        assert value("hashrate_sigma_hashes_per_second", window=window) == sigma
    assert value("reject_ratio", window="1h", kind="stale") == 0.01
    assert value("reject_ratio", window="1h", kind="rejected") == 0.02
    assert value("reject_ratio", window="1d", kind="rejected") == 0.04
    assert value("best_share_difficulty", scope="round") == 12_000
    assert value("best_share_difficulty", scope="ever") == (2e6 if level == "pool" else 1e6)


def test_before_the_first_share_neither_errors_nor_rejects_are_told() -> None:
    registry = scrape(FakeCoordinator(views=[UNASSIGNED]))
    labels = {"site": "unassigned", "window": "1h"}
    rate = "poolserver_site_hashrate_hashes_per_second"
    assert registry.get_sample_value(rate, labels) == 0
    sigma = "poolserver_site_hashrate_sigma_hashes_per_second"
    assert registry.get_sample_value(sigma, labels) is None
    kind = labels | {"kind": "stale"}
    assert registry.get_sample_value("poolserver_site_reject_ratio", kind) is None


def test_a_site_without_a_budget_has_no_power() -> None:
    registry = scrape(FakeCoordinator(views=[HALL, UNASSIGNED]))
    site = {"site": "unassigned"}
    assert registry.get_sample_value("poolserver_site_rigs", site) == 1
    for name in ("power_watts", "power_sigma_watts", "budget_watts", "headroom_watts"):
        assert registry.get_sample_value(f"poolserver_site_{name}", site) is None


def test_before_the_first_template_nothing_is_said_of_it() -> None:
    names = {family.name for family in scrape(FakeCoordinator()).collect()}
    assert not names & {"poolserver_template_age_seconds", "poolserver_template_height"}


def test_the_template_has_an_age_and_a_height() -> None:
    registry = scrape(FakeCoordinator(template=template(height=840_000), age_s=1.5))
    assert registry.get_sample_value("poolserver_template_age_seconds") == 1.5
    assert registry.get_sample_value("poolserver_template_height") == 840_000


def test_every_state_of_a_block_is_there_from_the_start() -> None:
    registry = scrape(FakeCoordinator())
    for state in ("found", "accepted", "stale", "rejected", "orphaned", "mature"):
        for name in ("blocks_total", "blocks_in_state", "block_value_satoshis"):
            assert registry.get_sample_value(f"poolserver_{name}", {"state": state}) == 0
    assert registry.get_sample_value("poolserver_unpaid_satoshis") == 0


def test_blocks_are_told_as_they_ever_were_and_as_they_are() -> None:
    book = BlockBook()
    for number, states in enumerate(
        [
            (),
            (BlockState.ACCEPTED,),
            (BlockState.ACCEPTED, BlockState.MATURE),
            (BlockState.ACCEPTED, BlockState.ORPHANED),
        ]
    ):
        block = book.find(f"{number:064x}", 101)
        book.pay(block, 10**number)
        book.owe(block, 0, [2 * 10**number])
        for state in states:
            assert book.change(block, state)
    registry = scrape(FakeCoordinator(blocks=book))
    for name, told in {
        "blocks_total": {"found": 4, "accepted": 3, "mature": 1, "orphaned": 1, "stale": 0},
        "blocks_in_state": {"found": 1, "accepted": 1, "mature": 1, "orphaned": 1, "stale": 0},
        "block_value_satoshis": {"found": 1, "accepted": 10, "mature": 100, "orphaned": 1000},
    }.items():
        for state, value in told.items():
            assert registry.get_sample_value(f"poolserver_{name}", {"state": state}) == value
    assert registry.get_sample_value("poolserver_unpaid_satoshis") == 220


def test_the_counters_of_all_workers_add_up() -> None:
    tally = tally_of(
        worker_counters(
            connections=10,
            jobs=3,
            malformed=100,
            refused={"banned": 2, "slow_peer": 1},
            bans=1,
            rejecting=3,
            unresolved=4,
            resumed=5,
            stopgap_seconds=1.5,
            stopgap_work=2.0**70,
            blocks_unsettled=2,
            blocks_unspooled=1,
        ),
        worker_counters(
            source="pool-1/1/1",
            connections=5,
            jobs=4,
            malformed=11,
            refused={"banned": 1, "dropped": 7, "slow_peer": 2},
            pool_at_fault=True,
            stopgap_seconds=1.0,
            journal_failed=True,
            journal_dropped=7,
            blocks_unsettled=1,
            certificate_expires_unix=1_700_000_000,
        ),
    )
    registry = scrape(FakeCoordinator(tally=tally))
    for name, value in {
        "connections": 15,
        "jobs": 7,
        "journal_failed": 1,
        "blocks_unsettled": 3,
        "blocks_unspooled": 1,
        "journal_dropped_shares_total": 7,
        "malformed_messages_total": 111,
        "slow_connections_dropped_total": 3,
        "bans": 1,
        "rejecting_connections": 3,
        "pool_at_fault": 1,
        "unresolved_rigs": 4,
        "sessions_resumed_total": 5,
        "stopgap_seconds_total": 1.5,  # of one block, whoever waits for it
        "stopgap_hashes_total": 2.0**70,
        "certificate_expiry_timestamp_seconds": 1_700_000_000,
    }.items():
        assert registry.get_sample_value(f"poolserver_{name}") == value, name
    for reason, count in {"banned": 3, "dropped": 7, "too_many_connections": 0}.items():
        label = {"reason": reason}
        assert registry.get_sample_value("poolserver_refused_total", label) == count


def test_without_a_certificate_nothing_is_said_of_its_end() -> None:
    tally = tally_of(worker_counters(certificate_expires_unix=None))
    names = {family.name for family in scrape(FakeCoordinator(tally=tally)).collect()}
    assert "poolserver_certificate_expiry_timestamp_seconds" not in names


NODES = [
    NodeFigures("a", True, True, True, 840_000, 0, 8, 0.002, 1.5),
    NodeFigures("b", False, False, False, 839_998, 2, 0, 0.1, None),
]


def test_each_node_is_told_by_its_name() -> None:
    registry = CollectorRegistry()
    registry.register(NodeMetrics(node_group(figures=lambda: NODES)))
    for name, a, b in [
        ("up", 1, 0),
        ("active", 1, 0),
        ("on_mined_chain", 1, 0),
        ("height", 840_000, 839_998),
        ("behind_blocks", 0, 2),
        ("peers", 8, 0),
        ("latency_seconds", 0.002, 0.1),
        ("template_age_seconds", 1.5, None),
    ]:
        metric = f"poolserver_node_{name}"
        assert registry.get_sample_value(metric, {"node": "a"}) == a, name
        assert registry.get_sample_value(metric, {"node": "b"}) == b, name


def test_a_split_stale_work_and_switches_are_told() -> None:
    registry = CollectorRegistry()
    group = node_group(is_split=True, split_depth=3, is_stale=True, switches={"failover": 2})
    registry.register(NodeMetrics(group))
    assert registry.get_sample_value("poolserver_chain_split") == 1
    assert registry.get_sample_value("poolserver_chain_split_depth") == 3
    assert registry.get_sample_value("poolserver_work_stale") == 1
    labels = {"reason": "failover"}
    assert registry.get_sample_value("poolserver_node_switches_total", labels) == 2


def test_calls_to_nodes_are_timed_and_failures_counted_by_kind() -> None:
    registry = CollectorRegistry()
    metrics = RpcMetrics()
    registry.register(metrics)
    metrics.observe("submitblock", 0.02, None)
    metrics.observe("submitblock", 30.0, "timeout")
    call = {"method": "submitblock"}
    assert registry.get_sample_value("poolserver_rpc_duration_seconds_count", call) == 2
    assert registry.get_sample_value("poolserver_rpc_duration_seconds_sum", call) == 30.02
    quick = {**call, "le": "0.03"}
    assert registry.get_sample_value("poolserver_rpc_duration_seconds_bucket", quick) == 1
    failure = {**call, "kind": "timeout"}
    assert registry.get_sample_value("poolserver_rpc_errors_total", failure) == 1


def test_proposals_are_counted_by_what_the_node_said() -> None:
    registry = CollectorRegistry()
    registry.register(ProposalMetrics({Proof.GOOD: 3, Proof.REFUSED: 1}))
    for result, count in {"good": 3, "refused": 1, "overtaken": 0, "unanswered": 0}.items():
        name, label = "poolserver_template_proposals_total", {"result": result}
        assert registry.get_sample_value(name, label) == count


def test_the_end_of_the_chain_of_signed_days_is_told() -> None:
    registry = CollectorRegistry()
    auditor = SimpleNamespace(last=None)
    registry.register(AuditMetrics(auditor))  # type: ignore[arg-type]
    assert list(registry.collect()) == []
    auditor.last = SignedDay(20_000, 1, b"", b"\xab" * 32, b"", b"", 1)
    labels = {"day": "2024-10-04", "head": "ab" * 32}
    assert registry.get_sample_value("poolserver_ledger_head_info", labels) == 1
    name = "poolserver_ledger_signed_day_timestamp_seconds"
    assert registry.get_sample_value(name) == 20_001 * 86_400


def test_a_label_cannot_forge_a_line() -> None:
    forged = 'a"} 1\npoolserver_forged 1'
    text = generate_latest(scrape(FakeCoordinator(Totals({forged: totals(accepted=1)})))).decode()
    assert not [line for line in text.splitlines() if line.startswith("poolserver_forged")]


# --- luck and payouts ------------------------------------------------------------------------


def test_luck_is_what_pays_over_what_the_work_was_to_find() -> None:
    coordinator = FakeCoordinator(views=[HALL])
    luck = coordinator.rewards.luck
    luck.earned["hall", REGTEST_NBITS] = Earning(6, 300)
    luck.earned["old", REGTEST_NBITS] = Earning(2, 100)
    luck.rounds["ab"], luck.open = {REGTEST_NBITS: 5}, {REGTEST_NBITS: 3}
    coordinator.blocks.change(coordinator.blocks.find("ab", 1), BlockState.ACCEPTED)
    sample = scrape(coordinator).get_sample_value
    assert sample("poolserver_expected_blocks_total", {"site": "hall"}) == 3
    assert sample("poolserver_expected_satoshis_total", {"site": "hall"}) == 150
    assert sample("poolserver_expected_blocks_total", {"site": "old"}) == 1
    assert sample("poolserver_round_effort") == 1.5
    assert sample("poolserver_luck") == 0.25


def test_before_there_is_work_there_is_no_luck() -> None:
    sample = scrape(FakeCoordinator(views=[HALL])).get_sample_value
    assert sample("poolserver_expected_blocks_total", {"site": "hall"}) == 0
    assert sample("poolserver_round_effort") == 0
    assert sample("poolserver_luck") is None


def test_the_payees_are_counted_and_debts_that_wait_are_told() -> None:
    payees = (Payee("a", b"\x51", 1), Payee("b", b"\x52", 1))
    coordinator = FakeCoordinator(plan=PayoutPlan(P2WPKH, 0, payees), holds_debts=True)
    sample = scrape(coordinator).get_sample_value
    assert sample("poolserver_payees") == 2
    assert sample("poolserver_debts_held") == 1
