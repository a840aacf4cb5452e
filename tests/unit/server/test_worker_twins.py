"""A worker with the wire does all that one without it does, whatever its rigs and time bring.

Both live through the same programme, made by chance from a seed, rigs being told their answers
before the next step. Where the difficulty is not pinned they send one share at a time: of several
in a turn vardiff looks at all at once on the wire and at each on the plain path, and may decide a
share earlier or later.
"""

import asyncio
import json
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import pytest

from poolserver._native import HAS_WIRE
from poolserver.cluster.messages import ListenerSettings
from poolserver.ledger.records import JournalBatch, decode_records
from poolserver.server import worker as worker_module
from tests.unit.server.hall import EASIEST, REFRESH_S, Hall, running
from tests.unit.solving import CURTIME, MAINNET_NBITS, REGTEST_NBITS, template

pytestmark = pytest.mark.skipif(not HAS_WIRE, reason="the wire is of C and Linux")

PATIENCE_S = 10.0
STEPS = 100
BITS = ("00002000", "00000000", "00000001", "1fffe000")
MASKS = ("1fffe000", "00006000")
ROLLING = "version-rolling"


class Rig:
    """A rig that waits for an answer to each of its requests; ``heard`` is all it was sent."""

    def __init__(self, number: int) -> None:
        self.name = f"demo.rig{number}"
        self.rolls = bool(number % 2)
        self.heard: list[bytes] = []
        self.jobs: list[str] = []
        self.names = [self.name]
        self._session: str | None = None
        self._ids = count(1)
        self._writer: asyncio.StreamWriter | None = None
        self._writers: list[asyncio.StreamWriter] = []

    async def connect(self, port: int) -> None:
        """Come, or come back; the connection before, if any, is left as it is."""
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", port)
        self._writers.append(self._writer)
        agent = ["rig/1"] + ([self._session] if self._session else [])
        if self.rolls:
            mask = {f"{ROLLING}.mask": MASKS[0]}
            await self.ask(self.request("mining.configure", [ROLLING], mask))
        await self.ask(self.request("mining.subscribe", *agent))
        await self.ask(*(self.request("mining.authorize", name, "x") for name in self.names))
        await self.ask(self.request("mining.ping"))  # behind the first job

    @property
    def is_connected(self) -> bool:
        return self._writer is not None

    def hang_up(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._writer = None

    async def leave(self) -> None:
        """End all connections that it has ever had."""
        for writer in self._writers:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    def request(self, method: str, *params: object) -> bytes:
        line = {"id": next(self._ids), "method": method, "params": params}
        return json.dumps(line).encode() + b"\n"

    def submit(self, chance: Random) -> bytes:
        """A share that may be any of few, for a job that it has had, mostly the last."""
        age = min(int(chance.expovariate(0.9)), len(self.jobs) - 1)
        ntime = CURTIME + chance.choice([0] * 12 + [1, 100_000])
        params = [chance.choice(self.names), self.jobs[-1 - age], f"{chance.randrange(3):016x}"]
        params += [f"{ntime:08x}", f"{chance.randrange(400):08x}"]
        if self.rolls and chance.random() < 0.5:
            params.append(chance.choice(BITS))
        return self.request("mining.submit", *params)

    async def ask(self, *requests: bytes) -> None:
        """Send all at once, and read until each has its answer, or the pool has hung up."""
        if self._writer is None:
            return
        waiting = len(requests)
        try:
            self._writer.write(b"".join(requests))
            async with asyncio.timeout(PATIENCE_S):
                while waiting and (line := await self._reader.readline()):
                    waiting -= self._hear(line)
        except ConnectionError:
            pass
        if waiting:
            self.heard.append(b"the end")
            self.hang_up()

    def _hear(self, line: bytes) -> bool:
        self.heard.append(line)
        message = json.loads(line)
        if message.get("method") == "mining.notify":
            self.jobs.append(message["params"][0])
        match message.get("result"):
            case [[[_, str() as session_id], *_], *_]:
                self._session = session_id
        return message.get("method") is None


def is_pinned(seed: int) -> bool:
    return seed % 2 == 0


class Programme:
    """What happens to a worker and its rigs, one thing after the other."""

    def __init__(self, hall: Hall, seed: int) -> None:
        self._hall = hall
        self._chance = Random(seed)
        self._most = 12 if is_pinned(seed) else 1  # shares at a time
        self._nbits = REGTEST_NBITS if seed % 4 == 3 else MAINNET_NBITS
        self.rigs = [Rig(number) for number in range(3)]

    async def run(self) -> None:
        self._new_template(tip=1)
        for _ in range(STEPS):
            rig = self._chance.choice(self.rigs)
            if not rig.is_connected:
                await rig.connect(self._hall.port)
            await self._step(rig)
            for each in self.rigs:  # what came meanwhile
                await each.ask(each.request("mining.ping"))

    def _new_template(self, tip: int) -> None:
        self._hall.template(template(tip=tip, height=100 + tip, nbits=self._nbits))

    async def _step(self, rig: Rig) -> None:
        chance, hall = self._chance, self._hall
        match chance.choices(range(9), (36, 2, 2, 2, 3, 3, 3, 4, 2))[0]:
            case 0:
                await rig.ask(*(rig.submit(chance) for _ in range(chance.randint(1, self._most))))
            case 1:
                hall.clock += chance.choice([0.01, 3.0, 40.0, 130.0, 601.0])
            case 2:
                hall.tick(REFRESH_S, sweep=True)
            case 3:
                self._new_template(chance.randint(1, 3))
            case 4:
                rig.names = list(dict.fromkeys([*rig.names, f"demo.x{chance.randrange(5)}"]))
                await rig.ask(rig.request("mining.authorize", rig.names[-1], "x"))
            case 5:
                mask = {f"{ROLLING}.mask": chance.choice(MASKS)}
                await rig.ask(rig.request("mining.configure", [ROLLING], mask))
            case 6:
                await rig.ask(rig.request("mining.extranonce.subscribe"))
            case 7:
                for session in hall.worker.sessions:
                    if rig.name in session.miner.workers:
                        session.resend_work()
            case _:
                await rig.connect(hall.port)  # the pool has not heard of the old one's end


async def life(folder: Path, seed: int) -> tuple[list[Any], int]:
    """All that comes of a programme, and how many shares went by the lane."""
    went_by_lane = 0
    policy = ("turn", "sync", "at_once")[seed % 3]
    start, lowest, highest = (2, 2, 2) if is_pinned(seed) else (2, 1, 64)
    listener = ListenerSettings(
        "127.0.0.1", 0, start * EASIEST, lowest * EASIEST, highest * EASIEST
    )
    async with running(folder, listeners=(listener,), journal_release=policy) as hall:
        worker = hall.worker
        assert worker._ticker is not None
        worker._ticker.cancel()  # it goes by the real time
        worker.pool._new_session_id = (f"{number:032x}" for number in count()).__next__
        append_shares = worker.journal.append_shares

        def note(records: bytes, number: int, *more: int) -> None:
            nonlocal went_by_lane
            went_by_lane += number
            append_shares(records, number, *more)

        worker.journal.append_shares = note  # type: ignore[method-assign]
        programme = Programme(hall, seed)
        await programme.run()
        found: list[Any] = [rig.heard for rig in programme.rigs]
        found += [
            [(each.name, each.shares, each.active_at) for each in session.miner.workers.values()]
            + [session.accepted_at, session.miner.changes]
            for session in worker.sessions
        ]
        found += [(each.job.number, each.expires_at, seen(each)) for each in worker.pool.jobs]
        for rig in programme.rigs:
            await rig.leave()
    return [*found, *records(hall)], went_by_lane


def seen(issued: Any) -> list[bytes]:
    hashes = issued.seen.to_bytes()
    return sorted(hashes[at : at + 32] for at in range(0, len(hashes), 32))


def records(hall: Hall) -> Iterator[Any]:
    for batch in hall.all_of(JournalBatch):
        yield from decode_records(batch.records, batch.first_sequence)


@pytest.mark.parametrize("seed", range(8))
async def test_a_worker_with_the_wire_does_all_that_one_without_it_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    found, went_by_lane = await life(tmp_path / "wire", seed)
    monkeypatch.setattr(worker_module, "HAS_WIRE", False)
    expected, went_otherwise = await life(tmp_path / "plain", seed)
    assert found == expected
    assert went_otherwise == 0
    assert went_by_lane > 0
