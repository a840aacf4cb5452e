"""From the fault of the node that gives the templates to work from the other one, and back.

    BITCOIND=/path/to/bitcoind python -m bench.failover [--trials 5]

Two real nodes on regtest, each behind a proxy; the pool is a process of its own. Each node has a
block version of its own, so a notify tells whose template it was made from. At the fault a new
block comes too, at the other node, which is the worst time: the rigs mine on an old tip until the
pool has changed over. The time ends with the first notify on that tip.

Fail-back: the fault ends and there is a block each second, until a notify is of the first node
again.
"""

import argparse
import asyncio
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from tests.torture.listener import Listener, Work
from tests.torture.network import Network, TortureNode, within
from tests.torture.pool_process import PoolProcess

# Bit 0 is below those that rigs may roll, so the pool hands it on.
VERSIONS = (0x20000000, 0x20000001)
FAILOVER_TIMEOUT_S = 30.0
FAIL_BACK_TIMEOUT_S = 60.0
OUR_SCRIPT = "raw(51)"


@dataclass(frozen=True)
class NodeFault:
    """A way to lose a node, and to have it back."""

    name: str
    begin: Callable[[TortureNode], Awaitable[None]]
    end: Callable[[TortureNode], Awaitable[None]]


async def _kill(node: TortureNode) -> None:
    await node.kill()


async def _start(node: TortureNode) -> None:
    await node.start()


async def _freeze(node: TortureNode) -> None:
    node.freeze()


async def _thaw(node: TortureNode) -> None:
    node.thaw()


async def _cut(node: TortureNode) -> None:
    node.cut()


async def _black_hole(node: TortureNode) -> None:
    node.black_hole()


async def _heal(node: TortureNode) -> None:
    node.heal()


FAULTS = (
    NodeFault("kill -9", _kill, _start),
    NodeFault("SIGSTOP", _freeze, _thaw),
    NodeFault("network cut", _cut, _heal),
    NodeFault("black hole", _black_hole, _heal),
)


@dataclass
class Trial:
    """Seconds; None where it did not happen in time."""

    failover_s: float | None = None
    fail_back_s: float | None = None


@dataclass
class Stage:
    """Two nodes, and what a rig is told."""

    network: Network
    work: list[Work] = field(default_factory=list)

    def latest_is_of(self, version: int) -> bool:
        return bool(self.work) and self.work[-1].version & 1 == version & 1

    async def play(self, fault: NodeFault) -> Trial:
        """Lose the first node and have it back."""
        first, second = self.network.nodes
        trial = Trial()

        async def back_on_first() -> bool:
            return self.latest_is_of(VERSIONS[0])

        if not await within(FAIL_BACK_TIMEOUT_S, back_on_first):
            return trial
        await self.network.flush()
        began = time.time()
        await fault.begin(first)
        tip = (await second.call("generateblock", OUR_SCRIPT, []))["hash"]

        async def changed_over() -> bool:
            return any(work.is_on(tip) for work in self.work)

        if await within(FAILOVER_TIMEOUT_S, changed_over):
            trial.failover_s = next(w.at_unix for w in self.work if w.is_on(tip)) - began
        ended = time.time()
        await fault.end(first)
        await self.network.connect()
        while trial.failover_s is not None and time.time() - ended < FAIL_BACK_TIMEOUT_S:
            await second.call("generateblock", OUR_SCRIPT, [])
            if await within(1.0, back_on_first):
                trial.fail_back_s = self.work[-1].at_unix - ended
                break
        await self.network.agree()
        return trial


async def run(bitcoind: Path, trials: int) -> None:
    folder = Path(tempfile.mkdtemp(prefix="poolserver-bench-"))
    async with AsyncExitStack() as stack:
        nodes = [TortureNode(bitcoind, (f"-blockversion={each}",)) for each in VERSIONS]
        network = await stack.enter_async_context(Network.of(nodes))
        pool = PoolProcess(folder, [node.address() for node in nodes])
        await stack.enter_async_context(pool.running())
        stage = Stage(network)
        rig = await Listener.connect(pool.face.port, stage.work.append)
        stack.callback(rig.close)
        print(f"{'fault':14} {'trials':>6}   failover, s            fail-back, s")
        for fault in FAULTS:
            results = []
            for _ in range(trials):
                results.append(await stage.play(fault))
                if results[-1].failover_s is None:
                    break
            over = _figures([each.failover_s for each in results])
            back = _figures([each.fail_back_s for each in results])
            print(f"{fault.name:14} {len(results):6}   {over:22} {back}", flush=True)
    shutil.rmtree(folder)


def _figures(seconds: list[float | None]) -> str:
    known = [each for each in seconds if each is not None]
    if not known:
        return "none"
    if len(known) < len(seconds):
        return f"none in {len(seconds) - len(known)} of {len(seconds)}"
    return f"median {median(known):.2f}, longest {max(known):.2f}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=5)
    given = parser.parse_args()
    bitcoind = os.environ.get("BITCOIND") or shutil.which("bitcoind")
    if bitcoind is None:
        print("no bitcoind: scripts/get-bitcoind.sh fetches one", file=sys.stderr)
        return 2
    asyncio.run(run(Path(bitcoind), given.trials))
    return 0


if __name__ == "__main__":
    sys.exit(main())
