"""How far long work is: a bar on standard error, for people who look on."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Progress = Callable[[int, int], None]
"""Is told how much is done, and of how much, or 0 if that is not known; as often as one likes."""

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
    from rich.progress import BarColumn, MofNCompleteColumn, TaskProgressColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (
        "{task.description}",
        BarColumn(),
        MofNCompleteColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
    )
    with Bars(*columns, console=Console(stderr=True), transient=True, auto_refresh=False) as bars:
        task = bars.add_task(label, total=None)
        shown_s = 0.0

        def show(done: int, total: int) -> None:
            nonlocal shown_s
            now_s = time.monotonic()
            if now_s - shown_s >= BETWEEN_S or 0 < total <= done:
                shown_s = now_s
                bars.update(task, completed=done, total=total or None, refresh=True)

        yield show
