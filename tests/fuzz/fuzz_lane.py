"""The lane beside the plain path: the same bytes from two rigs, one of which has a lane.

The first input byte says what the rigs have settled with the pool, the second how many lines
come in a turn, the rest is the lines. What the two are answered, what is recorded and what is
remembered of them must be the same.
"""

from contextlib import nullcontext
from itertools import accumulate, pairwise
from typing import Any

from tests.fuzz.world import HandTurnedLoop
from tests.unit.server.lane_line import LaneLine, tell
from tests.unit.server.wire import AUTHORIZE, SUBSCRIBE, FakeHouse, Line
from tests.unit.solving import MAINNET_NBITS, REGTEST_NBITS, vardiff_terms

CONFIGURE = (
    b'{"id":3,"method":"mining.configure","params":[["version-rolling"],'
    b'{"version-rolling.mask":"1fffe000"}]}\n'
)
ROLLS, HARDER, FINDS_BLOCKS, HAS_TWO, HAS_STALE = (1 << bit for bit in range(5))

watching = nullcontext
"""Hold this around all inputs."""


def one_input(data: bytes) -> None:
    """Hear one input.

    Raises:
        AssertionError: lane and plain path differ; and so does whatever else is raised.
    """
    if len(data) >= 2:
        compare(data[0], turns(data[2:], data[1]))


def turns(said: bytes, step: int) -> list[bytes]:
    """``said`` cut after some lines each, and where ``step`` says so some bytes behind that."""
    lines = said.split(b"\n")
    count, behind = 1 + (step & 7), step >> 3
    groups = [b"\n".join(lines[i : i + count]) + b"\n" for i in range(0, len(lines), count)]
    ends = (end + behind * (i & 1) for i, end in enumerate(accumulate(map(len, groups))))
    return [said[begin:end] for begin, end in pairwise((0, *accumulate(ends, max)))]


def compare(plan: int, parts: list[bytes]) -> int:
    """Say the same by both ways; how many shares went by the lane."""
    expected, _ = hear(plan, Line, parts)
    found, lane = hear(plan, LaneLine, parts)
    if expected != found:
        raise AssertionError(f"plain path and lane differ:\n{expected}\n{found}")
    assert isinstance(lane, LaneLine)
    return lane.went_by_lane


def hear(plan: int, way: type[Line], parts: list[bytes]) -> tuple[list[Any], Line]:
    """All that comes of it if a rig says that."""
    house = FakeHouse()
    with HandTurnedLoop(house).running():
        line = begun(plan, house, way)
        return tell(line, parts), line


def begun(plan: int, house: FakeHouse, way: type[Line]) -> Line:
    """A rig that has two jobs, the second from the same template unless ``HAS_STALE``."""
    difficulty = 2.0**-31 if plan & HARDER else 2.0**-32  # which every hash meets
    terms = vardiff_terms(difficulty)
    nbits = REGTEST_NBITS if plan & FINDS_BLOCKS else MAINNET_NBITS
    job = house.work(nbits=nbits)
    line = way(house, type(terms)(12, difficulty, difficulty, difficulty))
    line.say(*[CONFIGURE] * (plan & ROLLS), SUBSCRIBE, AUTHORIZE)
    if plan & HAS_TWO:
        line.say(AUTHORIZE.replace(b"demo.rig", b"demo.b"))
    later = house.work(nbits=nbits, tip=2 if plan & HAS_STALE else 1)
    assert later.number == job.number + 1
    line.session.send_job(later, clean=False)
    line.heard()
    return line
