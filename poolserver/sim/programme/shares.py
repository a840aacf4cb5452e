"""What the pool gets of the truth: shares.

Rigs that hash at the same difficulty find shares as one would of their hashrate together: the
sum of independent Poisson processes is one. So the shares of a cohort in a step are one Poisson
number, exact, however many rigs it has. Of those some are late, which is binomial.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from poolserver.ledger.delta import NodeKey, NodeWork
from poolserver.sim.programme.fleets import H_PER_TH, Cohort, Counts, Floats

HASHES_PER_DIFFICULTY = 2**32


class ShareSource:
    """Draws the shares of all cohorts."""

    def __init__(
        self,
        cohorts: Sequence[Cohort],
        shares_per_minute: float,
        stale: float,
        interval_s: int,
        random: np.random.Generator,
    ) -> None:
        """``shares_per_minute``: of a rig at its nameplate; ``stale``: a fraction;
        ``interval_s``: of the books."""
        self._cohorts = tuple(cohorts)
        self._stale, self._interval_s, self._random = stale, interval_s, random
        self.share_work = [
            max(1, int(float(each.model.hashrate_th_s) * H_PER_TH * 60 / shares_per_minute))
            for each in cohorts
        ]
        """Hashes that a share of each cohort stands for."""
        self._work = np.array(self.share_work, np.float64)

    def draw(self, hashrate_h_s: Floats, span_s: float) -> tuple[Counts, Counts]:
        """Of each cohort: shares in ``span_s``, and how many of them are accepted."""
        shares = self._random.poisson(hashrate_h_s * span_s / self._work)
        return shares, shares - self._random.binomial(shares, self._stale)

    def delta(self, shares: Counts, accepted: Counts, at_s: float) -> Mapping[NodeKey, NodeWork]:
        """As the fold of the journal makes it of shares that came up to ``at_s``."""
        # Those of the tick that ends with an interval are of that interval.
        begin_s = (int(np.ceil(at_s)) - 1) // self._interval_s * self._interval_s
        nodes: dict[NodeKey, NodeWork] = {}
        rows = zip(self._cohorts, self.share_work, shares.tolist(), accepted.tolist(), strict=True)
        for cohort, work, count, good in rows:
            if count:
                key = NodeKey(begin_s, cohort.node, cohort.rating)
                booked = NodeWork(count * work, count * work * work, good * work)
                if key in nodes:
                    nodes[key].add(booked)
                else:
                    nodes[key] = booked
        return nodes
