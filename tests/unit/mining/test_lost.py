"""Sessions whose connection was lost."""

from poolserver.mining.lost import LostSession, LostSessions


def session(name: str) -> LostSession:
    return LostSession(name, b"\0\0\0\1", [], 1, 0.0, 1)


def test_a_session_is_taken_once() -> None:
    lost, one = LostSessions(600.0), session("one")
    lost.keep(one, 0.0)
    assert lost.take("one", 1.0) is one
    assert lost.take("one", 1.0) is None


def test_a_session_whose_time_is_over_is_not_given() -> None:
    lost = LostSessions(600.0)
    lost.keep(session("one"), 0.0)
    assert lost.take("one", 600.0) is None


def test_with_a_window_of_zero_nothing_is_resumed() -> None:
    lost = LostSessions(0.0)
    lost.keep(session("one"), 5.0)
    assert lost.take("one", 5.0) is None


def test_what_is_over_is_given_back_the_oldest_first() -> None:
    lost = LostSessions(600.0)
    kept = [session(str(n)) for n in range(3)]
    for n, each in enumerate(kept):
        lost.keep(each, float(n))
    assert lost.expire(601.0) == kept[:2]
    assert len(lost) == 1


def test_beyond_the_capacity_the_longest_lost_goes_first() -> None:
    lost = LostSessions(600.0, capacity=2)
    kept = [session(str(n)) for n in range(3)]
    for each in kept:
        lost.keep(each, 0.0)
    assert lost.expire(0.0) == kept[:1]
    assert lost.drop_oldest() is kept[1]
    assert lost.drop_oldest() is kept[2]
    assert lost.drop_oldest() is None


def test_what_another_process_has_lost_is_kept_as_long_as_there() -> None:
    there, here = LostSessions(600.0), LostSessions(60.0)
    for n in range(2):
        there.keep(session(str(n)), float(n))
    for until, lost in there:
        here.restore(until, lost)
    assert [each.session_id for each in here.expire(600.5)] == ["0"]
    assert here.take("1", 600.5) == session("1")
