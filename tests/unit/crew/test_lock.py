"""A lock is its process's, for as long as that lives."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from poolserver.crew.lock import ProcessLock, Taken, holder

HOLDS = """
import sys, time
from pathlib import Path
from poolserver.crew.lock import ProcessLock
lock = ProcessLock(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def test_a_lock_is_held_once_and_tells_by_whom(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    assert holder(path) is None
    lock = ProcessLock(path)
    assert holder(path) == os.getpid()
    with pytest.raises(Taken, match=r"a\.lock"):
        ProcessLock(path)
    lock.release()
    assert holder(path) is None
    ProcessLock(path).release()


def test_a_killed_process_has_no_lock(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        assert holder(path) == process.pid
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert holder(path) is None


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        ProcessLock(tmp_path / "no" / "a.lock")


def test_a_lock_that_is_handed_over_is_never_free_and_tells_of_who_answers(tmp_path: Path) -> None:
    path = tmp_path / "worker-0.lock"
    first = ProcessLock(path)
    path.write_text("4242\n")  # as if it were another process's
    second = ProcessLock.inherited(os.dup(first.fileno()))
    assert holder(path) == 4242, "it may take all back"
    second.sign()
    first.release()
    assert holder(path) == os.getpid()
    with pytest.raises(Taken):
        ProcessLock(path)
    second.release()
    assert holder(path) is None
