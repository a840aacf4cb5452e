"""python bench/template.py: what a template costs, and how long shares wait for it.

Each template comes over loopback HTTP and becomes a ``BlockTemplate``, on uvloop, while another
process ticks at the loop each 0.2 ms and a share is checked for each tick. *Waiting* is how old a
tick is when it is read. The first rows are the noise of the machine: without a template, and while
a thread that needs nothing of the loop keeps a core busy.
"""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from statistics import median, quantiles

import uvloop

sys.path.insert(0, str(Path(__file__).parents[1]))

from poolserver._native import scan_nonces
from poolserver.mining.template import BlockTemplate, GetBlockTemplate
from poolserver.node.rpc import NodeRpc
from tests.unit.made_up import full_answer
from tests.unit.stalls import Waits, serving, watching

RUNS = 50
SIZES_MB = (4, 8)


async def fetch(rpc: NodeRpc) -> BlockTemplate:
    """As the template source does it."""
    result = await rpc.call("getblocktemplate", type=GetBlockTemplate)
    return await asyncio.to_thread(BlockTemplate.from_rpc, result)


async def busy() -> None:
    """Hash without the GIL, for about as long as a template takes."""
    await asyncio.to_thread(scan_nonces, bytes(80), 0, 1 << 18, bytes(32))


async def measure(
    do: Callable[[], Awaitable[object]], waits: Waits
) -> tuple[list[float], list[list[float]]]:
    """How long it took each time, and what the ticks waited meanwhile."""
    took, waited = [], []
    kept = await do()  # the connection is there now
    for _ in range(RUNS):
        await asyncio.sleep(0.05)
        waits.take()
        began = time.perf_counter()
        kept = await do()  # and the template before is freed
        took.append(time.perf_counter() - began)
        await asyncio.sleep(0.01)
        waited.append(waits.take())
    del kept
    return took, waited


def report(name: str, took: list[float], waited: list[list[float]]) -> None:
    longest = [max(one) for one in waited]
    p99 = quantiles([wait for one in waited for wait in one], n=100)[-1]
    print(
        f"{name:24}{median(took) * 1e3:>10.1f}{p99 * 1e3:>12.2f}"
        f"{min(longest) * 1e3:>10.2f}{median(longest) * 1e3:>10.2f}{max(longest) * 1e3:>10.2f}"
    )


async def main() -> None:
    print(f"{'ms':24}{'it takes':>10}{'waiting p99':>12}{'longest each time':>30}")
    print(f"{'':24}{'median':>10}{'':>12}{'least':>10}{'median':>10}{'most':>10}")
    async with watching() as waits:
        report("nothing", *await measure(lambda: asyncio.sleep(0.02), waits))
        report("a busy core", *await measure(busy, waits))
        for size_mb in SIZES_MB:
            async with serving(full_answer(size=size_mb * 1_000_000)) as rpc:
                name = f"a template of {size_mb} MB"
                report(name, *await measure(partial(fetch, rpc), waits))


if __name__ == "__main__":
    uvloop.run(main())
