"""How a pool dies in the torture of its books, and in what turn."""

from dataclasses import dataclass
from random import Random

from tests.torture.dying_ledger import JOURNAL_STEPS, STORE_STEPS


@dataclass(frozen=True)
class Death:
    """A way to die. Without ``step`` it is SIGKILL from without, at a moment that is drawn.

    ``at_start``: while it starts, or at a step that a start comes to. ``most`` is how often the
    step may be passed before: a drawn number. Of a pool with several workers it is the coordinator
    that dies, unless ``whose`` says that a worker does, or all at once.
    """

    step: str | None = None
    at_start: bool = False
    most: int = 1
    whose: str = ""

    @property
    def name(self) -> str:
        """For the table."""
        what = "kill -9" if self.step is None else f"at: {self.step}"
        whose = f" {self.whose}" if self.whose else ""
        return what + whose + (", at start" if self.at_start else "")

    def wish(self, rng: Random) -> str | None:
        """What ``dying_ledger`` is told; None where it dies from without."""
        if self.step is None:
            return None
        when = "start" if self.at_start else "signal"
        return f"{self.step}:{when}:{rng.randint(1, self.most)}"


MOMENT = Death()
STARTING = Death(at_start=True)
# A turn and its write come some hundred times a second, a sync 20 times, a commit three.
_MOST = {"unsynced": 12, "synced": 12, "statement": 30, "rows": 200, "commit": 3, "committed": 3}
UNDER_WAY = tuple(Death(step, most=_MOST.get(step, 200)) for step in (*JOURNAL_STEPS, *STORE_STEPS))
# What a start does: it begins a file of the journal, and books what the last life has left.
AT_START = (
    Death("torn", at_start=True),
    Death("unsynced", at_start=True),
    Death("statement", at_start=True, most=8),
    Death("rows", at_start=True, most=40),
    Death("commit", at_start=True),
    Death("committed", at_start=True),
)
ROTATION = (MOMENT,) * 20 + (STARTING,) * 3 + UNDER_WAY + AT_START
SMALL = (MOMENT, UNDER_WAY[1], AT_START[4], MOMENT, UNDER_WAY[7])
# The books are the coordinator's, and so are the steps of the store.
OF_A_CREW = (
    *(MOMENT, Death(whose="worker")) * 6,
    *(Death(whose="all"), STARTING) * 2,
    *(death for death in UNDER_WAY if death.step in STORE_STEPS),
    *(death for death in AT_START if death.step in STORE_STEPS),
)


def drawn(kills: int, rng: Random, workers: int = 1) -> list[Death]:
    """So many, all kinds in turn; each rotation in an order of its own."""
    if workers == 1 and kills <= len(SMALL):
        return list(SMALL[:kills])
    rotation = ROTATION if workers == 1 else OF_A_CREW
    deaths: list[Death] = []
    while len(deaths) < kills:
        deaths += rng.sample(rotation, len(rotation))
    return deaths[:kills]
