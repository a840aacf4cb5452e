"""All that is around the rigs: a real pool with a fake journal, and the model's books of it."""

import logging
from dataclasses import dataclass
from hashlib import sha256
from ipaddress import ip_network
from itertools import count

from poolserver.bitcoin.networks import NETWORKS
from poolserver.mining.accounts import AccountRules
from poolserver.mining.identity import WorkerIdentity
from poolserver.mining.job import JobTerms
from poolserver.mining.payout import PayoutPlan
from poolserver.mining.template import BlockTemplate
from poolserver.mining.transactions import BlockTransactions
from poolserver.mining.vardiff import VardiffTerms
from poolserver.pool import Pool, PoolTerms
from poolserver.server.admission import AdmissionTerms
from poolserver.server.conduct import ConductTerms
from tests.unit.machine.reference import (
    ACCEPTED,
    CODES,
    JOB_LIFETIME_S,
    NO_HASH,
    Notify,
    Reference,
    Session,
    Share,
    Verdict,
    network_target,
)
from tests.unit.machine.rig import POOL_MASK, Rig, is_error, is_true
from tests.unit.server.wire import FakeHouse, Line
from tests.unit.solving import CURTIME, P2WPKH

# Some hashes a share, and steps of vardiff between them.
LISTENERS = (
    VardiffTerms(target_shares_per_minute=12, start=2.0**-30, minimum=2.0**-32, maximum=2.0**-25),
    VardiffTerms(target_shares_per_minute=12, start=2.0**-27, minimum=2.0**-30, maximum=2.0**-26),
)
RESUME_WINDOW_S = 600.0
TAKE_OVER_INTERVAL_S = 60.0
NO_WORKER = 0
DIFFICULTY_1 = 0xFFFF << 208
HOSPITABLE = AdmissionTerms(trusted=(ip_network("192.0.2.0/24"),))
# The ladder of abuse would throw out who sends so much that is wrong.
PATIENT = ConductTerms(
    resend_after_s=1e12, reconnect_after_s=1e12, drop_after_s=1e12, window_submits=10**9
)

Record = tuple[int, str, bool, int, int, bytes]


@dataclass(frozen=True)
class Tip:
    """A block to mine on."""

    number: int
    nbits: int
    mintime: int

    @property
    def prevhash(self) -> bytes:
        return sha256(b"tip %d" % self.number).digest()


