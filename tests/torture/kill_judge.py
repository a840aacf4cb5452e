"""Whether each share that was answered is in the books, once: by what the rigs know alone.

Two levels. The journal must have each share that was answered ``true`` once as accepted, with the
work and the worker that the rig knows; the database must have the sums of the journal, and so of
what the rigs know. A share whose answer did not arrive may count once or not at all.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from tests.torture.evidence import ACCEPTED, Evidence, Submit
from tests.torture.journal_reader import OUTCOMES, JournalShare, SourceJournal

MOST_TOLD = 8
# What is refused before it is looked at as a share is answered without waiting for its record:
# nothing is owed for it.
NOT_HELD = ("malformed", "not_subscribed")


class Key(NamedTuple):
    """Whom shares are booked to; both empty: nobody."""

    account: str
    username: str


@dataclass
class Sums:
    """What is booked to somebody."""

    counts: Counter[str] = field(default_factory=Counter)
    """By outcome."""
    accepted_work: int = 0
    proven_work: int = 0

    def add(self, other: "Sums") -> None:
        self.counts.update(other.counts)
        self.accepted_work += other.accepted_work
        self.proven_work += other.proven_work

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sums) and (
            (+self.counts, self.accepted_work, self.proven_work)
            == (+other.counts, other.accepted_work, other.proven_work)
        )

    def __str__(self) -> str:
        return f"{dict(+self.counts)}, work {self.accepted_work} of {self.proven_work}"


@dataclass
class Books:
    """What the database says."""

    totals: dict[Key, Sums] = field(default_factory=dict)
    intervals: dict[Key, Sums] = field(default_factory=dict)
    """The sum over all intervals."""
    earned: dict[str, int] = field(default_factory=dict)
    """By account, the accepted work over all intervals and difficulties of the network."""
    progress: dict[str, int] = field(default_factory=dict)
    """By source, the last record that is counted in."""


@dataclass
class Verdict:
    """What the judge has found; ``wrong`` is empty where all is as it must be."""

    answered: int = 0
    unanswered: int = 0
    lost: int = 0
    doubled: int = 0
    counted_unanswered: int = 0
    rejects_not_held: int = 0
    """Refused as malformed or early, and not in the books: the answer does not wait for these."""
    torn: int = 0
    """Journal files that end in the middle of a record."""
    wrong: list[str] = field(default_factory=list)

    def say(self, about: str, texts: Iterable[str]) -> None:
        told = list(texts)
        self.wrong += [f"{about}: {text}" for text in told[:MOST_TOLD]]
        if len(told) > MOST_TOLD:
            self.wrong.append(f"{about}: and {len(told) - MOST_TOLD} more")


def judge(evidence: Evidence, journal: Mapping[str, SourceJournal], books: Books | None) -> Verdict:
    """Judge journal and database by the evidence; without ``books`` the journal alone."""
    verdict = Verdict(
        answered=evidence.count(ACCEPTED),
        unanswered=evidence.count(None),
        torn=sum(len(source.torn) for source in journal.values()),
    )
    verdict.say("answer", evidence.faults)
    shares = [share for source in journal.values() for share in source.shares]
    _judge_accepted(evidence.submits, shares, verdict)
    _judge_counts(evidence.submits, shares, verdict)
    if books is not None:
        _judge_books(journal, shares, books, verdict)
    return verdict


def _judge_accepted(
    submits: Sequence[Submit], shares: Sequence[JournalShare], verdict: Verdict
) -> None:
    """Each accepted share by its hash."""
    sent: dict[bytes, list[Submit]] = defaultdict(list)
    for submit in submits:
        if submit.hash_le:
            sent[submit.hash_le].append(submit)
    booked: dict[bytes, list[JournalShare]] = defaultdict(list)
    for share in shares:
        if share.outcome == ACCEPTED:
            booked[share.hash_le].append(share)
    for hash_le, mine in sent.items():
        records = booked.pop(hash_le, [])
        if len(records) > 1:
            verdict.doubled += len(records) - 1
            verdict.say("doubled", [f"{_name(hash_le)}: {records}"])
        true = [submit for submit in mine if submit.answer == ACCEPTED]
        if len(true) > 1:
            verdict.say("answered twice", [_name(hash_le)])
        if true and not records:
            verdict.lost += 1
            verdict.say("LOST", [f"{_name(hash_le)} of {true[0].username}"])
        if not true and records:
            verdict.counted_unanswered += 1
            if all(submit.answer is not None for submit in mine):
                verdict.say("counted", [f"{_name(hash_le)}, answered {mine[0].answer}"])
        for record in records:
            _judge_record(record, true or mine, verdict)
    verdict.say("nobody sent", [_name(hash_le) for hash_le in booked])


def _judge_record(record: JournalShare, mine: Sequence[Submit], verdict: Verdict) -> None:
    if all(submit.work != record.work for submit in mine):
        verdict.say("work", [f"{_name(record.hash_le)} of {mine[0].work} is booked {record.work}"])
    if all(submit.username != record.username for submit in mine):
        verdict.say(
            "worker", [f"{_name(record.hash_le)} of {mine[0].username} is {record.username}'s"]
        )


def _judge_counts(
    submits: Sequence[Submit], shares: Sequence[JournalShare], verdict: Verdict
) -> None:
    """Of each worker, as many of each outcome as were answered, and at most the unanswered more."""
    answered: dict[Key, Counter[str]] = defaultdict(Counter)
    unanswered: Counter[Key] = Counter()
    for submit in submits:
        key = Key(submit.account, submit.username)
        if submit.answer is None:
            unanswered[key] += 1
        else:
            answered[key][submit.answer] += 1
    booked = sums_of(shares)
    for key in sorted({*answered, *unanswered, *booked}):
        counts = booked.get(key, Sums()).counts
        surplus = 0
        for outcome in sorted({*OUTCOMES, *answered[key]}):
            more = counts[outcome] - answered[key][outcome]
            surplus += max(0, more)
            if more >= 0:
                continue
            if outcome in NOT_HELD:
                verdict.rejects_not_held -= more
            elif outcome != ACCEPTED:  # those are looked at one by one
                verdict.say("count", [f"{_whose(key)}: {-more} {outcome} are not in the journal"])
        if surplus > unanswered[key]:
            verdict.say(
                "count",
                [f"{_whose(key)}: {surplus} more than were answered, {unanswered[key]} were not"],
            )


def _judge_books(
    journal: Mapping[str, SourceJournal],
    shares: Sequence[JournalShare],
    books: Books,
    verdict: Verdict,
) -> None:
    """The database has what the journal has, neither more nor less."""
    progress = {name: source.last_sequence for name, source in journal.items()}
    ahead = {name: n for name, n in books.progress.items() if n > progress.get(name, 0)}
    verdict.say("ahead of its journal", [f"{name} at {n}" for name, n in ahead.items()])
    behind = {name: n for name, n in progress.items() if books.progress.get(name, 0) < n}
    verdict.say(
        "not folded",
        [f"{name}: {books.progress.get(name, 0)} of {n}" for name, n in behind.items()],
    )
    in_journal = sums_of(shares)
    for name, booked in (("total", books.totals), ("intervals", books.intervals)):
        for key in sorted({*in_journal, *booked}):
            mine, theirs = in_journal.get(key, Sums()), booked.get(key, Sums())
            if mine != theirs:
                verdict.say(name, [f"{_whose(key)}: {theirs}, the journal has {mine}"])
    earned: Counter[str] = Counter()
    for key, sums in in_journal.items():
        earned[key.account] += sums.accepted_work
    for account in sorted({*earned, *books.earned}):
        theirs_work = books.earned.get(account, 0)
        if theirs_work != earned[account]:
            text = f"{account or 'nobody'}: {theirs_work}, the journal has {earned[account]}"
            verdict.say("earned", [text])


def sums_of(shares: Iterable[JournalShare]) -> dict[Key, Sums]:
    """What journal records come to, by whom they are booked to."""
    booked: dict[Key, Sums] = defaultdict(Sums)
    for share in shares:
        sums = booked[Key(share.account, share.username)]
        sums.counts[share.outcome] += 1
        if share.proven:
            sums.proven_work += share.work
            if share.outcome == ACCEPTED:
                sums.accepted_work += share.work
    return dict(booked)


class Rows(Protocol):
    """A connection of either database."""

    def execute(self, sql: Any, /) -> Any: ...


def read_books(connection: Rows) -> Books:
    """All that is judged of a ledger's database, SQLite's or PostgreSQL's."""
    counts = ", ".join(OUTCOMES)
    books = Books()
    for table, into in (("worker_totals", books.totals), ("worker_interval", books.intervals)):
        rows = connection.execute(
            f"SELECT account, worker, accepted_work, proven_work, {counts}"
            f" FROM {table} JOIN worker ON id = worker_id"
        )
        for account, worker, accepted_work, proven_work, *outcomes in rows:
            counted = Counter(dict(zip(OUTCOMES, map(int, outcomes), strict=True)))
            sums = Sums(counted, int(accepted_work), int(proven_work))
            into.setdefault(Key(account, worker), Sums()).add(sums)
    for account, work in connection.execute("SELECT account, accepted_work FROM account_interval"):
        books.earned[account] = books.earned.get(account, 0) + int(work)
    books.progress = {
        source: int(sequence)
        for source, sequence in connection.execute("SELECT source, sequence FROM source")
    }
    return books


def _name(hash_le: bytes) -> str:
    return f"share {hash_le[::-1].hex()[:16]}"


def _whose(key: Key) -> str:
    return key.username or "nobody"
