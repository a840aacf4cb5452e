"""What a rig's hashing is taken to cost, by the best that is known of it. Pure.

The order is that of RatingSource: its own telemetry, the operator's mapping, hints in its
password, a model's name in its worker name, what it tells of itself, its site's default.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from poolserver.power.models import MinerModel, MinerModels
from poolserver.power.name_pattern import NamePattern
from poolserver.power.rating import Rating, RatingSource
from poolserver.power.rig_rules import RuleBook, worker_name

# Passwords are made up by whoever connects, and each rating has a row in the books and sums in
# memory. What rigs say is rounded to 0.1 J/TH, from 100 on to 1 and from 1,000 on to two digits:
# there are less than 2,500 such figures up to 10^9. What is divided by a measured hashrate, which
# is good to some percent, is rounded to 0.5 J/TH.
_STEP = Fraction(1, 10)
MEASURED_STEP = Fraction(1, 2)
# The best machine announced takes 9.5 (data/miner-models.csv). Below this it is a slip or a lie,
# and a rig that says it draws nothing would be left out of the budget.
LEAST_TOLD = Fraction(5)
# So many times its site's default at the most: nothing that still mines takes 350 J/TH (an S9 takes
# 98). One rig that says 10^9 would be over every limit by itself, and in the books for ever.
MOST_TOLD = 20


class Identity(NamedTuple):
    """All that is known of a rig beside its name; empty or None where nothing is."""

    address: str = ""
    user_agent: str = ""
    hardware: str = ""
    watts: int | None = None
    """The hint ``w=``."""
    j_per_th: Fraction | None = None
    """The hint ``jth=``."""
    th_s: Fraction | None = None
    """Its hashrate, as it was measured once it was known well."""
    telemetry: Fraction | None = None
    """Its own report of its efficiency, in J/TH."""


UNKNOWN = Identity()


@dataclass(frozen=True, slots=True)
class ModelRule:
    """What the operator says of some rigs; see ``rig_rules.RigRules``."""

    j_per_th: Fraction
    model: str
    """As in Rating; empty where only the figure is known."""
    basis: str
    """Where the figure is from, for people."""
    sites: frozenset[str] = frozenset()
    """Only rigs of these; empty: of all."""
    rigs: frozenset[str] = frozenset()
    workers: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SiteRatings:
    """How rigs of one site are rated."""

    site: str
    default_j_per_th: Fraction
    worker_pattern: str | None = None
    """With ``{model}`` in it, names of workers tell a model."""


class Rated(NamedTuple):
    """A rating, and whether the rig's hashrate would make a better one."""

    rating: Rating
    basis: str
    """Where the figure is from, for people."""
    asks_hashrate: bool = False


class _Site(NamedTuple):
    rules: RuleBook[Rated]
    names: NamePattern | None
    default: Rated


class Rater:
    """Rates rigs."""

    def __init__(
        self, models: MinerModels, rules: Iterable[ModelRule], sites: Iterable[SiteRatings]
    ) -> None:
        """Of several rules of one kind that fit a rig the first holds."""
        self._models = models
        rules = list(rules)
        self._sites = {site.site: _compile(site, rules) for site in sites}

    def rate(self, site: str, username: str, identity: Identity) -> Rated:
        """What is known of a rig of one of the sites; ``username`` is ``account.worker``."""
        known = self._sites[site]
        most = known.default.rating.j_per_th * MOST_TOLD
        if identity.telemetry is not None and LEAST_TOLD <= identity.telemetry <= most:
            j_per_th = rounded(identity.telemetry, _STEP)
            return Rated(Rating(j_per_th, RatingSource.TELEMETRY, ""), "the rig's own report")
        return (
            known.rules.find(username, identity.address)
            or _by_hint(identity, most)
            or self._by_name(known.names, username, identity)
            or self._by_identity(identity)
            or known.default._replace(asks_hashrate=identity.watts is not None)
        )

    def _by_name(
        self, names: NamePattern | None, username: str, identity: Identity
    ) -> Rated | None:
        name = names.read(worker_name(username)).get("model", "") if names else ""
        bins = self._models.named(name)
        return _of_bins(bins, RatingSource.NAME_RULE, identity)

    def _by_identity(self, identity: Identity) -> Rated | None:
        """What the hardware says of itself is nearer to the truth than the firmware's name."""
        for told in (identity.hardware, identity.user_agent):
            if bins := self._models.told_by(told):
                return _of_bins(bins, RatingSource.IDENTITY, identity)
        return None


def rounded(j_per_th: Fraction, step: Fraction) -> Fraction:
    """To ``step`` J/TH, from 100 on to 1, from 1,000 on to two digits.

    >>> rounded(Fraction("17.54"), Fraction(1, 10)), rounded(Fraction(7_654_321), Fraction(1, 2))
    (Fraction(35, 2), Fraction(7700000, 1))
    """
    if j_per_th >= 100:
        step = Fraction(1)
    bound = 1000
    while j_per_th >= bound:
        step, bound = Fraction(bound, 10), bound * 10
    return round(j_per_th / step) * step


def _by_hint(identity: Identity, most: Fraction) -> Rated | None:
    if identity.j_per_th is not None and LEAST_TOLD <= identity.j_per_th <= most:
        j_per_th = rounded(identity.j_per_th, _STEP)
        return Rated(Rating(j_per_th, RatingSource.HINT, ""), "jth= in the rig's password")
    if identity.watts is not None and identity.th_s:
        j_per_th = identity.watts / identity.th_s
        if LEAST_TOLD <= j_per_th <= most:
            rating = Rating(rounded(j_per_th, MEASURED_STEP), RatingSource.HINT, "")
            return Rated(rating, "w= in the rig's password over its hashrate", True)
    return None


def _of_bins(
    bins: tuple[MinerModel, ...], source: RatingSource, identity: Identity
) -> Rated | None:
    """The bin nearest to the rig's hashrate; without one the middle of them all."""
    if not bins:
        return None
    asks = len(bins) > 1 or identity.watts is not None
    th_s = identity.th_s
    if len(bins) > 1 and th_s is None:
        figures = sorted(each.j_per_th for each in bins)
        hashrates = sorted(float(each.hashrate_th_s) for each in bins)
        name = f"{bins[0].model} ({hashrates[0]:g} to {hashrates[-1]:g} TH/s)"
        middle = (figures[0] + figures[-1]) / 2
        return Rated(Rating(middle, source, name), _sources(bins), asks)
    one = min(bins, key=lambda each: abs(each.hashrate_th_s - (th_s or 0)))
    return Rated(Rating(one.j_per_th, source, str(one)), one.source, asks)


def _sources(bins: Iterable[MinerModel]) -> str:
    return "; ".join(dict.fromkeys(each.source for each in bins))


def _compile(site: SiteRatings, rules: Iterable[ModelRule]) -> _Site:
    here = [rule for rule in rules if not rule.sites or site.site in rule.sites]
    rating = Rating(site.default_j_per_th, RatingSource.SITE_DEFAULT, "")
    return _Site(
        RuleBook((rule, _by_rule(rule)) for rule in here),
        None if site.worker_pattern is None else NamePattern(site.worker_pattern),
        Rated(rating, "default_j_per_th of the site"),
    )


def _by_rule(rule: ModelRule) -> Rated:
    return Rated(Rating(rule.j_per_th, RatingSource.OPERATOR, rule.model), rule.basis)
