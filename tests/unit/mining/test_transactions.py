from random import Random

import msgspec
import pytest

from poolserver._native import take_transactions
from poolserver.mining.transactions import (
    DEFAULT_RESERVE,
    BlockLimits,
    BlockTransactions,
    CoinbaseReserve,
    TemplateTransactions,
    count_that_fits,
)
from tests.unit import made_up

FIVE = [made_up.transaction(Random(n), witness_size=10 * n, fee=n) for n in range(5)]
NO_LIMITS = BlockLimits(weight_wu=4_000_000, sigops_cost=80_000, size=4_000_000)


def columns(told: list[dict[str, object]]) -> TemplateTransactions:
    return TemplateTransactions(*take_transactions(made_up.answer(made_up.result(told)))[1:])


def test_an_empty_json_array_is_no_transactions_and_any_other_is_refused() -> None:
    decoder = msgspec.json.Decoder(TemplateTransactions)
    assert decoder.decode(b"[]") == TemplateTransactions()
    assert TemplateTransactions().count == 0
    with pytest.raises(msgspec.ValidationError):
        decoder.decode(b'[{"data":"00"}]')


@pytest.mark.parametrize("count", range(6))
def test_the_first_are_as_if_there_were_no_more(count: int) -> None:
    assert columns(FIVE).first(count) == columns(FIVE[:count])


def test_a_block_has_each_transaction_as_the_node_told_it() -> None:
    block = columns(FIVE).for_block()
    assert block.count == 5
    assert block.each_hex() == [each["data"] for each in FIVE]
    assert BlockTransactions().each_hex() == []


def test_a_blocks_transactions_cross_the_seam_unchanged() -> None:
    block = columns(FIVE).for_block()
    packed = msgspec.msgpack.encode(block)
    assert msgspec.msgpack.decode(packed, type=BlockTransactions) == block
    assert len(packed) < len(block.data_hex) + len(block.sizes_le) + 20


def test_a_witness_is_seen_by_a_wtxid_that_is_not_the_txid() -> None:
    assert columns(FIVE).has_witness
    assert not columns(FIVE[:1]).has_witness


def test_duplicates_are_found() -> None:
    assert not columns(FIVE).has_duplicates
    assert columns([*FIVE, FIVE[2]]).has_duplicates


def test_a_coinbase_weighs_four_times_its_bytes_and_once_its_witness() -> None:
    assert CoinbaseReserve(base_size=16_000, sigops_cost=0).weight_wu == 64_036
    assert CoinbaseReserve(base_size=16_000, sigops_cost=0).size == 16_036


def test_what_a_default_node_keeps_is_enough_for_the_default_reserve() -> None:
    assert DEFAULT_RESERVE.weight_wu + 4 * (80 + 3) <= 8_000
    assert DEFAULT_RESERVE.sigops_cost <= 400


def test_all_fit_where_there_is_room_and_none_where_even_a_coinbase_has_none() -> None:
    assert count_that_fits(columns(FIVE), NO_LIMITS, DEFAULT_RESERVE) == 5
    tight = NO_LIMITS._replace(weight_wu=4 * 81 + DEFAULT_RESERVE.weight_wu)
    assert count_that_fits(columns(FIVE), tight, DEFAULT_RESERVE) == 0
    tight = tight._replace(weight_wu=tight.weight_wu - 1)
    assert count_that_fits(columns(FIVE), tight, DEFAULT_RESERVE) is None
