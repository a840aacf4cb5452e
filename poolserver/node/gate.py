"""The chain gate: which node's templates are mined on. Pure; see docs/nodes.md.

The rules, in order:

1. Only a node that can be believed counts: it answers, passed its check, is not loading the chain,
   and on a public network is not without peers while another has some.
2. With a trusted node that can be believed, only templates on its tip are mined on. Without one,
   those on the chain with most work; between chains of equal work, the one that is mined already.
3. A node that is lost leaves its last template in force for a while if no other node's is as far:
   work on an older tip is worth nothing.
4. Of the nodes that are left one that gives templates goes before one that does not any more, a
   full template before a stopgap, and the one whose templates are
   mined on before others; but an earlier one of the config gets its place back after it has been
   well for a while.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from poolserver.node.chains import apart
from poolserver.node.views import NodeView, Offer

# Why a node's templates are mined on; stable words, for log and metrics.
FIRST = "first"
FAILOVER = "failover"
BETTER = "better"
FAIL_BACK = "fail_back"
REASONS = (FIRST, FAILOVER, BETTER, FAIL_BACK)


@dataclass(frozen=True, slots=True)
class GateTerms:
    """How patient the gate is, in seconds."""

    fail_back_after_s: float = 10.0
    """A node that comes back must be well for so long: one that is killed and started again by its
    service manager answers between two crashes for some seconds. Between nodes on one tip the
    order is worth little, so there is no hurry."""
    hold_s: float = 30.0
    """A block is with all nodes of the network within seconds; one that no other node has by then
    is perhaps of a lost node alone."""
    catch_up_s: float = 600.0
    """A trusted node that was away has so long to catch up with what others mine on its chain: some
    hundred blocks. One that will not follow them by then has its reasons, and chooses again."""
    tip_grace_s: float = 1.0
    """Two nodes that are well hear of a block within this of each other, and a node that is well
    has a template on it by then."""


@dataclass(frozen=True, slots=True)
class GateState:
    """What the gate has decided, and what it must remember. Times are monotonic seconds."""

    active: str | None = None
    """The node whose templates are mined on, also where it is lost; None before the first."""
    reason: str = FIRST
    active_since: float = 0.0
    serves: bool = False
    """Whether the active node's latest template may be mined on; else the last one stays."""
    mined: Offer | None = None
    """What is mined on."""
    out_since: float | None = None
    """Since when the active node's template is not among the best."""
    well_since: Mapping[str, float] = field(default_factory=dict)
    """Since when each node has had the best work that there is, without a break."""
    outdated_since: float | None = None
    """Since when a newer tip than that of ``mined`` is known; kept when all nodes are lost."""
    newest: tuple[str, int] = ("", 0)
    """The node that told of that newer tip, and the tip's work."""
    offering: frozenset[str] = frozenset()
    """The nodes that give templates that could be mined on, on whatever tip."""
    trusted_is_lost: bool = False
    trusted_lost_since: float | None = None
    """Since when the trusted node cannot be believed."""
    trusted_behind_since: float | None = None
    """Since when it has to catch up with what is mined, as after a restart."""


def judge(
    before: GateState,
    views: Sequence[NodeView],
    now: float,
    *,
    peers_matter: bool,
    terms: GateTerms = GateTerms(),
) -> GateState:
    """Decide anew. ``views`` are in the order of preference."""
    believed = believable(views, peers_matter=peers_matter)
    before = _with_trust(before, views, believed, now)
    trusted = _chooser(before, believed, now, terms)
    offers = _offers(believed, now, terms)
    lost_since = before.trusted_lost_since
    is_just_lost = lost_since is not None and now - lost_since < terms.hold_s
    catches_up = before.trusted_behind_since is not None and trusted is None
    if is_just_lost or catches_up:
        offers = _not_forked(offers, views, believed)
    best = _best(before, trusted, offers)
    out_since = now if before.out_since is None else before.out_since
    if best and before.mined is not None:
        is_lost = before.active not in offers and now - out_since < terms.hold_s
        if trusted is None and _is_worse(offers[best[0]], before.mined, believed, is_lost=is_lost):
            best = []
    state = replace(
        before,
        serves=before.active in best,
        out_since=None if before.active in best else out_since,
        well_since={name: before.well_since.get(name, now) for name in best},
        offering=frozenset(name for name, offer in offers.items() if offer.sound),
        trusted_is_lost=trusted is None and any(view.trusted for view in views),
    )
    state = _choose(state, best, offers, now, terms)
    if state.serves:
        assert state.active is not None
        state = replace(state, mined=offers[state.active])
    knowing = [trusted] if trusted else [view for view in believed if view.gives_templates]
    return _outdate(before, state, knowing, now, terms)


