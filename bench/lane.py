"""What an ordinary share costs in the lane, socket, journal and books apart.

    python -m bench.lane

Microseconds of CPU time a share, the best of some rounds: of shares that come one, eight and 64 in
a turn, with the Python objects that a turn makes; then by part, each by what a turn costs without
it. The job is a usual one: 12 merkle branches and a coinbase of 250 bytes, as in bench/micro.py.
"""

import time
from collections.abc import Callable
from random import Random

from poolserver._native import JobHasher, LaneRig, ShareLane, ShareSet, backend
from poolserver.bitcoin.target import Difficulty

SHARES = 19_200  # thirty rigs for a minute, ten times as fast as usual
ROUNDS = 25
BRANCHES = 12
COINBASE_SIZES = (100, 138)  # coinb1, coinb2; 12 bytes of extranonce
ANY_HASH, NO_HASH = b"\xff" * 32, bytes(32)
NTIME = 1_763_942_400
JOB_ID = "a1006924d0001f"
IN_A_TURN = (1, 8, 64)


def main() -> None:
    """Print what there is to tell."""
    print(f"us of CPU a share, in the lane ({backend()})")
    for count in IN_A_TURN:
        show(f"{count} in a turn", judged(count))
    whole = judged(64)
    print("of these, 64 in a turn")
    show("hashing: without branches it is less", whole - judged(64, branches=0))
    show("what only shares that are accepted have", whole - refused(64))
    show("a line that is read and left", left())


def show(name: str, value_us: float) -> None:
    print(f"  {name:<44}{value_us:6.2f}")


def lines(count: int) -> list[bytes]:
    """Different submits, ``count`` to each piece."""
    text = [
        b'{"id":%d,"method":"mining.submit","params":["bc1qexampleaddress.rig-%d","%s",'
        b'"%016x","%08x","%08x","00002000"]}\n'
        % (1000 + n, 7, JOB_ID.encode(), n, NTIME, n * 0x9E3779B1 & 0xFFFFFFFF)
        for n in range(SHARES)
    ]
    return [b"".join(text[n : n + count]) for n in range(0, SHARES, count)]


def lane_of(target_le: bytes, branches: int, worker: bytes) -> tuple[ShareLane, LaneRig]:
    coinb1, coinb2 = map(Random(1).randbytes, COINBASE_SIZES)
    branch = tuple(Random(2).randbytes(32) for _ in range(branches))
    hasher = JobHasher(coinb1, coinb2, branch, bytes(32), 0x1D00FFFF, NO_HASH)
    lane, rig = ShareLane(8), LaneRig("rig")
    lane.offer("job", JOB_ID, 31, 0x20000000, NTIME - 600, NTIME + 7000, (hasher,), ShareSet())
    terms = ("terms", 1, target_le, Difficulty.of(65536.0).work, 0x1FFFE000, b"\1\2\3\4", 0)
    rig.open(0, [terms], [("worker", worker, 1)])
    return lane, rig


def judged(
    count: int,
    target_le: bytes = ANY_HASH,
    branches: int = BRANCHES,
    worker: bytes = b"bc1qexampleaddress.rig-7",
) -> float:
    pieces = lines(count)

    def judge_all(lane: ShareLane, rig: LaneRig) -> None:
        judge = lane.judge
        for sequence, piece in enumerate(pieces):
            turn = judge(rig, piece, 0.0, sequence, 1, 1000)
            if turn is not None:
                _ = turn.records, turn.credits

    return best(lambda: lane_of(target_le, branches, worker), judge_all)


def refused(count: int) -> float:
    """Hashed, and found to miss the target."""
    return judged(count, target_le=NO_HASH)


def left() -> float:
    """Read, and of a worker that nobody has heard of."""
    return judged(1, worker=b"another")


def best(
    prepare: Callable[[], tuple[ShareLane, LaneRig]], act: Callable[[ShareLane, LaneRig], None]
) -> float:
    times = []
    for _ in range(ROUNDS):
        lane, rig = prepare()
        started = time.process_time_ns()
        act(lane, rig)
        times.append(time.process_time_ns() - started)
    return min(times) / SHARES / 1000


if __name__ == "__main__":
    main()
