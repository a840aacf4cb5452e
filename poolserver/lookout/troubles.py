"""What is wrong now, in one place: signs of the running pool in, troubles out. Pure.

Each has a stable code, which is the name of a runbook and, in other letters, of an alert. What
only happened, as an orphaned block, is an event and no trouble.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from poolserver.control_room.view import Figure, LimitView, NodeView
from poolserver.lookout.view import NodeStatus, Reload, SiteStatus, Trouble
from poolserver.power.control.words import watts
from poolserver.power.state import LimitKind, Quality

STALE_S = 60.0
"""As readiness has it: templates are confirmed every 15 s."""
LAG_S = 30.0
"""Books fold once a second; by half a minute they are not slow but stuck."""
UNSETTLED_S = 120.0
"""A node answers within seconds; one that takes in a large block, within a minute."""
DISK_FREE = 0.05
DISK_FREE_BYTES = 2 << 30
"""Two days of the journal of 10,000 rigs at 12 shares a minute (85 bytes each) are 29 GB: what is
left is hours."""
CERTIFICATE_S = 14 * 86_400.0
"""Those that are renewed by themselves are so a month before their end."""
DROP = 0.8
DROP_SIGMAS = 4.0
"""Of a quarter of an hour against six: beyond luck, which is looked at a thousand times a day."""
REJECTED = STALE = 0.03
# These and those below as the alerts have them (configs/prometheus).
KNOWN_SIGMA = 0.03
"""Of an hour's hashrate: 1,000 shares. Of fewer a ratio is luck."""
AT_LIMIT = 0.005
SILENT = 0.02
RESIDUAL = 0.05
FIRST_READING_S = 120.0
"""A meter that is told by HTTP may be told once a minute."""
SIGMAS = 2.0
NAMED = 3
"""So many are named in a sentence."""


@dataclass(frozen=True, slots=True)
class Signs:
    """What troubles are told by. Durations in seconds."""

    not_ready_because: str | None = None
    template_age_s: float | None = 0.0
    is_stale: bool = False
    """The rigs' work is on an old tip, or not confirmed, for longer than is well."""
    nodes: Sequence[NodeStatus] = ()
    lagging: Mapping[str, int] | None = None
    """By node, how many blocks those are behind that have been for long."""
    is_split: bool = False
    sites: Sequence[SiteStatus] = ()
    power_nodes: Sequence[NodeView] = ()
    rigs: int = 0
    silent_rigs: int = 0
    pool_at_fault: bool = False
    unsettled_s: float = 0.0
    """For how long there has been a block without a node's final word."""
    blocks_unspooled: int = 0
    journal_failed: bool = False
    journal_lag_s: float = 0.0
    stuck_sources: Sequence[str] = ()
    disk_free_bytes: int | None = None
    disk_size_bytes: int = 0
    certificate_left_s: float | None = None
    processes_down: Sequence[int] = ()
    is_clock_wrong: bool = False
    last_reload: Reload | None = None
    up_s: float = 0.0
    """For how long this process has looked."""


def troubles(signs: Signs) -> tuple[Trouble, ...]:
    """All of them, the urgent ones first."""
    found = [each for part in _PARTS for each in part(signs)]
    return tuple(sorted(found, key=lambda each: not each.is_urgent))


def _work(signs: Signs) -> Iterator[Trouble]:
    age_s, reason = signs.template_age_s, signs.not_ready_because
    if age_s is None:
        yield _urgent("no_template", "No node gives work: rigs stand still. Look at the nodes.")
    elif age_s > STALE_S:
        yield _urgent(
            "no_template",
            f"No node has confirmed the rigs' work for {age_s:.0f} s: a block found now is likely "
            "lost. Look at the nodes.",
        )
    elif signs.is_stale:
        yield _urgent(
            "stale_tip",
            "There is a newer block, and rigs work on an old one for want of a template: a block "
            "found now is likely lost. Look at the nodes.",
        )
    elif reason is not None:
        yield _urgent("not_ready", f"Rigs should not be sent here: {reason}.")