def _with_trust(
    before: GateState, views: Sequence[NodeView], believed: list[NodeView], now: float
) -> GateState:
    """Note since when the trusted node is lost, or behind what is mined."""
    trusted = next((view for view in views if view.trusted), None)
    lost = behind = None
    if trusted is not None and trusted not in believed:
        lost = now if before.trusted_lost_since is None else before.trusted_lost_since
    elif trusted is not None and _has_to_catch_up(trusted, before.mined, believed):
        behind = before.trusted_behind_since
        if before.trusted_lost_since is not None:  # it is back; any other has left the tip itself
            behind = now
    return replace(before, trusted_lost_since=lost, trusted_behind_since=behind)


def _has_to_catch_up(trusted: NodeView, mined: Offer | None, believed: list[NodeView]) -> bool:
    """Whether what is mined lies ahead of the trusted node on its own chain."""
    if mined is None or trusted.work >= mined.work or trusted.chain.tip_hex == mined.tip_hex:
        return False
    carriers = [view for view in believed if view.chain.behind_tip(mined.tip_hex) is not None]
    differences = [apart(view.chain, trusted.chain) for view in carriers]
    return any(each is None or not each.is_fork for each in differences)


def _chooser(
    state: GateState, believed: list[NodeView], now: float, terms: GateTerms
) -> NodeView | None:
    """The trusted node, where it is to choose the tip. Not while it catches up after an absence:
    rigs would go back to a tip that has its successor."""
    behind_since = state.trusted_behind_since
    if behind_since is not None and now - behind_since < terms.catch_up_s:
        return None
    return next((view for view in believed if view.trusted), None)


def _not_forked(
    offers: Mapping[str, Offer], views: Sequence[NodeView], believed: list[NodeView]
) -> dict[str, Offer]:
    """The templates of nodes that are not forked from the trusted node's chain, as last known.

    That it was busy for a moment, or has to catch up, is no reason to leave the chain it follows.
    """
    chain = next(view.chain for view in views if view.trusted)
    differences = {view.name: apart(chain, view.chain) for view in believed}
    forked = {name for name, each in differences.items() if each is not None and each.is_fork}
    return {name: offer for name, offer in offers.items() if name not in forked}


def believable(views: Iterable[NodeView], *, peers_matter: bool) -> list[NodeView]:
    """The nodes whose word counts."""
    sound = [view for view in views if view.fault is None]
    if peers_matter and any(view.peers for view in sound):
        return [view for view in sound if view.peers]
    return sound


def _offers(believed: list[NodeView], now: float, terms: GateTerms) -> dict[str, Offer]:
    """The templates that a node still stands by, with one measure of work for each tip."""
    works = {view.chain.tip_hex: view.work for view in believed if view.work_is_told}
    offers: dict[str, Offer] = {}
    for view in believed:
        offer = view.offer
        if offer is None or not view.gives_templates:
            continue
        left_it = view.chain.behind_tip(offer.tip_hex) is None
        if left_it and now - view.tip_at > terms.tip_grace_s:
            continue
        work = works.setdefault(offer.tip_hex, offer.work)
        offers[view.name] = replace(offer, work=work)
    return offers


