"""``poolserver top``: sites and rigs of a running pool, live, with keys."""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import click
from msgspec.structs import replace
from rich.console import Console
from rich.live import Live

from poolserver.commands.client import AskError, Pool, asks_pool
from poolserver.commands.terminal import Keyboard
from poolserver.commands.top_view import (
    Look,
    Seen,
    pressed,
    rig_lines,
    rigs_wanted,
    screen,
)
from poolserver.lookout.view import RigLine, SiteStatus, Status

REFRESH_S = 2.0
TICK_S = 1.0
"""How often the screen is made anew though nothing came: it says how old it is."""


@click.command()
@asks_pool
def top(pool: Pool) -> None:
    """Watch sites and rigs of the running pool, live.

    Keys: q ends it, s sorts the rigs by something else, / filters them by worker, model, address
    or node, arrows and page keys move through them, Escape shows all again.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise click.UsageError("top is for a terminal: use poolserver status, or workers")
    with suppress(KeyboardInterrupt, EOFError):
        _watch(pool, Console(highlight=False))


def _watch(pool: Pool, out: Console) -> None:
    look = Look()
    keyboard = Keyboard()
    reader = Reader(pool, look, out.height, keyboard.wake)  # no screen for a pool that is not there
    live = Live(console=out, screen=True, auto_refresh=False, redirect_stdout=False)
    with keyboard.listening(), reader.reading(), live:
        while not look.is_left:
            seen = reader.seen
            width, height = out.size
            reader.want(look, rig_lines(seen, height))
            live.update(screen(look, seen, time.monotonic(), width, height), refresh=True)
            for key in keyboard.keys(TICK_S):
                look = pressed(look, key, rig_lines(seen, height))


def read(pool: Pool, look: Look, lines: int) -> Seen:
    """What the pool says now of what is looked at, of which so many lines of rigs are seen.

    Raises:
        AskError: it says nothing.
    """
    asked = {"q": look.filter or None, "sort": look.sort}
    rigs = pool.items("rigs", RigLine, rigs_wanted(look, lines), **asked)
    return Seen(
        status=pool.get("status", Status),
        sites=tuple(pool.get("sites", list[SiteStatus])),
        rigs=tuple(rigs.items),
        total=rigs.total,
        at_s=time.monotonic(),
    )


class Reader:
    """Asks the pool every two seconds, and at once when something else is looked at: in a thread
    of its own, so that keys never wait for the pool."""

    def __init__(self, pool: Pool, look: Look, lines: int, on_news: Callable[[], None]) -> None:
        """Reads a first time.

        Raises:
            AskError: the pool says nothing.
        """
        self._pool = pool
        self._on_news = on_news
        self._wanted = look, lines
        self._change = threading.Event()
        self._is_ended = False
        self.seen = read(pool, look, lines)

    def want(self, look: Look, lines: int) -> None:
        """What is looked at now, and how many lines of rigs are seen."""
        before, self._wanted = self._wanted, (look, lines)
        if _asked_by(*before) != _asked_by(look, lines):
            self._change.set()

    @contextmanager
    def reading(self) -> Iterator[None]:
        """While the block runs."""
        # It may hang in a read when the block ends, and nobody waits for that.
        thread = threading.Thread(target=self._read_on, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._is_ended = True
            self._change.set()

    def _read_on(self) -> None:
        while True:
            self._change.wait(REFRESH_S)
            self._change.clear()
            if self._is_ended:
                return
            try:
                self.seen = read(self._pool, *self._wanted)
            except AskError as error:
                self.seen = replace(self.seen, trouble=str(error))
            self._on_news()


def _asked_by(look: Look, lines: int) -> tuple[int, str, int]:
    return look.order, look.filter, rigs_wanted(look, lines)
