"""Whole sessions: a few rigs on one pool, and the fuzzer's bytes are the programme they follow.

Two bytes choose an act and how it is done, the ones behind them its details; so each mutation of
an input is another dialogue, not another broken line, and what is to be broken is an act itself.
A new pool for each input costs 40 us and makes every failure one that its input alone brings back.
"""

import json
from collections.abc import Callable
from typing import Any

from poolserver._vendor.asyncio_stratum import Dropped
from poolserver.mining.job import Job
from poolserver.mining.lost import RESUME_WINDOW_S
from poolserver.server.conduct import ConductTerms
from tests.fuzz import checks
from tests.fuzz.vocabulary import (
    AGENTS,
    ANSWERS,
    DIFFICULTIES,
    EXTENSIONS,
    GARBAGE,
    HELLO,
    MASKS,
    NAMES,
    NTIMES,
    PASSWORDS,
    STEPS_S,
    TARGETS,
    TOKENS,
    VERSION_BITS,
)
from tests.fuzz.world import ErrorLog, FuzzedRig, HandTurnedLoop
from tests.unit.server.wire import FakeHouse
from tests.unit.solving import CURTIME, MAINNET_NBITS, REGTEST_NBITS, vardiff_terms

RIGS = 3
# Four are enough for a share at the start, and half of all hashes are blocks of regtest; a rig
# whose difficulty has risen beyond that sends what it has.
MAX_TRIES = 64
MAX_ACTS = 200

# Sooner dropped and banned than in earnest: an input has not the bytes for fifty rejects, thrice.
CONDUCT = ConductTerms(window_submits=6, strikes_to_ban=2)

errors = ErrorLog()
watching = errors.listening
"""Hold this around all inputs."""


