"""No sequence of messages, jobs and losses makes a wrong answer, a double credit or an exception.

Real sessions and a real pool are driven at random; a simple model of the rules (machine/) says
what must come of each share. POOLSERVER_TORTURE=1 runs it for long.
"""

import os
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    precondition,
    rule,
    run_state_machine_as_test,
)

from poolserver.server.conduct import ConductTerms
from tests.unit.machine.asking import (
    ask_authorize,
    ask_configure,
    ask_extranonces,
    ask_submit,
    ask_subscribe,
    check_suggested,
)
from tests.unit.machine.drawing import (
    AGENTS,
    CUTS,
    DIFFICULTIES,
    EASED_SPECS,
    GARBAGE,
    MASKS,
    NBITS,
    PASSWORDS,
    PICKS,
    ROLLED_SPECS,
    SECONDS,
    SESSIONS,
)
from tests.unit.machine.frame import MachineFrame
from tests.unit.machine.reference import Share
from tests.unit.machine.rig import begins_with, is_error, is_true
from tests.unit.machine.solving import MALFORMED, SPECS, WORKERS, Spec, spoil
from tests.unit.machine.world import LISTENERS
from tests.unit.solving import CURTIME

TORTURE = os.environ.get("POOLSERVER_TORTURE", "") not in ("", "0")
EXAMPLES, STEPS = (2000, 100) if TORTURE else (300, 50)


