import json
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolserver._native import take_transactions
from poolserver.bitcoin.header import hash_le_to_hex
from poolserver.bitcoin.networks import MAIN, REGTEST, SIGNET, TESTNET4, Network
from poolserver.mining.template import (
    BlockTemplate,
    GetBlockHeader,
    GetBlockTemplate,
    TemplateError,
)
from poolserver.mining.transactions import (
    DEFAULT_RESERVE,
    BlockTransactions,
    CoinbaseReserve,
    TemplateTransactions,
)
from tests.unit import made_up

TRANSACTIONS = [made_up.transaction(Random(n)) for n in range(3)]


def parse(
    *, reserve: CoinbaseReserve = DEFAULT_RESERVE, version_mask: int = 0, **changes: Any
) -> BlockTemplate:
    """What becomes of a node's answer on regtest, cut down to what matters."""
    told = made_up.result(changes.pop("transactions", TRANSACTIONS[:1]), **changes)
    return BlockTemplate.from_rpc(read(told), reserve, version_mask)


def read(told: dict[str, Any]) -> GetBlockTemplate:
    rest, *columns = take_transactions(made_up.answer(told))
    template = msgspec.json.decode(json.dumps(json.loads(rest)["result"]), type=GetBlockTemplate)
    transactions = TemplateTransactions(*columns)
    return msgspec.structs.replace(template, transactions=transactions)


def test_a_template_is_taken_over_in_header_byte_order() -> None:
    template = parse()
    assert template.height == 101
    assert hash_le_to_hex(template.prevhash_le) == "0f" * 31 + "0e"
    assert template.nbits == 0x207FFFFF
    assert template.network_target == int(made_up.REGTEST_TARGET, 16)
    assert template.merkle_branch == (bytes.fromhex(TRANSACTIONS[0]["txid"])[::-1],)
    commitment = made_up.commitment_hex(TRANSACTIONS[:1])
    assert template.witness_commitment == bytes.fromhex(commitment)
    assert template.transactions.each_hex() == [TRANSACTIONS[0]["data"]]
    assert template.coinbase_value_sat == made_up.SUBSIDY_SAT + 1000
    assert template.left_out == 0


def test_a_template_crosses_the_seam_unchanged() -> None:
    template = parse()
    packed = msgspec.msgpack.encode(template)
    assert msgspec.msgpack.decode(packed, type=BlockTemplate) == template


def test_an_unknown_obligatory_rule_is_refused_by_its_name() -> None:
    with pytest.raises(TemplateError, match="'newrule'"):
        parse(rules=["!segwit", "!newrule"])


def test_an_unknown_optional_rule_is_no_trouble() -> None:
    assert parse(rules=["!segwit", "newrule"]).height == 101


def test_a_signet_that_wants_signatures_is_refused() -> None:
    with pytest.raises(TemplateError, match="signed blocks"):
        parse(signet_challenge="512103ad5e")
    assert parse(signet_challenge="51").height == 101


@pytest.mark.parametrize(
    "changes",
    [
        {"bits": "xx"},
        {"bits": "207ffffe"},
        {"target": "zz"},
        {"height": 0},
        {"height": 1 << 31},
        {"previousblockhash": "0f"},
        {"mintime": 1_700_000_601},
        {"curtime": 1 << 32},
        {"coinbasevalue": -1},
        {"coinbasevalue": 999},  # less than the fees
        {"coinbasevalue": 21 * 10**14 + 1},
        {"default_witness_commitment": "6"},
        {"transactions": [TRANSACTIONS[0] | {"weight": 1}]},
        {"transactions": [TRANSACTIONS[0] | {"weight": 4_000}]},
    ],
)
def test_a_template_with_a_field_out_of_range_is_a_clear_error(changes: dict[str, Any]) -> None:
    with pytest.raises(TemplateError):
        parse(**changes)


# --- what is checked ------------------------------------------------------------------------------


def test_a_witness_commitment_that_is_not_that_of_the_transactions_is_refused() -> None:
    wrong = made_up.commitment_hex(TRANSACTIONS[1:2])
    ours = made_up.commitment_hex(TRANSACTIONS[:1])
    with pytest.raises(TemplateError, match=f"is {wrong}, but the transactions come to {ours}"):
        parse(default_witness_commitment=wrong)


def test_a_wtxid_that_is_not_what_was_committed_to_is_refused() -> None:
    spoiled = [TRANSACTIONS[0] | {"hash": "22" * 32}]
    with pytest.raises(TemplateError, match="default_witness_commitment"):
        parse(
            transactions=spoiled,
            default_witness_commitment=made_up.commitment_hex(TRANSACTIONS[:1]),
        )


def test_where_the_node_tells_no_commitment_and_there_is_a_witness_it_is_our_own() -> None:
    told = made_up.result(TRANSACTIONS)
    due = bytes.fromhex(told.pop("default_witness_commitment"))
    assert BlockTemplate.from_rpc(read(told)).witness_commitment == due


