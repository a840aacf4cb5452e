"""The shapes of what is shown: plain data, which JSON is made of. They are a contract.

Units stand in names; hashrates in H/s, power in watts, times in Unix seconds. A ``Figure`` is a
value with its standard error. Fields are only ever added.
"""

import msgspec

from poolserver.control_room.view import Figure, LimitView
from poolserver.log_event import Event as Event


class Hashrates(msgspec.Struct, frozen=True, rename=lambda name: name.lstrip("_")):
    """Proven hashrate, exponentially weighted over a minute to a week. ``work_scale`` is in it."""

    _1m: Figure
    _5m: Figure
    _15m: Figure
    _1h: Figure
    _6h: Figure
    _1d: Figure
    _7d: Figure


class Shares(msgspec.Struct, frozen=True):
    """Judged shares, over the pool's whole life."""

    accepted: int
    stale: int
    rejected: int


class RejectRatios(msgspec.Struct, frozen=True):
    """Parts of all judged shares, 0 to 1, weighted over an hour and a day."""

    stale_1h: float
    rejected_1h: float
    stale_1d: float
    rejected_1d: float


class TemplateStatus(msgspec.Struct, frozen=True):
    """What rigs work on. ``age_s``: since a node last confirmed it."""

    height: int
    age_s: float
    transactions: int
    value_sat: int
    is_outdated: bool
    """A newer block is known, and no node has work on it yet."""


class PowerStatus(msgspec.Struct, frozen=True):
    """A site's power, or all sites' together: what is drawn, what may be, and what binds it."""

    total_w: Figure
    mining_w: Figure
    ai_w: float
    limit_w: int | None
    headroom_w: float | None
    binding: LimitView | None
    """The limit that holds: of what kind, who says so, and why. None where there is none."""
    metered_w: float | None
    residual_w: Figure | None
    j_per_th: float | None
    """Mining power over proven hashrate. None without work."""


class SiteStatus(msgspec.Struct, frozen=True):
    """A site. ``power`` is None before the first tick, and of ``unassigned``."""

    name: str
    budget_w: int | None
    hashrate_h_s: Hashrates
    shares: Shares
    rejects: RejectRatios | None
    rigs: int
    silent_rigs: int
    energy_j: int
    best_difficulty: float
    work_scale: int
    power: PowerStatus | None


class NodeStatus(msgspec.Struct, frozen=True):
    """A Bitcoin node."""

    name: str
    is_up: bool
    is_active: bool
    """Its templates are mined on."""
    on_mined_chain: bool
    height: int
    blocks_behind: int
    peers: int
    latency_s: float
    template_age_s: float | None


class Trouble(msgspec.Struct, frozen=True):
    """Something that is wrong now. ``code`` names it for programs, ``text`` tells people."""

    code: str
    text: str
    is_urgent: bool
    """Work or money is lost by it while it lasts."""


class Reload(msgspec.Struct, frozen=True):
    """How the last reload of the configuration ended. ``reason`` is empty where all is well."""

    at: float
    is_good: bool
    reason: str


class Status(msgspec.Struct, frozen=True):
    """The whole pool at a glance."""

    at: float
    version: str
    network: str
    instance_id: str
    started_at: float
    config_sha256: str
    """Of the configuration that is in force, so that a changed file can be told."""
    last_reload: Reload | None
    not_ready_because: str | None
    """Why no rigs should be sent here; None where all is well."""
    troubles: tuple[Trouble, ...]
    hashrate_h_s: Hashrates
    shares: Shares
    rejects: RejectRatios | None
    best_difficulty: float
    rigs: int
    silent_rigs: int
    connections: int
    worker_processes: int
    template: TemplateStatus | None
    round_effort: float
    """Blocks that the work since our last one was to find: at 1 one is due."""
    luck: float | None
    blocks: dict[str, int]
    """How many are in each state."""
    journal_lag_s: float
    """For how long the oldest share that has come is not in the books' memory yet, or 0. Up to two
    seconds is well: shares are folded once a second."""
    power: PowerStatus | None
    power_mode: str
    power_state: str
    intended: tuple[str, ...]
    """What would be done to keep the limits, and why, in sentences."""


class RigLine(msgspec.Struct, frozen=True):
    """A rig by its worker's name. Of one that is away, what it did last."""

    worker: str
    account: str
    site: str
    node: str
    """The path of the power node that it is booked at; empty where it has no place."""
    state: str
    """``hashing``, ``silent`` (longer than luck explains), ``new`` (too few shares to tell) or
    ``away``."""
    model: str
    address: str
    hashrate_5m_h_s: Figure
    hashrate_1h_h_s: Figure
    hashrate_1d_h_s: Figure
    power_w: float | None
    """At its plug, by the hashrate of five minutes and its rating. None where it has no place."""
    j_per_th: float | None
    """Its rating."""
    stale_1h: float | None
    rejected_1h: float | None
    best_difficulty: float
    """Of its best share since the pool's last block."""
    sessions: int
    seen_at: float
    """When it last told something of itself, as at its connection."""
    last_share_at: float | None
    """When its last share was booked, accepted or not: within a second or two of its coming. None
    before its first, and where that is a week ago."""


class BlockLine(msgspec.Struct, frozen=True):
    """A found block. Amounts are in satoshi, 0 where the journal does not tell.

    ``effort`` is the work since the last block that pays, over what a block takes on average,
    and ``luck`` 1 over it; both are None of a block that does not pay.
    """

    height: int
    hash: str
    state: str
    found_unix_ms: int
    worker: str
    value_sat: int
    fee_sat: int
    payees_paid: int
    unpaid_sat: int
    effort: float | None
    luck: float | None


class History(msgspec.Struct, frozen=True):
    """Series over time, of the pool or a site: point ``i`` is of the ``step_s`` that end at
    ``end_s - (n - 1 - i) * step_s``. None where nothing is known, as while the pool was away.
    """

    end_s: float
    step_s: int
    hashrate_h_s: tuple[float | None, ...]
    power_w: tuple[float | None, ...]
    power_sigma_w: tuple[float | None, ...]
    limit_w: tuple[float | None, ...]
    ai_w: tuple[float | None, ...]
    accepted: tuple[int | None, ...]
    stale: tuple[int | None, ...]
    rejected: tuple[int | None, ...]
    rigs: tuple[int | None, ...]
