"""Where a rig is: the power node that its name, its address or a list of the operator's says."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import translate
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from poolserver.power.name_pattern import NamePattern
from poolserver.power.tree import PowerNode, PowerTree, parent_path

# Names are made up by whoever connects: so many nodes are added to a tree for them at most. A
# site of 500,000 rigs in racks of 50 has 10,000.
MAX_GROWN_NODES = 20_000
# What names may add below a node of that kind; elsewhere containers, and racks in them.
_KINDS_BELOW: Mapping[str, tuple[str, ...]] = {"container": ("rack",), "rack": ()}
# As long as a node's name in the configuration: it is a label of metrics.
MAX_GROWN_NAME = 63


@dataclass(frozen=True, slots=True)
class NodeRules:
    """What says that a rig is at a node."""

    node: str
    rigs: frozenset[str] = frozenset()
    """Whole usernames."""
    workers: tuple[str, ...] = ()
    """Shell patterns of worker names."""
    addresses: tuple[str, ...] = ()
    """Networks."""


@dataclass(frozen=True, slots=True)
class SitePlaces:
    """How rigs of one site find their node."""

    site: str
    rules: tuple[NodeRules, ...] = ()
    worker_pattern: str | None = None
    """As ``{site}-{container}-{rack}-{slot}``."""


@dataclass(slots=True)
class _Compiled:
    site: str
    rigs: dict[str, str] = field(default_factory=dict)
    patterns: list[tuple[re.Pattern[str], str]] = field(default_factory=list)
    networks: list[tuple[IPv4Network | IPv6Network, str]] = field(default_factory=list)
    named: NamePattern | None = None
    by_name: dict[str, str] = field(default_factory=dict)
    """The path of each configured node."""


class Places:
    """Finds the node of a rig, and adds containers and racks to the tree that names speak of."""

    def __init__(self, tree: PowerTree, sites: Iterable[SitePlaces]) -> None:
        """Of several rules of one kind that fit, the one of the deepest node holds."""
        self._tree = tree
        self._grown = 0
        self._sites = {site.site: self._compile(site) for site in sites}

    def node_of(self, site: str, username: str, address: str = "", *, grow: bool = True) -> str:
        """The path of the node where the rig is, at least the site's.

        ``username`` is ``account.worker``; ``address`` an IP address, empty where not known.
        Without ``grow`` a rig whose rack is not in the tree is at the node above it.
        """
        known = self._sites.get(site)
        if known is None:
            return site
        worker = worker_name(username)
        found = known.rigs.get(username)
        if found is None:
            found = next((node for rule, node in known.patterns if rule.match(worker)), None)
        if found is None and address and known.networks:
            found = _by_address(known.networks, address)
        if known.named is not None:
            return self._by_name(known, found or site, known.named.read(worker), grow)
        return found or site

    def _by_name(self, known: _Compiled, found: str, parts: Mapping[str, str], grow: bool) -> str:
        """The container and rack that a name speaks of, at or below what other rules found."""
        for kind in _KINDS_BELOW.get(self._tree[found].kind, ("container", "rack")):
            if not (name := parts.get(kind)):
                continue
            path = known.by_name.get(name, "")
            if not _is_within(path, found):
                if path and kind == "container":
                    return found  # the operator's other rules know better than a name
                path = f"{found}/{name}"  # containers may have racks of one name
            if path not in self._tree and not (grow and self._grow(path, kind)):
                return found
            found = path
        return found

    def _grow(self, path: str, kind: str) -> bool:
        """Add a node for a name; False where there are too many, or it is no name to be shown."""
        name = path.removeprefix(parent_path(path)).strip("/")
        sane = name.isprintable() and name == name.strip() and len(name) <= MAX_GROWN_NAME
        if not sane or self._grown >= MAX_GROWN_NODES:
            return False
        self._grown += 1
        self._tree.add(PowerNode(path, kind, is_configured=False))
        return True

    def _compile(self, site: SitePlaces) -> _Compiled:
        compiled = _Compiled(site.site)
        for rules in sorted(site.rules, key=lambda each: -each.node.count("/")):
            compiled.by_name[self._tree[rules.node].name] = rules.node
            for username in rules.rigs:
                compiled.rigs.setdefault(username, rules.node)
            compiled.patterns += [
                (re.compile(translate(each)), rules.node) for each in rules.workers
            ]
            compiled.networks += [(ip_network(each), rules.node) for each in rules.addresses]
        if site.worker_pattern is not None:
            compiled.named = NamePattern(site.worker_pattern)
        return compiled


def worker_name(username: str) -> str:
    """What is behind the account in ``account.worker``; without a dot all of it."""
    return username.partition(".")[2] or username


def _is_within(path: str, node: str) -> bool:
    return path == node or path.startswith(f"{node}/")


def _by_address(
    networks: Sequence[tuple[IPv4Network | IPv6Network, str]], address: str
) -> str | None:
    try:
        parsed = ip_address(address)
    except ValueError:
        return None
    if isinstance(parsed, IPv6Address):
        parsed = parsed.ipv4_mapped or parsed
    return next((node for network, node in networks if parsed in network), None)
