"""The judge of the torture finds what is wrong; and the blocks of its rivals are valid."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.torture.blocks import BlocksPlan, chosen_faults
from tests.torture.catalogue import FAULTS, BlockFault, Fate
from tests.torture.finder import Kind, Solved
from tests.torture.handmade import rival_block
from tests.torture.judge import Truth, is_right_answer, kernel_height, truth_of, wrong_in_books
from tests.torture.network import Network
from tests.torture.pool_process import PoolProcess
from tests.torture.world import Found

REGTEST_GENESIS = "0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206"
GENESIS_TIME = 1_296_688_602
OURS, THEIRS = "aa" * 32, "bb" * 32


def found(
    *, answer: str = "accepted", kind: Kind = Kind.GOOD, was_seen: bool = True, fault: str = "x"
) -> Found:
    solved = Solved(
        OURS, 10, "cc" * 32, kind, job=cast(Any, None), extranonce2=b"", ntime=0, nonce=0
    )
    return Found(1, fault, solved, 1, answer=answer, was_seen=was_seen)


class Node:
    """Has one block at each height."""

    def __init__(self, best: str) -> None:
        self._best = best

    async def call(self, method: str, *params: object) -> object:
        return self._best if method == "getblockhash" else 12

    async def has(self, hash_hex: str) -> bool:
        return hash_hex == self._best


def network(best: str) -> Network:
    return Network([cast(Any, _up(Node(best)))])


def _up(node: Node) -> Node:
    node.is_up = True  # type: ignore[attr-defined]
    return node


def pool(
    ledger: dict[str, str],
    *,
    spool: dict[str, str] | None = None,
    unsettled: set[str] | None = None,
    ever: dict[str, int] | None = None,
) -> PoolProcess:
    """A pool with these books: states by hash."""
    counted = ever or {"found": len(ledger), "accepted": len(ledger), "stale": 1}

    async def metrics(name: str) -> dict[str, int]:
        return counted if name == "poolserver_blocks_total" else {}

    return cast(
        PoolProcess,
        SimpleNamespace(
            ledger=lambda: {each: {"state": state, "height": 10} for each, state in ledger.items()},
            settled=lambda: spool or {},
            unsettled=lambda: unsettled or set(),
            counted=metrics,
        ),
    )


async def truth(one: Found, fate: Fate, best: str) -> Truth:
    async def nothing(_: object) -> None: ...

    return await truth_of(one, {"x": BlockFault("x", nothing, fate)}, network(best))


async def test_a_block_is_judged_by_the_nodes_alone() -> None:
    assert await truth(found(answer="died"), Fate.BEST, OURS) is Truth.BEST
    assert await truth(found(), Fate.STALE, OURS) is Truth.BEST
    assert await truth(found(), Fate.STALE, THEIRS) is Truth.STALE


async def test_a_block_that_reached_no_node_or_had_no_rival_is_lost() -> None:
    assert await truth(found(was_seen=False), Fate.STALE, THEIRS) is Truth.LOST
    assert await truth(found(), Fate.BEST, THEIRS) is Truth.LOST
    assert await truth(found(was_seen=False), Fate.LOST_ALLOWED, THEIRS) is Truth.LOST_ALLOWED


@pytest.mark.parametrize(
    ("kind", "answer", "is_right"),
    [
        (Kind.GOOD, "accepted", True),
        (Kind.GOOD, "died", True),
        (Kind.GOOD, "none", False),
        (Kind.GOOD, "stale", False),
        (Kind.LOW, "low_difficulty", True),
        (Kind.LOW, "accepted", False),
    ],
)
def test_a_rig_is_answered_or_its_connection_dies(kind: Kind, answer: str, is_right: bool) -> None:
    assert is_right_answer(found(answer=answer, kind=kind), Truth.BEST) is is_right


async def wrong(truth: Truth, books: PoolProcess) -> set[str]:
    return set(await wrong_in_books([found()], {OURS: truth}, books))


async def test_books_that_tell_the_truth_are_right() -> None:
    assert await wrong(Truth.BEST, pool({OURS: "accepted"}, spool={OURS: "accepted"})) == set()
    assert await wrong(Truth.STALE, pool({OURS: "stale"}, spool={OURS: "stale"})) == set()


@pytest.mark.parametrize(
    ("books", "about"),
    [
        (pool({}), OURS),
        (pool({OURS: "found"}), OURS),
        (pool({OURS: "stale"}), OURS),
        (pool({OURS: "accepted"}, spool={OURS: "rejected"}), OURS),
        (pool({OURS: "accepted"}, unsettled={OURS}), OURS),
        (pool({OURS: "accepted", THEIRS: "accepted"}), "ledger"),
        (pool({OURS: "accepted"}, ever={"found": 2, "accepted": 1}), "metrics"),
        (pool({OURS: "accepted"}, ever={"found": 1, "accepted": 0}), "metrics"),
    ],
)
async def test_books_that_differ_from_the_truth_are_told(books: PoolProcess, about: str) -> None:
    assert await wrong(Truth.BEST, books) == {about}


def test_the_consensus_engine_takes_a_rivals_blocks_and_no_others(tmp_path: Path) -> None:
    first = rival_block(REGTEST_GENESIS, 1, GENESIS_TIME, b"salt")
    second = rival_block(first.hash_hex, 2, first.time, b"salt")
    blocks = [first.block_hex, second.block_hex]
    assert kernel_height(blocks, tmp_path / "good") == 2
    spoiled = [first.block_hex, second.block_hex[:-2] + "01"]  # another lock time, another root
    assert kernel_height(spoiled, tmp_path / "spoiled") == 1


def test_each_fault_has_its_turn_and_a_seed_gives_one_order() -> None:
    plan = BlocksPlan(blocks=2 * len(FAULTS), seed=5)
    names = [fault.name for fault in chosen_faults(plan)]
    assert sorted(names) == sorted(2 * [fault.name for fault in FAULTS])
    assert len(set(names)) == len(FAULTS)
    assert names == [fault.name for fault in chosen_faults(plan)]
    assert names != [fault.name for fault in chosen_faults(BlocksPlan(2 * len(FAULTS), seed=6))]
