"""What `poolserver payouts` says of a job."""

import io
from contextlib import closing
from pathlib import Path

import pytest
from bitcoin.base58 import CBase58Data
from rich.console import Console
from rich.table import Table

from poolserver.commands.block_list import blocks_of
from poolserver.commands.blocks import blocks_table
from poolserver.commands.payouts import Basis, Payouts, Window, basis_of, payouts_of
from poolserver.commands.payouts_table import books_sum, payouts_table
from poolserver.config import parse_config
from poolserver.ledger.blocks import BlockChange, BlockState
from poolserver.ledger.delta import Delta, FoundBlock, Rounds
from poolserver.ledger.payout_records import payout_records
from poolserver.ledger.sqlite import SqliteConnection, SqliteDatabase
from poolserver.ledger.store import LedgerStore
from poolserver.ledger.totals import INTERVAL_S, Earning, EarningKey, WorkerKey
from poolserver.lookout.view import BlockLine
from poolserver.mining.coinbase import TxOut
from poolserver.mining.payout import Distribution, Due
from poolserver.outfit import trial_factory
from tests.unit.payout_toml import CONFIG, OPERATOR, OTHER, SPLIT, THIRD
from tests.unit.solving import CURTIME, REGTEST_NBITS, template

HASH = "00" * 31 + "0f"


PPLNS = f"""
scheme = "pplns"
fee_basis_points = 100
[[payout.accounts]]
name = "north"
address = "{OTHER}"
"""


def by_work(connection: SqliteConnection, payout: str = PPLNS) -> Payouts:
    """What is told of these books, where a block takes 2 hashes on average."""
    text = CONFIG.format(operator=OPERATOR, payout=payout)
    config = parse_config(text, source="test", folder=Path("/"), environ={})
    factory = trial_factory(config)
    basis = basis_of(config, connection, 2)
    factory.plan = basis.plan
    job = factory.make(template(), CURTIME)
    return payouts_of(config, basis, factory.classes.sizes, job)


async def books(folder: Path, work: dict[tuple[int, str], int]) -> SqliteConnection:
    """A database with this work, by interval and account, and a debt of 700 to north."""
    database = SqliteDatabase(folder / "ledger.sqlite")
    store = LedgerStore(database)
    await store.open()
    paid = Distribution((TxOut(1000, b"\x51"),), (Due("north", 1000, 700),), 0)
    await store.apply(
        Delta(
            earnings={
                EarningKey(number * INTERVAL_S, "hall", account, REGTEST_NBITS): Earning(each, each)
                for (number, account), each in work.items()
            },
            rounds=Rounds([(HASH, {REGTEST_NBITS: 5})], {REGTEST_NBITS: 1}),
            blocks=[FoundBlock(HASH, 7, WorkerKey("hall", "north", "north.r"), 1000, 0)],
            payouts=list(payout_records(bytes.fromhex(HASH)[::-1], paid)),
        ),
        [BlockChange(HASH, 7, "", BlockState.ACCEPTED, "", 2000)],
    )
    await store.close()
    return database.reader()


def told(payout: str = "") -> Payouts:
    text = CONFIG.format(operator=OPERATOR, payout=payout)
    config = parse_config(text, source="test", folder=Path("/"), environ={})
    factory = trial_factory(config)
    basis = Basis(config.payout_plan)
    return payouts_of(config, basis, factory.classes.sizes, factory.make(template(), CURTIME))


def test_solo_pays_all_of_it_to_the_operator() -> None:
    payouts = told()
    (coinbase,) = payouts.coinbases
    assert coinbase.for_sizes == [500, 750, 2_250, 6_500, 16_000]
    assert [(each.address, each.value_sat) for each in coinbase.outputs] == [
        (OPERATOR, 5_000_000_000)
    ]
    assert coinbase.payments == []


def test_split_pays_each_share_and_the_fee() -> None:
    payouts = told(SPLIT)
    (coinbase,) = payouts.coinbases
    assert payouts.fee_sat == 75_000_000
    assert [(each.address, each.value_sat) for each in coinbase.outputs] == [
        (OPERATOR, 75_000_000),
        (OTHER, 3_693_750_000),
        (THIRD, 1_231_250_000),
    ]
    assert [(each.name, each.due_sat, each.unpaid_sat) for each in coinbase.payments] == [
        ("north", 3_693_750_000, 0),
        ("south", 1_231_250_000, 0),
    ]


