"""The codec, against the test vectors of BIP173 and BIP350 and against btclib.

The vectors are those of the two BIPs (BSD-2-Clause, by Pieter Wuille and Greg Maxwell),
https://github.com/bitcoin/bips. BIP350's list of segwit addresses replaces BIP173's.
"""

from contextlib import suppress

import pytest
from btclib.b32 import address_from_witness, witness_from_address
from hypothesis import given
from hypothesis import strategies as st

from poolserver.bitcoin.bech32 import (
    Bech32Error,
    Encoding,
    decode,
    decode_witness,
    encode,
    encode_witness,
)

VALID_BECH32 = [
    "A12UEL5L",
    "a12uel5l",
    "an83characterlonghumanreadablepartthatcontainsthenumber1andtheexcludedcharactersbio1tt5tgs",
    "abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw",
    "1" + "1" + "q" * 82 + "c8247j",
    "split1checkupstagehandshakeupstreamerranterredcaperred2y9e3w",
    "?1ezyfcl",
]
VALID_BECH32M = [
    "A1LQFN3A",
    "a1lqfn3a",
    "an83characterlonghumanreadablepartthatcontainsthetheexcludedcharactersbioandnumber11sg7hg6",
    "abcdef1l7aum6echk45nj3s0wdvt2fg8x9yrzpqzd3ryx",
    "1" + "1" + "l" * 82 + "ludsr8",
    "split1checkupstagehandshakeupstreamerranterredcaperredlc445v",
    "?1v759aa",
]
INVALID = [
    # BIP173
    ("\x201nwldj5", "not printable"),
    ("\x7f1axkwrx", "not printable"),
    ("\x801eym55h", "not printable"),
    (
        "an84characterslonghumanreadablepartthatcontainsthenumber1andtheexcludedcharactersbio1569pvx",
        "longer than 90",
    ),
    ("pzry9x0s0muk", "separator '1' is missing"),
    ("1pzry9x0s0muk", "nothing before"),
    ("x1b4n0q5v", "'b' is not used"),
    ("li1dgmt3", "too short"),
    ("de1lg7wt\xff", "not printable"),
    ("A1G7SGD8", "wrong checksum"),
    ("10a06t8", "nothing before"),
    ("1qzzfhee", "nothing before"),
    # BIP350
    ("\x201xj0phk", "not printable"),
    ("\x7f1g6xzxy", "not printable"),
    ("\x801vctc34", "not printable"),
    (
        "an84characterslonghumanreadablepartthatcontainsthetheexcludedcharactersbioandnumber11d6pts4",
        "longer than 90",
    ),
    ("qyrz8wqd2c9m", "separator '1' is missing"),
    ("1qyrz8wqd2c9m", "nothing before"),
    ("y1b0jsk6g", "'b' is not used"),
    ("lt1igcx5c0", "'i' is not used"),
    ("in1muywd", "too short"),
    ("mm1crxm3i", "'i' is not used"),
    ("au1s5cgom", "'o' is not used"),
    ("M1VUXWEZ", "wrong checksum"),
    ("16plkw9", "nothing before"),
    ("1p2gdwpf", "nothing before"),
    # ours
    ("", "separator '1' is missing"),
    ("a12UEL5L", "mixed upper and lower case"),
]

VALID_ADDRESSES = [
    ("BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4", "0014751e76e8199196d454941c45d1b3a323f1433bd6"),
    (
        "tb1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3q0sl5k7",
        "00201863143c14c5166804bd19203356da136c985678cd4d27a1b8c6329604903262",
    ),
    (
        "bc1pw508d6qejxtdg4y5r3zarvary0c5xw7kw508d6qejxtdg4y5r3zarvary0c5xw7kt5nd6y",
        "5128751e76e8199196d454941c45d1b3a323f1433bd6751e76e8199196d454941c45d1b3a323f1433bd6",
    ),
    ("BC1SW50QGDZ25J", "6002751e"),
    ("bc1zw508d6qejxtdg4y5r3zarvaryvaxxpcs", "5210751e76e8199196d454941c45d1b3a323"),
    (
        "tb1qqqqqp399et2xygdj5xreqhjjvcmzhxw4aywxecjdzew6hylgvsesrxh6hy",
        "0020000000c4a5cad46221b2a187905e5266362b99d5e91c6ce24d165dab93e86433",
    ),
    (
        "tb1pqqqqp399et2xygdj5xreqhjjvcmzhxw4aywxecjdzew6hylgvsesf3hn0c",
        "5120000000c4a5cad46221b2a187905e5266362b99d5e91c6ce24d165dab93e86433",
    ),
    (
        "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0",
        "512079be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798",
    ),
]
INVALID_ADDRESSES = [
    (
        "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqh2y7hd",
        "bech32 where witness version 1 takes bech32m",
    ),
    (
        "tb1z0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqglt7rf",
        "bech32 where witness version 2 takes bech32m",
    ),
    (
        "BC1S0XLXVLHEMJA6C4DQV22UAPCTQUPFHLXM9H8Z3K2E72Q4K9HCZ7VQ54WELL",
        "bech32 where witness version 16 takes bech32m",
    ),
    (
        "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kemeawh",
        "bech32m where witness version 0 takes bech32 ",
    ),
    (
        "tb1q0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vq24jc47",
        "bech32m where witness version 0 takes bech32 ",
    ),
    ("bc1p38j9r5y49hruaue7wxjce0updqjuyyx0kh56v8s25huc6995vvpql3jow4", "'o' is not used"),
    (
        "BC130XLXVLHEMJA6C4DQV22UAPCTQUPFHLXM9H8Z3K2E72Q4K9HCZ7VQ7ZWS8R",
        "no witness version 17",
    ),
    ("bc1pw5dgrnzv", "2..40 bytes, not 1"),
    (
        "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7v8n0nx0muaewav253zgeav",
        "2..40 bytes, not 41",
    ),
    ("BC1QR508D6QEJXTDG4Y5R3ZARVARYV98GJ9P", "20 or 32 bytes, not 16"),
    ("tb1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vq47Zagq", "mixed"),
    (
        "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7v07qwwzcrf",
        "more than four bits are left over",
    ),
    (
        "tb1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vpggkg4j",
        "bits that are left over are not zero",
    ),
    ("bc1gmk9yu", "no witness version"),
]
PROGRAMS = st.one_of(
    st.tuples(st.just(0), st.binary(min_size=20, max_size=20)),
    st.tuples(st.just(0), st.binary(min_size=32, max_size=32)),
    st.tuples(st.integers(1, 16), st.binary(min_size=2, max_size=40)),
)


