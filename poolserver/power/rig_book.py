"""Who the rigs are: what each told of itself, where its work is booked and at which rating.

``take`` is called on the event loop, ``place_of`` by the fold's thread, ``rows`` by whoever watches
power. What a rig tells changes the place of its later work only: what is booked stays.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from threading import Lock
from typing import NamedTuple, Protocol

from poolserver.power.places import MappingWord, Places
from poolserver.power.rater import UNKNOWN, Identity, Rated, Rater
from poolserver.power.rating import Place, Rating

# Names are made up by whoever connects: so many are kept at most. It is ten times the largest
# site that one process is meant for, and some 60 MB.
MAX_NAMES = 100_000
# Places are one object each, so that the fold can add up by them; past so many, which no honest
# site has, it begins anew, and adds up a little slower.
MAX_PLACES = 200_000
# A measured hashrate is taken anew where it is off by more: at 12 shares a minute an hour's has an
# error of 4%, so that luck does not do it, and a rig that runs at another power does.
DEPARTURE = Fraction(15, 100)


class RigNewsLike(Protocol):
    """What a connected rig tells; see ``cluster.messages.RigNews``."""

    @property
    def worker(self) -> str: ...
    @property
    def account(self) -> str: ...
    @property
    def address(self) -> str: ...
    @property
    def user_agent(self) -> str: ...
    @property
    def hardware(self) -> str: ...
    @property
    def watts(self) -> int | None: ...
    @property
    def j_per_th(self) -> str | None: ...
    @property
    def share_work(self) -> float: ...
    @property
    def sessions(self) -> int: ...


class WorkerKeyLike(Protocol):
    """Whose work it is; see ``ledger.totals.WorkerKey``."""

    @property
    def site(self) -> str: ...
    @property
    def account(self) -> str: ...
    @property
    def worker(self) -> str: ...


class SiteLike(Protocol):
    """What a site makes of a rating; see ``power.site.SitePower``."""

    def place_of(self, rating: Rating, node: str) -> Place: ...


class RigRow(NamedTuple):
    """A connected rig that has proven work: where it is, at which rating."""

    worker: str
    node: str
    rating: Rating


@dataclass(slots=True)
class KnownRig:
    """A rig by its worker's name."""

    worker: str
    account: str = ""
    identity: Identity = UNKNOWN
    share_work: float = 0.0
    """Hashes that one of its shares stands for; 0 where it has no job yet."""
    sessions: int = 0
    seen_at_ms: int = 0
    """When it last told something, Unix time."""
    rated: Rated | None = None
    place: Place | None = None
    """Where its work is booked, once it has proven some."""
    row: RigRow | None = None
    """The same for ``rows``."""
    is_placed: bool = False
    """Whether that is by all that it has told."""


class _Key(NamedTuple):
    """A ``WorkerKeyLike``."""

    site: str
    account: str
    worker: str


class SavedRig(NamedTuple):
    """A rig as it is written down."""

    worker: str
    account: str
    identity: Identity
    seen_at_ms: int


class ConnectedRig(NamedTuple):
    """A rig that mines while one process takes over from another."""

    worker: str
    account: str
    share_work: float
    sessions: int
    has_proven: bool
    """Whether it is in ``rows``."""


