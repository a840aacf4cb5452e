"""N deaths of the pool under load: each share that was answered is in the books, once."""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.torture.deaths import Death, drawn
from tests.torture.dying_ledger import NONE
from tests.torture.evidence import ACCEPTED, percentile
from tests.torture.journal_reader import read_journal
from tests.torture.kill_judge import Verdict, judge
from tests.torture.ledger_stage import LedgerStage, ledger_stage
from tests.torture.ledger_stores import torture_store
from tests.torture.load import LoadPlan

# The pool's clients see the end of it at once, but not before the loop's next turn.
NEWS_S = 1.0
# From then on a step that has not come is not waited for any more.
STEP_TIMEOUT_S = 8.0
LOOK_S = 0.005


@dataclass(frozen=True)
class KillsPlan:
    """How often the pool dies, where its books are, and how long it lives."""

    kills: int
    store: str = "sqlite"
    seed: int = 0
    alive_s: tuple[float, float] = (0.2, 3.0)
    starting_s: tuple[float, float] = (0.05, 1.5)
    load: LoadPlan = field(default_factory=LoadPlan)
    is_power_cut: bool = False
    """Each death takes what was not synced with it, and shares are answered after the sync."""
    workers: int = 1


@dataclass
class Life:
    """One life of the pool, and its end."""

    number: int
    death: Death
    has_come: bool = True
    """Whether it died at the step that was wished."""
    start_s: float | None = None
    """From its start until it was ready, and..."""
    first_share_s: float | None = None
    """...until a share was answered; None: it died before."""
    alive_s: float = 0.0
    submits: int = 0
    accepted: int = 0
    unanswered: int = 0
    to_catch_up: int = 0
    """Records that its journal, or an earlier one, had and the database had not at its end."""
    lost_bytes: int = 0

    @staticmethod
    def head() -> str:
        return (
            f"{'kill':>5} {'death':24} {'ready, s':>8} {'share, s':>8} {'alive, s':>8} "
            f"{'submits':>8} {'true':>7} {'no answer':>9} {'to catch up':>11} {'cut, B':>7}"
        )

    def row(self) -> str:
        missed = "" if self.has_come else " (from without)"
        cells = [_seconds(each) for each in (self.start_s, self.first_share_s, self.alive_s)]
        return (
            f"{self.number:5} {self.death.name + missed:24} {' '.join(f'{c:>8}' for c in cells)} "
            f"{self.submits:8} {self.accepted:7} {self.unanswered:9} {self.to_catch_up:11} "
            f"{self.lost_bytes or '':>7}"
        )


@dataclass
class KillsReport:
    """What was seen."""

    plan: KillsPlan
    lives: list[Life]
    verdict: Verdict
    wrong: list[str]
    submits: int
    reasons: dict[str, int]
    seconds: float

    def problems(self) -> list[str]:
        """All that is not as it must be; empty is good."""
        return self.verdict.wrong + self.wrong

    def text(self) -> str:
        """The figures, for people."""
        verdict, lives = self.verdict, self.lives
        starts = [life.start_s for life in lives if life.start_s is not None]
        kind = "power cuts" if self.plan.is_power_cut else "kills"
        lines = [
            f"{len(lives)} {kind} in {self.seconds:.0f} s, books in {self.plan.store}, "
            f"{self.plan.workers} worker(s) "
            f"(seed {self.plan.seed})",
            f"{self.submits} shares sent, {verdict.answered} answered true, "
            f"{verdict.unanswered} not answered; refused: {self.reasons}",
            f"{verdict.lost} lost, {verdict.doubled} doubled, "
            f"{verdict.counted_unanswered} counted without an answer",
            f"{verdict.torn} journal files end in the middle of a record; "
            f"{verdict.rejects_not_held} malformed or early submits were refused and not booked",
            f"ready after {percentile(starts, 0.5):.2f} s (median), {max(starts, default=0):.2f} s "
            f"(longest); records to catch up: {max(life.to_catch_up for life in lives)} at most",
        ]
        return "\n".join(lines + [f"WRONG: {problem}" for problem in self.problems()])