@pytest.mark.parametrize("text", VALID_BECH32)
def test_valid_bech32_is_read_and_written_again(text: str) -> None:
    decoded = decode(text)
    assert decoded.encoding is Encoding.BECH32
    assert encode(*decoded) == text.lower()


@pytest.mark.parametrize("text", VALID_BECH32M)
def test_valid_bech32m_is_read_and_written_again(text: str) -> None:
    decoded = decode(text)
    assert decoded.encoding is Encoding.BECH32M
    assert encode(*decoded) == text.lower()


@pytest.mark.parametrize(("text", "reason"), INVALID)
def test_an_invalid_text_is_refused_with_its_reason(text: str, reason: str) -> None:
    with pytest.raises(Bech32Error, match=reason):
        decode(text)


@pytest.mark.parametrize(("address", "script_hex"), VALID_ADDRESSES)
def test_a_valid_address_gives_version_and_program(address: str, script_hex: str) -> None:
    hrp, version, program = decode_witness(address)
    opcode = version and 0x50 + version
    assert bytes([opcode, len(program)]).hex() + program.hex() == script_hex
    assert encode_witness(hrp, version, program) == address.lower()


@pytest.mark.parametrize(("address", "reason"), INVALID_ADDRESSES)
def test_an_invalid_address_is_refused_with_its_reason(address: str, reason: str) -> None:
    with pytest.raises(Bech32Error, match=reason):
        decode_witness(address)


@given(PROGRAMS)
def test_addresses_are_those_of_btclib(witness: tuple[int, bytes]) -> None:
    version, program = witness
    address = encode_witness("bc", version, program)
    assert address == address_from_witness(version, program, "mainnet")
    assert witness_from_address(address)[:2] == (version, program)
    assert decode_witness(address) == ("bc", version, program)
    assert decode_witness(address.upper()) == ("bc", version, program)


@given(PROGRAMS, st.data())
def test_no_one_wrong_character_goes_unnoticed(
    witness: tuple[int, bytes], data: st.DataObject
) -> None:
    address = encode_witness("bc", *witness)
    position = data.draw(st.integers(3, len(address) - 1))
    others = "qpzry9x8gf2tvdw0s3jn54khce6mua7l".replace(address[position], "")
    wrong = data.draw(st.sampled_from(others))
    with pytest.raises(Bech32Error, match="wrong checksum"):
        decode_witness(address[:position] + wrong + address[position + 1 :])


@given(st.text(max_size=100))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(Bech32Error):
        assert decode_witness(text).program


@pytest.mark.parametrize("hrp", ["", "BC", "b c", "\x7f", "é"])
def test_a_wrong_human_readable_part_is_not_written(hrp: str) -> None:
    with pytest.raises(Bech32Error, match="human-readable"):
        encode(hrp, (), Encoding.BECH32)


@pytest.mark.parametrize("group", [-1, 32])
def test_a_group_of_more_than_five_bits_is_not_written(group: int) -> None:
    with pytest.raises(Bech32Error, match="five bits"):
        encode("bc", (group,), Encoding.BECH32)


def test_a_text_is_written_up_to_90_characters() -> None:
    assert len(encode("bc", (0,) * 81, Encoding.BECH32)) == 90
    with pytest.raises(Bech32Error, match="longer than 90"):
        encode("bc", (0,) * 82, Encoding.BECH32)


@pytest.mark.parametrize(
    ("version", "size"), [(-1, 32), (17, 32), (0, 16), (0, 33), (1, 1), (1, 41)]
)
def test_a_witness_program_out_of_bip141_is_not_written(version: int, size: int) -> None:
    with pytest.raises(Bech32Error, match="witness"):
        encode_witness("bc", version, bytes(size))
