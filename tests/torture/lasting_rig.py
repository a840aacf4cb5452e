"""A rig or proxy that comes back to a pool whenever its connection is lost.

It solves real shares by the bytes of its notify lines. Most are good; some are not, in every way
that the books tell apart. All that is sent and answered is evidence.
"""

import asyncio
import time
from collections import deque
from collections.abc import Hashable
from contextlib import suppress
from functools import partial
from itertools import count
from random import Random
from typing import Any, NamedTuple, Protocol, cast

import msgspec

from poolserver._native import scan_nonces, sha256d
from poolserver.bitcoin.header import pack_header
from poolserver.bitcoin.merkle import merkle_root_from_branch
from poolserver.bitcoin.target import target_from_difficulty, target_le
from tests.torture.connection import ASKED_MASK, Job
from tests.torture.evidence import ACCEPTED, NOBODY, Evidence, Kind, Submit

RECONNECT_S = (0.02, 0.2)
SCAN = 64
# Later than the pool allows (7,000 s) and sooner than a node does (7,200 s).
LATE_S = 7050
# How many of 1,000 shares are not good ones; each rig still has more accepted than refused.
MIX = {
    Kind.DUPLICATE: 40,
    Kind.STALE: 30,
    Kind.LOW: 25,
    Kind.STRANGER: 15,
    Kind.NO_JOB: 15,
    Kind.NTIME: 10,
    Kind.VERSION: 10,
    Kind.MALFORMED: 5,
}


class Solution(NamedTuple):
    """What a submit line says, and in which life of the pool it was found."""

    life: Hashable
    job: Job
    extranonce1: bytes
    extranonce2: bytes
    ntime: int
    nonce: int
    bits: int


class Surroundings(Protocol):
    """What a rig needs of the load that it is a part of."""

    rng: Random
    evidence: Evidence
    jobs: dict[bytes, Job]
    outstanding_each: int
    cut_every: int

    def job(self, line: bytes, message: dict[str, Any]) -> Job: ...
    def life_of(self, job: Job) -> Hashable: ...


class LastingRig:
    """One rig or proxy over all of its connections."""

    def __init__(self, load: Surroundings, port: int, usernames: list[str], *, rolls: bool) -> None:
        self.load = load
        self.usernames = usernames
        self.rolls = rolls
        self.connections = 0
        """How often it has connected."""
        self.session_id: str | None = None
        self.extranonce1 = b""
        self.unanswered: deque[tuple[Submit, Solution]] = deque(maxlen=16)
        self._port = port
        self._link: Link | None = None

    @property
    def is_ready(self) -> bool:
        return self._link is not None and self._link.is_ready

    @property
    def outstanding(self) -> int:
        return 0 if self._link is None else len(self._link.pending)

    def mine(self) -> None:
        """Send one more share, if there is a connection and room for it."""
        link, load = self._link, self.load
        if link is None or not link.is_ready or len(link.pending) >= load.outstanding_each:
            return
        link.send_one()
        if load.rng.randrange(load.cut_every) == 0:
            link.abort()

    async def stay_connected(self) -> None:
        """Connect, and again whenever the connection is lost."""
        loop = asyncio.get_running_loop()
        while True:
            with suppress(OSError):
                link = Link(self)
                await loop.create_connection(partial(_same, link), "127.0.0.1", self._port)
                self._link = link
                self.connections += 1
                try:
                    await link.lost
                finally:
                    self._link = None
                    link.abort()
            await asyncio.sleep(self.load.rng.uniform(*RECONNECT_S))


