"""All rigs at one moment, to be searched and sorted: 100,000 of them. Pure, and for any thread.

It is columns, and not as many objects: 15 MB and nothing for the garbage collector to walk. Each
step of building, searching and sorting holds Python's lock for a millisecond at the most, since
rigs wait for the event loop meanwhile: what C does in one go, as a sort, is done in parts.
"""

from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from heapq import merge
from typing import Any, Literal, Protocol, TypeVar

from poolserver.control_room.view import Figure
from poolserver.lookout.view import RigLine
from poolserver.power.rig_book import KnownRig
from poolserver.power.silence import RigState
from poolserver.stats.meter import Glance

AT_ONCE = 1024
"""Sorted in one go: a third of a millisecond."""

State = Literal["hashing", "silent", "new", "away"]
# As a list sorts them: what wants to be looked at first.
STATES: tuple[State, ...] = ("silent", "new", "hashing", "away")

T = TypeVar("T")


class Fleet(Protocol):
    """Who knows the rigs. Each method may be called by any thread."""

    def rigs(self) -> list[KnownRig]: ...
    def site_of(self, account: str) -> str: ...
    def state_of(self, worker: str) -> RigState: ...
    def glance(self, account: str, worker: str) -> Glance: ...
    def glance_epoch_s(self) -> float:
        """When the clock of glances showed 0, in Unix seconds."""


@dataclass(frozen=True, slots=True)
class RigQuery:
    """Which rigs, in which order. What is empty does not matter.

    ``text`` is looked for in worker, model, address and node, in whatever case; ``node`` has all
    below it. ``sort`` is a key of SORTS, from the least, or with ``-`` before it from the greatest.
    """

    text: str = ""
    site: str = ""
    node: str = ""
    state: State | Literal[""] = ""
    sort: str = "worker"


@dataclass(slots=True)
class RigIndex:
    """Row ``i`` of all columns is a rig; rows are in the order of workers' names."""

    workers: list[str] = field(default_factory=list)
    accounts: list[str] = field(default_factory=list)
    sites: list[str] = field(default_factory=list)
    nodes: list[str] = field(default_factory=list)
    models: list[str] = field(default_factory=list)
    addresses: list[str] = field(default_factory=list)
    states: list[int] = field(default_factory=list)
    sessions: list[int] = field(default_factory=list)
    seen_at: "array[float]" = field(default_factory=lambda: array("d"))
    power_w: "array[float]" = field(default_factory=lambda: array("d"))
    """-1 where it is not known, as in the columns below: so they sort as less than nothing."""
    j_per_th: "array[float]" = field(default_factory=lambda: array("d"))
    glances: "tuple[array[float], ...]" = field(
        default_factory=lambda: tuple(array("d") for _ in Glance._fields)
    )
    row_of: dict[str, int] = field(default_factory=dict)
    glance_epoch_s: float = 0.0
    """One for all rows, so that rigs whose shares were booked together have the same time."""

    def __len__(self) -> int:
        return len(self.workers)

    def add(self, rig: KnownRig, fleet: Fleet) -> None:
        """The next row."""
        seen = fleet.glance(rig.account, rig.worker)
        place, rated = rig.place, rig.rated
        self.row_of[rig.worker] = len(self.workers)
        self.workers.append(rig.worker)
        self.accounts.append(rig.account)
        self.sites.append(fleet.site_of(rig.account))
        self.nodes.append("" if place is None else place.node)
        told = rig.identity.hardware or rig.identity.user_agent
        self.models.append((rated.rating.model if rated is not None else "") or told)
        self.addresses.append(rig.identity.address)
        self.states.append(STATES.index(state_of(rig, fleet)))
        self.sessions.append(rig.sessions)
        self.seen_at.append(rig.seen_at_ms / 1000)
        j_per_th = -1.0 if rated is None else float(rated.rating.j_per_th)
        self.j_per_th.append(j_per_th)
        self.power_w.append(-1.0 if rated is None else seen.m5 * j_per_th / 1e12)
        for column, value in zip(self.glances, seen, strict=True):
            column.append(value)

    def find(self, query: RigQuery) -> list[int]:
        """The rows of all rigs that are asked for, in order; those alike by their names."""
        rows: Sequence[int] = range(len(self))
        if query.site:
            rows = [row for row in rows if self.sites[row] == query.site]
        if query.state:
            state = STATES.index(query.state)
            rows = [row for row in rows if self.states[row] == state]
        if query.node and query.node != "/":
            below = f"{query.node}/"
            nodes = self.nodes
            rows = [r for r in rows if nodes[r] == query.node or nodes[r].startswith(below)]
        if query.text:
            text = query.text.casefold()
            rows = [row for row in rows if self._has(row, text)]
        name = query.sort.removeprefix("-")
        is_down = query.sort.startswith("-")
        if name == "worker":
            return list(rows[::-1] if is_down else rows)
        return sorted_in_steps(rows, SORTS[name](self).__getitem__, reverse=is_down)

    def _has(self, row: int, text: str) -> bool:
        return (
            text in self.workers[row].casefold()
            or text in self.models[row].casefold()
            or text in self.addresses[row]
            or text in self.nodes[row].casefold()
        )

    def forget(self) -> None:
        """Free all rows, a part at a time; it is empty after that."""
        for column in (self.row_of, self.workers, self.nodes, self.models, self.addresses):
            column.clear()

    def line(self, row: int) -> RigLine:
        """A rig as it is shown."""
        seen = Glance(*(column[row] for column in self.glances))
        return RigLine(
            worker=self.workers[row],
            account=self.accounts[row],
            site=self.sites[row],
            node=self.nodes[row],
            state=STATES[self.states[row]],
            model=self.models[row],
            address=self.addresses[row],
            hashrate_5m_h_s=Figure(seen.m5, seen.m5_sigma),
            hashrate_1h_h_s=Figure(seen.h1, seen.h1_sigma),
            hashrate_1d_h_s=Figure(seen.d1, seen.d1_sigma),
            power_w=_known(self.power_w[row]),
            j_per_th=_known(self.j_per_th[row]),
            stale_1h=_known(seen.stale),
            rejected_1h=_known(seen.rejected),
            best_difficulty=seen.best_in_round,
            sessions=self.sessions[row],
            seen_at=self.seen_at[row],
            last_share_at=_known(round(self.glance_epoch_s + seen.last_s, 3)),
        )


