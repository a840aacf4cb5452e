"""Plans are made of the books, sent when they differ, without debts while these are in doubt."""

import asyncio
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from poolserver.bitcoin.header import hash_hex_to_le
from poolserver.bitcoin.target import work_from_target
from poolserver.cluster.messages import BlockEvent
from poolserver.config import parse_config
from poolserver.ledger.blocks import BlockBook, BlockState
from poolserver.ledger.database import StoreError
from poolserver.ledger.delta import Delta
from poolserver.ledger.payout_records import DuesRecord, PayoutRecord, payout_records
from poolserver.ledger.rewards import PayoutTerms, Rewards
from poolserver.ledger.totals import Earning, EarningKey
from poolserver.mining.coinbase import TxOut
from poolserver.mining.payout import Distribution, Due, PayoutPlan
from poolserver.paymaster import Paymaster, payout_terms
from tests.unit.payout_toml import CONFIG, OPERATOR, OTHER, SPLIT, THIRD
from tests.unit.solving import template

SCRIPTS = {"a": b"\x52", "b": b"\x53"}
TERMS = PayoutTerms(b"\x51", 100, SCRIPTS.get, window_times=Fraction(2))
HASH = "ab" * 32
PAID = Distribution((TxOut(100, b"\x51"),), (Due("a", 60, -30), Due("b", 40, 40)), 0)


class FakeKeeper:
    """Books in memory, with a store that can be down."""

    def __init__(self, terms: PayoutTerms = TERMS) -> None:
        self.blocks = BlockBook()
        self.rewards = Rewards(terms.new_window())
        if self.rewards.window is not None:
            self.rewards.window.begin_loading({})
            self.rewards.window.end_loading({}, is_whole=True)
        self.loaded: list[int] = []
        self.is_down = False

    async def load_window(self, network_work: int) -> None:
        if self.is_down:
            raise StoreError("ledger.sqlite", "is locked by another program", transient=True)
        self.loaded.append(network_work)

    def earn(self, account: str, work: int) -> None:
        self.rewards.take(Delta(earnings={EarningKey(0, "hall", account, 0): Earning(work, 0)}))

    def owe(self, owed: dict[str, int]) -> None:
        self.rewards.debts.load(owed, {})

    def take(self, records: list[PayoutRecord]) -> Delta:
        """As the keeper takes in what a block pays."""
        block = self.blocks.blocks[HASH]
        for record in records:
            self.blocks.pay(block, record.head.value_sat)
            if isinstance(record, DuesRecord):
                self.rewards.debts.take(block, record)
                self.blocks.owe(block, record.position, [due.unpaid_sat for due in record.dues])
        return Delta(payouts=records)


class House:
    """A paymaster with its books, and the plans that it sent."""

    def __init__(self, terms: PayoutTerms = TERMS) -> None:
        self.keeper = FakeKeeper(terms)
        self.sent: list[PayoutPlan] = []
        self._came = asyncio.Event()
        self.paymaster = Paymaster(
            terms, cast(Any, self.keeper), terms.plan({}, {}), self._send, lambda: 0.0
        )

    def _send(self, plan: PayoutPlan) -> None:
        self.sent.append(plan)
        self._came.set()

    async def has_sent(self, count: int) -> None:
        async with asyncio.timeout(5):
            while len(self.sent) < count:
                self._came.clear()
                await self._came.wait()

    def event(self, state: str) -> None:
        self.keeper.blocks.find(HASH, 101)
        self.paymaster.on_block(BlockEvent("pool-1/0/1", HASH, 101, "a.rig", state, "", 0))


def weights(plan: PayoutPlan) -> dict[str, tuple[int, int]]:
    return {each.label: (each.weight, each.owed_sat) for each in plan.payees}


def test_the_first_template_has_a_plan_before_it_goes_out() -> None:
    house = House()
    house.keeper.earn("a", 30)
    house.paymaster.look()
    assert house.sent == []  # how long the window is, is not known yet
    house.paymaster.on_template(template())
    assert [weights(plan) for plan in house.sent] == [{"a": (30, 0)}]
    assert house.paymaster.network_work == work_from_target(template().network_target)


def test_a_plan_is_sent_only_if_it_differs() -> None:
    house = House()
    house.paymaster.on_template(template())
    assert house.sent == []  # nobody has any work: as the settings say
    house.keeper.earn("a", 30)
    house.paymaster.look()
    house.paymaster.look()
    house.keeper.earn("b", 10)
    house.paymaster.look()
    assert [weights(plan) for plan in house.sent] == [
        {"a": (30, 0)},
        {"a": (30, 0), "b": (10, 0)},
    ]


def test_who_is_owed_something_is_in_the_plan() -> None:
    house = House()
    house.keeper.owe({"b": 30, "gone": 5})
    house.paymaster.on_template(template())
    assert weights(house.paymaster.plan) == {"b": (0, 30)}


