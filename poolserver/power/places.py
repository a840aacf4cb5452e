"""Where a rig is: the power node that its name, its address or a list of the operator's says."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from poolserver.power.name_pattern import NamePattern
from poolserver.power.rig_rules import RuleBook, worker_name
from poolserver.power.tree import PROGRAMME, PowerNode, PowerTree, parent_path

# Names are made up by whoever connects: so many nodes are added to a tree for them at most. A
# site of 500,000 rigs in racks of 50 has 10,000.
MAX_GROWN_NODES = 20_000
# As long as a node's name in the configuration: it is a label of metrics.
MAX_GROWN_NAME = 63
# What names may add below a node of that kind; elsewhere containers, and racks in them.
_KINDS_BELOW: Mapping[str, tuple[str, ...]] = {"container": ("rack",), "rack": ()}


@dataclass(frozen=True, slots=True)
class NodeRules:
    """What says that a rig is at a node; see ``rig_rules.RigRules``."""

    node: str
    rigs: frozenset[str] = frozenset()
    workers: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SitePlaces:
    """How rigs of one site find their node."""

    site: str
    rules: tuple[NodeRules, ...] = ()
    worker_pattern: str | None = None
    """As ``{site}-{container}-{rack}-{slot}``."""


class MappingWord(NamedTuple):
    """That a rig is at a node, whatever the rules say; ``node`` None: that they hold again."""

    worker: str
    """``account.worker``."""
    node: str | None
    taken_at_ms: int
    """Unix time."""
    is_grown: bool = False
    """The node is in no configuration: names of rigs made it."""
    issued_by: str = ""


class _Site(NamedTuple):
    rules: RuleBook[str]
    names: NamePattern | None
    by_name: dict[str, str]
    """The path of each configured node."""


class Places:
    """Finds the node of a rig, and adds containers and racks to the tree that names speak of."""

    def __init__(self, tree: PowerTree, sites: Iterable[SitePlaces]) -> None:
        """Of several rules of one kind that fit, the one of the deepest node holds."""
        self._tree = tree
        self._grown = 0
        self._sites = {site.site: self._compile(site) for site in sites}
        self.mappings: dict[str, MappingWord] = {}
        """By worker. Words on nodes that are gone, or of another site now, do not hold."""

    def node_of(self, site: str, username: str, address: str = "") -> str:
        """The path of the node where the rig is, at least the site's.

        ``username`` is ``account.worker``; ``address`` an IP address, empty where not known.
        """
        word = self.mappings.get(username)
        if word is not None and self.holds(word, site):
            assert word.node is not None
            return word.node
        return self.node_by_rules(site, username, address)

    def map(self, word: MappingWord) -> None:
        """A word on a rig is taken."""
        if word.node is None:
            self.mappings.pop(word.worker, None)
        else:
            self.mappings[word.worker] = word

    def restore(self, words: Iterable[MappingWord]) -> None:
        """Take saved words up; a node that only names had made is made again."""
        for word in words:
            self.map(word)
            if word.node is not None and word.is_grown:
                self._grow_again(word.node)

    def holds(self, word: MappingWord, site: str) -> bool:
        """Whether it says something of a rig of that site."""
        return word.node is not None and word.node in self._tree and _is_within(word.node, site)

    def node_by_rules(
        self, site: str, username: str, address: str = "", *, may_grow: bool = True
    ) -> str:
        """The same, as if nobody had said a word on the rig; without ``may_grow`` of the nodes that
        there are."""
        known = self._sites.get(site)
        if known is None:
            return site
        found = known.rules.find(username, address) or site
        if known.names is None:
            return found
        parts = known.names.read(worker_name(username))
        return self._by_name(known, found, parts, may_grow=may_grow)

    def _by_name(
        self, known: _Site, found: str, parts: Mapping[str, str], *, may_grow: bool
    ) -> str:
        """The container and rack that a name speaks of, at or below what other rules found."""
        for kind in _KINDS_BELOW.get(self._tree[found].kind, ("container", "rack")):
            if not (name := parts.get(kind)):
                continue
            path = known.by_name.get(name, "")
            if not _is_within(path, found):
                if path and kind == "container":
                    return found  # the operator's other rules know better than a name
                path = f"{found}/{name}"  # containers may have racks of one name
            if path not in self._tree and not (may_grow and self._grow(path, kind)):
                return found
            found = path
        return found

    def _grow(self, path: str, kind: str) -> bool:
        """Add a node for a name; False where there are too many, or it is no name to be shown."""
        name = path.rpartition("/")[2]
        sane = name.isprintable() and name == name.strip() and len(name) <= MAX_GROWN_NAME
        if not sane or self._grown >= MAX_GROWN_NODES:
            return False
        self._grown += 1
        self._tree.add(PowerNode(path, kind, is_configured=False))
        return True

    def _grow_again(self, path: str) -> None:
        above = parent_path(path)
        if path in self._tree or above == PROGRAMME:
            return
        if above not in self._tree:
            self._grow_again(above)
        if above in self._tree:
            kinds = _KINDS_BELOW.get(self._tree[above].kind, ("container",))
            if kinds:
                self._grow(path, kinds[0])

    def _compile(self, site: SitePlaces) -> _Site:
        deepest_first = sorted(site.rules, key=lambda each: -each.node.count("/"))
        return _Site(
            RuleBook((each, each.node) for each in deepest_first),
            None if site.worker_pattern is None else NamePattern(site.worker_pattern),
            {self._tree[each.node].name: each.node for each in site.rules},
        )


def _is_within(path: str, node: str) -> bool:
    return path == node or path.startswith(f"{node}/")
