"""What a worker process does with found blocks, around a node and a journal that obey."""

from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from poolserver.cluster.messages import BlockEvent
from poolserver.judge import SolvedBlock
from poolserver.ledger.journal import Journal
from poolserver.mining.coinbase import TxOut
from poolserver.mining.payout import Distribution
from poolserver.node import spool as spool_module
from poolserver.node.spool import FoundBlock
from poolserver.server.block_desk import BlockDesk, block_submitter
from tests.unit.node.taking import FakeNode

PAID = Distribution((TxOut(5, b"\x00\x14"),), (), 0)
SPOOLED = FoundBlock("ef" * 32, 103, "22", "demo.rig", 0.0, "demo", PAID)
SOLVED = SolvedBlock(104, "ab" * 32, "00", PAID, "demo")


class FakeJournal:
    """Notes what is appended."""

    source = "pool-1/0/1"

    def __init__(self) -> None:
        self.workers: list[tuple[str, str]] = []
        self.blocks: list[tuple[Any, ...]] = []

    def declare_worker(self, account: str, worker_name: str) -> int:
        self.workers.append((account, worker_name))
        return len(self.workers)

    def append_block(self, *block: Any) -> None:
        self.blocks.append(block)


class Up:
    """Notes what is reported."""

    def __init__(self) -> None:
        self.events: list[BlockEvent] = []

    def send(self, event: BlockEvent) -> None:
        self.events.append(event)

    @property
    def told(self) -> list[tuple[str, str]]:
        return [(event.hash_hex, event.state) for event in self.events]


def spooled(folder: Path, found: FoundBlock) -> None:
    (folder / "spool").mkdir(parents=True)
    (folder / "spool" / f"{found.hash_hex}.json").write_bytes(msgspec.json.encode(found))


async def test_a_verdict_on_a_block_of_a_former_life_waits_until_there_are_books(
    tmp_path: Path,
) -> None:
    spooled(tmp_path, SPOOLED)
    submitter = block_submitter(tmp_path / "spool", [FakeNode(None)])
    (taken,) = await submitter.resume(0.0)  # before there is anything else of the process
    await submitter.begin(taken).verdict
    up, journal = Up(), FakeJournal()
    desk = BlockDesk(submitter, cast(Journal, journal), up, lambda: 0.0)
    assert up.told == []
    await desk.resume()
    assert up.told == [(SPOOLED.hash_hex, "accepted")]
    await desk.close()


async def test_the_first_life_of_a_pool_holds_its_blocks_in_memory_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool_module, "SHARED_MEMORY", tmp_path / "memory")
    (tmp_path / "memory").mkdir()
    submitter = block_submitter(tmp_path / "new" / "spool", [FakeNode(None)])
    submitter.begin(SPOOLED)
    assert list((tmp_path / "memory").rglob("*.json"))
    await submitter.close()


async def test_a_block_of_a_former_life_is_booked_once_more_with_what_it_pays(
    tmp_path: Path,
) -> None:
    spooled(tmp_path, SPOOLED)
    journal = FakeJournal()
    submitter = block_submitter(tmp_path / "spool", [FakeNode(None)])
    desk = BlockDesk(submitter, cast(Journal, journal), Up(), lambda: 0.0)
    await desk.resume()
    assert journal.workers == [("demo", "demo.rig")]
    assert journal.blocks == [(103, bytes.fromhex(SPOOLED.hash_hex)[::-1], 1, PAID)]
    await desk.close()


async def test_a_file_that_does_not_tell_what_is_paid_is_submitted_and_not_booked(
    tmp_path: Path,
) -> None:
    spooled(tmp_path, FoundBlock("ef" * 32, 103, "22", "demo.rig", 0.0))
    journal, node = FakeJournal(), FakeNode(None)
    submitter = block_submitter(tmp_path / "spool", [node])
    desk = BlockDesk(submitter, cast(Journal, journal), Up(), lambda: 0.0)
    await desk.resume()
    await node.is_submitted(1)
    assert journal.blocks == []
    await desk.close()


async def test_a_solved_block_is_reported_with_what_becomes_of_it(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    up, answered = Up(), list[bool]()
    submitter = block_submitter(tmp_path / "data" / "spool", [FakeNode("bad-cb-amount")])
    desk = BlockDesk(submitter, cast(Journal, FakeJournal()), up, lambda: 7.0)
    await desk.resume()
    desk.solved(SOLVED, "demo.rig", lambda: answered.append(True))
    assert desk.unsettled == 1
    await submitter._submissions[SOLVED.hash_hex].verdict
    assert up.told == [(SOLVED.hash_hex, "found"), (SOLVED.hash_hex, "rejected")]
    assert up.events[0].unix_ms == 7000
    assert answered == [True]
    await desk.close()
