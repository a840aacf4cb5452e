"""Telling the service manager which process is the pool: sd_notify(3), the part that is needed."""

import os
import socket
from collections.abc import Mapping
from contextlib import suppress


def tell_main_pid(pid: int, environ: Mapping[str, str] = os.environ) -> None:
    """Say that the service's main process is ``pid``; nothing where no manager asked for news.

    Whoever cannot be told is not waited for: the pool goes on.
    """
    address = environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    if address[0] == "@":  # in the abstract namespace of unix(7)
        address = "\0" + address[1:]
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.sendto(f"MAINPID={pid}\n".encode(), address)
