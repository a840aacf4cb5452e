"""Which rigs a simulated site has, and how they differ from their nameplates."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

H_PER_TH = 10**12

# A container of the usual make: ten racks of twenty. Only names are made of it.
SLOTS_PER_RACK = 20
RACKS_PER_CONTAINER = 10


@dataclass(frozen=True, slots=True)
class Nameplate:
    """What the maker says of one rig."""

    hashrate_th_s: float
    power_w: float

    def __post_init__(self) -> None:
        if not (self.hashrate_th_s > 0 and self.power_w >= 0):
            raise ValueError("a rig has a hashrate above 0 and a power of at least 0")


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far true figures may lie from the nameplate, as fractions of it.

    Hashrate: normal with a sigma of a third of the limit, cut off at the limit. Makers sell
    rigs by hashrate, test each one and set its clock, so most are near and none is far.

    Power: uniform, for nobody sets it: it follows from the chips' bin, the supply's voltage and
    the air. A part of it is drawn once for the whole site, since its rigs are of one delivery
    and hang in one hall. That part does not average out over many rigs, however many there are:
    it is why a nameplate is good to 5 to 10% only, and why a pool's estimate of a site's power
    is off by some percent until it is held against a meter.
    """

    hashrate: float = 0.03
    power_of_site: float = 0.03
    power_of_rig: float = 0.02

    def __post_init__(self) -> None:
        if not all(0 <= limit <= 0.5 for limit in (self.hashrate, self.power)):
            raise ValueError("a tolerance is a fraction of 0 to 0.5")

    @property
    def power(self) -> float:
        """The most by which one rig's power is off: 5% by default."""
        return self.power_of_site + self.power_of_rig


@dataclass(frozen=True, slots=True)
class RigSpec:
    """One rig as it truly is, which a pool does not know."""

    username: str
    hashrate_h_s: float
    power_w: float


def build_fleet(
    *, account: str, site: str, count: int, nameplate: Nameplate, tolerance: Tolerance, seed: int
) -> tuple[RigSpec, ...]:
    """Draw ``count`` rigs; the same seed gives the same ones, and of more rigs the same first ones.

    They log in as ``account.site-c01-r01-s001``: container, rack, slot.
    """
    random = Random(f"fleet/{seed}")
    of_site = random.uniform(-tolerance.power_of_site, tolerance.power_of_site)
    return tuple(
        RigSpec(
            username=f"{account}.{name}",
            hashrate_h_s=nameplate.hashrate_th_s
            * H_PER_TH
            * (1 + _cut_normal(random, tolerance.hashrate)),
            power_w=nameplate.power_w
            * (1 + of_site + random.uniform(-tolerance.power_of_rig, tolerance.power_of_rig)),
        )
        for name in worker_names(site, count)
    )


def worker_names(site: str, count: int) -> Iterator[str]:
    """The names of ``count`` rigs by their places, rack after rack.

    >>> list(worker_names("hall", 1)), list(worker_names("", 1))
    (['hall-c01-r01-s001'], ['c01-r01-s001'])
    """
    prefix = f"{site}-" if site else ""
    for index in range(count):
        rack, slot = divmod(index, SLOTS_PER_RACK)
        container, rack = divmod(rack, RACKS_PER_CONTAINER)
        yield f"{prefix}c{container + 1:02}-r{rack + 1:02}-s{slot + 1:03}"


def _cut_normal(random: Random, limit: float) -> float:
    """Normal around 0 with a sigma of a third of ``limit``, drawn again beyond it."""
    while True:
        value = random.gauss(0.0, limit / 3)
        if abs(value) <= limit:
            return value
