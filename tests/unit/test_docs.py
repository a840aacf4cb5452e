"""The documents say what there is: metrics, reasons, log events; and no link is dead."""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric

from poolserver._vendor.asyncio_stratum import Fault
from poolserver.collector import Collector
from poolserver.config import Config, load_config
from poolserver.control_room.view import PowerView, power_view
from poolserver.coordinator import Coordinator, PoolView, SiteView
from poolserver.crew.berths import Berths
from poolserver.crew.tally import Tally
from poolserver.ledger.audit import SignedDay
from poolserver.ledger.auditor import Auditor
from poolserver.ledger.blocks import BlockBook
from poolserver.ledger.rewards import Rewards
from poolserver.ledger.totals import Earning, ShareTotals, Totals
from poolserver.metrics import (
    AuditMetrics,
    CollectorMetrics,
    CrewMetrics,
    NodeMetrics,
    PoolMetrics,
    PowerMetrics,
    ProposalMetrics,
    RpcMetrics,
    SignalMetrics,
)
from poolserver.mining.payout import PayoutPlan
from poolserver.mining.share import ShareOutcome
from poolserver.node.group import NodeFigures
from poolserver.power.readings import MeterBook, MeterSpec
from poolserver.power.state import (
    EffectiveLimit,
    Limit,
    LimitKind,
    MeterState,
    NodePower,
    Quality,
    Readings,
)
from poolserver.power.tree import PowerNode, PowerTree
from poolserver.power.uncertain import Uncertain
from poolserver.stats.meter import Hashrates, Reading, Rejects
from tests.unit.counters import node_group, worker_counters

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
DOCUMENTS = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *DOCS.rglob("*.md")])

METRIC_ROW = re.compile(r"^\| `(poolserver_\w+)` \| (\w+) \|([^|]*)\|", re.MULTILINE)
LOG_CALL = re.compile(r"\b_?log\.(?:debug|info|warning|error)\(\s*\"(\w+)\"")
ALARM_CALL = re.compile(r"\bAlarm\(\s*\"(\w+)\",\s*\"(\w+)\"")
TROUBLE_CALL = re.compile(r"_trouble\.(?:failed|restored)\(\"(\w+)\"")
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


READING = Reading(Hashrates(*[1.0] * 7), Hashrates(*[1.0] * 7), (Rejects(0.0, 0.0),) * 2, 1.0)


def a_power_view() -> PowerView:
    """A site with a limit and a meter, and all that it can show."""
    meter = MeterState("m", Quality.GOOD, "", 1.0, None, 1.0)
    hall = NodePower("hall", meter=meter, residual_w=Uncertain(1.0))
    limits = {"hall": EffectiveLimit(1, (Limit("hall", LimitKind.PHYSICAL, 1, "site"),))}
    readings = Readings({"hall": hall}, limits, limits)
    tree = PowerTree([PowerNode("hall", "site")])
    return power_view(tree, readings, at_s=0.0, mode="observe", state="within", intended=())


class FakeCoordinator:
    """Has something of everything that metrics are made of."""

    def __init__(self) -> None:
        self.totals = Totals({"hall": ShareTotals(shares=[1] * len(ShareOutcome))})
        self.template = SimpleNamespace(height=1)
        rewards = Rewards()
        rewards.luck.earned["hall", 0x207FFFFF] = Earning(2, 2)
        self.keeper = SimpleNamespace(blocks=BlockBook(), rewards=rewards)
        self.paymaster = SimpleNamespace(plan=PayoutPlan(b"\x51"), holds_debts=False)
        self.tally = Tally()
        self.tally.take(worker_counters())
        self.workers = self.tally.living

    def template_age_s(self) -> float:
        return 1.0

    def site_views(self) -> list[SiteView]:
        return [SiteView("hall", 1, 1, READING, 1.0, 0, 1)]

    def pool_view(self) -> PoolView:
        return PoolView(READING, 1.0)