class Errors(logging.Handler):
    """Keeps what the Stratum library logs as an error: an exception that it caught."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(self.format(record))


class PoolWorld:
    """One pool in all its lives, and what the model knows of it."""

    def __init__(self, conduct: ConductTerms, *, lenient: bool, capped: bool) -> None:
        self.lenient = lenient
        self.resending = False
        self.clock = 0.0
        self.tips: list[Tip] = []
        self.tip: Tip
        self.latest: BlockTemplate | None = None
        self.shares: list[Share] = []
        self.old_session_ids: list[str] = []
        self._conduct = conduct
        self._capped = capped
        self._epochs = count(1_763_942_400)
        self._session_ids = map("{:032x}".format, count(1))
        self._coinbases: dict[bytes, str] = {}
        self._credited: set[bytes] = set()
        self.begin()

    def begin(self) -> None:
        """A life of the pool: nothing of the former is known to it."""
        identity = WorkerIdentity("pool-1", 0, next(self._epochs))
        jobs = JobTerms(b"/test/", 8, POOL_MASK)
        # The ladder ends some sessions for good, which is its own business: there none is resumed.
        self._resume_window_s = 0.0 if self.lenient else RESUME_WINDOW_S
        pool = Pool(
            identity,
            PoolTerms(
                jobs,
                600.0,
                cap_at_network_difficulty=self._capped,
                resume_window_s=self._resume_window_s,
            ),
            PayoutPlan(P2WPKH),
            AccountRules(NETWORKS["regtest"], frozenset({"demo"})).account_of,
            new_session_id=self._session_ids.__next__,
        )
        self.house = FakeHouse(
            pool=pool, conduct=self._conduct, clock=self.clock, limits=HOSPITABLE
        )
        self.reference = Reference()
        self.reference.mintimes = {tip.prevhash: tip.mintime for tip in self.tips}
        self.rigs: list[Rig] = []
        self.ghosts: list[Rig] = []  # the pool has given them up; the news is under way
        self.lost: dict[str, tuple[float, Session]] = {}
        self.records: list[Record] = []
        self.found: list[tuple[int, bytes, int]] = []
        self.blocks: list[tuple[bytes, str, bytes]] = []
        self._spooled = self._checked = 0
        self._refs = count(1)
        self._lowest_ceiling = 1e300
        self.ceiling = 1e300

    def now(self) -> float:
        return self.clock

    def advance(self, seconds: float) -> None:
        if self.lenient:
            # The ladder makes jobs that nobody sees; so that it does not matter none gets over.
            seconds = min(seconds, JOB_LIFETIME_S - 1 - self.clock)
        self.clock += seconds
        self.house.clock = self.clock

    # --- templates -----------------------------------------------------------------------

    def template(self, tip: Tip, *, branches: int, stopgap: bool = False) -> None:
        """What the node tells next; nobody hears of it yet."""
        self.tip = tip
        self.latest = BlockTemplate(
            height=100 + tip.number,
            version=0x20000000 | 0x1234E000,
            prevhash_le=tip.prevhash,
            nbits=tip.nbits,
            curtime=max(self.house.unix_time(), tip.mintime),
            mintime=tip.mintime,
            coinbase_value_sat=5_000_000_000,
            transactions=BlockTransactions(),
            merkle_branch=() if stopgap else tuple(bytes([b + 1]) * 32 for b in range(branches)),
            witness_commitment=None if stopgap else bytes.fromhex("6a24aa21a9ed" + "33" * 32),
            stopgap=stopgap,
        )

    def broadcast(self) -> None:
        """As the worker process does it: a clean job where the tip is new, and else a refresh."""
        assert self.latest is not None
        house, pool, latest = self.house, self.house.pool, self.latest
        before = pool.jobs.current
        job = pool.on_template(latest, self.clock, house.unix_time())
        self.reference.made(job.job_id, self.clock, is_current=True)
        self.reference.tip = latest.prevhash_le
        self.reference.mintimes[latest.prevhash_le] = latest.mintime
        if self._capped:
            self.ceiling = DIFFICULTY_1 / network_target(latest.nbits)
            self._lowest_ceiling = min(self.ceiling, self._lowest_ceiling)
        is_new_tip = before is None or before.template.prevhash_le != latest.prevhash_le
        by_difficulty = sorted(house.sessions, key=lambda each: -each.miner.vardiff.difficulty)
        for session in by_difficulty:
            is_clean = is_new_tip or not session.has_work
            session.send_job(job, clean=is_clean)
        for rig in self.rigs:
            rig.read()
            assert not rig.is_ready or rig.session.sent[-1].job.job_id == job.job_id

    # --- connections ---------------------------------------------------------------------

    def connect(self, listener: int) -> Rig:
        rig = Rig(self, Line(self.house, LISTENERS[listener]), listener)
        self.rigs.append(rig)
        return rig

    def rewind_extranonces(self) -> None:
        """A freed extranonce1 comes round at once, and not after a million connections."""
        self.house.pool.extranonces._next = 0

    def hang_up(self, rig: Rig) -> None:
        """The connection ends; its session is kept for a while if there was any work."""
        self.rigs.remove(rig)
        self._lose(rig)
        rig.line.hang_up()

    def _lose(self, rig: Rig) -> None:
        if rig.session.sent:
            self.lost[rig.session_id] = self.clock + self._resume_window_s, rig.session

    def resumed(self, rig: Rig, session_id: str) -> Session | None:
        """The session that ``rig`` goes on with if it names that id; an old connection ends."""
        old = next((each for each in self.rigs if each.session_id == session_id), None)
        if old is not None and self.clock - old.taken_over_at >= TAKE_OVER_INTERVAL_S:
            rig.taken_over_at = self.clock
            self.rigs.remove(old)
            self.ghosts.append(old)
            self._lose(old)
        until, session = self.lost.pop(session_id, (0.0, None))
        return session if self.clock < until else None

    def new_ref(self) -> int:
        """The number that the journal gives to a worker."""
        return next(self._refs)

    def restart(self) -> None:
        self.end()
        self.begin()

    def end(self) -> None:
        """Every connection ends."""
        for rig in self.rigs:
            self.old_session_ids.append(rig.session_id)
        for rig in (*self.rigs, *self.ghosts):
            rig.line.hang_up()

    # --- shares --------------------------------------------------------------------------

    def submitted(self, rig: Rig, share: Share, request_id: int | str) -> None:
        """The model's judgement of a share, and what must come of it."""
        verdict = self.reference.judge(rig.session, rig.workers, share, self.clock)
        ref = rig.workers.get(share.worker, NO_WORKER)
        self._expect(verdict, ref, share)
        is_accepted = verdict.reason == ACCEPTED
        rig.expected[request_id] = (
            is_true if is_accepted else is_error(CODES[verdict.reason], verdict.reason)
        )

    def _expect(self, verdict: Verdict, ref: int, share: Share) -> None:
        reason, proven, work, number, hash_le, header = verdict
        self.records.append((ref, reason, proven, work, number, hash_le))
        if proven:
            assert hash_le not in self._credited
            self._credited.add(hash_le)
        if header is not None:
            prevhash = header[4:36]
            height = next(100 + tip.number for tip in self.tips if tip.prevhash == prevhash)
            self.found.append((height, hash_le, ref))
            self.blocks.append((header, share.worker, share.extranonce2))

    def refused(self, rig: Rig, reason: str) -> None:
        """A submit that the library refuses: booked to the only worker, if there is but one."""
        ref = next(iter(rig.workers.values())) if len(rig.workers) == 1 else NO_WORKER
        self.records.append((ref, reason, False, 0, 0, NO_HASH))

    def check_books(self) -> None:
        """The journal holds what the model says, and each block went out once."""
        journal, since = self.house.journal, self._checked
        booked = [(r[0], r[1].reason, *r[2:]) for r in journal.records[since:]]
        assert booked == self.records[since:]
        self._checked = since + len(booked)
        assert journal.found == self.found
        assert len(self.house.blocks) == len(self.blocks)

    def settle(self) -> None:
        """Blocks are on the disk, records too: every answer leaves."""
        blocks = self.house.blocks[self._spooled :]
        for (block, worker, on_spooled), expected in zip(
            blocks, self.blocks[self._spooled :], strict=True
        ):
            header, share_worker, extranonce2 = expected
            assert block.block_hex.startswith(header.hex())
            assert extranonce2.hex() in block.block_hex
            assert worker == share_worker
            on_spooled()
        self._spooled += len(blocks)
        self.house.journal.let_go()
        for rig in self.rigs:
            rig.read()
            assert not rig.expected, f"never answered: {list(rig.expected)}"

    # --- what each rig checks ------------------------------------------------------------

    def check_difficulty(self, rig: Rig, difficulty: float) -> None:
        terms = LISTENERS[rig.listener]
        assert difficulty <= min(terms.maximum, self.ceiling)
        assert difficulty >= min(terms.minimum, self._lowest_ceiling)

    def check_new_job(self, job: Notify) -> None:
        """A job_id means one job for ever, and no coinbase is in two jobs."""
        known = self.reference.jobs.get(job.job_id)
        assert known is None or known._replace(clean=job.clean) == job
        assert self._coinbases.setdefault(job.coinb1, job.job_id) == job.job_id
        latest = self.latest
        assert latest is not None
        assert job.prevhash == self.reference.tip
        assert job.version & POOL_MASK == 0
        assert job.nbits == self.tip.nbits
        assert max(self.tip.mintime, CURTIME) <= job.ntime <= CURTIME + 1 + int(self.clock)

    def check_extranonce1(self, rig: Rig, extranonce1: bytes) -> None:
        """A new one is nobody's who is here or may come back, for no job that lives."""
        others = [each.session for each in self.rigs if each.is_subscribed]
        others += [session for until, session in self.lost.values() if self.clock < until]
        for session in others:
            assert session.extranonce1 != extranonce1
            for sent in session.sent:
                is_over = sent.job.job_id not in self.reference.made_at
                assert is_over or sent.extranonce1 != extranonce1
