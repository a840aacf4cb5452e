"""What is wrong now, in one place: signs of the running pool in, troubles out. Pure.

Each has a stable code, which is the name of a runbook and, in other letters, of an alert. What is
urgent here is an alert that pages, and from where on is in ``thresholds``, for both. What only
happened, as an orphaned block, is an event and no trouble.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from poolserver.control_room.view import LimitView, NodeView
from poolserver.ledger.totals import UNASSIGNED_SITE
from poolserver.lookout import thresholds as at
from poolserver.lookout.view import NodeStatus, Reload, Shares, SiteStatus, Trouble
from poolserver.power.control.words import watts
from poolserver.power.state import LimitKind, Quality

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
    recent_shares: Mapping[str, Shares] = field(default_factory=dict)
    """By site, those of ``thresholds.REJECTS_S``."""
    least_room_w: Mapping[str, float] = field(default_factory=dict)
    """By site, the least that mining might draw in ``thresholds.ORDER_S``, where a limit holds."""
    power_nodes: Sequence[NodeView] = ()
    pool_at_fault: bool = False
    unsettled_s: float = 0.0
    """For how long there has been a block without a node's final word."""
    blocks_unspooled: int = 0
    unspooled_s: float = 0.0
    """For how long there has been one."""
    journal_failed: bool = False
    journal_lag_s: float = 0.0
    stuck_sources: Sequence[str] = ()
    disk_free_bytes: int | None = None
    disk_size_bytes: int = 0
    disk_free_soon_bytes: float | None = None
    """As it goes, in ``thresholds.DISK_SOON_S``; None where that cannot be told."""
    disk_free_later_bytes: float | None = None
    certificate_left_s: float | None = None
    processes: int = 1
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
    elif age_s > at.STALE_S:
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
    if signs.unspooled_s > at.UNSPOOLED_S:
        number = signs.blocks_unspooled
        which = "A found block is" if number == 1 else f"{number} found blocks are"
        yield _urgent(
            "block_unspooled",
            f"{which} in memory only: do not stop the pool, and make room on the disk.",
        )
    if signs.unsettled_s > at.UNSETTLED_S:
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
        yield _ticket(
            "journal_lag",
            f"A gap in the journal of {_names(signs.stuck_sources)}: its newer shares are in no "
            "sum. They are in the journal; restart the pool to have them read.",
        )
    elif signs.journal_lag_s > at.LAG_S:
        yield _ticket(
            "journal_lag",
            f"The books are {signs.journal_lag_s:.0f} s behind the journal: sums and power are "
            "old. No share is lost.",
        )
    if signs.disk_free_bytes is not None:
        yield from _disk(signs, signs.disk_free_bytes)


def _disk(signs: Signs, free: int) -> Iterator[Trouble]:
    is_soon = _is_full(signs, signs.disk_free_soon_bytes, at.DISK_SOON_FREE)
    is_later = _is_full(signs, signs.disk_free_later_bytes, at.DISK_LATER_FREE)
    is_urgent = is_soon or free < at.DISK_FREE_BYTES
    if is_urgent or is_later or free < at.DISK_FREE * signs.disk_size_bytes:
        within = "four hours" if is_soon else "four days" if is_later else ""
        when = f", and full in {within} as it goes" if within else ""
        yield Trouble(
            "disk",
            f"{free / 1e9:.1f} GB are free on the disk of data_dir{when}. "
            "When it is full no share can be written down: make room.",
            is_urgent,
        )


def _is_full(signs: Signs, then_bytes: float | None, most_free: float) -> bool:
    """By then, as it goes; where more than ``most_free`` of it is free a burst is no trend."""
    free = signs.disk_free_bytes or 0
    return then_bytes is not None and then_bytes < 0 and free < most_free * signs.disk_size_bytes


def _power(signs: Signs) -> Iterator[Trouble]:
    for node in (node for node in signs.power_nodes if node.configured):
        name = node.path if node.depth else "the programme"
        yield from _headroom(node, name)
        yield from _meter(node, name, signs.up_s)
        yield from _residual(node, name)
        for limit in (*node.limits[:1], *node.mining_limits[:1]):
            if limit.kind == LimitKind.FAILSAFE:
                yield _urgent(
                    "budget_unheard",
                    f"Nothing is heard of {limit.source}: {name} is held to "
                    f"{watts(limit.limit_w)} until it speaks again.",
                )


def _residual(node: NodeView, name: str) -> Iterator[Trouble]:
    if node.residual_w is None:  # only a believed meter tells one, and it is the total then
        return
    residual_w = node.residual_w.value
    if residual_w > max(
        at.RESIDUAL * node.total_w.value, at.RESIDUAL_SIGMAS * node.estimated_w.sigma
    ):
        yield _ticket(
            "residual_high",
            f"{name} draws {watts(residual_w)} more than its rigs' shares explain: load that does "
            "not mine here, or ratings that are off.",
        )


