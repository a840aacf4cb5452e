from hypothesis import given
from hypothesis import strategies as st

from poolserver.ledger.blocks import BlockEnd
from poolserver.ledger.delta import Delta, Progress, WorkerRef
from poolserver.ledger.unsaved import Unsaved


def delta(after: int, through: int, rows: int = 1) -> Delta:
    workers = {WorkerRef("a", after + number): ("x", "x.y") for number in range(rows)}
    return Delta(progress={"a": Progress(after, through)}, workers=workers)


def test_a_part_that_has_its_rows_grows_no_more() -> None:
    unsaved = Unsaved(part_rows=3)
    for after in range(0, 50, 10):
        unsaved.add(delta(after, after + 10, rows=2))
    assert unsaved.begins() == {"a": 0}
    parts = []
    while unsaved:
        unsaved.begin()
        parts.append(unsaved.end().delta)
    assert [part.progress["a"] for part in parts] == [(0, 20), (20, 40), (40, 50)]
    assert [part.rows for part in parts] == [4, 4, 2]


def test_what_is_with_the_store_does_not_grow() -> None:
    unsaved = Unsaved()
    unsaved.add(delta(0, 1))
    begun, steps = unsaved.begin()
    unsaved.add(delta(1, 2))
    unsaved.note(BlockEnd("ab"))
    assert (begun.progress["a"], steps) == ((0, 1), [])
    unsaved.give_up()
    unsaved.add(delta(2, 3))
    assert [len(unsaved), unsaved.begin().delta] == [2, begun]


@given(st.lists(st.sampled_from(["add", "note", "begin", "end", "give_up"]), max_size=60))
def test_all_of_it_leaves_in_the_order_in_which_it_came(actions: list[str]) -> None:
    unsaved, sent, came, left, steps = Unsaved(part_rows=2), 0, 0, 0, list[str]()
    for action in [*actions, *["begin", "end"] * len(actions)]:
        match action:
            case "add":
                unsaved.add(delta(sent, sent := sent + 1))
            case "note":
                came += 1
                unsaved.note(BlockEnd(str(came)))
            case "begin" if unsaved and not unsaved.is_begun:
                unsaved.begin()
            case "end" if unsaved.is_begun:
                part, its_steps = unsaved.end()
                if part.progress:
                    assert part.progress["a"].after == left
                    left = part.progress["a"].through
                steps += [step.hash_hex for step in its_steps]
            case "give_up":
                unsaved.give_up()
    assert (left, steps) == (sent, [str(number + 1) for number in range(came)])
