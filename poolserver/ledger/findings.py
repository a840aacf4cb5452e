"""What a check of the ledger finds: differences, each with its place, and remarks."""

from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec

from poolserver.ledger.audit import NUMBERS, day_text
from poolserver.ledger.totals import DAY_S, ShareTotals, WorkerKey

MAX_TOLD = 1000
"""Of a ledger that is wrong from end to end a thousand places say enough."""


class Difference(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that is not as it must be. ``kind`` is one of a fixed set of words."""

    kind: str
    text: str
    """For people, with the place in it."""
    day: str = ""
    interval: str = ""
    site: str = ""
    account: str = ""
    worker: str = ""


class Findings:
    """Collects them."""

    def __init__(self) -> None:
        self.differences: list[Difference] = []
        self.count = 0
        """Of all differences, those that are left out of the list as well."""
        self.notes: list[str] = []

    def differ(
        self,
        kind: str,
        text: str,
        *,
        day: int | None = None,
        begin_s: int | None = None,
        key: WorkerKey | None = None,
    ) -> None:
        """Something is not as it must be; the place is put before ``text``."""
        self.count += 1
        if len(self.differences) >= MAX_TOLD:
            return
        if day is None and begin_s is not None:
            day = begin_s // DAY_S
        place = [
            day_text(day) if day is not None and begin_s is None else "",
            "" if begin_s is None else interval_text(begin_s),
            "" if key is None else worker_text(key),
        ]
        self.differences.append(
            Difference(
                kind=kind,
                text=": ".join([" ".join(part for part in place if part), text]).removeprefix(": "),
                day="" if day is None else day_text(day),
                interval="" if begin_s is None else interval_text(begin_s),
                site=key.site if key else "",
                account=key.account if key else "",
                worker=key.worker if key else "",
            )
        )

    def note(self, text: str) -> None:
        """Something that whoever reads the report should know."""
        self.notes.append(text)


def interval_text(begin_s: int) -> str:
    """When an interval begins, e.g. ``2026-12-01T00:15Z``."""
    try:
        return f"{datetime.fromtimestamp(begin_s, UTC):%Y-%m-%dT%H:%MZ}"
    except (ValueError, OverflowError):
        return str(begin_s)


def worker_text(key: WorkerKey) -> str:
    """A worker and where it is booked."""
    return f"{key.worker or 'nobody'} (account {key.account!r}, site {key.site!r})"


def columns_that_differ(ledger: ShareTotals, other: ShareTotals, whose: str) -> str:
    """What two sums of shares do not agree about, for people."""
    return ", ".join(
        f"{name} is {mine} in the ledger, {theirs} {whose}"
        for name, mine, theirs in zip(NUMBERS, _columns(ledger), _columns(other), strict=True)
        if mine != theirs
    )


def _columns(totals: ShareTotals) -> Iterator[str]:
    yield from map(str, (totals.accepted_work, totals.proven_work, totals.proven_work_sq))
    yield from map(str, totals.shares)
    yield "none" if totals.best_hash is None else f"{totals.best_hash:064x}"
    yield from ("none" if ms is None else str(ms) for ms in (totals.first_ms, totals.last_ms))
