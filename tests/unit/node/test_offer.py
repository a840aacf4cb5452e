"""What a node's words about a block mean."""

import msgspec
import pytest

from poolserver.node.offer import NotFinal, Verdict, offer
from poolserver.node.rpc import NodeHttpError, NodeTimeout, NodeUnreachable, RpcError
from tests.unit.node.taking import FOUND, FakeNode

OURS = "0a" * 32


async def offered(node: FakeNode) -> Verdict:
    def is_ours(block_hash: str) -> bool:
        return block_hash == OURS

    block_json = msgspec.Raw(msgspec.json.encode(FOUND.block_hex))
    return await offer(node, FOUND.hash_hex, block_json, is_ours, 5.0)


async def test_null_is_the_new_tip() -> None:
    assert await offered(FakeNode(None)) == Verdict("accepted", "")


@pytest.mark.parametrize("word", ["duplicate", "inconclusive", "duplicate-inconclusive"])
async def test_of_a_block_that_it_has_the_chain_decides(word: str) -> None:
    assert await offered(FakeNode(word, confirmations=1)) == Verdict("accepted", word)
    assert await offered(FakeNode(word, confirmations=0)) == Verdict("accepted", word)
    assert await offered(FakeNode(word, confirmations=-1)) == Verdict("stale", word)


async def test_in_a_race_the_node_is_made_to_prefer_ours() -> None:
    node = FakeNode("inconclusive", confirmations=-1, is_swayed=True)
    assert await offered(node) == Verdict("accepted", "inconclusive")
    assert node.preferred == [FOUND.hash_hex]


async def test_a_chain_with_more_work_is_not_left_for_it() -> None:
    node = FakeNode("inconclusive", confirmations=-1, is_swayed=False)
    assert await offered(node) == Verdict("stale", "inconclusive")
    assert node.preferred == [FOUND.hash_hex]


async def test_a_tip_of_ours_is_not_given_up_for_another_of_ours() -> None:
    node = FakeNode("inconclusive", confirmations=-1, is_swayed=True, best=OURS)
    assert await offered(node) == Verdict("stale", "inconclusive")
    assert node.preferred == []


@pytest.mark.parametrize("word", ["bad-cb-amount", "duplicate-invalid", "high-hash", "rejected"])
async def test_any_other_word_is_a_final_refusal(word: str) -> None:
    assert await offered(FakeNode(word)) == Verdict("rejected", word)


@pytest.mark.parametrize("word", ["prev-blk-not-found", "time-too-new"])
async def test_a_word_that_time_can_change_is_not_final(word: str) -> None:
    with pytest.raises(NotFinal, match=word):
        await offered(FakeNode(word))


async def test_bytes_that_the_node_cannot_read_are_refused_for_good() -> None:
    node = FakeNode(RpcError(-22, "Block decode failed"))
    assert await offered(node) == Verdict("rejected", "Block decode failed")


@pytest.mark.parametrize(
    "trouble",
    [
        NodeUnreachable("gone"),
        NodeTimeout("slow"),
        NodeHttpError(503, "busy"),
        RpcError(-28, "warming up"),
        RpcError(-25, "the disk is full"),
    ],
)
async def test_a_node_in_trouble_has_said_nothing_final(trouble: Exception) -> None:
    with pytest.raises(NotFinal) as caught:
        await offered(FakeNode(trouble))
    assert str(caught.value) == str(trouble)