class StratumMachine(MachineFrame):
    """Rigs, jobs and shares of an honest pool, and of rigs that are neither."""

    # --- templates and time --------------------------------------------------------------

    @rule(nbits=NBITS, age=st.integers(0, 9000), branches=st.integers(0, 3), stopgap=st.booleans())
    def new_tip(self, nbits: int, age: int, branches: int, stopgap: bool) -> None:
        self.find_tip(nbits, age, branches, stopgap=stopgap)
        self.world.broadcast()

    @rule(back=st.integers(0, 5), branches=st.integers(0, 3), stopgap=st.booleans())
    def reorganise(self, back: int, branches: int, stopgap: bool) -> None:
        tips = self.world.tips
        self.world.template(tips[-1 - back % len(tips)], branches=branches, stopgap=stopgap)
        self.world.broadcast()

    @precondition(lambda self: self.has_miner())
    @rule(nbits=NBITS, pick=PICKS, specs=st.lists(SPECS, min_size=1, max_size=3))
    def reorganise_and_replay(self, nbits: int, pick: int, specs: list[Spec]) -> None:
        """A, B and A again: what was counted before is not counted again."""
        before = self.world.tip
        self.submit_shares(pick, specs)
        self.new_tip(nbits, 600, 1, False)
        self.world.template(before, branches=1)
        self.world.broadcast()
        for back in range(len(specs)):
            if self.has_miner():
                self.replay(self.world.rigs.index(self.miner(pick)), back, False, None)

    @rule(branches=st.integers(0, 3))
    def refresh(self, branches: int) -> None:
        """Also what follows a stopgap."""
        self.world.template(self.world.tip, branches=branches)
        self.world.broadcast()

    @rule()
    def refresh_unchanged(self) -> None:
        self.world.broadcast()

    @rule(seconds=SECONDS)
    def advance(self, seconds: float) -> None:
        self.world.advance(seconds)

    @rule()
    def look_at_vardiff(self) -> None:
        for rig in self.world.rigs:
            rig.line.session.tick(self.world.clock)
            rig.read()

    @rule(has_template=st.booleans())
    def restart(self, has_template: bool) -> None:
        self.world.restart()
        if has_template:
            self.world.broadcast()

    # --- connections ---------------------------------------------------------------------

    @precondition(lambda self: self.may_connect())
    @rule(listener=st.integers(0, len(LISTENERS) - 1))
    def connect(self, listener: int) -> None:
        self.world.connect(listener)

    @precondition(lambda self: self.may_connect())
    @rule(
        listener=st.integers(0, len(LISTENERS) - 1),
        order=st.permutations(["subscribe", "authorize", "configure"]),
        has_mask=st.booleans(),
        mask=MASKS,
        password=PASSWORDS,
        agent=AGENTS,
        which=SESSIONS,
        pick=PICKS,
        cuts=CUTS,
        specs=st.lists(ROLLED_SPECS, max_size=2),
    )
    def arrive(
        self,
        listener: int,
        order: list[str],
        has_mask: bool,
        mask: int | None,
        password: str,
        agent: str,
        which: str,
        pick: int,
        cuts: list[int],
        specs: list[Spec],
    ) -> None:
        """A whole handshake in one go, in any order; and the first shares."""
        named = self.session_id(which, pick)
        rig = self.world.connect(listener)
        for step in order:
            if step == "subscribe":
                ask_subscribe(self.world, rig, agent, named)
            elif step == "authorize":
                ask_authorize(self.world, rig, WORKERS[0], password)
            else:
                ask_configure(rig, mask, 2.0**-32, rolls=has_mask)
        self.feed(rig, cuts)
        if rig.session.sent and rig in self.world.rigs:
            self.submit_shares(self.miners().index(rig), specs)

    @precondition(lambda self: self.has_miner() and self.may_connect())
    @rule(pick=PICKS, seconds=st.sampled_from([0.0, 59.0, 60.0, 61.0]))
    def contend(self, pick: int, seconds: float) -> None:
        """Two rigs take one session from each other."""
        held = self.miner(pick).session_id
        for _ in range(2):
            rig = self.world.connect(0)
            ask_subscribe(self.world, rig, "rig/1.0", held)
            ask_authorize(self.world, rig, WORKERS[0], "x")
            self.feed(rig)
            held = rig.session_id
            self.world.advance(seconds)

    @precondition(lambda self: self.world.rigs)
    @rule(pick=PICKS)
    def disconnect(self, pick: int) -> None:
        self.world.hang_up(self.rig(pick))

    @precondition(lambda self: self.world.ghosts)
    @rule()
    def hear_of_a_lost_connection(self) -> None:
        self.world.ghosts.pop(0).line.hang_up()

    # --- the handshake and what goes with it ---------------------------------------------

    @precondition(lambda self: self.world.rigs)
    @rule(pick=PICKS, agent=AGENTS, which=SESSIONS, other=PICKS, cuts=CUTS)
    def subscribe(self, pick: int, agent: str, which: str, other: int, cuts: list[int]) -> None:
        rig = self.rig(pick)
        ask_subscribe(self.world, rig, agent, self.session_id(which, other))
        self.feed(rig, cuts)

    @precondition(lambda self: self.world.rigs)
    @rule(
        pick=PICKS,
        name=st.sampled_from((*WORKERS, "demo")),
        password=PASSWORDS,
        cuts=CUTS,
    )
    def authorize(self, pick: int, name: str, password: str, cuts: list[int]) -> None:
        rig = self.rig(pick)
        ask_authorize(self.world, rig, name, password)
        self.feed(rig, cuts)

    @precondition(lambda self: self.world.rigs)
    @rule(pick=PICKS, mask=MASKS, floor=st.none() | DIFFICULTIES, rolls=st.booleans())
    def configure(self, pick: int, mask: int | None, floor: float | None, rolls: bool) -> None:
        rig = self.rig(pick)
        ask_configure(rig, mask, floor, rolls=rolls)
        self.feed(rig)

    @precondition(lambda self: self.has_miner())
    @rule(
        pick=PICKS,
        mask=MASKS,
        rolls=st.booleans(),
        renews=st.booleans(),
        specs=st.lists(ROLLED_SPECS, min_size=1, max_size=3),
    )
    def configure_anew(
        self, pick: int, mask: int | None, rolls: bool, renews: bool, specs: list[Spec]
    ) -> None:
        """Another mask, for the jobs that a rig has as well."""
        rig = self.miner(pick)
        ask_configure(rig, mask, None, rolls=rolls)
        self.feed(rig)
        if renews and self.world.latest is not None:
            self.world.broadcast()
        self.submit_shares(pick, specs)

    @precondition(lambda self: self.world.rigs)
    @rule(pick=PICKS, difficulty=DIFFICULTIES, as_target=st.booleans())
    def suggest(self, pick: int, difficulty: float, as_target: bool) -> None:
        rig = self.rig(pick)
        if as_target:
            target = min(int(2.0**224 / difficulty), 2**256 - 1)
            rig.ask("mining.suggest_target", [f"{target:064x}"], lambda: None, check_suggested)
        else:
            rig.ask("mining.suggest_difficulty", [difficulty], lambda: None, is_true)
        self.feed(rig)

    @precondition(lambda self: self.world.rigs)
    @rule(pick=PICKS)
    def subscribe_to_extranonces(self, pick: int) -> None:
        ask_extranonces(self.rig(pick))
        self.feed(self.rig(pick))

    @precondition(lambda self: any(rig.is_ready for rig in self.world.rigs))
    @rule(pick=PICKS, asks=st.booleans(), specs=st.lists(SPECS, max_size=3))
    def resend_work(self, pick: int, asks: bool, specs: list[Spec]) -> None:
        """With a new extranonce1 for who knows that; shares of older jobs still count."""
        ready = [rig for rig in self.world.rigs if rig.is_ready]
        rig = ready[pick % len(ready)]
        if asks:
            ask_extranonces(rig)
            self.feed(rig)
        self.world.rewind_extranonces()
        self.world.resending = True
        rig.line.session.resend_work()
        rig.read()
        self.world.resending = False
        if rig.session.sent:
            self.submit_shares(self.miners().index(rig), specs)

    @precondition(lambda self: self.world.rigs)
    @rule(pick=PICKS, line=GARBAGE, cuts=CUTS)
    def talk_nonsense(self, pick: int, line: bytes, cuts: list[int]) -> None:
        rig = self.rig(pick)
        rig.garbage(line)
        self.feed(rig, cuts)

    @precondition(lambda self: self.world.rigs and self.world.shares)
    @rule(pick=PICKS, back=st.integers(0, 20))
    def get_transactions(self, pick: int, back: int) -> None:
        rig, shares = self.rig(pick), self.world.shares
        job_id = shares[-1 - back % len(shares)].job_id
        has_work = rig.is_subscribed and bool(rig.workers)
        lives = self.world.reference.lives(job_id, self.world.clock) and has_work

        def check(message: dict[str, Any]) -> None:
            if message["error"] == [20, "too_often", None]:
                return
            if lives:
                assert message["result"] == []
            else:
                is_error(21, "job_not_found")(message)

        rig.ask("mining.get_transactions", [job_id], lambda: None, check)
        self.feed(rig)

    # --- shares --------------------------------------------------------------------------

    @precondition(lambda self: self.has_miner())
    @rule(pick=PICKS, specs=st.lists(SPECS, min_size=1, max_size=6), settle=st.booleans())
    def submit(self, pick: int, specs: list[Spec], settle: bool) -> None:
        self.submit_shares(pick, specs)
        if settle:
            self.world.settle()

    @precondition(lambda self: self.has_miner())
    @rule(
        pick=PICKS,
        nonces=st.lists(st.integers(0, 2**32 - 1), min_size=2, max_size=8),
        pause_s=st.sampled_from([0.0, 0.1, 0.5, 1.0, 5.0, 20.0]),
    )
    def mine(self, pick: int, nonces: list[int], pause_s: float) -> None:
        """Good shares at some pace, so that vardiff moves; each on the job before the last."""
        for nonce in nonces:
            self.world.advance(pause_s)
            self.submit_shares(pick, [Spec(job=nonce % 2, nonce=nonce)])

    @precondition(lambda self: self.has_miner())
    @rule(
        pick=PICKS,
        seconds=st.sampled_from([31.0, 60.0, 200.0]),
        specs=st.lists(EASED_SPECS, min_size=1, max_size=4),
    )
    def fall_silent(self, pick: int, seconds: float, specs: list[Spec]) -> None:
        """Silence lowers difficulties; a rig may apply the lower one to the jobs that it had."""
        self.world.advance(seconds)
        self.look_at_vardiff()
        self.submit_shares(pick, specs)

    @precondition(lambda self: self.has_miner())
    @rule(pick=PICKS, spec=SPECS, cuts=CUTS, held_back=st.integers(0, 200))
    def submit_in_pieces(self, pick: int, spec: Spec, cuts: list[int], held_back: int) -> None:
        """The rest of the line comes with whatever this rig says next."""
        self.submit_shares(pick, [spec], cuts, held_back)

    @precondition(lambda self: self.world.rigs and self.world.shares)
    @rule(
        pick=PICKS,
        back=st.integers(0, 20),
        upper=st.booleans(),
        worker=st.sampled_from([None, None, *WORKERS]),
    )
    def replay(self, pick: int, back: int, upper: bool, worker: str | None) -> None:
        """A share of this rig or another, of this life of the pool or a former one."""
        share = self.world.shares[-1 - back % len(self.world.shares)]
        rig = self.rig(pick)
        ask_submit(self.world, rig, share._replace(worker=worker or share.worker), upper=upper)
        self.feed(rig)

    @precondition(lambda self: self.world.rigs)
    @rule(pick=PICKS, fault=st.sampled_from(MALFORMED), count=st.sampled_from([6, 6, 4, 0, 7]))
    def submit_malformed(self, pick: int, fault: tuple[int, Any], count: int) -> None:
        rig = self.rig(pick)
        sent = rig.session.sent
        share = Share(WORKERS[0], sent[-1].job.job_id if sent else "0", bytes(8), CURTIME, 0, 0)
        params = [*spoil(share, *fault), "00"][:count]
        label, code = ("malformed", 20) if rig.is_subscribed else ("not_subscribed", 25)
        rig.ask(
            "mining.submit",
            params,
            lambda: self.world.refused(rig, label),
            begins_with(code, label),
        )
        self.feed(rig)

    @precondition(lambda self: self.world.rigs)
    @rule()
    def settle(self) -> None:
        self.world.settle()


class LadderMachine(StratumMachine):
    """Rigs of which many are dismissed, but none for an error."""

    conduct = ConductTerms(
        resend_after_s=3,
        reconnect_after_s=6,
        drop_after_s=9,
        run_gap_s=100,
        window_submits=10,
        ban_s=100,
    )
    lenient = True


SETTINGS = settings(
    max_examples=EXAMPLES,
    stateful_step_count=STEPS,
    deadline=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
    phases=[phase for phase in Phase if phase is not Phase.explain],
)


@pytest.mark.slow
@pytest.mark.timeout(0 if TORTURE else 300)
async def test_every_share_is_answered_and_credited_by_the_rules() -> None:
    run_state_machine_as_test(StratumMachine, settings=SETTINGS)


@pytest.mark.slow
@pytest.mark.timeout(0 if TORTURE else 300)
async def test_the_ladder_of_abuse_dismisses_and_never_raises() -> None:
    run_state_machine_as_test(
        LadderMachine, settings=settings(SETTINGS, max_examples=EXAMPLES // 3)
    )
