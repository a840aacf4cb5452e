"""From when on the journal has all that the ledger counted: what is older was deleted by age.

The ledger has noted up to which record each source's files were deleted. What is missing beyond
that was not deleted by the pool.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from poolserver.ledger.findings import Findings
from poolserver.ledger.interval_reader import FROM_EVER_S
from poolserver.ledger.rebuild import Rebuild
from poolserver.ledger.totals import INTERVAL_S

NOWHERE_S = 2**62
"""No interval is so late."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """From these intervals on (Unix seconds) journal and ledger must be the same."""

    shares_from_s: int
    earnings_from_s: int
    """Of work by difficulty and value: only once a template is known."""
    nothing_before_s: int = FROM_EVER_S
    """The ledger has no intervals before this one, whatever the journal has."""


def check_sources(
    progress: Mapping[str, int],
    pruned: Mapping[str, int],
    rebuild: Rebuild,
    findings: Findings,
) -> Coverage:
    """Compare how far each source goes, and tell what the rest may be compared from.

    ``pruned`` is the last record of each source of which the file was deleted in good order.
    """
    lanes = _lanes(progress, rebuild)
    shares_from_s = earnings_from_s = -1
    for source, counted in sorted(progress.items()):
        if counted == 0:
            continue
        state = rebuild.sources.get(source)
        if state is not None and rebuild.folded(source) < counted:
            because = f" ({state.trouble})" if state.trouble else ""
            findings.differ(
                "journal_short",
                f"the journal of {source} ends after record {rebuild.folded(source)},"
                f" the ledger has counted {counted}{because}",
            )
        if state is not None and state.first == 1:
            continue
        due = pruned.get(source, 0) + 1
        first = counted + 1 if state is None else state.first
        if first > due:
            findings.differ(
                "journal_missing",
                f"of the journal of {source} the records {due} to {first - 1} are missing,"
                " and no file with them was deleted for its age",
            )
        elif state is not None:
            begin_s = NOWHERE_S if state.begin_s is None else state.begin_s + INTERVAL_S
            shares_from_s = max(shares_from_s, begin_s)
            earnings_from_s = max(earnings_from_s, state.without_template_s + INTERVAL_S)
        else:
            shares_from_s = max(shares_from_s, _after_gone(lanes[_lane(source)[0]], rebuild))
    return Coverage(shares_from_s, max(shares_from_s, earnings_from_s))


def _after_gone(lane: list[tuple[int, str]], rebuild: Rebuild) -> int:
    """From when on nothing of a source can be missing that has no files any more."""
    for _, name in lane:
        begin_s = rebuild.sources[name].begin_s
        if begin_s is not None:
            return begin_s + INTERVAL_S  # it had ended when the next one of its place began
    # Another place of old, as of a worker process that there is no more: it ended before the
    # oldest that is left, which would otherwise have been deleted first.
    last = [state.last_s for state in rebuild.sources.values() if state.begin_s is not None]
    return min(last) + INTERVAL_S if last else NOWHERE_S


def _lanes(progress: Mapping[str, int], rebuild: Rebuild) -> dict[str, list[tuple[int, str]]]:
    """By instance and worker the sources that there are files of, the first one first."""
    lanes: defaultdict[str, list[tuple[int, str]]] = defaultdict(list)
    for source in rebuild.sources:
        if progress.get(source, 0):
            lane, epoch = _lane(source)
            lanes[lane].append((epoch, source))
    for each in lanes.values():
        each.sort()
    return lanes


def _lane(source: str) -> tuple[str, int]:
    """``pool-1/0/1763942400``: the place, and the boot epoch that grows at each start."""
    lane, _, epoch = source.rpartition("/")
    return lane, int(epoch) if epoch.isdecimal() else 0


def describe(progress: Mapping[str, int], rebuild: Rebuild) -> Iterator[str]:
    """Remarks on what was not compared, for people."""
    gone = [name for name, count in progress.items() if count and name not in rebuild.sources]
    cut = [name for name, state in rebuild.sources.items() if state.first > 1]
    if gone or cut:
        yield (
            f"of {len(gone)} source(s) the journal is not there any more, of {len(cut)} the"
            " beginning: what they alone tell is checked by chain and rows only"
        )
