"""The process that the pool is: its signals, its service manager, and who comes after it."""

import asyncio
import os
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path

from poolserver.app import PoolServer
from poolserver.config import Config
from poolserver.handover.heir import Heir
from poolserver.handover.init import FirstProcess
from poolserver.handover.service import Service
from poolserver.handover.succession import Succession
from poolserver.outfit import tried_config


async def serve(config: Config, path: Path, *, stays: bool = False) -> Succession:
    """Run the pool until SIGINT or SIGTERM.

    SIGUSR2 hands it over to a new process, SIGHUP to one with the configuration that ``path`` has
    then. ``stays``: see ``FirstProcess``. What is given is told to ``stay``, when all is done.

    Raises:
        StartError: it cannot start.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    heir = Heir.of()
    succession = Succession(
        config,
        read=partial(tried_config, path),
        first=FirstProcess.of(stays=stays),
        service=Service(os.environ, is_heir=heir is not None),
    )

    def on_signal(number: int, act: Callable[[], object]) -> None:
        if not succession.pass_on(number):
            act()

    for number, act in (
        (signal.SIGINT, stop.set),
        (signal.SIGTERM, stop.set),
        (signal.SIGHUP, succession.hang_up),
        (signal.SIGUSR2, succession.upgrade),
    ):
        loop.add_signal_handler(number, on_signal, number, act)
    server = PoolServer(config, heir=heir, succession=succession)
    await server.run(stop)
    return succession
