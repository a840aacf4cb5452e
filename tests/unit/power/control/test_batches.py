"""What becomes of commands: verified, told again, given up, come back."""

from poolserver.power.control.batches import BatchBook
from poolserver.power.control.decision import Action, Batch, BatchReport
from poolserver.power.control.states import DeviceState
from poolserver.power.control.terms import Terms
from tests.unit.power.control.fleet import rating

TERMS = Terms()
S21 = rating("17.5")


def batch(state: DeviceState, rigs: int = 10, since_s: float = 0.0, attempts: int = 1) -> Batch:
    return Batch(1, "S/r", S21, rigs, 3500.0, state, 0.0, since_s, attempts)


def advanced(
    before: Batch, now_s: float, report: BatchReport | None = None, *, dry: bool = False
) -> BatchBook:
    book = BatchBook(TERMS, now_s, 2, lambda node: dry)
    book.advance([before], {} if report is None else {1: report})
    return book


def states(book: BatchBook) -> list[tuple[int, DeviceState, int]]:
    return [(each.number, each.state, each.rigs) for each in book.batches.values()]


def test_a_yes_is_verified_and_silence_is_off() -> None:
    told = advanced(batch(DeviceState.PENDING_OFF), 10.0, BatchReport(1, acknowledged=10))
    assert states(told) == [(1, DeviceState.VERIFYING, 10)]
    silent = advanced(batch(DeviceState.VERIFYING), 40.0, BatchReport(1, 10, silent=10))
    assert states(silent) == [(1, DeviceState.OFF, 10)]
    assert silent.commands == []


def test_those_that_hash_on_are_told_again_and_only_those() -> None:
    book = advanced(batch(DeviceState.VERIFYING), 60.0, BatchReport(1, 10, silent=7))
    assert states(book) == [(1, DeviceState.PENDING_OFF, 10)]
    (command,) = book.commands
    assert (command.action, command.rigs, command.attempt) == (Action.OFF_AGAIN, 3, 2)


def test_after_the_last_time_they_are_given_up_and_the_others_are_off() -> None:
    book = advanced(batch(DeviceState.PENDING_OFF, attempts=3), 60.0, BatchReport(1, 10, silent=7))
    assert states(book) == [(1, DeviceState.OFF, 7), (2, DeviceState.FAILED, 3)]
    assert [(each.action, each.batch, each.taken_from) for each in book.commands] == [
        (Action.GIVE_UP, 2, 1)
    ]


def test_a_batch_of_nothing_but_failures_changes_its_number() -> None:
    book = advanced(batch(DeviceState.VERIFYING, attempts=3), 60.0, BatchReport(1, 10))
    assert states(book) == [(2, DeviceState.FAILED, 10)]


def test_where_a_person_has_taken_over_nobody_is_told_again() -> None:
    book = advanced(batch(DeviceState.VERIFYING), 600.0, BatchReport(1, 10, silent=7), dry=True)
    assert states(book) == [(1, DeviceState.VERIFYING, 10)]
    assert book.commands == []


def test_rigs_that_mine_again_by_themselves_are_in_no_batch_any_more() -> None:
    book = advanced(batch(DeviceState.OFF), 600.0, BatchReport(1, 10, 6, hashing=4))
    assert states(book) == [(1, DeviceState.OFF, 6)]
    assert [(each.action, each.rigs) for each in book.commands] == [(Action.RELEASE, 4)]


def test_rigs_are_on_when_all_hash_and_free_after_the_least_time_on() -> None:
    book = advanced(batch(DeviceState.PENDING_ON), 90.0, BatchReport(1, hashing=10))
    assert states(book) == [(1, DeviceState.ON, 10)]
    assert states(advanced(batch(DeviceState.ON), 299.0)) == [(1, DeviceState.ON, 10)]
    free = advanced(batch(DeviceState.ON), 300.0)
    assert states(free) == []
    assert [(each.action, each.rigs) for each in free.commands] == [(Action.RELEASE, 10)]


def test_rigs_that_do_not_start_fail_and_are_tried_again_after_an_hour() -> None:
    book = advanced(batch(DeviceState.PENDING_ON), 900.0, BatchReport(1, hashing=8))
    assert states(book) == [(1, DeviceState.ON, 8), (2, DeviceState.FAILED, 2)]
    assert states(advanced(batch(DeviceState.FAILED), 3599.0)) == [(1, DeviceState.FAILED, 10)]
    assert states(advanced(batch(DeviceState.FAILED), 3600.0)) == []


def test_a_batch_is_as_large_as_rigs_were_found() -> None:
    few = advanced(batch(DeviceState.PENDING_OFF), 5.0, BatchReport(1, rigs=8))
    assert states(few) == [(1, DeviceState.PENDING_OFF, 8)]
    assert states(advanced(batch(DeviceState.PENDING_OFF), 5.0, BatchReport(1, rigs=0))) == []


def test_a_report_that_is_lost_changes_nothing() -> None:
    for state in (DeviceState.OFF, DeviceState.PROTECTED, DeviceState.PENDING_ON):
        assert states(advanced(batch(state), 30.0)) == [(1, state, 10)]


def test_a_part_of_a_batch_comes_back_as_a_batch_of_its_own() -> None:
    book = advanced(batch(DeviceState.OFF), 600.0)
    book.restore(book.batches[1], 4)
    assert states(book) == [(1, DeviceState.OFF, 6), (2, DeviceState.PENDING_ON, 4)]
    (command,) = book.commands
    assert (command.action, command.batch, command.taken_from, command.rigs) == (Action.ON, 2, 1, 4)
    assert command.power_w == 4 * 3500 * TERMS.cold_start
    book.restore(book.batches[1], 6)
    assert states(book)[1:] == [(3, DeviceState.PENDING_ON, 6)]
