"""``poolserver top``: what it shows, what its keys do, and the terminal it leaves behind."""

import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from io import StringIO

import msgspec
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from poolserver.cli import main
from poolserver.commands.terminal import keys_of
from poolserver.commands.top_view import MOST_RIGS, ORDERS, Look, Seen, pressed, rig_lines, screen
from poolserver.commands.workers import SORTS
from poolserver.lookout.view import Trouble
from tests.unit.commands.fake_pool import FakePool, a_rig, a_site, a_status

PAGE = 10
NOW_S = 100.0


def seen(rigs: int = 40, sites: int = 2, troubles: int = 0) -> Seen:
    found = [Trouble("rigs_silent", "some are silent: look at them. " * 9, False)] * troubles
    return Seen(
        status=a_status(*found),
        sites=tuple(a_site(f"site {number}") for number in range(sites)),
        rigs=tuple(a_rig(number) for number in range(rigs)),
        total=rigs,
        at_s=NOW_S,
    )


def shown(look: Look, what: Seen, width: int, height: int, now_s: float = NOW_S) -> list[str]:
    out = Console(file=StringIO(), width=width, color_system=None, highlight=False)
    with out.capture() as capture:
        out.print(screen(look, what, now_s, width, height))
    return capture.get().splitlines()


def after(keys: list[str], look: Look | None = None) -> Look:
    look = look or Look()
    for key in keys:
        look = pressed(look, key, PAGE)
    return look


@pytest.mark.parametrize("rigs", [0, 3, 40])
@pytest.mark.parametrize("sites", [0, 1, 20])
@pytest.mark.parametrize("troubles", [0, 1, 9])
@pytest.mark.parametrize(("width", "height"), [(80, 24), (160, 50), (250, 30)])
def test_it_fits_any_terminal(
    rigs: int, sites: int, troubles: int, width: int, height: int
) -> None:
    lines = shown(Look(), seen(rigs, sites, troubles), width, height)
    assert len(lines) <= height
    assert max(map(len, lines)) <= width
    assert "q quit" in lines[-1]


def test_a_screen_is_full_of_rigs() -> None:
    lines = shown(Look(), seen(), 80, 24)
    assert len(lines) == 24
    assert sum("sahiwal.c1-r" in line for line in lines) == rig_lines(seen(), 24) == 16


def test_a_line_has_how_long_ago_the_last_share_came_by_the_pools_clock() -> None:
    lines = shown(Look(), seen(), 80, 24, now_s=NOW_S + 1e6)
    assert sum("7 s ago" in line for line in lines) == 16


def test_it_begins_where_one_has_moved_to() -> None:
    lines = shown(Look(first=30), seen(), 80, 24)
    assert next(line.split()[0] for line in lines if "c1-r" in line) == "sahiwal.c1-r030"
    assert "rigs 31-40 of 40" in lines[-1]


def test_what_is_old_says_so_and_why() -> None:
    old = msgspec.structs.replace(seen(), trouble="nothing answers")
    assert shown(Look(), old, 80, 24, NOW_S + 4)[0] == "4.0 s old: nothing answers"
    assert "old" not in shown(Look(), seen(), 80, 24, NOW_S + 4)[0]


def test_keys_move_sort_filter_and_end() -> None:
    assert after(["down", "down", "up"]).first == 1
    assert after(["page down"]).first == PAGE
    assert after(["up"]).first == 0
    assert after(["page down", "home"]).first == 0
    assert after(["page down"] * 1000).first == MOST_RIGS - 1
    assert after(["s"]).order_name == list(ORDERS)[1]
    assert after(["s"] * len(ORDERS)) == Look()
    assert after(["S"]).order_name == list(ORDERS)[-1]
    assert after(["q"]).is_left


def test_a_filter_is_typed_taken_left_and_dropped() -> None:
    assert after(["down", "/", *"r0x", "backspace", "q", "enter"]) == Look(filter="r0q")
    assert after(["/", "x", "escape"]) == Look()
    assert after(["escape"], Look(filter="x")) == Look()
    assert after(["/", "clear", "enter"], Look(filter="x")) == Look()


