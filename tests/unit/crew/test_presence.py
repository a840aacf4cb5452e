"""A rig is gone once it is at no worker process."""

from poolserver.cluster.messages import RigNews
from poolserver.crew.presence import Presence

A, B = "pool-1/0/1", "pool-1/1/2"


def news(worker: str, sessions: int = 1) -> RigNews:
    return RigNews(worker, "demo", "10.0.0.1", "rig/1", "", None, None, 1.0, sessions)


def take(presence: Presence, source: str, told: list[RigNews]) -> list[RigNews]:
    return presence.take(source, told, is_all=False)


def gone(worker: str) -> RigNews:
    return RigNews(worker, "demo", "", "", "", None, None, 0.0, 0)


def test_what_one_worker_tells_is_so() -> None:
    presence = Presence()
    assert take(presence, A, [news("demo.a"), news("demo.b")]) == [news("demo.a"), news("demo.b")]
    assert take(presence, A, [gone("demo.a")]) == [gone("demo.a")]


def test_who_left_one_worker_for_another_has_not_gone() -> None:
    presence = Presence()
    take(presence, A, [news("demo.a")])
    take(presence, B, [news("demo.a")])
    assert take(presence, A, [gone("demo.a")]) == []
    assert take(presence, B, [gone("demo.a")]) == [gone("demo.a")]


def test_with_a_worker_go_its_rigs_that_are_nowhere_else() -> None:
    presence = Presence()
    take(presence, A, [news("demo.a"), news("demo.b")])
    take(presence, B, [news("demo.b"), news("demo.c")])
    assert presence.end(A) == [gone("demo.a")]
    assert presence.end(A) == []
    assert presence.end(B) == [gone("demo.b"), gone("demo.c")]


def test_who_takes_a_workers_rigs_over_has_them_before_it_has_told_of_each() -> None:
    presence, after = Presence(), "pool-1/0/3"
    take(presence, A, [news("demo.a"), news("demo.b")])
    presence.succeed(A, after)
    assert presence.end(A) == []
    assert take(presence, after, [news("demo.a"), gone("demo.b")]) == [
        news("demo.a"),
        gone("demo.b"),
    ]
    assert presence.end(after) == [gone("demo.a")]


def test_whom_a_worker_does_not_name_again_has_gone() -> None:
    """Word of its going was lost with the link, or it went while it was handed over."""
    presence = Presence()
    take(presence, A, [news("demo.a"), news("demo.b"), news("demo.c"), news("demo.d")])
    take(presence, B, [news("demo.d")])
    presence.begin(A)
    assert take(presence, A, [news("demo.a")]) == [news("demo.a")]
    told = presence.take(A, [news("demo.e"), gone("demo.c")], is_all=True)
    assert told == [news("demo.e"), gone("demo.c"), gone("demo.b")]
    assert take(presence, A, []) == []
    assert presence.end(A) == [gone("demo.a"), gone("demo.e")]


def test_a_successor_names_all_that_are_its() -> None:
    presence, after = Presence(), "pool-1/0/3"
    take(presence, A, [news("demo.a"), news("demo.b")])
    presence.succeed(A, after)
    presence.begin(after)
    assert presence.take(after, [news("demo.a")], is_all=True) == [news("demo.a"), gone("demo.b")]


def test_a_worker_that_has_no_rig_left_says_so() -> None:
    presence = Presence()
    take(presence, A, [news("demo.a")])
    presence.begin(A)
    presence.begin(A)  # its link broke once more
    assert presence.take(A, [], is_all=True) == [gone("demo.a")]
    assert presence.take(A, [], is_all=True) == []


def test_what_another_process_knew_is_so_until_that_index_speaks() -> None:
    before = Presence()
    take(before, A, [news("demo.a"), news("demo.b")])
    take(before, B, [news("demo.c"), news("demo.d")])
    presence, after = Presence(), "pool-1/0/3"
    presence.restore(before.state())
    presence.begin(after)
    assert presence.take(after, [news("demo.a")], is_all=True) == [news("demo.a"), gone("demo.b")]
    presence.begin(B)
    assert presence.take(B, [news("demo.d")], is_all=True) == [news("demo.d"), gone("demo.c")]
