"""pplns at a real node: the coinbases on the chain pay by work, and debts before anything else."""

import asyncio
import json
import signal
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from poolserver.config import Config
from poolserver.mining.payout import Due
from poolserver.node.process import BitcoindProcess
from tests.integration.booked import ELSEWHERE, OPERATOR, Booked, booked, owed, paid_by_the_chain
from tests.integration.commands import command
from tests.integration.running import RunningPool, pool_config, rig, running

pytestmark = pytest.mark.real

REPOSITORY = Path(__file__).parents[2]
VALUE_SAT = 5_000_000_000
SHARE_WORK = 4
"""Of a share at difficulty 1e-9, each of which is a block on regtest."""
NETWORK_WORK = 2
PPLNS = """
scheme = "pplns"
fee_basis_points = 100
window = 100
"""
SMALL = """
[[firmware]]
family = "small"
user_agent = ["small/"]
coinbase_bytes = {size}
source = "a rig of this test"
"""


async def addresses(node: BitcoindProcess, count: int) -> list[str]:
    await node.call("createwallet", "payees")
    return [await node.call("getnewaddress", "", "bech32") for _ in range(count)]


async def told(folder: Path) -> dict[str, Any]:
    """What `poolserver payouts` says of the next block."""
    ended = await command("payouts", "--config", str(folder / "pool.toml"), "--json")
    assert ended.code == 0, ended.err
    found: dict[str, Any] = json.loads(ended.out)
    return found


def shares_told(payouts: dict[str, Any]) -> dict[str, float]:
    return {each["name"]: each["share"] for each in payouts["coinbases"][-1]["payments"]}


async def find(
    node: BitcoindProcess, pool: RunningPool, account: str, user_agent: str = "test-rig/1.0"
) -> None:
    """A share of this account, which is a block, on a job that is made by the newest plan."""
    before = await pool.metric('poolserver_blocks_total{state="accepted"}')
    await node.call("generatetoaddress", 1, ELSEWHERE)  # a new tip: a new job
    height = await node.call("getblockcount") + 1
    async with rig(pool.port, f"{account}.rig", user_agent) as miner:
        assert (await miner.mine(await miner.job(height))).accepted
    await pool.becomes('poolserver_blocks_total{state="accepted"}', lambda n: n == before + 1)
    # The plan is made anew once the books have what the block paid.
    expected = 'poolserver_expected_blocks_total{site="'
    await pool.becomes(expected, lambda n: n == (before + 1) * SHARE_WORK / NETWORK_WORK)
    await pool.becomes("poolserver_debts_held", lambda n: n == 0)


def check_books(blocks: list[Booked]) -> None:
    """Each block's value is shared out in full, and no debt is repaid that was not there."""
    before: Counter[str] = Counter()
    for block in blocks:
        paid = block.payout
        assert paid is not None
        assert paid.complete
        assert paid.value_sat == VALUE_SAT == sum(out.value_sat for out in paid.outputs)
        fee_sat = paid.fee_sat if paid.dues else VALUE_SAT  # nobody pays a fee to himself
        assert fee_sat + sum(due.due_sat for due in paid.dues) == VALUE_SAT
        own = [out.value_sat for out in paid.outputs if out.script_pubkey == OPERATOR]
        assert sum(own) == fee_sat + sum(due.unpaid_sat for due in paid.dues)
        for due in paid.dues:
            assert -before[due.label] <= due.unpaid_sat <= due.due_sat
            before[due.label] += due.unpaid_sat
    assert min(before.values(), default=0) >= 0


async def check_chain(node: BitcoindProcess, config: Config) -> list[Booked]:
    """The books have what the chain has."""
    blocks = booked(config)
    for block in blocks:
        assert block.payout is not None
        assert block.payout.outputs == await paid_by_the_chain(node, block.row.hash_hex)
    check_books(blocks)
    return blocks


def dues(block: Booked) -> dict[str, Due]:
    assert block.payout is not None
    return {due.label: due for due in block.payout.dues}


async def test_blocks_pay_by_work_and_a_restart_forgets_none(
    bitcoind: BitcoindProcess, tmp_path: Path
) -> None:
    alice, bob = await addresses(bitcoind, 2)
    payout = f'{PPLNS}\n[[payout.accounts]]\nname = "demo"\naddress = "{alice}"\n'
    config = pool_config(bitcoind, tmp_path, payout=payout)
    async with running(config) as pool:
        for account in ("demo", "demo", "demo", bob):
            await find(bitcoind, pool, account)
    before = await told(tmp_path)
    assert shares_told(before) == {"demo": 0.75, bob: 0.25}
    assert before["window"]["hashes"] == 4 * SHARE_WORK
    assert before["window"]["wanted_hashes"] == 200
    async with running(config) as pool:
        assert await told(tmp_path) == before
        await find(bitcoind, pool, bob)
    blocks = await check_chain(bitcoind, config)
    assert [len(dues(block)) for block in blocks] == [0, 1, 1, 1, 2]
    assert dues(blocks[-1]) == {
        "demo": Due("demo", 3_712_500_000, 0),
        bob: Due(bob, 1_237_500_000, 0),
    }
    assert blocks[-1].payout is not None
    assert blocks[-1].payout.fee_sat == 50_000_000
    assert shares_told(await told(tmp_path)) == {"demo": 0.6, bob: 0.4}
    listed = await command("blocks", "--config", str(tmp_path / "pool.toml"), "--json")
    found = json.loads(listed.out)
    assert [block["hash"] for block in found["blocks"]] == [
        block.row.hash_hex for block in reversed(blocks)
    ]
    assert {block["effort"] for block in found["blocks"]} == {SHARE_WORK / NETWORK_WORK}
    assert found["luck"] == NETWORK_WORK / SHARE_WORK


