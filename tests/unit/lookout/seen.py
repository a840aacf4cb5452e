"""A node of the power tree and a site as they are shown, made up."""

from typing import Any

from msgspec.structs import replace

from poolserver.control_room.view import Figure, LimitView, NodeView
from poolserver.lookout.view import Hashrates, RejectRatios, Shares, SiteStatus

STEADY = Figure(1e18, 1e15)
LIMIT = LimitView(10_000_000, "schedule", "NTDC", "evening peak", None)
HASHRATES = Hashrates(*[STEADY] * 7)


def node(**changes: Any) -> NodeView:
    well = NodeView(
        path="Sahiwal",
        name="Sahiwal",
        kind="site",
        depth=1,
        configured=True,
        total_w=Figure(8_000_000.0, 100_000.0),
        method="shares",
        estimated_w=Figure(8_000_000.0, 100_000.0),
        mining_w=Figure(8_000_000.0, 100_000.0),
        ai_w=0.0,
        ai_known=True,
        residual_w=None,
        hashrate_h_s=STEADY,
        accepted_h_s=1e18,
        rigs=1000,
        silent=0,
        limit_w=10_000_000,
        headroom_w=2_000_000.0,
        limits=(LIMIT,),
        meter=None,
        calibration=None,
    )
    return replace(well, **changes)


def site(**changes: Any) -> SiteStatus:
    well = SiteStatus(
        name="Sahiwal",
        budget_w=10_000_000,
        hashrate_h_s=HASHRATES,
        shares=Shares(1, 0, 0),
        rejects=RejectRatios(0.001, 0.001, 0.001, 0.001),
        rigs=1000,
        silent_rigs=0,
        energy_j=1,
        best_difficulty=1.0,
        work_scale=1,
        power=None,
    )
    return replace(well, **changes)
