"""What became of each block, by the nodes alone; and whether the pool's books say the same."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

import pbk

from poolserver.node.rpc import NodeError
from tests.torture.catalogue import BlockFault, Fate
from tests.torture.finder import Kind
from tests.torture.network import Network, within
from tests.torture.pool_process import PoolProcess
from tests.torture.world import Found

# The ledger follows the nodes by a look each few seconds.
BOOKS_TIMEOUT_S = 30.0


class Truth(Enum):
    """What became of a block."""

    BEST = "in the best chain"
    STALE = "rightly stale"
    LOST_ALLOWED = "lost before a byte had left"
    LOST = "LOST"


# The states of the ledger that say so.
STATES = {
    Truth.BEST: ("accepted", "confirmed", "mature"),
    Truth.STALE: ("stale", "orphan", "orphaned"),
}


Wrong = dict[str, list[str]]
"""What is wrong, by the hash of the block that it is about, or by the book."""


@dataclass
class Verdicts:
    """The judge's words on all blocks; ``wrong`` is empty where all is as it must be."""

    truths: dict[str, Truth]
    """By hash."""
    lost: Wrong = field(default_factory=dict)
    answers: Wrong = field(default_factory=dict)
    books: Wrong = field(default_factory=dict)
    invalid: Wrong = field(default_factory=dict)
    judged_by_the_kernel: int = 0

    @property
    def wrong(self) -> Wrong:
        """All of it."""
        merged: Wrong = {}
        for each in (self.lost, self.answers, self.books, self.invalid):
            for about, texts in each.items():
                merged.setdefault(about, []).extend(texts)
        return merged


async def judge(
    found: Sequence[Found],
    faults: dict[str, BlockFault],
    network: Network,
    pool: PoolProcess,
    folder: Path,
) -> Verdicts:
    """Judge every block; the network is well and its nodes agree."""
    verdicts = Verdicts({each.hash_hex: await truth_of(each, faults, network) for each in found})
    for each in found:
        truth = verdicts.truths[each.hash_hex]
        if truth is Truth.LOST:
            seen = "a node had it" if each.was_seen else "no node has seen it"
            verdicts.lost[each.hash_hex] = [f"{_name(each)}: LOST, answered {each.answer}, {seen}"]
        if not is_right_answer(each, truth):
            verdicts.answers[each.hash_hex] = [
                f"{_name(each)}: {truth.value}, the rig was answered {each.answer}"
            ]

    async def books_agree() -> bool:
        return not await wrong_in_books(found, verdicts.truths, pool)

    await within(BOOKS_TIMEOUT_S, books_agree)
    verdicts.books = await wrong_in_books(found, verdicts.truths, pool)
    await _ask_the_kernel(found, network, folder, verdicts)
    return verdicts


async def truth_of(found: Found, faults: dict[str, BlockFault], network: Network) -> Truth:
    node, fate = network.nodes[0], faults[found.fault].fate
    if await node.call("getblockhash", min(found.solved.height, await _height(network))) == (
        found.hash_hex
    ):
        return Truth.BEST
    if fate is Fate.STALE and (found.was_seen or await network.have(found.hash_hex)):
        return Truth.STALE
    return Truth.LOST_ALLOWED if fate is Fate.LOST_ALLOWED else Truth.LOST


async def _height(network: Network) -> int:
    return int(await network.nodes[0].call("getblockcount"))


def is_right_answer(found: Found, truth: Truth) -> bool:
    if found.answer == "died":
        return True  # the rig cannot know, and will ask nobody
    if found.solved.kind is not Kind.GOOD:
        return found.answer not in ("accepted", "none")
    return found.answer == "accepted" or (found.answer == "stale" and truth is Truth.STALE)


