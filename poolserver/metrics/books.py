"""What Prometheus is told of the journal and the books: what is safe, and how far behind it is."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client.core import Metric

from poolserver.cluster import timings
from poolserver.crew.tally import Counts
from poolserver.metrics.families import counter, gauge, histogram

if TYPE_CHECKING:
    from poolserver.coordinator import Coordinator

JOURNAL_FAILED = gauge("journal_failed", help="1 while the share journal cannot be written.")
JOURNAL_DROPPED_SHARES = counter(
    "journal_dropped_shares",
    help=("Shares that were not recorded: the disk failed and the memory for them was full."),
    meaning=(
        "shares that were refused as `not_recorded`: the journal could not be written, and "
        "the memory for them was full or `when_full` is `refuse`"
    ),
)
JOURNAL_HELD = gauge(
    "journal_held_records",
    help="Records of the share journal that are in memory and not on the disk yet.",
    meaning=(
        "Records of the share journal that are in memory and not on the disk yet: those of some "
        "50 ms, or all since the disk failed"
    ),
)
JOURNAL_SYNC = histogram(
    "journal_sync_seconds",
    help="Time that the disk took to have the share journal's records.",
)
JOURNAL_LAG = gauge(
    "journal_lag_seconds",
    help="For how long the oldest record that is on the disk has been in no sum of the books.",
    meaning=(
        "For how long the oldest record that is on the disk has been in no sum of the books: a "
        "second or so where all is well"
    ),
)
JOURNAL_STUCK = gauge(
    "journal_stuck_sources",
    help="Journals with a gap, of which nothing more is taken until a start.",
    meaning=(
        "Journals of worker processes with a gap, of which nothing more is taken into the books "
        "until a start: look for `ledger_stuck` in the log"
    ),
)
LEDGER_SAVE = histogram(
    "ledger_save_seconds",
    help="Time that the database took for a save of the books.",
)
LEDGER_UNSAVED = gauge(
    "ledger_unsaved_seconds",
    help="Since the last save of the books that the database took.",
    meaning=(
        "Since the last save of the books that the database took. Nothing is lost by a long one: "
        "the journal has it"
    ),
)
ENERGY_CLOSED = gauge(
    "energy_closed_timestamp_seconds",
    help="The end of the last closed interval of the energy books.",
    meaning=("The end of the last closed interval of the [energy books](energy.md), in Unix time"),
    left_out="before the first",
)


def book_families(coordinator: "Coordinator", counts: Counts) -> Iterator[Metric]:
    """Of the workers' journals and of the coordinator's books."""
    living = coordinator.workers.values()
    yield JOURNAL_FAILED.of(max((int(each.journal_failed) for each in living), default=0))
    yield JOURNAL_DROPPED_SHARES.of(counts.journal_dropped)
    yield JOURNAL_HELD.of(sum(each.journal_held for each in living))
    yield JOURNAL_SYNC.of(counts.timed[timings.JOURNAL_SYNC])
    keeper = coordinator.keeper
    yield JOURNAL_LAG.of(keeper.lag_s())
    yield JOURNAL_STUCK.of(len(keeper.stuck))
    yield LEDGER_SAVE.of(keeper.saves)
    yield LEDGER_UNSAVED.of(keeper.unsaved_s())
    closed_until_s = coordinator.room.energy_closed_until_s
    if closed_until_s:
        yield ENERGY_CLOSED.of(closed_until_s)
