"""A rig on the wire, byte by byte: its session on a transport that remembers what was written."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from poolserver._vendor.asyncio_stratum import ServerProtocol, Submit
from poolserver.histogram import QUICK_S, Histogram
from poolserver.judge import SolvedBlock
from poolserver.ledger.records import ShareRecord
from poolserver.mining.job import Job
from poolserver.mining.payout import Distribution
from poolserver.mining.share import ShareOutcome
from poolserver.mining.vardiff import VardiffTerms
from poolserver.pool import Pool
from poolserver.server.admission import AdmissionTerms
from poolserver.server.conduct import ConductTerms
from poolserver.server.guard import Guard
from poolserver.server.msgspec_codec import MsgspecCodec
from poolserver.server.rig_roll import RigRoll
from poolserver.server.session import MinerSession
from tests.unit.solving import CURTIME, Rig, make_pool, template, vardiff_terms

SUBSCRIBE = b'{"id":1,"method":"mining.subscribe","params":["rig/1.0"]}\n'
AUTHORIZE = b'{"id":2,"method":"mining.authorize","params":["demo.rig","x"]}\n'
AUTHORIZED = b'{"id":2,"result":true,"error":null}\n'
DIFFICULTY_EASY = (
    b'{"id":null,"method":"mining.set_difficulty","params":[0.0000000009313225746154785]}\n'
)


class FakeTransport(asyncio.Transport):
    """Remembers each write as one piece, and how it ended."""

    def __init__(self, host: str) -> None:
        super().__init__({"peername": (host, 4242)})
        self.writes: list[bytes] = []
        self.ended = ""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.writes.append(bytes(data))

    def is_closing(self) -> bool:
        return self.ended != ""

    def close(self) -> None:
        self.ended = self.ended or "closed"

    def abort(self) -> None:
        self.ended = "aborted"

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...


@dataclass
class FakeJournal:
    """Keeps what is recorded in lists, and each reply until the test lets it go."""

    records: list[tuple[int, ShareOutcome, bool, int, int, bytes]] = field(default_factory=list)
    names: list[tuple[str, str]] = field(default_factory=list)
    waiting: list[Callable[[], None]] = field(default_factory=list)
    found: list[tuple[int, bytes, int]] = field(default_factory=list)
    paid: list[Distribution] = field(default_factory=list)
    turn: int = 1
    unsafe: bool = False
    is_full: bool = False

    def declare_worker(self, account: str, worker_name: str) -> int:
        self.names.append((account, worker_name))
        return len(self.names)

    def append_share(
        self,
        worker_ref: int,
        outcome: ShareOutcome,
        proven: bool,
        work: int,
        job_number: int,
        hash_le: bytes,
    ) -> bool:
        if self.is_full:
            return False
        self.records.append((worker_ref, outcome, proven, work, job_number, hash_le))
        self.unsafe = True
        return True

    def append_solution(self, share: ShareRecord) -> None:
        ref, outcome, proven, job_number, _, work, hash_le = share
        self.records.append((ref, outcome, proven, work, job_number, hash_le))
        self.unsafe = True

    def append_block(
        self, height: int, hash_le: bytes, worker_ref: int, distribution: Distribution
    ) -> None:
        self.unsafe = True
        self.found.append((height, hash_le, worker_ref))
        self.paid.append(distribution)

    def release(self, callback: Callable[[], None]) -> None:
        if self.unsafe:
            self.waiting.append(callback)
        else:
            callback()

    def let_go(self) -> None:
        self.unsafe = False
        while self.waiting:
            self.waiting.pop(0)()


@dataclass
class FakeHouse:
    """The worker process: a real pool, and clocks that stand still."""

    pool: Pool = field(default_factory=make_pool)
    journal: FakeJournal = field(default_factory=FakeJournal)
    sessions: set[MinerSession] = field(default_factory=set)
    roll: RigRoll = field(default_factory=RigRoll)
    blocks: list[tuple[SolvedBlock, str, Callable[[], None]]] = field(default_factory=list)
    clock: float = 0.0
    malformed: int = 0
    latency: Histogram = field(default_factory=lambda: Histogram(QUICK_S))
    transactions_limit: int = 32768
    by_session_id: dict[str, MinerSession] = field(default_factory=dict)
    limits: AdmissionTerms = field(default_factory=AdmissionTerms)
    conduct: ConductTerms = field(default_factory=ConductTerms)

    def __post_init__(self) -> None:
        self.guard = Guard(self.limits, self.conduct, self.sessions)

    def now(self) -> float:
        return self.clock

    def unix_time(self) -> int:
        return CURTIME + int(self.clock)

    def enter(self, session: MinerSession) -> None:
        session.address = self.guard.enter(session.host, self.clock)
        if session.address is None:
            session.abort()
        else:
            self.sessions.add(session)

    def enter_again(self, session: MinerSession) -> None:
        session.address = self.guard.enter_again(session.host)
        self.sessions.add(session)

    def leave(self, session: MinerSession) -> None:
        self.roll.leave(session)
        self.guard.leave(session, self.clock)
        self.sessions.discard(session)

    def offer(self, job_id: str) -> None: ...

    def solved(self, block: SolvedBlock, worker_name: str, on_spooled: Callable[[], None]) -> None:
        self.blocks.append((block, worker_name, on_spooled))

    def work(self, **changes: int) -> Job:
        return self.pool.on_template(template(**changes), self.clock, CURTIME)


class Line:
    """A rig on the wire: says lines, and reads what was written since it last looked."""

    def __init__(
        self,
        house: FakeHouse,
        vardiff: VardiffTerms | None = None,
        host: str = "192.0.2.1",
        lane: Any = None,
    ) -> None:
        self.house = house
        self.session = MinerSession(house, vardiff or vardiff_terms())
        self.session.lane = lane
        self.protocol = ServerProtocol(self.session, codec=MsgspecCodec())
        self.transport = FakeTransport(host)
        self.protocol.connection_made(self.transport)

    def say(self, *lines: bytes) -> list[bytes]:
        """Send it all in one piece, in a turn of its own; the writes that it brings about."""
        self.house.journal.turn += 1
        self.protocol.data_received(b"".join(lines))
        return self.heard()

    def heard(self) -> list[bytes]:
        writes = self.transport.writes[:]
        self.transport.writes.clear()
        return writes

    def ask(self, method: str, *params: Any, request_id: int = 9) -> dict[str, Any]:
        """Ask, and find the answer among what comes."""
        request = {"id": request_id, "method": method, "params": params}
        writes = self.say(json.dumps(request).encode() + b"\n")
        return next(m for m in messages(writes) if m["id"] == request_id)

    def hang_up(self, error: Exception | None = None) -> None:
        self.protocol.connection_lost(error)

    def solve(self, job: Job, number: int = 0, **terms: Any) -> Submit:
        rig = Rig(self.house.pool, self.session.miner)
        return rig.solve(job, extranonce2=number.to_bytes(8, "big"), **terms)


def messages(writes: list[bytes]) -> list[dict[str, Any]]:
    return [json.loads(line) for write in writes for line in write.splitlines()]


def methods(writes: list[bytes]) -> list[str | int]:
    """What each message is: a push by its method, an answer by its id."""
    return [message.get("method") or message["id"] for message in messages(writes)]


def submit_line(share: Submit, request_id: int = 4) -> bytes:
    params = (
        f'"{share.worker_name}","{share.job_id}","{share.extranonce2.hex()}",'
        f'"{share.ntime:08x}","{share.nonce:08x}"'
    )
    if share.version_bits is not None:
        params += f',"{share.version_bits:08x}"'
    return f'{{"id":{request_id},"method":"mining.submit","params":[{params}]}}\n'.encode()


def accepted(request_id: int = 4) -> bytes:
    return b'{"id":%d,"result":true,"error":null}\n' % request_id


def subscribed(line: Line) -> bytes:
    e1, name = line.session.miner.extranonce1.hex(), line.session.miner.session_id
    return (
        f'{{"id":1,"result":[[["mining.set_difficulty","{name}"],["mining.notify","{name}"]],'
        f'"{e1}",8],"error":null}}\n'
    ).encode()


def mining_line(house: FakeHouse, vardiff: VardiffTerms | None = None) -> Line:
    """A rig that has a job."""
    line = Line(house, vardiff)
    line.say(SUBSCRIBE, AUTHORIZE)
    return line
