"""Rigs to be listed, and a clock that stands."""

from poolserver.lookout.rigs import Rigs
from tests.unit.lookout.fleet import MadeUpFleet


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def rigs_of(fleet: MadeUpFleet) -> tuple[Rigs, Clock]:
    clock = Clock()
    return Rigs(fleet, fleet.known.get, clock), clock
