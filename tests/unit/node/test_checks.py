"""Which nodes may be mined with; against answers of our own."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from poolserver.bitcoin.networks import NETWORKS
from poolserver.node.checks import NodeCheckError, NodeInfo, check_node
from poolserver.node.rpc import NodeTimeout, NodeUnreachable, NodeWarmingUp, RpcError

NOW = 1_795_480_883
PUBLIC_CHALLENGE = "512103ad5e0edad18cb1f0fc0d28a3d4f1f3e445640337489abb10404f2d1e086be430"


class Node:
    """Answers each method with what it is given; an exception is raised."""

    url = "http://node"

    def __init__(self, chain: str, **changes: Any) -> None:
        self._answers: dict[str, Any] = {
            "getnetworkinfo": {"version": 290_402, "subversion": "/Satoshi:29.4.2/"},
            "getblockchaininfo": {"chain": chain, "blocks": 7, "initialblockdownload": False},
            "getblocktemplate": {
                "version": 0x20000000,
                "previousblockhash": "00" * 32,
                "transactions": [],
                "coinbasevalue": 50,
                "mintime": NOW - 600,
                "curtime": NOW,
                "bits": "207fffff",
                "target": "7fffff" + "00" * 29,
                "height": 8,
            },
        }
        for method, change in changes.items():
            if isinstance(change, Exception):
                self._answers[method] = change
            else:
                self._answers[method].update(change)

    async def call(
        self, method: str, *params: Any, type: Any = Any, timeout_s: float | None = 1.0
    ) -> Any:
        answer = self._answers[method]
        if isinstance(answer, Exception):
            raise answer
        return msgspec.convert(answer, type)

    async def close(self) -> None: ...


async def check(node: Node, network: str = "main", *times: float) -> NodeInfo:
    clock: Iterator[float] = iter(times or (NOW + 0.3, NOW + 0.4))
    return await check_node(node, NETWORKS[network], lambda: next(clock))


async def refusal(node: Node, network: str = "main", *times: float) -> NodeCheckError:
    with pytest.raises(NodeCheckError) as caught:
        await check(node, network, *times)
    return caught.value


async def test_a_node_of_the_network_passes() -> None:
    info = await check(Node("main"))
    assert (info.version, info.height, info.private_signet) == (290_402, 7, False)


async def test_another_network_is_refused_by_both_names() -> None:
    error = await refusal(Node("testnet4"))
    assert str(error) == "the node runs on testnet4, the config says main"
    assert error.fatal


async def test_a_node_older_than_25_is_refused_by_its_name() -> None:
    old = Node("main", getnetworkinfo={"version": 240_200, "subversion": "/Satoshi:24.2.0/"})
    error = await refusal(old)
    assert "25 or newer is needed, this is /Satoshi:24.2.0/" in str(error)
    assert error.fatal


@pytest.mark.parametrize("network", ["main", "testnet4"])
async def test_a_node_that_still_loads_the_chain_may_come_later(network: str) -> None:
    loading = Node(network, getblockchaininfo={"initialblockdownload": True})
    error = await refusal(loading, network)
    assert "loading the block chain, it is at block 7" in str(error)
    assert not error.fatal


async def test_regtest_is_mined_on_however_old_its_last_block_is() -> None:
    await check(Node("regtest", getblockchaininfo={"initialblockdownload": True}), "regtest")


@pytest.mark.parametrize("told_by", ["getblockchaininfo", "getblocktemplate"])
async def test_a_private_signet_is_known_by_its_challenge(told_by: str) -> None:
    node = Node("signet", **{told_by: {"signet_challenge": "51"}})
    assert (await check(node, "signet")).private_signet


@pytest.mark.parametrize("told_by", ["getblockchaininfo", "getblocktemplate"])
async def test_a_signet_with_signed_blocks_is_refused(told_by: str) -> None:
    error = await refusal(
        Node("signet", **{told_by: {"signet_challenge": PUBLIC_CHALLENGE}}), "signet"
    )
    assert "need a signature" in str(error)
    assert error.fatal


async def test_a_signed_signet_is_told_so_even_while_it_gives_no_template() -> None:
    node = Node(
        "signet",
        getblockchaininfo={"signet_challenge": PUBLIC_CHALLENGE},
        getblocktemplate=RpcError(-10, "in initial sync"),
    )
    assert "need a signature" in str(await refusal(node, "signet"))


@pytest.mark.parametrize(
    "trouble",
    [
        NodeUnreachable("gone"),
        NodeTimeout("slow"),
        NodeWarmingUp(-28, "Loading"),
        RpcError(-9, "not connected!"),
    ],
)
async def test_trouble_that_may_pass_is_not_fatal(trouble: Exception) -> None:
    error = await refusal(Node("main", getblocktemplate=trouble))
    assert not error.fatal
    assert error.__cause__ is trouble


@pytest.mark.parametrize(
    ("curtime", "asked_at", "answered_at", "skew_s"),
    [
        (NOW, NOW + 0.3, NOW + 0.4, 0.0),  # within the second that it told
        (NOW, NOW + 0.9, NOW + 1.1, 0.0),  # told before the second was over
        (NOW, NOW - 9.5, NOW + 0.5, 0.0),  # a slow answer proves nothing
        (NOW, NOW - 5.0, NOW - 4.0, 4.0),  # ahead by 4 s at least
        (NOW, NOW + 4.0, NOW + 5.0, -3.0),  # behind by 3 s at least
    ],
)
async def test_the_skew_is_the_least_that_explains_the_answer(
    curtime: int, asked_at: float, answered_at: float, skew_s: float
) -> None:
    node = Node("main", getblocktemplate={"curtime": curtime})
    info = await check(node, "main", asked_at, answered_at)
    assert info.clock_skew_s == pytest.approx(skew_s)


async def test_a_curtime_that_mintime_holds_up_says_nothing_of_a_clock_ahead() -> None:
    held_up = Node("regtest", getblocktemplate={"curtime": NOW + 7000, "mintime": NOW + 7000})
    assert (await check(held_up, "regtest")).clock_skew_s == 0.0


async def test_clocks_more_than_ten_minutes_apart_are_refused() -> None:
    error = await refusal(Node("main"), "main", NOW - 701.0, NOW - 700.0)
    assert "700 s apart" in str(error)
    assert error.fatal
