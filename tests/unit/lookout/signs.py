"""Signs of a pool where all is well, and of one where something is wrong, each with its trouble."""

from typing import Any

from msgspec.structs import replace

from poolserver.control_room.view import Figure, LimitView, MeterView
from poolserver.lookout.view import (
    Hashrates,
    NodeStatus,
    PowerStatus,
    Reload,
    Shares,
    SiteStatus,
)
from tests.unit.lookout.seen import HASHRATES, LIMIT, node, site


def power(mining_w: float, residual_w: float = 0.0) -> PowerStatus:
    mining, residual = Figure(mining_w, 1.0), Figure(residual_w, 1.0)
    limit_w = 10_000_000
    headroom_w = limit_w - mining_w
    return PowerStatus(mining, mining, 0.0, limit_w, headroom_w, LIMIT, mining_w, residual, 17.5)


def dropped(**changes: Any) -> SiteStatus:
    return site(hashrate_h_s=replace(HASHRATES, _5m=Figure(5e17, 1e15)), **changes)


def bitcoind(name: str, *, is_up: bool = True) -> NodeStatus:
    return NodeStatus(name, is_up, is_up, is_up, 1, 0, 8, 0.01, 1.0)


METER = MeterView("main", "frozen", "the same for 600 s", None, None)
BOTH = (bitcoind("a"), bitcoind("b", is_up=False))
FAILSAFE = LimitView(5_000_000, "failsafe", "NTDC", "unheard", None)

DEEPER_THAN_ORDERED = {
    "sites": (dropped(power=power(4.9e6)),),
    "least_room_w": {"Sahiwal": 6.2e6},
}
POWER_WITHOUT_WORK = {
    "sites": (dropped(power=power(9.9e6, residual_w=4.9e6)),),
    "least_room_w": {"Sahiwal": 1e7},
}


def disk_free_of(free: int, **trend: float) -> dict[str, Any]:
    """Of a thousand; and where it goes, ``soon`` and ``later``."""
    told = {f"disk_free_{name}_bytes": value for name, value in trend.items()}
    return {"disk_free_bytes": free << 30, "disk_size_bytes": 1000 << 30, **told}


WELL: list[dict[str, Any]] = [
    {},
    {"nodes": (bitcoind("a"),), "sites": (site(),), "power_nodes": (node(),)},
    # Four, or a fiftieth; and racks are not told of apart.
    {"power_nodes": (node(rigs=16, silent=4), node(rigs=980, silent=20))},
    {"power_nodes": (node(rigs=10, silent=9, depth=2),)},
    # A little over the limit, within what is known of it; a few late shares; luck of a small site.
    {"power_nodes": (node(headroom_w=-150_000.0, limits=()),)},
    {"power_nodes": (node(residual_w=Figure(300_000.0, 100_000.0)),)},
    {"sites": (site(),), "recent_shares": {"Sahiwal": Shares(940, 30, 30)}},
    {"sites": (site(),), "recent_shares": {"Sahiwal": Shares(99, 300, 0)}},
    {"sites": (site(hashrate_h_s=replace(HASHRATES, _5m=Figure(5e17, 1e17))),)},
    # It draws what it may, or might a short while ago, which is why it hashes less.
    {"sites": (dropped(power=power(5e6)),), "least_room_w": {"Sahiwal": 6.2e6}},
    {"sites": (dropped(power=power(5e5, 4e5)),), "least_room_w": {"Sahiwal": 6e5}},
    {"sites": (dropped(power=power(0.0)),), "least_room_w": {"Sahiwal": 0.0}},
    {"sites": (site(hashrate_h_s=Hashrates(*[Figure(0.0, 0.0)] * 7), rejects=None),)},
    {"power_nodes": (node(meter=replace(METER, quality="none", reason="")),), "up_s": 10.0},
    {"power_nodes": (node(meter=METER, configured=False),)},
    {"disk_free_bytes": 100 << 30, "disk_size_bytes": 1000 << 30},
    # A burst: it is more than half empty still.
    {"disk_free_bytes": 600 << 30, "disk_size_bytes": 1000 << 30, "disk_free_soon_bytes": -1.0},
    {"certificate_left_s": 30 * 86_400.0},
    {"unsettled_s": 60.0, "journal_lag_s": 30.0},
    {"blocks_unspooled": 1, "unspooled_s": 5.0},
    {"last_reload": Reload(1.0, True, "")},
]

