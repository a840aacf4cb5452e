"""Payout addresses, against the BIPs' vectors and btclib."""

from contextlib import suppress

import bitcoin
import pytest
from bitcoin.base58 import CBase58Data
from btclib.script import ScriptPubKey
from hypothesis import given
from hypothesis import strategies as st

from poolserver.bitcoin.address import AddressError, script_pubkey_from_address
from poolserver.bitcoin.bech32 import Encoding, decode, encode, encode_witness
from poolserver.bitcoin.networks import MAIN, NETWORKS, REGTEST, SIGNET, TESTNET4, Network

ANY_NETWORK = st.sampled_from(list(NETWORKS.values()))
BTCLIB_NAMES = {"main": "mainnet", "testnet4": "testnet", "signet": "signet", "regtest": "regtest"}
HASH160 = bytes.fromhex("751e76e8199196d454941c45d1b3a323f1433bd6")


def base58(version: int, payload: bytes) -> str:
    return str(CBase58Data.from_bytes(payload, version))


# Each of one known key or script: the examples of BIP173, BIP350 and Bitcoin's first block.
@pytest.mark.parametrize(
    ("address", "network", "script_hex"),
    [
        (
            "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
            MAIN,
            "76a91462e907b15cbf27d5425399ebf6f0fb50ebb88f1888ac",
        ),
        (
            "3P14159f73E4gFr7JterCCQh9QjiTjiZrG",
            MAIN,
            "a914e9c3dd0c07aac76179ebc76a6c78d4d67c6c160a87",
        ),
        (
            "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
            MAIN,
            "0014751e76e8199196d454941c45d1b3a323f1433bd6",
        ),
        (
            "BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4",
            MAIN,
            "0014751e76e8199196d454941c45d1b3a323f1433bd6",
        ),
        (
            "tb1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3q0sl5k7",
            TESTNET4,
            "00201863143c14c5166804bd19203356da136c985678cd4d27a1b8c6329604903262",
        ),
        (
            "tb1pqqqqp399et2xygdj5xreqhjjvcmzhxw4aywxecjdzew6hylgvsesf3hn0c",
            SIGNET,
            "5120000000c4a5cad46221b2a187905e5266362b99d5e91c6ce24d165dab93e86433",
        ),
        (
            "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0",
            MAIN,
            "512079be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798",
        ),
    ],
)
def test_an_address_gives_its_script(address: str, network: Network, script_hex: str) -> None:
    assert script_pubkey_from_address(address, network).hex() == script_hex


@given(ANY_NETWORK, st.binary(min_size=20, max_size=20), st.booleans())
def test_base58_scripts_are_those_of_btclib(network: Network, payload: bytes, p2sh: bool) -> None:
    address = base58(network.p2sh_version if p2sh else network.p2pkh_version, payload)
    script = script_pubkey_from_address(address, network)
    assert script == ScriptPubKey.from_address(address).script
    assert payload in script


@given(
    ANY_NETWORK,
    st.tuples(st.just(0), st.binary(min_size=20, max_size=20))
    | st.tuples(st.sampled_from((0, 1)), st.binary(min_size=32, max_size=32)),
)
def test_segwit_scripts_are_those_of_btclib(network: Network, witness: tuple[int, bytes]) -> None:
    address = encode_witness(network.bech32_hrp, *witness)
    assert script_pubkey_from_address(address, network) == ScriptPubKey.from_address(address).script


def test_the_global_network_of_python_bitcoinlib_has_no_say() -> None:
    before = bitcoin.params
    bitcoin.SelectParams("testnet")
    try:
        assert script_pubkey_from_address(base58(0x00, HASH160), MAIN)[3:23] == HASH160
        assert script_pubkey_from_address(encode_witness("bcrt", 0, HASH160), REGTEST)
    finally:
        bitcoin.SelectParams("mainnet")
    assert type(bitcoin.params) is type(before)


