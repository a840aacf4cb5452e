"""What goes wrong while a block is found: one function for each fault.

A fault has the rig find its block by ``world.find``, does its harm around that, and undoes it;
what it leaves (a dead node, a dead pool) is mended by the harness.
"""

import asyncio
from collections.abc import Awaitable
from functools import partial
from typing import Any

from tests.torture.fault_proxy import Call, Fault, Moment, Rule
from tests.torture.finder import Kind
from tests.torture.handmade import fill_mempool
from tests.torture.network import TortureNode, within
from tests.torture.world import World

TRANSACTIONS = 3000
MANY = 6
# A call that the proxies wait for comes in milliseconds, or not at all.
CALL_TIMEOUT_S = 10.0
# A job with all transactions in it, from a node that has just been given 3,000.
FULL_JOB_TIMEOUT_S = 40.0


# --- nothing is wrong, or only the share --------------------------------------------------------


async def nothing(world: World) -> None:
    await world.find()


async def odd_share(world: World) -> None:
    """A block is a block whatever else is wrong with its share."""
    kind = world.rng.choice([Kind.LOW, Kind.STRANGER, Kind.LATE])
    await world.find(kind)


async def full_template(world: World) -> None:
    await _fill(world)
    await world.find()


async def _fill(world: World) -> None:
    await fill_mempool([node.process for node in world.network.nodes], TRANSACTIONS)
    await world.new_tip()
    if not await within(FULL_JOB_TIMEOUT_S, partial(_has_full_job, world)):
        world.note("no full job")


async def _has_full_job(world: World) -> bool:
    return world.finder.transactions >= TRANSACTIONS // 2


# --- the pool dies ------------------------------------------------------------------------------


async def pool_dies(world: World) -> None:
    """At the step that the world has started it with."""
    await world.find(answer=False)
    if not await world.pool.has_died():
        world.note("the pool did not come to the step at which it was to die")
        await world.pool.kill()


async def pool_dies_on_full_template(world: World) -> None:
    await _fill(world)
    await pool_dies(world)


async def pool_killed_after_its_reply(world: World) -> None:
    """The rig has been told that its block is taken, and no node has seen it."""
    for node in world.network.nodes:
        node.proxy.apply(Rule(Fault.SWALLOW, "submitblock"))
    await world.find()
    await world.pool.kill()


async def pool_killed_with_the_network_cut(world: World) -> None:
    _cut_all(world)
    await world.find()
    await world.pool.kill()
    await world.pause()


async def pool_killed_twice(world: World) -> None:
    """Once more while it brings the block to the nodes that it found in a former life."""
    for node in world.network.nodes:
        node.proxy.apply(Rule(Fault.SWALLOW, "submitblock"))
    await world.find()
    await world.pool.kill()
    again = world.network.nodes[0].proxy.reached(Moment.TAKEN, "submitblock")
    await world.pool.start()
    await _soon(world, again, "the pool did not submit the block again")
    await world.pool.kill()


# --- a node dies --------------------------------------------------------------------------------


async def node_killed_before(world: World) -> None:
    node = await _doomed(world)
    await node.kill()
    await world.find()
    await world.pause()


async def node_killed_at(world: World, moment: Moment) -> None:
    node = await _doomed(world)
    others = [each for each in world.network.nodes if each is not node]
    for other in others:  # that the block is not safe there before
        other.proxy.apply(Rule(Fault.BLACK_HOLE, "submitblock"))
    killed = asyncio.Event()

    async def kill(_: Call) -> None:
        await node.kill()
        killed.set()

    node.proxy.at(moment, "submitblock", kill)
    await world.find()
    await _soon(world, killed.wait(), "submitblock did not come to the node that was to die")
    for other in others:
        other.heal()


