"""The boot epoch: a number that grows at each start, so that nothing is ever named twice."""

import os
from pathlib import Path

FILE_NAME = "boot_epoch"


class EpochError(OSError):
    """The boot epoch cannot be kept; without it job ids could repeat."""


def next_boot_epoch(data_dir: Path, unix_time: int) -> int:
    """The epoch of this start: the time, or one more than the last where the clock went back.

    It is on the disk before it is used. A data folder that is lost, or a clock that is
    set back, alone repeats nothing.

    Raises:
        EpochError: the file cannot be read or written, or holds no number.
    """
    path = data_dir / FILE_NAME
    try:
        last = int(path.read_text()) if path.exists() else 0
        epoch = max(last + 1, unix_time)
        data_dir.mkdir(parents=True, exist_ok=True)
        replacement = path.with_suffix(".new")
        with replacement.open("w") as file:
            file.write(f"{epoch}\n")
            file.flush()
            os.fsync(file.fileno())
        replacement.replace(path)
        folder = os.open(data_dir, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except (OSError, ValueError) as error:
        raise EpochError(f"{path}: {error}") from error
    return epoch
