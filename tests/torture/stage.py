"""The stage of the torture: a real node on regtest, the pool as a process of its own, the crowd.

On regtest every second hash is a block. So the node's templates go through a proxy that gives them
the target of a main network block, and the crowd's shares are shares. The node's own blocks are
made with the target that they really have.
"""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import aiohttp
import msgspec
import psutil
from aiohttp import web
from prometheus_client.parser import text_string_to_metric_families

from poolserver.bitcoin.target import target_from_nbits
from poolserver.node.process import REGTEST, BitcoindProcess, free_port
from poolserver.node.rpc import ANSWER_LIMIT_BYTES
from tests.integration.running import TAPROOT_REGTEST, RunningPool
from tests.torture.crowd import CrowdPlan, Ready, Said, Tally, TipSeen

REPOSITORY = Path(__file__).parents[2]
MAIN_BITS = "17034219"  # of main's block 840,000
SAID = msgspec.json.Decoder(Said)
# The pool's books follow its answers by a sync of the journal and a report.
BOOKS_TIMEOUT_S = 10.0
READY_TIMEOUT_S = 30.0
SAID_TIMEOUT_S = 150.0

# 2^-27: a share takes 32 hashes, so that the crowd's work is its lines and not its hashes.
CONFIG = """
network = "regtest"
data_dir = "var"
[payout]
address = "{address}"
[[nodes]]
url = "{url}"
username = "{username}"
password = "{password}"
zmq_hashblock = "{zmq}"
[[listeners]]
address = "127.0.0.1:{port}"
start_difficulty = 7.450580596923828e-9
min_difficulty = 7.450580596923828e-9
max_difficulty = 7.450580596923828e-9
[http]
address = "127.0.0.1:{http_port}"
[[sites]]
name = "hall"
accounts = ["demo"]
budget_mw = 0.2
[templates]
# The node would refuse what the proxy makes of its templates.
check_blocks = false
[log]
format = "json"
"""


class HardTemplates:
    """A proxy before a node: all passes through, but blocks are as hard to find as on main."""

    def __init__(self, node: BitcoindProcess) -> None:
        self._node = node
        self.url = ""

    @asynccontextmanager
    async def running(self) -> AsyncIterator["HardTemplates"]:
        app = web.Application(client_max_size=ANSWER_LIMIT_BYTES)
        app.router.add_post("/", self._forward)
        # The pool ends with a longpoll under way, whose answer nobody waits for any more.
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        # A connection each: one that is kept may be closed by the node just as it is used again.
        connector = aiohttp.TCPConnector(limit=0, force_close=True)
        no_limit = aiohttp.ClientTimeout(total=None)
        async with aiohttp.ClientSession(connector=connector, timeout=no_limit) as self._session:
            try:
                await web.TCPSite(runner, "127.0.0.1", 0).start()
                self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
                yield self
            finally:
                await runner.cleanup()

    async def _forward(self, request: web.Request) -> web.Response:
        question = await request.read()
        login = {"Authorization": request.headers["Authorization"]}
        async with self._session.post(self._node.url, data=question, headers=login) as answer:
            body = await answer.read()
        if msgspec.json.decode(question)["method"] in ("getblocktemplate", "getblockheader"):
            body = _hardened(body)
        return web.Response(status=answer.status, body=body)


def _hardened(body: bytes) -> bytes:
    """The pool checks that bits and target agree; the header is for the stopgap at a new tip."""
    answer = msgspec.json.decode(body)
    result = answer["result"]
    if isinstance(result, dict) and "bits" in result:
        result["bits"] = MAIN_BITS
        result["target"] = f"{target_from_nbits(int(MAIN_BITS, 16)):064x}"
    return msgspec.json.encode(answer)


@dataclass(frozen=True)
class Plan:
    """A crowd, and the block changes that it goes through."""

    crowd: CrowdPlan
    blocks: int
    block_interval_s: float
    steady_s: float
    """So long it mines before the first change; what a share costs the pool is measured then."""


