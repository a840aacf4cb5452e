"""A real node is told from one that cannot be mined with, in words."""

import time
from pathlib import Path

import pytest

from poolserver.bitcoin.networks import NETWORKS
from poolserver.node.checks import NodeCheckError, check_node
from poolserver.node.process import BitcoindProcess, free_port
from poolserver.node.rpc import Credentials, NodeAuthError, NodeRpc

pytestmark = pytest.mark.real


async def test_a_regtest_node_passes(bitcoind: BitcoindProcess) -> None:
    info = await check_node(bitcoind.rpc, NETWORKS["regtest"], time.time)
    assert info.version >= 250_000
    assert abs(info.clock_skew_s) < 2


async def test_a_private_signet_passes_though_it_loads_its_chain(
    signet_bitcoind: BitcoindProcess,
) -> None:
    info = await check_node(signet_bitcoind.rpc, NETWORKS["signet"], time.time)
    assert info.private_signet


async def test_another_network_is_refused_by_both_names(bitcoind: BitcoindProcess) -> None:
    with pytest.raises(NodeCheckError, match="runs on regtest, the config says main") as caught:
        await check_node(bitcoind.rpc, NETWORKS["main"], time.time)
    assert caught.value.fatal


async def test_a_clock_ten_minutes_off_is_refused(bitcoind: BitcoindProcess) -> None:
    with pytest.raises(NodeCheckError, match=r"(699|700) s apart"):
        await check_node(bitcoind.rpc, NETWORKS["regtest"], lambda: time.time() - 700)


async def test_an_unreachable_node_may_come_later() -> None:
    rpc = NodeRpc(f"http://127.0.0.1:{free_port()}", Credentials("u", "p"))
    with pytest.raises(NodeCheckError, match="cannot be asked") as caught:
        await check_node(rpc, NETWORKS["regtest"], time.time)
    assert not caught.value.fatal
    await rpc.close()


async def test_a_wrong_password_is_said_without_the_password(bitcoind: BitcoindProcess) -> None:
    rpc = NodeRpc(bitcoind.url, Credentials("u", "secret-word"))
    with pytest.raises(NodeAuthError, match="login was refused") as caught:
        await rpc.call("getblockcount")
    assert "secret-word" not in str(caught.value)
    await rpc.close()


async def test_a_missing_cookie_is_said_by_its_path(tmp_path: Path) -> None:
    rpc = NodeRpc("http://127.0.0.1:1", Credentials(None, None, tmp_path / ".cookie"))
    with pytest.raises(NodeAuthError, match=r"\.cookie"):
        await rpc.call("getblockcount")
    await rpc.close()
