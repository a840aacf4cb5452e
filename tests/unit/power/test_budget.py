"""What a node may draw: the least of all who have a say, and who that is."""

from dataclasses import replace
from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolserver.power.budget import (
    MAX_WORDS,
    BudgetBook,
    BudgetSource,
    merged_limits,
)
from poolserver.power.schedule import BudgetSchedule, Hours, ScheduleEntry
from poolserver.power.signal import BudgetSignal, SignalError
from poolserver.power.state import Limit, LimitKind
from poolserver.power.tree import PROGRAMME, PowerNode, PowerTree

MW = 1_000_000
NOW_S = 1_800_000_000.0


def tree() -> PowerTree:
    return PowerTree(
        [
            PowerNode(PROGRAMME, "programme", limit_w=2000 * MW),
            PowerNode("Sahiwal", "site", limit_w=1320 * MW),
            PowerNode("Sahiwal/T2", "transformer", limit_w=5 * MW, mining_limit_w=4 * MW),
            PowerNode("Qasim", "site"),
        ]
    )


def word(limit_mw: float | None = 900, **changed: object) -> BudgetSignal:
    limit_w = None if limit_mw is None else limit_mw * MW
    base = BudgetSignal("Sahiwal", limit_w, "grid", NOW_S, NOW_S + 900, "peak", "control room")
    return replace(base, **changed)  # type: ignore[arg-type]


GRID = BudgetSource("grid", "Sahiwal", failsafe_w=600 * MW, max_age_s=300)


def bound(book: BudgetBook, now_s: float = NOW_S, path: str = "Sahiwal") -> tuple[float, str, str]:
    binding = book.limits(now_s)[path].binding
    assert binding is not None
    return binding.limit_w / MW, binding.kind.value, binding.source


def test_the_physical_limit_holds_where_nobody_says_anything() -> None:
    book = BudgetBook(tree())
    assert bound(book) == (1320, "physical", "site")
    assert "Qasim" not in book.limits(NOW_S)
    assert book.mining_limits(NOW_S)["Sahiwal/T2"].limit_w == 4 * MW
    assert book.next_change("Sahiwal", NOW_S) is None


def test_the_least_of_all_limits_binds_and_all_are_told() -> None:
    schedule = BudgetSchedule([ScheduleEntry("Sahiwal", "contract", 1000 * MW)])
    book = BudgetBook(tree(), schedule)
    assert bound(book) == (1000, "schedule", "contract")
    assert book.take(word(), NOW_S) == word()
    assert bound(book) == (900, "override", "grid")
    limits = book.limits(NOW_S)["Sahiwal"].limits
    assert [each.limit_w / MW for each in limits] == [900, 1000, 1320]
    assert limits[0].reason == "peak"
    assert limits[0].valid_until_s == NOW_S + 900


def test_a_word_of_somebody_undeclared_just_ends() -> None:
    book = BudgetBook(tree())
    book.take(word(), NOW_S)
    assert bound(book, NOW_S + 899.9) == (900, "override", "grid")
    assert bound(book, NOW_S + 900) == (1320, "physical", "site")
    assert book.silences(NOW_S + 900) == []


def test_a_word_is_taken_back_by_one_without_a_limit() -> None:
    book = BudgetBook(tree())
    book.take(word(valid_until_s=None), NOW_S)
    assert bound(book, NOW_S + 1e6) == (900, "override", "grid")
    book.take(word(None, at_s=NOW_S + 10, valid_until_s=None), NOW_S + 10)
    assert bound(book, NOW_S + 10) == (1320, "physical", "site")


def test_a_declared_source_that_was_never_heard_has_its_failsafe_limit() -> None:
    book = BudgetBook(tree(), sources=[GRID])
    assert bound(book) == (600, "failsafe", "grid")
    assert book.limits(NOW_S)["Sahiwal"].limits[0].reason == "never heard"
    assert book.silences(NOW_S) == [(GRID, None)]


def test_a_declared_source_falls_back_to_its_failsafe_limit_until_it_speaks_again() -> None:
    book = BudgetBook(tree(), sources=[GRID])
    book.take(word(), NOW_S)
    assert bound(book, NOW_S + 299.9) == (900, "override", "grid")
    assert bound(book, NOW_S + 300) == (600, "failsafe", "grid")
    assert book.silences(NOW_S + 300) == [(GRID, NOW_S + 300)]
    assert (
        "not heard since 2027-01-15 08:05:00 UTC"
        in book.limits(NOW_S + 300)["Sahiwal"].limits[0].reason
    )
    book.take(word(None, at_s=NOW_S + 400, valid_until_s=None), NOW_S + 400)
    assert bound(book, NOW_S + 401) == (1320, "physical", "site")
    assert book.silences(NOW_S + 401) == []


