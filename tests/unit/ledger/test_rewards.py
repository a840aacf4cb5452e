"""Plans of weights and debts, and what a restart takes up of all that they are made of."""

from collections.abc import AsyncIterator
from fractions import Fraction

import pytest

from poolserver.ledger import reward_sql
from poolserver.ledger.blocks import BlockBook, BlockChange, BlockState
from poolserver.ledger.database import Database
from poolserver.ledger.delta import Delta, FoundBlock, Rounds
from poolserver.ledger.payout_records import payout_records
from poolserver.ledger.rewards import PayoutTerms, Rewards
from poolserver.ledger.store import LedgerStore
from poolserver.ledger.totals import INTERVAL_S, Earning, EarningKey, WorkerKey
from poolserver.mining.coinbase import TxOut
from poolserver.mining.payout import Distribution, Due, Payee, PayoutPlan

OPERATOR = b"\x51"
SCRIPTS = {"a": b"\x52", "b": b"\x53", "c": b"\x54"}
PPLNS = PayoutTerms(OPERATOR, 100, SCRIPTS.get, window_times=Fraction(2))
SPLIT = PayoutTerms(OPERATOR, 100, SCRIPTS.get, {"b": 3, "a": 1})
SOLO = PayoutTerms(OPERATOR, 0, SCRIPTS.get)
NBITS = 0x207FFFFF
HASH = "00" * 31 + "0f"


def test_solo_pays_nobody_whatever_is_owed() -> None:
    assert SOLO.plan({}, {"a": 5}) == PayoutPlan(OPERATOR)
    assert SOLO.new_window() is None


def test_a_split_pays_its_shares_in_their_order_and_what_they_are_owed() -> None:
    payees = (Payee("b", SCRIPTS["b"], 3, 7), Payee("a", SCRIPTS["a"], 1, -2))
    assert SPLIT.plan({}, {"b": 7, "a": -2}) == PayoutPlan(OPERATOR, 100, payees)


def test_pplns_pays_by_weight_in_the_order_of_labels() -> None:
    payees = (Payee("a", SCRIPTS["a"], 2**100), Payee("b", SCRIPTS["b"], 2**66, 5))
    assert PPLNS.plan({"b": 2**66, "a": 2**100}, {"b": 5}) == PayoutPlan(OPERATOR, 100, payees)


def test_a_debt_is_paid_to_one_without_weight_and_what_was_too_much_waits() -> None:
    plan = PPLNS.plan({"a": 1}, {"b": 5, "c": -5})
    assert [(each.label, each.weight, each.owed_sat) for each in plan.payees] == [
        ("a", 1, 0),
        ("b", 0, 5),
    ]


def test_a_debt_to_one_who_has_no_address_any_more_stays() -> None:
    assert PPLNS.plan({}, {"gone": 5}) == PayoutPlan(OPERATOR, 100)


@pytest.fixture
async def store(database: Database) -> AsyncIterator[LedgerStore]:
    store = LedgerStore(database)
    await store.open()
    yield store
    await store.close()


def earned(number: int, account: str, work: int, site: str = "hall", nbits: int = NBITS) -> Delta:
    key = EarningKey(number * INTERVAL_S, site, account, nbits)
    return Delta(earnings={key: Earning(work, 50 * work)})


async def loaded(store: LedgerStore) -> Rewards:
    rewards = Rewards(PPLNS.new_window())
    await store.read(rewards.load)
    return rewards


async def test_an_empty_store_begins_with_nothing(store: LedgerStore) -> None:
    rewards = await loaded(store)
    assert rewards.window is not None
    assert (rewards.window.work, rewards.window.is_whole) == (0, True)
    assert rewards.debts.owed_sat(BlockBook()) == {}
    assert (rewards.luck.earned, rewards.luck.rounds, rewards.luck.open) == ({}, {}, {})


