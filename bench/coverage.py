"""How often the 95 % intervals hold the truth, and how the watch for silent rigs does.

    python -m bench.coverage [--windows 20000] [--seed 1] [--part intervals|silence]

It takes six minutes; with --windows 4000 --rigs 12 one and a half.

``intervals``: windows of a programme of three sites, six feeders and twelve racks, whose rigs are
of two models and send shares of three difficulties; by level and expected count of shares how
often the interval holds the true hashrate, and the true power. The true efficiency of each window
is drawn from what the ratings' error is said to be. Workers are measured by exponential windows.

``silence``: rigs for ten days, at 12 and at 6 shares a minute; see bench/silence.py.
"""

import argparse
from collections import defaultdict
from fractions import Fraction
from math import sqrt
from random import Random

from bench.draws import poisson
from bench.silence import silence
from poolserver.ledger.delta import NodeKey, NodeWork
from poolserver.power.estimate import worker_estimate
from poolserver.power.estimator import Estimator
from poolserver.power.rating import RIG_SIGMA, Rating, RatingSource, common_errors
from poolserver.power.state import RigGroup
from poolserver.power.tree import PROGRAMME, PowerNode, PowerTree
from poolserver.stats import meter

SHARE_WORK = 2**50
# A part of the shares has twice the work, a part eight times.
MIX = ((1, 0.6), (2, 0.3), (8, 0.1))
RATINGS = (
    Rating(Fraction("17.5"), RatingSource.OPERATOR, "S21"),
    Rating(Fraction("21.5"), RatingSource.NAME_RULE, "S19 XP"),
)
RIGS = 25
PUE = Fraction("1.05")
WINDOW_S = 60.0
RACK_COUNTS = (1, 5, 10, 30, 100, 1_000, 10_000, 100_000)
WORKER_COUNTS = (1, 3, 10, 30, 100, 400)


def tree() -> PowerTree:
    nodes = []
    for site in ("A", "B", "C"):
        nodes.append(PowerNode(site, "site", pue=PUE))
        for feeder in (f"{site}/1", f"{site}/2"):
            nodes.append(PowerNode(feeder, "feeder"))
            nodes += [PowerNode(f"{feeder}/{rack}", "rack") for rack in "xy"]
    return PowerTree(nodes)


class Truth:
    """What lines really draw in one window, added up the tree as currents do."""

    def __init__(self, random: Random, power_tree: PowerTree) -> None:
        self._random = random
        self._tree = power_tree
        self._off: dict[str, float] = {}
        self.hashrate: dict[str, float] = defaultdict(float)
        self.power: dict[str, float] = defaultdict(float)

    def add(self, node: str, rating: Rating, work: float) -> None:
        hashrate = work / WINDOW_S
        site = node.partition("/")[0]
        off = RIG_SIGMA / sqrt(RIGS) * self._random.gauss(0, 1)
        for source, sigma in common_errors(rating, site):
            off += sigma * self._common(source)
        power = hashrate * float(rating.j_per_th) * 1e-12 * (1 + off)
        for each in self._tree.lineage(node):
            power *= float(each.pue)
            self.hashrate[each.path] += hashrate
            self.power[each.path] += power

    def _common(self, source: str) -> float:
        return self._off.setdefault(source, self._random.gauss(0, 1))


def nodes(windows: int, rack_count: float, random: Random) -> None:
    """A row for each level: the expected count, and coverage of hashrate and of power."""
    power_tree = tree()
    estimator = Estimator(power_tree, 0.0)
    racks = [node.path for node in power_tree if node.kind == "rack"]
    lines = [(rack, rating) for rack in racks for rating in RATINGS]
    effective = sum(part for _, part in MIX)
    mean_work = sum(times * part for times, part in MIX) / effective * SHARE_WORK
    levels = {"rack": "A/1/x", "feeder": "A/1", "site": "A", "programme": PROGRAMME}
    held = {level: [0, 0] for level in levels}
    for window in range(1, windows + 1):
        now_s = window * WINDOW_S
        truth = Truth(random, power_tree)
        delta = {}
        for node, rating in lines:
            mean = rack_count / len(RATINGS)
            work = NodeWork()
            for times, part in MIX:
                count, each = poisson(random, mean * part), times * SHARE_WORK
                work.add(NodeWork(count * each, count * each * each, count * each))
            delta[NodeKey(0, node, rating)] = work
            truth.add(node, rating, mean * mean_work)
        estimator.add(delta, now_s)
        if window == 1:
            line_w = rack_count / len(RATINGS) * mean_work / WINDOW_S * 1e-12
            estimator.note_rigs(
                RigGroup(node, rating, RIGS, 0, line_w * float(rating.j_per_th))
                for node, rating in lines
            )
            continue  # a window before, so that the work of a share is known
        for level, path in levels.items():
            estimate = estimator.read(path, WINDOW_S, now_s)
            held[level][0] += truth.hashrate[path] in estimate.hashrate_interval
            held[level][1] += truth.power[path] in estimate.interval
    for level, path in levels.items():
        below = sum(1 for rack in racks if path == PROGRAMME or rack.startswith(path))
        row(level, rack_count * below, windows - 1, *held[level])


def workers(windows: int, count: float, random: Random) -> None:
    """One rig at a time, by the meter of an exponential window; ``count`` is the effective one."""
    tau_s = meter.WINDOWS_S[0]
    rate = count / (2 * tau_s)
    rating = RATINGS[0]
    hashrate = rate * SHARE_WORK
    held = [0, 0]
    for _ in range(windows):
        state, now_s, until_s = meter.begin(0.0), 0.0, 6 * tau_s
        while (now_s := now_s + random.expovariate(rate)) < until_s:
            shares = meter.Judged()
            shares.work, shares.work_sq = float(SHARE_WORK), float(SHARE_WORK) ** 2
            state = meter.updated(state, meter.Moment(now_s), shares, 0)
        seen = meter.read(state, until_s, 0)
        estimate = worker_estimate(
            seen.hashrates.m1, seen.relative_sigmas.m1, SHARE_WORK / (2 * tau_s), rating
        )
        off = RIG_SIGMA * random.gauss(0, 1)
        off += sum(sigma * random.gauss(0, 1) for _, sigma in common_errors(rating, ""))
        held[0] += hashrate in estimate.hashrate_interval
        held[1] += hashrate * float(rating.j_per_th) * 1e-12 * (1 + off) in estimate.interval
    row("worker", count, windows, *held)


def row(level: str, count: float, windows: int, hashrate: int, power: int) -> None:
    print(
        f"| {level:9} | {count:9,.0f} | {windows:6,} | {hashrate / windows:8.2%} |"
        f" {power / windows:8.2%} |",
        flush=True,
    )


def intervals(windows: int, seed: int) -> None:
    print("| level | expected shares | windows | hashrate | power |")
    print("| --- | --- | --- | --- | --- |")
    for count in WORKER_COUNTS:
        workers(windows, count, Random(seed))
    for rack_count in RACK_COUNTS:
        nodes(windows, rack_count, Random(seed))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--windows", type=int, default=20_000)
    parser.add_argument("--days", type=int, default=10)
    parser.add_argument("--rigs", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--part", choices=("intervals", "silence"), default=None)
    options = parser.parse_args()
    if options.part != "silence":
        intervals(options.windows, options.seed)
    if options.part != "intervals":
        silence(options.rigs, options.days, options.seed)


if __name__ == "__main__":
    main()