def _meter(node: NodeView, name: str, up_s: float) -> Iterator[Trouble]:
    meter = node.meter
    if meter is None or meter.quality == Quality.GOOD:
        return
    if meter.quality == Quality.NONE and up_s < at.FIRST_READING_S:
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
    if room_w + at.OVER_SIGMAS * node.total_w.sigma < 0:
        do = "switch rigs off"
        if node.ai_w > limit.limit_w:
            draws = "draws" if node.ai_known else "may draw"
            do = f"its AI load alone {draws} {watts(node.ai_w)}, so that rigs are not enough"
        yield _urgent("over_budget", f"{name} draws {watts(-room_w)} more than {holds}: {do}.")
    elif room_w < at.AT_LIMIT * limit.limit_w:
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
    yield from _silent(signs)
    for site in signs.sites:
        yield from _site(site, signs)


def _silent(signs: Signs) -> Iterator[Trouble]:
    """Of sites; of all together where no site has as many."""
    found = [
        node
        for node in signs.power_nodes
        if node.depth < 2
        and node.silent >= at.SILENT_RIGS
        and node.silent > at.SILENT * (node.rigs + node.silent)
    ]
    for node in [each for each in found if each.depth] or found:
        where = f" of {node.path}" if node.depth else ""
        yield _ticket(
            "rigs_silent",
            f"{node.silent} of {node.rigs + node.silent} rigs{where} are connected and have sent "
            "no share for longer than luck explains: they hang, or mine elsewhere.",
        )


def _site(site: SiteStatus, signs: Signs) -> Iterator[Trouble]:
    if site.name == UNASSIGNED_SITE and site.rigs:
        yield _ticket(
            "rigs_unassigned",
            f"{site.rigs} rigs mine with an account that no site has: their work is booked to "
            "none. Give the account to a site.",
        )
    yield from _drop(site, signs.least_room_w.get(site.name))
    shares = signs.recent_shares.get(site.name)
    judged = 0 if shares is None else shares.accepted + shares.stale + shares.rejected
    if shares is None or judged < at.REJECTS_OF:
        return
    if max(shares.rejected, shares.stale) > at.REJECTED * judged:
        yield _ticket(
            "reject_ratio",
            f"Of the shares of {site.name} {shares.rejected / judged:.1%} are rejected and "
            f"{shares.stale / judged:.1%} late, over {at.REJECTS_S / 60:.0f} minutes: see the "
            "reasons, by rig.",
        )


def _drop(site: SiteStatus, least_room_w: float | None) -> Iterator[Trouble]:
    now, before = site.hashrate_h_s._5m, site.hashrate_h_s._6h
    most = now.value + at.DROP_SIGMAS * now.sigma
    if most >= at.DROP * (before.value - at.DROP_SIGMAS * before.sigma):
        return
    unexplained_w = _unexplained_w(site)
    if not unexplained_w and _is_ordered(site, least_room_w):
        return
    why = (
        f"while {watts(unexplained_w)} are drawn that no share explains: rigs that hang, mine "
        "elsewhere or cannot reach the pool."
        if unexplained_w
        else "and no limit asks for it: see power, network and cooling there."
    )
    yield _urgent(
        "hashrate_drop",
        f"{site.name} has lost {1 - now.value / before.value:.0%} of its hashrate against the "
        f"last six hours, {why}",
    )


def _is_ordered(site: SiteStatus, least_room_w: float | None) -> bool:
    """Whether mining draws what it may, or might a short while ago."""
    if site.power is None or least_room_w is None:
        return False
    return site.power.mining_w.value >= at.DROP * least_room_w


def _unexplained_w(site: SiteStatus) -> float:
    """So much is drawn without work that no limit is the cause; else 0."""
    residual = None if site.power is None else site.power.residual_w
    if residual is None or site.budget_w is None:
        return 0.0
    return residual.value if residual.value > at.UNEXPLAINED * site.budget_w else 0.0


def _house(signs: Signs) -> Iterator[Trouble]:
    if signs.processes_down:
        numbers = _names([str(number) for number in signs.processes_down])
        is_all = len(signs.processes_down) >= signs.processes
        yield Trouble(
            "worker_down",
            f"Worker processes do not serve: {numbers}. They are started again by themselves; "
            "the log tells why they end.",
            is_all,
        )
    if signs.is_clock_wrong:
        yield _urgent(
            "clock_wrong",
            "This machine's clock cannot be right, by the time that blocks tell: set it. No day "
            "is closed and nothing deleted until then.",
        )
    left_s = signs.certificate_left_s
    if left_s is not None and left_s < at.CERTIFICATE_S:
        text = "has ended" if left_s <= 0 else f"ends in {left_s / 86_400:.1f} days"
        yield Trouble(
            "certificate",
            f"A TLS certificate {text}: rigs will refuse it. Renew it.",
            left_s < at.CERTIFICATE_URGENT_S,
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


def _names(names: Sequence[str]) -> str:
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")
