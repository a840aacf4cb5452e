"""Meters and sums in the shapes that are shown. Pure."""

from math import isfinite

from poolserver.control_room.view import Figure, LimitView, NodeView
from poolserver.ledger.totals import ShareTotals
from poolserver.lookout.view import Hashrates, PowerStatus, RejectRatios, Shares
from poolserver.mining.share import ShareOutcome
from poolserver.power.state import Quality
from poolserver.stats.meter import Reading

H_PER_TH = 1e12


def hashrates(reading: Reading) -> Hashrates:
    """Every window of a meter, in H/s."""
    return Hashrates(*map(rate, reading.hashrates, reading.relative_sigmas))


def rate(hashrate_h_s: float, relative_sigma: float) -> Figure:
    """Before the first share nothing is known of the error either, and 0 stands for that."""
    sigma = hashrate_h_s * relative_sigma if isfinite(relative_sigma) else 0.0
    return Figure(hashrate_h_s, sigma)


def shares(totals: ShareTotals | None) -> Shares:
    """By how they were judged."""
    if totals is None:
        return Shares(0, 0, 0)
    accepted = totals.shares[ShareOutcome.ACCEPTED]
    stale = totals.shares[ShareOutcome.STALE]
    return Shares(accepted, stale, sum(totals.shares) - accepted - stale)


def reject_ratios(reading: Reading) -> RejectRatios | None:
    """None where there was no share."""
    hour, day = reading.rejects
    if hour is None or day is None:
        return None
    return RejectRatios(hour.stale, hour.rejected, day.stale, day.rejected)


def power_status(node: NodeView) -> PowerStatus:
    """Of the node of a site, or of the programme."""
    meter = node.meter
    is_metered = meter is not None and meter.quality == Quality.GOOD
    return PowerStatus(
        total_w=node.total_w,
        mining_w=node.mining_w,
        ai_w=node.ai_w,
        limit_w=node.limit_w,
        headroom_w=node.headroom_w,
        binding=binding(node),
        metered_w=meter.power_w if meter is not None and is_metered else None,
        residual_w=node.residual_w,
        j_per_th=j_per_th(node.mining_w.value, node.hashrate_h_s.value),
    )


def binding(node: NodeView) -> LimitView | None:
    """The least of its limits."""
    return node.limits[0] if node.limits else None


def j_per_th(power_w: float, hashrate_h_s: float) -> float | None:
    """None without work."""
    return power_w / hashrate_h_s * H_PER_TH if hashrate_h_s > 0 else None
