"""A terminal whose keys come one by one, and which is as it was at whatever end there is."""

import os
import select
import signal
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

# ECMA-48 and what xterm, screen and the Linux console send.
_ARROWS = {"A": "up", "B": "down", "C": "right", "D": "left", "H": "home", "F": "end"}
_SEQUENCES = {
    **{f"\x1b{kind}{letter}": name for kind in "[O" for letter, name in _ARROWS.items()},
    "\x1b[5~": "page up",
    "\x1b[6~": "page down",
    "\x1b[1~": "home",
    "\x1b[4~": "end",
    "\x7f": "backspace",
    "\x08": "backspace",
    "\r": "enter",
    "\n": "enter",
    "\x15": "clear",
    "\x0c": "redraw",
}


def keys_of(data: bytes) -> Iterator[str]:
    """The keys that made these bytes: characters as they are, others by name.

    An escape that begins no sequence is the key ``escape``; sequences that are not known, and
    other control characters, are no key.

    >>> list(keys_of(b"q\\x1b[A\\x1b")), list(keys_of(b"\\x1b[15~x"))
    (['q', 'up', 'escape'], ['x'])
    """
    text = data.decode("utf-8", errors="ignore")
    while text:
        known = next((each for each in _SEQUENCES if text.startswith(each)), None)
        if known is not None:
            yield _SEQUENCES[known]
            text = text[len(known) :]
        elif text[0] != "\x1b":
            if text[0].isprintable():
                yield text[0]
            text = text[1:]
        elif text[1:2] in ("[", "O"):
            end = next((at for at in range(2, len(text)) if "@" <= text[at] <= "~"), len(text))
            text = text[end + 1 :]
        else:
            yield "escape"
            text = text[1:]


class Keyboard:
    """Keys of the terminal on standard input; ``wake`` ends a wait from any thread or signal."""

    def __init__(self) -> None:
        self._fd = sys.stdin.fileno()
        self._woken, self._waking = os.pipe()
        for end in (self._woken, self._waking):
            os.set_blocking(end, False)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Each key comes at once and is not shown; at the end all is as it was before."""
        before = termios.tcgetattr(self._fd)
        others = {
            signal.SIGWINCH: signal.signal(signal.SIGWINCH, self._woken_by),
            signal.SIGTSTP: signal.signal(signal.SIGTSTP, signal.SIG_IGN),
            # What ends a process without a word must not leave the terminal as it is here.
            signal.SIGTERM: signal.signal(signal.SIGTERM, _ended_by),
            signal.SIGHUP: signal.signal(signal.SIGHUP, _ended_by),
        }
        try:
            tty.setcbreak(self._fd)
            yield
        finally:
            termios.tcsetattr(self._fd, termios.TCSADRAIN, before)
            for number, handler in others.items():
                signal.signal(number, handler)
            os.close(self._woken)
            os.close(self._waking)

    def wake(self) -> None:
        """End the wait that is under way, or the next one."""
        with suppress(OSError):  # it is full, or closed: nobody waits
            os.write(self._waking, b"x")

    def keys(self, timeout_s: float) -> list[str]:
        """Those that are pressed, as soon as there are any, or none after so long or a wake.

        Raises:
            EOFError: the terminal is gone.
        """
        ready, _, _ = select.select([self._fd, self._woken], [], [], timeout_s)
        if self._woken in ready:
            os.read(self._woken, 4096)
        if self._fd not in ready:
            return []
        data = os.read(self._fd, 1024)
        if not data:
            raise EOFError
        return list(keys_of(data))

    def _woken_by(self, _: int, __: FrameType | None) -> None:
        self.wake()


def _ended_by(number: int, _: FrameType | None) -> None:
    sys.exit(128 + number)
