"""N found blocks, each with a fault at its find: none may be lost, and the books must be right."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from random import Random

from tests.torture.catalogue import FAULTS, BlockFault, Fate
from tests.torture.judge import Truth, Verdicts, judge
from tests.torture.world import LARGE_PACE, SMALL_PACE, Found, World


@dataclass(frozen=True)
class BlocksPlan:
    """``blocks`` found blocks; 0 is one of each fault. ``is_small``: short faults, fewer kinds."""

    blocks: int
    nodes: int = 2
    seed: int = 0
    is_small: bool = False
    only: str = ""
    """A part of the names of the faults to play, for a closer look."""


@dataclass
class BlocksReport:
    """What was seen."""

    plan: BlocksPlan
    found: list[Found]
    verdicts: Verdicts
    starts: int
    tracebacks: list[str]
    seconds: float

    def problems(self) -> list[str]:
        """All that is not as it must be; empty is good."""
        return [text for texts in self.by_fault().values() for text in texts]

    def by_fault(self) -> dict[str, list[str]]:
        """What is wrong, by the fault of the block; what is about no one block is under ``run``."""
        fault_of = {each.hash_hex: each.fault for each in self.found}
        wrong: dict[str, list[str]] = {}
        for about, texts in self.verdicts.wrong.items():
            wrong.setdefault(fault_of.get(about, "run"), []).extend(texts)
        if self.tracebacks:
            wrong.setdefault("run", []).extend(self.tracebacks)
        return wrong

    def text(self) -> str:
        """The figures, for people."""
        truths = list(self.verdicts.truths.values())
        count = {truth: truths.count(truth) for truth in Truth}
        lines = [*self._table(), ""]
        lines += [f"{_where(each)}: {note}" for each in self._noted() for note in each.notes]
        lines += [
            f"{len(self.found)} blocks found in {self.seconds:.0f} s; the pool was started "
            f"{self.starts} times (seed {self.plan.seed})",
            f"{count[Truth.BEST]} in the best chain, {count[Truth.STALE]} rightly stale, "
            f"{count[Truth.LOST_ALLOWED]} lost before a byte had left (allowed), "
            f"{count[Truth.LOST]} LOST",
            f"{len(self.verdicts.answers)} wrong answers to the rig, "
            f"{len(self.verdicts.books)} blocks wrong in the books; "
            f"py-bitcoinkernel judged {self.verdicts.judged_by_the_kernel} blocks",
        ]
        return "\n".join(lines + [f"WRONG: {problem}" for problem in self.problems()])

    def _noted(self) -> list[Found]:
        seen: dict[int, Found] = {each.number: each for each in self.found if each.notes}
        return list(seen.values())

    def _table(self) -> Iterator[str]:
        yield (
            f"{'fault':31} {'blocks':>6} {'best':>5} {'stale':>5} {'allowed':>7} {'LOST':>5} "
            f"{'books':>5}  to a node, s"
        )
        for name in dict.fromkeys(each.fault for each in self.found):
            mine = [each for each in self.found if each.fault == name]
            truths = [self.verdicts.truths[each.hash_hex] for each in mine]
            wrong = sum(each.hash_hex in self.verdicts.books for each in mine)
            delays = [each.delivered_s for each in mine if each.delivered_s is not None]
            yield (
                f"{name:31} {len(mine):6} {truths.count(Truth.BEST) or '':>5} "
                f"{truths.count(Truth.STALE) or '':>5} "
                f"{truths.count(Truth.LOST_ALLOWED) or '':>7} "
                f"{truths.count(Truth.LOST) or '':>5} {wrong or '':>5}  "
                + (f"{max(delays):.1f}" if delays else "never")
            )


def chosen_faults(plan: BlocksPlan) -> list[BlockFault]:
    """The faults of a run, in the order in which they are played.

    In rotation, so that all have their turn; in a large run each rotation is shuffled, so that
    each follows each sooner or later. The small one keeps the order, that saves starts.
    """
    rng = Random(plan.seed)
    kinds = [
        fault
        for fault in FAULTS
        if plan.only in fault.name and not (plan.is_small and fault.only_large)
    ]
    assert kinds, f"no fault is called {plan.only}"
    chosen: list[BlockFault] = []
    while len(chosen) < (plan.blocks or len(kinds)):
        chosen += kinds if plan.is_small else rng.sample(kinds, len(kinds))
    return chosen[: plan.blocks or len(kinds)]


async def perform_blocks(
    plan: BlocksPlan,
    bitcoind: Path,
    folder: Path,
    say: Callable[[str], None] = lambda line: None,
) -> BlocksReport:
    """Play it once; the pool lives in ``folder``, and its log is left there."""
    began = time.monotonic()
    pace = SMALL_PACE if plan.is_small else LARGE_PACE
    rng = Random(plan.seed + 1)
    async with World.running(bitcoind, folder, plan.nodes, rng, pace) as world:
        faults = chosen_faults(plan)
        for number, (fault, following) in enumerate(zip_longest(faults, faults[1:]), 1):
            at = time.monotonic()
            await _play(world, number, fault, following)
            last = world.found[-1]
            say(
                f"{number:4} {fault.name:31} answered {last.answer:9} "
                f"{'to a node' if last.was_seen else 'NOT to a node'}, "
                f"{time.monotonic() - at:.1f} s"
            )
        verdicts = await judge(
            world.found,
            {fault.name: fault for fault in FAULTS},
            world.network,
            world.pool,
            folder,
        )
        await world.pool.stop()
        return BlocksReport(
            plan=plan,
            found=world.found,
            verdicts=verdicts,
            starts=world.pool.starts,
            tracebacks=_tracebacks(folder),
            seconds=time.monotonic() - began,
        )


async def _play(world: World, number: int, fault: BlockFault, following: BlockFault | None) -> None:
    await world.begin(number, fault.name, fault.dies_at)
    await fault.play(world)
    await world.mend(following.dies_at if following is not None else None)
    await world.follow(lambda found: fault.fate is Fate.LOST_ALLOWED)


def _tracebacks(folder: Path) -> list[str]:
    """A pool that is handled so roughly has much to say, but no exception goes unhandled."""
    lines = (folder / "pool.log").read_text(errors="replace").splitlines()
    return [
        "the pool's log: " + " | ".join(lines[at : at + 40])[-600:]
        for at, line in enumerate(lines)
        if line.startswith("Traceback") or '"exception"' in line
    ]


def _where(found: Found) -> str:
    return f"block {found.number} ({found.fault})"