def _glanced(name: str) -> Callable[[RigIndex], Sequence[float]]:
    number = Glance._fields.index(name)
    return lambda index: index.glances[number]


SORTS: dict[str, Callable[[RigIndex], Sequence[Any]]] = {
    "worker": lambda index: index.workers,
    "account": lambda index: index.accounts,
    "site": lambda index: index.sites,
    "node": lambda index: index.nodes,
    "model": lambda index: index.models,
    "address": lambda index: index.addresses,
    "state": lambda index: index.states,
    "hashrate_5m": _glanced("m5"),
    "hashrate_1h": _glanced("h1"),
    "hashrate_1d": _glanced("d1"),
    "power": lambda index: index.power_w,
    "j_per_th": lambda index: index.j_per_th,
    "stale_1h": _glanced("stale"),
    "rejected_1h": _glanced("rejected"),
    "best_difficulty": _glanced("best_in_round"),
    "sessions": lambda index: index.sessions,
    "seen_at": lambda index: index.seen_at,
    "last_share_at": _glanced("last_s"),
}


def rig_index(fleet: Fleet) -> RigIndex:
    """All rigs now; some 5 us each."""
    index = RigIndex(glance_epoch_s=fleet.glance_epoch_s())
    for rig in sorted_in_steps(fleet.rigs(), lambda rig: rig.worker):
        index.add(rig, fleet)
    return index


def rig_line(rig: KnownRig, fleet: Fleet) -> RigLine:
    """One rig now."""
    index = RigIndex(glance_epoch_s=fleet.glance_epoch_s())
    index.add(rig, fleet)
    return index.line(0)


def state_of(rig: KnownRig, fleet: Fleet) -> State:
    """As far as its connections and its shares tell."""
    if not rig.sessions:
        return "away"
    state = fleet.state_of(rig.worker)
    if state is RigState.HASHING:
        return "hashing"
    return "silent" if state is RigState.SILENT else "new"


def sorted_in_steps(
    items: Sequence[T], key: Callable[[T], Any], *, reverse: bool = False
) -> list[T]:
    """As sorted(), which lets no other thread in until it is done: with 100,000 for 60 ms."""
    parts = [
        sorted(items[begin : begin + AT_ONCE], key=key, reverse=reverse)
        for begin in range(0, len(items), AT_ONCE)
    ]
    return list(merge(*parts, key=key, reverse=reverse))


def _known(value: float) -> float | None:
    return None if value < 0 else value
