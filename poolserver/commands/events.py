"""``poolserver events``: the last lines of a running pool's log, and those that come."""

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress

import click
import msgspec
from rich.console import Console
from rich.text import Text

from poolserver.commands.client import AskError, Pool, asks_pool
from poolserver.commands.common import EXIT_NOT_REACHED, console, harmless, json_option
from poolserver.commands.texts import clean, time_text
from poolserver.lookout.view import Event

LEVELS = ("info", "warning", "error")
FOLLOW_INTERVAL_S = 1.0
MOST = 1000
"""That the pool remembers."""
STYLES = {"warning": "yellow", "error": "bold red", "critical": "bold red"}


class _Page(msgspec.Struct):
    """Of events, the oldest first."""

    items: list[Event]


@click.command()
@asks_pool
@click.option("--level", type=click.Choice(LEVELS), help="These and worse alone.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, MOST))
@click.option("--follow", is_flag=True, help="And all that come, until Ctrl-C.")
@json_option("For programs: an object a line.")
def events(pool: Pool, level: str | None, limit: int, follow: bool, as_json: bool) -> None:
    """Tell what the running pool has logged.

    Its last events, the newest last. docs/operations.md says what each means.
    """
    out = console()
    shown = last_events(pool, level, limit)
    _show(shown, out, as_json)
    if follow:
        with suppress(KeyboardInterrupt):
            for fresh in following(pool, level, shown[-1].id if shown else 0):
                _show(fresh, out, as_json)


def last_events(pool: Pool, level: str | None, limit: int) -> list[Event]:
    """The newest of all that the pool remembers, the newest last."""
    return pool.get("events", _Page, limit=limit, level=level).items


def following(pool: Pool, level: str | None, after: int) -> Iterator[list[Event]]:
    """Each time those that are new; over restarts of the pool too: ids grow over them."""
    is_lost = False
    while True:
        time.sleep(FOLLOW_INTERVAL_S)
        try:
            fresh = pool.get("events", _Page, level=level, after=after, limit=MOST).items
        except AskError as error:
            if error.exit_code != EXIT_NOT_REACHED:
                raise
            if not is_lost:
                click.echo(f"poolserver: {error} Still asking.", err=True)
            is_lost = True
            continue
        if is_lost:
            click.echo("poolserver: it answers again", err=True)
        is_lost = False
        if fresh:
            after = fresh[-1].id
            yield fresh


def _show(events: Sequence[Event], out: Console, as_json: bool) -> None:
    for each in events:
        if as_json:
            click.echo(harmless(msgspec.json.encode(each)))
        else:
            out.print(event_text(each), soft_wrap=True)


def event_text(event: Event) -> Text:
    """A line: when, how bad, what, and the rest of it."""
    style = STYLES.get(event.level, "")
    text = Text(f"{time_text(event.at)} ")
    text.append(f"{clean(event.level):<7} ", style=style)
    text.append(clean(event.event), style=style or "bold")
    for name, value in event.fields.items():
        text.append(f" {clean(name)}=", style="dim")
        text.append(clean(value if isinstance(value, str) else msgspec.json.encode(value).decode()))
    return text