async def node_forgets(world: World) -> None:
    """It takes the block, is alone with it, and loses the memory of it in a power cut."""
    node = await _doomed(world)
    for other in world.network.nodes:
        await other.call("setnetworkactive", False)
        if other is not node:
            other.cut()
    found = await world.find()
    await within(CALL_TIMEOUT_S, partial(node.has, found.hash_hex))
    await within(1.0, partial(_is_settled, world, found.hash_hex))
    await node.kill()
    await node.start()
    forgotten = not await node.has(found.hash_hex)
    world.note("a node took it and forgot it" if forgotten else "the node has not forgotten it")


async def _is_settled(world: World, hash_hex: str) -> bool:
    return hash_hex in world.pool.settled()


async def node_and_pool_restart(world: World) -> None:
    node = await _doomed(world)
    taken = asyncio.Event()

    async def kill_both(_: Call) -> None:
        await asyncio.gather(node.kill(), world.pool.kill())
        taken.set()

    moment = world.rng.choice([Moment.TAKEN, Moment.HALF, Moment.FORWARDED, Moment.ANSWERED])
    node.proxy.at(moment, "submitblock", kill_both)
    await world.find(answer=False)
    await _soon(world, taken.wait(), "submitblock did not come to the node that was to die")


async def all_nodes_killed(world: World) -> None:
    await world.network.flush()
    await asyncio.gather(*(node.kill() for node in world.network.nodes))
    await world.find()
    await world.pause()


# --- the network between ------------------------------------------------------------------------


async def one_node_cut(world: World) -> None:
    node = world.some_node()
    node.cut()
    await world.find()
    await world.pause()


async def all_nodes_cut(world: World) -> None:
    _cut_all(world)
    await world.find()
    await world.pause()


async def all_nodes_cut_while_it_leaves(world: World) -> None:
    """The connections are reset as submitblock is on its way."""
    for node in world.network.nodes:

        async def cut(_: Call, node: TortureNode = node) -> None:
            node.cut()

        node.proxy.at(world.rng.choice([Moment.HALF, Moment.FORWARDED]), "submitblock", cut)
    await world.find()
    await world.pause()


async def one_node_in_a_black_hole(world: World) -> None:
    node = world.some_node()
    node.black_hole()
    await world.find()
    await world.pause()


async def all_nodes_in_a_black_hole(world: World) -> None:
    for node in world.network.nodes:
        node.black_hole()
    await world.find()
    await world.pause()


async def submits_swallowed(world: World) -> None:
    """A firewall has forgotten the connections: only the pool's own time-out helps."""
    _apply_to_all(world, Rule(Fault.SWALLOW, "submitblock", times=1))
    await world.find()


# --- the node's answers -------------------------------------------------------------------------


async def slow_nodes(world: World, method: str) -> None:
    _apply_to_all(world, Rule(Fault.SLOW, method, seconds=world.slow_s))
    await world.find()
    await asyncio.sleep(world.slow_s)


async def wrong_answers(world: World, fault: Fault, method: str | None) -> None:
    _apply_to_all(world, Rule(fault, method))
    await world.find()
    await world.pause()


async def answers_lost(world: World) -> None:
    _apply_to_all(world, Rule(Fault.LOSE_ANSWER, "submitblock", times=1))
    await world.find()


async def requests_cut(world: World) -> None:
    _apply_to_all(world, Rule(Fault.CUT_REQUEST, "submitblock", times=1))
    await world.find()


# --- the disk -----------------------------------------------------------------------------------


async def disk_full(world: World) -> None:
    """Nothing can be written: neither spool nor journal nor database."""
    world.pool.fill_disk()
    await world.find()
    await world.pause()
    world.pool.empty_disk()


async def spool_lost(world: World) -> None:
    world.pool.lose_spool()
    await world.find()
    await world.pause()
    world.pool.find_spool()


async def disk_full_and_nodes_cut(world: World) -> None:
    """The block is in the memory of the pool alone; the disk comes back first."""
    _cut_all(world)
    world.pool.fill_disk()
    await world.find()
    await world.pause()
    world.pool.empty_disk()
    await world.pause()


async def spool_lost_and_node_killed(world: World) -> None:
    node = await _doomed(world)
    for other in world.network.nodes:
        if other is not node:
            other.cut()
    await node.kill()
    world.pool.lose_spool()
    await world.find()
    await world.pause()
    world.pool.find_spool()


