"""One connection of the crowd: a rig, or a proxy with many workers, that mines real shares.

It reads the pool's lines itself and judges each answer by what this connection had been told
when the answer came. The pool writes the notify of a new tip to a connection before any answer
that follows from it, so to the connection itself every stale answer must be explained.
"""

import asyncio
from collections import Counter
from itertools import count
from typing import Any, NamedTuple, Protocol, cast

import msgspec

from poolserver._native import scan_nonces, sha256d
from poolserver.bitcoin.header import pack_header, prevhash_from_stratum_hex
from poolserver.bitcoin.merkle import merkle_root_from_branch
from poolserver.bitcoin.target import Difficulty

STALE = [21, "stale"]
ASKED_MASK = 0x1FFFE000
# Nonces that are tried in one call: at 2^-27 a share takes 32 on average.
SCAN = 64


class Job(NamedTuple):
    """A line of ``mining.notify``. ``tip`` is the prevhash as it stands in a header."""

    job_id: str
    tip: bytes
    coinb1: bytes
    coinb2: bytes
    branch: tuple[bytes, ...]
    version: int
    nbits: int
    ntime: int
    is_clean: bool

    @classmethod
    def of(cls, params: list[Any]) -> "Job":
        job_id, prevhash, coinb1, coinb2, branch, version, nbits, ntime, is_clean = params
        return cls(
            job_id,
            prevhash_from_stratum_hex(prevhash),
            bytes.fromhex(coinb1),
            bytes.fromhex(coinb2),
            tuple(bytes.fromhex(each) for each in branch),
            int(version, 16),
            int(nbits, 16),
            int(ntime, 16),
            is_clean,
        )


class Share(NamedTuple):
    """A share that was sent. ``is_late``: its rig knew of a newer tip and sent it all the same."""

    tip: bytes
    is_late: bool


class Crowd(Protocol):
    """What a connection needs of the crowd that it belongs to."""

    jobs: dict[bytes, Job]
    """By their lines: a job's line is the same for all, so it is parsed once."""
    results: Counter[str]
    faults: Counter[str]

    def is_ready(self) -> None: ...
    def saw_tip(self, tip: bytes) -> None: ...