def _best(before: GateState, trusted: NodeView | None, offers: Mapping[str, Offer]) -> list[str]:
    """The nodes with the best work, in the order of preference."""
    if not offers:
        return []
    if trusted is not None:
        tip_hex = trusted.chain.tip_hex
    else:
        top = max(offer.work for offer in offers.values())
        tips = [offer.tip_hex for offer in offers.values() if offer.work == top]
        tip_hex = tips[0]
        for now_on in (offers.get(before.active or ""), before.mined):
            if now_on is not None and now_on.tip_hex in tips:
                tip_hex = now_on.tip_hex
    on_it = [name for name, offer in offers.items() if offer.tip_hex == tip_hex]
    finest = max(map(_quality, (offers[name] for name in on_it)), default=None)
    return [name for name in on_it if _quality(offers[name]) == finest]


def _quality(offer: Offer) -> tuple[bool, bool]:
    """Of two templates on one tip the better is larger.

    Whether there are fees in it counts for more than a question that failed since.
    """
    return offer.full, offer.sound


def _is_worse(best: Offer, mined: Offer, believed: list[NodeView], *, is_lost: bool) -> bool:
    """Whether the best that there is now would be a step back from what is mined.

    It is none where the node itself has left what is mined, as in a reorganisation.
    """
    if best.tip_hex == mined.tip_hex or best.work >= mined.work:
        return False
    return is_lost or any(
        view.gives_templates and view.chain.behind_tip(mined.tip_hex) is not None
        for view in believed
    )


def _choose(
    state: GateState,
    best: list[str],
    offers: Mapping[str, Offer],
    now: float,
    terms: GateTerms,
) -> GateState:
    if not best:
        return state
    if state.active is None:
        return _switch(state, best[0], FIRST, now)
    now_on = offers.get(state.active)
    if now_on is None or (not now_on.sound and state.active not in best):
        return _switch(state, best[0], FAILOVER, now)
    if state.active not in best:
        return _leave(state, best[0], offers[best[0]], now, terms)
    # At the start the order counts at once: which node is the first to answer is chance.
    starts = state.reason == FIRST and now - state.active_since < terms.fail_back_after_s
    patience_s = 0.0 if starts else terms.fail_back_after_s
    for name in best[: best.index(state.active)]:
        if now - state.well_since[name] >= patience_s:
            return _switch(state, name, FIRST if starts else FAIL_BACK, now)
    return state


def _leave(state: GateState, other: str, offer: Offer, now: float, terms: GateTerms) -> GateState:
    """Another node has better work; but for a moment that the trusted one is behind in, none."""
    mined, out_since = state.mined, state.out_since
    assert out_since is not None
    is_news = mined is None or offer.tip_hex != mined.tip_hex or _quality(offer) != _quality(mined)
    if is_news or now - out_since >= terms.tip_grace_s:
        return _switch(state, other, BETTER, now)
    return state


def _switch(state: GateState, name: str, reason: str, now: float) -> GateState:
    return replace(state, active=name, reason=reason, active_since=now, serves=True, out_since=None)


def _outdate(
    before: GateState, after: GateState, knowing: list[NodeView], now: float, terms: GateTerms
) -> GateState:
    """Note whether a newer tip is known. ``knowing``: the nodes whose tips say so."""
    mined = after.mined
    if mined is None or not knowing:
        return after
    top = max(knowing, key=lambda view: view.work)
    was_same = before.mined is not None and before.mined.tip_hex == mined.tip_hex
    since = before.outdated_since if was_same else None
    # What a lost node told of may be the best that there is.
    is_best = top.work <= mined.work and all(view.name != after.active for view in knowing)
    others = all(view.work < top.work or view.chain.tip_hex != mined.tip_hex for view in knowing)
    if others and not is_best:
        newest = (top.name, top.work)
        return replace(after, outdated_since=now if since is None else since, newest=newest)
    # One that has not heard of the newer tip is no proof against one that had, and is lost.
    teller, work = before.newest
    is_lost = all(view.name != teller for view in knowing)
    if since is not None and is_lost and top.work < work and now - since < terms.hold_s:
        return after
    return replace(after, outdated_since=None)
