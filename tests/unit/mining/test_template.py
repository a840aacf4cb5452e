from typing import Any

import msgspec
import pytest

from poolserver.bitcoin.header import hash_le_to_hex
from poolserver.bitcoin.networks import MAIN, REGTEST, SIGNET, TESTNET4, Network
from poolserver.mining.template import (
    BlockTemplate,
    GetBlockHeader,
    GetBlockTemplate,
    TemplateError,
)

REGTEST_TARGET = "7fffff" + "00" * 29


def rpc_result(**changes: Any) -> dict[str, Any]:
    """A node's answer on regtest, cut down to what matters."""
    result: dict[str, Any] = {
        "capabilities": ["proposal"],
        "version": 0x20000000,
        "rules": ["csv", "!segwit", "taproot"],
        "previousblockhash": "0f" * 31 + "0e",
        "transactions": [{"data": "00", "txid": "11" * 32, "hash": "22" * 32, "fee": 1}],
        "coinbasevalue": 5_000_000_000,
        "longpollid": "x1",
        "target": REGTEST_TARGET,
        "mintime": 1_700_000_001,
        "curtime": 1_700_000_600,
        "bits": "207fffff",
        "height": 101,
        "default_witness_commitment": "6a24aa21a9ed" + "33" * 32,
    }
    return result | changes


def parse(**changes: Any) -> BlockTemplate:
    return BlockTemplate.from_rpc(msgspec.convert(rpc_result(**changes), GetBlockTemplate))


def test_a_template_is_taken_over_in_header_byte_order() -> None:
    template = parse()
    assert template.height == 101
    assert hash_le_to_hex(template.prevhash_le) == "0f" * 31 + "0e"
    assert template.nbits == 0x207FFFFF
    assert template.network_target == int(REGTEST_TARGET, 16)
    assert template.merkle_branch == (b"\x11" * 32,)
    assert template.witness_commitment == bytes.fromhex("6a24aa21a9ed" + "33" * 32)


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
        {"default_witness_commitment": "6"},
        {"transactions": [{"data": "00", "txid": "11"}]},
    ],
)
def test_a_template_with_a_field_out_of_range_is_a_clear_error(changes: dict[str, Any]) -> None:
    with pytest.raises(TemplateError):
        parse(**changes)


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
        transactions_hex=(),
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
