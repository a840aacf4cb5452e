"""What the made-up programme stands on: its time, its sites and its rigs."""

from dataclasses import dataclass
from functools import cache
from hashlib import sha256

from poolserver.control_room.view import Figure, LimitView
from poolserver.lookout.view import RigLine

NOW = 1_795_870_920.0
"""2026-11-28 13:02 UTC, which is 18:02 in Pakistan."""

RIGS = 100_000
TRANSFORMERS, CONTAINERS, RACKS = 4, 20, 40
J_PER_TH = 17.5
RIG_W = 3510.0
MODELS = ("Antminer S21", "Whatsminer M60S", "Antminer S19j Pro", "Avalon A1566")
# Of a week's and a day's points.
STEPS_S = {"1h": 10, "6h": 60, "1d": 300, "7d": 1800}
SPANS_S = {"1h": 3600, "6h": 21_600, "1d": 86_400, "7d": 604_800}


@dataclass(frozen=True)
class Site:
    """A site, its share of the rigs, and who limits it."""

    name: str
    part: float
    limit: LimitView
    ai_w: float


MW = 1_000_000
SITES = (
    Site(
        "Sahiwal",
        0.46,
        LimitView(212 * MW, "override", "NTDC", "evening peak", NOW + 6 * 3600 - 120),
        38.4 * MW,
    ),
    Site(
        "ChinaHub",
        0.32,
        LimitView(137 * MW, "schedule", "CPHGC", "", NOW + 10 * 3600 - 120),
        14.2 * MW,
    ),
    Site("PortQasim", 0.22, LimitView(96 * MW, "physical", "site", "", None), 6.1 * MW),
)
PROGRAMME_LIMIT = LimitView(430 * MW, "override", "NTDC", "evening peak", NOW + 6 * 3600 - 120)


_SILENT_S = {"silent": 700.0, "away": 9_000.0}


def hashrate_of(power_w: float) -> float:
    """By the rating that all rigs have here."""
    return power_w / J_PER_TH * 1e12


def noise(*of: object) -> float:
    """Between -1 and 1, always the same of the same."""
    digest = sha256(repr(of).encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**63 - 1


@cache
def all_rigs() -> tuple[RigLine, ...]:
    """Made once for all tests: it takes most of a second."""
    return tuple(made_up_rig(i) for i in range(RIGS))


def made_up_rig(i: int) -> RigLine:
    """The i-th of all."""
    part, site = i / RIGS, SITES[-1]
    for each in SITES:
        if part < each.part:
            site = each
            break
        part -= each.part
    slot = int(part / site.part * TRANSFORMERS * CONTAINERS * RACKS)
    transformer, rest = divmod(slot, CONTAINERS * RACKS)
    container, rack = divmod(rest, RACKS)
    place = f"T{transformer + 1}/C{container + 1:02d}/R{rack + 1:02d}"
    chance = (i * 7919) % 1000
    state = (
        "silent" if chance < 3 else "away" if chance < 9 else "new" if chance < 11 else "hashing"
    )
    rate = 0.0 if state in ("silent", "new") else (200e12 + ((i * 104_729) % 1000) * 2e10)
    name = f"{site.name.lower()}.t{transformer + 1}c{container + 1:02d}r{rack + 1:02d}-{i:06d}"
    return RigLine(
        worker=name,
        account=site.name.lower(),
        site=site.name,
        node=f"{site.name}/{place}",
        state=state,
        model=MODELS[container % len(MODELS)],
        address=f"10.{SITES.index(site) + 1}.{slot // 250}.{slot % 250 + 1}",
        hashrate_5m_h_s=Figure(rate * 1.01, rate * 0.11),
        hashrate_1h_h_s=Figure(rate, rate * 0.03),
        hashrate_1d_h_s=Figure(rate * 0.99, rate * 0.006),
        power_w=rate / 1e12 * J_PER_TH if rate else None,
        j_per_th=J_PER_TH if rate else None,
        stale_1h=0.002 + (i % 7) * 0.0003 if rate else None,
        rejected_1h=0.0005 * (i % 3) if rate else None,
        best_difficulty=1e9 * (1 + i % 997),
        sessions=0 if state == "away" else 1,
        seen_at=NOW - (i * 31) % 86_400,
        last_share_at=None if state == "new" else NOW - _SILENT_S.get(state, 1.0) - i % 9,
    )