def test_who_is_due_less_than_a_satoshi_of_any_block_makes_no_plan_longer() -> None:
    whole = 10**30
    dust = {f"dust{number}": 10**18 for number in range(1000)}
    plan = PPLNS._replace(script_of=lambda label: SCRIPTS["a"]).plan({"a": whole} | dust, {})
    assert [payee.label for payee in plan.payees] == ["a"]
    owed = PPLNS.plan({"a": whole, "b": 1}, {"b": 5})  # but a debt is paid
    assert [(payee.label, payee.weight) for payee in owed.payees] == [("a", whole), ("b", 0)]


async def test_a_restart_has_the_window_of_the_life_before(store: LedgerStore) -> None:
    before = await loaded(store)
    for number in range(100):
        for account, work in (("a", 1), ("b", 2), ("nobody", 50)):
            delta = earned(number, account, work, site="hall" if number % 2 else "other")
            before.take(delta)
            await store.apply(delta)
    after = await loaded(store)
    assert before.window is not None
    assert after.window is not None
    # Four hashes are wanted at the difficulty of the books, so just two intervals are read.
    assert after.window.floor_s == 98 * INTERVAL_S
    assert after.window.weights(2) == before.window.weights(2)
    assert after.luck.earned == before.luck.earned
    for network_work in (1, 3, 50, 83, 149, 150, 10**6):
        await read_more(store, after, network_work)
        assert after.window.weights(network_work) == before.window.weights(network_work)
    assert after.window.is_whole


async def read_more(store: LedgerStore, rewards: Rewards, network_work: int) -> None:
    window = rewards.window
    assert window is not None
    missing = window.missing_work(network_work)
    if missing:
        window.begin_loading({})
        older = await store.read(
            lambda c: reward_sql.work_before(c, window.floor_s, missing, window.is_paid)
        )
        window.end_loading(older.intervals, is_whole=older.is_whole)


async def test_no_more_is_read_than_the_window_needs(store: LedgerStore) -> None:
    for number in (1, 2, 3, 500):
        await store.apply(earned(number, "a", 10))
    older = await store.read(
        lambda c: reward_sql.work_before(c, 500 * INTERVAL_S, 15, lambda _: True)
    )
    assert sorted(older.intervals) == [2 * INTERVAL_S, 3 * INTERVAL_S]
    assert not older.is_whole


async def test_sums_of_accounts_are_kept_beside_their_intervals(store: LedgerStore) -> None:
    for number in (1, 2):
        await store.apply(earned(number, "a", 2**70))
    await store.apply(earned(2, "b", 1, nbits=0x1F00FFFF))
    assert await store.read(reward_sql.account_totals) == {
        ("hall", "a", NBITS): Earning(2**71, 50 * 2**71),
        ("hall", "b", 0x1F00FFFF): Earning(1, 50),
    }


async def test_a_restart_has_the_debts_and_rounds_of_the_life_before(store: LedgerStore) -> None:
    paid = Distribution((TxOut(100, OPERATOR),), (Due("a", 60, 60), Due("b", 40, -5)), 0)
    found = FoundBlock(HASH, 7, WorkerKey("hall", "a", "a.rig"), 1000, NBITS)
    delta = Delta(
        rounds=Rounds([(HASH, {NBITS: 10, 0x1F00FFFF: 3})], {NBITS: 4}),
        blocks=[found],
        payouts=list(payout_records(bytes.fromhex(HASH)[::-1], paid)),
    )
    await store.apply(delta)
    rewards = await loaded(store)
    assert rewards.luck.rounds == {HASH: {NBITS: 10, 0x1F00FFFF: 3}}
    assert rewards.luck.open == {NBITS: 4}
    for state, owed in (
        (None, {"b": -5}),
        (BlockState.ACCEPTED, {"a": 60, "b": -5}),
        (BlockState.MATURE, {"a": 60, "b": -5}),
    ):
        if state is not None:
            await store.apply(Delta(), [BlockChange(HASH, 7, "a.rig", state, "", 2000)])
        book = BlockBook()
        for block in await store.known_blocks():
            book.enter(block)
        assert (await loaded(store)).debts.owed_sat(book) == owed
    assert await store.owed_sat() == {"a": 60, "b": -5}
