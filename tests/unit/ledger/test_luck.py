"""What work was worth in blocks and satoshi, over changes of the difficulty."""

from fractions import Fraction
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolserver.ledger.blocks import BlockBook, BlockState
from poolserver.ledger.delta import Delta, Rounds
from poolserver.ledger.luck import Luck, expected_blocks, network_work
from poolserver.ledger.totals import Earning, EarningKey

FOUND, ACCEPTED, STALE, REJECTED, ORPHANED, MATURE = BlockState
EASY = 0x207FFFFF  # 2 hashes a block
HARD = 0x1F00FFFF  # 65,537


def earn(begin_s: int, work: int, nbits: int = EASY, site: str = "hall") -> Delta:
    return Delta(earnings={EarningKey(begin_s, site, "a", nbits): Earning(work, 50 * work)})


def test_the_networks_work_is_that_of_its_target() -> None:
    assert (network_work(EASY), network_work(HARD)) == (2, 65_537)


@pytest.mark.parametrize("nbits", [0, 2**32, 0x20800000])
def test_what_is_no_difficulty_has_no_work(nbits: int) -> None:
    assert network_work(nbits) is None
    assert expected_blocks([(nbits, 1000), (EASY, 3)]) == Fraction(3, 2)


def test_expected_blocks_and_satoshi_are_exact_over_difficulties() -> None:
    luck = Luck()
    for delta in (earn(900, 3), earn(1800, 1), earn(900, 7, HARD), earn(900, 5, site="other")):
        luck.add(delta)
    assert luck.sites == ["hall", "other"]
    assert luck.expected_blocks("hall") == 2 + Fraction(7, 65_537)
    assert luck.expected_sat("hall") == 50 * (2 + Fraction(7, 65_537))
    assert luck.expected_blocks("other") == Fraction(5, 2)


def test_what_all_sites_were_to_find_is_their_sum_exactly() -> None:
    luck = Luck()
    assert luck.expected_of_all() == 0
    for delta in (earn(900, 3), earn(900, 7, HARD), earn(900, 5, site="other"), earn(900, 9, 0)):
        luck.add(delta)
    assert luck.expected_of_all() == sum(map(luck.expected_blocks, luck.sites))


WORKS = st.lists(
    st.tuples(st.integers(1, 2**90), st.sampled_from([EASY, HARD, 0x17034219, 0x1702F128, 0]))
)


@given(WORKS, st.randoms())
def test_in_doubles_it_is_as_near_as_they_come_and_never_falls(
    works: list[tuple[int, int]], random: Random
) -> None:
    luck, before = Luck(), (0.0, 0.0)
    for work, nbits in works:
        luck.add(earn(900, work, nbits))
        random.shuffle(items := list(luck.earned.items()))  # as after a restart
        luck.earned = dict(items)
        now = luck.expected_by_site()["hall"]
        assert before <= now
        assert now[0] == pytest.approx(float(luck.expected_blocks("hall")), rel=1e-15)
        assert now[1] == pytest.approx(float(luck.expected_sat("hall")), rel=1e-15)
        before = now


def test_the_effort_of_a_block_is_the_work_since_the_last_one_that_pays() -> None:
    luck, book = Luck(), BlockBook()
    for hash_hex, work, state in (
        ("a", 3, MATURE),
        ("b", 4, STALE),
        ("c", 2, ACCEPTED),
        ("d", 6, ORPHANED),
    ):
        luck.end_rounds(Rounds([(hash_hex, {EASY: work})], {EASY: 1}))
        block = book.find(hash_hex, 1)
        if state in (MATURE, ORPHANED):
            book.change(block, ACCEPTED)
        book.change(block, state)
    efforts, since = luck.efforts(book)
    # What was open when a block was found is a part of its round.
    assert efforts == {"a": Fraction(3, 2), "c": Fraction(1 + 4 + 1 + 2, 2)}
    assert since == Fraction(1 + 6 + 1, 2)


def test_a_block_that_is_told_of_again_ends_no_round() -> None:
    luck = Luck()
    luck.end_rounds(Rounds([("a", {EASY: 3})], {EASY: 1}))
    luck.end_rounds(Rounds([("a", {})], {EASY: 5}))
    assert luck.rounds == {"a": {EASY: 3}}
    assert luck.open == {EASY: 6}
