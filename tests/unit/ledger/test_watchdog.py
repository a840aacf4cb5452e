import threading

from poolserver.ledger.watchdog import Watchdog


def test_a_call_that_takes_too_long_is_ended() -> None:
    bitten = threading.Event()
    watchdog = Watchdog(0.02, bitten.set)
    with watchdog.watching():
        assert bitten.wait(5)
    watchdog.close()


def test_a_call_within_another_one_is_a_part_of_it() -> None:
    bitten = threading.Event()
    watchdog = Watchdog(0.02, bitten.set)
    with watchdog.watching():
        with watchdog.watching():
            pass
        assert bitten.wait(5)
    watchdog.close()


def test_nobody_is_bitten_between_calls() -> None:
    bites: list[None] = []
    watchdog = Watchdog(60, lambda: bites.append(None))
    for _ in range(3):
        with watchdog.watching():
            pass
    watchdog.close()
    assert bites == []
