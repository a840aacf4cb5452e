"""A rig is gone once it is at no worker process."""

from poolserver.cluster.messages import RigNews
from poolserver.crew.presence import Presence

A, B = "pool-1/0/1", "pool-1/1/2"


def news(worker: str, sessions: int = 1) -> RigNews:
    return RigNews(worker, "demo", "10.0.0.1", "rig/1", "", None, None, 1.0, sessions)


def gone(worker: str) -> RigNews:
    return RigNews(worker, "demo", "", "", "", None, None, 0.0, 0)


def test_what_one_worker_tells_is_so() -> None:
    presence = Presence()
    assert presence.take(A, [news("demo.a"), news("demo.b")]) == [news("demo.a"), news("demo.b")]
    assert presence.take(A, [gone("demo.a")]) == [gone("demo.a")]


def test_who_left_one_worker_for_another_has_not_gone() -> None:
    presence = Presence()
    presence.take(A, [news("demo.a")])
    presence.take(B, [news("demo.a")])
    assert presence.take(A, [gone("demo.a")]) == []
    assert presence.take(B, [gone("demo.a")]) == [gone("demo.a")]


def test_with_a_worker_go_its_rigs_that_are_nowhere_else() -> None:
    presence = Presence()
    presence.take(A, [news("demo.a"), news("demo.b")])
    presence.take(B, [news("demo.b"), news("demo.c")])
    assert presence.end(A) == [gone("demo.a")]
    assert presence.end(A) == []
    assert presence.end(B) == [gone("demo.b"), gone("demo.c")]


def test_who_takes_a_workers_rigs_over_has_them_before_it_has_told_of_each() -> None:
    presence, after = Presence(), "pool-1/0/3"
    presence.take(A, [news("demo.a"), news("demo.b")])
    presence.succeed(A, after)
    assert presence.end(A) == []
    assert presence.take(after, [news("demo.a"), gone("demo.b")]) == [
        news("demo.a"),
        gone("demo.b"),
    ]
    assert presence.end(after) == [gone("demo.a")]
