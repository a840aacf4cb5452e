"""A job: one template with its coinbases, as rigs work on it.

Firmware differs in how large a coinbase it can take, so a job has a coinbase for each size class
that its outputs do not fit, and one line of ``mining.notify`` to each. All else is the same for
all rigs.
"""

from bisect import bisect_right
from dataclasses import dataclass, field

from poolserver._native import JobHasher, sha256d
from poolserver._vendor.asyncio_stratum import render_notify
from poolserver.bitcoin.block import assemble_block
from poolserver.bitcoin.header import pack_header, prevhash_to_stratum_hex
from poolserver.bitcoin.merkle import WITNESS_COMMITMENT_SIZE, merkle_root_from_branch
from poolserver.bitcoin.script import MAX_HEIGHT, output_sigops_cost
from poolserver.bitcoin.target import target_le
from poolserver.mining.coinbase import Coinbase, build_coinbase, outputs_room
from poolserver.mining.extranonce import EXTRANONCE1_SIZE
from poolserver.mining.identity import WorkerIdentity
from poolserver.mining.payout import (
    Allotment,
    Distribution,
    Payer,
    Paying,
    PayoutPlan,
    Sharing,
    output_size,
)
from poolserver.mining.template import BlockTemplate
from poolserver.mining.transactions import CoinbaseReserve

# Up to this long after the template's own time a rig may roll ntime. Nodes refuse a block
# whose time is more than 7,200 s ahead of theirs; 200 s are left for clocks that disagree.
NTIME_ROLL_MAX_S = 7000
_JOB_NUMBER_SIZE = 8
_P2PKH = bytes.fromhex("76a914") + bytes(20) + bytes.fromhex("88ac")


class CoinbaseClasses:
    """Sizes of coinbase, in bytes without witness, that rigs can take, and where each belongs.

    The sizes are those of the firmware table, so every rig has a class that is just its own.
    """

    def __init__(self, sizes: set[int]) -> None:
        self.sizes = tuple(sorted(sizes))

    def __len__(self) -> int:
        return len(self.sizes)

    def index(self, coinbase_bytes: int) -> int:
        """The class of rigs that take so much: the largest that is no larger, else the least."""
        return max(0, bisect_right(self.sizes, coinbase_bytes) - 1)


@dataclass(frozen=True, slots=True)
class JobTerms:
    """What every job of a pool has in common, but for who is paid: the room left for rolling."""

    coinbase_tag: bytes
    extranonce2_size: int
    version_mask: int

    @property
    def extranonce_size(self) -> int:
        return EXTRANONCE1_SIZE + self.extranonce2_size


