"""Several real nodes: one is killed, stopped, cut off or slow, and work goes on by the rules."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import pytest

from poolserver.bitcoin.header import hash_le_to_hex
from poolserver.bitcoin.networks import NETWORKS
from poolserver.mining.template import BlockTemplate
from poolserver.node.gate import GateTerms
from poolserver.node.group import GroupTerms, Member, NodeGroup
from poolserver.node.health import NodeMonitor
from poolserver.node.process import REGTEST, BitcoindProcess
from poolserver.node.template_source import NodeTemplateSource
from tests.integration.node.faulty import FaultyNode, before

pytestmark = pytest.mark.real
ADDRESSES = (
    "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080",
    "bcrt1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqc8gma6",
)
REGTEST_NETWORK = NETWORKS["regtest"]
# The limit of the issue, and what a loaded machine needs to notice it.
FAILOVER_S = 2.0
QUICK = GroupTerms(gate=GateTerms(fail_back_after_s=0.5, hold_s=2.0), lost_after_s=0.2)


class Mined:
    """What a group has published, to be waited for."""

    def __init__(self, group: NodeGroup) -> None:
        self.group = group
        self.last: BlockTemplate | None = None
        self.templates = 0
        self.confirmed = 0
        self.outdated = 0
        self._said = asyncio.Event()

    def on_template(self, template: BlockTemplate, received_at: float) -> None:
        self.last = template
        self.templates += 1
        self._said.set()

    def on_confirmed(self, received_at: float) -> None:
        self.confirmed += 1
        self._said.set()

    def on_outdated(self, at: float) -> None:
        self.outdated += 1
        self._said.set()

    @property
    def tip_hex(self) -> str:
        return hash_le_to_hex(self.last.prevhash_le) if self.last is not None else ""

    async def until(self, reached: Callable[[], bool], seconds: float = 20.0) -> float:
        """Wait for a state of the group; how long it took."""
        began = time.monotonic()
        async with asyncio.timeout(seconds):
            while not reached():
                self._said.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(0.01):
                        await self._said.wait()
        return time.monotonic() - began

    async def active(self, name: str, seconds: float = 20.0) -> float:
        return await self.until(lambda: self.group.state.active == name, seconds)

    async def is_on(self, tip_hex: str, seconds: float = 20.0) -> float:
        return await self.until(lambda: self.tip_hex == tip_hex, seconds)


@asynccontextmanager
async def running(
    nodes: Sequence[BitcoindProcess | FaultyNode],
    *,
    trusted: str = "",
    terms: GroupTerms = QUICK,
) -> AsyncIterator[Mined]:
    """A group of nodes a, b, c... in this order, once all of them can be mined with."""
    members, rpcs = [], []
    for name, node in zip("abc", nodes, strict=False):
        own = [node.new_rpc() for _ in range(3)]
        rpcs += own
        monitor = NodeMonitor(
            name,
            own[0],
            REGTEST_NETWORK,
            for_templates=True,
            passed=False,
            clock=time.monotonic,
            unix_time=time.time,
        )
        source = NodeTemplateSource(
            own[1],
            own[2],
            REGTEST_NETWORK,
            zmq_hashblock=node.zmq_endpoint,
            poll_interval_s=0.2,
            clock=time.monotonic,
        )
        members.append(Member(name, name == trusted, monitor, source))
    group = NodeGroup(members, REGTEST_NETWORK, time.monotonic, terms)
    mined = Mined(group)
    task = asyncio.create_task(group.run(mined.on_template, mined.on_confirmed, mined.on_outdated))
    try:
        await mined.until(lambda: len(group.state.offering) == len(nodes))
        await mined.active("a")
        yield mined
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        for rpc in rpcs:
            await rpc.close()


@pytest.fixture
async def nodes(bitcoind_path: Path) -> AsyncIterator[list[BitcoindProcess]]:
    """Two nodes that are connected, on a chain of one block."""
    async with AsyncExitStack() as stack:
        both = [BitcoindProcess(bitcoind_path, REGTEST, listen=True) for _ in range(2)]
        await asyncio.gather(*(stack.enter_async_context(node) for node in both))
        await mine(both[0])
        await both[0].connect(both[1])
        await agree(both)
        yield both


async def mine(node: BitcoindProcess, blocks: int = 1, *, by: int = 0) -> str:
    """Find blocks; the tip then."""
    hashes: list[str] = await node.call("generatetoaddress", blocks, ADDRESSES[by])
    return hashes[-1]


async def agree(nodes: Sequence[BitcoindProcess]) -> None:
    async with asyncio.timeout(20):
        while len({await node.call("getbestblockhash") for node in nodes}) > 1:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_the_other_node_takes_over_when_the_active_one_is_killed_and_gives_back(
    nodes: list[BitcoindProcess],
) -> None:
    a, b = nodes
    async with running(nodes) as mined:
        began = time.monotonic()
        await a.kill()
        await mined.active("b")
        taken_s = time.monotonic() - began
        print(f"kill -9: failover after {taken_s:.3f} s")
        assert taken_s < FAILOVER_S
        tip_hex = await mine(b)
        await mined.is_on(tip_hex)
        await a.start()
        await a.connect(b)
        await mined.active("a")
        assert mined.tip_hex == tip_hex
        assert mined.group.switches["fail_back"] == 1


async def test_the_other_node_takes_over_when_the_active_one_hangs(
    nodes: list[BitcoindProcess],
) -> None:
    a, b = nodes
    async with running(nodes) as mined:
        began = time.monotonic()
        a.pause()
        await mined.active("b")
        taken_s = time.monotonic() - began
        print(f"SIGSTOP: failover after {taken_s:.3f} s")
        assert taken_s < FAILOVER_S
        await mined.is_on(await mine(b))
        a.resume()
        await mined.active("a")


async def test_of_two_chains_that_differ_by_a_block_each_the_mined_one_stays_without_an_alarm(
    nodes: list[BitcoindProcess],
) -> None:
    a, b = nodes
    terms = GroupTerms(gate=QUICK.gate, lasting_s=1.5)
    async with running(nodes, terms=terms) as mined:
        await a.disconnect()
        ours = await mine(a)
        await mined.is_on(ours)
        theirs = await mine(b, by=1)
        assert theirs != ours
        await mined.until(lambda: mined.group.split_depth == 1)
        assert not mined.group.is_split
        assert mined.tip_hex == ours
        await mined.until(lambda: mined.group.is_split)  # it lasts
        assert mined.tip_hex == ours


async def test_the_chain_with_most_work_is_mined_and_a_fork_of_two_blocks_is_an_alarm(
    nodes: list[BitcoindProcess],
) -> None:
    a, b = nodes
    async with running(nodes) as mined:
        await a.disconnect()
        await mined.is_on(await mine(a, 2))
        theirs = await mine(b, 3, by=1)
        await mined.is_on(theirs)
        assert mined.group.state.active == "b"
        await mined.until(lambda: mined.group.is_split, 2.0)
        await a.connect(b)  # and a follows, to its own chain's end
        await mined.until(lambda: not mined.group.is_split)
        await mined.active("a")
        assert mined.tip_hex == theirs


async def test_the_trusted_nodes_chain_is_mined_though_another_has_more_work(
    nodes: list[BitcoindProcess],
) -> None:
    a, b = nodes
    async with running(nodes, trusted="b") as mined:
        await a.disconnect()
        ours = await mine(b, 2)
        await mined.is_on(ours)
        theirs = await mine(a, 4, by=1)
        await mined.until(lambda: mined.group.is_split)
        assert (mined.tip_hex, mined.group.state.active) == (ours, "b")
        await a.connect(b)
        await mined.is_on(theirs)  # the trusted node follows, and so do we
        await mined.until(lambda: not mined.group.is_split)


async def test_a_node_ahead_of_the_trusted_one_has_to_wait_for_it(
    nodes: list[BitcoindProcess],
) -> None:
    a, b = nodes
    async with running(nodes, trusted="b") as mined:
        before_it = mined.tip_hex
        await b.disconnect()
        ahead = await mine(a)
        await mined.until(lambda: mined.group.views[0].chain.tip_hex == ahead)
        await asyncio.sleep(0.3)
        assert mined.tip_hex == before_it
        await a.connect(b)
        await mined.is_on(ahead)


async def test_a_reorganisation_to_a_lower_height_is_followed_by_the_group(
    nodes: list[BitcoindProcess],
) -> None:
    a, b = nodes
    async with running(nodes) as mined:
        tip_hex = await mine(a)
        await mined.is_on(tip_hex)
        lower = (await a.call("getblockheader", tip_hex))["previousblockhash"]
        await b.disconnect()
        await asyncio.gather(*(node.call("invalidateblock", tip_hex) for node in nodes))
        await mined.is_on(lower)


@pytest.mark.parametrize("fault", ["500", "garbage"])
async def test_a_node_that_answers_everything_but_templates_loses_its_place(
    nodes: list[BitcoindProcess], fault: str
) -> None:
    a, b = nodes
    async with before(a) as faulty, running([faulty, b]) as mined:
        faulty.fault = fault
        tip_hex = await mine(b)
        await mined.is_on(tip_hex, 2.0)
        await mined.active("b", 2.0)
        faulty.fault = ""
        await mined.active("a")


async def test_a_node_that_is_slow_with_a_template_does_not_keep_the_others_back(
    nodes: list[BitcoindProcess],
) -> None:
    a, b = nodes
    async with before(a) as faulty, running([faulty, b]) as mined:
        faulty.fault = "slow"
        began = time.monotonic()
        tip_hex = await mine(b)
        await mined.until(lambda: mined.tip_hex == tip_hex and not stopgap(mined))
        taken_s = time.monotonic() - began
        print(f"10 s template: the other node's after {taken_s:.3f} s")
        assert taken_s < FAILOVER_S
        assert mined.group.state.active == "b"


def stopgap(mined: Mined) -> bool:
    assert mined.last is not None
    return mined.last.stopgap


async def test_work_is_outdated_once_a_tip_is_known_that_no_node_has_a_template_on(
    nodes: list[BitcoindProcess], monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = nodes
    async with before(a) as first, before(b) as second, running([first, second]) as mined:
        first.fault = second.fault = "500"
        monkeypatch.setattr("poolserver.node.template_source.header_of_tip", no_header)
        tip_hex = await mine(a)
        await mined.until(lambda: mined.outdated == 1, 5.0)
        assert mined.group.is_stale
        await mined.until(lambda: not mined.group.state.offering)
        await a.stop()  # in good order: a node that is killed may lose its last block
        await b.kill()
        await mined.until(lambda: all(view.fault for view in mined.group.views))
        assert mined.group.is_outdated  # what was known does not go with the nodes
        first.fault = ""
        await a.start()
        await mined.is_on(tip_hex)
        assert not mined.group.is_outdated


async def no_header(*_: object) -> None:
    """No stopgap, as at a change of nbits."""


async def test_of_three_nodes_the_two_that_are_left_go_on(
    nodes: list[BitcoindProcess], bitcoind_path: Path
) -> None:
    a, b = nodes
    async with BitcoindProcess(bitcoind_path, REGTEST, listen=True) as c:
        await c.connect(b)
        await agree([a, b, c])
        async with running([a, b, c]) as mined:
            a.pause()
            await mined.active("b", FAILOVER_S)
            await b.kill()
            await mined.active("c", FAILOVER_S)
            await mined.is_on(await mine(c))
            a.resume()
