"""What tests of shares share: a template to work on, and a rig that solves by brute force."""

from itertools import count
from typing import NamedTuple

from poolserver._vendor.asyncio_stratum import Submit
from poolserver.bitcoin.networks import NETWORKS
from poolserver.bitcoin.target import Difficulty
from poolserver.mining.accounts import AccountRules
from poolserver.mining.identity import WorkerIdentity
from poolserver.mining.job import Job, JobTerms
from poolserver.mining.miner import AuthorizedWorker, Miner
from poolserver.mining.payout import PayoutPlan
from poolserver.mining.template import BlockTemplate
from poolserver.mining.transactions import BlockTransactions
from poolserver.mining.vardiff import VardiffTerms
from poolserver.pool import Pool, PoolTerms

MASK = 0x1FFFE000
EASY = 2.0**-30  # four hashes a share
MAINNET_NBITS = 0x17034219  # no share of a test is a block
REGTEST_NBITS = 0x207FFFFF  # every second hash is a block
P2WPKH = bytes.fromhex("0014751e76e8199196d454941c45d1b3a323f1433bd6")
CURTIME = 1_763_942_400


def template(
    height: int = 101, tip: int = 1, nbits: int = MAINNET_NBITS, transactions: int = 0
) -> BlockTemplate:
    """A template on the tip that is called ``tip``."""
    return BlockTemplate(
        height=height,
        version=0x20000000 | 0x2000,
        prevhash_le=bytes([tip]) * 32,
        nbits=nbits,
        curtime=CURTIME,
        mintime=CURTIME - 600,
        coinbase_value_sat=5_000_000_000,
        transactions=BlockTransactions(),
        merkle_branch=(b"\x11" * 32, b"\x22" * 32),
        witness_commitment=bytes.fromhex("6a24aa21a9ed" + "33" * 32),
    )


def make_pool(payout: PayoutPlan | None = None, **terms: object) -> Pool:
    settings: dict[str, object] = {
        "jobs": JobTerms(b"/test/", 8, MASK),
        "job_lifetime_s": 600.0,
        "cap_at_network_difficulty": True,
    }
    return Pool(
        WorkerIdentity("pool-1", 0, 1_763_942_400),
        PoolTerms(**{**settings, **terms}),  # type: ignore[arg-type]
        payout or PayoutPlan(P2WPKH),
        AccountRules(NETWORKS["regtest"], frozenset({"demo"})).account_of,
        new_session_id=map("{:032x}".format, count(1)).__next__,
    )


def vardiff_terms(start: float = EASY) -> VardiffTerms:
    return VardiffTerms(target_shares_per_minute=12, start=start, minimum=2.0**-32)


def authorize(
    pool: Pool, miner: Miner, name: str = "demo.rig", password: str = "x", now: float = 0.0
) -> AuthorizedWorker | None:
    """Authorize a worker that is booked as number 1."""
    return pool.authorize(miner, name, password, lambda account, worker: 1, now)


class Rig(NamedTuple):
    """A connection of ``pool`` with one authorized worker, and how to solve for it."""

    pool: Pool
    miner: Miner
    name: str = "demo.rig"

    @classmethod
    def connect(cls, pool: Pool, start: float = EASY, name: str = "demo.rig") -> "Rig":
        miner = pool.connect(vardiff_terms(start), 0.0)
        pool.subscribe(miner, None, 0.0)
        assert authorize(pool, miner, name) is not None
        return cls(pool, miner, name)

    def solve(
        self,
        job: Job,
        *,
        meets: float | None = None,
        misses: float | None = None,
        version_bits: int | None = None,
        ntime: int = CURTIME,
        extranonce2: bytes = bytes(8),
    ) -> Submit:
        """A share at difficulty ``meets`` and not at ``misses``."""
        meets = self.miner.terms_of(job.number).difficulty.value if meets is None else meets
        variant = job.variants[self.miner.terms_of(job.number).coinbase_class]
        easy, hard = Difficulty.of(meets), Difficulty.of(misses) if misses else None
        mask = self.miner.version_mask
        version = job.version if version_bits is None else job.version & ~mask | version_bits
        for nonce in count():
            hash_le, ok, _ = variant.hasher.check(
                self.miner.terms_of(job.number).extranonce1 + extranonce2,
                version,
                ntime,
                nonce,
                easy.target_le,
            )
            if ok and (hard is None or int.from_bytes(hash_le, "little") > hard.target):
                return Submit(1, self.name, job.job_id, extranonce2, ntime, nonce, version_bits)
        raise AssertionError("unreachable")