def _nodes(signs: Signs) -> Iterator[Trouble]:
    down = [node.name for node in signs.nodes if not node.is_up]
    if down and len(down) == len(signs.nodes):
        yield _urgent(
            "nodes_lost",
            f"No Bitcoin node answers ({_names(down)}): see whether bitcoind runs and can be "
            "reached. Found blocks are kept and submitted when one does.",
        )
    elif down:
        yield _ticket(
            "node_lost",
            f"{_names(down)} does not answer, and the others stand in for it: see whether bitcoind "
            "runs and can be reached.",
        )
    for name, blocks in (signs.lagging or {}).items():
        yield _ticket(
            "node_behind", f"{name} is {blocks} blocks behind the others. See its peers and disk."
        )
    if signs.is_split:
        yield _urgent(
            "chain_split",
            "Nodes do not agree on the chain: what is mined may be worth nothing. Find out which "
            "one is right before anything else.",
        )


def _blocks(signs: Signs) -> Iterator[Trouble]:
    if signs.blocks_unspooled:
        yield _urgent(
            "block_unspooled",
            f"{signs.blocks_unspooled} found blocks are in memory only: do not stop the pool, and "
            "make room on the disk.",
        )
    if signs.unsettled_s > UNSETTLED_S:
        yield _urgent(
            "block_stuck",
            f"A found block has had no final word of a node for {signs.unsettled_s:.0f} s. It is "
            "submitted again all the time: look at the nodes.",
        )


def _books(signs: Signs) -> Iterator[Trouble]:
    if signs.journal_failed:
        yield _urgent(
            "journal_failed",
            "Shares cannot be written down, and are not answered or kept in memory only. Look at "
            "the disk of data_dir.",
        )
    if signs.stuck_sources:
        yield _urgent(
            "journal_lag",
            f"A gap in the journal of {_names(signs.stuck_sources)}: its newer shares are in no "
            "sum. They are in the journal; restart the pool to have them read.",
        )
    elif signs.journal_lag_s > LAG_S:
        yield _ticket(
            "journal_lag",
            f"The books are {signs.journal_lag_s:.0f} s behind the journal: sums and power are "
            "old. No share is lost.",
        )
    free, size = signs.disk_free_bytes, signs.disk_size_bytes
    if free is not None and (free < DISK_FREE_BYTES or free < DISK_FREE * size):
        yield _urgent(
            "disk",
            f"{free / 1e9:.1f} GB are free on the disk of data_dir. When it is full no share can "
            "be written down: make room.",
        )


def _power(signs: Signs) -> Iterator[Trouble]:
    for node in (node for node in signs.power_nodes if node.configured):
        name = node.path if node.depth else "the programme"
        yield from _headroom(node, name)
        yield from _meter(node, name, signs.up_s)
        residual = node.residual_w
        if residual is not None and _is_beyond(residual, RESIDUAL * node.total_w.value):
            yield _ticket(
                "residual_high",
                f"{name} draws {watts(residual.value)} more than its rigs' shares explain: "
                "load that does not mine here, or ratings that are off.",
            )
        for limit in (*node.limits[:1], *node.mining_limits[:1]):
            if limit.kind == LimitKind.FAILSAFE:
                yield _urgent(
                    "budget_unheard",
                    f"Nothing is heard of {limit.source}: {name} is held to "
                    f"{watts(limit.limit_w)} until it speaks again.",
                )


def _meter(node: NodeView, name: str, up_s: float) -> Iterator[Trouble]:
    meter = node.meter
    if meter is None or meter.quality == Quality.GOOD:
        return
    if meter.quality == Quality.NONE and up_s < FIRST_READING_S:
        return
    why = meter.reason or meter.quality
    yield _ticket(
        "meter_stale",
        f"The meter {meter.name} of {name} is not believed ({why}): shares tell its power until "
        "it is.",
    )


def _headroom(node: NodeView, name: str) -> Iterator[Trouble]:
    limit = node.limits[0] if node.limits else None
    if limit is None or node.headroom_w is None:
        return
    room_w = node.headroom_w
    holds = f"its limit of {watts(limit.limit_w)} ({_by(limit)})"
    if room_w + SIGMAS * node.total_w.sigma < 0:
        yield _urgent(
            "over_budget", f"{name} draws {watts(-room_w)} more than {holds}: switch rigs off."
        )
    elif room_w < AT_LIMIT * limit.limit_w and node.total_w.value > 0:
        text = f"{watts(room_w)} below" if room_w >= 0 else f"{watts(-room_w)} over"
        doubt = "" if room_w >= 0 else ", which may be the figure's error"
        yield _ticket("headroom_low", f"{name} is {text} {holds}{doubt}.")