def test_rigs_with_little_room_leave_some_unpaid() -> None:
    many = SPLIT + "".join(SHARE.format(n=n, address=each) for n, each in addresses(12))
    payouts = told(many)
    small, large = payouts.coinbases
    assert (small.for_sizes, large.for_sizes) == ([500], [750, 2_250, 6_500, 16_000])
    assert 450 < small.size <= 500 < large.size
    assert sum(each.unpaid_sat for each in small.payments) > 0
    assert sum(each.unpaid_sat for each in large.payments) == 0
    for coinbase in payouts.coinbases:
        assert sum(each.value_sat for each in coinbase.outputs) == payouts.value_sat
        assert sum(each.due_sat for each in coinbase.payments) + payouts.fee_sat == (
            payouts.value_sat
        )


SHARE = '[[payout.shares]]\nname = "t{n}"\naddress = "{address}"\nweight = {n}\n'


def addresses(count: int) -> list[tuple[int, str]]:
    """So many different addresses of regtest, each with a weight."""
    return [
        (n, str(CBase58Data.from_bytes(n.to_bytes(20, "big"), 0x6F))) for n in range(5, 5 + count)
    ]


@pytest.mark.parametrize("payout", ["", SPLIT])
def test_the_table_has_each_payee_and_the_operator(payout: str) -> None:
    written = io.StringIO()
    Console(file=written, width=160).print(payouts_table(told(payout)))
    text = written.getvalue()
    assert "Block 101 of regtest would pay 50.00000000 BTC" in text
    assert OPERATOR in text
    assert ("north" in text) == bool(payout)
    assert "rigs of 500 to 16,000 B" in text


def shown(table: Table, width: int = 200) -> str:
    written = io.StringIO()
    Console(file=written, width=width).print(table)
    return written.getvalue()


async def test_pplns_tells_the_window_each_share_and_the_debts(tmp_path: Path) -> None:
    work = {(1, "north"): 100, (2, "north"): 2, (2, THIRD): 1, (2, "nobody"): 7}
    with closing(await books(tmp_path, work)) as connection:
        payouts = by_work(connection)
    assert payouts.window == Window(2.0, 4.0, 4.0, INTERVAL_S, 2)
    (coinbase,) = payouts.coinbases
    assert [(each.name, each.address, each.share) for each in coinbase.payments] == [
        (THIRD, THIRD, 0.25),
        ("north", OTHER, 0.75),
    ]
    assert [(each.owed_sat, each.due_sat, each.paid_sat) for each in coinbase.payments] == [
        (0, 1_237_500_000, 1_237_500_000),
        (700, 3_712_500_000, 3_712_500_700),
    ]
    assert payouts.owed_sat == 700
    assert [(each.address, each.value_sat) for each in coinbase.outputs] == [
        (OPERATOR, 50_000_000 - 700),
        (THIRD, 1_237_500_000),
        (OTHER, 3_712_500_700),
    ]
    text = shown(payouts_table(payouts))
    assert "Window: 2 times the work of a block, 4 hashes; 100.0% full" in text
    assert "75.00%" in text
    assert "0.00000700 BTC are owed from earlier blocks" in text


async def test_a_split_tells_debts_too(tmp_path: Path) -> None:
    with closing(await books(tmp_path, {})) as connection:
        payouts = by_work(connection, SPLIT)
    assert payouts.window is None
    assert [each.owed_sat for each in payouts.coinbases[0].payments] == [700, 0]


async def test_a_window_with_nobody_in_it_is_told_so(tmp_path: Path) -> None:
    payout = 'scheme = "pplns"'
    with closing(await books(tmp_path, {(1, "nobody"): 7})) as connection:
        payouts = by_work(connection, payout)
    assert payouts.window == Window(2.0, 4.0, 0.0, None, 0)
    assert "all is the operator's" in shown(payouts_table(payouts))


async def test_the_blocks_are_told_with_effort_and_luck(tmp_path: Path) -> None:
    with closing(await books(tmp_path, {(1, "north"): 6})) as connection:
        found = blocks_of("regtest", connection, None)
    line = BlockLine(7, HASH, "accepted", 1000, "north.r", 1000, 0, 1, 700, 2.5, 0.4)
    assert found.blocks == [line]
    assert (found.paying, found.earned_sat, found.expected_blocks) == (1, 1000, 3.0)
    assert (found.luck, found.effort, found.owed_sat) == (1 / 3, 0.5, {"north": 700})
    narrow = shown(blocks_table(found.blocks, None, 80), 80)
    assert "250.0%" in narrow
    assert max(map(len, narrow.splitlines())) <= 80
    assert "a wider terminal shows" in narrow
    text = books_sum(found)
    assert "luck 33.3%" in text
    assert "site hall: 3 blocks" in text
