"""What a worker process does with found blocks: submits, spools, books and reports them."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import structlog

from poolserver.bitcoin.header import hash_hex_to_le
from poolserver.cluster.link import Sender
from poolserver.cluster.messages import BlockEvent, NodeSettings
from poolserver.histogram import Histogram
from poolserver.judge import SolvedBlock
from poolserver.ledger.journal import Journal
from poolserver.ledger.records import NO_WORKER
from poolserver.node.checks import Rpc
from poolserver.node.rpc import Credentials, NodeRpc
from poolserver.node.spool import FoundBlock, Spool, shared_memory_for
from poolserver.node.submitter import BlockSubmitter, Verdict

log = structlog.get_logger(__name__)


def submit_rpcs(
    nodes: Sequence[NodeSettings], observe: Callable[[str, float, str | None], None]
) -> list[NodeRpc]:
    """Connections to the nodes for blocks alone, so that nothing else is before one in a queue."""
    return [
        NodeRpc(
            node.url,
            Credentials(
                node.username, node.password, Path(node.cookie_file) if node.cookie_file else None
            ),
            observe=observe,
        )
        for node in nodes
    ]


def block_submitter(spool_dir: Path, rpcs: Sequence[Rpc]) -> BlockSubmitter:
    """A worker process's submitter. It may resume before there is anything else of the process.

    The data folder is made where there is none yet: the copy in memory is named after it.
    """
    with suppress(OSError):  # whoever needs the folder says so
        spool_dir.parent.mkdir(parents=True, exist_ok=True)
    return BlockSubmitter(rpcs, Spool(spool_dir, shared_memory_for(spool_dir)))


class BlockDesk:
    """Between the share that is a block, the nodes, and what is written down of it.

    ``unix_time`` gives Unix seconds.
    """

    def __init__(
        self,
        submitter: BlockSubmitter,
        journal: Journal,
        up: Sender[BlockEvent],
        unix_time: Callable[[], float],
    ) -> None:
        self._submitter = submitter
        self._journal = journal
        self._up = up
        self._unix_time = unix_time

    @property
    def unsettled(self) -> int:
        """Blocks without a final word."""
        return self._submitter.unsettled

    @property
    def unspooled(self) -> int:
        """Of these the ones that are on no disk."""
        return self._submitter.unspooled

    @property
    def offers(self) -> Histogram:
        """How long nodes took to judge blocks."""
        return self._submitter.offers

    async def resume(self) -> None:
        """Take up again what a former life has left, and begin to report.

        Its journal may have ended just before such a block, so it is booked once more. Not before:
        the submitter may be at it already, and the books be closed yet.
        """
        for found in await self._submitter.resume(self._unix_time()):
            if found.distribution is not None:
                ref = NO_WORKER
                if found.account:
                    ref = self._journal.declare_worker(found.account, found.worker_name)
                hash_le = hash_hex_to_le(found.hash_hex)
                self._journal.append_block(found.height, hash_le, ref, found.distribution)
        self._submitter.report_to(self._on_verdict)

    async def spooled(self) -> None:
        """Wait until no finder's answer waits for the disk, for ten seconds at most."""
        await self._submitter.spooled()

    def note_ours(self, hash_hex: str) -> None:
        """A node has taken another worker's block: none of ours is preferred to it."""
        self._submitter.note_ours(hash_hex)

    async def close(self) -> None:
        """Give blocks a last chance; the spool keeps those that have no final word."""
        await self._submitter.close()

    def solved(self, block: SolvedBlock, worker_name: str, on_spooled: Callable[[], None]) -> None:
        """Submit a block; ``on_spooled`` is called once it is safe on this disk, or cannot be."""
        found = FoundBlock(
            hash_hex=block.hash_hex,
            height=block.height,
            block_hex=block.block_hex,
            worker_name=worker_name,
            found_at_unix=self._unix_time(),
            account=block.account,
            distribution=block.distribution,
        )
        submission = self._submitter.begin(found)
        submission.spooled.add_done_callback(lambda _: on_spooled())
        log.info("block_found", height=block.height, block=block.hash_hex, worker=worker_name)
        self._tell(found, "found", "")

    def _on_verdict(self, found: FoundBlock, verdict: Verdict) -> None:
        tell = log.error if verdict.state == "rejected" else log.info
        tell(
            "block_verdict",
            height=found.height,
            block=found.hash_hex,
            state=verdict.state,
            reason=verdict.reason,
        )
        self._tell(found, verdict.state, verdict.reason)

    def _tell(self, found: FoundBlock, state: str, reason: str) -> None:
        self._up.send(
            BlockEvent(
                source=self._journal.source,
                hash_hex=found.hash_hex,
                height=found.height,
                worker_name=found.worker_name,
                state=state,
                reason=reason,
                unix_ms=int(self._unix_time() * 1000),
            )
        )
