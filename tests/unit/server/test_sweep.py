"""The look at every session: each once in so many steps, whoever comes and goes meanwhile."""

from poolserver.mining.miner import AuthorizedWorker, Miner
from poolserver.mining.vardiff import Vardiff
from poolserver.server.sweep import SWEEP_STEPS, Sweep
from tests.unit.solving import vardiff_terms


class Session:
    """Counts the looks at it; one that is broken cannot be looked at."""

    def __init__(self, *, is_resolved: bool = True, is_broken: bool = False) -> None:
        worker = AuthorizedWorker(1, "demo", "demo.rig", 0.0)
        worker.is_resolved = is_resolved
        self.miner = Miner(Vardiff(vardiff_terms(), 1.0, 0.0), 0)
        self.miner.workers["demo.rig"] = worker
        self.looks = 0
        self.is_aborted = False
        self._is_broken = is_broken

    def tick(self, now: float) -> None:
        if self._is_broken:
            raise AssertionError("a bug")
        self.looks += 1

    def abort(self) -> None:
        self.is_aborted = True


def looks(sessions: list[Session]) -> list[int]:
    return [session.looks for session in sessions]


def test_each_is_looked_at_once_in_a_sweep_and_as_many_in_each_step() -> None:
    sessions = [Session() for _ in range(3 * SWEEP_STEPS)]
    sweep = Sweep(sessions)
    for step in range(1, SWEEP_STEPS + 1):
        sweep.step(0.0)
        assert looks(sessions) == [1] * 3 * step + [0] * 3 * (SWEEP_STEPS - step)


def test_a_few_are_looked_at_no_more_often_than_many() -> None:
    sessions = [Session(), Session()]
    sweep = Sweep(sessions)
    for _ in range(3 * SWEEP_STEPS):
        sweep.step(0.0)
    assert looks(sessions) == [3, 3]


def test_who_comes_during_a_sweep_is_looked_at_in_the_next() -> None:
    sessions = [Session() for _ in range(SWEEP_STEPS)]
    sweep = Sweep(sessions)
    sweep.step(0.0)
    sessions.append(Session())
    for _ in range(SWEEP_STEPS - 1):
        sweep.step(0.0)
    assert looks(sessions) == [1] * SWEEP_STEPS + [0]
    for _ in range(SWEEP_STEPS):
        sweep.step(0.0)
    assert looks(sessions) == [2] * SWEEP_STEPS + [1]


def test_trouble_with_one_session_ends_that_one_alone() -> None:
    broken, fine = Session(is_broken=True), Session()
    sweep = Sweep([broken, fine])
    for _ in range(SWEEP_STEPS):
        sweep.step(0.0)
    assert (broken.is_aborted, fine.is_aborted, fine.looks) == (True, False, 1)


def test_workers_that_are_not_resolved_are_counted_by_whole_sweeps() -> None:
    sweep = Sweep([Session(is_resolved=n >= 3) for n in range(SWEEP_STEPS)])
    counts = []
    for _ in range(2 * SWEEP_STEPS):
        sweep.step(0.0)
        counts.append(sweep.unresolved)
    assert counts == [0] * (SWEEP_STEPS - 1) + [3] * (SWEEP_STEPS + 1)


def test_one_that_mines_no_more_is_not_unresolved() -> None:
    sweep = Sweep([Session(is_resolved=False)])
    for _ in range(SWEEP_STEPS):
        sweep.step(1e6)
    assert sweep.unresolved == 0
