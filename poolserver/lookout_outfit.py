"""What people and programs are shown of the running pool, put together."""

import asyncio
import time
from collections.abc import Callable

from poolserver.config import Config
from poolserver.coordinator import Coordinator
from poolserver.crew.berths import Berths
from poolserver.log import EventFeed
from poolserver.lookout.broadcast import Broadcast
from poolserver.lookout.history import Span
from poolserver.lookout.keeper import LookoutKeeper
from poolserver.lookout.overview import Life, Overview
from poolserver.lookout.rigs import Rigs
from poolserver.lookout.view import History
from poolserver.node.group import NodeGroup


class Lookout:
    """Looks at the parts of a pool. Start it when the books are open, stop it before they close."""

    def __init__(
        self,
        config: Config,
        coordinator: Coordinator,
        nodes: NodeGroup,
        berths: Berths,
        life: Life,
        feed: EventFeed,
        unix_time: Callable[[], float] = time.time,
    ) -> None:
        self.overview = Overview(coordinator, nodes, berths, life, config.data_dir)
        self.broadcast = Broadcast(self.overview, feed)
        self.keeper = LookoutKeeper(self.overview, feed, coordinator.store)
        self.rigs = Rigs(coordinator, coordinator.room.rigs.known)
        self.feed = feed
        self._unix_time = unix_time
        self._tasks: list[asyncio.Task[None]] = []
        coordinator.room.show(self.broadcast.on_power)

    def history(self, site: str, span: Span) -> History | None:
        """What was, of a site or of the whole pool; None of one that is not known."""
        return self.keeper.histories.history(site, span, self._unix_time())

    async def start(self) -> None:
        """Take up what was saved, and begin to look."""
        await self.keeper.open()
        self._tasks = [
            asyncio.create_task(each, name="lookout")
            for each in (self.overview.run(), self.broadcast.run(), self.keeper.run())
        ]

    async def stop(self) -> None:
        """End the streams, and save what there is."""
        self.broadcast.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.keeper.close()