async def disk_full_then_the_pool_killed(world: World) -> None:
    """The disk was full when the block was found, and has room for seconds when the pool dies."""
    _cut_all(world)
    world.pool.fill_disk()
    found = await world.find()
    await world.pause()
    world.pool.empty_disk()
    await within(world.disk_grace_s, partial(_is_spooled, world, found.hash_hex))
    await world.pool.kill()


async def _is_spooled(world: World, hash_hex: str) -> bool:
    return hash_hex in world.pool.unsettled()


# --- others find blocks too ---------------------------------------------------------------------


async def rival_just_before(world: World, length: int) -> None:
    """Somebody's block of the same height is everywhere a moment before ours.

    With ``length`` 1 it is a race, which a pool may win whose nodes prefer its own block; with 2
    it is over.
    """
    tip = await world.new_tip()
    await _submit_after(world, await world.network.rival(tip, length, world.salt()))


async def rival_chain_just_before(world: World) -> None:
    """A reorganisation takes away the block that ours is on, a moment before ours is there."""
    before = await world.new_tip()
    await world.new_tip()
    rivals = await world.network.rival(before, world.rng.choice([2, 3]), world.salt())
    await _submit_after(world, rivals)


async def orphaned_later(world: World) -> None:
    """Ours is the tip, until a longer chain takes its place."""
    tip = await world.new_tip()
    found = await world.find()
    await within(CALL_TIMEOUT_S, partial(world.network.have, found.hash_hex))
    await world.is_settled(found.hash_hex)
    await world.network.take(await world.network.rival(tip, 2, world.salt()))


async def race_won_later(world: World) -> None:
    """A rival was first everywhere, but the next block is on ours."""
    tip = await world.new_tip()
    found = await _submit_after(world, await world.network.rival(tip, 1, world.salt()))
    assert await within(CALL_TIMEOUT_S, partial(_all_have, world, found))
    await world.is_settled(found)
    await world.network.take(await world.network.rival(found, 1, world.salt()))


async def many_at_once(world: World) -> None:
    """Blocks of our own compete for a height, and nobody can be asked."""
    _cut_all(world)
    for _ in range(MANY):
        await world.find()
    await world.pause()


async def tip_taken_away(world: World) -> None:
    """The node's operator takes back the tip and the pool must follow to a lower height."""
    before = await world.new_tip()
    tip = await world.new_tip()
    for node in world.network.nodes:
        await node.call("invalidateblock", tip)
    if not await world.finder.is_on(before):
        world.note("no work on the lower tip")
    await world.find()


# --- helpers ------------------------------------------------------------------------------------


async def _submit_after(world: World, rivals: list[Any]) -> str:
    """Have the block found and held up until the rivals are everywhere; its hash."""
    for node in world.network.nodes:
        node.proxy.apply(Rule(Fault.BLACK_HOLE, "submitblock"))
    taken = world.network.nodes[0].proxy.reached(Moment.TAKEN, "submitblock")
    found = await world.find()
    await _soon(world, taken, "submitblock did not come")
    await world.network.take(rivals)
    for node in world.network.nodes:
        node.heal()
    return found.hash_hex


async def _all_have(world: World, hash_hex: str) -> bool:
    return all([await node.has(hash_hex) for node in world.network.nodes])


async def _soon(world: World, event: Awaitable[object], otherwise: str) -> None:
    try:
        async with asyncio.timeout(CALL_TIMEOUT_S):
            await event
    except TimeoutError:
        world.note(otherwise)


async def _doomed(world: World) -> TortureNode:
    """A node that may be killed: it has written down all that was before this block."""
    await world.network.flush()
    return world.some_node()


def _cut_all(world: World) -> None:
    for node in world.network.nodes:
        node.cut()


def _apply_to_all(world: World, rule: Rule) -> None:
    for node in world.network.nodes:
        node.proxy.apply(rule)
