from poolserver.ledger.wall_clock import AHEAD_S, BEHIND_S, WallClock

CHAIN_S = 1_790_000_000


class Now:
    def __init__(self) -> None:
        self.unix_s = float(CHAIN_S)

    def __call__(self) -> float:
        return self.unix_s


def held() -> tuple[WallClock, Now]:
    now = Now()
    return WallClock(now, is_held=True), now


def test_nothing_is_sure_before_the_chain_has_told_its_time() -> None:
    clock, now = held()
    assert not clock.is_sure
    assert not clock.is_wrong
    assert clock.unix_s() == now.unix_s
    clock.note_chain(CHAIN_S)
    assert clock.is_sure


def test_a_clock_that_can_be_right_is_followed() -> None:
    clock, now = held()
    clock.note_chain(CHAIN_S)
    for offset_s in (-BEHIND_S, 0, 3600.5, AHEAD_S):
        now.unix_s = CHAIN_S + offset_s
        assert clock.unix_s() == now.unix_s
        assert not clock.is_wrong
    assert clock.unix_ms() == (CHAIN_S + AHEAD_S) * 1000


def test_a_clock_that_is_wrong_is_held_to_the_chain() -> None:
    clock, now = held()
    clock.note_chain(CHAIN_S)
    for offset_s, held_to in ((-BEHIND_S - 1, -BEHIND_S), (AHEAD_S + 1, AHEAD_S), (1e9, AHEAD_S)):
        now.unix_s = CHAIN_S + offset_s
        assert clock.is_wrong
        assert clock.unix_s() == CHAIN_S + held_to


def test_on_a_network_that_may_stand_still_the_clock_is_the_systems() -> None:
    now = Now()
    clock = WallClock(now, is_held=False)
    assert clock.is_sure
    clock.note_chain(CHAIN_S)
    now.unix_s += 10**9
    assert clock.unix_s() == now.unix_s
    assert not clock.is_wrong
