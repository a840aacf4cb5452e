"""What a worker process runs; the coordinator starts it (crew.py).

It is no command of ``poolserver``: without all that those need it is there in half the time, and
has 23 MB less.
"""

import argparse
import sys
from pathlib import Path

import structlog

from poolserver.crew.worker_process import serve_worker
from poolserver.event_loop import run_async
from poolserver.log import configure_logging

EXIT_FAILED = 1


def main() -> int:
    """Be a worker process; its log's lines say which."""
    parser = argparse.ArgumentParser(prog="python -m poolserver.crew", description=__doc__)
    parser.add_argument("--folder", required=True, type=Path, help="where the pool's crew meets")
    parser.add_argument("--index", required=True, type=int)
    parser.add_argument("--log-level", default="info")
    parser.add_argument("--log-format", default="console", choices=("console", "json"))
    given = parser.parse_args()
    configure_logging(given.log_level, given.log_format)
    structlog.contextvars.bind_contextvars(process=given.index)
    return 0 if run_async(serve_worker(given.folder, given.index)) else EXIT_FAILED


sys.exit(main())