def test_debts_wait_from_a_found_block_until_the_books_have_what_it_paid() -> None:
    house = House()
    house.keeper.owe({"a": 30})
    house.keeper.earn("a", 1)
    house.keeper.earn("b", 1)
    house.paymaster.on_template(template())
    assert weights(house.paymaster.plan) == {"a": (1, 30), "b": (1, 0)}
    house.event("found")
    assert house.paymaster.holds_debts
    assert weights(house.sent[-1]) == {"a": (1, 0), "b": (1, 0)}
    house.event("accepted")
    house.paymaster.look()
    assert weights(house.paymaster.plan) == {"a": (1, 0), "b": (1, 0)}
    records = list(payout_records(hash_hex_to_le(HASH), PAID))
    house.paymaster.on_delta(house.keeper.take(records[:1]))
    assert house.paymaster.holds_debts  # its dues are another record
    house.keeper.blocks.change(house.keeper.blocks.blocks[HASH], BlockState.ACCEPTED)
    house.paymaster.on_delta(house.keeper.take(records[1:]))
    assert not house.paymaster.holds_debts
    house.paymaster.look()
    assert weights(house.paymaster.plan) == {"a": (1, 0), "b": (1, 40)}


def test_a_refused_block_is_not_waited_for() -> None:
    house = House()
    house.keeper.owe({"a": 30})
    house.paymaster.on_template(template())
    house.event("found")
    house.event("rejected")
    house.paymaster.look()
    assert weights(house.paymaster.plan) == {"a": (0, 30)}


def test_a_block_that_the_books_know_is_not_waited_for() -> None:
    house = House()
    house.keeper.blocks.find(HASH, 101)
    house.keeper.take(list(payout_records(hash_hex_to_le(HASH), PAID)))
    house.event("accepted")
    assert not house.paymaster.holds_debts


async def test_plans_are_made_at_a_new_tip_and_after_news_of_a_block() -> None:
    house = House()
    house.keeper.earn("a", 5)
    house.paymaster.on_template(template(101, 1))
    task = asyncio.create_task(house.paymaster.run())
    for number, news in enumerate(
        (
            lambda: house.paymaster.on_template(template(102, 2)),
            house.paymaster.on_state,
            lambda: house.event("found"),
        )
    ):
        house.keeper.earn("a", 1)
        news()
        await house.has_sent(number + 2)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert [weights(plan)["a"][0] for plan in house.sent] == [5, 6, 7, 8]
    assert house.keeper.loaded == [house.paymaster.network_work] * 3


async def test_with_a_database_that_is_down_the_plan_is_made_of_what_there_is() -> None:
    house = House()
    house.keeper.is_down = True
    house.paymaster.on_template(template(101, 1))
    task = asyncio.create_task(house.paymaster.run())
    with capture_logs() as logs:
        house.keeper.earn("a", 5)
        house.paymaster.on_state()
        await house.has_sent(1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert [entry["event"] for entry in logs] == ["reward_window"]


async def test_solo_has_nothing_to_plan() -> None:
    house = House(PayoutTerms(b"\x51", 0, SCRIPTS.get))
    await house.paymaster.run()
    house.paymaster.on_template(template())
    assert house.sent == []


def test_a_split_pays_debts_too() -> None:
    house = House(PayoutTerms(b"\x51", 0, SCRIPTS.get, {"b": 3, "a": 1}))
    house.keeper.owe({"a": 30})
    house.paymaster.on_template(template())
    assert weights(house.paymaster.plan) == {"b": (3, 0), "a": (1, 30)}


# --- the terms -------------------------------------------------------------------------------


def terms(payout: str) -> tuple[PayoutTerms, PayoutPlan]:
    text = CONFIG.format(operator=OPERATOR, payout=payout)
    config = parse_config(text, source="test", folder=Path("/"), environ={})
    return payout_terms(config), config.payout_plan


@pytest.mark.parametrize("payout", ["", SPLIT])
def test_without_debts_the_plan_is_that_of_the_settings(payout: str) -> None:
    payout_terms, plan = terms(payout)
    assert payout_terms.plan({}, {}) == plan


def test_pplns_pays_accounts_that_are_addresses_and_those_that_have_one() -> None:
    payout = f'scheme = "pplns"\n[[payout.accounts]]\nname = "north"\naddress = "{OTHER}"\n'
    by_work, plan = terms(payout)
    assert plan == by_work.plan({}, {})
    assert by_work.window_times == 2
    assert by_work.script_of("north") == by_work.script_of(OTHER)
    assert by_work.script_of(THIRD) is not None
    assert by_work.script_of("nobody") is None
    assert by_work.script_of("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4") is None  # of main


def test_a_split_pays_nobody_by_an_address_that_is_a_label() -> None:
    assert terms(SPLIT)[0].script_of(THIRD) is None