def test_without_any_witness_no_commitment_is_needed_but_on_a_signet() -> None:
    plain = [made_up.transaction(Random(n), witness_size=0) for n in range(2)]
    told = made_up.result(plain)
    due = bytes.fromhex(told.pop("default_witness_commitment"))
    assert BlockTemplate.from_rpc(read(told)).witness_commitment is None
    signet = BlockTemplate.from_rpc(read(told | {"signet_challenge": "51"}))
    assert signet.witness_commitment == due


def test_a_required_version_bit_that_rigs_may_roll_is_refused() -> None:
    with pytest.raises(TemplateError, match=r"version bits 00002000.*stratum\.version_mask"):
        parse(vbrequired=0x2001, version_mask=0x1FFFE000)
    assert parse(vbrequired=0x2001).version == 0x20000000
    assert parse(vbrequired=0x0001, version_mask=0x1FFFE000).version == 0x20000000


def test_a_transaction_that_is_there_twice_is_refused() -> None:
    with pytest.raises(TemplateError, match="twice"):
        parse(transactions=[*TRANSACTIONS, TRANSACTIONS[1]])


def test_more_transactions_than_a_block_can_hold_are_refused() -> None:
    with pytest.raises(TemplateError, match="3 transactions are more than a block can hold"):
        parse(transactions=TRANSACTIONS, weightlimit=719)


# --- room for the coinbase ------------------------------------------------------------------------


def test_as_a_node_has_a_reserve_of_its_own_nothing_is_left_out() -> None:
    weight_wu = sum(each["weight"] for each in TRANSACTIONS)
    template = parse(transactions=TRANSACTIONS, weightlimit=weight_wu + 8_000, sigoplimit=400)
    assert (template.transactions.count, template.left_out) == (3, 0)


def test_the_last_transactions_give_way_to_a_coinbase_that_is_too_heavy() -> None:
    weight_wu = sum(each["weight"] for each in TRANSACTIONS)
    reserve = CoinbaseReserve(base_size=500, sigops_cost=0)
    exact = weight_wu + 4 * (80 + 1) + 4 * 500 + 36
    for limit, left_out in ((exact, 0), (exact - 1, 1), (exact - TRANSACTIONS[2]["weight"], 1)):
        template = parse(transactions=TRANSACTIONS, weightlimit=limit, reserve=reserve)
        kept = TRANSACTIONS[: 3 - left_out]
        assert template.left_out == left_out
        assert template.transactions.each_hex() == [each["data"] for each in kept]
        assert template.coinbase_value_sat == made_up.SUBSIDY_SAT + 1000 * len(kept)
        commitment = bytes.fromhex(made_up.commitment_hex(kept))
        assert template.witness_commitment == commitment


def test_a_block_like_783426_has_no_sigop_too_many() -> None:
    # That one had 80,003: transactions up to the limit, and a coinbase with sigops of its own.
    full = [TRANSACTIONS[0] | {"sigops": 79_600}, TRANSACTIONS[1] | {"sigops": 397}]
    for outputs, left_out in ((0, 0), (1, 1), (100, 1)):
        reserve = CoinbaseReserve(sigops_cost=4 * outputs)
        assert parse(transactions=full, reserve=reserve).left_out == left_out
    # And a coinbase of 101 old outputs needs more than the 400 that a node keeps.
    assert parse(transactions=full[:1], reserve=CoinbaseReserve(sigops_cost=404)).left_out == 1