async def wrong_in_books(
    found: Sequence[Found], truths: dict[str, Truth], pool: PoolProcess
) -> Wrong:
    """By hash, what is wrong in ledger and spool; and what is wrong with the metrics."""
    ledger, settled, unsettled = pool.ledger(), pool.settled(), pool.unsettled()
    wrong: Wrong = {}
    for each in found:
        truth, said = truths[each.hash_hex], []
        row, word = ledger.get(each.hash_hex), settled.get(each.hash_hex)
        if truth is Truth.LOST_ALLOWED:
            continue
        if row is None:
            said.append(f"{_name(each)}: {truth.value}, the ledger does not know it")
        elif row["state"] not in STATES.get(truth, ()):
            said.append(f"{_name(each)}: {truth.value}, the ledger says {row['state']}")
        elif row["height"] != each.solved.height:
            said.append(f"{_name(each)}: of height {each.solved.height}, booked {row['height']}")
        if word == "rejected" and truth in STATES:  # else it is the word of that time
            said.append(f"{_name(each)}: {truth.value}, the spool says {word}")
        if each.hash_hex in unsettled:
            said.append(f"{_name(each)}: {truth.value}, the spool has no final word")
        if said:
            wrong[each.hash_hex] = said
    sent = {each.hash_hex for each in found}
    if strangers := set(ledger) - sent:
        wrong["ledger"] = [f"the ledger has {len(strangers)} blocks that nobody has found"]
    states = [row["state"] for row in ledger.values()]
    if unequal := await _metrics_differ(pool, states):
        wrong["metrics"] = unequal
    return wrong


async def _metrics_differ(pool: PoolProcess, states: list[str]) -> list[str]:
    """A block is counted in each state that it ever came into, so ``found`` counts all."""
    ever = await pool.counted("poolserver_blocks_total")
    now = await pool.counted("poolserver_blocks_in_state")
    booked = {state: states.count(state) for state in now or ever}
    said = []
    if ever["found"] != len(states):
        said.append(f"/metrics say {ever['found']} blocks were found, the ledger has {len(states)}")
    if any(ever[state] < count for state, count in booked.items() if state != "found"):
        said.append(f"/metrics say {ever}, the ledger {booked}")
    if now and now != booked:
        said.append(f"/metrics say that there are {now}, the ledger {booked}")
    return said


async def _ask_the_kernel(
    found: Sequence[Found], network: Network, folder: Path, verdicts: Verdicts
) -> None:
    """Bitcoin Core's consensus engine judges the final chain, and each stale block's branch."""
    node = network.nodes[0]
    height = await _height(network)
    main = [await node.call("getblockhash", number) for number in range(1, height + 1)]
    chain = [await node.call("getblock", hash_hex, 0) for hash_hex in main]
    reached = await asyncio.to_thread(kernel_height, chain, folder / "kernel")
    if reached != height:
        verdicts.invalid["chain"] = [f"the kernel takes {reached} of the chain's {height} blocks"]
    verdicts.judged_by_the_kernel = height
    places = {hash_hex: number for number, hash_hex in enumerate(main)}
    for each in found:
        if verdicts.truths[each.hash_hex] is not Truth.STALE:
            continue
        fork, branch = await _branch(each.hash_hex, places, network)
        if not branch:
            continue  # the node has forgotten it, and it was no part of any chain
        blocks = [*chain[: fork + 1], *branch]
        kernel = folder / f"kernel-{each.number}"
        if await asyncio.to_thread(kernel_height, blocks, kernel) != len(blocks):
            verdicts.invalid[each.hash_hex] = [f"{_name(each)}: the kernel does not take it"]
        verdicts.judged_by_the_kernel += 1


async def _branch(hash_hex: str, places: dict[str, int], network: Network) -> tuple[int, list[str]]:
    """Where a branch leaves the best chain (an index into it), and its blocks from there on."""
    blocks: list[str] = []
    while hash_hex not in places:
        block = await _raw(hash_hex, network)
        if block is None:
            return 0, []
        blocks.insert(0, block)
        hash_hex = bytes.fromhex(block[8:72])[::-1].hex()
    return places[hash_hex], blocks


async def _raw(hash_hex: str, network: Network) -> str | None:
    for node in network.nodes:
        with suppress(NodeError):
            return str(await node.call("getblock", hash_hex, 0))
    return None


def kernel_height(blocks_hex: list[str], folder: Path) -> int:
    """The height that the engine reaches with these blocks."""
    manager = pbk.load_chainman(folder, pbk.ChainType.REGTEST)
    for block_hex in blocks_hex:
        with suppress(pbk.ProcessBlockException):  # what is wrong is told by the height
            manager.process_block(pbk.Block(bytes.fromhex(block_hex)))
    return int(manager.get_active_chain().height)


def _name(found: Found) -> str:
    return f"block {found.number} ({found.fault}, {found.hash_hex[:12]})"
