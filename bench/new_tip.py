"""From a node's new tip to work on it at the rigs, by channel; beside the node's own template time.

    BITCOIND=/path/to/bitcoind python -m bench.new_tip [--blocks 100] [--rigs 1,100]

The pool is a process of its own, as operators run it, at a real node on regtest. A time begins
with the node's own log line ``UpdateTip`` (microseconds) and ends with the first byte of the first
``mining.notify`` on the new tip at a rig; node, pool and rigs have one clock. The blocks were
solved before, and are given to the node at random times.

The node's template time is that of getblocktemplate, asked over a plain connection as soon as the
node has taken a block, to the last byte of the answer, without a pool.

Where longpolls are to be off the pool's calls go through a proxy, which swallows them.
"""

import argparse
import asyncio
import base64
import http.client
import json
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from statistics import median

from tests.torture.fault_proxy import Fault, Rule
from tests.torture.handmade import fill_mempool, mine_coins
from tests.torture.listener import Listener, Work
from tests.torture.network import TortureNode, within
from tests.torture.pool_process import PoolProcess

TRANSACTIONS = 3000
# Jobs of 3,000 transactions have a branch of 12.
FULL_BRANCH = 11
WORK_TIMEOUT_S = 30.0
SEED = 4
NEVER_S = 60
OUR_SCRIPT = "raw(51)"


@dataclass(frozen=True)
class Channel:
    """How the pool hears of a new tip."""

    name: str
    longpoll: bool
    zmq: bool
    poll_interval_s: float

    @property
    def phase_s(self) -> float:
        """A block comes at any time between two polls."""
        return 0.2 if self.longpoll or self.zmq else self.poll_interval_s


CHANNELS = (
    Channel("longpoll, ZMQ and poll", True, True, 1),
    Channel("longpoll alone", True, False, NEVER_S),
    Channel("ZMQ alone", False, True, NEVER_S),
    Channel("poll alone, each 1 s", False, False, 1),
)


@dataclass
class Times:
    """Milliseconds, one a block."""

    first: list[float] = field(default_factory=list)
    """To the first rig."""
    last: list[float] = field(default_factory=list)
    """To the last one."""
    full: list[float] = field(default_factory=list)
    """To a job with the mempool's transactions, at the first rig."""
    empty_s: float = 0.0
    """poolserver_stopgap_seconds_total over all blocks."""


class Tips:
    """When the node had each tip, by its own log."""

    def __init__(self, path: Path) -> None:
        self._file = path.open()

    def at_unix(self, tip_hex: str) -> float:
        for line in self._file:
            if "UpdateTip: new best=" + tip_hex in line:
                return datetime.fromisoformat(line.split(" ", 1)[0]).timestamp()
        raise AssertionError(f"the node's log does not tell of {tip_hex}")


class Rigs:
    """All rigs, and what each has been sent."""

    def __init__(self) -> None:
        self._all: list[Listener] = []
        self._work: list[list[Work]] = []

    async def connect(self, port: int, count: int) -> None:
        for _ in range(count):
            work: list[Work] = []
            self._work.append(work)
            self._all.append(await Listener.connect(port, work.append))

    def close(self) -> None:
        for each in self._all:
            each.close()

    async def work_on(self, tip_hex: str, branch: int) -> list[float]:
        """When each rig had work on the tip with a branch so long or longer; Unix seconds."""

        async def all_have() -> bool:
            return all(any(_fits(work, tip_hex, branch) for work in rig) for rig in self._work)

        assert await within(WORK_TIMEOUT_S, all_have), f"no work on {tip_hex}"
        return [
            next(work.at_unix for work in rig if _fits(work, tip_hex, branch)) for rig in self._work
        ]


def _fits(work: Work, tip_hex: str, branch: int) -> bool:
    return work.is_on(tip_hex) and work.branch_length >= branch


async def new_tip(node: TortureNode, within_s: float = 0.2) -> str:
    """Have the node take a block that is solved already, without transactions."""
    block = await node.call("generateblock", OUR_SCRIPT, [], False)
    await asyncio.sleep(random.uniform(0.05, 0.05 + within_s))
    assert await node.call("submitblock", block["hex"]) is None
    return str(block["hash"])


