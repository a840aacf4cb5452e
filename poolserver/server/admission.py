"""Who may open a connection: limits for each address, wide for those that have proven work.

A site of 10,000 rigs behind one NAT address comes back at once after a power cut, and so does
an aggregating proxy. A limit low enough for a stranger would lock them out; so the first of
their rigs that has a share accepted lifts the limit for the rest, for a week.

Pure: no sockets and no clock. ``now`` is in monotonic seconds and never goes back. What is
counted here is counted in this process alone, and is gone with it.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from math import inf
from typing import NamedTuple

# Some 30 MB. A record that is lost before its time costs its address little: it is a stranger.
MAX_IDLE_RECORDS = 100_000
# One that leaves adds at most one idle record; to look at two of each kind keeps up with that.
SWEPT_PER_LEAVE = 2
# An IPv6 subscriber is given at least a /64 (RFC 6177) and may take any address of it.
IPV6_HOST_BITS = 64
# The key of whatever has no IP address, such as a Unix socket.
LOCAL = ""


@dataclass(frozen=True, slots=True)
class AdmissionTerms:
    """How many connections an address may have, and how fast it may open them.

    ``connections_unknown``: live connections of an address that has not proven work. A home or a
    small site fits in; an attacker needs some twenty addresses for 10,000 sockets.
    ``connections_known``: the same for one that has. The largest halls have some 10,000 rigs.
    ``per_second_unknown``, ``per_second_known``: how fast the room for new connections comes
    back, once as many as the limit were opened in a burst. 20 a second let a small site through
    that tries again every few seconds; 2,000 are what a hall's rigs do together when they try
    again every five.
    ``known_for_s``: so long after its last accepted share an address is known. A curtailment
    lasts hours or days.
    ``trusted``: networks without limits, such as the site's LAN or an own proxy. An IPv4-mapped
    IPv6 address counts as its IPv4 address here too.
    """

    connections_unknown: int = 512
    connections_known: int = 16_384
    per_second_unknown: float = 20.0
    per_second_known: float = 2000.0
    known_for_s: float = 7 * 86_400.0
    trusted: tuple[IPv4Network | IPv6Network, ...] = ()


class Refusal(StrEnum):
    """Why a connection is not let in; the value is the label in metrics."""

    TOO_MANY = "too_many_connections"
    TOO_FAST = "too_many_new_connections"
    BANNED = "banned"


class AddressState(NamedTuple):
    """What is remembered of an address, for a process that takes the rigs over."""

    key: str
    trusted: bool
    accepted_at: float
    spent: float
    spent_at: float


class Address:
    """What is known of one address; its sessions share it.

    ``key`` names the address in bans and logs. ``accepted_at`` is set by a session at each
    accepted share: monotonic seconds, -inf before the first.
    """

    __slots__ = ("accepted_at", "connections", "key", "names", "spent", "spent_at", "trusted")

    def __init__(self, key: str, *, trusted: bool) -> None:
        self.key = key
        self.trusted = trusted
        self.connections = 0
        self.names = 0  # workers authorized on them, by their sessions
        self.accepted_at = -inf
        # The token bucket, as what is missing in it: so a wider bucket is there at once, full,
        # when the address becomes known.
        self.spent = 0.0
        self.spent_at = 0.0


def _nothing_is_banned(key: str, now: float) -> bool:
    return False


class Admission:
    """Lets connections in or refuses them; remembers each address as long as that matters."""

    def __init__(
        self,
        terms: AdmissionTerms,
        is_banned: Callable[[str, float], bool] = _nothing_is_banned,
        max_idle_records: int = MAX_IDLE_RECORDS,
    ) -> None:
        """``is_banned`` is asked with an address's key and ``now``, never for a trusted one."""
        self._terms = terms
        self._is_banned = is_banned
        self._max_idle_records = max_idle_records
        self._addresses: dict[str, Address] = {}
        # Addresses without a connection, the longest so first. Strangers and known ones stand
        # apart, for one lasts seconds and the other days. (In a plain dict the first key of many
        # is slow to find once those before it are deleted.)
        self._idle_strangers: OrderedDict[str, Address] = OrderedDict()
        self._idle_known: OrderedDict[str, Address] = OrderedDict()

    def enter(self, host: str, now: float) -> Address | Refusal:
        """Count a new connection from ``host``, or say why it must be closed.

        ``host`` is an IP address as text; any other text is a local peer, which is trusted.
        Whoever is let in must ``leave`` once; whoever is refused must not.
        """
        address = self._addresses.get(host)
        if address is not None:  # 3 us less; an IPv6 prefix is never met so
            key, trusted = host, address.trusted
        else:
            key, trusted = identify(host, self._terms.trusted)
            address = self._addresses.get(key)
        if not trusted and self._is_banned(key, now):
            return Refusal.BANNED
        if address is None:
            address = Address(key, trusted=trusted)
        refusal = None if trusted else self._spend(address, now)
        if refusal is not None:
            return refusal
        if not address.connections:
            self._addresses[key] = address
            self._idle_strangers.pop(key, None)
            self._idle_known.pop(key, None)
        address.connections += 1
        return address

    def leave(self, address: Address, now: float) -> None:
        """One connection that was let in has ended."""
        assert address.connections > 0, "left more often than entered"
        address.connections -= 1
        if not address.connections:
            known = self.is_known(address, now)
            (self._idle_known if known else self._idle_strangers)[address.key] = address
        self._sweep(now)

    def state(self) -> list[AddressState]:
        """Every address that is remembered, with connections or without."""
        idle = {**self._idle_strangers, **self._idle_known}
        live = {key: each for key, each in self._addresses.items() if key not in idle}
        return [
            AddressState(each.key, each.trusted, each.accepted_at, each.spent, each.spent_at)
            for each in (*idle.values(), *live.values())
        ]

    def restore(self, states: Iterable[AddressState], now: float) -> None:
        """Remember what another process did; connections are counted as they ``enter_again``."""
        for key, trusted, accepted_at, spent, spent_at in states:
            address = Address(key, trusted=trusted)
            address.accepted_at, address.spent, address.spent_at = accepted_at, spent, spent_at
            self._addresses[key] = address
            known = self.is_known(address, now)
            (self._idle_known if known else self._idle_strangers)[key] = address

    def enter_again(self, host: str) -> Address:
        """Count a connection that was let in by another process: it is refused nothing here."""
        key, trusted = identify(host, self._terms.trusted)
        address = self._addresses.get(key)
        if address is None:
            address = self._addresses[key] = Address(key, trusted=trusted)
        self._idle_strangers.pop(key, None)
        self._idle_known.pop(key, None)
        address.connections += 1
        return address

    def is_known(self, address: Address, now: float) -> bool:
        """Whether the address has proven work of late."""
        return now - address.accepted_at <= self._terms.known_for_s

    def __len__(self) -> int:
        """Addresses remembered, with connections and without."""
        return len(self._addresses)

    def _spend(self, address: Address, now: float) -> Refusal | None:
        """Take room for one more connection; a refused one takes none."""
        terms = self._terms
        if self.is_known(address, now):
            limit, per_second = terms.connections_known, terms.per_second_known
        else:
            limit, per_second = terms.connections_unknown, terms.per_second_unknown
        if address.connections >= limit:
            return Refusal.TOO_MANY
        spent = _left_of(address, per_second, now)
        if spent + 1.0 > limit:
            return Refusal.TOO_FAST
        address.spent = spent + 1.0
        address.spent_at = now
        return None

    def _sweep(self, now: float) -> None:
        """Forget idle addresses that nothing hangs on any more, and those above the bound.

        Above the bound the kind with more records gives way, its oldest first: a crowd of
        strangers cannot push out the sites that have proven work.
        """
        for _ in range(SWEPT_PER_LEAVE):
            self._forget_oldest_known(now)
            self._forget_oldest_stranger(now)
        if len(self._idle_strangers) + len(self._idle_known) > self._max_idle_records:
            larger = max(self._idle_strangers, self._idle_known, key=len)
            key, _ = larger.popitem(last=False)
            del self._addresses[key]

    def _forget_oldest_known(self, now: float) -> None:
        if self._idle_known:
            key, address = next(iter(self._idle_known.items()))
            if not self.is_known(address, now):
                del self._idle_known[key]
                self._idle_strangers[key] = address

    def _forget_oldest_stranger(self, now: float) -> None:
        """A forgotten address starts with a full bucket; so its bucket must be full first."""
        if self._idle_strangers:
            key, address = next(iter(self._idle_strangers.items()))
            if _left_of(address, self._terms.per_second_unknown, now) == 0.0:
                del self._idle_strangers[key]
                del self._addresses[key]


def identify(host: str, trusted: tuple[IPv4Network | IPv6Network, ...]) -> tuple[str, bool]:
    """The key that ``host`` is counted by, and whether it is trusted.

    An IPv6 address is counted by its /64, but a trusted one by itself: a trusted network may be
    smaller than that. An IPv4-mapped one (::ffff:192.0.2.1) is an IPv4 address.
    """
    try:
        ip = IPv6Address(host) if ":" in host else IPv4Address(host)
    except ValueError:
        return LOCAL, True
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    if any(ip in network for network in trusted):
        return str(ip), True
    if isinstance(ip, IPv4Address):
        return str(ip), False
    prefix = IPv6Address(int(ip) >> IPV6_HOST_BITS << IPV6_HOST_BITS)
    return f"{prefix}/{128 - IPV6_HOST_BITS}", False


def _left_of(address: Address, per_second: float, now: float) -> float:
    """What is still missing in the address's bucket."""
    return max(0.0, address.spent - (now - address.spent_at) * per_second)
