"""What ``poolserver top`` shows, and what its keys do. Pure: a screen is made of what was read.

``Look`` is what whoever looks has chosen; ``Seen`` is what the pool said last.
"""

from collections.abc import Iterator

import msgspec
from msgspec.structs import replace
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from poolserver.commands.sites import sites_table
from poolserver.commands.status import headline, power_text
from poolserver.commands.texts import clean, hashrate_text, part_text, span_text
from poolserver.commands.workers import workers_table
from poolserver.lookout.view import RigLine, SiteStatus, Status

MOST_RIGS = 1000
"""That are scrolled through; a filter finds the others."""
MOST_SITES = 6
MOST_TROUBLES = 3
OLD_S = 10.0
"""What is shown and has not been told anew for so long is said to be old."""


ORDERS = {
    "hashrate": "-hashrate_1h",
    "silent first": "state",
    "rejects": "-rejected_1h",
    "lowest hashrate": "hashrate_1h",
    "power": "-power",
    "J/TH": "-j_per_th",
    "name": "worker",
}
"""Orders of rigs, and how the API is asked for them."""


class Look(msgspec.Struct, frozen=True):
    """Which rigs are looked at, from which line on. ``typed`` is a filter that is being typed."""

    order: int = 0
    filter: str = ""
    typed: str | None = None
    first: int = 0
    is_left: bool = False

    @property
    def order_name(self) -> str:
        return list(ORDERS)[self.order]

    @property
    def sort(self) -> str:
        return ORDERS[self.order_name]


class Seen(msgspec.Struct, frozen=True):
    """What the pool said, and when by our clock; ``trouble``: why it says nothing since."""

    status: Status
    sites: tuple[SiteStatus, ...]
    rigs: tuple[RigLine, ...]
    total: int | None
    at_s: float
    trouble: str = ""


def pressed(look: Look, key: str, page: int) -> Look:
    """What is looked at after a key; ``page`` is how many rigs are shown at once."""
    if look.typed is not None:
        return _typing(look, look.typed, key)
    moves = {"up": -1, "k": -1, "down": 1, "j": 1, "page up": -page, "page down": page, " ": page}
    if key in moves:
        return replace(look, first=min(max(0, look.first + moves[key]), MOST_RIGS - 1))
    if key in ("s", "S"):
        step = 1 if key == "s" else -1
        return replace(look, order=(look.order + step) % len(ORDERS), first=0)
    match key:
        case "q":
            return replace(look, is_left=True)
        case "/":
            return replace(look, typed=look.filter)
        case "escape":
            return replace(look, filter="", first=0)
        case "home" | "g":
            return replace(look, first=0)
    return look


def _typing(look: Look, typed: str, key: str) -> Look:
    match key:
        case "enter":
            return replace(look, filter=typed.strip(), typed=None, first=0)
        case "escape":
            return replace(look, typed=None)
        case "backspace":
            return replace(look, typed=typed[:-1])
        case "clear":
            return replace(look, typed="")
    return replace(look, typed=typed + key) if len(key) == 1 else look


def screen(look: Look, seen: Seen, now_s: float, width: int, height: int) -> RenderableType:
    """All of a terminal of ``width`` and ``height``: the pool, its sites, its rigs, the keys."""
    rigs = seen.rigs[look.first : look.first + rig_lines(seen, height)]
    return Group(
        *_above(seen, now_s, width),
        _dense(sites_table(seen.sites[:MOST_SITES], width)),
        _dense(workers_table(rigs, None, seen.status.at, width)),
        _foot(look, seen, len(rigs), width),
    )


def rig_lines(seen: Seen, height: int) -> int:
    """How many rigs there is room for."""
    troubles, sites = len(seen.status.troubles), len(seen.sites)
    # The pool has three lines, each table a head, and the last line is the keys'.
    above = 3 + min(troubles, MOST_TROUBLES) + min(sites, MOST_SITES)
    return max(1, height - above - 2 - 1)


def _dense(table: Table) -> Table:
    """With no line but its head and its rows."""
    table.box, table.header_style, table.caption = None, "reverse", None
    return table


def _above(seen: Seen, now_s: float, width: int) -> Iterator[RenderableType]:
    status = seen.status
    old = old_text(seen, now_s)
    yield _cut(Text(old, style="bold red") if old else headline(status), width)
    yield _cut(power_text(status), width)
    yield _cut(_work(status), width)
    urgent_first = sorted(status.troubles, key=lambda trouble: not trouble.is_urgent)
    for each in urgent_first[:MOST_TROUBLES]:
        style = "bold red" if each.is_urgent else "yellow"
        yield _cut(Text(clean(f"{each.code}: {each.text}"), style=style), width)


def _work(status: Status) -> Text:
    rates, ratios = status.hashrate_h_s, status.rejects
    text = f"{hashrate_text(rates._1m.value)} in 1m, {hashrate_text(rates._1h.value)} in 1h"
    if ratios is not None:
        text += f", {part_text(ratios.rejected_1h)} rejected, {part_text(ratios.stale_1h)} stale"
    if status.template is not None:
        text += f"; height {status.template.height:,}"
    return Text(f"{text}, effort {status.round_effort:.0%}")


def _foot(look: Look, seen: Seen, shown: int, width: int) -> Text:
    if look.typed is not None:
        return _cut(Text(f"filter: {clean(look.typed)}█  Enter takes it, Esc leaves it"), width)
    of = f" of {seen.total:,}" if seen.total is not None else ""
    span = f"rigs {look.first + 1:,}-{look.first + shown:,}{of}" if shown else "no such rig"
    text = Text(f"{span} by {look.order_name}", style="reverse")
    if look.filter:
        text.append(f" with {clean(look.filter)!r}")
    return _cut(text.append("  q quit  s sort  / filter  arrows move"), width)


def old_text(seen: Seen, now_s: float) -> str:
    """That what is shown is old, and why; nothing where it is not."""
    age_s = now_s - seen.at_s
    if not seen.trouble and age_s < OLD_S:
        return ""
    return clean(f"{span_text(age_s)} old: {seen.trouble or 'no answer'}")


def _cut(text: Text, width: int) -> Text:
    text.truncate(width, overflow="ellipsis")
    return text


def rigs_wanted(look: Look, lines: int) -> int:
    """How many rigs are asked for, so that the shown ones are among them."""
    return min(MOST_RIGS, look.first + lines)
