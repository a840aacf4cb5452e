"""A whole pool in the test's own loop, and a rig that really mines at it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import randbytes
from typing import Protocol

import aiohttp

from poolserver._native import scan_nonces, sha256d
from poolserver._vendor.asyncio_stratum import (
    ClientEvent,
    Notify,
    SetDifficulty,
    StratumClient,
    SubmitResult,
)
from poolserver.app import PoolServer
from poolserver.bitcoin.header import pack_header
from poolserver.bitcoin.merkle import merkle_root_from_branch
from poolserver.bitcoin.target import target_from_difficulty, target_le
from poolserver.config import Config, parse_config
from poolserver.node.process import free_port

TAPROOT_REGTEST = "bcrt1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqc8gma6"
TAPROOT_SCRIPT_HEX = "512079be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"

CONFIG = """
network = "regtest"
data_dir = "var"
[payout]
address = "{address}"
{payout}
[[nodes]]
url = "{url}"
username = "{username}"
password = "{password}"
zmq_hashblock = "{zmq}"
[[listeners]]
address = "127.0.0.1:{port}"
start_difficulty = 1e-9
min_difficulty = 1e-9
max_difficulty = 1e-9
[http]
address = "127.0.0.1:{http_port}"
[[sites]]
name = "demo"
accounts = ["demo"]
budget_mw = 0.2
{extra}
"""


class Loginable(Protocol):
    """A node, or what stands before it, as a config names it."""

    url: str
    username: str
    password: str
    zmq_endpoint: str


def pool_config(node: Loginable, folder: Path, extra: str = "", payout: str = "") -> Config:
    """A config for this node, at ports that are free now; it is in the folder's pool.toml too.

    ``extra`` are sections of their own, ``payout`` is what else that section says.
    """
    text = CONFIG.format(
        address=TAPROOT_REGTEST,
        url=node.url,
        username=node.username,
        password=node.password,
        zmq=node.zmq_endpoint,
        port=free_port(),
        http_port=free_port(),
        extra=extra,
        payout=payout,
    )
    (folder / "pool.toml").write_text(text)
    return parse_config(text, source="test", folder=folder, environ={})


@dataclass
class RunningPool:
    """What a test sees of a pool: its ports."""

    port: int
    http_port: int

    async def get(self, path: str) -> tuple[int, str]:
        url = f"http://127.0.0.1:{self.http_port}{path}"
        async with aiohttp.ClientSession() as session, session.get(url) as reply:
            return reply.status, await reply.text()

    async def metric(self, sample: str) -> float:
        """The value of the sample that is written so, 0 where there is none."""
        _, text = await self.get("/metrics")
        values = [line.rsplit(" ", 1)[1] for line in text.splitlines() if line.startswith(sample)]
        return sum(float(value) for value in values)

    async def becomes(self, sample: str, reached: Callable[[float], bool]) -> float:
        """Wait until a metric is as the test wants it."""
        async with asyncio.timeout(20):
            while not reached(value := await self.metric(sample)):  # noqa: ASYNC110 - over HTTP
                await asyncio.sleep(0.05)
        return value


@asynccontextmanager
async def running(config: Config) -> AsyncIterator[RunningPool]:
    """Run a pool until it is ready, and stop it in good order."""
    stop = asyncio.Event()
    task = asyncio.create_task(PoolServer(config).run(stop))
    pool = RunningPool(config.listeners[0].address.port, config.http.address.port)
    try:
        async with asyncio.timeout(30):
            while True:
                if task.done():
                    task.result()
                try:
                    if (await pool.get("/readyz"))[0] == 200:
                        break
                except aiohttp.ClientError:
                    pass
                await asyncio.sleep(0.05)
        yield pool
    finally:
        stop.set()
        await task


@dataclass
class Rig:
    """A miner that solves one share when it is asked to."""

    client: StratumClient
    name: str = "demo.rig"
    difficulty: float = 0.0
    jobs: list[Notify] = field(default_factory=list)
    results: dict[object, SubmitResult] = field(default_factory=dict)

    async def next(self) -> ClientEvent:
        async with asyncio.timeout(20):
            event = await anext(self.client)
        match event:
            case SetDifficulty(difficulty):
                self.difficulty = difficulty
            case Notify():
                self.jobs.append(event)
            case SubmitResult():
                self.results[event.request_id] = event
        return event

    async def job(self, height: int | None = None) -> Notify:
        """The latest job, or the first that is for ``height``."""
        while not self.jobs or (height is not None and height_of(self.jobs[-1]) != height):
            await self.next()
        return self.jobs[-1]

    async def mine(
        self, job: Notify, *, name: str | None = None, version_bits: int | None = None
    ) -> SubmitResult:
        """Solve a share of ``job``, send it, and wait for the answer."""
        request_id = self.send(job, name=name, version_bits=version_bits)
        while request_id not in self.results:
            await self.next()
        return self.results[request_id]

    def send(self, job: Notify, *, name: str | None = None, version_bits: int | None = None) -> int:
        connection = self.client.connection
        extranonce2 = randbytes(connection.extranonce2_size)
        coinbase = job.coinb1 + connection.extranonce1 + extranonce2 + job.coinb2
        root_le = merkle_root_from_branch(sha256d(coinbase), job.merkle_branch)
        version = job.version | (version_bits or 0)
        header = pack_header(version, job.prevhash_le, root_le, job.ntime, job.nbits, 0)
        target = target_le(target_from_difficulty(self.difficulty))
        nonce = scan_nonces(header, 0, 1 << 20, target)[0]
        return self.client.submit(
            name or self.name, job.job_id, extranonce2, job.ntime, nonce, version_bits
        )


def height_of(job: Notify) -> int:
    """The BIP34 height, which the coinbase's script begins with."""
    script = job.coinb1[42:]
    size = script[0]
    return size - 0x50 if size > 0x50 else int.from_bytes(script[1 : 1 + size], "little")


@asynccontextmanager
async def rig(
    port: int, name: str = "demo.rig", user_agent: str = "test-rig/1.0"
) -> AsyncIterator[Rig]:
    """A rig that is subscribed and authorized."""
    client = await StratumClient.connect("127.0.0.1", port, user_agent=user_agent)
    client.configure(version_mask=0x1FFFE000)
    client.subscribe()
    client.authorize(name)
    try:
        yield Rig(client, name)
    finally:
        client.close()
        await client.wait_closed()
