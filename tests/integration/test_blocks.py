"""A block's whole life at a real node, and that the books have what its coinbase really pays."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from poolserver.config import Config
from poolserver.ledger.block_sql import BlockPayout
from poolserver.mining.coinbase import TxOut
from poolserver.node.process import BitcoindProcess
from tests.integration.booked import (
    ELSEWHERE,
    OPERATOR,
    booked,
    find_block,
    is_in,
    owed,
    paid_by_the_chain,
)
from tests.integration.running import (
    RunningPool,
    pool_config,
    rig,
    running,
)

pytestmark = pytest.mark.real

REPOSITORY = Path(__file__).parents[2]
SPLIT = """
scheme = "split"
fee_basis_points = 150
[[payout.shares]]
name = "north"
address = "bcrt1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3qzf4jry"
weight = 3
[[payout.shares]]
name = "south"
address = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
weight = 2
[[payout.shares]]
name = "west"
address = "mrCDrCybB6J1vRfbwM5hemdJz73FwDBC8r"
weight = 2
"""
SMALL_FIRMWARE = """
[[firmware]]
family = "small"
user_agent = ["test-rig/"]
coinbase_bytes = {size}
source = "a rig of this test"
"""


# --- states ----------------------------------------------------------------------------------


async def test_a_block_is_followed_until_its_coins_can_be_spent(
    bitcoind: BitcoindProcess, tmp_path: Path
) -> None:
    config = pool_config(bitcoind, tmp_path)
    async with running(config) as pool:
        await find_block(pool, 1)
        await is_in(pool, "accepted")
        await bitcoind.call("generatetoaddress", 98, ELSEWHERE)
        await pool.becomes("poolserver_template_height", lambda height: height == 100)
        await asyncio.sleep(1.5)  # a round of the follower
        await is_in(pool, "accepted")  # 99 confirmations
        await bitcoind.call("generatetoaddress", 1, ELSEWHERE)
        await is_in(pool, "mature")
        assert await pool.metric('poolserver_blocks_total{state="accepted"}') == 1
        assert await pool.metric('poolserver_block_value_satoshis{state="mature"}') == 50e8
    (block,) = booked(config)
    assert (block.row.state, block.row.reason) == ("mature", "100 confirmations")
    assert block.states == ["found", "accepted", "mature"]


async def test_a_block_that_the_chain_leaves_is_orphaned_and_accepted_when_it_comes_back(
    bitcoind: BitcoindProcess, tmp_path: Path
) -> None:
    config = pool_config(bitcoind, tmp_path)
    async with running(config) as pool:
        await find_block(pool, 1)
        await is_in(pool, "accepted")
        ours = await bitcoind.call("getbestblockhash")
        await bitcoind.call("invalidateblock", ours)
        rival, *_ = await bitcoind.call("generatetoaddress", 3, ELSEWHERE)
        await is_in(pool, "orphaned")
        assert await pool.metric('poolserver_block_value_satoshis{state="accepted"}') == 0
        await bitcoind.call("invalidateblock", rival)
        await bitcoind.call("reconsiderblock", ours)  # a reorganisation to a lower height
        assert await bitcoind.call("getbestblockhash") == ours
        await is_in(pool, "accepted")
        assert await pool.metric('poolserver_blocks_total{state="accepted"}') == 1
        assert await pool.metric('poolserver_blocks_total{state="orphaned"}') == 1
    (block,) = booked(config)
    assert block.states == ["found", "accepted", "orphaned", "accepted"]


async def test_a_stale_block_that_the_chain_comes_to_is_accepted(
    bitcoind: BitcoindProcess, tmp_path: Path
) -> None:
    config = pool_config(bitcoind, tmp_path)
    async with running(config) as pool, rig(pool.port) as miner:
        job = await miner.job(1)
        miner.send(job)
        miner.send(job)  # one of the two is late
        await is_in(pool, "stale")
        await bitcoind.call("invalidateblock", await bitcoind.call("getbestblockhash"))
        assert await bitcoind.call("getblockcount") == 1
        await pool.becomes('poolserver_blocks_total{state="accepted"}', lambda n: n == 2)
        await is_in(pool, "orphaned")
    states = sorted(block.states[1:] for block in booked(config))
    assert states == [["accepted", "orphaned"], ["stale", "accepted"]]


async def test_what_became_of_a_block_while_the_pool_was_down_is_caught_up(
    bitcoind: BitcoindProcess, tmp_path: Path
) -> None:
    config = pool_config(bitcoind, tmp_path)
    async with running(config) as pool:
        await find_block(pool, 1)
        await is_in(pool, "accepted")
    await bitcoind.call("generatetoaddress", 120, ELSEWHERE)
    async with running(config) as pool:
        await is_in(pool, "mature")
    (block,) = booked(config)
    assert block.states == ["found", "accepted", "mature"]


async def test_a_node_that_is_away_for_a_while_is_asked_again(
    bitcoind: BitcoindProcess, tmp_path: Path
) -> None:
    config = pool_config(bitcoind, tmp_path)
    async with running(config) as pool:
        await find_block(pool, 1)
        await is_in(pool, "accepted")
        await bitcoind.stop()
        await asyncio.sleep(1.5)  # a round of the follower
        await bitcoind.start()
        await bitcoind.call("generatetoaddress", 120, ELSEWHERE)
        await is_in(pool, "mature")
    assert [block.states for block in booked(config)] == [["found", "accepted", "mature"]]


# --- what was paid ---------------------------------------------------------------------------


async def test_a_solo_block_is_booked_as_the_chain_has_it(
    bitcoind: BitcoindProcess, tmp_path: Path
) -> None:
    config = pool_config(bitcoind, tmp_path)
    async with running(config) as pool:
        await find_block(pool, 1)
        await is_in(pool, "accepted")
    (block,) = booked(config)
    outputs = await paid_by_the_chain(bitcoind, block.row.hash_hex)
    assert block.payout == BlockPayout(5_000_000_000, 0, outputs, (), complete=True)
    assert outputs == (TxOut(5_000_000_000, OPERATOR),)
    assert owed(config) == {}


async def test_a_split_block_is_booked_as_the_chain_has_it(
    bitcoind: BitcoindProcess, tmp_path: Path
) -> None:
    config = pool_config(bitcoind, tmp_path, payout=SPLIT)
    async with running(config) as pool:
        for height in (1, 2, 3):
            await find_block(pool, height)
        await pool.becomes('poolserver_blocks_total{state="accepted"}', lambda n: n == 3)
    blocks = booked(config)
    assert [block.row.height for block in blocks] == [1, 2, 3]
    for block in blocks:
        outputs = await paid_by_the_chain(bitcoind, block.row.hash_hex)
        assert block.payout is not None
        assert block.payout.complete
        assert block.payout.outputs == outputs
        assert [output.value_sat for output in outputs] == [
            75_000_000,
            2_110_714_286,
            1_407_142_857,
            1_407_142_857,
        ]
        assert [(due.label, due.due_sat, due.unpaid_sat) for due in block.payout.dues] == [
            ("north", 2_110_714_286, 0),
            ("south", 1_407_142_857, 0),
            ("west", 1_407_142_857, 0),
        ]
        assert block.payout.fee_sat == 75_000_000
        assert block.payout.value_sat == 5_000_000_000
    assert owed(config) == {}


async def test_what_a_small_coinbase_could_not_pay_is_booked_as_owed(
    bitcoind: BitcoindProcess, tmp_path: Path
) -> None:
    config = pool_config(bitcoind, tmp_path, payout=SPLIT)
    async with running(config) as pool, rig(pool.port) as miner:
        job = await miner.job()
        full = len(job.coinb1) + 12 + len(job.coinb2)
    folder = tmp_path / "small"
    folder.mkdir()
    # A byte too little for all of them: of the two that are due least the later has no room.
    (folder / "small.toml").write_text(SMALL_FIRMWARE.format(size=full - 1))
    extra = '[stratum]\nfirmware_file = "small.toml"'
    config = pool_config(bitcoind, folder, extra, SPLIT)
    async with running(config) as pool:
        await find_block(pool, 1)
        await is_in(pool, "accepted")
        await pool.becomes("poolserver_unpaid_satoshis", lambda sat: sat == 1_407_142_857)
    ours = await bitcoind.call("getbestblockhash")
    (block,) = booked(config)
    outputs = await paid_by_the_chain(bitcoind, ours)
    assert block.row.hash_hex == ours
    assert block.payout is not None
    assert block.payout.complete
    assert block.payout.outputs == outputs
    assert [output.value_sat for output in outputs] == [
        75_000_000 + 1_407_142_857,
        2_110_714_286,
        1_407_142_857,
    ]
    assert outputs[0].script_pubkey == OPERATOR
    assert owed(config) == {"west": 1_407_142_857}
    async with running(config) as pool:
        assert await pool.metric("poolserver_unpaid_satoshis") == 1_407_142_857
        await bitcoind.call("invalidateblock", ours)
        await bitcoind.call("generatetoaddress", 2, ELSEWHERE)
        await is_in(pool, "orphaned")
        assert await pool.metric("poolserver_unpaid_satoshis") == 0
    assert owed(config) == {}  # a block that pays nothing owes nothing


# --- killed ----------------------------------------------------------------------------------


@asynccontextmanager
async def dying(config: Config, path: Path, step: str) -> AsyncIterator[RunningPool]:
    """A pool in a process that kills itself at ``step``."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.integration.dying_pool", str(path), step),
        cwd=REPOSITORY,
        stderr=asyncio.subprocess.DEVNULL,
    )
    pool = RunningPool(config.listeners[0].address.port, config.http.address.port)
    try:
        async with asyncio.timeout(30):
            while True:
                try:
                    if (await pool.get("/readyz"))[0] == 200:
                        break
                except aiohttp.ClientError:
                    pass
                await asyncio.sleep(0.05)
            yield pool
            assert await process.wait() == -signal.SIGKILL
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.slow
@pytest.mark.parametrize("settled", [False, True])
@pytest.mark.parametrize(("step", "left"), [("found", []), ("verdict", [["found"]])])
async def test_a_pool_killed_while_a_block_is_booked_books_it_once_at_the_next_start(
    bitcoind: BitcoindProcess, tmp_path: Path, step: str, left: list[list[str]], settled: bool
) -> None:
    config = pool_config(bitcoind, tmp_path, payout=SPLIT)
    async with dying(config, tmp_path / "pool.toml", step) as pool, rig(pool.port) as miner:
        miner.send(await miner.job(1))
    assert [block.states for block in booked(config)] == left
    if settled:  # the submitter has had its verdict: nobody else will tell of it
        for file in (config.data_dir / "spool").glob("*.json"):
            file.unlink()
    for _ in range(2):  # the second start has nothing to add
        async with running(config) as pool:
            await is_in(pool, "accepted")
    (block,) = booked(config)
    assert block.states == ["found", "accepted"]
    assert block.payout is not None
    assert block.payout.complete
    assert block.payout.outputs == await paid_by_the_chain(bitcoind, block.row.hash_hex)
    assert sum(due.due_sat for due in block.payout.dues) + block.payout.fee_sat == 5_000_000_000
