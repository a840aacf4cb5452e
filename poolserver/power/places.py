"""Where a rig is: the power node that its name, its address or a list of the operator's says."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from poolserver.power.name_pattern import NamePattern
from poolserver.power.rig_rules import RuleBook, worker_name
from poolserver.power.tree import PowerNode, PowerTree

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

    def node_of(self, site: str, username: str, address: str = "") -> str:
        """The path of the node where the rig is, at least the site's.

        ``username`` is ``account.worker``; ``address`` an IP address, empty where not known.
        """
        known = self._sites.get(site)
        if known is None:
            return site
        found = known.rules.find(username, address) or site
        if known.names is None:
            return found
        return self._by_name(known, found, known.names.read(worker_name(username)))

    def _by_name(self, known: _Site, found: str, parts: Mapping[str, str]) -> str:
        """The container and rack that a name speaks of, at or below what other rules found."""
        for kind in _KINDS_BELOW.get(self._tree[found].kind, ("container", "rack")):
            if not (name := parts.get(kind)):
                continue
            path = known.by_name.get(name, "")
            if not _is_within(path, found):
                if path and kind == "container":
                    return found  # the operator's other rules know better than a name
                path = f"{found}/{name}"  # containers may have racks of one name
            if path not in self._tree and not self._grow(path, kind):
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

    def _compile(self, site: SitePlaces) -> _Site:
        deepest_first = sorted(site.rules, key=lambda each: -each.node.count("/"))
        return _Site(
            RuleBook((each, each.node) for each in deepest_first),
            None if site.worker_pattern is None else NamePattern(site.worker_pattern),
            {self._tree[each.node].name: each.node for each in site.rules},
        )


def _is_within(path: str, node: str) -> bool:
    return path == node or path.startswith(f"{node}/")
