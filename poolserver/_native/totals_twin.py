"""``totals_glue.h`` said in Python: the sums of ``ledger/totals.py``."""

from collections.abc import Iterable, Sequence
from operator import add
from typing import Self, final

from poolserver._native.arguments import wrong_type

#: As many outcomes as ``mining.share.ShareOutcome`` has, and two of them.
OUTCOMES = 10
ACCEPTED = 0
_STALE = 1

_DIFFICULTY_1_TARGET = float(0xFFFF << 208)


@final
class ShareTotals:
    """The sum of some shares."""

    __slots__ = (
        "accepted_work",
        "best_hash",
        "first_ms",
        "last_ms",
        "proven_work",
        "proven_work_sq",
        "shares",
    )
    __hash__ = None  # type: ignore[assignment]

    def __init__(
        self,
        accepted_work: int = 0,
        proven_work: int = 0,
        proven_work_sq: int = 0,
        shares: Sequence[int] = (0,) * OUTCOMES,
        best_hash: int | None = None,
        first_ms: int | None = None,
        last_ms: int | None = None,
    ) -> None:
        self.accepted_work = _as_int(accepted_work, "accepted_work")
        self.proven_work = _as_int(proven_work, "proven_work")
        self.proven_work_sq = _as_int(proven_work_sq, "proven_work_sq")
        self.shares = _as_counts(shares)
        self.best_hash = _as_fitting(best_hash, "best_hash", 0, 2**256)
        self.first_ms = _as_fitting(first_ms, "first_ms", -(2**63), 2**63)
        self.last_ms = _as_fitting(last_ms, "last_ms", -(2**63), 2**63)

    @property
    def best_difficulty(self) -> float:
        """The difficulty that the best share would have met; 0 before the first one."""
        if self.best_hash is None:
            return 0.0
        return _DIFFICULTY_1_TARGET / float(max(self.best_hash, 1))

    def add(self, other: "ShareTotals", /) -> None:
        """Take in the other's shares."""
        if type(other) is not ShareTotals:
            raise wrong_type("other", "ShareTotals", other)
        shares = _as_counts(map(add, self.shares, other.shares))
        self.accepted_work += other.accepted_work
        self.proven_work += other.proven_work
        self.proven_work_sq += other.proven_work_sq
        self.shares = shares
        self.best_hash = _least(self.best_hash, other.best_hash)
        self.first_ms = _least(self.first_ms, other.first_ms)
        if other.last_ms is not None and (self.last_ms is None or other.last_ms > self.last_ms):
            self.last_ms = other.last_ms

    def copy(self) -> Self:
        """One of its own."""
        return type(self)(*self._fields())

    def figures(self, work_scale: int, /) -> tuple[float, float, int, int, int, float]:
        """What meters take: proven work and its squares, judged, stale, rejected, best."""
        if not isinstance(work_scale, int):
            raise wrong_type("work_scale", "int", work_scale)
        judged, stale = sum(self.shares), self.shares[_STALE]
        return (
            float(self.proven_work * work_scale),
            float(self.proven_work_sq * work_scale * work_scale),
            judged,
            stale,
            judged - stale - self.shares[ACCEPTED],
            self.best_difficulty,
        )

    def _fields(
        self,
    ) -> tuple[int, int, int, tuple[int, ...], int | None, int | None, int | None]:
        work = self.accepted_work, self.proven_work, self.proven_work_sq
        return *work, self.shares, self.best_hash, self.first_ms, self.last_ms

    def __eq__(self, other: object) -> bool:
        if type(other) is not ShareTotals:
            return NotImplemented
        return self._fields() == other._fields()

    def __repr__(self) -> str:
        return (
            f"ShareTotals(accepted_work={self.accepted_work!r}, proven_work={self.proven_work!r}, "
            f"proven_work_sq={self.proven_work_sq!r}, shares={self.shares!r}, "
            f"best_hash={self.best_hash!r}, first_ms={self.first_ms!r}, last_ms={self.last_ms!r})"
        )


def _as_int(value: object, name: str) -> int:
    if type(value) is not int:
        raise wrong_type(name, "int", value)
    return value


def _as_counts(values: Iterable[object]) -> tuple[int, ...]:
    counts = tuple(_as_fitting(value, "shares", -(2**63), 2**63) or 0 for value in values)
    if len(counts) != OUTCOMES:
        raise ValueError(f"shares must have {OUTCOMES} items, has {len(counts)}")
    return counts


def _as_fitting(value: object, name: str, least: int, beyond: int) -> int | None:
    if value is None:
        return None
    if not isinstance(value, int):
        raise wrong_type(name, "int", value)
    if not least <= value < beyond:
        raise ValueError(f"{name} must fit into {(beyond - least).bit_length() - 1} bits")
    return int(value)


def _least(one: int | None, other: int | None) -> int | None:
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)