class Programme:
    """The input, read byte by byte; after its end there are zeros."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1] if self._at <= len(self._data) else 0

    def one_of(self, choices: Any) -> Any:
        return choices[self.byte() % len(choices)]

    def bytes(self, count: int) -> bytes:
        self._at += count
        return self._data[self._at - count : self._at]

    @property
    def is_over(self) -> bool:
        return self._at >= len(self._data)


class Play:
    """One input's pool and rigs."""

    def __init__(self, programme: Programme, house: FakeHouse, loop: HandTurnedLoop) -> None:
        self.programme = programme
        self.house = house
        self.loop = loop
        self.jobs = [self.house.work()]
        self.session_ids = ["", "00" * 16]
        self.tip = 1
        self.last_id = 0
        self.spooled = 0
        self.all_rigs: list[FuzzedRig] = []
        self.rigs: dict[int, FuzzedRig] = {}
        self.rig: FuzzedRig

    def new_rig(self, place: int) -> FuzzedRig:
        rig = FuzzedRig(self.house, self.loop, f"192.0.2.{place // 2}")  # two share an address
        self.all_rigs.append(rig)
        manner = self.programme.byte()
        if manner & 3:  # most are past the handshake, or hardly any input would come to a share
            rig.unsent = b"".join(HELLO[not manner & 4 :])
            rig.send()
        return rig

    # --- one act ---------------------------------------------------------------------------

    def act(self) -> None:
        """One act of the programme, and all that it brings about at once."""
        what, how = self.programme.byte(), self.programme.byte()
        place = (how >> 5 & 3) % RIGS
        if place not in self.rigs or not self.rigs[place].is_open:
            self.rigs[place] = self.new_rig(place)
        self.rig = self.rigs[place]
        act = ACTS[what % len(ACTS)]
        made = act(self)
        if made is not None:
            self.say(made, how, is_broken=what & how & 0x80 != 0)
        self.loop.let_pass(0.0)

    def say(self, made: tuple[str, Any] | bytes, how: int, *, is_broken: bool) -> None:
        """Send a request; ``how`` says with which id, and whether it is cut or held back."""
        if isinstance(made, bytes):
            message = made
        else:
            method, params = made
            request = {"id": self.request_id(how >> 3 & 3), "method": method, "params": params}
            message = json.dumps(request).encode() + b"\n"
        if is_broken:
            message = self.broken(message)
        rig = self.rig
        rig.last_message = message
        if how & 2:  # in one piece with the next one
            rig.unsent += message
        elif how & 4:
            at = self.programme.byte() % (len(message) + 1)
            rig.unsent += message[:at]
            rig.send()
            rig.unsent = message[at:]
        else:
            rig.unsent += message
            rig.send()

    def request_id(self, kind: int) -> int | str | None:
        """Most often a number that is new, else the last one again, a text or null."""
        if kind == 3:
            return self.last_id
        self.last_id += 1
        if kind < 2:
            return self.last_id
        return None if self.last_id & 1 else f"a{self.last_id}"

    def broken(self, message: bytes) -> bytes:
        """One to four edits of the bytes themselves."""
        programme = self.programme
        for _ in range(1 + programme.byte() % 4):
            kind, at = programme.byte(), programme.byte() % (len(message) + 1)
            end = at + 1 + (kind >> 2) % 8
            match kind & 3:
                case 0:
                    message = message[:at] + bytes([programme.byte()]) + message[at + 1 :]
                case 1:
                    message = message[:at] + message[end:]
                case 2:
                    message = message[:end] + message[at:]
                case 3:
                    message = message[:at] + programme.one_of(TOKENS) + message[at:]
        return message

    # --- what a rig says: a request as method and params, or bytes --------------------------

    def subscribe(self) -> tuple[str, Any]:
        params = [self.programme.one_of(AGENTS)]
        how = self.programme.byte()
        if how & 1:
            params.append(self.session_ids[(how >> 1) % len(self.session_ids)])
        return "mining.subscribe", params

    def authorize(self) -> tuple[str, Any]:
        self.remember_session()
        return "mining.authorize", [
            self.programme.one_of(NAMES),
            self.programme.one_of(PASSWORDS),
        ]

    def configure(self) -> tuple[str, Any]:
        asked = self.programme.byte()
        extensions = [name for bit, name in enumerate(EXTENSIONS) if asked >> bit & 1]
        options = {
            "version-rolling.mask": self.programme.one_of(MASKS),
            "minimum-difficulty.value": self.programme.one_of(DIFFICULTIES),
            "info.hw-version": self.programme.one_of(AGENTS),
        }
        return "mining.configure", [extensions, options]

    def suggest(self) -> tuple[str, Any]:
        if self.programme.byte() & 1:
            return "mining.suggest_target", [self.programme.one_of(TARGETS)]
        return "mining.suggest_difficulty", [self.programme.one_of(DIFFICULTIES)]

    def small_call(self) -> tuple[str, Any]:
        method = self.programme.one_of(
            ("mining.extranonce.subscribe", "mining.ping", "mining.get_transactions", "mining.new")
        )
        return method, [self.jobs[-1].job_id] if self.programme.byte() & 1 else None

    def submit(self) -> tuple[str, Any]:
        """A share on one of the jobs, most often solved."""
        programme = self.programme
        how, which = programme.byte(), programme.byte()
        job = self.jobs[-1 - which % min(len(self.jobs), 8)]
        extranonce2 = bytes([how & 3]) * 8
        name, ntime, bits = NAMES[0], CURTIME, None
        if how & 4:
            name = programme.one_of(NAMES)
        if how & 8:
            ntime = programme.one_of(NTIMES)
        if how & 16:
            bits = programme.one_of(VERSION_BITS)
        nonce = which if how & 32 else self.solve(job, extranonce2, ntime, bits)
        params = [name, job.job_id, extranonce2.hex(), f"{ntime:08x}", f"{nonce:08x}"]
        if bits is not None:
            params.append(f"{bits:08x}")
        if how & 192 == 192:
            params[1] = "0"
        return "mining.submit", params

    def solve(self, job: Job, extranonce2: bytes, ntime: int, bits: int | None) -> int:
        """A nonce that meets the job's difficulty, if one is near."""
        miner = self.rig.session.miner
        if not miner.changes:
            return 0
        terms = miner.terms_of(job.number)
        mask = terms.version_mask | miner.version_mask
        version = job.version if bits is None else job.version & ~mask | bits
        variant = job.variants[terms.coinbase_class]
        extranonce, target_le = terms.extranonce1 + extranonce2, terms.difficulty.target_le
        for nonce in range(MAX_TRIES):
            if variant.hasher.check(extranonce, version, ntime, nonce, target_le)[1]:
                return nonce
        return 0

    def again(self) -> bytes:
        return self.rig.last_message

    def garbage(self) -> bytes:
        if self.programme.byte() & 1:
            return bytes(self.programme.one_of(GARBAGE))
        return self.programme.bytes(self.programme.byte() % 64) + b"\n"

    def an_answer(self) -> bytes:
        return json.dumps(self.programme.one_of(ANSWERS)).encode() + b"\n"

    # --- what else happens -----------------------------------------------------------------

    def remember_session(self) -> None:
        name = self.rig.session.miner.session_id
        if name and name not in self.session_ids:
            self.session_ids.append(name)

    def hang_up(self) -> None:
        """The line is cut; the next act of this rig is a new connection."""
        self.remember_session()
        self.rig.wire.lose()

    def stop_reading(self) -> None:
        self.rig.wire.is_read = False
        if self.programme.byte() & 1:
            self.rig.protocol.pause_writing()

    def wait(self) -> None:
        """Some time goes by, and the worker process looks at what is due each second."""
        self.loop.let_pass(self.programme.one_of(STEPS_S))
        self.house.guard.look(self.house.clock)
        for session in list(self.house.sessions):
            session.tick(self.house.clock)

    def new_work(self) -> None:
        """A refresh or a new tip, of a chain that is easy or hard to mine."""
        how = self.programme.byte()
        is_new_tip = bool(how & 1)
        self.tip = (how >> 2 & 3) + 1 if is_new_tip else self.tip
        nbits = REGTEST_NBITS if how & 2 else MAINNET_NBITS
        before = self.house.pool.jobs.current
        job = self.house.work(tip=self.tip, nbits=nbits, height=100 + self.tip)
        self.jobs.append(job)
        is_clean = before is None or before.template.prevhash_le != job.template.prevhash_le
        for session in list(self.house.sessions):
            is_first = is_clean or not session.has_work
            session.send_job(job, clean=is_first)

    def resend_work(self) -> None:
        self.rig.session.resend_work()

    def let_go(self) -> None:
        """The journal has reached the disk, or a block its spool."""
        if self.programme.byte() & 1:
            self.spool()
        self.house.journal.let_go()

    def spool(self) -> None:
        waiting = self.house.blocks[self.spooled :]
        self.spooled = len(self.house.blocks)
        for _, _, on_spooled in waiting:
            on_spooled()

    def end(self) -> None:
        """The operator or the pool ends a session."""
        session = self.rig.session
        match self.programme.byte() % 5:
            case 0:
                session.ask_to_reconnect()
            case 1:
                session.send_to("192.0.2.99", 3333)
            case 2:
                session.dismiss("for a test")
            case 3:
                session.close()
            case 4:
                self.rig.protocol.abort(Dropped("slow_peer"))

    # --- what must hold --------------------------------------------------------------------

    def finish(self) -> None:
        """Say what is held back, let all records be safe, and look at what has come of it all.

        Raises:
            AssertionError: something that must not be.
        """
        for rig in self.rigs.values():
            rig.send()
        self.spool()
        self.house.journal.let_go()
        self.loop.let_pass(0.0)
        self.no_error()
        checks.check_extranonces(self.all_rigs)
        for rig in self.all_rigs:
            checks.check_rig(rig)
            checks.check_work_is_never_sent_twice(rig)
        checks.check_books(self.house)
        checks.check_blocks(self.house)
        self.leave()

    def leave(self) -> None:
        """All hang up and nobody comes back in time."""
        for rig in self.all_rigs:  # of some the socket is closed and still there
            rig.wire.lose()
        self.loop.let_pass(RESUME_WINDOW_S)
        pool = self.house.pool
        pool.disconnect(pool.connect(vardiff_terms(), self.house.clock), self.house.clock)
        self.no_error()
        checks.check_nothing_is_left(self.house)

    def no_error(self) -> None:
        found = errors.take()
        assert not found, "logged as an error:\n" + "\n".join(found)


# Weighted by repetition: what a byte chooses most often is what rigs do most often.
ACTS: tuple[Callable[[Play], tuple[str, Any] | bytes | None], ...] = (
    Play.subscribe,
    Play.authorize,
    *[Play.submit] * 9,
    Play.configure,
    Play.suggest,
    Play.small_call,
    *[Play.again] * 3,
    Play.garbage,
    Play.an_answer,
    *[Play.wait] * 3,
    *[Play.new_work] * 3,
    *[Play.let_go] * 2,
    Play.resend_work,
    Play.hang_up,
    Play.end,
    Play.stop_reading,
)


def one_input(data: bytes) -> None:
    """Follow one programme to its end.

    Raises:
        AssertionError: the pool has a bug; and so has whatever else is raised.
    """
    programme = Programme(data)
    errors.take()
    house = FakeHouse(conduct=CONDUCT)
    loop = HandTurnedLoop(house)
    with loop.running():
        play = Play(programme, house, loop)
        for _ in range(MAX_ACTS):
            if programme.is_over:
                break
            play.act()
        play.finish()
