"""The socket is the owner's alone, and its path may be as long as the data folder's is."""

import os
import stat
from pathlib import Path

import pytest

from poolserver.crew.lock import ProcessLock
from poolserver.crew.post import (
    SOCKET,
    connected_socket,
    listening_socket,
    living_workers,
    post_dir,
    worker_lock,
)


def meets(folder: Path) -> None:
    listening = listening_socket(folder)
    listening.listen()
    with listening, connected_socket(folder) as one:
        one.send(b"x")


def test_nobody_else_gets_to_the_socket(tmp_path: Path) -> None:
    folder = post_dir(tmp_path / "var")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    meets(folder)
    assert stat.S_IMODE((folder / SOCKET).stat().st_mode) == 0o600


def test_a_path_may_be_longer_than_a_socket_s_name(tmp_path: Path) -> None:
    meets(post_dir(tmp_path / ("a" * 120)))


def test_the_socket_of_a_coordinator_that_died_is_taken_away(tmp_path: Path) -> None:
    folder = post_dir(tmp_path)
    listening_socket(folder).close()
    with pytest.raises(ConnectionRefusedError):
        connected_socket(folder)
    meets(folder)


def test_where_no_coordinator_ever_was_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        connected_socket(post_dir(tmp_path))


def test_who_lives_is_known_by_the_locks(tmp_path: Path) -> None:
    folder = post_dir(tmp_path)
    assert living_workers(tmp_path / "nowhere") == {}
    ended, lives = ProcessLock(worker_lock(folder, 0)), ProcessLock(worker_lock(folder, 10))
    ended.release()
    assert living_workers(folder) == {10: os.getpid()}
    lives.release()
