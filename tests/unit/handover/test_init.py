"""The first process stays, and ends as the pool's newest process does: with real processes."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from poolserver.handover.init import STAY_VARIABLE, FirstProcess

# Each life of this stand-in for a pool starts the next one, tells of it and ends; the last one
# waits for SIGTERM. Orphans of it are left behind, as workers are.
POOL = """
import os, signal, subprocess, sys, time
from poolserver.handover.init import FirstProcess
life, folder = int(sys.argv[1]), sys.argv[2]
first = FirstProcess.of(stays="--stay" in sys.argv)
if life:
    subprocess.Popen([sys.executable, "-c", "pass"])  # an orphan soon
    heir = subprocess.Popen(
        [sys.executable, sys.argv[0], str(life - 1), folder],
        env={**os.environ, **{name: str(fd) for name, fd in first.inherited.items()}},
        pass_fds=tuple(first.inherited.values()),
    )
    first.newest(heir.pid)
    first.stay(heir.pid)
    sys.exit(0)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
signal.signal(signal.SIGHUP, lambda *_: open(f"{folder}/hup", "w").close())
open(f"{folder}/ready", "w").close()
while True:
    time.sleep(0.05)
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    (tmp_path / "pool.py").write_text(POOL)
    return tmp_path / "pool.py"


def comes(path: Path) -> None:
    deadline = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < deadline, f"no {path.name}"
        time.sleep(0.02)


def environ() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}


def command(program: Path, lives: int) -> list[str]:
    return [sys.executable, str(program), str(lives), str(program.parent)]


def begun(program: Path, lives: int) -> "subprocess.Popen[bytes]":
    process = subprocess.Popen([*command(program, lives), "--stay"], env=environ())
    comes(program.parent / "ready")
    return process


@pytest.mark.parametrize("lives", [1, 3])
def test_signals_reach_the_newest_process_whose_end_is_the_end(program: Path, lives: int) -> None:
    first = begun(program, lives)
    assert first.poll() is None
    first.send_signal(signal.SIGHUP)
    comes(program.parent / "hup")
    first.send_signal(signal.SIGTERM)
    assert first.wait(20) == 7


def test_who_has_no_first_process_ends_by_itself() -> None:
    assert FirstProcess.of(stays=False, environ={}) is None


def test_who_comes_of_a_first_process_tells_it_and_ends() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours:
        heir = FirstProcess.of(stays=False, environ={STAY_VARIABLE: str(theirs.detach())})
        assert heir is not None
        assert not heir.is_first
        heir.newest(4242)
        assert ours.recv(32) == b"4242"
        heir.stay(1)  # returns
        heir.close()


def _may_have_namespaces() -> bool:
    unshare = shutil.which("unshare")
    if unshare is None:
        return False
    tried = subprocess.run([unshare, "--pid", "--fork", "--mount-proc", "true"], check=False)
    return tried.returncode == 0


@pytest.mark.skipif(not _may_have_namespaces(), reason="pid namespaces are not permitted here")
def test_process_1_of_a_pid_namespace_stays_and_reaps_orphans(program: Path) -> None:
    unshare = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
    outer = subprocess.Popen([*unshare, *command(program, 2)], env=environ())
    comes(program.parent / "ready")
    children = Path(f"/proc/{outer.pid}/task/{outer.pid}/children").read_text().split()
    first = int(children[0])
    deadline = time.monotonic() + 20
    while b"handover.init" not in Path(f"/proc/{first}/cmdline").read_bytes():
        assert time.monotonic() < deadline
        time.sleep(0.02)

    def living() -> list[str]:
        return Path(f"/proc/{first}/task/{first}/children").read_text().split()

    while len(living()) != 1:
        assert time.monotonic() < deadline, "orphans are not reaped"
        time.sleep(0.02)
    os.kill(first, signal.SIGTERM)
    assert outer.wait(20) == 7