WRONG: list[tuple[str, bool, dict[str, Any]]] = [
    ("no_template", True, {"template_age_s": None, "not_ready_because": "no template yet"}),
    ("no_template", True, {"template_age_s": 61.0, "is_stale": True, "not_ready_because": "old"}),
    ("stale_tip", True, {"is_stale": True, "not_ready_because": "there is a newer block"}),
    ("not_ready", True, {"not_ready_because": "no worker is listening yet"}),
    ("node_lost", False, {"nodes": BOTH}),
    ("nodes_lost", True, {"nodes": BOTH[1:]}),
    ("node_behind", False, {"lagging": {"b": 3}}),
    ("chain_split", True, {"is_split": True}),
    ("block_unspooled", True, {"blocks_unspooled": 1, "unspooled_s": 5.1}),
    ("block_stuck", True, {"unsettled_s": 61.0}),
    ("journal_failed", True, {"journal_failed": True}),
    ("journal_lag", False, {"journal_lag_s": 31.0}),
    ("journal_lag", False, {"stuck_sources": ["pool-1/0/1"]}),
    ("disk", True, {"disk_free_bytes": 1 << 30, "disk_size_bytes": 10 << 30}),
    ("disk", False, {"disk_free_bytes": 40 << 30, "disk_size_bytes": 1000 << 30}),
    ("disk", True, disk_free_of(190, soon=-1.0, later=-1.0)),
    ("disk", False, disk_free_of(490, later=-1.0)),
    ("over_budget", True, {"power_nodes": (node(headroom_w=-250_000.0),)}),
    ("headroom_low", False, {"power_nodes": (node(headroom_w=40_000.0),)}),
    ("meter_stale", False, {"power_nodes": (node(meter=METER),)}),
    (
        "meter_stale",
        False,
        {"power_nodes": (node(meter=replace(METER, quality="none", reason="")),), "up_s": 121.0},
    ),
    ("residual_high", False, {"power_nodes": (node(residual_w=Figure(800_000.0, 100_000.0)),)}),
    ("budget_unheard", True, {"power_nodes": (node(limits=(FAILSAFE,)),)}),
    ("budget_unheard", True, {"power_nodes": (node(mining_limits=(FAILSAFE,)),)}),
    ("pool_at_fault", True, {"pool_at_fault": True}),
    ("rigs_silent", False, {"power_nodes": (node(rigs=979, silent=21),)}),
    ("rigs_silent", False, {"power_nodes": (node(rigs=979, silent=21, path="/", depth=0),)}),
    ("rigs_unassigned", False, {"sites": (site(name="unassigned", rigs=2),)}),
    ("hashrate_drop", True, {"sites": (dropped(),)}),
    ("hashrate_drop", True, {"sites": (dropped(power=power(5e6)),)}),
    ("hashrate_drop", True, DEEPER_THAN_ORDERED),
    ("hashrate_drop", True, POWER_WITHOUT_WORK),
    (
        "reject_ratio",
        False,
        {"sites": (site(),), "recent_shares": {"Sahiwal": Shares(387, 0, 13)}},
    ),
    ("worker_down", True, {"processes_down": [1]}),
    ("worker_down", False, {"processes": 2, "processes_down": [1]}),
    ("clock_wrong", True, {"is_clock_wrong": True}),
    ("certificate", False, {"certificate_left_s": 3 * 86_400.0}),
    ("certificate", True, {"certificate_left_s": 86_400.0}),
    ("certificate", True, {"certificate_left_s": -1.0}),
    ("reload_failed", False, {"last_reload": Reload(1.0, False, "port 3333 is taken")}),
]
