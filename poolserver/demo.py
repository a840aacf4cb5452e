"""``poolserver demo``: a private signet, the pool and a simulated site, and what became of them.

The node and the pool are programs of their own, started as an operator would start them; what
is shown is read from the pool's ``/metrics`` and from the node. Only the rigs' true power comes
from the simulation: the pool does not know it.
"""

import asyncio
import json
import secrets
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import aiohttp
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console
from rich.live import Live
from rich.table import Table

from poolserver.node.process import (
    PRIVATE_SIGNET,
    BitcoindProcess,
    NodeStartError,
    free_port,
)
from poolserver.node.rpc import NodeError
from poolserver.sim.command import SimulationOptions, build_site
from poolserver.sim.site import SimulatedSite

DEMO_RIGS = 50
# 50 rigs of 200 TH/s each become 1 MH/s of this CPU: some 12 blocks a minute on this signet.
WORK_SCALE = 10**10
PUE = 1.05
BUDGET_W = 200_000
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 20.0
SHOW_INTERVAL_S = 1.0
# Without a terminal a line now and then is enough.
PLAIN_INTERVAL_S = 10.0

# The BIP341 point that nobody knows the key of: what the demo mines is spent by nobody.
PAYOUT_ADDRESS = "tb1p2zffkaxp5py4fdutfdsrt6t6tcrc5ks09rkfd428hlhf4n5q8tqqeygjde"

CONFIG = """
instance_id = "demo"
network = "signet"
data_dir = "var"

[payout]
address = "{payout_address}"

[[nodes]]
url = "{node_url}"
username = "{username}"
password = "{password}"
zmq_hashblock = "{zmq}"

[[listeners]]
address = "127.0.0.1:{stratum_port}"
start_difficulty = 1.52587890625e-05  # 2^-16: 65,536 hashes a share
min_difficulty = 5.9604644775390625e-08  # 2^-24

[http]
address = "127.0.0.1:{http_port}"

[[sites]]
name = "demo"
accounts = ["demo"]
budget_mw = {budget_mw}
pue = {pue}
default_j_per_th = 17.5
work_scale = {work_scale}
worker_pattern = "{{site}}-{{container}}-{{rack}}-{{slot}}"

[[sites.nodes]]
name = "T1"
kind = "transformer"
limit_mw = 0.19
workers = ["*"]

[log]
level = "warning"
"""


class DemoError(RuntimeError):
    """The demo could not be run; the text says why."""


@dataclass(frozen=True, slots=True)
class DemoResult:
    """What the last line of the demo says. ``shares_rejected`` leaves the stale ones out."""

    blocks_accepted: int
    node_height: int
    shares_accepted: int
    shares_rejected: int
    shares_stale: int
    rigs: int
    site_power_w: int
    site_power_true_w: int
    site_budget_w: int


async def run_demo(bitcoind: str, *, seconds: float | None, rigs: int) -> str:
    """Run it for ``seconds`` (None: until Ctrl-C); the result as JSON.

    Raises:
        DemoError: a part could not be started, or ended too early.
    """
    program = shutil.which(bitcoind)
    if program is None:
        raise DemoError(f"there is no program {bitcoind}: scripts/get-bitcoind.sh fetches one")
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    if seconds is not None:
        loop.call_later(seconds + START_TIMEOUT_S, stop.set)  # a slow start costs mining, not time
    try:
        async with (
            BitcoindProcess(Path(program), PRIVATE_SIGNET) as node,
            _pool(node) as pool,
            _site(pool, rigs) as site,
        ):
            page = f"http://127.0.0.1:{pool.http_port}/"
            Console(stderr=True).print(f"The live page: {page}", highlight=False)
            return await _watch(node, pool, site, seconds, stop)
    except (NodeStartError, NodeError) as error:
        raise DemoError(f"the node: {error}") from error


@dataclass(frozen=True, slots=True)
class _Pool:
    process: asyncio.subprocess.Process
    stratum_port: int
    http_port: int

    async def metrics(self) -> "_Metrics":
        url = f"http://127.0.0.1:{self.http_port}/metrics"
        try:
            async with aiohttp.ClientSession(trust_env=False) as session, session.get(url) as reply:
                return _Metrics(await reply.text())
        except (aiohttp.ClientError, TimeoutError) as error:
            raise DemoError(f"the pool does not answer: {error}") from error

    async def ready(self) -> None:
        """Wait until the pool would take rigs."""
        url = f"http://127.0.0.1:{self.http_port}/readyz"
        deadline = asyncio.get_running_loop().time() + START_TIMEOUT_S
        async with aiohttp.ClientSession(trust_env=False) as session:
            while asyncio.get_running_loop().time() < deadline:
                if self.process.returncode is not None:
                    raise DemoError("the pool ended at its start; what it said is above")
                try:
                    async with session.get(url) as reply:
                        if reply.status == 200:
                            return
                except aiohttp.ClientError:
                    pass  # it does not listen yet
                await asyncio.sleep(0.1)
        raise DemoError(f"the pool was not ready within {START_TIMEOUT_S:.0f} s")


class _Metrics:
    """A scrape, as sums over the samples that have the asked labels."""

    def __init__(self, text: str) -> None:
        self._samples = [
            sample for family in text_string_to_metric_families(text) for sample in family.samples
        ]

    def sum(self, name: str, **labels: str) -> float:
        return sum(
            sample.value
            for sample in self._samples
            if sample.name == f"poolserver_{name}" and labels.items() <= sample.labels.items()
        )