@dataclass(frozen=True)
class Report:
    """What was seen. Times in seconds."""

    plan: Plan
    ready_s: float
    tally: Tally
    books: dict[str, int]
    """The pool's own count of shares by result."""
    pool_faults: list[str]
    tips: list[TipSeen]
    mined_s: float
    steady_cpu_per_share_s: float
    cpu_per_share_s: float

    @property
    def counts(self) -> dict[str, int]:
        """The crowd's count of shares by result, as the pool names them."""
        results = self.tally.results
        stale = sum(n for result, n in results.items() if result.startswith("stale"))
        return {
            "accepted": results.get("accepted", 0),
            "stale": stale,
            "rejected": results.get("rejected", 0),
        }

    def problems(self) -> list[str]:
        """All that is not as it must be; empty is good."""
        found = [f"{n} times: {fault}" for fault, n in self.tally.faults.items()]
        found += self.pool_faults
        if self.tally.answered != self.tally.sent:
            found.append(f"{self.tally.sent} shares, {self.tally.answered} answers")
        if self.books != self.counts:
            found.append(f"the pool counted {self.books}, the crowd {self.counts}")
        if len({tip.tip for tip in self.tips}) != self.plan.blocks:
            found.append(f"{self.plan.blocks} block changes, but tips {self.tips}")
        return found

    def text(self) -> str:
        """The figures, for people."""
        crowd, results = self.plan.crowd, self.tally.results
        spreads = [1000 * (tip.last_at - tip.first_at) for tip in self.tips]
        lines = [
            f"{crowd.connections} rigs, proxies of {crowd.workers_per_proxy} workers: "
            f"{crowd.proxies}; ready after {self.ready_s:.1f} s",
            f"{self.tally.sent} shares in {self.mined_s:.1f} s: "
            f"{self.tally.sent / self.mined_s:.0f} a second over {len(self.tips)} block changes",
            f"accepted {results.get('accepted', 0)}, "
            f"stale in flight {results.get('stale_in_flight', 0)}, "
            f"stale sent late on purpose {results.get('stale_late', 0)}, "
            f"rejected {results.get('rejected', 0)}",
            f"first to last notify of a new tip, as the crowd reads them: median "
            f"{median(spreads):.1f} ms, longest {max(spreads):.1f} ms; one by one "
            + " ".join(f"{spread:.0f}" for spread in spreads),
            f"the pool's CPU for a share: {1e6 * self.steady_cpu_per_share_s:.0f} us between "
            f"blocks, {1e6 * self.cpu_per_share_s:.0f} us with the block changes",
            f"the crowd was {1000 * self.tally.behind_s:.0f} ms behind its pace at most",
        ]
        return "\n".join(lines + [f"WRONG: {problem}" for problem in self.problems()])