def test_a_source_without_a_failsafe_limit_is_told_of_and_limits_nothing() -> None:
    book = BudgetBook(tree(), sources=[replace(GRID, failsafe_w=None)])
    assert bound(book) == (1320, "physical", "site")
    assert len(book.silences(NOW_S)) == 1


def test_an_older_word_after_a_newer_one_is_refused() -> None:
    book = BudgetBook(tree())
    book.take(word(900, at_s=NOW_S), NOW_S)
    with pytest.raises(SignalError, match="before the one of"):
        book.take(word(1200, at_s=NOW_S - 1), NOW_S)
    assert bound(book) == (900, "override", "grid")


def test_the_same_word_again_is_no_news() -> None:
    book = BudgetBook(tree())
    assert book.take(word(), NOW_S) is not None
    assert book.take(word(), NOW_S + 60) is None
    assert book.take(word(800), NOW_S + 60) is not None  # the same moment, another limit: later


def test_limits_of_mining_alone_stand_apart() -> None:
    source = replace(GRID, of_mining=True)
    book = BudgetBook(tree(), sources=[source])
    assert bound(book) == (1320, "physical", "site")
    assert book.mining_limits(NOW_S)["Sahiwal"].binding == Limit(
        "Sahiwal", LimitKind.FAILSAFE, 600 * MW, "grid", "never heard"
    )
    book.take(word(of_mining=True), NOW_S)
    limit = book.mining_limits(NOW_S)["Sahiwal"].binding
    assert limit is not None
    assert (limit.kind, limit.limit_w) == (LimitKind.MINING, 900 * MW)


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (word(-1), "must not be negative"),
        (word(nan), "must be a number of watts, is nan"),
        (word(inf), "must be a number of watts, is inf"),
        (word(limit_w=True), "must be a number of watts"),
        (word(limit_w="900"), "must be a number of watts"),
        (word(13_201), "is it in another unit?"),
        (word(node="Sahiwal/T2", limit_mw=51), "10 times what Sahiwal/T2 can draw"),
        (word(node="Sahiwal/T9"), "there is no node 'Sahiwal/T9'"),
        (word(node=""), "there is no node ''"),
        (word(valid_until_s=NOW_S), "which is past"),
        (word(valid_until_s=nan), "valid_until must be a time"),
        (word(at_s=NOW_S + 61), "which is in the future"),
        (word(at_s=nan), "at must be a time"),
        (word(at_s=-1.0), "at must be a time"),
        (word(at_s=1e300), "at must be a time"),
        (word(source=""), "source must be told"),
        (word(source="x" * 101), "source must be at most 100"),
        (word(reason="a\nb"), "reason must be at most 300 printable"),
        (word(issued_by="\x1b[2J"), "issued_by must be at most"),
    ],
)
def test_a_bad_word_is_refused_with_its_reason_and_changes_nothing(
    bad: BudgetSignal, why: str
) -> None:
    book = BudgetBook(tree())
    with pytest.raises(SignalError, match=why.replace("(", r"\(").replace("?", r"\?")):
        book.take(bad, NOW_S)
    assert book.state() == ()


def test_who_is_not_declared_is_refused_where_sources_are_closed() -> None:
    book = BudgetBook(tree(), sources=[GRID], declared_only=True)
    assert book.take(word(), NOW_S) is not None
    for bad in (word(source="gird"), word(node="Qasim"), word(of_mining=True)):
        with pytest.raises(SignalError, match="is not declared to speak of"):
            book.take(bad, NOW_S)


def test_no_more_words_are_kept_than_fit_and_ended_ones_make_room() -> None:
    book = BudgetBook(tree(), sources=[GRID])
    book.take(word(), NOW_S)
    for number in range(MAX_WORDS - 1):
        book.take(word(source=f"s{number}"), NOW_S)
    with pytest.raises(SignalError, match="1000 words already"):
        book.take(word(source="one more"), NOW_S)
    later = NOW_S + 1000
    assert book.take(word(source="one more", at_s=later, valid_until_s=None), later) is not None
    assert {each.source for each in book.state()} == {"grid", "one more"}


