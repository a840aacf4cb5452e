from pathlib import Path

import pytest

from poolserver.ledger.source_lock import SourceLock, is_live, remove_locks

SOURCE = "pool-1/0/17"


def test_a_source_lives_from_its_lock_to_its_release(tmp_path: Path) -> None:
    assert not is_live(tmp_path, SOURCE)
    lock = SourceLock(tmp_path, SOURCE)
    assert is_live(tmp_path, SOURCE)
    assert not is_live(tmp_path, "pool-1/0/18")
    lock.release()
    lock.release()
    assert not is_live(tmp_path, SOURCE)
    assert list(tmp_path.iterdir()) == []


def test_two_processes_cannot_be_one_source(tmp_path: Path) -> None:
    lock = SourceLock(tmp_path, SOURCE)
    with pytest.raises(BlockingIOError):
        SourceLock(tmp_path, SOURCE)
    assert is_live(tmp_path, SOURCE)
    lock.release()


def test_what_a_killed_source_leaves_behind_is_no_life(tmp_path: Path) -> None:
    (tmp_path / "pool-1.0.17.live").touch()
    assert not is_live(tmp_path, SOURCE)
    (tmp_path / "pool-1.0.18.live").touch()
    remove_locks(tmp_path, [SOURCE, "pool-1/0/16"])
    remove_locks(tmp_path, [SOURCE])
    assert [path.name for path in tmp_path.iterdir()] == ["pool-1.0.18.live"]
