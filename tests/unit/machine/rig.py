"""A rig that knows of the pool only the bytes that it was sent, and checks each of them."""

import json
from collections import deque
from collections.abc import Callable, Sequence
from itertools import pairwise
from math import inf
from typing import Any, NamedTuple, Protocol

from tests.unit.machine.reference import Notify, Reference, Sent, Session, target_of
from tests.unit.server.wire import Line

POOL_MASK = 0x1FFFE000
OUTBOX_ERRORS = {20, 25}

Check = Callable[[dict[str, Any]], None]


class World(Protocol):
    """What a rig's checks need of all that is around it."""

    reference: Reference
    resending: bool
    """Whether all is sent anew to this rig just now."""
    lenient: bool
    """Whether the ladder of abuse may do so too."""
    ceiling: float
    """The network's difficulty, where that caps the pool's."""

    def now(self) -> float: ...
    def check_difficulty(self, rig: "Rig", difficulty: float) -> None: ...
    def check_new_job(self, job: Notify) -> None: ...
    def check_extranonce1(self, rig: "Rig", extranonce1: bytes) -> None: ...


class Item(NamedTuple):
    """A line to the pool, with what the model does as soon as the pool has read it.

    A ping follows it: by its answer what a line brings about is told from what the next does.
    """

    end: int
    """Where the line ends in the stream."""
    act: Callable[[], None]
    ping_id: str


