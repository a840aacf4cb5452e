from typing import Any

import msgspec
import pytest

from poolserver.bitcoin.header import hash_le_to_hex
from poolserver.mining.template import BlockTemplate, GetBlockTemplate, TemplateError

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