def test_the_size_in_bytes_has_a_limit_too() -> None:
    size = sum(len(each["data"]) // 2 for each in TRANSACTIONS)
    exact = size + 81 + DEFAULT_RESERVE.size
    assert parse(transactions=TRANSACTIONS, sizelimit=exact).left_out == 0
    assert parse(transactions=TRANSACTIONS, sizelimit=exact - 1).left_out == 1


@pytest.mark.parametrize("changes", [{"weightlimit": 4_000}, {"sizelimit": 0}, {"sigoplimit": 79}])
def test_a_coinbase_that_does_not_fit_any_block_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(TemplateError, match="4036 WU and 80 sigops does not fit"):
        parse(**changes)


@given(
    st.lists(st.integers(0, 400), max_size=12),
    st.integers(0, 12_000),
    st.integers(0, 100),
    st.integers(1, 2_000),
)
def test_what_is_kept_never_exceeds_the_limits_and_is_as_if_the_rest_had_never_been(
    sigops: list[int], weight_over: int, sigops_over: int, base_size: int
) -> None:
    transactions = [
        made_up.transaction(Random(n), witness_size=n * 37, fee=n * n) | {"sigops": count}
        for n, count in enumerate(sigops)
    ]
    reserve = CoinbaseReserve(base_size, sigops_cost=80)
    all_weigh = sum(each["weight"] for each in transactions)
    limits = {
        "weightlimit": max(all_weigh + 4 * 81 + reserve.weight_wu - weight_over, 20_000),
        "sigoplimit": sum(sigops) + 80 - min(sigops_over, sum(sigops)),
    }
    template = parse(transactions=transactions, reserve=reserve, **limits)
    count = template.transactions.count
    kept = transactions[:count]

    def weight_wu(txs: list[dict[str, Any]]) -> int:
        return 4 * 81 + reserve.weight_wu + sum(each["weight"] for each in txs)

    def sigops_cost(txs: list[dict[str, Any]]) -> int:
        return 80 + sum(each["sigops"] for each in txs)

    assert weight_wu(kept) <= limits["weightlimit"]
    assert sigops_cost(kept) <= limits["sigoplimit"]
    if template.left_out:  # not one of them would have fitted
        more = transactions[: count + 1]
        assert weight_wu(more) > limits["weightlimit"] or sigops_cost(more) > limits["sigoplimit"]
    assert msgspec.structs.replace(template, left_out=0) == parse(transactions=kept)


# --- the stopgap ----------------------------------------------------------------------------------

MEDIAN_TIME = 1_700_000_000
NODE_TIME = 1_700_004_000


def header(**changes: Any) -> GetBlockHeader:
    """A node's answer to getblockheader, with more than what matters."""
    result: dict[str, Any] = {
        "hash": "0c" * 31 + "0d",
        "confirmations": 1,
        "height": 840_000,
        "version": 0x2ABCD000,
        "mediantime": MEDIAN_TIME,
        "bits": "17034219",
        "previousblockhash": "0f" * 31 + "0e",
    }
    return msgspec.convert(result | changes, GetBlockHeader)


def empty(network: Network = MAIN, node_time: int = NODE_TIME, **changes: Any) -> BlockTemplate:
    last = parse(version=0x20000004, coinbasevalue=312_512_345)
    return BlockTemplate.empty_on(header(**changes), last, network, node_time)


def test_a_stopgap_is_of_the_block_after_the_tip_and_claims_no_fees() -> None:
    assert empty() == BlockTemplate(
        height=840_001,
        version=0x20000004,  # the node's own for its last template, not the tip's miner's
        prevhash_le=bytes.fromhex("0c" * 31 + "0d")[::-1],
        nbits=0x17034219,
        curtime=NODE_TIME,
        mintime=MEDIAN_TIME + 1,
        coinbase_value_sat=312_500_000,
        transactions=BlockTransactions(),
        merkle_branch=(),
        witness_commitment=None,
        longpollid="x1",
        stopgap=True,
    )


def test_a_nodes_template_is_no_stopgap() -> None:
    assert not parse().stopgap


def test_a_stopgaps_time_is_never_before_its_mintime() -> None:
    assert empty(node_time=MEDIAN_TIME - 60).curtime == MEDIAN_TIME + 1


def test_a_stopgap_after_a_halving_claims_the_new_subsidy() -> None:
    assert empty(height=839_998).coinbase_value_sat == 625_000_000
    assert empty(height=839_999).coinbase_value_sat == 312_500_000
    assert empty(REGTEST, height=149, bits="207fffff").coinbase_value_sat == 2_500_000_000


def test_a_signets_stopgap_commits_to_no_witness() -> None:
    # sha256d of 64 zero bytes: the coinbase's wtxid, which is zero, and the reserved value.
    commitment = "e2f61c3f71d1defd3fa999dfa36953755c690689799962b48bebd836974e8cf9"
    assert empty(SIGNET).witness_commitment == bytes.fromhex("6a24aa21a9ed" + commitment)


@pytest.mark.parametrize("network", [MAIN, SIGNET, REGTEST], ids=lambda network: network.name)
def test_no_stopgap_where_difficulty_is_adjusted(network: Network) -> None:
    tip = 417 * 2016 - 1
    with pytest.raises(TemplateError, match="nbits"):
        empty(network, height=tip)
    assert empty(network, height=tip - 1).height == tip
    assert empty(network, height=tip + 1).height == tip + 2


def test_no_stopgap_where_a_late_block_may_be_an_easy_one() -> None:
    with pytest.raises(TemplateError, match="nbits"):
        empty(TESTNET4)


@pytest.mark.parametrize(
    "changes",
    [
        {"bits": "xx"},
        {"bits": ""},
        {"bits": "00000000"},
        {"hash": "0f"},
        {"hash": "zz" * 32},
        {"height": -1},
        {"height": 0x7FFFFFFF},
        {"mediantime": -2},
        {"mediantime": 0xFFFFFFFF},
    ],
)
def test_a_header_with_a_field_out_of_range_is_a_clear_error(changes: dict[str, Any]) -> None:
    with pytest.raises(TemplateError):
        empty(**changes)


def test_a_stopgap_crosses_the_seam_unchanged() -> None:
    packed = msgspec.msgpack.encode(empty())
    assert msgspec.msgpack.decode(packed, type=BlockTemplate) == empty()
