"""The seam over a real socket pair: what is sent arrives, whole, in order, or the link ends."""

import asyncio
import socket

from poolserver.cluster.link import LocalLink, StreamLink, down_decoder, up_decoder
from poolserver.cluster.messages import (
    BlockEvent,
    Down,
    PayoutUpdate,
    TemplateConfirmed,
    TemplateUpdate,
    Up,
    WorkOutdated,
)
from poolserver.mining.payout import Payee, PayoutPlan
from tests.unit.solving import template

EVENT = BlockEvent("pool-1/0/1", "ab" * 32, 101, "demo.rig", "found", "", 1_763_942_400_000)


class End:
    """One end of a link and what came out of it."""

    def __init__(self) -> None:
        self.received: list[object] = []
        self._came = asyncio.Event()
        self.lost: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()

    def take(self, message: object) -> None:
        self.received.append(message)
        self._came.set()

    async def has(self, count: int) -> None:
        async with asyncio.timeout(5):
            while len(self.received) < count:
                self._came.clear()
                await self._came.wait()


async def connected() -> tuple[StreamLink[Down, Up], End, StreamLink[Up, Down], End]:
    loop = asyncio.get_running_loop()
    one, other = socket.socketpair()
    upper, lower = End(), End()
    coordinator: StreamLink[Down, Up] = StreamLink(up_decoder(), upper.take, upper.lost.set_result)
    worker: StreamLink[Up, Down] = StreamLink(down_decoder(), lower.take, lower.lost.set_result)
    await loop.create_connection(lambda: coordinator, sock=one)
    await loop.create_connection(lambda: worker, sock=other)
    return coordinator, upper, worker, lower


async def test_messages_cross_a_socket_unchanged_and_in_order() -> None:
    coordinator, upper, worker, lower = await connected()
    update = TemplateUpdate(template())
    coordinator.send(update)
    coordinator.send(TemplateConfirmed())
    coordinator.send(WorkOutdated())
    worker.send(EVENT)
    await lower.has(3)
    await upper.has(1)
    assert lower.received == [update, TemplateConfirmed(), WorkOutdated()]
    assert upper.received == [EVENT]
    coordinator.close()
    await lower.lost


async def test_what_is_sent_to_a_lost_peer_is_dropped() -> None:
    coordinator, _, worker, lower = await connected()
    coordinator.close()
    await lower.lost
    worker.send(EVENT)


async def test_bytes_that_are_no_message_end_the_link() -> None:
    coordinator, _, _, lower = await connected()
    coordinator._transport.write(b"\x00\x00\x00\x02\xc1\xc1")  # type: ignore[union-attr]
    assert await asyncio.wait_for(lower.lost, 5) is not None


async def test_a_message_over_the_limit_ends_the_link() -> None:
    coordinator, _, _, lower = await connected()
    coordinator._transport.write(b"\xff\xff\xff\xff")  # type: ignore[union-attr]
    assert await asyncio.wait_for(lower.lost, 5) is not None


async def test_within_a_process_a_message_is_handed_over_in_a_turn_of_its_own() -> None:
    received: list[object] = []
    link: LocalLink[object] = LocalLink(asyncio.get_running_loop(), received.append)
    link.send(EVENT)
    assert received == []
    await asyncio.sleep(0)
    assert received == [EVENT]


async def test_a_plan_crosses_with_weights_beyond_64_bits_and_debts_below_0() -> None:
    coordinator, _, _, lower = await connected()
    plan = PayoutPlan(
        b"\x51", 150, (Payee("a", b"\x52", 2**200 + 1, -5), Payee("b", b"\x53", 0, 7))
    )
    coordinator.send(PayoutUpdate.of(plan))
    await lower.has(1)
    assert lower.received == [PayoutUpdate.of(plan)]
    coordinator.close()
    await lower.lost


async def test_a_plan_that_cannot_be_ends_the_link() -> None:
    coordinator, upper, _, lower = await connected()
    plan = PayoutPlan(b"\x51")
    object.__setattr__(plan, "fee_basis_points", 10_001)
    coordinator.send(PayoutUpdate.of(plan))
    assert "basis points" in str(await lower.lost)
    await upper.lost


async def test_what_is_held_comes_in_its_order_when_it_is_let_go() -> None:
    received: list[object] = []
    link: LocalLink[object] = LocalLink(asyncio.get_running_loop(), received.append)
    link.hold()
    link.send(1)
    link.hold()  # once more keeps what there is
    link.send(2)
    await asyncio.sleep(0)
    assert received == []
    link.let_go()
    link.send(3)
    for turn in range(1, 4):  # one in a turn: there may be very many
        await asyncio.sleep(0)
        assert received == [1, 2, 3][:turn]
    link.send(4)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert received == [1, 2, 3, 4]


async def test_what_is_let_go_may_be_held_again_in_the_middle() -> None:
    received: list[object] = []
    link: LocalLink[object] = LocalLink(asyncio.get_running_loop(), received.append)
    link.hold()
    for number in range(4):
        link.send(number)
    link.let_go()
    await asyncio.sleep(0)
    link.hold()
    for _ in range(3):
        await asyncio.sleep(0)
    assert received == [0]
    link.let_go()
    link.let_go()  # twice is once
    for turn in range(2, 5):
        await asyncio.sleep(0)
        assert received == list(range(turn))