def _by(limit: LimitView) -> str:
    """Whose word it is, and why."""
    if limit.kind == LimitKind.PHYSICAL:
        return f"what the {limit.source} can carry"
    return f"{limit.source}: {limit.reason}" if limit.reason else f"{limit.source}, {limit.kind}"


def _rigs(signs: Signs) -> Iterator[Trouble]:
    if signs.pool_at_fault:
        yield _urgent(
            "pool_at_fault",
            "So many rigs have nothing but rejects that the pool itself must be wrong: look at "
            "nodes, clock and reject reasons.",
        )
    if signs.silent_rigs and signs.silent_rigs > SILENT * signs.rigs:
        yield _ticket(
            "rigs_silent",
            f"{signs.silent_rigs} of {signs.rigs} rigs are connected and have sent no share for "
            "longer than luck explains: they hang, or mine elsewhere.",
        )
    for site in signs.sites:
        yield from _site(site)


def _site(site: SiteStatus) -> Iterator[Trouble]:
    now, before = site.hashrate_h_s._15m, site.hashrate_h_s._6h
    margin = DROP_SIGMAS * (now.sigma + before.sigma)
    if now.value + margin < DROP * before.value and not _is_at_limit(site):
        yield _urgent(
            "hashrate_drop",
            f"{site.name} has lost {1 - now.value / before.value:.0%} of its hashrate against the "
            "last six hours, and no limit asks for it: see power, network and cooling there.",
        )
    hour, rejects = site.hashrate_h_s._1h, site.rejects
    if rejects is None or hour.sigma > KNOWN_SIGMA * hour.value:
        return
    if rejects.rejected_1h > REJECTED or rejects.stale_1h > STALE:
        yield _ticket(
            "reject_ratio",
            f"Of the shares of {site.name} {rejects.rejected_1h:.1%} are rejected and "
            f"{rejects.stale_1h:.1%} late, over an hour: see the reasons, by rig.",
        )


def _is_at_limit(site: SiteStatus) -> bool:
    power = site.power
    if power is None or power.limit_w is None or power.headroom_w is None:
        return False
    return power.headroom_w < (1 - DROP) * power.limit_w


def _house(signs: Signs) -> Iterator[Trouble]:
    if signs.processes_down:
        numbers = _names([str(number) for number in signs.processes_down])
        yield _urgent(
            "worker_down",
            f"Worker processes do not serve: {numbers}. They are started again by themselves; "
            "the log tells why they end.",
        )
    if signs.is_clock_wrong:
        yield _urgent(
            "clock_wrong",
            "This machine's clock cannot be right, by the time that blocks tell: set it. No day "
            "is closed and nothing deleted until then.",
        )
    left_s = signs.certificate_left_s
    if left_s is not None and left_s < CERTIFICATE_S:
        text = "has ended" if left_s <= 0 else f"ends in {left_s / 86_400:.1f} days"
        yield Trouble(
            "certificate", f"A TLS certificate {text}: rigs will refuse it. Renew it.", left_s <= 0
        )
    last = signs.last_reload
    if last is not None and not last.is_good:
        yield _ticket(
            "reload_failed",
            f"The last reload failed, and the configuration before it is in force: {last.reason}.",
        )


_PARTS: tuple[Callable[[Signs], Iterator[Trouble]], ...] = (
    _work, _nodes, _blocks, _books, _power, _rigs, _house,
)  # fmt: skip


def _urgent(code: str, text: str) -> Trouble:
    return Trouble(code, _capital(text), is_urgent=True)


def _ticket(code: str, text: str) -> Trouble:
    return Trouble(code, _capital(text), is_urgent=False)


def _capital(text: str) -> str:
    """A sentence may begin with a site's name, which stays as it is, or with ours."""
    return f"T{text[1:]}" if text.startswith("the ") else text


def _is_beyond(figure: Figure, least: float) -> bool:
    return figure.value - SIGMAS * figure.sigma > max(0.0, least)


def _names(names: Sequence[str]) -> str:
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")
