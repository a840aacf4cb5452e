"""The operator's rules on rigs: lists of usernames, patterns of names, networks."""

import re
from collections.abc import Iterable
from fnmatch import translate
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Generic, Protocol, TypeVar

T = TypeVar("T")


class RigRules(Protocol):
    """Which rigs something is said of: those that any of these fits."""

    @property
    def rigs(self) -> Iterable[str]:
        """Whole usernames."""

    @property
    def workers(self) -> Iterable[str]:
        """Shell patterns of worker names."""

    @property
    def addresses(self) -> Iterable[str]:
        """Networks."""


class RuleBook(Generic[T]):
    """What is said of which rigs. A list beats a pattern, and a pattern beats a network."""

    def __init__(self, rules: Iterable[tuple[RigRules, T]]) -> None:
        """Of several rules of one kind that fit the first holds."""
        self._rigs: dict[str, T] = {}
        self._patterns: list[tuple[re.Pattern[str], T]] = []
        self._networks: list[tuple[IPv4Network | IPv6Network, T]] = []
        for which, said in rules:
            for username in which.rigs:
                self._rigs.setdefault(username, said)
            self._patterns += [(re.compile(translate(each)), said) for each in which.workers]
            self._networks += [(ip_network(each), said) for each in which.addresses]

    def find(self, username: str, address: str = "") -> T | None:
        """What is said of a rig; ``address`` is empty where it is not known."""
        listed = self._rigs.get(username)
        if listed is not None:
            return listed
        worker = worker_name(username)
        for pattern, said in self._patterns:
            if pattern.match(worker):
                return said
        return self._by_address(address) if address and self._networks else None

    def _by_address(self, address: str) -> T | None:
        try:
            parsed = ip_address(address)
        except ValueError:
            return None
        if isinstance(parsed, IPv6Address):
            parsed = parsed.ipv4_mapped or parsed
        return next((said for network, said in self._networks if parsed in network), None)


def worker_name(username: str) -> str:
    """What is behind the account in ``account.worker``; without a dot all of it."""
    return username.partition(".")[2] or username
