"""Where a rig is: the power node that its name, its address or a list of the operator's says."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fnmatch import translate
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from poolserver.power.tree import PowerNode, PowerTree

# Names are made up by whoever connects: so many nodes are added to a tree for them at most. A
# site of 500,000 rigs in racks of 50 has 10,000.
MAX_GROWN_NODES = 20_000


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
    named: re.Pattern[str] | None = None
    by_name: dict[str, str] = field(default_factory=dict)


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
        worker = username.partition(".")[2] or username
        found = known.rigs.get(username)
        if found is None:
            found = next((node for rule, node in known.patterns if rule.match(worker)), None)
        if found is None and address and known.networks:
            found = _by_address(known.networks, address)
        if known.named is not None and (parts := known.named.fullmatch(worker)):
            return self._by_name(known, found or site, parts.groupdict())
        return found or site

    def _by_name(self, known: _Compiled, found: str, parts: dict[str, str]) -> str:
        """The rack that a name speaks of, below what other rules found."""
        for kind in ("container", "rack"):
            name = parts.get(kind)
            if not name:
                continue
            # One that the operator configured is there already, wherever in the tree that is.
            path = known.by_name.get(name) if kind == "container" else None
            path = path or f"{found}/{name}"
            if path not in self._tree:
                if self._grown >= MAX_GROWN_NODES:
                    return found
                self._grown += 1
                self._tree.add(PowerNode(path, kind, is_configured=False))
            found = path
        return found

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
            compiled.named = re.compile(_named_groups(site.worker_pattern))
        return compiled


def _named_groups(pattern: str) -> str:
    """The regular expression of ``{site}-{container}-{rack}-{slot}``; no part is empty."""
    parts = re.split(r"\{(site|container|rack|slot)\}", pattern)
    return "".join(
        f"(?P<{part}>[^/]+?)" if index % 2 else re.escape(part) for index, part in enumerate(parts)
    )


def _by_address(
    networks: Sequence[tuple[IPv4Network | IPv6Network, str]], address: str
) -> str | None:
    try:
        parsed = ip_address(address)
    except ValueError:
        return None
    return next((node for network, node in networks if parsed in network), None)