class Rig:
    """One connection. ``session`` is the model's, and moves on when a session is resumed."""

    def __init__(self, world: World, line: Line, listener: int) -> None:
        self.line = line
        self.listener = listener
        self.session = Session()
        self.session_id = ""
        self.agent = ""
        self.workers: dict[str, int] = {}
        self.difficulty: float | None = None
        self.knows_set_extranonce = False
        self.is_subscribed = False
        self.is_rolling = False
        self.miner_mask = 0
        self.writes_short_nonces = False
        self.taken_over_at = -inf
        self.last_prevhash: bytes | None = None
        self.expected: dict[int | str, Check] = {}
        self._world = world
        self._queue: deque[Item] = deque()
        self._unfed = b""
        self._queued = self._fed = self._ids = 0
        self._in_garbage = False

    @property
    def is_ready(self) -> bool:
        return self.is_subscribed and bool(self.workers)

    @property
    def ceiling(self) -> float:
        """The network's difficulty, where that caps this pool's."""
        return self._world.ceiling

    # --- to the pool ---------------------------------------------------------------------

    def new_id(self) -> int | str:
        self._ids += 1
        return f"s{self._ids}" if self._ids % 5 == 0 else self._ids

    def queue(self, line: bytes, act: Callable[[], None]) -> None:
        assert line.endswith(b"\n")
        self._ids += 1
        ping_id = f"ping {self._ids}"
        ping = b'{"id":"%b","method":"mining.ping","params":[]}\n' % ping_id.encode()
        self._queue.append(Item(self._queued + len(line), act, ping_id))
        self._queued += len(line) + len(ping)
        self._unfed += line + ping

    def ask(self, method: str, params: Any, act: Callable[[], None], check: Check) -> None:
        """Queue a request whose answer comes at once; ``act`` is the model's part of it."""
        request_id = self.new_id()

        def handled() -> None:
            act()
            self.expected[request_id] = check

        self.queue(as_line(request_id, method, params), handled)

    def submit(self, request_id: int | str, params: Any, act: Callable[[], None]) -> None:
        """Queue a share; ``act`` says what its answer must be."""
        self.queue(as_line(request_id, "mining.submit", params), act)

    def garbage(self, line: bytes) -> None:
        """Queue what is no proper request: whatever error it may be answered with."""

        def handled() -> None:
            self._in_garbage = True

        self.queue(line + b"\n", handled)

    def feed(self, cuts: Sequence[int] = (), held_back: int = 0) -> None:
        """Send all that is queued but for the last bytes, cut into pieces."""
        end = max(0, len(self._unfed) - held_back)
        edges = sorted({0, end, *(cut % (end + 1) for cut in cuts)})
        data, self._unfed = self._unfed[:end], self._unfed[end:]
        for begin, until in pairwise(edges):
            # What comes of several connections, or is answered at once, may share a turn.
            self.line.house.journal.turn += self._queued % 2
            self.line.protocol.data_received(data[begin:until])
            self._fed += until - begin
            self.read()

    # --- from the pool -------------------------------------------------------------------

    def read(self) -> None:
        """Take in what was written, each message at its place among the lines that were sent."""
        data = b"".join(self.line.heard())
        assert data == b"" or data.endswith(b"\n")
        messages = deque(json.loads(line) for line in data.splitlines())
        while self._queue and self._queue[0].end <= self._fed:
            item = self._queue.popleft()
            item.act()
            while messages:
                message = messages.popleft()
                self._take(message)
                if message["id"] == item.ping_id:
                    break
            self._in_garbage = False
        while messages:
            self._take(messages.popleft())

    def _take(self, message: dict[str, Any]) -> None:
        if "method" in message:
            assert message["id"] is None
            self._pushed(message["method"], message["params"])
        elif message["id"] in self.expected:
            self.expected.pop(message["id"])(message)
        elif str(message["id"]).startswith("ping "):
            assert message["result"] == "pong"
        else:
            assert self._in_garbage, f"an answer that nobody waits for: {message}"
            assert message["result"] is None
            assert message["error"][0] in OUTBOX_ERRORS

    def _pushed(self, method: str, params: list[Any]) -> None:
        match method:
            case "mining.set_difficulty":
                self.difficulty = float(params[0])
                self._world.check_difficulty(self, self.difficulty)
            case "mining.notify":
                self._notified(Notify.parse(params))
            case "mining.set_extranonce":
                assert self.knows_set_extranonce
                assert params[1] == 8
                self._world.check_extranonce1(self, bytes.fromhex(params[0]))
                self.session.extranonce1 = bytes.fromhex(params[0])
            case "mining.set_version_mask":
                assert self.is_rolling
                self.session.mask = int(params[0], 16)
                assert self.session.mask == self.miner_mask & POOL_MASK
            case _:
                assert self._world.lenient, f"an unexpected {method}"
                assert method in ("client.show_message", "client.reconnect")

    def _notified(self, job: Notify) -> None:
        assert self.is_ready, "a job before the handshake is over"
        assert self.difficulty is not None, "a job without a difficulty"
        world, session = self._world, self.session
        is_new_tip = job.prevhash != self.last_prevhash  # also at the first job
        assert job.clean == is_new_tip or (job.clean and (world.resending or world.lenient))
        assert all(job.job_id != sent.job.job_id for sent in session.sent), "work sent twice"
        world.check_new_job(job)
        world.check_difficulty(self, self.difficulty)
        world.reference.was_sent(job, world.now())
        target = target_of(self.difficulty)
        session.sent.append(Sent(job, target, session.mask, session.extranonce1))
        self.last_prevhash = job.prevhash


def as_line(request_id: int | str, method: str, params: Any) -> bytes:
    return json.dumps({"id": request_id, "method": method, "params": params}).encode() + b"\n"


def is_true(message: dict[str, Any]) -> None:
    assert message["result"] is True, message
    assert message["error"] is None


def is_error(code: int, reason: str) -> Check:
    def check(message: dict[str, Any]) -> None:
        assert message["result"] is None, f"{message} instead of {reason}"
        assert message["error"] == [code, reason, None]

    return check


def begins_with(code: int, label: str) -> Check:
    """An error whose reason has a detail behind its label."""

    def check(message: dict[str, Any]) -> None:
        assert message["result"] is None, f"{message} instead of {label}"
        assert message["error"][0] == code
        assert message["error"][1].partition(":")[0] == label

    return check