async def template_times(node: TortureNode, blocks: int) -> list[float]:
    """Milliseconds that the node takes for the first template of each of so many tips."""
    login = f"{node.process.username}:{node.process.password}".encode()
    head = {"Authorization": "Basic " + base64.b64encode(login).decode()}
    body = json.dumps({"method": "getblocktemplate", "params": [{"rules": ["segwit"]}]})
    connection = http.client.HTTPConnection("127.0.0.1", node.process.rpc_port)
    times = []
    for _ in range(blocks):
        await new_tip(node)
        began = time.perf_counter()
        connection.request("POST", "/", body, head)
        connection.getresponse().read()
        times.append(1000 * (time.perf_counter() - began))
    connection.close()
    return times


async def measure(
    node: TortureNode, tips: Tips, channel: Channel, rigs: int, blocks: int, branch: int
) -> Times:
    """One channel, with rigs connected."""
    folder = Path(tempfile.mkdtemp(prefix="poolserver-bench-"))
    if not channel.longpoll:
        node.proxy.apply(Rule(Fault.SWALLOW, "getblocktemplate", longpolls_only=True))
    address = node.address(direct=channel.longpoll, zmq=channel.zmq)
    extra = f"[templates]\npoll_interval_s = {channel.poll_interval_s}"
    times, crowd = Times(), Rigs()
    async with PoolProcess(folder, [address], extra).running() as pool:
        await crowd.connect(pool.face.port, rigs)
        await asyncio.sleep(1)  # ZMQ tells only those who had subscribed before
        try:
            for _ in range(blocks):
                tip = await new_tip(node, channel.phase_s)
                first = await crowd.work_on(tip, 0)
                full = await crowd.work_on(tip, branch)
                at = tips.at_unix(tip)
                times.first.append(1000 * (min(first) - at))
                times.last.append(1000 * (max(first) - at))
                times.full.append(1000 * (min(full) - at))
            await asyncio.sleep(1.1)  # the worker reports each second
            times.empty_s = await pool.face.metric("poolserver_stopgap_seconds_total")
        finally:
            crowd.close()
    node.heal()
    shutil.rmtree(folder)
    return times


def p99(values: Sequence[float]) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * 0.99))]


def pair(values: Sequence[float]) -> str:
    return f"{median(values):7.1f} {p99(values):7.1f}"


async def run(bitcoind: Path, blocks: int, rig_counts: Sequence[int]) -> None:
    folder = Path(tempfile.mkdtemp(prefix="poolserver-bench-"))
    log = folder / "node.log"
    extra = ("-logtimemicros=1", f"-debuglogfile={log}")
    async with TortureNode(bitcoind, extra).running() as node:
        await mine_coins(node.process, 10)
        for transactions in (0, TRANSACTIONS):
            await fill_mempool([node.process], transactions)
            templates = await template_times(node, blocks)
            print(f"\n{transactions} transactions in the mempool, {blocks} blocks a row; ms")
            print(f"the node's own template: p50 {median(templates):.1f}, p99 {p99(templates):.1f}")
            print(
                f"{'channel':24} {'rigs':>4}   {'first rig':^15}   {'last rig':^15}   "
                f"{'full job':^15}   {'less template':^13}  mined empty\n"
                f"{'':24} {'':4}   " + f"{'p50':>7} {'p99':>7}   " * 3 + f"{'p50':>13}  s a block"
            )
            for channel in CHANNELS:
                for rigs in rig_counts:
                    branch = FULL_BRANCH if transactions else 0
                    times = await measure(node, Tips(log), channel, rigs, blocks, branch)
                    print(
                        f"{channel.name:24} {rigs:4}   {pair(times.first)}   {pair(times.last)}   "
                        f"{pair(times.full)}   {median(times.full) - median(templates):13.1f}  "
                        f"{times.empty_s / blocks:.4f}",
                        flush=True,
                    )
    shutil.rmtree(folder)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--blocks", type=int, default=100)
    parser.add_argument("--rigs", default="1,100")
    given = parser.parse_args()
    bitcoind = os.environ.get("BITCOIND") or shutil.which("bitcoind")
    if bitcoind is None:
        print("no bitcoind: scripts/get-bitcoind.sh fetches one", file=sys.stderr)
        return 2
    random.seed(SEED)
    asyncio.run(run(Path(bitcoind), given.blocks, [int(each) for each in given.rigs.split(",")]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