@dataclass(frozen=True, slots=True, eq=False)
class JobVariant:
    """A job with one of its coinbases: what a rig of a size class is sent, and is judged by."""

    coinbase: Coinbase
    allotment: Paying = field(repr=False)
    notify_clean: bytes = field(repr=False)
    notify_refresh: bytes = field(repr=False)
    hasher: JobHasher = field(repr=False)

    @property
    def distribution(self) -> Distribution:
        """What a block of this variant pays."""
        return self.allotment.distribution


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """Immutable. ``number`` grows by one a job within a process; ``job_id`` is unique for ever.

    ``version`` has the pool's rolling bits cleared, so that a rig which replaces them
    (BIP310), ors them or xors them (ESP-Miner) arrives at the same header.
    """

    number: int
    job_id: str
    template: BlockTemplate
    version: int
    ntime_min: int
    ntime_max: int
    network_target: int
    variants: tuple[JobVariant, ...]
    """One for each size class, smallest first; one object where a coinbase serves several."""

    def block_hex(
        self, variant: JobVariant, extranonce: bytes, version: int, ntime: int, nonce: int
    ) -> str:
        """The whole block of a solved share, in hex, as submitblock takes it."""
        template = self.template
        coinbase_tx = variant.coinbase.transaction(extranonce)
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
    """Makes jobs of templates, each with a value in its coinbase that no other job has.

    ``plan`` says who is paid; another one may be put in its place, for the jobs from then on.
    """

    def __init__(
        self,
        identity: WorkerIdentity,
        terms: JobTerms,
        classes: CoinbaseClasses,
        plan: PayoutPlan,
        *,
        reserve_whole: bool = False,
    ) -> None:
        """``reserve_whole`` is for plans of which nobody knows how many payees they will have."""
        self._identity = identity
        self._terms = terms
        self._number = 0
        self._reserve_whole = reserve_whole
        self.classes = classes
        self.plan = plan

    @property
    def plan(self) -> PayoutPlan:
        """Who is paid by the jobs from now on."""
        return self._payer.plan

    @plan.setter
    def plan(self, plan: PayoutPlan) -> None:
        self._payer = Payer(plan)
        self._sharing: Sharing | None = None  # of the last job: fresh ones are worth the same

    def number_above(self, number: int) -> None:
        """Give no job from now on this number, or one below it."""
        self._number = max(self._number, number)

    def reserve(self) -> CoinbaseReserve:
        """The room that a block must keep for the largest coinbase of this plan.

        Where nobody knows the payees: for as much as any rig takes, and for the outputs that
        count most signature operations for their size.
        """
        largest = self.classes.sizes[-1]
        bare = largest - self._room(largest, 1, MAX_HEIGHT, bytes(WITNESS_COMMITMENT_SIZE))
        with_operator = bare + output_size(self.plan.operator)
        if self._reserve_whole:
            outputs = max(0, largest - bare) // output_size(_P2PKH) + 1
            return CoinbaseReserve(
                base_size=max(largest, with_operator),
                sigops_cost=outputs * output_sigops_cost(_P2PKH),
            )
        scripts = {self.plan.operator, *(payee.script_pubkey for payee in self.plan.payees)}
        return CoinbaseReserve(
            base_size=max(min(bare + sum(map(output_size, scripts)), largest), with_operator),
            sigops_cost=sum(map(output_sigops_cost, scripts)),
        )

    def make(self, template: BlockTemplate, curtime: int) -> Job:
        """A new job on ``template`` whose ntime starts at ``curtime`` (Unix seconds).

        The tag in the coinbase is what keeps two jobs of one template apart: the same
        nonce on both is two headers, so a share can never be counted on each.

        Raises:
            CoinbaseError: the coinbase does not fit the consensus rules.
        """
        self._number += 1
        number, ntime = self._number, max(curtime, template.mintime)
        job_id = f"{self._identity.job_prefix}{number:x}"
        version = template.version & ~self._terms.version_mask
        return Job(
            number=number,
            job_id=job_id,
            template=template,
            version=version,
            ntime_min=template.mintime,
            ntime_max=ntime + NTIME_ROLL_MAX_S,
            network_target=template.network_target,
            variants=self._variants(template, number, job_id, version, ntime),
        )

    def _variants(
        self, template: BlockTemplate, number: int, job_id: str, version: int, ntime: int
    ) -> tuple[JobVariant, ...]:
        """From the largest class down: a coinbase serves every class that it fits."""
        sharing = self._shared_out(template.coinbase_value_sat)
        variants: list[JobVariant] = []
        for size in reversed(self.classes.sizes):
            if variants and variants[-1].coinbase.size <= size:
                variants.append(variants[-1])
                continue
            coinbase, allotment = self._coinbase(template, sharing, number, size)
            variants.append(
                make_variant(
                    template, coinbase, allotment, job_id=job_id, version=version, ntime=ntime
                )
            )
        return tuple(reversed(variants))

    def _shared_out(self, value_sat: int) -> Sharing:
        payer, sharing = self._payer, self._sharing
        if sharing is None or sharing.payer is not payer or sharing.value_sat != value_sat:
            self._sharing = sharing = payer.share_out(value_sat)
        return sharing

    def _coinbase(
        self, template: BlockTemplate, sharing: Sharing, number: int, size: int
    ) -> tuple[Coinbase, Allotment]:
        """The coinbase that pays as many as ``size`` bytes let it, and the operator in any case."""
        terms = self._terms
        room = self._room(size, number, template.height, template.witness_commitment)
        allotment = sharing.allot(max(room, sharing.payer.operator_size))
        coinbase = build_coinbase(
            height=template.height,
            tag=terms.coinbase_tag,
            job_tag=self._job_tag(number),
            extranonce_size=terms.extranonce_size,
            outputs=allotment.outputs,
            witness_commitment=template.witness_commitment,
        )
        return coinbase, allotment

    def _room(self, size: int, number: int, height: int, commitment: bytes | None) -> int:
        return outputs_room(
            size,
            height=height,
            tag=self._terms.coinbase_tag,
            job_tag=self._job_tag(number),
            extranonce_size=self._terms.extranonce_size,
            witness_commitment=commitment,
        )

    def _job_tag(self, number: int) -> bytes:
        return self._identity.job_tag_prefix + number.to_bytes(_JOB_NUMBER_SIZE, "big")


def make_variant(
    template: BlockTemplate,
    coinbase: Coinbase,
    allotment: Paying,
    *,
    job_id: str,
    version: int,
    ntime: int,
) -> JobVariant:
    """A job with this coinbase: its lines rendered, its hashing prepared."""
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
    return JobVariant(
        coinbase=coinbase,
        allotment=allotment,
        notify_clean=clean,
        notify_refresh=refresh,
        hasher=JobHasher(
            coinbase.coinb1,
            coinbase.coinb2,
            template.merkle_branch,
            template.prevhash_le,
            template.nbits,
            target_le(template.network_target),
        ),
    )
