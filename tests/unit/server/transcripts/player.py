"""Plays the transcript of a known client: what it sends, and to the byte what the pool answers.

A transcript is text. Lines that begin with

    #   are comments: where this client's ways are known from, and what is particular to it
    >   the client sends; lines without an answer in between go out in one piece
    <   the pool answers; nothing else may come. `$notify number height clean_jobs [ntime]` is
        the line of a job, see NOTIFY
    !   something happens at the pool or to the line, see ``Player._happens``
    =   what the shares since the last `=` were booked as

In a share `$nonce` is one that meets the difficulty of its job, `$low_nonce` one that does not;
the same share twice has the same nonce. `$short_nonce` is spelled without leading zeros.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import count, groupby
from typing import Any, NamedTuple

from poolserver.judge import NO_HASH
from poolserver.mining.share import ShareOutcome
from tests.unit.server.wire import FakeHouse, Line
from tests.unit.solving import vardiff_terms

Cut = Callable[[bytes], list[bytes]]

DIFFICULTY_1_TARGET = 0xFFFF << 208
# Above it a nonce has all of its eight digits, however it is spelled.
FIRST_LONG_NONCE = 0x1000_0000
# Of the template that tests.unit.solving makes. The numbers tell one job from the next: its id,
# the tip and the height, the tag in its coinbase, the height before as its lock time.
NOTIFY = (
    '{"id":null,"method":"mining.notify","params":["4e006923a000%(number)x","%(tip)s",'
    '"02000000010000000000000000000000000000000000000000000000000000000000000000ffffffff'
    '2601%(height)02x062f746573742f1cc20f787327df1e8c%(number)016x",'
    '"feffffff0200f2052a01000000160014751e76e8199196d454941c45d1b3a323f1433bd6'
    "0000000000000000266a24aa21a9ed"
    '3333333333333333333333333333333333333333333333333333333333333333%(before)02x000000",'
    '["1111111111111111111111111111111111111111111111111111111111111111",'
    '"2222222222222222222222222222222222222222222222222222222222222222"],'
    '"20000000","17034219","%(ntime)s",%(clean)s]}'
)
TIPS = {101: "01" * 32, 102: "02" * 32}


def in_one_piece(data: bytes) -> list[bytes]:
    return [data]


def byte_by_byte(data: bytes) -> list[bytes]:
    return [data[i : i + 1] for i in range(len(data))]


def notify(number: str, height: str, clean: str, ntime: str = "6923a000") -> str:
    """A job's line."""
    return NOTIFY % {
        "number": int(number, 16),
        "tip": TIPS[int(height)],
        "height": int(height),
        "before": int(height) - 1,
        "ntime": ntime,
        "clean": clean,
    }


class ClientJob(NamedTuple):
    """A job as the client keeps it, with what held when it came."""

    params: list[Any]
    extranonce1: str
    difficulty: float

    def hash_le(self, extranonce2: str, ntime: str, nonce: int, version_bits: str) -> bytes:
        """The hash of a share's header, by the words of the protocol and nothing of the pool's.

        Clients set the bits in the version, or xor them with it: where the job's own are clear,
        and they must be, it is the same.
        """
        _, prevhash, coinb1, coinb2, branch, version, nbits, *_ = self.params
        assert int(version, 16) & int(version_bits, 16) == 0
        coinbase = bytes.fromhex(coinb1 + self.extranonce1 + extranonce2 + coinb2)
        root = sha256d(coinbase)
        for item in branch:
            root = sha256d(root + bytes.fromhex(item))
        words = bytes.fromhex(prevhash)
        return sha256d(
            (int(version, 16) ^ int(version_bits, 16)).to_bytes(4, "little")
            + b"".join(words[i : i + 4][::-1] for i in range(0, 32, 4))
            + root
            + bytes.fromhex(ntime)[::-1]
            + bytes.fromhex(nbits)[::-1]
            + nonce.to_bytes(4, "little")
        )

    def is_met(self, hash_le: bytes) -> bool:
        target = Fraction(DIFFICULTY_1_TARGET) / Fraction(self.difficulty)
        return int.from_bytes(hash_le, "little") <= target