@dataclass(slots=True)
class RigBook:
    """The rigs of all ``sites``; whose site is none of these has no place."""

    places: Places
    rater: Rater
    sites: Mapping[str, SiteLike]
    max_names: int = MAX_NAMES
    _rigs: dict[str, KnownRig] = field(default_factory=dict)
    _away: dict[str, None] = field(default_factory=dict)
    """Those that are not connected, who left first is first."""
    _interned: dict[tuple[str, str, Rating], Place] = field(default_factory=dict)
    _unsaved: set[str] = field(default_factory=set)
    _lock: Lock = field(default_factory=Lock)

    # --- what they tell ------------------------------------------------------------------

    def take(self, news: RigNewsLike, now_ms: int) -> None:
        """A rig came, went or changed. Who goes has told nothing new of itself."""
        with self._lock:
            rig = self._enter(news.worker)
            if rig is None:
                return
            rig.account, rig.seen_at_ms = news.account, now_ms
            rig.sessions = news.sessions
            self._unsaved.add(news.worker)
            if not news.sessions:
                self._away[news.worker] = None
                return
            self._away.pop(news.worker, None)
            rig.share_work = news.share_work
            told = rig.identity._replace(
                address=news.address,
                user_agent=news.user_agent,
                hardware=news.hardware,
                watts=news.watts,
                j_per_th=None if news.j_per_th is None else Fraction(news.j_per_th),
            )
            _identify(rig, told)

    def report(self, worker: str, j_per_th: Fraction | None) -> None:
        """A rig's own report of its efficiency, None where there is no more."""
        with self._lock:
            if (rig := self._rigs.get(worker)) is not None:
                _identify(rig, rig.identity._replace(telemetry=j_per_th))

    def asking(self) -> list[KnownRig]:
        """Connected rigs whose rating their hashrate betters."""
        return [
            rig
            for rig in list(self._rigs.values())
            if rig.sessions and rig.rated is not None and rig.rated.asks_hashrate
        ]

    def measure(
        self, rigs: Iterable[KnownRig], hashrate_of: Callable[[KnownRig], Fraction | None]
    ) -> None:
        """Ask for the hashrate in TH/s of some that are ``asking``; None where unsure.

        Called every minute or so, on the thread of ``take``.
        """
        for rig in rigs:
            th_s, before = hashrate_of(rig), rig.identity.th_s
            if th_s and (before is None or abs(th_s - before) > DEPARTURE * before):
                with self._lock:
                    self._unsaved.add(rig.worker)
                    _identify(rig, rig.identity._replace(th_s=th_s))

    # --- where they are ------------------------------------------------------------------

    def place_of(self, key: WorkerKeyLike) -> Place | None:
        """Where a worker's work is booked: the same object for the same place.

        None where its site is not configured. From any thread; the first time, and after a rig
        told something new, it takes some microseconds, and the rules of the operator's.
        """
        rig = self._rigs.get(key.worker)
        if rig is not None and rig.is_placed:
            return rig.place
        site = self.sites.get(key.site)
        if site is None:
            return None
        with self._lock:
            rig = self._enter(key.worker) or KnownRig(key.worker)
            rig.account = rig.account or key.account
            identity = rig.identity
            node = self.places.node_of(key.site, key.worker, identity.address)
            rig.rated = self.rater.rate(key.site, key.worker, identity)
            rig.place = self._intern(site, key.site, node, rig.rated.rating)
            rig.row = RigRow(key.worker, node, rig.rated.rating)
            rig.is_placed = True
            return rig.place

    def _intern(self, site: SiteLike, name: str, node: str, rating: Rating) -> Place:
        place = self._interned.get((name, node, rating))
        if place is None:
            if len(self._interned) >= MAX_PLACES:
                self._interned.clear()
            place = self._interned[name, node, rating] = site.place_of(rating, node)
        return place

    def map(self, words: Iterable[MappingWord]) -> None:
        """Words on where rigs are: their later work is booked there."""
        with self._lock:
            for word in words:
                self.places.map(word)
                if (rig := self._rigs.get(word.worker)) is not None:
                    rig.is_placed = False

    # --- for those who look --------------------------------------------------------------

    def known(self, worker: str) -> KnownRig | None:
        """A rig by its worker's name."""
        return self._rigs.get(worker)

    def all(self) -> list[KnownRig]:
        """All rigs, those that are away too; from any thread."""
        return list(self._rigs.values())

    def rows(self) -> list[RigRow]:
        """All connected rigs that have proven work; from any thread."""
        known = list(self._rigs.values())
        return [row for rig in known if rig.sessions and (row := rig.row) is not None]

    def rigs_at(self, node: str) -> Iterator[KnownRig]:
        """The connected rigs at just this node that have proven work. It goes through all."""
        for rig in list(self._rigs.values()):
            if rig.sessions and (place := rig.place) is not None and place.node == node:
                yield rig

    def __len__(self) -> int:
        return len(self._rigs)

    # --- from one process to the next ------------------------------------------------------

    def connected(self) -> list[ConnectedRig]:
        """All that are, for ``reconnect``."""
        return [
            ConnectedRig(rig.worker, rig.account, rig.share_work, rig.sessions, rig.row is not None)
            for rig in list(self._rigs.values())
            if rig.sessions
        ]

    def reconnect(self, rigs: Iterable[ConnectedRig], site_of: Callable[[str], str]) -> None:
        """They are connected here, after ``restore``; some microseconds each. What they tell of
        themselves comes later. ``site_of`` gives an account's site, as it is now."""
        for each in rigs:
            with self._lock:
                if (rig := self._enter(each.worker)) is None:
                    continue
                rig.account, rig.sessions = each.account, each.sessions
                rig.share_work = each.share_work
                self._away.pop(each.worker, None)
            if each.has_proven:
                self.place_of(_Key(site_of(each.account), each.account, each.worker))

    # --- to be saved, and taken up -------------------------------------------------------

    def take_unsaved(self) -> list[SavedRig]:
        """What changed since this was called last; put_back() what was not saved."""
        with self._lock:
            names, self._unsaved = self._unsaved, set()
            return [
                SavedRig(name, rig.account, rig.identity, rig.seen_at_ms)
                for name in names
                if (rig := self._rigs.get(name)) is not None
            ]

    def put_back(self, rigs: Iterable[SavedRig]) -> None:
        """These were not saved."""
        with self._lock:
            self._unsaved.update(rig.worker for rig in rigs)

    def restore(self, rigs: Iterable[SavedRig]) -> None:
        """Take up saved rigs, none of which is connected yet; who was seen last is last."""
        with self._lock:
            for worker, account, identity, seen_at_ms in rigs:
                if (rig := self._enter(worker)) is not None:
                    rig.account, rig.identity, rig.seen_at_ms = account, identity, seen_at_ms

    def _enter(self, worker: str) -> KnownRig | None:
        """The rig of that name; None where there are too many that are connected."""
        rig = self._rigs.get(worker)
        if rig is None:
            if len(self._rigs) >= self.max_names:
                if not self._away:
                    return None
                gone = next(iter(self._away))
                del self._away[gone], self._rigs[gone]
                self._unsaved.discard(gone)
            rig = self._rigs[worker] = KnownRig(worker)
            self._away[worker] = None
        return rig


def _identify(rig: KnownRig, identity: Identity) -> None:
    if identity != rig.identity:
        rig.identity, rig.is_placed = identity, False
