"""The machine's frame: how it begins and ends, what holds at any time, how a rig is picked."""

import logging
from collections.abc import Sequence

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant

from tests.unit.machine.asking import ask_authorize, ask_configure, ask_submit, ask_subscribe
from tests.unit.machine.drawing import MASKS, MAX_RIGS, NBITS
from tests.unit.machine.rig import Rig
from tests.unit.machine.solving import WORKERS, Spec, solve
from tests.unit.machine.world import LISTENERS, PATIENT, Errors, PoolWorld, Tip
from tests.unit.solving import CURTIME


class MachineFrame(RuleBasedStateMachine):
    """A pool with rigs, and the model that it is held against."""

    conduct = PATIENT
    lenient = False

    def __init__(self) -> None:
        super().__init__()
        self.errors = Errors()
        self.logger = logging.getLogger("poolserver._vendor.asyncio_stratum")
        self.logger.addHandler(self.errors)

    def teardown(self) -> None:
        try:
            world = getattr(self, "world", None)
            if world is not None:
                world.settle()
                world.end()
                world.check_books()
        finally:
            self.logger.removeHandler(self.errors)

    @initialize(nbits=NBITS, capped=st.booleans(), branches=st.integers(0, 3), mask=MASKS)
    def open(self, nbits: int, capped: bool, branches: int, mask: int | None) -> None:
        """A pool with two rigs at work; one of them may roll version bits."""
        self.world = PoolWorld(self.conduct, lenient=self.lenient, capped=capped)
        self.find_tip(nbits, 600, branches)
        self.world.broadcast()
        for listener in range(len(LISTENERS)):
            rig = self.world.connect(listener)
            if listener == 0:
                ask_configure(rig, mask, None)
            ask_subscribe(self.world, rig, "rig/1.0", None)
            ask_authorize(self.world, rig, WORKERS[0], "x")
            self.feed(rig)

    def find_tip(self, nbits: int, age: int, branches: int, *, stopgap: bool = False) -> None:
        world = self.world
        mintime = CURTIME + int(world.clock) - age
        world.tips.append(Tip(len(world.tips) + 1, nbits, mintime))
        world.template(world.tips[-1], branches=branches, stopgap=stopgap)

    # --- what holds at any time ----------------------------------------------------------

    @invariant()
    def nothing_was_raised(self) -> None:
        assert self.errors.texts == []

    @invariant()
    def the_books_are_right(self) -> None:
        if hasattr(self, "world"):
            self.world.check_books()

    @invariant()
    def nobody_is_thrown_out(self) -> None:
        if hasattr(self, "world"):
            assert all(rig.line.transport.ended == "" for rig in self.world.rigs)
            assert all(rig.line.transport.ended == "aborted" for rig in self.world.ghosts)

    # --- for the rules --------------------------------------------------------------------------

    def rig(self, pick: int) -> Rig:
        return self.world.rigs[pick % len(self.world.rigs)]

    def miner(self, pick: int) -> Rig:
        miners = self.miners()
        return miners[pick % len(miners)]

    def miners(self) -> list[Rig]:
        """Those that have had a job, on this connection or the one that they resumed."""
        return [rig for rig in self.world.rigs if rig.session.sent]

    def feed(self, rig: Rig, cuts: Sequence[int] = (), held_back: int = 0) -> None:
        rig.feed(cuts, held_back)
        if rig.line.session.is_dismissed:
            assert self.lenient
            rig.line.protocol.close()  # the loop would do it next
            assert rig.line.transport.ended == "closed"
            self.world.hang_up(rig)

    def session_id(self, which: str, pick: int) -> str | None:
        world = self.world
        ids = {
            "lost": list(world.lost),
            "live": [rig.session_id for rig in world.rigs if rig.is_subscribed],
            "former": world.old_session_ids,
            "unknown": ["feed" * 8],
        }.get(which, [])
        return ids[pick % len(ids)] if ids else None

    def submit_shares(
        self, pick: int, specs: list[Spec], cuts: Sequence[int] = (), held_back: int = 0
    ) -> None:
        if not self.has_miner():
            return  # the ladder threw it out
        rig = self.miner(pick)
        for spec in specs:
            share = solve(spec, rig.session, self.world.reference)
            self.world.shares.append(share)
            ask_submit(self.world, rig, share, upper=spec.upper)
        self.feed(rig, cuts, held_back)

    def has_miner(self) -> bool:
        return any(rig.session.sent for rig in self.world.rigs)

    def may_connect(self) -> bool:
        return len(self.world.rigs) < MAX_RIGS
