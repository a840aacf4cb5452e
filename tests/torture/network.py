"""Two or three real nodes that know each other, each behind a proxy that faults can be put into."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from poolserver.node.process import REGTEST, BitcoindProcess, free_port
from poolserver.node.rpc import NodeError
from tests.torture.fault_proxy import Fault, FaultProxy, Rule
from tests.torture.gate import TcpGate
from tests.torture.handmade import RivalBlock, mine_coins, rival_block

LOOK_S = 0.02
# Peers fetch a block in milliseconds; one that was just restarted is slower.
AGREE_TIMEOUT_S = 15.0
START_HEIGHT_COINS = 30


@dataclass(frozen=True)
class NodeAddress:
    """What a pool's config says of a node; ``zmq`` None where it is not to be listened to."""

    url: str
    username: str
    password: str
    zmq: str | None


class TortureNode:
    """A node, the proxy before its RPC and the gate before its ZMQ; ``port`` is for its peers."""

    def __init__(self, bitcoind: Path, extra: Sequence[str] = ()) -> None:
        self.port = free_port()
        self.process = BitcoindProcess(
            bitcoind,
            REGTEST,
            (
                "-listen=1",
                f"-bind=127.0.0.1:{self.port}",
                # By default regtest checks its whole mempool at each transaction.
                "-checkmempool=0",
                *extra,
            ),
        )
        self.proxy = FaultProxy(self.process.rpc_port)
        self.zmq = TcpGate(int(self.process.zmq_endpoint.rsplit(":", 1)[1]))
        self.is_up = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator["TortureNode"]:
        async with self.process, self.proxy.running(), self.zmq.running():
            self.is_up = True
            yield self

    def address(self, *, direct: bool = False, zmq: bool = True) -> NodeAddress:
        """Where a pool finds it: through the proxies, or ``direct``."""
        process = self.process
        through = f"tcp://127.0.0.1:{self.zmq.port}"
        return NodeAddress(
            url=process.url if direct else self.proxy.url,
            username=process.username,
            password=process.password,
            zmq=(process.zmq_endpoint if direct else through) if zmq else None,
        )

    async def call(self, method: str, *params: Any) -> Any:
        """Ask the node itself, past the proxy."""
        return await self.process.call(method, *params)

    async def kill(self) -> None:
        """kill -9."""
        self.is_up = False
        await self.process.kill()

    async def start(self) -> None:
        await self.process.start()
        self.is_up = True

    def cut(self) -> None:
        """The network between pool and node is gone."""
        self.proxy.apply(Rule(Fault.CUT))
        self.zmq.cut()

    def black_hole(self) -> None:
        """The network between takes everything and brings nothing."""
        self.proxy.apply(Rule(Fault.BLACK_HOLE))
        self.zmq.hold()

    def freeze(self) -> None:
        """SIGSTOP: its sockets are open and nobody answers."""
        os.kill(self._pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on where it was stopped."""
        os.kill(self._pid, signal.SIGCONT)

    @property
    def _pid(self) -> int:
        process = self.process._process
        assert process is not None
        return process.pid

    def heal(self) -> None:
        """No fault of the network is left."""
        self.proxy.heal()
        self.zmq.heal()

    async def has(self, hash_hex: str) -> bool:
        """Whether it holds this block, whole; on whatever branch."""
        try:
            await self.call("getblock", hash_hex, 0)
        except NodeError:
            return False
        return True

    async def flush(self) -> None:
        """Have the node write down what it holds: a killed one forgets what it had not."""
        await self.call("gettxoutsetinfo", "none")


class Network:
    """All nodes, connected to each other."""

    def __init__(self, nodes: Sequence[TortureNode]) -> None:
        self.nodes = list(nodes)

    @classmethod
    @asynccontextmanager
    async def of(cls, nodes: Sequence[TortureNode]) -> AsyncIterator["Network"]:
        """Start them on a chain of their own that has coins which anyone can spend."""
        async with AsyncExitStack() as stack:
            await asyncio.gather(*(stack.enter_async_context(each.running()) for each in nodes))
            network = cls(nodes)
            await network._begin_chain()
            await network.connect()
            await network.agree()
            yield network

    async def _begin_chain(self) -> None:
        """The same for all: a node that is new asks one peer alone for its chain at first."""
        first, *others = self.nodes
        await mine_coins(first.process, START_HEIGHT_COINS)
        for height in range(1, await first.call("getblockcount") + 1):
            block = await first.call("getblock", await first.call("getblockhash", height), 0)
            for other in others:
                assert await other.call("submitblock", block) is None

    async def connect(self) -> None:
        """Connect each to each, where they are not."""
        for index, node in enumerate(self.nodes):
            peers = {peer["addr"] for peer in await node.call("getpeerinfo")}
            for other in self.nodes[index + 1 :]:
                if f"127.0.0.1:{other.port}" not in peers:
                    await node.call("addnode", f"127.0.0.1:{other.port}", "onetry")

    async def heal(self) -> None:
        """Every node up, connected and without a fault before it."""
        for node in self.nodes:
            node.heal()
            if not node.is_up:
                await node.start()
            await node.call("setnetworkactive", True)
        await self.connect()

    async def agree(self) -> str:
        """Wait until all nodes have one tip; its hash. A tie is broken by one block more."""
        deadline = time.monotonic() + AGREE_TIMEOUT_S
        while len(tips := {await node.call("getbestblockhash") for node in self.nodes}) > 1:
            if time.monotonic() > deadline:
                heights = {await node.call("getblockcount") for node in self.nodes}
                assert len(heights) == 1, f"the nodes do not come together: {tips}"
                await self.nodes[0].call("generateblock", "raw(51)", [])
                deadline += AGREE_TIMEOUT_S
            await self.connect()
            await asyncio.sleep(LOOK_S)
        (tip,) = tips
        return str(tip)

    async def have(self, hash_hex: str) -> bool:
        """Whether any node that is up has the block."""
        for node in self.nodes:
            if node.is_up and await node.has(hash_hex):
                return True
        return False

    async def flush(self) -> None:
        """So that a node which is killed forgets nothing of before."""
        for node in self.nodes:
            await node.flush()

    async def rival(self, parent_hex: str, length: int, salt: bytes) -> list[RivalBlock]:
        """Blocks of somebody else on ``parent_hex``; nobody has seen them yet."""
        parent = await self.nodes[0].call("getblockheader", parent_hex)
        hash_hex, height, after = parent_hex, parent["height"], parent["mediantime"]
        blocks = []
        for _ in range(length):
            block = rival_block(hash_hex, height + 1, after, salt)
            blocks.append(block)
            hash_hex, height, after = block.hash_hex, block.height, block.time
        return blocks

    async def take(self, blocks: Sequence[RivalBlock]) -> None:
        """Give each node these blocks, one after the other."""
        for block in blocks:
            for node in self.nodes:
                if node.is_up:
                    answer = await node.call("submitblock", block.block_hex)
                    assert answer in (None, "duplicate", "inconclusive"), answer


async def within(seconds: float, holds: Callable[[], Awaitable[bool]]) -> bool:
    """Whether it comes to hold in that time."""
    deadline = time.monotonic() + seconds
    while not await holds():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(LOOK_S)
    return True
