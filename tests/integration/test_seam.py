"""The seam between the two processes, over a socket: each side goes on when the other is gone."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from poolserver._native import scan_nonces, sha256d
from poolserver._vendor.asyncio_stratum import Notify, SubmitResult
from poolserver.bitcoin.header import pack_header
from poolserver.bitcoin.merkle import merkle_root_from_branch
from poolserver.bitcoin.target import target_from_nbits, target_le
from poolserver.cluster.link import StreamLink, down_decoder, up_decoder
from poolserver.cluster.messages import (
    BlockEvent,
    Down,
    ListenerSettings,
    NodeSettings,
    TemplateUpdate,
    Up,
    WorkerSettings,
    WorkerStarted,
)
from poolserver.config import LimitsConfig
from poolserver.ledger.fold import Fold
from poolserver.ledger.journal_reader import SourceEnd, read_segments
from poolserver.ledger.records import JournalBatch
from poolserver.ledger.totals import Totals, WorkerKey
from poolserver.mining.payout import PayoutPlan
from poolserver.mining.share import ShareOutcome
from poolserver.mining.template import BlockTemplate, GetBlockTemplate
from poolserver.node import submitter
from poolserver.node.process import BitcoindProcess
from poolserver.outfit import limit_settings
from poolserver.server.block_desk import block_submitter, submit_rpcs
from poolserver.server.worker import Worker
from tests.integration.running import TAPROOT_SCRIPT_HEX, Rig, rig

pytestmark = pytest.mark.real

EVERY_HASH = 2.0**-32  # the difficulty that every hash meets: the test picks those that are blocks
RIG = WorkerKey("hall", "demo", "demo.rig")


def settings(node: BitcoindProcess, folder: Path, epoch: int = 1) -> WorkerSettings:
    return WorkerSettings(
        instance_id="pool-1",
        worker_index=0,
        boot_epoch=epoch,
        network="regtest",
        payout=PayoutPlan(bytes.fromhex(TAPROOT_SCRIPT_HEX)),
        coinbase_tag=b"/seam/",
        extranonce2_size=8,
        version_mask=0x1FFFE000,
        target_shares_per_minute=12.0,
        max_shares_per_minute=600.0,
        job_lifetime_s=600.0,
        refresh_interval_s=30.0,
        template_max_age_s=300.0,
        node_loss_grace_s=60.0,
        line_limit=16384,
        outbox_limit=65536,
        handshake_timeout_s=60.0,
        line_timeout_s=60.0,
        resume_window_s=600.0,
        reconnect_hosts=(),
        firmware="",
        limits=limit_settings(LimitsConfig()),
        listeners=(ListenerSettings("127.0.0.1", 0, EVERY_HASH, EVERY_HASH, EVERY_HASH),),
        nodes=(NodeSettings(node.url, node.username, node.password, None),),
        listed_accounts=("demo",),
        any_account=False,
        journal_dir=str(folder / "journal"),
        spool_dir=str(folder / "spool"),
        journal_release="turn",
        journal_sync_interval_s=0.01,
        journal_when_full="hold",
        journal_held_bytes=64 << 20,
    )


@dataclass
class Books:
    """A fold, and the totals of what went into it."""

    totals: Totals = field(default_factory=Totals)
    fold: Fold = field(
        default_factory=lambda: Fold(
            site_of=lambda account: "hall" if account else "unassigned",
        )
    )

    def add(self, batch: JournalBatch) -> None:
        delta = self.fold.fold(batch)
        self.totals.add(delta.sites, delta.site_energy_pj)

    def catch_up(self, journal: Path) -> None:
        for item in read_segments(journal):
            if not isinstance(item, SourceEnd):
                assert isinstance(item, JournalBatch), item
                self.add(item)

    @property
    def accepted(self) -> int:
        rig = self.totals.sites.get(RIG.site)
        return rig.shares[ShareOutcome.ACCEPTED] if rig else 0


@dataclass
class Coordinator:
    """The other end: sends templates of a real node, keeps what comes up."""

    node: BitcoindProcess
    said: list[Up] = field(default_factory=list)
    books: Books = field(default_factory=Books)
    heard: asyncio.Event = field(default_factory=asyncio.Event)
    lost: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.link: StreamLink[Down, Up] = StreamLink(
            up_decoder(), self.receive, lambda error: self.lost.set()
        )

    def receive(self, message: Up) -> None:
        self.said.append(message)
        if isinstance(message, JournalBatch):
            self.books.add(message)
        self.heard.set()

    async def send_template(self) -> None:
        result = await self.node.rpc.call(
            "getblocktemplate", {"rules": ["segwit"]}, type=GetBlockTemplate
        )
        self.link.send(TemplateUpdate(BlockTemplate.from_rpc(result)))

    async def until(self, reached: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not reached():
                self.heard.clear()
                await self.heard.wait()

    def all_of(self, kind: type) -> list[Any]:
        return [message for message in self.said if isinstance(message, kind)]

    @property
    def port(self) -> int:
        return int(self.all_of(WorkerStarted)[0].ports[0])


@asynccontextmanager
async def seam(
    node: BitcoindProcess, folder: Path, epoch: int = 1
) -> AsyncIterator[tuple[StreamLink[Up, Down], Coordinator]]:
    """The worker's end of the link and the coordinator, with but a socket between the two."""
    loop = asyncio.get_running_loop()
    terms = settings(node, folder, epoch)
    up: StreamLink[Up, Down] = StreamLink(
        down_decoder(), lambda message: worker.receive(message), lambda error: None
    )
    rpcs = submit_rpcs(terms.nodes, lambda method, seconds, error: None)
    worker = Worker(terms, up, block_submitter(Path(terms.spool_dir), rpcs))
    coordinator = Coordinator(node)
    here, there = socket.socketpair()
    await loop.create_connection(lambda: coordinator.link, sock=here)
    await loop.create_connection(lambda: up, sock=there)
    try:
        await worker.start()
        await coordinator.until(lambda: bool(coordinator.all_of(WorkerStarted)))
        yield up, coordinator
    finally:
        await worker.stop()
        up.close()
        coordinator.link.close()
        await coordinator.lost.wait()