def test_what_was_said_holds_after_a_restart() -> None:
    before = BudgetBook(tree(), sources=[GRID])
    before.take(word(), NOW_S)
    before.take(word(700, source="operator", valid_until_s=None), NOW_S)
    after = BudgetBook(tree(), sources=[GRID])
    gone = word(1, node="Sahiwal/gone")
    after.restore([*before.state(), gone])
    for now_s in (NOW_S, NOW_S + 299, NOW_S + 300, NOW_S + 1e6):
        assert after.limits(now_s) == before.limits(now_s)
        assert after.silences(now_s) == before.silences(now_s)


def test_the_next_change_is_of_schedule_words_and_their_ends() -> None:
    # 2027-01-15 08:00 UTC is NOW_S; the evening's schedule begins ten hours later.
    schedule = BudgetSchedule(
        [ScheduleEntry("Sahiwal", "peak", 500 * MW, hours=(Hours(18 * 60, 22 * 60),))]
    )
    book = BudgetBook(tree(), schedule, [GRID])
    book.take(word(), NOW_S)
    found, now_s = [], NOW_S
    for _ in range(3):
        change = book.next_change("Sahiwal", now_s)
        assert change is not None
        now_s = change.at_s
        assert change.limit.limit_w is not None
        found.append((now_s - NOW_S, change.limit.limit_w / MW))
    assert found == [(300, 600), (36_000, 500), (50_400, 600)]


def test_limits_of_others_are_put_in_their_place() -> None:
    limits = BudgetBook(tree()).limits(NOW_S)
    merged = merged_limits(limits, [Limit("Sahiwal", LimitKind.FAILSAFE, 3, "blind")])
    assert merged["Sahiwal"].limit_w == 3
    assert merged[PROGRAMME] == limits[PROGRAMME]


words = st.builds(
    BudgetSignal,
    node=st.sampled_from(["Sahiwal", "/", "nowhere"]),
    limit_w=st.none() | st.floats(-1.0, 1e15) | st.floats(),
    source=st.sampled_from(["grid", "operator", ""]),
    at_s=st.floats(NOW_S - 100, NOW_S + 100),
    valid_until_s=st.none() | st.floats(NOW_S - 100, NOW_S + 1000),
)


@given(st.lists(words, max_size=20), st.floats(NOW_S, NOW_S + 2000))
def test_no_word_ever_raises_a_limit_above_the_physical_one(
    said: list[BudgetSignal], later_s: float
) -> None:
    book = BudgetBook(tree(), sources=[GRID])
    for each in said:
        try:
            book.take(each, NOW_S)
        except SignalError:
            continue
    for path, limit in book.limits(later_s).items():
        assert limit.limit_w == limit.limits[0].limit_w
        assert list(limit.limits) == sorted(limit.limits, key=lambda each: each.limit_w)
        most = tree()[path].limit_w
        assert most is not None
        assert 0 <= (limit.limit_w or 0) <= most


def test_names_that_are_made_up_do_not_keep_a_declared_source_from_being_heard() -> None:
    book = BudgetBook(tree(), sources=[GRID])
    for number in range(MAX_WORDS):
        book.take(word(source=f"s{number}", valid_until_s=None), NOW_S)
    assert book.take(word(500), NOW_S) is not None
    assert bound(book)[2] == "grid"


def test_words_are_heard_again_after_our_clock_was_set_back() -> None:
    """It was an hour ahead when the source spoke last."""
    book = BudgetBook(tree())
    book.take(word(valid_until_s=None, at_s=NOW_S + 3600), NOW_S + 3600)
    assert book.take(word(500, valid_until_s=None), NOW_S) is not None
    assert bound(book)[0] == 500


def test_a_word_on_a_rack_that_rigs_speak_of_holds_when_they_are_back_after_a_restart() -> None:
    rack = PowerNode("Sahiwal/c04", "container", is_configured=False)
    before_tree, after_tree = tree(), tree()
    before_tree.add(rack)
    before = BudgetBook(before_tree)
    before.take(word(0.5, node=rack.path), NOW_S)
    after = BudgetBook(after_tree)
    after.restore(before.state())
    assert rack.path not in after.limits(NOW_S)
    after_tree.add(rack)
    assert after.limits(NOW_S)[rack.path].limit_w == MW // 2
