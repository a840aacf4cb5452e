"""How far long work is: a bar on standard error, for people who look on."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Progress = Callable[[int, int], None]
"""Is told how much is done, and of how much; more than once a millisecond is no trouble."""

# A bar that moves ten times a second looks smooth.
BETWEEN_S = 0.1


@contextmanager
def progress_bar(label: str, *, quiet: bool = False) -> Iterator[Progress | None]:
    """Shows it while the block runs; None where nobody looks, so that nothing is counted."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    # Not for those who look at no bar.
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = ("{task.description}", BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Bars(*columns, console=Console(stderr=True), transient=True, auto_refresh=False) as bars:
        task = bars.add_task(label, total=None)
        shown_s = 0.0

        def show(done: int, total: int) -> None:
            nonlocal shown_s
            now_s = time.monotonic()
            if now_s - shown_s >= BETWEEN_S or done >= total:
                shown_s = now_s
                bars.update(task, completed=done, total=total, refresh=True)

        yield show