_numbers = count()


async def mine(miner: Rig, job: Notify, *, block: bool) -> SubmitResult:
    """A share that is a block, or one that is not: every second hash is."""
    connection = miner.client.connection
    extranonce2 = next(_numbers).to_bytes(connection.extranonce2_size, "big")
    coinbase = job.coinb1 + connection.extranonce1 + extranonce2 + job.coinb2
    root_le = merkle_root_from_branch(sha256d(coinbase), job.merkle_branch)
    header = pack_header(job.version, job.prevhash_le, root_le, job.ntime, job.nbits, 0)
    blocks = set(scan_nonces(header, 0, 256, target_le(target_from_nbits(job.nbits))))
    nonce = next(n for n in range(256) if (n in blocks) is block)
    request_id = miner.client.submit(miner.name, job.job_id, extranonce2, job.ntime, nonce)
    while request_id not in miner.results:
        await miner.next()
    return miner.results[request_id]


async def becomes(reached: Callable[[], Any], value: object) -> None:
    """Wait until the outside world is as the test wants it."""
    deadline = time.monotonic() + 15
    while (now := await reached()) != value:
        assert time.monotonic() < deadline, now
        await asyncio.sleep(0.05)


async def spooled(folder: Path) -> int:
    """Blocks that wait for the node's word."""
    return len(list((folder / "spool").glob("*.json")))


async def test_shares_cross_the_seam_and_add_up(bitcoind: BitcoindProcess, tmp_path: Path) -> None:
    async with seam(bitcoind, tmp_path) as (_, coordinator):
        await coordinator.send_template()
        async with rig(coordinator.port) as miner:
            job = await miner.job()
            for _ in range(20):
                assert (await mine(miner, job, block=False)).accepted
            await coordinator.until(lambda: coordinator.books.accepted == 20)
            assert (await mine(miner, job, block=True)).accepted
            await coordinator.until(lambda: len(coordinator.all_of(BlockEvent)) == 2)
            await coordinator.until(lambda: coordinator.books.accepted == 21)
    totals = coordinator.books.totals.sites
    assert set(totals) == {RIG.site}
    assert totals[RIG.site].accepted_work == totals[RIG.site].proven_work == 21  # a hash each
    found, accepted = coordinator.all_of(BlockEvent)
    assert (found.state, accepted.state, found.hash_hex) == ("found", "accepted", accepted.hash_hex)
    assert await bitcoind.call("getbestblockhash") == found.hash_hex


