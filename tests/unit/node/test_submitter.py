"""A found block, against a node of our own interface that answers as it is told."""

import asyncio
import threading
from pathlib import Path

import msgspec
import pytest
from structlog.testing import capture_logs

from poolserver.node import submitter as submitter_module
from poolserver.node.rpc import NodeTimeout, NodeUnreachable, RpcError
from poolserver.node.spool import FoundBlock, Spool
from poolserver.node.submitter import BlockSubmitter, NewestFirst, Verdict
from tests.unit.node.taking import FOUND, FakeNode, SilentNode


class HangingSpool(Spool):
    """Writes nothing until it is told that the disk works again."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.works_again = threading.Event()

    def put(self, hash_hex: str, entry: bytes) -> None:
        self.works_again.wait(10)
        super().put(hash_hex, entry)


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submitter_module, "RETRY_FIRST_S", 0.0)


def submitter_of(spool: Path, *nodes: FakeNode) -> BlockSubmitter:
    return BlockSubmitter(nodes, Spool(spool), on_verdict=lambda found, verdict: None)


async def submit(tmp_path: Path, *nodes: FakeNode) -> tuple[Verdict, list[Verdict]]:
    told: list[Verdict] = []
    submitter = BlockSubmitter(
        nodes, Spool(tmp_path / "spool"), on_verdict=lambda found, verdict: told.append(verdict)
    )
    submission = submitter.begin(FOUND)
    await submission.spooled
    return await submission.verdict, told


async def test_null_means_accepted_and_settles_the_spool(tmp_path: Path) -> None:
    verdict, told = await submit(tmp_path, FakeNode(None))
    assert told == [verdict] == [Verdict("accepted", "")]
    assert not list((tmp_path / "spool").glob("*.json"))
    assert list((tmp_path / "spool" / "settled").glob("*.json"))


@pytest.mark.parametrize(
    "trouble", [NodeUnreachable("gone"), NodeTimeout("slow"), RpcError(-28, "warming up")]
)
async def test_a_node_in_trouble_is_tried_again_until_it_answers(
    tmp_path: Path, trouble: Exception
) -> None:
    node = FakeNode(trouble, trouble, None)
    verdict, _ = await submit(tmp_path, node)
    assert verdict.state == "accepted"
    assert len(node.submitted) == 3


async def test_of_many_failures_each_reason_is_told_once_and_how_often_at_the_end(
    tmp_path: Path,
) -> None:
    gone, behind = NodeUnreachable("gone"), "prev-blk-not-found"
    with capture_logs() as lines:
        await submit(tmp_path, FakeNode(gone, gone, gone, behind, gone, behind, None))
    told = [(each["log_level"], each["event"], each.get("reason")) for each in lines]
    assert [each for each in told if each[0] != "debug"] == [
        ("warning", "submitblock_failed", "gone"),
        ("warning", "submitblock_failed", behind),
        ("info", "submitblock_over", None),
    ]
    assert len(told) == 3 + 4
    end = lines[-1]
    assert (end["failures"], end["state"], end["block"]) == (6, "accepted", FOUND.hash_hex)


async def test_of_a_block_that_is_taken_at_once_there_is_nothing_to_tell(tmp_path: Path) -> None:
    with capture_logs() as lines:
        await submit(tmp_path, FakeNode(None))
    assert lines == []


async def test_each_try_is_timed_also_one_that_came_to_nothing(tmp_path: Path) -> None:
    node = FakeNode(NodeTimeout("slow"), "prev-blk-not-found", None)
    submitter = submitter_of(tmp_path, node)
    await submitter.begin(FOUND).verdict
    assert sum(submitter.offers.counts) == 3


async def test_an_answer_is_waited_for_longer_each_time(tmp_path: Path) -> None:
    node = FakeNode(*[NodeTimeout("lost")] * 5, None)
    await submit(tmp_path, node)
    assert node.timeouts_s == [5.0, 15.0, 60.0, 300.0, 300.0, 300.0]


async def test_of_several_nodes_one_that_accepts_is_enough(tmp_path: Path) -> None:
    refusing, accepting = FakeNode("bad-txns"), FakeNode(None)
    verdict, _ = await submit(tmp_path, refusing, accepting)
    assert verdict.state == "accepted"
    assert refusing.submitted == accepting.submitted == [FOUND.block_hex]


async def test_a_hash_is_submitted_once(tmp_path: Path) -> None:
    node = FakeNode(None)
    submitter = submitter_of(tmp_path, node)
    first, second = submitter.begin(FOUND), submitter.begin(FOUND)
    assert first is second
    await first.verdict
    assert len(node.submitted) == 1


async def test_a_hash_that_is_settled_is_not_submitted_again(tmp_path: Path) -> None:
    node = FakeNode(None)
    submitter = submitter_of(tmp_path, node)
    verdict = await submitter.begin(FOUND).verdict
    assert await submitter.begin(FOUND).verdict == verdict
    assert len(node.submitted) == 1


async def test_a_refusal_waits_for_the_node_that_cannot_be_reached(tmp_path: Path) -> None:
    behind, away = FakeNode("bad-prevblk"), FakeNode(NodeUnreachable("gone"), None)
    verdict, _ = await submit(tmp_path, behind, away)
    assert verdict.state == "accepted"
    assert (len(behind.submitted), len(away.submitted)) == (1, 2)


async def test_beside_the_chain_is_kinder_than_refused(tmp_path: Path) -> None:
    verdict, _ = await submit(
        tmp_path, FakeNode("bad-txns"), FakeNode("inconclusive", confirmations=-1)
    )
    assert verdict.state == "stale"


async def test_an_acceptance_does_not_wait_for_the_other_nodes(tmp_path: Path) -> None:
    silent = SilentNode()
    submitter = BlockSubmitter(
        [silent, FakeNode(None)], Spool(tmp_path), on_verdict=lambda found, verdict: None
    )
    async with asyncio.timeout(5):
        verdict = await submitter.begin(FOUND).verdict
        assert verdict.state == "accepted"
        assert silent.submitted == [FOUND.block_hex]
        await submitter.close()


async def test_the_other_nodes_are_offered_the_block_though_one_has_taken_it(
    tmp_path: Path,
) -> None:
    away = FakeNode(NodeUnreachable("cut"), NodeUnreachable("cut"), None)
    submitter = BlockSubmitter(
        [FakeNode(None), away], Spool(tmp_path), on_verdict=lambda f, v: None
    )
    assert (await submitter.begin(FOUND).verdict).state == "accepted"
    async with asyncio.timeout(5):
        await asyncio.gather(*submitter._offers)
    assert len(away.submitted) == 3
    await submitter.close()


async def test_they_are_not_offered_it_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submitter_module, "KEEP_OFFERING_S", 0.0)
    away = FakeNode(*[NodeUnreachable("cut")] * 1000)
    submitter = BlockSubmitter(
        [FakeNode(None), away], Spool(tmp_path), on_verdict=lambda f, v: None
    )
    with capture_logs() as lines:
        await submitter.begin(FOUND).verdict
        async with asyncio.timeout(5):
            await asyncio.gather(*submitter._offers)
    assert len(away.submitted) < 1000
    assert (lines[-1]["event"], lines[-1]["state"]) == ("submitblock_over", "given up")
    await submitter.close()


async def test_the_first_retry_is_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submitter_module, "RETRY_FIRST_S", 3600.0)
    verdict, _ = await submit(tmp_path, FakeNode(NodeUnreachable("closed meanwhile"), None))
    assert verdict.state == "accepted"


async def test_a_block_does_not_take_the_place_of_one_of_ours(tmp_path: Path) -> None:
    other = FoundBlock("cd" * 32, 101, "00" * 100, "demo.rig", 0.0)
    node = FakeNode(None, "inconclusive", confirmations=-1, best=FOUND.hash_hex, is_swayed=True)
    submitter = submitter_of(tmp_path, node)
    await submitter.begin(FOUND).verdict
    assert await submitter.begin(other).verdict == Verdict("stale", "inconclusive")
    # Nor of one that a former life of the pool found.
    node = FakeNode("inconclusive", confirmations=-1, best=FOUND.hash_hex, is_swayed=True)
    submitter = submitter_of(tmp_path, node)
    await submitter.resume(0.0)
    assert (await submitter.begin(other).verdict).state == "stale"
    assert node.preferred == []


async def test_a_disk_that_was_full_is_tried_again_until_the_block_is_settled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submitter_module, "SPOOL_RETRY_S", 0.0)
    monkeypatch.setattr(submitter_module, "RETRY_FIRST_S", 3600.0)
    (tmp_path / "spool").write_text("a file where the folder should be")
    away = FakeNode(NodeUnreachable("gone"), NodeUnreachable("gone"))
    submitter = BlockSubmitter([away], Spool(tmp_path / "spool"), on_verdict=lambda f, v: None)
    submission = submitter.begin(FOUND)
    await submission.spooled  # the rig is answered after the first try
    assert (submitter.unspooled, submitter.unsettled) == (1, 1)
    (tmp_path / "spool").unlink()
    async with asyncio.timeout(5):
        await submission.kept
    assert (submitter.unspooled, submitter.unsettled) == (0, 1)
    assert list(Spool(tmp_path / "spool").unsettled()) == [(FOUND, True)]
    monkeypatch.setattr(submitter_module, "CLOSE_TIMEOUT_S", 0.0)
    await submitter.close()


async def test_only_so_many_settled_blocks_are_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submitter_module, "REMEMBERED_BLOCKS", 2)
    node = FakeNode(None, None, None)
    submitter = submitter_of(tmp_path, node)
    for number in range(3):
        await submitter.begin(FoundBlock(f"{number:064x}", 101, "00", "r", 0.0)).verdict
    assert submitter.unsettled == 0
    assert len(submitter._submissions) == len(submitter._ours) == 2


async def test_a_disk_that_hangs_delays_no_block(tmp_path: Path) -> None:
    disk, told = HangingSpool(tmp_path), asyncio.Event()
    node = FakeNode(None)
    submitter = BlockSubmitter([node], disk, on_verdict=lambda found, verdict: told.set())
    submission = submitter.begin(FOUND)
    async with asyncio.timeout(5):
        await told.wait()
    assert node.submitted == [FOUND.block_hex]
    assert not submission.spooled.done()
    disk.works_again.set()
    assert (await submission.verdict).state == "accepted"


async def test_a_disk_that_cannot_be_written_delays_no_block(tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("a file where the folder should be")
    verdict, _ = await submit(tmp_path, FakeNode(None))
    assert verdict.state == "accepted"


async def test_a_block_of_a_former_life_is_submitted_again(tmp_path: Path) -> None:
    Spool(tmp_path).put(FOUND.hash_hex, msgspec.json.encode(FOUND))
    (tmp_path / "foreign.json").write_text("{torn")
    node, told = FakeNode(None), asyncio.Event()
    submitter = BlockSubmitter([node], Spool(tmp_path), on_verdict=lambda found, v: told.set())
    await submitter.resume(1_763_942_400.0)
    await asyncio.wait_for(told.wait(), 5)
    assert node.submitted == [FOUND.block_hex]
    await submitter.close()
    assert (tmp_path / "foreign.json").exists()
    assert not (tmp_path / f"{FOUND.hash_hex}.json").exists()


async def test_without_an_answer_the_spool_keeps_the_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submitter_module, "CLOSE_TIMEOUT_S", 0.01)
    monkeypatch.setattr(submitter_module, "RETRY_FIRST_S", 60.0)
    submitter = BlockSubmitter(
        [FakeNode(NodeUnreachable("gone"))], Spool(tmp_path), on_verdict=lambda found, v: None
    )
    submitter.begin(FOUND)
    await submitter.close()
    assert (tmp_path / f"{FOUND.hash_hex}.json").exists()


async def test_of_blocks_that_wait_for_a_node_the_newest_is_next() -> None:
    gate, order, open_gate = NewestFirst(1), [], asyncio.Event()

    async def call(number: int) -> None:
        async with gate:
            order.append(number)
            await open_gate.wait()

    tasks = [asyncio.create_task(call(number)) for number in range(4)]
    await asyncio.sleep(0)
    tasks[2].cancel()  # one that waits is given up
    await asyncio.sleep(0)
    open_gate.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert order == [0, 3, 1]
    await call(4)
    assert order[-1] == 4


# --- what a fault of ours, or of the disk, must not do ------------------------------------------


async def test_a_fault_of_ours_is_not_the_end_of_a_block(tmp_path: Path) -> None:
    node = FakeNode(ValueError("a fault of ours"), None)
    with capture_logs() as lines:
        verdict, _ = await submit(tmp_path, node)
    assert verdict.state == "accepted"
    assert lines[0]["exc_info"]
    assert len(node.submitted) == 2


async def test_a_race_is_settled_though_the_disk_hangs(tmp_path: Path) -> None:
    disk = HangingSpool(tmp_path)
    node = FakeNode("inconclusive", confirmations=-1, is_swayed=True)
    told = asyncio.Event()
    submitter = BlockSubmitter([node], disk, on_verdict=lambda found, verdict: told.set())
    submitter.begin(FOUND)
    async with asyncio.timeout(5):
        await told.wait()
    assert node.preferred == [FOUND.hash_hex]
    disk.works_again.set()
    await submitter.close()


async def test_a_block_that_no_memory_could_be_had_for_goes_to_the_nodes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_memory(*_: object) -> bytes:
        raise MemoryError

    monkeypatch.setattr(submitter_module, "spool_entry", no_memory)
    verdict, _ = await submit(tmp_path, FakeNode(None))
    assert verdict.state == "accepted"


async def test_a_verdict_that_nobody_could_be_told_is_told_later(tmp_path: Path) -> None:
    Spool(tmp_path).put(FOUND.hash_hex, msgspec.json.encode(FOUND))
    submitter = BlockSubmitter([FakeNode(None)], Spool(tmp_path))
    (taken,) = await submitter.resume(0.0)
    await submitter.begin(taken).verdict
    told: list[Verdict] = []
    submitter.report_to(lambda found, verdict: told.append(verdict))
    assert told == [Verdict("accepted", "")]
    assert await submitter.resume(0.0) == [taken]  # it is done once
    await submitter.close()


# --- a node that forgets -------------------------------------------------------------------------

FORGOTTEN = RpcError(-5, "Block not found")


async def test_a_node_that_has_forgotten_an_accepted_block_is_offered_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submitter_module, "WATCH_INTERVAL_S", 0.0)
    node = FakeNode(None, None, headers=[FORGOTTEN])
    submitter = submitter_of(tmp_path, node)
    await submitter.begin(FOUND).verdict
    async with asyncio.timeout(5):
        await node.is_submitted(2)
    await submitter.close()


async def test_what_was_accepted_before_a_restart_is_seen_to_as_well(tmp_path: Path) -> None:
    Spool(tmp_path).settle(FOUND, "accepted", "")
    node = FakeNode(None, headers=[FORGOTTEN])
    submitter = submitter_of(tmp_path, node)
    assert await submitter.resume(0.0) == []
    async with asyncio.timeout(5):
        await node.is_submitted(1)
    await submitter.close()


async def test_of_many_blocks_only_the_last_are_watched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submitter_module, "WATCHED_BLOCKS", 2)
    submitter = submitter_of(tmp_path, FakeNode(*[None] * 5))
    for number in range(5):
        await submitter.begin(FoundBlock(f"{number:064x}", 101, "00", "r", 0.0)).verdict
    assert len(submitter._watches) == 2
    await submitter.close()
