"""What a worker process tells once a second of how it stands."""

from typing import TYPE_CHECKING

from poolserver.cluster import timings
from poolserver.cluster.messages import Timed, WorkerCounters
from poolserver.process_watch import ProcessWatch

if TYPE_CHECKING:
    from poolserver.server.worker import Worker


def counters_of(worker: "Worker", watch: ProcessWatch | None) -> WorkerCounters:
    """``watch`` is of a process that is this worker and nothing else."""
    now, guard = worker.now(), worker.guard
    return WorkerCounters(
        source=worker.source,
        connections=len(worker.sessions),
        rigs=dict(worker.roll.rigs),
        jobs=len(worker.pool.jobs),
        malformed=worker.malformed,
        unresolved=worker.sweep.unresolved,
        resumed=worker.pool.resumed,
        refused=dict(guard.refused),
        bans=guard.bans(now),
        rejecting=guard.rejecting,
        pool_at_fault=guard.pool_at_fault,
        stopgap_seconds=worker.freshness.stopgap_seconds(now),
        stopgap_work=float(worker.pool.judge.stopgap_work),
        certificate_expires_unix=worker.reception.certificate_expires_unix,
        blocks_unsettled=worker.blocks.unsettled,
        blocks_unspooled=worker.blocks.unspooled,
        journal_failed=worker.journal.failed is not None,
        journal_dropped=worker.journal.dropped,
        journal_held=worker.journal.pending,
        timed=_timed(worker, watch),
        process=None if watch is None else watch.figures(now),
    )


def _timed(worker: "Worker", watch: ProcessWatch | None) -> dict[str, Timed]:
    observed = {
        timings.SHARE_LATENCY: worker.latency,
        timings.NEW_TIP: worker.new_tips,
        timings.FAN_OUT: worker.fan_outs,
        timings.SUBMIT_BLOCK: worker.blocks.offers,
        timings.JOURNAL_SYNC: worker.journal.syncs,
    }
    if watch is not None:
        observed[timings.LOOP_LAG] = watch.lag
        observed.update(zip(timings.GARBAGE, watch.collector.pauses, strict=True))
    return {name: timings.timed(each) for name, each in observed.items()}
