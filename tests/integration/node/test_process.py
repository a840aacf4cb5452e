"""A private bitcoind comes, stays and goes as it is told."""

import asyncio
import shutil
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from poolserver.node.process import REGTEST, BitcoindProcess, NodeStartError
from poolserver.node.rpc import NodeTimeout

pytestmark = pytest.mark.real
ADDRESS = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"

CHILD = """
import asyncio, sys
from pathlib import Path
from poolserver.node.process import REGTEST, BitcoindProcess

async def main():
    async with BitcoindProcess(Path(sys.argv[1]), REGTEST, ["-pid=" + sys.argv[2]]):
        print("ready", flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_the_chain_outlives_a_restart(bitcoind: BitcoindProcess) -> None:
    await bitcoind.call("generatetoaddress", 3, ADDRESS)
    await bitcoind.stop()
    await bitcoind.start()
    assert await bitcoind.call("getblockcount") == 3


async def test_a_node_that_will_not_start_says_why(bitcoind_path: Path) -> None:
    with pytest.raises(NodeStartError, match="no-such-option"):
        async with BitcoindProcess(bitcoind_path, REGTEST, ["-no-such-option=1"]):
            pass


async def test_nodes_that_listen_can_be_connected_and_cut_apart(bitcoind_path: Path) -> None:
    async with (
        BitcoindProcess(bitcoind_path, REGTEST, listen=True) as one,
        BitcoindProcess(bitcoind_path, REGTEST, listen=True) as other,
    ):
        for _ in range(2):
            await one.connect(other)
            (tip_hex,) = await one.call("generatetoaddress", 1, ADDRESS)
            await other.call("waitforblock", tip_hex, 10_000)
            await one.disconnect()
            assert await one.call("getconnectioncount") == 0


async def test_a_node_that_is_paused_says_nothing_and_can_be_ended(bitcoind_path: Path) -> None:
    async with BitcoindProcess(bitcoind_path, REGTEST) as node:
        node.pause()
        await asyncio.sleep(0.1)  # the signal is on its way to all its threads
        with pytest.raises(NodeTimeout):
            await node.rpc.call("getblockcount", timeout_s=0.2)
        node.resume()
        assert await node.call("getblockcount") == 0
        node.pause()  # and its folder goes all the same


async def test_its_folder_goes_with_it(bitcoind_path: Path, tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    async with BitcoindProcess(bitcoind_path, REGTEST, [f"-pid={pid_file}"]) as node:
        folder = _data_folder(psutil.Process(int(pid_file.read_text())))
        assert (await node.call("getblockchaininfo"))["chain"] == "regtest"
        assert folder.exists()
    assert not folder.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="a kernel that ends children: Linux alone")
async def test_it_does_not_outlive_a_parent_that_was_killed(
    bitcoind_path: Path, tmp_path: Path
) -> None:
    pid_file = tmp_path / "pid"
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CHILD, bitcoind_path, pid_file, stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    assert await parent.stdout.readline() == b"ready\n"
    node = psutil.Process(int(pid_file.read_text()))
    folder = _data_folder(node)
    parent.kill()
    await parent.wait()
    await asyncio.to_thread(_wait_for_end, node)
    assert folder.exists()  # nobody was left to clear it away
    shutil.rmtree(folder)


def _wait_for_end(process: psutil.Process) -> None:
    """Until it is gone, or a zombie: dead, and its new parent has not looked yet."""
    deadline = time.monotonic() + 10
    with suppress(psutil.NoSuchProcess):
        while process.status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < deadline, "it lives on"
            time.sleep(0.01)


def _data_folder(process: psutil.Process) -> Path:
    (option,) = [each for each in process.cmdline() if each.startswith("-datadir=")]
    return Path(option.removeprefix("-datadir="))