def test_its_orders_are_those_of_the_api() -> None:
    assert {sort.removeprefix("-") for sort in ORDERS.values()} <= set(SORTS)


@given(st.binary(max_size=30))
def test_whatever_is_typed_is_some_keys(data: bytes) -> None:
    for key in keys_of(data):
        assert key.isprintable()
        assert after([key]).first in range(MOST_RIGS)


@pytest.mark.parametrize(
    ("data", "keys"),
    [
        (b"\x1b[A\x1bOB\x1b[5~", ["up", "down", "page up"]),
        (b"\x1b", ["escape"]),
        (b"\x1b[1;5C/\x7f\r", ["/", "backspace", "enter"]),
        ("ü".encode(), ["ü"]),
        (b"\x00\x01", []),
    ],
)
def test_keys_are_told_by_their_bytes(data: bytes, keys: list[str]) -> None:
    assert list(keys_of(data)) == keys


def test_it_is_for_terminals() -> None:
    result = CliRunner().invoke(main, ["top"])
    assert result.exit_code == 2
    assert "poolserver status" in result.stderr


class Terminal:
    """A pseudo-terminal with ``poolserver top`` in it."""

    def __init__(self, url: str) -> None:
        self._master, self.slave = pty.openpty()
        termios.tcsetwinsize(self.slave, (24, 80))
        self.before = termios.tcgetattr(self.slave)
        command = [sys.executable, "-m", "poolserver", "top", "--url", url]
        self.process = subprocess.Popen(
            command, stdin=self.slave, stdout=self.slave, stderr=self.slave, start_new_session=True
        )
        self.text = ""

    def type(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def until(self, pattern: str) -> None:
        """Wait for this to be shown."""
        deadline = time.monotonic() + 20
        while not re.search(pattern, self.text):
            left_s = deadline - time.monotonic()
            ready, _, _ = select.select([self._master], [], [], max(0, left_s))
            assert ready, f"no {pattern} in {self.text!r}"
            self.text += os.read(self._master, 65536).decode(errors="replace")

    def ended(self) -> int:
        """Its exit code, once it has left the terminal as it was."""
        self.until(r"\x1b\[\?1049l")
        self.until(r"\x1b\[\?25h")
        code = self.process.wait(20)
        assert termios.tcgetattr(self.slave) == self.before
        return code

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._master)
        os.close(self.slave)


@pytest.fixture
def terminal(pool: FakePool) -> Iterator[Terminal]:
    found = Terminal(pool.url)
    found.until("q quit")
    yield found
    found.close()


def test_q_ends_it_and_the_terminal_is_as_it_was(terminal: Terminal) -> None:
    terminal.type("q")
    assert terminal.ended() == 0


def test_control_c_ends_it_and_the_terminal_is_as_it_was(terminal: Terminal) -> None:
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.ended() == 0


def test_a_signal_ends_it_and_the_terminal_is_as_it_was(terminal: Terminal) -> None:
    terminal.process.terminate()
    assert terminal.ended() == 128 + signal.SIGTERM


def test_an_error_ends_it_and_the_terminal_is_as_it_was(pool: FakePool) -> None:
    pool.lists["rigs"] = [msgspec.structs.replace(a_rig(1), seen_at=1e300)]  # no calendar has it
    found = Terminal(pool.url)
    assert found.ended() == 1
    found.until("Error")
    found.close()


def test_keys_ask_the_pool_anew(pool: FakePool, terminal: Terminal) -> None:
    terminal.type("s/r00\r")
    terminal.until("with 'r00'")
    terminal.until("by silent first")
    wanted = {"q": "r00", "sort": "state"}.items()
    # Keys are shown at once; what they ask for is asked after that.
    until = time.monotonic() + 20.0
    while not any(what == "rigs" and wanted <= given.items() for what, given in pool.asked):
        assert time.monotonic() < until, pool.asked
        time.sleep(0.02)
    terminal.type("q")
    terminal.ended()
