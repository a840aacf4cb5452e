"""From the fault of the node that gives the templates to work from the other one, and back.

    BITCOIND=/path/to/bitcoind python -m bench.failover [--trials 5]

Two real nodes on regtest, each behind a proxy; the pool is a process of its own. Each node has a
block version of its own, so a notify tells whose template it was made from. Work is refreshed each
second here, and not each 30 s, so that a change is soon seen.

With a block: in the moment of the fault a block comes at the other node, the worst time, since the
rigs mine on an old tip until the pool has work of that node. Ends with the first notify on it.

Quiet: no block comes. Ends with the pool's log line ``node_active``; and beside it with the first
notify of the other node's template, which may wait for the refresh.

Fail-back: the fault ends and there is a block each second, until a notify is of the first node
again.
"""

import argparse
import asyncio
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
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

    with_block_s: float | None = None
    logged_s: float | None = None
    notified_s: float | None = None
    fail_back_s: float | None = None


@dataclass
class Stage:
    """Two nodes, the pool, and what a rig is told."""

    network: Network
    pool: PoolProcess
    work: list[Work] = field(default_factory=list)

    async def is_on(self, index: int) -> bool:
        """Whether the latest work is of that node's template."""
        return bool(self.work) and self.work[-1].version & 1 == VERSIONS[index] & 1

    async def with_block(self, fault: NodeFault, trial: Trial) -> None:
        """Lose the first node just as a block comes, and have it back."""
        first, second = self.network.nodes
        began = await self._begin(fault)
        tip = (await second.call("generateblock", OUR_SCRIPT, []))["hash"]

        async def changed_over() -> bool:
            return any(work.is_on(tip) for work in self.work)

        if await within(FAILOVER_TIMEOUT_S, changed_over):
            trial.with_block_s = next(w.at_unix for w in self.work if w.is_on(tip)) - began
        ended = time.time()
        await fault.end(first)
        await self.network.connect()
        while trial.with_block_s is not None and time.time() - ended < FAIL_BACK_TIMEOUT_S:
            await second.call("generateblock", OUR_SCRIPT, [])
            if await within(1.0, partial(self.is_on, 0)):
                trial.fail_back_s = self.work[-1].at_unix - ended
                break
        await self.network.agree()

    async def quiet(self, fault: NodeFault, trial: Trial) -> None:
        """Lose the first node, and have it back, without any news."""
        log = (self.pool.folder / "pool.log").open()
        log.seek(0, os.SEEK_END)
        began = await self._begin(fault)
        if await within(FAILOVER_TIMEOUT_S, partial(self.is_on, 1)):
            trial.notified_s = self.work[-1].at_unix - began
        for line in log:
            if '"event": "node_active"' in line:
                at = datetime.fromisoformat(json.loads(line)["timestamp"]).timestamp()
                trial.logged_s = at - began
                break
        await fault.end(self.network.nodes[0])
        await self.network.connect()
        await self.network.agree()

    async def _begin(self, fault: NodeFault) -> float:
        assert await within(FAIL_BACK_TIMEOUT_S, partial(self.is_on, 0)), "not on the first node"
        await self.network.flush()
        began = time.time()
        await fault.begin(self.network.nodes[0])
        return began


async def run(bitcoind: Path, trials: int) -> None:
    folder = Path(tempfile.mkdtemp(prefix="poolserver-bench-"))
    async with AsyncExitStack() as stack:
        nodes = [TortureNode(bitcoind, (f"-blockversion={each}",)) for each in VERSIONS]
        network = await stack.enter_async_context(Network.of(nodes))
        extra = "[stratum]\nrefresh_interval_s = 1"
        pool = PoolProcess(folder, [node.address() for node in nodes], extra)
        await stack.enter_async_context(pool.running())
        stage = Stage(network, pool)
        rig = await Listener.connect(pool.face.port, stage.work.append)
        stack.callback(rig.close)
        print(
            f"seconds, {trials} trials: median and longest\n"
            f"{'fault':14} {'with a block':16} {'quiet, by the log':18} "
            f"{'quiet, a notify':16} fail-back"
        )
        for fault in FAULTS:
            results = [Trial() for _ in range(trials)]
            for each in results:
                await stage.with_block(fault, each)
                await stage.quiet(fault, each)
                if each.with_block_s is None:
                    break
            print(
                f"{fault.name:14} {_figures([each.with_block_s for each in results]):16} "
                f"{_figures([each.logged_s for each in results]):18} "
                f"{_figures([each.notified_s for each in results]):16} "
                f"{_figures([each.fail_back_s for each in results])}",
                flush=True,
            )
    shutil.rmtree(folder)


def _figures(seconds: list[float | None]) -> str:
    known = [each for each in seconds if each is not None]
    if not known:
        return "none"
    some = f" ({len(known)} of {len(seconds)})" if len(known) < len(seconds) else ""
    return f"{median(known):.3f} {max(known):.3f}{some}"


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
