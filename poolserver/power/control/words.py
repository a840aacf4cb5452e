"""What is done or would be, and why, in a sentence for people."""

from collections.abc import Sequence
from typing import NamedTuple

from poolserver.power.control.decision import Action, Intention
from poolserver.power.control.headroom import Cap
from poolserver.power.control.states import SiteState
from poolserver.power.state import Limit, LimitKind
from poolserver.power.tree import PROGRAMME, PowerTree

# A change that explains less of it than this, next to the largest one, is not told.
NEGLIGIBLE = 0.25
_UNITS = ((1e9, "GW"), (1e6, "MW"), (1e3, "kW"))


def watts(power_w: float) -> str:
    """Three digits, as people read it.

    >>> watts(147_000), watts(3e6), watts(1.3204e9), watts(999_999), watts(40), watts(-2.5e6)
    ('147 kW', '3 MW', '1.32 GW', '1 MW', '40 W', '-2.5 MW')
    """
    rounded = float(f"{power_w:.3g}")
    size, unit = next((each for each in _UNITS if abs(rounded) >= each[0]), (1.0, "W"))
    return f"{rounded / size:.4g} {unit}"


def place(tree: PowerTree, path: str) -> str:
    """``transformer T2``, ``site Sahiwal``, ``the programme``."""
    if path == PROGRAMME:
        return "the programme"
    node = tree[path]
    return node.name if node.kind == "other" else f"{node.kind} {node.name}"


def sentence(tree: PowerTree, intention: Intention) -> str:
    """``would shed 42 rigs, 147 kW, of rack C3: AI hall +3 MW; binding: transformer T2``."""
    shed = intention.action is Action.OFF
    verb = ("shed" if shed else "restore") if intention.dry else ("sheds" if shed else "restores")
    begin = f"would {verb}" if intention.dry else verb
    if not intention.rigs:
        begin = "has nothing to shed"
        return f"{begin}: {_ending(tree, intention)}"
    rigs = f"{intention.rigs} rig{'s' if intention.rigs > 1 else ''}"
    of = _where(tree, intention.nodes)
    return f"{begin} {rigs}, {watts(intention.power_w)}, of {of}: {_ending(tree, intention)}"


def _ending(tree: PowerTree, intention: Intention) -> str:
    text = intention.reason
    if intention.limit is not None:
        text += f"; binding: {place(tree, intention.node)}{_by(intention.limit)}"
    if intention.short_w:
        text += f"; {watts(intention.short_w)} over still, no rig left to shed"
    return text


def _by(limit: Limit) -> str:
    """Who says so, where it is not the node itself."""
    if limit.kind is LimitKind.PHYSICAL:
        return ""
    reason = f" ({limit.reason})" if limit.reason else ""
    kind = {LimitKind.FAILSAFE: "failsafe of ", LimitKind.MINING: "for mining by "}
    return f", {watts(limit.limit_w)} {kind.get(limit.kind, 'by ')}{limit.source}{reason}"


def ended(tree: PowerTree, intention: Intention) -> str:
    """That it is over. What was really switched off is over at once: nothing is told of that."""
    if intention.action is Action.ON:
        return f"restores no more rigs of {place(tree, intention.node)}"
    return f"would shed no more rigs: {place(tree, intention.node)} is within its limit"


def _where(tree: PowerTree, nodes: Sequence[str]) -> str:
    if len(nodes) == 1:
        return place(tree, nodes[0])
    parts = [path.split("/") for path in nodes]
    shared = []
    for names in zip(*parts, strict=False):
        if len(set(names)) > 1:
            break
        shared.append(names[0])
    common = "/".join(shared) or PROGRAMME
    kinds = {tree[path].kind for path in nodes}
    many = f"{kinds.pop()}s" if len(kinds) == 1 and "other" not in kinds else "places"
    return f"{len(nodes)} {many} in {place(tree, common)}"


def site_changed(site: str, before: SiteState, now: SiteState) -> str:
    """A site's new state."""
    return f"site {site} was in {before}, is in {now}"


class Change(NamedTuple):
    """What makes a node draw more over its limit than before, or less if below zero."""

    by_w: float
    text: str


def what_changed(tree: PowerTree, path: str, before: Cap | None, now: Cap) -> str:
    """Why more is over the limit than when it was told of last, or less."""
    if before is None:
        return "over its limit from the start"
    loads = (
        (now.ai_w - before.ai_w, _ai(tree, path)),
        (now.mining_w - before.mining_w, "mining"),
        (now.other_w - before.other_w, "load that is neither rigs nor AI"),
    )
    changes = [Change(by_w, f"{what} {'+' * (by_w > 0)}{watts(by_w)}") for by_w, what in loads]
    old, new = before.limit.limit_w, now.limit.limit_w
    limit = f"limit {watts(old)} to {watts(new)} by {now.limit.source}"
    changes.append(Change(float(old - new), limit))
    direction = 1.0 if sum(change.by_w for change in changes) >= 0 else -1.0
    changes.sort(key=lambda change: -direction * change.by_w)
    largest = direction * changes[0].by_w
    if largest < 1.0:
        return "nothing that is known of has changed"
    told = [each for each in changes if direction * each.by_w >= NEGLIGIBLE * largest]
    text = ", ".join(change.text for change in told)
    if before.method != now.method:
        text += f" (known by {now.method} now, by {before.method} before)"
    return text


def _ai(tree: PowerTree, path: str) -> str:
    names = [load.name for node in tree.depth_first(path) for load in node.ai_loads]
    if len(names) != 1:
        return "AI load"
    (name,) = names
    return name if name.upper().startswith("AI") else f"AI {name}"
