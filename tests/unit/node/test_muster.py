"""When the pool may begin, with several nodes in every state."""

import asyncio
from collections.abc import Sequence

import pytest

from poolserver.bitcoin.networks import REGTEST
from poolserver.node import muster as module
from poolserver.node.checks import NodeCheckError, NodeInfo
from poolserver.node.muster import Candidate, muster
from poolserver.node.rpc import NodeUnreachable, NodeWarmingUp
from tests.unit.node.chainnode import NOW, ChainNode

GONE = NodeUnreachable("http://node: gone")


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "NODE_RETRY_S", 0.0)
    monkeypatch.setattr(module, "OTHERS_WAIT_S", 0.0)


def node(error: Exception | None = None, chain: str = "regtest") -> ChainNode:
    made = ChainNode()
    made.chain = chain
    if error is not None:
        made.fails[""] = error  # type: ignore[assignment]
    return made


async def found(
    nodes: Sequence[ChainNode],
    roles: str = "tttt",
    *,
    wait_s: float = 60.0,
    stop: asyncio.Event | None = None,
) -> dict[str, NodeInfo]:
    """``roles`` has a letter for each node: t gives templates, s only takes blocks."""
    candidates = [
        Candidate(name, each, role == "t")
        for name, each, role in zip("xyzw", nodes, roles, strict=False)
    ]
    async with asyncio.timeout(5):
        return await muster(candidates, REGTEST, lambda: NOW + 0.5, stop or asyncio.Event(), wait_s)


async def test_one_good_node_is_enough() -> None:
    assert list(await found([node()])) == ["x"]


async def test_the_first_that_is_ready_is_enough_whoever_else_is_away() -> None:
    assert list(await found([node(), node(GONE)])) == ["x"]
    assert list(await found([node(GONE), node()])) == ["y"]


async def test_a_node_that_only_takes_blocks_is_not() -> None:
    with pytest.raises(NodeCheckError, match=r"^y: the node cannot be asked: http://node: gone"):
        await found([node(), node(GONE)], "st", wait_s=0.0)


@pytest.mark.parametrize("roles", ["tt", "ts"])
async def test_a_node_of_another_network_ends_the_start_though_another_is_ready(
    roles: str,
) -> None:
    with pytest.raises(NodeCheckError) as caught:
        await found([node(), node(chain="main")], roles)
    assert str(caught.value) == "y: the node runs on main, the config says regtest"


async def test_of_one_node_the_name_is_not_told() -> None:
    with pytest.raises(NodeCheckError, match=r"^the node runs on main"):
        await found([node(chain="main")])


async def test_a_node_that_is_starting_is_waited_for() -> None:
    starting = node(NodeWarmingUp(-28, "Loading block index"))
    task = asyncio.create_task(found([starting], wait_s=0.001))
    await starting.is_asked("getnetworkinfo", 3)
    assert not task.done()
    starting.fails = {}
    assert list(await task) == ["x"]


async def test_nodes_that_do_not_answer_are_given_up() -> None:
    with pytest.raises(NodeCheckError, match="gone"):
        await found([node(GONE), node(GONE)], wait_s=0.0)


async def test_waiting_ends_when_the_pool_is_stopped() -> None:
    stop = asyncio.Event()
    stop.set()
    assert await found([node(GONE)], stop=stop) == {}
