"""How two chains stand to each other, against trees that are known as a whole."""

from hypothesis import given
from hypothesis import strategies as st

from poolserver.node.chains import CHAIN_LENGTH, NOTHING_KNOWN, Apart, Chain, apart
from tests.unit.node.views import chain

BLOCKS = st.text("ab", min_size=1, max_size=14)


def common(first: str, second: str) -> int:
    """The height of the last shared block."""
    pairs = zip(first, second, strict=False)
    return next(
        (n for n, (one, other) in enumerate(pairs) if one != other), min(len(first), len(second))
    )


@given(BLOCKS, BLOCKS)
def test_blocks_after_the_last_shared_one_are_counted_as_far_as_they_are_held(
    ours: str, theirs: str
) -> None:
    shared = common(ours, theirs)
    truth = Apart(len(ours) - shared, len(theirs) - shared)
    told = apart(chain(ours), chain(theirs))
    lowest = max(chain(ours).lowest, chain(theirs).lowest)
    if shared >= lowest:
        assert told == truth
    elif lowest <= min(len(ours), len(theirs)):
        assert told is not None
        assert told.is_fork == (shared < min(len(ours), len(theirs)))
        assert told.ours <= truth.ours
        assert told.theirs <= truth.theirs
    else:
        assert told is None


@given(BLOCKS, BLOCKS)
def test_both_sides_see_the_same(ours: str, theirs: str) -> None:
    there, back = apart(chain(ours), chain(theirs)), apart(chain(theirs), chain(ours))
    assert there == (back and Apart(back.theirs, back.ours))


def test_a_node_that_is_behind_is_not_forked() -> None:
    assert apart(chain("aaaa"), chain("aa")) == (2, 0)
    assert not Apart(2, 0).is_fork
    assert Apart(2, 0).depth == 0


def test_the_depth_of_a_fork_is_that_of_its_shorter_side() -> None:
    difference = apart(chain("aabbb"), chain("aaa"))
    assert difference == (3, 1)
    assert (difference.is_fork, difference.depth) == (True, 1)


def test_a_fork_deeper_than_what_is_held_is_told_as_that_deep() -> None:
    difference = apart(chain("a" * 20), chain("a" + "b" * 19))
    assert difference == (CHAIN_LENGTH, CHAIN_LENGTH)


def test_of_a_tip_that_was_only_heard_of_nothing_can_be_told_until_its_blocks_are_known() -> None:
    assert apart(Chain(3, ("aaa",)), chain("aa")) is None
    assert apart(NOTHING_KNOWN, chain("aa")) is None
    assert apart(chain("aa"), NOTHING_KNOWN) is None


def test_two_blocks_of_one_height_are_a_fork_whatever_is_below() -> None:
    assert apart(Chain(3, ("aab",)), Chain(3, ("aaa",))) == (1, 1)
