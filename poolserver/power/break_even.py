"""What hashing is worth against what it takes: by a rig's efficiency and the price of power. Pure.

Exact fractions all through; money in whatever currency the price is in.
"""

from fractions import Fraction
from typing import NamedTuple

from poolserver.power.models import MinerModel

DAY_S = 86_400
DAY_H = 24
PETAHASH = 10**15
SAT_PER_BTC = 100_000_000
HASHES_PER_DIFFICULTY = Fraction(2**48, 0xFFFF)
"""2^256 over the target of difficulty 1, which is 0xFFFF x 2^208: 65537/65536 of 2^32."""


class Market(NamedTuple):
    """What decides on break-even."""

    price: Fraction
    """Of a bitcoin."""
    difficulty: Fraction
    block_sat: int
    """Subsidy and fees of a block."""
    per_kwh: Fraction
    pue: Fraction = Fraction(1)

    @property
    def sat_per_ph_day(self) -> Fraction:
        """What 1 PH/s earns in a day, on average and before any pool's fee."""
        blocks = PETAHASH * DAY_S / (self.difficulty * HASHES_PER_DIFFICULTY)
        return blocks * self.block_sat

    @property
    def hashprice(self) -> Fraction:
        """The same in money."""
        return self.sat_per_ph_day * self.price / SAT_PER_BTC

    @property
    def j_per_th(self) -> Fraction | None:
        """A rig that takes more earns less than its power costs. None where power is free."""
        cost = DAY_H * self.per_kwh * self.pue  # of a day of 1 J/TH, which is 1 kW at 1 PH/s
        return self.hashprice / cost if cost else None


class BreakEven(NamedTuple):
    """A model in a market."""

    model: MinerModel
    per_mwh: Fraction
    """What a megawatt-hour at the site's meter earns by it: it pays up to this price of power."""
    margin_per_mwh: Fraction
    """That less what it costs."""
    sat_per_day: Fraction
    """What one rig earns in a day."""
    margin_per_day: Fraction
    """In money, of one rig."""

    @property
    def per_kwh(self) -> Fraction:
        """The price of power at which it earns nothing."""
        return self.per_mwh / 1000


def break_even(model: MinerModel, market: Market) -> BreakEven:
    """What a model earns by its nameplate."""
    per_mwh = market.hashprice * 1000 / (DAY_H * model.j_per_th * market.pue)
    margin = per_mwh - market.per_kwh * 1000
    rig_mwh_day = model.hashrate_th_s * model.j_per_th * market.pue * DAY_H / 10**6
    ph_s = model.hashrate_th_s / 1000
    return BreakEven(model, per_mwh, margin, market.sat_per_ph_day * ph_s, margin * rig_mwh_day)
