"""What the service manager is told: sd_notify(3), sd_watchdog_enabled(3), systemd.service(5).

Words are datagrams to the socket that NOTIFY_SOCKET names. Whoever cannot be told is waited for a
moment at most, and the pool goes on. Of several processes of a service the main one alone speaks
here.
"""

import os
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

# So often the status is told, and where it is asked for that the pool lives. A hung event loop
# tells nothing.
TELL_INTERVAL_S = 5.0
# What a start may take longer from each word on. A node that loads its chain is waited for.
EXTENSION_S = 60.0
# How long a manager with a full queue (Linux has room for 10 datagrams) is waited for, where it
# would take a word that is lost for a service that hangs. Rigs wait meanwhile.
PATIENCE_S = 0.25


class Service:
    """The pool as its service manager sees it. ``clock`` is CLOCK_MONOTONIC, in seconds."""

    def __init__(
        self,
        environ: Mapping[str, str] = os.environ,
        *,
        is_heir: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``is_heir``: the environment is that of a process before this one."""
        self._address = environ.get("NOTIFY_SOCKET", "")
        self._clock = clock
        self._is_ready = self._is_over = False
        self._watchdog_s = _watchdog_s(environ, is_heir=is_heir)

    @property
    def is_heard(self) -> bool:
        """Whether anybody asked for news."""
        return self._address.startswith(("/", "@"))

    @property
    def interval_s(self) -> float:
        """How often ``beat`` is to be called: at half of what the watchdog waits, at least."""
        half = self._watchdog_s / 2
        return min(TELL_INTERVAL_S, half) if half else TELL_INTERVAL_S

    def starting(self, status: str) -> None:
        """The start takes its time, and is to be given that."""
        if not self._is_ready:
            self._tell(f"EXTEND_TIMEOUT_USEC={EXTENSION_S * 1e6:.0f}", f"STATUS={status}")

    def ready(self) -> None:
        """Rigs are served, with the configuration that was asked for; also after a reload that
        failed: the one before is in force."""
        self._is_ready = True
        self._tell("READY=1", patience_s=PATIENCE_S)

    def reloading(self) -> None:
        """A reload or an upgrade has begun; ``ready`` ends it, in this process or in the next."""
        # From here on, so that systemd knows which reload this is (Type=notify-reload).
        since = f"MONOTONIC_USEC={self._clock() * 1e6:.0f}"
        self._tell("RELOADING=1", since, patience_s=PATIENCE_S)

    def beat(self, status: str) -> None:
        """The event loop turns; ``status`` is a sentence for people."""
        if self._is_ready and not self._is_over:
            watched = ("WATCHDOG=1",) if self._watchdog_s else ()
            self._tell(*watched, f"STATUS={_on_one_line(status)}")

    def main_pid(self, pid: int) -> None:
        """From now on the service's main process is this one."""
        self._tell(f"MAINPID={pid}", patience_s=PATIENCE_S)

    def stopping(self) -> None:
        """The whole pool ends."""
        self._is_over = True
        self._tell("STOPPING=1", "STATUS=Stopping")

    def handed_over(self) -> None:
        """Another process speaks for the service from now on."""
        self._is_over = True
        self._address = ""

    def _tell(self, *words: str, patience_s: float = 0.0) -> None:
        if not self.is_heard:
            return
        address = self._address
        if address[0] == "@":  # in the abstract namespace of unix(7)
            address = "\0" + address[1:]
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.settimeout(patience_s)
            sock.sendto("\n".join(words).encode(), address)


def _watchdog_s(environ: Mapping[str, str], *, is_heir: bool) -> float:
    """How long the manager waits for a word; 0: it does not watch us."""
    pid = environ.get("WATCHDOG_PID", "")
    if pid and not is_heir and pid != str(os.getpid()):
        return 0.0
    try:
        return max(0.0, int(environ.get("WATCHDOG_USEC", "0")) / 1e6)
    except ValueError:
        return 0.0


def _on_one_line(text: str) -> str:
    return " ".join(text.split())