class Link(asyncio.Protocol):
    """One connection of a rig."""

    def __init__(self, rig: LastingRig) -> None:
        self._rig = rig
        self._rng = rig.load.rng
        self._evidence = rig.load.evidence
        self._transport: asyncio.Transport
        self._rest = b""
        self._ids = count(1)
        self._numbers = count(self._rng.randrange(1 << 24))
        self._handshake: dict[int, str] = {}
        self._mask = 0
        self._extranonce2_size = 0
        self._target = 0
        self._job: Job | None = None
        self._old_job: Job | None = None
        self._answered: deque[Solution] = deque(maxlen=8)  # accepted ones, to send twice
        self.pending: dict[int, tuple[Submit, Solution | None]] = {}
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def is_ready(self) -> bool:
        return self._job is not None and self._target > 0 and not self._handshake

    def abort(self) -> None:
        """Break the connection, whatever is under way."""
        if hasattr(self, "_transport"):
            self._transport.abort()

    # --- handshake -----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if self._rng.randrange(50) == 0:
            self._submit_early()
        if self._rig.rolls:
            options = {"version-rolling.mask": f"{ASKED_MASK:08x}"}
            self._call("mining.configure", [["version-rolling"], options])
        known = [] if self._rig.session_id is None else [self._rig.session_id]
        self._call("mining.subscribe", ["load/1.0", *known])
        for username in self._rig.usernames:
            self._call("mining.authorize", [username, "x"])

    def _call(self, method: str, params: list[Any]) -> None:
        number = next(self._ids)
        self._handshake[number] = method
        call = {"id": number, "method": method, "params": params}
        self._transport.write(msgspec.json.encode(call) + b"\n")

    def _granted(self, method: str, result: Any) -> None:
        if method == "mining.configure":
            self._mask = int(result["version-rolling.mask"], 16)
        elif method == "mining.subscribe":
            self._rig.session_id = str(result[0][0][1])
            self._rig.extranonce1 = bytes.fromhex(result[1])
            self._extranonce2_size = result[2]

    # --- lines of the pool ---------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            job = self._rig.load.jobs.get(line)
            if job is not None:
                self._take(job)
            else:
                self._read(line, msgspec.json.decode(line))

    def _read(self, line: bytes, message: dict[str, Any]) -> None:
        method = message.get("method")
        if method is None:
            self._answer(message["id"], message["result"], message["error"])
        elif method == "mining.notify":
            self._take(self._rig.load.job(line, message))
        elif method == "mining.set_difficulty":
            self._target = target_from_difficulty(message["params"][0])
        else:
            self._evidence.faults.append(f"the pool sent {line.decode(errors='replace')}")

    def _take(self, job: Job) -> None:
        before, self._job = self._job, job
        if before is not None and before.tip != job.tip:
            self._old_job = before

    def _answer(self, number: int, result: Any, error: Any) -> None:
        method = self._handshake.pop(number, None)
        if method is not None:
            if error is None and result is not None:
                self._granted(method, result)
            else:
                self._evidence.faults.append(f"{method} refused: {error}")
            return
        submit, solution = self.pending.pop(number, (None, None))
        if submit is None:
            self._evidence.faults.append("an answer to no question, or a second one")
            return
        # A malformed one is told what is wrong with it behind a colon.
        reason = "" if error is None else str(error[1]).partition(":")[0]
        answer = ACCEPTED if error is None and result is True else reason
        self._evidence.answered(submit, answer, time.monotonic())
        if answer == ACCEPTED and solution is not None:
            self._answered.append(solution)

    def connection_lost(self, exc: Exception | None) -> None:
        for submit, solution in self.pending.values():
            if solution is not None and submit.kind in (Kind.GOOD, Kind.AGAIN):
                self._rig.unanswered.append((submit, solution))
        self.pending.clear()
        if not self.lost.done():
            self.lost.set_result(None)

    # --- what it sends -------------------------------------------------------------------

    def send_one(self) -> None:
        """A share of a kind that is drawn; what went without an answer before comes first."""
        while self._rig.unanswered:
            if self._send_again(*self._rig.unanswered.popleft()):
                return
        kind, draw = Kind.GOOD, self._rng.randrange(1000)
        for other, per_mille in MIX.items():
            draw -= per_mille
            if draw < 0:
                kind = other
                break
        self._send(self._feasible(kind))

    def _feasible(self, kind: Kind) -> Kind:
        is_missing = (
            (kind is Kind.STALE and self._old_job is None)
            or (kind is Kind.DUPLICATE and not self._answered)
            or (kind is Kind.VERSION and not self._mask)
        )
        return Kind.GOOD if is_missing else kind

    def _send(self, kind: Kind) -> None:
        assert self._job is not None
        username = self._rng.choice(self._rig.usernames)
        if kind is Kind.DUPLICATE:
            solution = self._rng.choice(self._answered)
            if solution.job.tip != self._job.tip:
                kind = Kind.STALE
        else:
            job = self._old_job if kind is Kind.STALE else self._job
            assert job is not None
            solution = self._solve(job, kind)
        self._submit(kind, username, solution)

    def _send_again(self, submit: Submit, solution: Solution) -> bool:
        """False where it would be another share: the session is a new one on the same jobs."""
        assert self._job is not None
        is_of_this_life = solution.life == self._rig.load.life_of(self._job)
        if is_of_this_life and solution.extranonce1 != self._rig.extranonce1:
            return False
        kind = Kind.AGAIN if is_of_this_life else Kind.LATER
        self._submit(kind, submit.username, solution)
        return True

    def _submit(self, kind: Kind, username: str, solution: Solution) -> None:
        job_id, extranonce2 = solution.job.job_id, solution.extranonce2.hex()
        booked, sent_as = username, username
        if kind is Kind.STRANGER:
            booked, sent_as = NOBODY, "stranger.rig"
        elif kind is Kind.NO_JOB:
            job_id = "ffffffffffff"
        elif kind is Kind.MALFORMED:
            extranonce2 = "no hex"
            booked = username if len(self._rig.usernames) == 1 else NOBODY
        number = next(self._ids)
        params = [sent_as, job_id, extranonce2, f"{solution.ntime:08x}", f"{solution.nonce:08x}"]
        if self._mask:
            params.append(f"{solution.bits:08x}")
        self._note(number, kind, booked, solution)
        self._write(number, params)

    def _submit_early(self) -> None:
        """Before it has subscribed: nobody's."""
        number = next(self._ids)
        self._note(number, Kind.EARLY, NOBODY, None)
        self._write(number, [self._rig.usernames[0], "1", "00" * 8, "00" * 4, "00" * 4])

    def _note(self, number: int, kind: Kind, username: str, solution: Solution | None) -> None:
        hash_le, work = b"", 0
        if solution is not None and kind is not Kind.MALFORMED:
            hash_le = sha256d(self._header(solution))
            work = (1 << 256) // (self._target + 1)
        account = username.partition(".")[0]
        submit = Submit(kind, account, username, hash_le, work, time.monotonic())
        self._evidence.submits.append(submit)
        self.pending[number] = submit, solution

    def _write(self, number: int, params: list[str]) -> None:
        line = {"id": number, "method": "mining.submit", "params": params}
        self._transport.write(msgspec.json.encode(line) + b"\n")

    # --- solving -------------------------------------------------------------------------

    def _solve(self, job: Job, kind: Kind) -> Solution:
        extranonce2 = next(self._numbers).to_bytes(self._extranonce2_size, "big")
        bits = 1 << self._rng.randrange(32) & self._mask
        if kind is Kind.VERSION:
            bits = 1  # no mask has the lowest bit
        ntime = job.ntime + (LATE_S if kind is Kind.NTIME else 0)
        blank = Solution(
            self._rig.load.life_of(job), job, self._rig.extranonce1, extranonce2, ntime, 0, bits
        )
        header = self._header(blank)
        wanted = target_le(self._target)
        for start in range(0, 1 << 32, SCAN):
            found = scan_nonces(header, start, SCAN, wanted)
            if kind is Kind.LOW:
                low = [nonce for nonce in range(start, start + SCAN) if nonce not in found]
                return blank._replace(nonce=low[0])
            if found:
                return blank._replace(nonce=found[0])
        raise AssertionError("no nonce of 2^32 makes a share")

    def _header(self, solution: Solution) -> bytes:
        job = solution.job
        coinbase = job.coinb1 + solution.extranonce1 + solution.extranonce2 + job.coinb2
        root_le = merkle_root_from_branch(sha256d(coinbase), job.branch)
        version = job.version & ~self._mask | solution.bits
        return pack_header(version, job.tip, root_le, solution.ntime, job.nbits, solution.nonce)


def _same(link: Link) -> Link:
    return link
