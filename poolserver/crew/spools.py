"""Found blocks of workers that there are no more: the first worker looks after them."""

from pathlib import Path

import structlog

from poolserver.crew.lock import holder
from poolserver.crew.post import FOLDER, worker_lock
from poolserver.node.spool import Spool, shared_memory_for

NAME = "spool"

log = structlog.get_logger(__name__)


def spool_of(data_dir: Path, index: int) -> Path:
    """Where the worker process of this index keeps found blocks: each has a folder of its own."""
    return data_dir / (f"{NAME}-{index}" if index else NAME)


def take_over_spools(data_dir: Path, workers: int) -> None:
    """Before the first of so many ``workers`` begins: it is to have the blocks of those beyond.

    Nothing is taken from a worker that lives, nor given to one that does: it would not look.
    Blocking.
    """
    if _lives(data_dir, 0):
        return
    first = _spool(spool_of(data_dir, 0))
    for path in data_dir.glob(f"{NAME}-*"):
        number = path.name.removeprefix(f"{NAME}-")
        if not number.isdecimal() or int(number) < workers or _lives(data_dir, int(number)):
            continue
        try:
            if blocks := first.take_over(_spool(path)):
                log.info("spool_taken_over", path=str(path), blocks=blocks)
        except OSError as error:
            log.error("spool_not_taken_over", path=str(path), reason=str(error))


def _spool(directory: Path) -> Spool:
    return Spool(directory, shared_memory_for(directory))


def _lives(data_dir: Path, index: int) -> bool:
    return holder(worker_lock(data_dir / FOLDER, index)) is not None