async def test_who_has_no_address_is_outside_of_the_window(
    bitcoind: BitcoindProcess, tmp_path: Path
) -> None:
    (alice,) = await addresses(bitcoind, 1)
    config = pool_config(bitcoind, tmp_path, payout=PPLNS)
    async with running(config) as pool:
        for account in ("demo", alice, "demo"):
            await find(bitcoind, pool, account)
    blocks = await check_chain(bitcoind, config)
    assert [list(dues(block)) for block in blocks] == [[], [], [alice]]
    assert dues(blocks[2])[alice].due_sat == VALUE_SAT * 99 // 100


async def test_what_a_small_coinbase_leaves_is_paid_first_by_later_blocks(
    bitcoind: BitcoindProcess, tmp_path: Path
) -> None:
    accounts = await addresses(bitcoind, 6)
    (tmp_path / "small.toml").write_text(SMALL.format(size=330))
    config = pool_config(bitcoind, tmp_path, '[stratum]\nfirmware_file = "small.toml"', PPLNS)
    async with running(config) as pool:
        for account in accounts:
            await find(bitcoind, pool, account)
        for _ in range(3):
            await find(bitcoind, pool, accounts[0], "small/1.0")
    left = owed(config)
    assert left
    assert (await told(tmp_path))["owed_sat"] == sum(left.values())
    async with running(config) as pool:
        assert await pool.metric("poolserver_unpaid_satoshis") == sum(left.values())
        await find(bitcoind, pool, accounts[0])
    blocks = await check_chain(bitcoind, config)
    repaid = {label: -due.unpaid_sat for label, due in dues(blocks[-1]).items()}
    # A large coinbase has room for all debts, in their order until the value is spent.
    largest = max(left, key=lambda label: left[label])
    assert repaid[largest] == left[largest]
    assert sum(max(0, sat) for sat in repaid.values()) > 0
    assert sum(owed(config).values()) == sum(left.values()) - 50_000_000  # the operator's fee


async def test_a_killed_pool_keeps_window_and_debts(
    bitcoind: BitcoindProcess, tmp_path: Path
) -> None:
    accounts = await addresses(bitcoind, 5)
    (tmp_path / "small.toml").write_text(SMALL.format(size=300))
    config = pool_config(bitcoind, tmp_path, '[stratum]\nfirmware_file = "small.toml"', PPLNS)
    for account in accounts:
        await find_and_be_killed(bitcoind, config, tmp_path, account)
    async with running(config) as pool:
        await pool.becomes('poolserver_blocks_total{state="accepted"}', lambda n: n == 5)
    shown = await told(tmp_path)
    assert shares_told(shown) == dict.fromkeys(sorted(accounts), 0.2)
    assert shown["owed_sat"] == sum(owed(config).values()) > 0
    async with running(config) as pool:
        await find(bitcoind, pool, accounts[0])
    assert len(await check_chain(bitcoind, config)) == 6


async def find_and_be_killed(
    node: BitcoindProcess, config: Config, folder: Path, account: str
) -> None:
    """A pool's life that ends by kill -9 right after a block was accepted."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "poolserver", "run", "--config", str(folder / "pool.toml")),
        cwd=REPOSITORY,
        stderr=asyncio.subprocess.DEVNULL,
    )
    pool = RunningPool(config.listeners[0].address.port, config.http.address.port)
    try:
        async with asyncio.timeout(30):
            while not await _is_ready(pool):  # noqa: ASYNC110 - over HTTP
                await asyncio.sleep(0.05)
        height = await node.call("getblockcount") + 1
        async with rig(pool.port, f"{account}.rig", "small/1.0") as miner:
            assert (await miner.mine(await miner.job(height))).accepted
        async with asyncio.timeout(10):
            while await node.call("getblockcount") < height:  # noqa: ASYNC110 - over RPC
                await asyncio.sleep(0.01)
    finally:
        process.send_signal(signal.SIGKILL)
        await process.wait()


async def _is_ready(pool: RunningPool) -> bool:
    try:
        return (await pool.get("/readyz"))[0] == 200
    except aiohttp.ClientError:
        return False
