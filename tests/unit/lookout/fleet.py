"""A fleet that is made up, and tells of its rigs as the coordinator does."""

from dataclasses import dataclass, field
from fractions import Fraction

from poolserver.power.rater import UNKNOWN, Rated
from poolserver.power.rating import Place, Rating, RatingSource
from poolserver.power.rig_book import KnownRig
from poolserver.power.silence import RigState
from poolserver.stats.meter import NO_GLANCE, Glance

NOW = 1_800_000_000.0
RATING = Rating(Fraction(20), RatingSource.OPERATOR, "Antminer S21")


@dataclass
class MadeUpFleet:
    """``rates`` are of an hour, in H/s. A rig's last share is as many seconds old as its name is
    long; the clock of glances showed 0 at NOW."""

    known: dict[str, KnownRig] = field(default_factory=dict)
    rates: dict[str, float] = field(default_factory=dict)
    silent: set[str] = field(default_factory=set)

    def add(
        self, worker: str, rate_h_s: float = 1e14, *, node: str = "hall/T1", sessions: int = 1
    ) -> KnownRig:
        address = f"10.0.0.{len(self.known) % 256}"
        identity = UNKNOWN._replace(address=address, user_agent="bmminer/2.0")
        rig = KnownRig(worker, worker.partition(".")[0], identity, sessions=sessions)
        if node:
            rig.rated = Rated(RATING, "the configuration")
            rig.place = Place(node, RATING, Fraction(20))
        self.known[worker] = rig
        self.rates[worker] = rate_h_s
        return rig

    def rigs(self) -> list[KnownRig]:
        return list(self.known.values())

    def site_of(self, account: str) -> str:
        return account if account in ("hall", "barn") else "unassigned"

    def state_of(self, worker: str) -> RigState:
        if worker in self.silent:
            return RigState.SILENT
        return RigState.HASHING if self.rates[worker] else RigState.NEW

    def glance(self, account: str, worker: str) -> Glance:
        rate = self.rates[worker]
        if not rate:
            return NO_GLANCE
        rates = rate, rate / 10, rate, rate / 30, rate, rate / 100
        return Glance(*rates, 0.01, 0.02, rate / 1e9, last_s=-float(len(worker)))

    def glance_epoch_s(self) -> float:
        return NOW
