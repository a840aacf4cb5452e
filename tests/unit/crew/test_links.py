"""The hub and the uplinks over a real Unix socket: who comes hears all that matters."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from poolserver.cluster.messages import (
    Down,
    OurBlock,
    PayoutUpdate,
    TemplateConfirmed,
    TemplateUpdate,
    Up,
    WorkerHello,
    WorkerSettings,
    WorkerStarted,
    WorkOutdated,
)
from poolserver.crew import uplink as uplink_module
from poolserver.crew.hub import Hub, Visitor
from poolserver.crew.post import post_dir
from poolserver.crew.uplink import Uplink
from poolserver.mining.payout import PayoutPlan
from tests.unit.server import hall
from tests.unit.solving import P2WPKH, template

PLAN = PayoutUpdate.of(PayoutPlan(P2WPKH))
OURS = OurBlock("ab" * 32)


class Host:
    """Lets everybody in, or whom the test says."""

    def __init__(self, folder: Path) -> None:
        self.now = 1000.0
        self.heard: list[tuple[int, Up]] = []
        self.gone: list[int] = []
        self.settings: WorkerSettings = hall.settings(folder, boot_epoch=1, worker_index=1)
        self.visitors: list[Visitor] = []
        self.hub = Hub(self, lambda: self.now)

    def welcome(self, visitor: Visitor, hello: WorkerHello) -> None:
        self.visitors.append(visitor)
        visitor.link.send(self.settings)
        self.hub.admit(visitor)

    def hear(self, visitor: Visitor, message: Up) -> None:
        assert visitor.hello is not None
        self.heard.append((visitor.hello.index, message))

    def parted(self, visitor: Visitor) -> None:
        assert visitor.hello is not None
        self.gone.append(visitor.hello.index)


class End:
    """A worker's end, running."""

    def __init__(self, folder: Path, index: int) -> None:
        self.now = 0.0
        self.got: list[Down] = []
        self.uplink = Uplink(folder, index, lambda: self.now)
        self.task = asyncio.create_task(self.uplink.run())

    async def begin(self) -> WorkerSettings:
        async with asyncio.timeout(5):
            settings = await self.uplink.settings
        self.uplink.deliver_to(self.got.append)
        return settings

    async def end(self) -> None:
        await self.uplink.close()
        self.task.cancel()


async def becomes(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not holds():  # noqa: ASYNC110 - over a socket
            await asyncio.sleep(0.001)


@asynccontextmanager
async def hub_in(folder: Path) -> AsyncIterator[Host]:
    host = Host(folder)
    await host.hub.open(post_dir(folder))
    yield host
    await host.hub.close()


async def test_what_is_said_goes_to_all_and_what_they_say_comes(tmp_path: Path) -> None:
    async with hub_in(tmp_path) as host:
        ends = [End(post_dir(tmp_path), index) for index in range(2)]
        for end in ends:
            assert await end.begin() == host.settings
        update = TemplateUpdate(template())
        host.hub.send(update)
        host.hub.send(TemplateConfirmed())
        for end in ends:
            await becomes(lambda end=end: len(end.got) == 2)  # type: ignore[misc]
            assert end.got == [update, TemplateConfirmed()]
        ends[1].uplink.send(WorkerStarted("pool-1/1/1", (3333,)))
        await becomes(lambda: bool(host.heard))
        assert host.heard == [(1, WorkerStarted("pool-1/1/1", (3333,)))]
        for end in ends:
            await end.end()
        await becomes(lambda: sorted(host.gone) == [0, 1])


async def test_who_comes_later_hears_what_matters_still(tmp_path: Path) -> None:
    async with hub_in(tmp_path) as host:
        for message in (PLAN, WorkOutdated(), TemplateUpdate(template()), OURS):
            host.hub.send(message)
        host.now += 20.0
        host.hub.send(TemplateConfirmed())
        host.now += 1.0
        end = End(post_dir(tmp_path), 0)
        await end.begin()
        await becomes(lambda: len(end.got) == 3)
        assert end.got == [PLAN, OURS, TemplateUpdate(template(), 21.0, 1.0)]
        await end.end()


async def test_who_comes_while_the_work_is_old_hears_that_too(tmp_path: Path) -> None:
    async with hub_in(tmp_path) as host:
        host.hub.send(TemplateUpdate(template()))
        host.hub.send(WorkOutdated())
        end = End(post_dir(tmp_path), 0)
        await end.begin()
        await becomes(lambda: len(end.got) == 2)
        assert end.got[1] == WorkOutdated()
        await end.end()


async def test_what_comes_before_there_is_a_worker_waits_for_it(tmp_path: Path) -> None:
    async with hub_in(tmp_path) as host:
        end = End(post_dir(tmp_path), 0)
        async with asyncio.timeout(5):
            await end.uplink.settings
            host.hub.send(TemplateUpdate(template()))
            await end.uplink.has_work.wait()
        assert end.got == []
        end.uplink.deliver_to(end.got.append)
        assert end.got == [TemplateUpdate(template())]
        await end.end()


async def test_a_worker_goes_on_alone_and_finds_the_next_coordinator(tmp_path: Path) -> None:
    async with hub_in(tmp_path) as host:
        end = End(post_dir(tmp_path), 1)
        await end.begin()
        assert host.visitors[0].hello == WorkerHello(1, "")
        assert end.uplink.alone_s == 0.0
    await becomes(lambda: end.uplink._link is None)
    end.now = 90.0
    assert end.uplink.alone_s == 90.0
    end.uplink.send(WorkerStarted("x", ()))  # dropped
    async with hub_in(tmp_path) as host:
        await becomes(lambda: bool(host.visitors))
        # Its life goes on, and the coordinator's settings are its word of greeting.
        assert host.visitors[0].hello == WorkerHello(1, "pool-1/1/1")
        await becomes(lambda: end.got == [host.settings])
        await end.end()


async def test_who_does_not_say_who_it_is_is_closed(tmp_path: Path) -> None:
    async with hub_in(tmp_path) as host:
        end = End(post_dir(tmp_path), 0)
        await end.begin()
        # A second link, whose first word is another one.
        visitor = Visitor(host.hub)
        closed: list[bool] = []
        visitor.link.close = lambda: closed.append(True)  # type: ignore[method-assign]
        visitor._take(WorkerStarted("x", ()))
        assert closed == [True]
        assert visitor.hello is None
        await end.end()


def test_it_is_looked_for_often_enough_to_be_found_within_a_second() -> None:
    assert uplink_module.RETRY_S < 1.0


async def test_what_comes_while_it_is_held_is_delivered_after(tmp_path: Path) -> None:
    settings = hall.settings(tmp_path)
    uplink = Uplink(tmp_path, 0, lambda: 0.0, settings)
    assert await uplink.settings == settings
    heard: list[Down] = []
    uplink.deliver_to(heard.append)
    uplink._take(settings)  # a coordinator's first word, to one that has its settings
    uplink.hold()
    uplink._take(OURS)
    assert heard == [settings]
    uplink.deliver_to(heard.append)
    assert heard == [settings, OURS]
