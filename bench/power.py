"""What the estimator and the watch for silent rigs cost.

    python -m bench.power

A tree of sites, feeders and racks, two ratings in each rack; a delta a second in which every line
has work, and a look at the whole tree every five seconds, as the controller does.
"""

import gc
import time
import tracemalloc
from collections.abc import Callable
from fractions import Fraction
from random import Random

from poolserver.ledger.delta import NodeKey, NodeWork
from poolserver.power.belief import believe
from poolserver.power.calibration import Calibrator
from poolserver.power.estimator import Estimator
from poolserver.power.rating import Rating, RatingSource
from poolserver.power.silence import SilenceWatch
from poolserver.power.tree import PowerNode, PowerTree

RATINGS = (
    Rating(Fraction("17.5"), RatingSource.OPERATOR, "Antminer S21"),
    Rating(Fraction("21.5"), RatingSource.IDENTITY, "Antminer S19 XP"),
)
WORK = 10**15


def tree(racks: int) -> PowerTree:
    nodes = [PowerNode(site, "site", pue=Fraction("1.05")) for site in "ABC"]
    nodes += [PowerNode(f"{site}/{feeder}", "feeder") for site in "ABC" for feeder in range(8)]
    feeders = nodes[3:]
    nodes += [
        PowerNode(f"{feeders[rack % len(feeders)].path}/r{rack}", "rack") for rack in range(racks)
    ]
    return PowerTree(nodes)


def timed(work: Callable[[], object]) -> float:
    began = time.thread_time()
    work()
    return (time.thread_time() - began) * 1e3


def estimator(racks: int) -> None:
    power_tree = tree(racks)
    paths = [node.path for node in power_tree if node.kind == "rack"]
    delta = {
        NodeKey(0, path, rating): NodeWork(WORK, WORK * WORK, WORK)
        for path in paths
        for rating in RATINGS
    }
    gc.collect()
    tracemalloc.start()
    estimates = Estimator(power_tree, 0.0)
    for second in range(0, 3900, 5):
        if second % 300 == 0:
            estimates.add(delta, float(second))
        estimates.read("/", 60.0, float(second))
    memory = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    calibrator = Calibrator()
    adds, looks = [], []
    for second in range(4000, 4060):
        now_s = float(second)
        # A delta of a second; the one that begins a tick keeps a copy of all sums too.
        adds.append(timed(lambda now_s=now_s: estimates.add(delta, now_s)))  # type: ignore[misc]
        if second % 5 == 0:
            looks.append(
                timed(
                    lambda now_s=now_s: believe(  # type: ignore[misc]
                        power_tree, estimates, lambda _: None, lambda _: None, calibrator, now_s
                    )
                )
            )
    adds.sort()
    looks.sort()
    row_us = adds[30] / len(delta) * 1e3
    print(
        f"{len(power_tree):6,} nodes, {len(delta):6,} lines: a row {row_us:.2f} us,"
        f" a look at the tree {looks[6]:.1f} ms (longest {looks[-1]:.1f}),"
        f" a delta with copies {adds[-1]:.1f} ms; {memory / len(power_tree):,.0f} bytes a node"
    )


def silent(rigs: int) -> None:
    random = Random(1)
    watch = SilenceWatch()
    names = [f"hall.rig-{number:06d}" for number in range(rigs)]
    for name in names:
        watch.note(name, WORK, 1, 0.0)
    shares, looks = [], []
    for tick in range(1, 241):
        now_s = tick * 5.0
        sending = random.choices(names, k=rigs)

        def take(sending: list[str] = sending, now_s: float = now_s) -> None:
            for name in sending:
                watch.shares(name, WORK, WORK * WORK, now_s)

        shares.append(timed(take) / len(sending))
        looks.append(timed(lambda now_s=now_s: watch.look(now_s)))  # type: ignore[misc]
    shares.sort()
    looks.sort()
    print(
        f"{rigs:6,} rigs watched: a share {shares[120] * 1e3:.2f} us, a look {looks[120]:.2f} ms"
        f" (longest {looks[-1]:.1f})"
    )


if __name__ == "__main__":
    for racks in (75, 973, 9_973):
        estimator(racks)
    silent(10_000)
