"""One simulated rig without I/O: what the pool says goes in, when a share is due comes out.

A rig that does H hashes a second finds a share of W expected hashes (W = 2^256 / (target + 1))
as a Poisson process of rate H / W: each hash is a try of its own with chance 1 / W. To hash all
the time, as a rig does, only shows where on the time line the finds lie. So here the finds are
drawn (the waits between them are exponential), and only when one is due the CPU searches, over
the rig's own extranonce2 and nonces, until it has one. That is honest work, for

* a search takes W hashes on the mean, and there are H / W of them a second: the hashes that are
  really done are those that the rate stands for, and no more shares come of them;
* a solution is the first real hash found below the share target, so it is uniform below it, and
  it is a block with the chance that any share has, by itself and without being arranged;
* an exponential wait has no memory. What is left of one is as long as a new one, on any job,
  so a job of the same difficulty needs no new draw, and one of another difficulty gets one.

What the CPU cannot hash in time comes late and is caught up with, up to a limit; what is beyond
is given up. ``lost_s`` counts both, so that the rate which was kept is known at once, without the
noise of counted shares.

``work_scale`` is not known here: ``hashes_per_s`` is what the CPU is to hash for this rig.
"""

from random import Random

from poolserver._vendor.asyncio_stratum import Notify
from poolserver.bitcoin.target import Difficulty
from poolserver.sim.search import Attempt, Work

# Stratum's difficulty before the pool has named one.
DIFFICULTY_BEFORE_THE_FIRST = 1.0
# A machine that slept must not send for its hours of sleep. But a share that takes long to find
# comes late by as much: the limit is the greater of so many seconds, and of so many mean waits.
MAX_LAG_S = 10.0
MAX_LAG_WAITS = 4.0
# In every other search version bits are rolled: pools see submits with five fields and with six.
VERSION_ROLLING_SHARE = 0.5


class Rig:
    """``now`` is monotonic, in seconds. Sources: Stratum V1; BIP310 for the version bits."""

    __slots__ = (
        "_difficulty",
        "_extranonce1",
        "_extranonce2_counter",
        "_extranonce2_size",
        "_hashes_per_s",
        "_hashing_s",
        "_hashing_since",
        "_lost_s",
        "_random",
        "_version_mask",
        "_waiting_since",
        "due_at",
        "work",
    )

    def __init__(self, hashes_per_s: float, random: Random) -> None:
        if hashes_per_s <= 0:
            raise ValueError("a rig does more than 0 hashes a second")
        self._hashes_per_s = hashes_per_s
        self._random = random
        self._extranonce2_counter = 0  # never reset: it repeats nothing over a resumed session
        self._hashing_s = 0.0
        self._lost_s = 0.0
        self._forget_connection()

    def _forget_connection(self) -> None:
        self._difficulty = DIFFICULTY_BEFORE_THE_FIRST
        self._extranonce1, self._extranonce2_size = b"", 0
        self._version_mask = 0
        self._hashing_since: float | None = None
        self._waiting_since = 0.0
        self.work: Work | None = None
        self.due_at: float | None = None
        """When the next share is found; None while there is no work."""

    # --- what the pool says ------------------------------------------------------------------

    def on_extranonce(self, extranonce1: bytes, extranonce2_size: int) -> None:
        """Subscribed, or ``mining.set_extranonce``: for the jobs that follow."""
        self._extranonce1, self._extranonce2_size = extranonce1, extranonce2_size

    def on_version_mask(self, mask: int) -> None:
        """Configured, or ``mining.set_version_mask``: for the jobs that follow."""
        self._version_mask = mask

    def on_difficulty(self, difficulty: float) -> None:
        """``mining.set_difficulty``: for the jobs that follow.

        Raises:
            ValueError: no hash meets so high a difficulty.
        """
        Difficulty.of(difficulty)
        self._difficulty = difficulty

    def on_notify(self, job: Notify, now: float) -> None:
        """``mining.notify``: the former work, clean or not, is dropped at once.

        A share that is due and not yet found goes on on the new job, unless the difficulty is
        another: then it is given up, as it stands for other work than a share of the new job.
        """
        former, difficulty = self.work, Difficulty.of(self._difficulty)
        self.work = Work(
            job, self._extranonce1, self._extranonce2_size, self._version_mask, difficulty
        )
        if former is None:
            self._hashing_since = now
        elif former.difficulty == difficulty:
            return
        self._lost_s += self._unhashed_s(now)
        self._draw(now, self.work)

    def on_disconnected(self, now: float) -> None:
        """The connection is gone, and the work with it."""
        self._lost_s += self._unhashed_s(now)
        self._hashing_s = self.hashing_s(now)
        self._forget_connection()

    # --- what the rig does -------------------------------------------------------------------

    @property
    def is_hashing(self) -> bool:
        """Whether it has work, and so draws its power."""
        return self.work is not None

    def is_due(self, now: float) -> bool:
        """Whether a share is to be searched for."""
        return self.due_at is not None and self.due_at <= now

    def attempt(self) -> Attempt:
        """A header that this rig never had before, to try nonces on.

        Raises:
            RuntimeError: there is no work.
        """
        if self.work is None:
            raise RuntimeError("a rig without work has nothing to search for")
        size = self.work.extranonce2_size
        extranonce2 = (self._extranonce2_counter % (1 << 8 * size)).to_bytes(size, "big")
        self._extranonce2_counter += 1
        bits = self._roll_version(self.work)
        return Attempt(self.work, extranonce2, bits, self._random.getrandbits(32))

    def _roll_version(self, work: Work) -> int | None:
        """The job's own bits stay set: pools which or the bits in and pools which replace them
        (BIP310) then build the same header."""
        mask = work.version_mask
        if not mask or self._random.random() >= VERSION_ROLLING_SHARE:
            return None
        return (work.job.version | self._random.getrandbits(32)) & mask

    def on_found(self, now: float) -> None:
        """The share that was due is found; the wait for the next began when this one was due.

        Raises:
            RuntimeError: there is no work.
        """
        if self.work is None or self.due_at is None:
            raise RuntimeError("a rig without work finds nothing")
        mean_wait_s = self.work.difficulty.work / self._hashes_per_s
        limit = max(MAX_LAG_S, MAX_LAG_WAITS * mean_wait_s)
        given_up = max(0.0, now - self.due_at - limit)
        self._lost_s += given_up
        self._draw(self.due_at + given_up, self.work)

    def _draw(self, since: float, work: Work) -> None:
        self._waiting_since = since
        self.due_at = since + self._random.expovariate(self._hashes_per_s / work.difficulty.work)

    # --- how far the CPU kept pace -----------------------------------------------------------

    def hashing_s(self, now: float) -> float:
        """For how many seconds it had work."""
        if self._hashing_since is None:
            return self._hashing_s
        return self._hashing_s + now - self._hashing_since

    def lost_s(self, now: float) -> float:
        """How many of them the CPU has not hashed for it: those given up, and the lag of now."""
        return self._lost_s + self._unhashed_s(now)

    def _unhashed_s(self, now: float) -> float:
        """The lag of now: how late a due share is, and the wait for it, which it stands for.

        The wait counts by no more than the share is late, so that the few milliseconds of a
        search that is going on are not taken for seconds.
        """
        if self.due_at is None or now <= self.due_at:
            return 0.0
        late_s = now - self.due_at
        return late_s + min(late_s, self.due_at - self._waiting_since)