async def test_a_worker_alone_submits_its_block_and_keeps_its_shares(
    bitcoind: BitcoindProcess, tmp_path: Path
) -> None:
    async with seam(bitcoind, tmp_path) as (_, coordinator):
        await coordinator.send_template()
        async with rig(coordinator.port) as miner:
            job = await miner.job()
            for _ in range(5):
                assert (await mine(miner, job, block=False)).accepted
            await coordinator.until(lambda: coordinator.books.accepted == 5)
            coordinator.link.close()
            await coordinator.lost.wait()
            for _ in range(5):
                assert (await mine(miner, job, block=False)).accepted
            assert (await mine(miner, job, block=True)).accepted
            await becomes(lambda: bitcoind.call("getblockcount"), 1)
            await becomes(lambda: spooled(tmp_path), 0)
        assert coordinator.books.accepted == 5
    (settled,) = (tmp_path / "spool" / "settled").glob("*.json")
    assert settled.stem == await bitcoind.call("getbestblockhash")
    coordinator.books.catch_up(tmp_path / "journal")  # from where the link broke
    assert coordinator.books.accepted == 11
    coordinator.books.catch_up(tmp_path / "journal")
    assert coordinator.books.accepted == 11
    afresh = Books()
    afresh.catch_up(tmp_path / "journal")
    assert afresh.totals == coordinator.books.totals


async def test_a_block_that_nobody_is_there_to_tell_of_is_in_the_journal(
    bitcoind: BitcoindProcess, tmp_path: Path
) -> None:
    """The coordinator that comes back learns of the block from where it learns of the shares."""
    async with seam(bitcoind, tmp_path) as (_, coordinator):
        await coordinator.send_template()
        async with rig(coordinator.port) as miner:
            job = await miner.job()
            coordinator.link.close()
            await coordinator.lost.wait()
            assert (await mine(miner, job, block=True)).accepted
    assert coordinator.all_of(BlockEvent) == []
    books = Books()
    blocks = [
        block
        for batch in read_segments(tmp_path / "journal")
        if isinstance(batch, JournalBatch)
        for block in books.fold.fold(batch).blocks
    ]
    assert [block.height for block in blocks] == [1]


async def test_a_block_outlives_the_worker_and_the_node(
    bitcoind: BitcoindProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submitter, "CLOSE_TIMEOUT_S", 0.1)  # no answer will come
    async with seam(bitcoind, tmp_path, epoch=1) as (_, coordinator):
        await coordinator.send_template()
        async with rig(coordinator.port) as miner:
            job = await miner.job()
            coordinator.link.close()
            await coordinator.lost.wait()
            await bitcoind.kill()
            assert (await mine(miner, job, block=True)).accepted  # it is in the spool by then
            assert await spooled(tmp_path) == 1
    assert await spooled(tmp_path) == 1
    await bitcoind.start()
    assert await bitcoind.call("getblockcount") == 0
    async with seam(bitcoind, tmp_path, epoch=2):
        await becomes(lambda: bitcoind.call("getblockcount"), 1)
        await becomes(lambda: spooled(tmp_path), 0)


async def test_a_coordinator_that_comes_back_is_heard_again(
    bitcoind: BitcoindProcess, tmp_path: Path
) -> None:
    """The worker's end of a broken link takes a new socket."""
    async with seam(bitcoind, tmp_path) as (link, first):
        await first.send_template()
        async with rig(first.port) as miner:
            job = await miner.job()
            first.link.close()
            await first.lost.wait()
            assert (await mine(miner, job, block=False)).accepted
            second = Coordinator(bitcoind)
            second.books.catch_up(tmp_path / "journal")
            here, there = socket.socketpair()
            loop = asyncio.get_running_loop()
            await loop.create_connection(lambda: second.link, sock=here)
            await loop.create_connection(lambda: link, sock=there)
            await bitcoind.call("generatetodescriptor", 1, f"raw({TAPROOT_SCRIPT_HEX})")
            await second.send_template()
            new = await miner.job(height=2)
            assert (await mine(miner, new, block=False)).accepted
            await second.until(lambda: second.books.accepted == 2)
            second.link.close()
            await second.lost.wait()