async def perform_kills(
    plan: KillsPlan,
    bitcoind: Path,
    folder: Path,
    say: Callable[[str], None] = lambda line: None,
) -> KillsReport:
    """Play it once; the pool lives in ``folder``, and its log is left there."""
    began, rng = time.monotonic(), Random(plan.seed)
    release = "sync" if plan.is_power_cut else "turn"
    with torture_store(plan.store, folder) as store:
        async with ledger_stage(
            bitcoind, folder, store, plan.load, rng, release, plan.workers
        ) as stage:
            killer = Killer(plan, stage, rng)
            say(Life.head())
            for number, death in enumerate(drawn(plan.kills, rng, plan.workers), 1):
                say((await killer.one_life(number, death)).row())
            stage.load.life += 1
            await stage.pool.start(killer.step(None))
            await stage.has_load()
            await asyncio.sleep(plan.alive_s[0])
            wrong = await stage.end()
            verdict = await asyncio.to_thread(
                lambda: judge(stage.load.evidence, read_journal(stage.journal), store.books())
            )
            evidence = stage.load.evidence
            reasons = {
                answer: evidence.count(answer)
                for answer in sorted({each.answer or "" for each in evidence.submits})
                if answer not in ("", ACCEPTED)
            }
            return KillsReport(
                plan=plan,
                lives=killer.lives,
                verdict=verdict,
                wrong=wrong,
                submits=len(evidence.submits),
                reasons=reasons,
                seconds=time.monotonic() - began,
            )


class Killer:
    """Starts the pool and kills it."""

    def __init__(self, plan: KillsPlan, stage: LedgerStage, rng: Random) -> None:
        self._plan = plan
        self._stage = stage
        self._rng = rng
        self.lives: list[Life] = []

    def step(self, wish: str | None) -> str | None:
        """What the process is told of its death."""
        if not self._plan.is_power_cut:
            return wish
        return f"{wish or f'{NONE}:signal:1'}:{self._stage.synced}"

    async def one_life(self, number: int, death: Death) -> Life:
        """From a start to the next end."""
        stage, life = self._stage, Life(number, death)
        self.lives.append(life)
        first = len(stage.load.evidence.submits)
        stage.load.life += 1
        began = time.monotonic()
        if death.step is not None:  # of which a coordinator is told at its start
            await stage.pool.kill()
        if not stage.pool.is_alive:
            await stage.pool.begin(self.step(death.wish(self._rng)))
        if death.at_start:
            await self._die_at_start(life)
        else:
            await self._die_under_way(life, began)
        life.alive_s = time.monotonic() - began
        await self._hear_of_it()
        if self._plan.is_power_cut:
            life.lost_bytes = stage.lose_unsynced(self._rng)
        life.to_catch_up = await asyncio.to_thread(self._to_catch_up)
        mine = stage.load.evidence.submits[first:]
        life.submits = len(mine)
        life.accepted = sum(each.answer == ACCEPTED for each in mine)
        life.unanswered = sum(each.answer is None for each in mine)
        return life

    async def _die_at_start(self, life: Life) -> None:
        pool = self._stage.pool
        if life.death.step is None:
            await asyncio.sleep(self._rng.uniform(*self._plan.starting_s))
            await pool.kill()
        else:
            life.has_come = await self._comes()

    async def _die_under_way(self, life: Life, began: float) -> None:
        pool, evidence = self._stage.pool, self._stage.load.evidence
        answers = len(evidence.latencies_ms)
        await pool.becomes_ready()
        life.start_s = time.monotonic() - began
        await asyncio.sleep(self._rng.uniform(*self._plan.alive_s))
        if len(evidence.latencies_ms) > answers:
            life.first_share_s = evidence.latencies_ms[answers][0] - began
        if life.death.whose == "worker":
            pool.kill_worker(self._rng.randrange(self._plan.workers))
        elif life.death.whose == "all":
            await pool.kill_all()
        elif life.death.step is None:
            await pool.kill()
        else:
            os.kill(pool.pid, signal.SIGUSR1)
            life.has_come = await self._comes()

    async def _comes(self) -> bool:
        """Whether the step comes at which it dies; if not it is killed."""
        pool, deadline = self._stage.pool, time.monotonic() + STEP_TIMEOUT_S
        while pool.is_alive and time.monotonic() < deadline:  # noqa: ASYNC110 - a process
            await asyncio.sleep(LOOK_S)
        has_come = not pool.is_alive
        await pool.kill()
        return has_come

    async def _hear_of_it(self) -> None:
        deadline = time.monotonic() + NEWS_S
        while self._stage.load.outstanding and time.monotonic() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(LOOK_S)

    def _to_catch_up(self) -> int:
        folded = self._stage.store.progress()
        journal = read_journal(self._stage.journal)
        return sum(
            max(0, source.last_sequence - folded.get(name, 0)) for name, source in journal.items()
        )


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
