from pathlib import Path

import pytest

from poolserver.cluster.epoch import EpochError, next_boot_epoch


def test_the_epoch_is_the_time_of_the_start(tmp_path: Path) -> None:
    assert next_boot_epoch(tmp_path / "var", 1_763_942_400) == 1_763_942_400


def test_the_epoch_grows_even_where_the_clock_went_back(tmp_path: Path) -> None:
    first = next_boot_epoch(tmp_path, 1_763_942_400)
    assert next_boot_epoch(tmp_path, 1_000) == first + 1
    assert next_boot_epoch(tmp_path, 1_763_942_400) == first + 2


def test_a_file_that_holds_no_number_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "boot_epoch").write_text("gone\n")
    with pytest.raises(EpochError, match="boot_epoch"):
        next_boot_epoch(tmp_path, 1)
