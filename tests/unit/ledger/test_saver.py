"""What is given to the store, by a store that fails as it is told. Going back: test_refill.py."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from poolserver.ledger.blocks import BlockBook, BlockStep
from poolserver.ledger.database import StoreError
from poolserver.ledger.delta import Delta, Progress
from poolserver.ledger.saver import LedgerSaver
from poolserver.ledger.store import LedgerState
from poolserver.ledger.totals import Totals

SOURCE = "pool/0/1"


class FakeStore:
    """Notes what it is given. ``fails``: the next apply(); ``takes``: and has it nevertheless."""

    def __init__(self) -> None:
        self.fails = self.takes = False
        self.through = 0
        self.given = 0
        self.ended: set[str] = set()

    async def apply(self, delta: Delta, steps: Sequence[BlockStep] = ()) -> None:
        self.given += 1
        fails, self.fails = self.fails, False
        if not fails or self.takes:
            after, through = delta.progress[SOURCE]
            assert after == self.through
            self.through = through
        if fails:
            raise StoreError("the store", "is gone", transient=True)

    async def took_last(self) -> bool:
        return self.takes

    async def end_sources(self, sources: Iterable[str]) -> None:
        self.ended.update(sources)


class Stage:
    """A saver of a fake store, and its clock."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.store: Any = FakeStore()

        async def in_thread(work: Callable[[], bool]) -> bool:
            return work()

        def no_fold(state: LedgerState) -> Any:
            raise AssertionError("nothing is filled up here")

        pruner: Any = None
        run: Callable[[Callable[[], bool]], Awaitable[bool]] = in_thread
        self.saver = LedgerSaver(
            self.store,
            Path(),
            BlockBook(),
            pruner,
            fold_from=no_fold,
            in_thread=run,
            clock=lambda: self.now_s,
            unix_time=lambda: self.now_s,
        )

    def fold(self, after: int, through: int) -> None:
        self.saver.add(Delta(progress={SOURCE: Progress(after, through)}))


async def test_what_was_added_is_given_once_and_in_one_part() -> None:
    stage = Stage()
    stage.fold(0, 3)
    stage.fold(3, 5)
    await stage.saver.save()
    await stage.saver.save()
    assert (stage.store.through, stage.store.given) == (5, 1)
    assert sum(stage.saver.saves.counts) == 2


async def test_what_the_store_did_not_take_is_given_again_with_all_that_came_since() -> None:
    stage = Stage()
    stage.fold(0, 3)
    stage.store.fails = True
    await stage.saver.save()
    stage.fold(3, 5)
    await stage.saver.save()
    assert stage.store.through == 5
    assert sum(stage.saver.saves.counts) == 1


async def test_what_a_failed_save_has_left_in_the_store_is_not_given_again() -> None:
    stage = Stage()
    stage.fold(0, 3)
    stage.store.fails = stage.store.takes = True
    await stage.saver.save()
    stage.fold(3, 5)
    await stage.saver.save()
    assert (stage.store.through, stage.store.given) == (5, 2)


async def test_a_failed_save_leaves_the_books_as_old_as_they_are() -> None:
    stage = Stage()
    stage.now_s += 10
    stage.fold(0, 3)
    stage.store.fails = True
    await stage.saver.save()
    assert stage.saver.unsaved_s() == 10
    assert stage.saver.began_at == stage.now_s
    await stage.saver.save()
    assert stage.saver.unsaved_s() == 0


async def test_a_source_ends_with_the_save_that_has_its_last_record() -> None:
    stage = Stage()
    stage.saver.go_on_from(LedgerState(Totals(), {}, {}, {}, set(), -1, {}))
    stage.fold(0, 3)
    stage.saver.end_later([SOURCE])
    stage.store.fails = True
    await stage.saver.save()
    assert stage.saver.last_records() == {}
    await stage.saver.save()
    assert stage.store.ended == {SOURCE}
    assert stage.saver.last_records() == {SOURCE: 3}
