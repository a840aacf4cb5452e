"""A tick of the controller at 1,000 nodes and 2,000 groups of rigs: python bench/control.py

Quiet, over its limit at one transformer, over at every rack at once, and with half of the
fleet under command.
"""

import time
from collections.abc import Callable
from fractions import Fraction

from poolserver.power.budget import BudgetBook
from poolserver.power.control import BatchReport, Controller, ControlState, SiteState
from poolserver.power.rating import Rating, RatingSource
from poolserver.power.state import Method, NodePower, Readings, RigGroup
from poolserver.power.tree import PROGRAMME, PowerNode, PowerTree
from poolserver.power.uncertain import Uncertain

MW = 1_000_000
SITES, FEEDERS, TRANSFORMERS, RACKS = 3, 4, 8, 10  # 1,072 nodes
RIGS = 250  # a group: 500,000 in all
RATINGS = [
    Rating(Fraction(str(j_per_th)), RatingSource.OPERATOR, f"model {j_per_th}")
    for j_per_th in (15, 17.5, 21.5, 29.5)
]
NOW_S = 1_800_000_000.0


def plant() -> tuple[PowerTree, list[str]]:
    """The tree, every node with a limit, and the paths of its racks."""
    nodes = [PowerNode(PROGRAMME, "programme", limit_w=2000 * MW)]
    racks = []
    for site in range(SITES):
        nodes.append(PowerNode(f"s{site}", "site", limit_w=900 * MW, pue=Fraction("1.05")))
        for feeder in range(FEEDERS):
            path = f"s{site}/f{feeder}"
            nodes.append(PowerNode(path, "feeder", limit_w=200 * MW))
            for transformer in range(TRANSFORMERS):
                nodes.append(PowerNode(f"{path}/t{transformer}", "transformer", limit_w=25 * MW))
                for rack in range(RACKS):
                    racks.append(f"{path}/t{transformer}/r{rack}")
                    nodes.append(PowerNode(racks[-1], "rack", limit_w=2_500_000))
    return PowerTree(nodes), racks


def readings(tree: PowerTree, racks: list[str], rig_w: float, ai_w: dict[str, float]) -> Readings:
    groups = tuple(
        RigGroup(rack, RATINGS[(index + each) % 4], RIGS, 0, RIGS * rig_w)
        for index, rack in enumerate(racks)
        for each in range(2)
    )
    mining: dict[str, float] = {}
    for group in groups:
        for node in tree.lineage(group.node):
            pue = 1.05 if node.depth < 2 else 1.0
            mining[node.path] = mining.get(node.path, 0.0) + group.power_w * pue
    nodes = {
        path: NodePower(
            path,
            mining_w=Uncertain(power_w, (0.002 * power_w) ** 2),
            ai_w=ai_w.get(path, 0.0),
            total_w=Uncertain(power_w + ai_w.get(path, 0.0), (0.002 * power_w) ** 2),
            method=Method.METER,
        )
        for path, power_w in mining.items()
    }
    book = BudgetBook(tree)
    return Readings(nodes, book.limits(NOW_S), book.mining_limits(NOW_S), groups)


def cpu_ms(work: Callable[[], object], rounds: int = 20) -> float:
    """The median of the processor's time that ``work`` takes."""
    times = []
    for _ in range(rounds):
        begin_ns = time.process_time_ns()
        work()
        times.append((time.process_time_ns() - begin_ns) / 1e6)
    return sorted(times)[rounds // 2]


def main() -> None:
    tree, racks = plant()
    controller = Controller(tree)
    normal = ControlState(sites={f"s{site}": SiteState.NORMAL for site in range(SITES)})
    quiet = readings(tree, racks, 2000.0, {})
    print(f"{len(tree)} nodes, {len(quiet.groups)} groups, {RIGS * len(quiet.groups)} rigs")

    def tick(
        name: str,
        state: ControlState,
        seen: Readings,
        *reports: BatchReport,
        now_s: float = NOW_S + 5,
    ) -> ControlState:
        after, decision = controller.step(state, seen, now_s, reports)
        took = cpu_ms(lambda: controller.step(state, seen, now_s, reports))
        print(f"{name:44s} {took:6.2f} ms  {len(decision.commands)} commands")
        return after

    settled, _ = controller.step(normal, quiet, NOW_S)
    tick("nothing to do", settled, quiet)
    tick("one transformer over", settled, readings(tree, racks, 2000.0, {"s0/f0/t0": 20.0 * MW}))
    every = readings(tree, racks, 5500.0, {})
    tick("every rack over, in OBSERVE", ControlState(), every)
    shed = tick("every rack over", settled, every)
    reports = [BatchReport(batch.number, batch.rigs) for batch in shed.batches]
    tick("a batch under way in every rack", shed, every, *reports, now_s=NOW_S + 10)
    state = shed
    for number in range(2, 64):
        reports = [BatchReport(each.number, each.rigs, each.rigs) for each in state.batches]
        state, _ = controller.step(state, quiet, NOW_S + 5 * number, reports)
    reports = [BatchReport(each.number, each.rigs, each.rigs) for each in state.batches]
    begin_s = NOW_S + 5 * 64
    tick("rigs off in every rack, coming back", state, quiet, *reports, now_s=begin_s)
    book = BudgetBook(tree)
    print(f"{'limits of all nodes':44s} {cpu_ms(lambda: book.limits(NOW_S)):6.2f} ms")


if __name__ == "__main__":
    main()
