"""What stands, and which of it is news.

An intention is told when it begins, when it changes by more than the dead band (or than chance
does, where that is more), and when it ends: not at every tick.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from poolserver.power.control.decision import Action, Batch, Intention
from poolserver.power.control.headroom import Cap
from poolserver.power.control.selection import Picked, Relief
from poolserver.power.control.words import ended, sentence
from poolserver.power.tree import PowerTree

Key = tuple[Action, str]


def shedding(over: Iterable[Cap], relief: Relief, now_s: float) -> dict[Key, Intention]:
    """What is switched off, or would be: one for each node whose limit binds."""
    picked: dict[str, list[Picked]] = {}
    for each in relief.picked:
        picked.setdefault(each.cap.path, []).append(each)
    found: dict[Key, Intention] = {}
    for cap in over:
        parts = picked.get(cap.path, [])
        short_w = relief.short_w.get(cap.path, 0.0)
        if parts or short_w:
            found[Action.OFF, cap.path] = Intention(
                Action.OFF,
                cap.path,
                cap.limit,
                sum(each.rigs for each in parts),
                sum(each.rigs * each.candidate.rig_w for each in parts),
                tuple(dict.fromkeys(each.candidate.node for each in parts)),
                all(each.candidate.dry for each in parts),
                "",
                now_s,
                short_w,
            )
    return found


def restoring(
    site: str, risen: Sequence[tuple[Batch, int]], cold_start: float, now_s: float
) -> Intention:
    """What is switched on at a site."""
    return Intention(
        Action.ON,
        site,
        None,
        sum(rigs for _, rigs in risen),
        sum(rigs * batch.rig_w * cold_start for batch, rigs in risen),
        tuple(dict.fromkeys(batch.node for batch, _ in risen)),
        False,
        "there is room again",
        now_s,
    )


def tell(
    tree: PowerTree,
    told: Mapping[Key, Intention],
    now: Mapping[Key, Intention],
    worth_telling_w: Callable[[str], float],
    reason: Callable[[Intention], str],
) -> tuple[dict[Key, Intention], dict[Key, str]]:
    """What stands now, as it was told last; and the sentences that are news, by intention.

    ``reason`` is asked why, of those that are news.
    """
    standing: dict[Key, Intention] = {}
    sentences: dict[Key, str] = {}
    for key, intention in now.items():
        before = told.get(key)
        if before is not None and not _differs(before, intention, worth_telling_w(intention.node)):
            standing[key] = before
            continue
        since_s = intention.since_s if before is None else before.since_s
        news = replace(intention, reason=intention.reason or reason(intention), since_s=since_s)
        standing[key], sentences[key] = news, sentence(tree, news)
    for key, before in told.items():
        if key not in now and (before.dry or before.action is Action.ON):
            sentences[key] = ended(tree, before)
    return standing, sentences


def _differs(before: Intention, now: Intention, worth_w: float) -> bool:
    if before.action is Action.ON:
        return False  # a few more at each tick: told at its begin and end
    return (
        abs(now.power_w - before.power_w) > worth_w
        or abs(now.short_w - before.short_w) > worth_w
        or before.dry is not now.dry
        or (before.limit and before.limit.kind) is not (now.limit and now.limit.kind)
    )