@dataclass
class Client:
    """What a client knows of what it was told."""

    extranonce1: str = ""
    difficulty: float = 1.0  # where no pool says another, all clients begin with it
    jobs: dict[str, ClientJob] = field(default_factory=dict)

    def hear(self, data: bytes) -> None:
        for message in map(json.loads, data.splitlines()):
            match message:
                case {"method": "mining.set_difficulty", "params": [difficulty]}:
                    self.difficulty = difficulty
                case {"method": "mining.set_extranonce", "params": [extranonce1, _]}:
                    self.extranonce1 = extranonce1
                case {"method": "mining.notify", "params": params}:
                    job = ClientJob(params, self.extranonce1, self.difficulty)
                    self.jobs[params[0]] = job
                case {"result": [[*_], extranonce1, _]}:
                    self.extranonce1 = extranonce1

    def solve(self, line: str) -> tuple[str, bytes]:
        """The share with its nonce, and its hash."""
        wants_met = "$low_nonce" not in line
        is_short = "$short_nonce" in line
        _, job_id, extranonce2, ntime, spelling, *bits = json.loads(line)["params"]
        job = self.jobs[job_id]
        for nonce in count(0 if is_short else FIRST_LONG_NONCE):
            hash_le = job.hash_le(extranonce2, ntime, nonce, bits[0] if bits else "0")
            if job.is_met(hash_le) is wants_met:
                return line.replace(spelling, f"{nonce:x}"), hash_le
        raise AssertionError("unreachable")


class Player:
    """A pool and one client of it."""

    def __init__(self, cut: Cut) -> None:
        self._cut = cut
        self._house = FakeHouse()
        self._house.work()
        self._line = Line(self._house, vardiff_terms())
        self._client = Client()
        self._hashes: list[bytes] = []
        self._heard = b""
        self._booked = 0

    def play(self, transcript: str) -> None:
        """Raises AssertionError where the pool answers anything else."""
        for mark, lines in parts(transcript):
            if mark == "<":
                self._hears("".join(f"{line}\n" for line in lines).encode())
                continue
            self._hears(b"")
            if mark == ">":
                self._says(lines)
            for line in lines if mark == "!" else ():
                self._happens(*line.split())
            for line in lines if mark == "=" else ():
                self._has_booked(line.split())
        self._hears(b"")

    def booked_by_worker(self) -> dict[int, int]:
        """How many shares were accepted of each worker, by the number it is booked under."""
        records = self._house.journal.records
        return Counter(ref for ref, outcome, *_ in records if outcome is ShareOutcome.ACCEPTED)

    def _hears(self, expected: bytes) -> None:
        assert self._heard == expected, f"heard {self._heard!r}, not {expected!r}"
        self._client.hear(expected)
        self._heard = b""

    def _says(self, lines: list[str]) -> None:
        said = b""
        for line in lines:
            if "mining.submit" in line:
                line, hash_le = self._client.solve(line)
                self._hashes.append(hash_le)
            said += line.encode() + b"\n"
        writes = [write for piece in self._cut(said) for write in self._line.say(piece)]
        self._house.journal.let_go()
        self._heard += b"".join(writes + self._line.heard())

    def _has_booked(self, outcomes: list[str]) -> None:
        """Each share was judged by the hash that the client has for it, if it was hashed at all."""
        records = self._house.journal.records[self._booked :]
        hashes = self._hashes[self._booked :]
        booked = [outcome.reason for _, outcome, *_ in records]
        assert booked == outcomes, f"booked {booked}, not {outcomes}"
        for (*_, hash_le), own in zip(records, hashes, strict=True):
            assert hash_le in (own, NO_HASH), "the pool has another hash for this share"
        self._booked += len(records)

    def _happens(self, what: str, *details: str) -> None:
        house, session = self._house, self._line.session
        connection = self._line.protocol.connection
        match what, *details:
            case ["block", height]:  # a new tip
                job = house.work(height=int(height), tip=int(height) - 100)
                session.send_job(job, clean=True)
            case ["refresh"]:  # the same tip, with other transactions
                job = house.work(transactions=1)
                session.send_job(job, clean=False)
            case ["silence", seconds]:
                house.clock += float(seconds)
                session.tick(house.clock)
            case ["later", seconds]:
                house.clock += float(seconds)
            case ["resend"]:  # as to a client all of whose shares are rejected
                session.resend_work()
            case ["reconnect"]:
                session.ask_to_reconnect()
            case ["get_version"]:
                connection.get_version()
                self._line.protocol.flush()
            case ["show_message", *words]:
                connection.show_message(" ".join(words))
                self._line.protocol.flush()
            case ["hang_up"]:
                assert self._line.transport.ended == ""
                self._line.hang_up()
                self._line = Line(house, vardiff_terms())
            case _:
                raise ValueError(f"no such happening: {what}")
        self._heard += b"".join(self._line.heard())


def parts(transcript: str) -> Iterator[tuple[str, list[str]]]:
    """The lines of a transcript, those of one kind together."""
    lines = (line for line in transcript.splitlines() if line and not line.startswith("#"))
    for mark, group in groupby(lines, lambda line: line[0]):
        texts = [line[1:].strip() for line in group]
        if mark == "<":
            texts = [notify(*t.split()[1:]) if t.startswith("$notify") else t for t in texts]
        yield mark, texts


def sha256d(data: bytes) -> bytes:
    return hashlib.sha256(hashlib.sha256(data).digest()).digest()