class CrowdProcess:
    """The crowd, and what is heard of it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    def order(self, order: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(order.encode() + b"\n")

    async def next(self) -> Said:
        assert self._process.stdout is not None
        async with asyncio.timeout(SAID_TIMEOUT_S):
            line = await self._process.stdout.readline()
        assert line, "the crowd has ended"
        return SAID.decode(line)

    async def ready(self) -> Ready:
        said = await self.next()
        assert isinstance(said, Ready), said
        return said

    async def tip(self) -> TipSeen:
        said = await self.next()
        assert isinstance(said, TipSeen), said
        return said

    async def tally(self, order: str) -> Tally:
        """``order`` is one that is answered by a tally."""
        self.order(order)
        said = await self.next()
        assert isinstance(said, Tally), said
        return said


async def perform(plan: Plan, bitcoind: Path, folder: Path) -> Report:
    """Play it once; the pool lives in ``folder``, and its log is left there."""
    async with (
        BitcoindProcess(bitcoind, REGTEST) as node,
        HardTemplates(node).running() as templates,
        _pool(node, templates.url, folder) as (pool, process),
        _crowd(msgspec.structs.replace(plan.crowd, port=pool.port)) as crowd,
    ):
        ready = await crowd.ready()
        crowd.order("mine")
        began, cpu_at_first = time.monotonic(), _cpu_s(process)
        await asyncio.sleep(plan.steady_s)
        steady_cpu, steady = _cpu_s(process) - cpu_at_first, await crowd.tally("count")
        tips = [await _new_tip(node, crowd, plan.block_interval_s) for _ in range(plan.blocks)]
        tally = await crowd.tally("stop")
        mined_s, cpu = time.monotonic() - began, _cpu_s(process) - cpu_at_first
        books, faults = await _books(pool, tally)
        faults += _errors_of(folder)
        return Report(
            plan=plan,
            ready_s=ready.seconds,
            tally=tally,
            books=books,
            pool_faults=faults,
            tips=tips,
            mined_s=mined_s,
            steady_cpu_per_share_s=steady_cpu / max(1, steady.answered),
            cpu_per_share_s=cpu / max(1, tally.answered),
        )


async def _new_tip(node: BitcoindProcess, crowd: CrowdProcess, interval_s: float) -> TipSeen:
    (tip,) = await node.call("generatetoaddress", 1, TAPROOT_REGTEST)
    seen = await crowd.tip()
    assert seen.tip == tip, (seen, tip)
    await asyncio.sleep(interval_s)
    return seen


@asynccontextmanager
async def _pool(
    node: BitcoindProcess, url: str, folder: Path
) -> AsyncIterator[tuple[RunningPool, psutil.Process]]:
    """The pool as an operator runs it, once it is ready; it must end in good order."""
    pool = RunningPool(free_port(), free_port())
    config = folder / "pool.toml"
    config.write_text(
        CONFIG.format(
            address=TAPROOT_REGTEST,
            url=url,
            username=node.username,
            password=node.password,
            zmq=node.zmq_endpoint,
            port=pool.port,
            http_port=pool.http_port,
        )
    )
    with (folder / "pool.log").open("wb") as output:
        command = (sys.executable, "-m", "poolserver", "run", "--config", str(config))
        process = await asyncio.create_subprocess_exec(
            *command, cwd=REPOSITORY, stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output
        )
    try:
        async with asyncio.timeout(READY_TIMEOUT_S):
            while not await _is_ready(pool):
                assert process.returncode is None, (folder / "pool.log").read_text()
                await asyncio.sleep(0.05)
        yield pool, psutil.Process(process.pid)
        process.terminate()
        async with asyncio.timeout(READY_TIMEOUT_S):
            assert await process.wait() == 0, (folder / "pool.log").read_text()[-2000:]
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _is_ready(pool: RunningPool) -> bool:
    try:
        return (await pool.get("/readyz"))[0] == 200
    except aiohttp.ClientError:
        return False


@asynccontextmanager
async def _crowd(plan: CrowdPlan) -> AsyncIterator[CrowdProcess]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.torture.crowd", msgspec.json.encode(plan).decode()),
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield CrowdProcess(process)
        async with asyncio.timeout(READY_TIMEOUT_S):
            assert await process.wait() == 0, "the crowd ended with an error"
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _books(pool: RunningPool, tally: Tally) -> tuple[dict[str, int], list[str]]:
    """The pool's count of shares by result, once it is complete, and what else it noticed."""
    deadline = time.monotonic() + BOOKS_TIMEOUT_S
    while True:
        books = {"accepted": 0, "stale": 0, "rejected": 0}
        faults = []
        _, text = await pool.get("/metrics")
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name == "poolserver_shares_total":
                    books[sample.labels["result"]] += int(sample.value)
                elif sample.name in NONE_OF and sample.value:
                    faults.append(f"{sample.name}{sample.labels} is {sample.value}")
        if sum(books.values()) >= tally.answered or time.monotonic() > deadline:
            return books, faults
        await asyncio.sleep(0.1)


# What a pool must not have come to under a crowd that does nothing wrong.
NONE_OF = frozenset(
    {
        "poolserver_blocks_total",
        "poolserver_journal_dropped_shares_total",
        "poolserver_journal_failed",
        "poolserver_malformed_messages_total",
        "poolserver_refused_total",
        "poolserver_slow_connections_dropped_total",
        "poolserver_bans",
        "poolserver_rejecting_connections",
        "poolserver_pool_at_fault",
    }
)


def _errors_of(folder: Path) -> list[str]:
    """Lines of the pool's log that are no news but trouble, or are not of the log at all."""
    found = []
    for line in (folder / "pool.log").read_bytes().splitlines():
        try:
            level = msgspec.json.decode(line, type=dict[str, object]).get("level")
        except msgspec.DecodeError:
            level = None
        if level not in ("debug", "info"):
            found.append(f"the pool's log: {line.decode(errors='replace')}")
    return found


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
