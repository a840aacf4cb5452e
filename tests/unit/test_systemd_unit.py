"""The systemd unit has what a real systemd showed to be needed (scripts/try_unit.py)."""

from pathlib import Path

UNIT = Path(__file__).parents[2] / "configs/systemd/poolserver.service"
LINES = UNIT.read_text().splitlines()


def values(name: str) -> list[str]:
    return [line.removeprefix(f"{name}=") for line in LINES if line.startswith(f"{name}=")]


def test_zeromq_s_threads_may_set_their_scheduling() -> None:
    filters = values("SystemCallFilter")  # a later line has the last word
    assert filters.index("sched_setscheduler") > filters.index("~@privileged @resources")
    assert values("RestrictRealtime") == ["yes"]


def test_a_stop_waits_for_a_main_process_that_systemd_has_not_started() -> None:
    (stop,) = values("ExecStop")
    assert 'kill "$MAINPID"' in stop
    assert 'tail --pid="$MAINPID"' in stop


def test_workers_outlive_their_coordinator() -> None:
    assert values("KillMode") == ["process"]
    assert values("NotifyAccess") == ["main"]