@asynccontextmanager
async def _pool(node: BitcoindProcess) -> AsyncIterator[_Pool]:
    with tempfile.TemporaryDirectory(prefix="poolserver-demo-") as folder:
        stratum_port, http_port = free_port(), free_port()
        path = Path(folder) / "demo.toml"
        path.write_text(
            CONFIG.format(
                payout_address=PAYOUT_ADDRESS,
                node_url=node.url,
                username=node.username,
                password=node.password,
                zmq=node.zmq_endpoint,
                stratum_port=stratum_port,
                http_port=http_port,
                budget_mw=BUDGET_W / 1e6,
                pue=PUE,
                work_scale=WORK_SCALE,
            )
        )
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "poolserver",
            "run",
            "--config",
            str(path),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=sys.stderr,
            start_new_session=True,  # a Ctrl-C is for us: we stop the rigs first
        )
        pool = _Pool(process, stratum_port, http_port)
        try:
            await pool.ready()
            yield pool
        finally:
            await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(STOP_TIMEOUT_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def _site(pool: _Pool, rigs: int) -> SimulatedSite:
    return build_site(
        SimulationOptions(
            host="127.0.0.1",
            port=pool.stratum_port,
            user="demo",
            site="hall",
            rigs=rigs,
            model="Antminer S21",
            work_scale=WORK_SCALE,
            pue=PUE,
            seed=secrets.randbits(32),  # other rigs, and other luck, each time
        )
    )


async def _watch(
    node: BitcoindProcess,
    pool: _Pool,
    site: SimulatedSite,
    seconds: float | None,
    stop: asyncio.Event,
) -> str:
    loop = asyncio.get_running_loop()
    began = loop.time()
    with _screen() as show:
        while True:
            left_s = None if seconds is None else seconds - (loop.time() - began)
            if stop.is_set() or (left_s is not None and left_s <= 0):
                break
            wait_s = SHOW_INTERVAL_S if left_s is None else min(SHOW_INTERVAL_S, left_s)
            try:
                async with asyncio.timeout(wait_s):
                    await stop.wait()
            except TimeoutError:
                if pool.process.returncode is not None:
                    raise DemoError("the pool ended; what it said is above") from None
            metrics = await pool.metrics()
            sigma_w = metrics.sum("power_sigma_watts", node="demo")
            show(loop.time() - began, await _result(node, metrics, site), sigma_w)
    return json.dumps(asdict(await _result(node, await pool.metrics(), site)))


async def _result(node: BitcoindProcess, metrics: _Metrics, site: SimulatedSite) -> DemoResult:
    return DemoResult(
        blocks_accepted=int(metrics.sum("blocks_total", state="accepted")),
        node_height=await node.call("getblockcount"),
        shares_accepted=int(metrics.sum("shares_total", result="accepted")),
        shares_rejected=int(metrics.sum("shares_total", result="rejected")),
        shares_stale=int(metrics.sum("shares_total", result="stale")),
        rigs=int(metrics.sum("site_rigs")),
        site_power_w=round(metrics.sum("power_watts", node="demo")),
        site_power_true_w=round(site.report().true_power_w),
        site_budget_w=int(metrics.sum("site_budget_watts", site="demo")),
    )


@contextmanager
def _screen() -> Iterator["_Show"]:
    """A table that lives on a terminal; elsewhere a line now and then. On standard error."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _Show(console, None)
        return
    with Live(console=console, refresh_per_second=4) as live:
        yield _Show(console, live)


class _Show:
    def __init__(self, console: Console, live: Live | None) -> None:
        self._console = console
        self._live = live
        self._next_line_s = 0.0

    def __call__(self, elapsed_s: float, result: DemoResult, sigma_w: float) -> None:
        if self._live is not None:
            self._live.update(demo_table(elapsed_s, result, sigma_w))
        elif elapsed_s >= self._next_line_s:
            self._next_line_s = elapsed_s + PLAIN_INTERVAL_S
            self._console.print(
                f"{elapsed_s:4.0f} s  height {result.node_height}  "
                f"{result.blocks_accepted} blocks  {result.shares_accepted} shares  "
                f"{result.site_power_w / 1000:.0f} ± {sigma_w / 1000:.0f} "
                f"of {result.site_budget_w / 1000:.0f} kW"
            )


def demo_table(elapsed_s: float, result: DemoResult, sigma_w: float) -> Table:
    """What the terminal shows of a running demo; ``sigma_w`` is the power's standard error."""
    table = Table(title=f"poolserver demo, {elapsed_s:.0f} s", show_header=False, min_width=56)
    over = result.site_power_w > result.site_budget_w
    power = (
        f"{result.site_power_w / 1000:.0f} ± {sigma_w / 1000:.0f} kW "
        f"of {result.site_budget_w / 1000:.0f} kW"
    )
    for name, value in (
        ("site power, by proven work", f"[{'red' if over else 'green'}]{power}"),
        ("site power, true", f"{result.site_power_true_w / 1000:.0f} kW (the pool does not know)"),
        ("rigs", str(result.rigs)),
        ("blocks accepted by the node", str(result.blocks_accepted)),
        ("the node's height", str(result.node_height)),
        (
            "shares",
            f"{result.shares_accepted} accepted, {result.shares_stale} stale, "
            f"{result.shares_rejected} rejected",
        ),
        ("work_scale", f"{WORK_SCALE:,} (each hash counts as many)"),
    ):
        table.add_row(name, value)
    return table
