"""The tree that power flows through: programme > site > feeders, transformers, racks > rigs.

A node is named by its path: ``Sahiwal/F1/T2``. A site's path is its name, and the programme,
which all sites stand under, is ``/``. Nodes come from the configuration; containers and racks
that only the names of rigs speak of are added as such rigs come.

Not bound to one thread: nodes are only ever added, and what is looked up is never changed.
"""

import re
from bisect import insort
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

PROGRAMME = "/"
"""The path of the node that all sites stand under."""


@dataclass(frozen=True, slots=True)
class AiLoad:
    """Load that has first call on what a node may draw."""

    name: str
    meter: str | None
    assumed_w: int
    """What it is taken to draw while nobody tells: what it may draw."""
    site: str = ""
    """The site that it is at: names are of a site."""


@dataclass(frozen=True, slots=True)
class PowerNode:
    """A place in the tree. Limits are in watts, None where there is none."""

    path: str
    kind: str
    """``programme``, ``site``, ``feeder``, ``transformer``, ``container``, ``rack``, ``other``."""
    limit_w: int | None = None
    """What it can carry of all load below it."""
    mining_limit_w: int | None = None
    """What mining below it may draw, whatever else does."""
    meter: str | None = None
    """The name of the meter that sees all load below it."""
    auxiliary_w: int = 0
    """Constant load that its meter sees and that is neither rigs nor AI."""
    pue: Fraction = Fraction(1)
    """Of a site: its power over that of its rigs. 1 at every other node."""
    work_scale: int = 1
    """Of a site: how many hashes one stands for; more than 1 in demonstrations only."""
    ai_loads: tuple[AiLoad, ...] = ()
    """Those that hang at this very node."""
    is_configured: bool = True
    """False of a container or a rack that only the names of rigs speak of."""

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self.path if self.path == PROGRAMME else self.path.rpartition("/")[2]

    @property
    def depth(self) -> int:
        """How many nodes are above it: 0 of the programme."""
        return 0 if self.path == PROGRAMME else self.path.count("/") + 1

    @property
    def site(self) -> str:
        """The site that it is, or that it is in; empty for the programme."""
        return "" if self.path == PROGRAMME else self.path.partition("/")[0]


class PowerTree:
    """All nodes, those above before those below."""

    def __init__(self, nodes: Sequence[PowerNode] = ()) -> None:
        """The programme is there whether it is given or not.

        Raises:
            ValueError: a node stands twice, or under one that is not there.
        """
        self._nodes: dict[str, PowerNode] = {}
        self._children: dict[str, list[str]] = {}
        given = {node.path: node for node in nodes}
        self._add(given.get(PROGRAMME, PowerNode(PROGRAMME, "programme")))
        for node in nodes:
            if node.path != PROGRAMME:
                self.add(node)

    def add(self, node: PowerNode) -> None:
        """Add a node under one that is there.

        Raises:
            ValueError: it is there, or the one above it is not.
        """
        if node.path in self._nodes:
            raise ValueError(f"{node.path} stands twice")
        above = parent_path(node.path)
        if above not in self._nodes:
            raise ValueError(f"{node.path} stands under {above}, which is not there")
        self._add(node)
        insort(self._children[above], node.path, key=self._place)

    def _add(self, node: PowerNode) -> None:
        self._children[node.path] = []
        self._nodes[node.path] = node

    def _place(self, path: str) -> tuple[bool, tuple[str | int, ...]]:
        """Among those below the same node, for ``sorted``: configured ones stand as they were
        given, and behind them the others by name, in whatever order their rigs came."""
        node = self._nodes[path]
        return not node.is_configured, () if node.is_configured else _by_number(node.name)

    def __getitem__(self, path: str) -> PowerNode:
        return self._nodes[path]

    def __contains__(self, path: object) -> bool:
        return path in self._nodes

    def __iter__(self) -> Iterator[PowerNode]:
        """All nodes, each after the one above it."""
        return iter(list(self._nodes.values()))

    def __len__(self) -> int:
        return len(self._nodes)

    def children(self, path: str) -> list[PowerNode]:
        """The nodes right below: configured ones in their order, then the others by name."""
        return [self._nodes[child] for child in list(self._children[path])]

    def lineage(self, path: str) -> list[PowerNode]:
        """The node and all above it, the programme last."""
        found = [self._nodes[path]]
        while path != PROGRAMME:
            path = parent_path(path)
            found.append(self._nodes[path])
        return found

    def depth_first(self, path: str = PROGRAMME) -> Iterator[PowerNode]:
        """The node and all below it, as they are shown to people."""
        yield self._nodes[path]
        for child in list(self._children[path]):
            yield from self.depth_first(child)

    def site_of(self, path: str) -> PowerNode | None:
        """The site that the node is in; None of the programme."""
        site = self._nodes[path].site
        return self._nodes[site] if site else None


def _by_number(name: str) -> tuple[str | int, ...]:
    """For ``sorted``, as people count: text and numbers take turns.

    >>> sorted(["r10", "r9", "r", "7"], key=_by_number)
    ['7', 'r', 'r9', 'r10']
    """
    return tuple(int(part) if i % 2 else part for i, part in enumerate(re.split("([0-9]+)", name)))


def parent_path(path: str) -> str:
    """The path of the node above; of the programme itself.

    >>> parent_path("Sahiwal/F1"), parent_path("Sahiwal"), parent_path("/")
    ('Sahiwal', '/', '/')
    """
    return path.rpartition("/")[0] or PROGRAMME


def prefixes(path: str) -> Iterator[str]:
    """A node's path and those above it in its site, whether they are in a tree or not.

    >>> list(prefixes("Sahiwal/F1/T2"))
    ['Sahiwal/F1/T2', 'Sahiwal/F1', 'Sahiwal']
    """
    while path:
        yield path
        path = path.rpartition("/")[0]