@pytest.mark.parametrize(
    ("address", "home", "network"),
    [
        (base58(0x00, HASH160), "main", REGTEST),
        (base58(0x05, HASH160), "main", TESTNET4),
        (base58(0x6F, HASH160), "testnet4 or signet or regtest", MAIN),
        (base58(0xC4, HASH160), "testnet4 or signet or regtest", MAIN),
        (encode_witness("bc", 0, HASH160), "main", REGTEST),
        (encode_witness("tb", 0, HASH160), "testnet4 or signet", REGTEST),
        (encode_witness("tb", 1, bytes(32)), "testnet4 or signet", MAIN),
        (encode_witness("bcrt", 1, bytes(32)), "regtest", SIGNET),
    ],
)
def test_an_address_of_another_network_is_refused_by_that_network_s_name(
    address: str, home: str, network: Network
) -> None:
    with pytest.raises(AddressError) as caught:
        script_pubkey_from_address(address, network)
    reason = f"'{address}' is a {home} address, this pool runs on {network.name}"
    assert str(caught.value) == reason


@pytest.mark.parametrize("network", [TESTNET4, SIGNET, REGTEST])
def test_the_test_networks_share_their_base58_addresses(network: Network) -> None:
    assert script_pubkey_from_address(base58(0x6F, HASH160), network)


@pytest.mark.parametrize("size", [2, 20, 31, 33, 40])
def test_version_1_of_another_length_than_taproot_is_refused(size: int) -> None:
    with pytest.raises(AddressError, match="anyone could spend"):
        script_pubkey_from_address(encode_witness("bc", 1, bytes(size)), MAIN)


@pytest.mark.parametrize("version", range(2, 17))
def test_a_witness_version_of_the_future_is_refused(version: int) -> None:
    with pytest.raises(AddressError, match=f"witness version {version} .* anyone could spend"):
        script_pubkey_from_address(encode_witness("bc", version, bytes(32)), MAIN)


def with_encoding(address: str, encoding: Encoding) -> str:
    decoded = decode(address)
    return encode(decoded.hrp, decoded.groups, encoding)


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("", "1..90 characters, this text has 0"),
        ("1" * 91, "1..90 characters, this text has 91"),
        ("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb", "wrong checksum"),
        ("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfN", "wrong checksum"),
        ("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfN0", "nor only the characters of base58"),
        (" 1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "nor only the characters of base58"),
        ("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNä", "nor only the characters of base58"),
        ("worker.1", "nor only the characters of base58"),
        ("1", "wrong checksum"),
        (base58(0x00, HASH160[:19]), "holds 20 bytes, this one 19"),
        (base58(0x00, HASH160 + b"\x01"), "holds 20 bytes, this one 21"),
        (base58(0x00, b""), "holds 20 bytes, this one 0"),
        (base58(0x30, HASH160), "version byte 48 is unknown"),
        ("ltc1qw508d6qejxtdg4y5r3zarvary0c5xw7kgmn4n9", "neither a segwit prefix"),
        (encode_witness("bc1x", 0, HASH160), "prefix 'bc1x' is unknown"),
        ("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5", "wrong checksum"),
        ("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t", "wrong checksum"),
        ("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3tB", "mixed upper and lower case"),
        ("Bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "mixed upper and lower case"),
        ("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3to", "'o' is not used in bech32"),
        ("bc1", "too short"),
        (
            with_encoding(encode_witness("bc", 0, HASH160), Encoding.BECH32M),
            "bech32m where witness version 0 takes bech32 ",
        ),
        (
            with_encoding(encode_witness("bc", 1, bytes(32)), Encoding.BECH32),
            "bech32 where witness version 1 takes bech32m",
        ),
    ],
)
def test_a_malformed_address_is_refused_with_its_reason(address: str, reason: str) -> None:
    with pytest.raises(AddressError) as caught:
        script_pubkey_from_address(address, MAIN)
    assert reason in str(caught.value)


def test_a_private_key_pasted_by_mistake_is_not_repeated() -> None:
    key = base58(0x80, bytes(range(32)) + b"\x01")
    with pytest.raises(AddressError) as caught:
        script_pubkey_from_address(key, MAIN)
    assert key not in str(caught.value)


@given(st.text(max_size=100), ANY_NETWORK)
def test_any_text_is_an_address_or_refused(text: str, network: Network) -> None:
    with suppress(AddressError):
        assert script_pubkey_from_address(text, network)
