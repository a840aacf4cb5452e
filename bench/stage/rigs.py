"""Simulated rigs with one thing to do: send shares that were solved before, and time the answers.

    python -m bench.stage.rigs PORT --rigs 100 --window 8 --seconds 5 --pid PID

Closed loop (``--window``): each rig keeps so many shares outstanding. Open loop (``--rate``):
shares are due at even times over all rigs, and their answers are timed from then, however late they
were sent. Each share has a fresh extranonce2 and meets its difficulty. What the pool's process took
in the window is read from /proc. A line says that it begins, and the result is one line of JSON;
the rigs stay connected.
"""

import argparse
import asyncio
import json
import os
import struct
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, cast

import uvloop

from poolserver._native import scan_nonces, sha256d
from poolserver._vendor.asyncio_stratum import swap_words
from poolserver.bitcoin.target import Difficulty

SEARCH = 16  # nonces at a time: a share at 1e-9 takes four
CONNECTS_AT_ONCE = 250
PACE_S = 0.001
CLOCK_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


@dataclass
class Count:
    """Of the window."""

    is_on: bool = False
    accepted: int = 0
    rejects: Counter[str] = field(default_factory=Counter)
    latencies_s: list[float] = field(default_factory=list)
    sent: int = 0
    late: int = 0


class Work:
    """A job, and the header's parts that all of a rig's shares on it have."""

    def __init__(self, params: list[Any]) -> None:
        job_id, prevhash, coinb1, coinb2, branch, version, nbits, ntime, _ = params
        self.job_id, self.ntime_hex = job_id, ntime
        self.coinb1, self.coinb2 = bytes.fromhex(coinb1), bytes.fromhex(coinb2)
        self.branch = [bytes.fromhex(each) for each in branch]
        self.head = struct.pack("<I", int(version, 16)) + swap_words(bytes.fromhex(prevhash))
        self.tail = struct.pack("<III", int(ntime, 16), int(nbits, 16), 0)

    def header(self, extranonce: bytes) -> bytes:
        root = sha256d(self.coinb1 + extranonce + self.coinb2)
        for each in self.branch:
            root = sha256d(root + each)
        return self.head + root + self.tail


