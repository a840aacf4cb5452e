"""``poolserver reload``: have a running pool take up its configuration as the file is now."""

import os
import signal
import sys
import time
from typing import NamedTuple

import click
import msgspec

from poolserver.commands.client import AskError, Pool, asks_pool
from poolserver.commands.common import EXIT_NOT_REACHED, EXIT_USAGE, json_option

LOOK_INTERVAL_S = 0.3
# The new process waits up to 300 s for a node (handover/upgrade.py), and workers up to 60 s each.
OUTCOME_TIMEOUT_S = 900.0


class _Reload(msgspec.Struct):
    at: float
    is_good: bool
    reason: str


class _Status(msgspec.Struct):
    config_sha256: str
    last_reload: _Reload | None


class _Answer(msgspec.Struct):
    config_sha256: str
    state: str


class Outcome(NamedTuple):
    """How it ended, or that nobody waited for it."""

    state: str
    config_sha256: str
    seconds: float


@click.command()
@asks_pool
@click.option("--check", is_flag=True, help="Only say what would become of it.")
@click.option("--pid", type=click.IntRange(min=1), help="By SIGHUP to this process, not by HTTP.")
@click.option("--no-wait", is_flag=True, help="Do not wait for its end.")
@json_option()
def reload(pool: Pool, check: bool, pid: int | None, no_wait: bool, as_json: bool) -> None:
    """Put the configuration in force as its file is now.

    The running pool looks at its file; with any mistake nothing is done. Then a new process takes
    over with all of it, or fails, and no rig loses its connection either way. This needs a token
    with the scope reload, or --pid and the right to send that process a signal.
    """
    if pid is not None and check:
        raise AskError("--check is by HTTP, and not by --pid", EXIT_USAGE)
    began = time.monotonic()
    before = pool.get("status", _Status)
    state, sha256 = _ask(pool, check) if pid is None else _signal(pid)
    if state == "begun" and not no_wait:
        after = _wait(pool, before, began)
        assert after.last_reload is not None
        if not after.last_reload.is_good:
            raise AskError(f"the reload failed: {after.last_reload.reason}")
        is_same = after.config_sha256 == before.config_sha256
        state, sha256 = "unchanged" if is_same else "reloaded", after.config_sha256
    outcome = Outcome(state, sha256, round(time.monotonic() - began, 3))
    click.echo(msgspec.json.encode(outcome._asdict()) if as_json else _sentence(outcome))


def _ask(pool: Pool, check: bool) -> tuple[str, str]:
    answer = pool.post("reload", _Answer, check="true" if check else None)
    return answer.state, answer.config_sha256


def _signal(pid: int) -> tuple[str, str]:
    try:
        os.kill(pid, signal.SIGHUP)
    except OSError as error:
        raise AskError(f"process {pid} cannot be told: {error.strerror}") from error
    return "begun", ""


def _wait(pool: Pool, before: _Status, began: float) -> _Status:
    """How the pool is once its last reload is another one. While it hands over nobody answers."""
    is_watched = sys.stderr.isatty()
    try:
        while time.monotonic() - began < OUTCOME_TIMEOUT_S:
            if is_watched:
                waited_s = time.monotonic() - began
                click.echo(f"\rThe new process takes over ... {waited_s:.0f} s", nl=False, err=True)
            time.sleep(LOOK_INTERVAL_S)
            try:
                after = pool.get("status", _Status)
            except AskError as error:
                if error.exit_code != EXIT_NOT_REACHED:
                    raise
                continue
            if after.last_reload is not None and after.last_reload != before.last_reload:
                return after
    finally:
        if is_watched:
            click.echo("\r\x1b[K", nl=False, err=True)
    raise AskError(f"no end of it within {OUTCOME_TIMEOUT_S:.0f} s: the pool's log has more")


def _sentence(outcome: Outcome) -> str:
    short = outcome.config_sha256[:12]
    match outcome.state:
        case "unchanged":
            return f"Nothing has changed: configuration {short} is in force."
        case "would_begin":
            return f"The file is good, and can be put in force: configuration {short}."
        case "begun":
            return "The reload has begun."
        case _:
            return f"Reloaded in {outcome.seconds:.1f} s: configuration {short} is in force."