def exported() -> dict[str, tuple[str, frozenset[str]]]:
    """Type and labels of every metric, by the name under which it is queried."""
    registry = CollectorRegistry()
    RpcMetrics(registry).observe("getblocktemplate", 0.1, "timeout")
    registry.register(PoolMetrics(cast(Coordinator, FakeCoordinator()), "regtest"))
    figures = NodeFigures("a", True, True, True, 1, 0, 8, 0.1, 1.0)
    registry.register(ProposalMetrics({}))
    last = SignedDay(20_000, 1, b"", b"", b"", b"", 1)
    registry.register(AuditMetrics(cast(Auditor, SimpleNamespace(last=last))))
    registry.register(CrewMetrics(Berths(1)))
    registry.register(NodeMetrics(node_group(figures=lambda: [figures])))
    bus = SimpleNamespace(is_connected=True, outcomes={("meter", "taken"): 1})
    meters = MeterBook([MeterSpec("t2", 1)])
    meters.fault("t2", "", 0.0)
    registry.register(SignalMetrics(meters, bus))
    registry.register(PowerMetrics(a_power_view))
    registry.register(CollectorMetrics(Collector()))
    return {name_of(family): (family.type, labels_of(family)) for family in registry.collect()}


def name_of(family: Metric) -> str:
    return family.name + {"counter": "_total", "info": "_info"}.get(family.type, "")


def labels_of(family: Metric) -> frozenset[str]:
    assert family.samples, family.name
    return frozenset(label for sample in family.samples for label in sample.labels) - {"le"}


def test_every_metric_is_documented_with_its_type_and_labels() -> None:
    rows = METRIC_ROW.findall((DOCS / "metrics.md").read_text())
    documented = {name: (kind, frozenset(re.findall(r"\w+", lab))) for name, kind, lab in rows}
    assert documented == exported()


def test_every_reason_of_a_share_is_documented_with_its_code() -> None:
    text = (DOCS / "stratum.md").read_text()
    for outcome in ShareOutcome:
        code = f" {outcome.code}" if outcome.code else ""
        assert f"| `{outcome.reason}` |{code} |" in text, outcome


def test_every_fault_of_the_stratum_library_is_documented_with_its_code() -> None:
    text = (DOCS / "stratum.md").read_text()
    for fault in Fault:
        assert f"| `{fault.value}` | {fault.code.value} |" in text, fault


def test_every_log_event_is_documented() -> None:
    text = (DOCS / "operations.md").read_text()
    sources = [path.read_text() for path in (ROOT / "poolserver").rglob("*.py")]
    events = {
        event
        for source in sources
        for pattern in (LOG_CALL, TROUBLE_CALL)
        for event in pattern.findall(source)
    }
    events |= {event for source in sources for pair in ALARM_CALL.findall(source) for event in pair}
    assert {"running", "block_found", "no_template", "templates_again", "nodes_lost"} <= events
    assert sorted(event for event in events if f"`{event}`" not in text) == []


@pytest.mark.parametrize("name", ["rules.md", "templates.md", "blocks.md"])
def test_every_rule_is_proved_by_tests_that_exist(name: str) -> None:
    text = (DOCS / name).read_text()
    text = text[text.index("| rule |") :]
    rows = [row for row in text.splitlines() if row.startswith("| ") and "| ---" not in row]
    sources = "".join(
        path.read_text()
        for folder in (ROOT / "tests", ROOT / "poolserver" / "_vendor")
        for path in folder.rglob("test_*.py")
    )
    for row in rows:
        named = re.findall(r"`(test_\w+|Test\w+)`", row)
        assert named or row.startswith("| rule |"), f"no test proves {row}"
        missing = [name for name in named if not re.search(rf"\b{name}\b", sources)]
        assert not missing, row


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_relative_link_is_dead(path: Path) -> None:
    links = [link for link in LINK.findall(path.read_text()) if "://" not in link]
    assert [link for link in links if not (path.parent / link).exists()] == []


def test_the_example_in_the_readme_is_good(tmp_path: Path) -> None:
    (example,) = (ROOT / "README.md").read_text().split("```toml\n")[1:]
    address = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"  # BIP173's first test vector
    (tmp_path / "pool.toml").write_text(example.split("```")[0].replace("bc1q...", address))
    assert isinstance(load_config(tmp_path / "pool.toml"), Config)


def test_the_picture_of_the_demo_asks_nobody_for_anything() -> None:
    svg = (DOCS / "images" / "demo.svg").read_text()
    assert re.findall(r"https?://[^\s\"]+", svg) == ["http://www.w3.org/2000/svg"]  # a name only
    assert "@font-face" not in svg
