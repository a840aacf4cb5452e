"""A job in a form that can be sent to another process, and made a job of again there."""

from dataclasses import dataclass

import msgspec

from poolserver.mining.coinbase import Coinbase
from poolserver.mining.job import NTIME_ROLL_MAX_S, Job, make_variant
from poolserver.mining.payout import Distribution
from poolserver.mining.template import BlockTemplate


class VariantState(msgspec.Struct, frozen=True, array_like=True):
    """One coinbase of a job, and what it pays."""

    coinb1: bytes
    coinb2: bytes
    distribution: Distribution


class JobState(msgspec.Struct, frozen=True):
    """A job without its template, which many may have in common.

    ``classes`` tells for each size class of coinbases which of the variants it has.
    """

    number: int
    job_id: str
    version: int
    ntime_min: int
    ntime_max: int
    extranonce_size: int
    variants: tuple[VariantState, ...]
    classes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Known:
    """What a coinbase pays, where it is known and has not to be worked out."""

    distribution: Distribution


def state_of(job: Job) -> JobState:
    """Slow where there are many payees: what each coinbase pays is worked out."""
    variants = list(dict.fromkeys(job.variants))  # they compare by identity
    return JobState(
        number=job.number,
        job_id=job.job_id,
        version=job.version,
        ntime_min=job.ntime_min,
        ntime_max=job.ntime_max,
        extranonce_size=variants[0].coinbase.extranonce_size,
        variants=tuple(
            VariantState(each.coinbase.coinb1, each.coinbase.coinb2, each.distribution)
            for each in variants
        ),
        classes=tuple(variants.index(each) for each in job.variants),
    )


def restored(state: JobState, template: BlockTemplate) -> Job:
    """The inverse: it judges each share as the other did, and its lines are the same."""
    variants = [
        make_variant(
            template,
            Coinbase(each.coinb1, each.coinb2, state.extranonce_size),
            _Known(each.distribution),
            job_id=state.job_id,
            version=state.version,
            ntime=state.ntime_max - NTIME_ROLL_MAX_S,
        )
        for each in state.variants
    ]
    return Job(
        number=state.number,
        job_id=state.job_id,
        template=template,
        version=state.version,
        ntime_min=state.ntime_min,
        ntime_max=state.ntime_max,
        network_target=template.network_target,
        variants=tuple(variants[number] for number in state.classes),
    )