class Rig(asyncio.Protocol):
    """One connection with one worker, or with many names by turns."""

    works: dict[bytes, Work] = {}  # noqa: RUF012 - of all rigs: a notify line is read once

    def __init__(self, names: Sequence[str], window: int, seen: Count) -> None:
        self._names, self._window, self._seen = [json.dumps(each) for each in names], window, seen
        self._transport: asyncio.Transport
        self._unread = b""
        self._extranonce1, self._extranonce2_size = b"", 0
        self._numbers, self._authorized = count(), 0
        self._target_le = b""
        self._work: Work | None = None
        self._solved: list[bytes] = []
        self._sent_at: deque[float] = deque()
        self.ready = asyncio.get_running_loop().create_future()
        self.is_sending = False
        self.most: int | None = None
        """Shares to send in all; None for any number."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own is no subclass
        self._transport.write(b'{"id":"s","method":"mining.subscribe","params":["bench"]}\n')

    def connection_lost(self, exc: Exception | None) -> None:
        self._seen.rejects["connection lost"] += 1
        if not self.ready.done():
            self.ready.set_exception(exc or ConnectionResetError("closed"))

    def data_received(self, data: bytes) -> None:
        lines = (self._unread + data).split(b"\n")
        self._unread = lines.pop()
        answers = 0
        for line in lines:
            if line.startswith(b'{"id":7,'):
                answers += 1
                self._answered(line)
            else:
                self._other(line)
        if answers and self.is_sending and self._window:
            self.send(answers, time.monotonic())

    def _answered(self, line: bytes) -> None:
        seen, sent_at = self._seen, self._sent_at.popleft()
        if not seen.is_on:
            return
        seen.latencies_s.append(time.monotonic() - sent_at)
        if line.startswith(b'{"id":7,"result":true'):
            seen.accepted += 1
        else:
            seen.rejects[json.loads(line)["error"][1]] += 1

    def _other(self, line: bytes) -> None:
        if b'"mining.notify"' in line and line.startswith(b'{"id":null'):
            self._on_job(line)
            return
        message = json.loads(line)
        if message.get("method") == "mining.set_difficulty":
            self._target_le = Difficulty.of(message["params"][0]).target_le
        elif message.get("id") == "s":
            _, extranonce1, self._extranonce2_size = message["result"]
            self._extranonce1 = bytes.fromhex(extranonce1)
            self._transport.write(
                b"".join(
                    b'{"id":"a","method":"mining.authorize","params":[%s,"x"]}\n' % each.encode()
                    for each in self._names
                )
            )
        elif message.get("id") == "a":
            assert message["result"] is True, message
            self._authorized += 1
            self._look()

    def _on_job(self, line: bytes) -> None:
        work = self.works.get(line)
        if work is None:
            work = self.works[line] = Work(json.loads(line)["params"])
            while len(self.works) > 64:
                del self.works[next(iter(self.works))]
        is_new_tip = self._work is None or work.head[4:] != self._work.head[4:]
        self._work = work
        if is_new_tip:
            self._solved.clear()
        self._look()

    def _look(self) -> None:
        if self._work and self._authorized == len(self._names) and not self.ready.done():
            self.ready.set_result(None)

    # --- shares --------------------------------------------------------------------------

    def solve(self) -> bytes:
        """A line that submits a share of the work of now."""
        work, number = self._work, next(self._numbers)
        assert work is not None
        extranonce2 = number.to_bytes(self._extranonce2_size, "big")
        header = work.header(self._extranonce1 + extranonce2)
        begin = 0
        while not (found := scan_nonces(header, begin, SEARCH, self._target_le)):
            begin += SEARCH
        name = self._names[number % len(self._names)]
        return (
            f'{{"id":7,"method":"mining.submit","params":[{name},"{work.job_id}",'
            f'"{extranonce2.hex()}","{work.ntime_hex}","{found[0]:08x}"]}}\n'
        ).encode()

    def prepare(self, shares: int) -> None:
        self._solved = [self.solve() for _ in range(shares)]

    def begin(self) -> None:
        self.is_sending = True
        if self._window:
            self.send(self._window, time.monotonic())

    def send(self, shares: int, due_at: float) -> None:
        """Send so many more, which were due then."""
        if self.most is not None:
            shares = min(shares, self.most)
            self.most -= shares
        lines = self._solved[-shares:] if shares else []
        del self._solved[len(self._solved) - len(lines) :]
        lines += [self.solve() for _ in range(shares - len(lines))]
        self._sent_at.extend([due_at] * shares)
        if self._seen.is_on:
            self._seen.sent += shares
        self._transport.write(b"".join(lines))

    @property
    def outstanding(self) -> int:
        return len(self._sent_at)

    def close(self) -> None:
        self._transport.abort()


def processor_s(pid: int) -> tuple[float, float]:
    """User and system time of a process and of those that it started, so far."""
    user = system = 0.0
    for each in (pid, *_children(pid)):
        with open(f"/proc/{each}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        user += int(fields[11]) * CLOCK_TICK_S
        system += int(fields[12]) * CLOCK_TICK_S
    return user, system


def _children(pid: int) -> list[int]:
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        children = [int(each) for each in file.read().split()]
    return children + [below for each in children for below in _children(each)]


def memory_kib(pid: int) -> int:
    """Resident memory."""
    with open(f"/proc/{pid}/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))


async def connect(port: int, names: Sequence[Sequence[str]], window: int, seen: Count) -> list[Rig]:
    loop, rigs = asyncio.get_running_loop(), []
    for first in range(0, len(names), CONNECTS_AT_ONCE):
        batch = []
        for n in range(first, min(len(names), first + CONNECTS_AT_ONCE)):
            _, rig = await loop.create_connection(
                lambda n=n: Rig(names[n], window, seen),  # type: ignore[misc]
                "127.0.0.1",
                port,
                local_addr=(f"127.0.0.{2 + n // 10_000}", 0),
            )
            batch.append(rig)
        await asyncio.gather(*(rig.ready for rig in batch))
        rigs += batch
    return rigs


async def pace(rigs: Sequence[Rig], rate: float) -> None:
    """Shares at even times, round all rigs, for ever."""
    began, sent = time.monotonic(), 0
    while True:
        due = int((time.monotonic() - began) * rate)
        while sent < due:
            rigs[sent % len(rigs)].send(1, began + sent / rate)
            sent += 1
        await asyncio.sleep(PACE_S)


def quantile_ms(sorted_s: Sequence[float], part: float) -> float:
    if not sorted_s:
        return 0.0
    return round(1000 * sorted_s[min(len(sorted_s) - 1, int(len(sorted_s) * part))], 3)


async def run(given: argparse.Namespace) -> dict[str, Any]:
    seen = Count()
    each = given.names_each
    names = [
        [f"{given.account}.{given.prefix}{n * each + k}" for k in range(each)]
        for n in range(given.rigs)
    ]
    rigs = await connect(given.port, names, given.window, seen)
    for rig in rigs:
        rig.most = given.shares_each
        rig.prepare(given.presolve)
    if given.shares_each is not None:  # each sends what it was told, and that is all
        for rig in rigs:
            rig.begin()
            while rig.outstanding:  # noqa: ASYNC110 - of one after the other
                await asyncio.sleep(PACE_S)
        print("all have sent their shares", flush=True)
        return {}
    pacing = asyncio.create_task(pace(rigs, given.rate)) if given.rate else None
    for rig in rigs:
        rig.begin()
    await asyncio.sleep(given.settle)
    print("the window begins", flush=True)
    before, began, own = processor_s(given.pid), time.monotonic(), time.process_time()
    seen.is_on = True
    await asyncio.sleep(given.seconds)
    seen.is_on = False
    after, took_s = processor_s(given.pid), time.monotonic() - began
    own = time.process_time() - own
    if pacing is not None:
        pacing.cancel()
    answers = seen.accepted + seen.rejects.total()
    latencies = sorted(seen.latencies_s)
    user_s, system_s = (late - early for late, early in zip(after, before, strict=True))
    return {
        "shares_per_s": round(answers / took_s),
        "us_per_share": round(1e6 * (user_s + system_s) / max(1, answers), 2),
        "user_us": round(1e6 * user_s / max(1, answers), 2),
        "system_us": round(1e6 * system_s / max(1, answers), 2),
        "rigs_us": round(1e6 * own / max(1, answers), 2),
        "p50_ms": quantile_ms(latencies, 0.5),
        "p99_ms": quantile_ms(latencies, 0.99),
        "p999_ms": quantile_ms(latencies, 0.999),
        "longest_ms": quantile_ms(latencies, 1.0),
        "accepted": seen.accepted,
        "rejects": dict(seen.rejects),
        "memory_kib": memory_kib(given.pid),
    }


async def run_and_tell(given: argparse.Namespace) -> None:
    """Whoever started this process ends it: rigs that leave cost the pool something too."""
    print(json.dumps(await run(given)), flush=True)
    await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("port", type=int)
    parser.add_argument("--pid", type=int, required=True, help="of the pool")
    parser.add_argument("--rigs", type=int, default=100)
    parser.add_argument("--names-each", type=int, default=1, help="workers on each connection")
    parser.add_argument("--account", default="bench")
    parser.add_argument("--prefix", default="rig", help="of the names of workers")
    parser.add_argument("--window", type=int, default=0, help="shares outstanding on each")
    parser.add_argument("--rate", type=float, default=0, help="shares a second of all together")
    parser.add_argument("--presolve", type=int, default=0, help="shares a rig solved beforehand")
    parser.add_argument("--shares-each", type=int, help="send so many each, and end")
    parser.add_argument("--settle", type=float, default=1.0, metavar="S")
    parser.add_argument("--seconds", type=float, default=5.0)
    given = parser.parse_args()
    uvloop.run(run_and_tell(given))


if __name__ == "__main__":
    main()
