"""Blocks of workers that there are no more go to the first."""

from pathlib import Path

import pytest

from poolserver.crew import spools
from poolserver.crew.lock import ProcessLock
from poolserver.crew.post import post_dir, worker_lock
from poolserver.crew.spools import spool_of, take_over_spools


@pytest.fixture(autouse=True)
def no_memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Memory that outlives a process is a folder of the test's."""
    monkeypatch.setattr(spools, "shared_memory_for", lambda path: tmp_path / "shm" / path.name)


def put(folder: Path, name: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(name)


def names(folder: Path) -> set[str]:
    return {path.stem for path in folder.glob("*.json")}


def test_each_worker_has_a_folder_and_the_first_that_of_a_pool_in_one_process(
    tmp_path: Path,
) -> None:
    assert spool_of(tmp_path, 0) == tmp_path / "spool"
    assert spool_of(tmp_path, 3) == tmp_path / "spool-3"


def test_all_that_a_worker_left_is_the_first_s(tmp_path: Path) -> None:
    for index in (1, 2):
        put(spool_of(tmp_path, index), f"disk{index}")
        put(spool_of(tmp_path, index) / "settled", f"settled{index}")
        put(tmp_path / "shm" / f"spool-{index}", f"memory{index}")
    take_over_spools(tmp_path, workers=2)
    assert names(tmp_path / "spool") == {"disk2"}
    assert names(tmp_path / "spool" / "settled") == {"settled2"}
    assert names(tmp_path / "shm" / "spool") == {"memory2"}
    assert names(spool_of(tmp_path, 1)) == {"disk1"}
    take_over_spools(tmp_path, workers=1)
    assert names(tmp_path / "spool") == {"disk1", "disk2"}


@pytest.mark.parametrize("index", [0, 1])
def test_nothing_is_taken_from_the_living_nor_given_to_them(index: int, tmp_path: Path) -> None:
    put(spool_of(tmp_path, 1), "a")
    lock = ProcessLock(worker_lock(post_dir(tmp_path), index))
    take_over_spools(tmp_path, workers=1)
    assert names(spool_of(tmp_path, 1)) == {"a"}
    lock.release()


def test_what_cannot_be_moved_does_not_fail_the_start(tmp_path: Path) -> None:
    put(spool_of(tmp_path, 1), "a")
    (tmp_path / "spool").write_bytes(b"")
    take_over_spools(tmp_path, workers=1)
    assert names(spool_of(tmp_path, 1)) == {"a"}
