"""A job: one template with one coinbase, as rigs work on it."""

from dataclasses import dataclass, field

from poolserver._native import JobHasher, sha256d
from poolserver._vendor.asyncio_stratum import render_notify
from poolserver.bitcoin.block import assemble_block
from poolserver.bitcoin.header import pack_header, prevhash_to_stratum_hex
from poolserver.bitcoin.merkle import merkle_root_from_branch
from poolserver.bitcoin.target import target_le
from poolserver.mining.coinbase import Coinbase, TxOut, build_coinbase
from poolserver.mining.extranonce import EXTRANONCE1_SIZE
from poolserver.mining.identity import WorkerIdentity
from poolserver.mining.template import BlockTemplate

# Up to this long after the template's own time a rig may roll ntime. Nodes refuse a block
# whose time is more than 7,200 s ahead of theirs; 200 s are left for clocks that disagree.
NTIME_ROLL_MAX_S = 7000


@dataclass(frozen=True, slots=True)
class JobTerms:
    """What every job of a pool has in common: who is paid, and the room left for rolling."""

    payout_script: bytes
    coinbase_tag: bytes
    extranonce2_size: int
    version_mask: int

    @property
    def extranonce_size(self) -> int:
        return EXTRANONCE1_SIZE + self.extranonce2_size


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """Immutable. ``number`` grows by one a job within a process; ``job_id`` is unique for ever.

    ``version`` has the pool's rolling bits cleared, so that a rig which replaces them
    (BIP310), ors them or xors them (ESP-Miner) arrives at the same header.
    """

    number: int
    job_id: str
    template: BlockTemplate
    coinbase: Coinbase
    version: int
    ntime_min: int
    ntime_max: int
    network_target: int
    notify_clean: bytes = field(repr=False)
    notify_refresh: bytes = field(repr=False)
    hasher: JobHasher = field(repr=False)

    def block_hex(self, extranonce: bytes, version: int, ntime: int, nonce: int) -> str:
        """The whole block of a solved share, in hex, as submitblock takes it."""
        template = self.template
        coinbase_tx = self.coinbase.transaction(extranonce)
        root_le = merkle_root_from_branch(sha256d(coinbase_tx), template.merkle_branch)
        header = pack_header(version, template.prevhash_le, root_le, ntime, template.nbits, nonce)
        return assemble_block(
            header,
            coinbase_tx,
            template.transactions.data_hex,
            template.transactions.count,
            witness=template.witness_commitment is not None,
        )


class JobFactory:
    """Makes jobs of templates, each with a value in its coinbase that no other job has."""

    def __init__(self, identity: WorkerIdentity, terms: JobTerms) -> None:
        self._identity = identity
        self._terms = terms
        self._number = 0

    def make(self, template: BlockTemplate, curtime: int) -> Job:
        """A new job on ``template`` whose ntime starts at ``curtime`` (Unix seconds).

        The tag in the coinbase is what keeps two jobs of one template apart: the same
        nonce on both is two headers, so a share can never be counted on each.

        Raises:
            CoinbaseError: the coinbase does not fit the consensus rules.
        """
        self._number += 1
        terms, number = self._terms, self._number
        job_id = f"{self._identity.job_prefix}{number:x}"
        coinbase = build_coinbase(
            height=template.height,
            tag=terms.coinbase_tag,
            job_tag=self._identity.job_tag_prefix + number.to_bytes(8, "big"),
            extranonce_size=terms.extranonce_size,
            outputs=(TxOut(template.coinbase_value_sat, terms.payout_script),),
            witness_commitment=template.witness_commitment,
        )
        version = template.version & ~terms.version_mask
        ntime = max(curtime, template.mintime)
        clean, refresh = (
            render_notify(
                job_id=job_id,
                prevhash_hex=prevhash_to_stratum_hex(template.prevhash_le),
                coinb1=coinbase.coinb1,
                coinb2=coinbase.coinb2,
                merkle_branch=template.merkle_branch,
                version=version,
                nbits=template.nbits,
                ntime=ntime,
                clean_jobs=clean_jobs,
            )
            for clean_jobs in (True, False)
        )
        network_target = template.network_target
        return Job(
            number=number,
            job_id=job_id,
            template=template,
            coinbase=coinbase,
            version=version,
            ntime_min=template.mintime,
            ntime_max=ntime + NTIME_ROLL_MAX_S,
            network_target=network_target,
            notify_clean=clean,
            notify_refresh=refresh,
            hasher=JobHasher(
                coinbase.coinb1,
                coinbase.coinb2,
                template.merkle_branch,
                template.prevhash_le,
                template.nbits,
                target_le(network_target),
            ),
        )