class Connection(asyncio.Protocol):
    """Speaks Stratum for ``workers``; solves and sends a share when it is told to."""

    def __init__(self, crowd: Crowd, workers: list[str], *, rolls: bool, is_lazy: bool) -> None:
        """``rolls`` the version of each share; ``is_lazy``: sends an old share at each new tip."""
        self.workers = workers
        self._crowd = crowd
        self._rolls = rolls
        self._is_lazy = is_lazy
        self._transport: asyncio.Transport
        self._rest = b""
        self._ids = count(1)
        self._numbers = count()
        self._handshake: dict[int, str] = {}
        self._pending: dict[int, Share] = {}
        self._extranonce1 = b""
        self._extranonce2_size = 0
        self._mask = 0
        self._target_le = b""
        self._job: Job | None = None
        self._old_job: Job | None = None  # that a lazy rig has still a share of
        self._has_told = False
        self._is_closed = False

    @property
    def pending(self) -> int:
        """Shares that are not answered yet."""
        return len(self._pending)

    # --- the handshake -------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if self._rolls:
            options = {"version-rolling.mask": f"{ASKED_MASK:08x}"}
            self._call("mining.configure", [["version-rolling"], options])
        self._call("mining.subscribe", ["crowd/1.0"])
        for worker in self.workers:
            self._call("mining.authorize", [worker, "x"])

    def _call(self, method: str, params: list[Any]) -> None:
        number = next(self._ids)
        self._handshake[number] = method
        call = {"id": number, "method": method, "params": params}
        self._transport.write(msgspec.json.encode(call) + b"\n")

    def _granted(self, method: str, result: Any) -> None:
        if method == "mining.subscribe":
            self._extranonce1 = bytes.fromhex(result[1])
            self._extranonce2_size = result[2]
        elif method == "mining.configure":
            self._mask = int(result["version-rolling.mask"], 16)
        self._tell_if_ready()

    def _tell_if_ready(self) -> None:
        if not (self._has_told or self._handshake) and self._job is not None:
            self._has_told = True
            self._crowd.is_ready()

    # --- lines of the pool ---------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            job = self._crowd.jobs.get(line)
            if job is not None:
                self._take(job)
            else:
                self._read(line, msgspec.json.decode(line))

    def _read(self, line: bytes, message: dict[str, Any]) -> None:
        method = message.get("method")
        if method is None:
            self._answered(message["id"], message["result"], message["error"])
        elif method == "mining.notify":
            job = self._crowd.jobs[line] = Job.of(message["params"])
            self._take(job)
        elif method == "mining.set_difficulty":
            self._target_le = Difficulty.of(message["params"][0]).target_le
        else:
            self._crowd.faults[f"the pool sent {method}"] += 1

    def _take(self, job: Job) -> None:
        before, self._job = self._job, job
        if before is None:
            self._tell_if_ready()
        elif before.tip != job.tip:
            if not job.is_clean:
                self._crowd.faults["a new tip without clean_jobs"] += 1
            if self._is_lazy:
                self._old_job = before
            self._crowd.saw_tip(job.tip)

    def _answered(self, number: int, result: Any, error: Any) -> None:
        crowd = self._crowd
        method = self._handshake.pop(number, None)
        if method is not None:
            if result is None:
                crowd.faults[f"{method} refused: {error}"] += 1
            else:
                self._granted(method, result)
            return
        share = self._pending.pop(number, None)
        if share is None:
            crowd.faults["an answer to no question, or a second one"] += 1
            return
        verdict, fault = self._judge(share, result, error)
        crowd.results[verdict] += 1
        if fault is not None:
            crowd.faults[fault] += 1

    def _judge(self, share: Share, result: Any, error: Any) -> tuple[str, str | None]:
        """What the answer is counted as, and what is wrong with it."""
        assert self._job is not None
        if error is None and result is True:
            fault = "accepted though its rig knew of a newer tip" if share.is_late else None
            return "accepted", fault
        if error is not None and error[:2] == STALE:
            if share.tip == self._job.tip:
                return "stale", "stale though on the newest tip that the pool has told of"
            return "stale_late" if share.is_late else "stale_in_flight", None
        return "rejected", f"a share was answered {error}"

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._is_closed:
            self._crowd.faults[f"a connection was lost: {exc}"] += 1

    def close(self) -> None:
        self._is_closed = True
        self._transport.close()

    # --- mining --------------------------------------------------------------------------

    def mine(self, worker: int) -> int:
        """Solve and send a share of the newest job; before it the lazy rig's. How many it were."""
        assert self._job is not None
        old, self._old_job = self._old_job, None
        if old is not None:
            self._send(old, worker, is_late=True)
        self._send(self._job, worker, is_late=False)
        return 1 if old is None else 2

    def _send(self, job: Job, worker: int, *, is_late: bool) -> None:
        extranonce2, bits, nonce = self._solve(job)
        number = next(self._ids)
        self._pending[number] = Share(job.tip, is_late)
        rolled = b',"%08x"' % bits if self._rolls else b""
        self._transport.write(
            b'{"id":%d,"method":"mining.submit","params":["%b","%b","%b","%08x","%08x"%b]}\n'
            % (
                number,
                self.workers[worker].encode(),
                job.job_id.encode(),
                extranonce2.hex().encode(),
                job.ntime,
                nonce,
                rolled,
            )
        )

    def _solve(self, job: Job) -> tuple[bytes, int, int]:
        """extranonce2, the version bits within the mask, and the nonce of a share."""
        number = next(self._numbers)
        extranonce2 = number.to_bytes(self._extranonce2_size, "big")
        # A bit of the mask after the other, and now and then none.
        bits = 1 << number % 32 & self._mask
        coinbase = job.coinb1 + self._extranonce1 + extranonce2 + job.coinb2
        root_le = merkle_root_from_branch(sha256d(coinbase), job.branch)
        version = job.version & ~self._mask | bits
        header = pack_header(version, job.tip, root_le, job.ntime, job.nbits, 0)
        for start in range(0, 1 << 32, SCAN):
            found = scan_nonces(header, start, SCAN, self._target_le)
            if found:
                return extranonce2, bits, found[0]
        raise AssertionError("no nonce of 2^32 makes a share")
