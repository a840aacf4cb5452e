"""Coinbases, read back by python-bitcoinlib."""

import pytest
from bitcoin.core import CTransaction
from hypothesis import given
from hypothesis import strategies as st

from poolserver._native import sha256d
from poolserver.mining.coinbase import (
    MAX_MONEY_SAT,
    Coinbase,
    CoinbaseError,
    TxOut,
    build_coinbase,
    max_tag_size,
    outputs_room,
    with_witness,
)

MAX_HEIGHT = 0x7FFFFFFF
PAYOUT = TxOut(3_125_000_000, bytes.fromhex("0014751e76e8199196d454941c45d1b3a323f1433bd6"))
COMMITMENT = bytes.fromhex("6a24aa21a9ed") + bytes(range(32))
HEIGHTS = st.integers(1, MAX_HEIGHT) | st.integers(1, 20)
OUTPUTS = st.lists(
    st.builds(TxOut, st.integers(0, MAX_MONEY_SAT // 20), st.binary(max_size=300)), max_size=20
)


def build(
    *,
    height: int = 900_000,
    tag: bytes = b"/poolserver/",
    job_tag: bytes = bytes(12),
    extranonce_size: int = 12,
    outputs: tuple[TxOut, ...] = (PAYOUT,),
    witness_commitment: bytes | None = COMMITMENT,
) -> Coinbase:
    return build_coinbase(
        height=height,
        tag=tag,
        job_tag=job_tag,
        extranonce_size=extranonce_size,
        outputs=outputs,
        witness_commitment=witness_commitment,
    )


def read_script_sig(script_sig: bytes) -> list[int | bytes]:
    """Each item of a scriptSig: the number of an OP_1..OP_16, or the bytes of a push."""
    items: list[int | bytes] = []
    while script_sig:
        opcode, script_sig = script_sig[0], script_sig[1:]
        if 0x51 <= opcode <= 0x60:
            items.append(opcode - 0x50)
            continue
        if opcode == 0x4C:
            opcode, script_sig = script_sig[0], script_sig[1:]
        items.append(script_sig[:opcode])
        assert len(script_sig) >= opcode <= 100
        script_sig = script_sig[opcode:]
    return items


def test_a_coinbase_is_these_bytes() -> None:
    coinbase = build(job_tag=bytes.fromhex("0102030405060708090a0b0c"))
    assert (
        coinbase.coinb1.hex()
        == (
            "02000000"  # version
            "01" + "00" * 32 + "ffffffff"  # one input that spends nothing
            "2a"  # scriptSig of 42 bytes
            "03a0bb0d"  # height 900,000
            "0c2f706f6f6c7365727665722f"  # /poolserver/
            "180102030405060708090a0b0c"  # 24 bytes: the job tag and 12 of extranonce
        )
    )
    assert (
        coinbase.coinb2.hex()
        == (
            "feffffff"  # sequence
            "02"  # two outputs
            "40b743ba00000000" + "16" + "0014751e76e8199196d454941c45d1b3a323f1433bd6"
            "0000000000000000" + "26" + COMMITMENT.hex() + "9fbb0d00"  # locktime 899,999
        )
    )


@pytest.mark.parametrize("height", [1, 16, 17, 128, 900_000, MAX_HEIGHT])
def test_no_coinbase_of_a_job_has_64_bytes(height: int) -> None:
    # BIP54 forbids them. The least there is: no tag, an extranonce of 6, one output of 22 bytes.
    least = build(
        height=height,
        tag=b"",
        job_tag=bytes(8),
        extranonce_size=6,
        outputs=(TxOut(0, bytes(22)),),
        witness_commitment=None,
    )
    assert len(least.transaction(bytes(6))) > 64


@given(
    height=HEIGHTS,
    tag=st.binary(max_size=60),
    job_tag=st.binary(max_size=8),
    extranonce=st.binary(min_size=2, max_size=24),
    outputs=OUTPUTS,
    commitment=st.none() | st.just(COMMITMENT),
)
def test_a_coinbase_is_read_back_by_python_bitcoinlib(
    height: int,
    tag: bytes,
    job_tag: bytes,
    extranonce: bytes,
    outputs: list[TxOut],
    commitment: bytes | None,
) -> None:
    if not outputs and commitment is None:
        outputs = [PAYOUT]
    coinbase = build_coinbase(
        height=height,
        tag=tag,
        job_tag=job_tag,
        extranonce_size=len(extranonce),
        outputs=outputs,
        witness_commitment=commitment,
    )
    serialized = coinbase.transaction(extranonce)
    tx = CTransaction.deserialize(serialized)

    assert serialized == coinbase.coinb1 + extranonce + coinbase.coinb2
    assert tx.is_coinbase()
    assert (tx.nVersion, tx.nLockTime, tx.vin[0].nSequence) == (2, height - 1, 0xFFFFFFFE)
    first, *rest = read_script_sig(tx.vin[0].scriptSig)
    number = first if isinstance(first, int) else int.from_bytes(first, "little", signed=True)
    assert number == height
    assert rest == [tag, job_tag + extranonce]
    assert 2 <= len(tx.vin[0].scriptSig) <= 100
    due = [*outputs, *([TxOut(0, commitment)] if commitment is not None else [])]
    assert [TxOut(out.nValue, bytes(out.scriptPubKey)) for out in tx.vout] == due

    full = CTransaction.deserialize(with_witness(serialized))
    assert full.serialize() == with_witness(serialized)
    assert full.GetTxid() == tx.GetTxid() == sha256d(serialized)
    assert list(full.wit.vtxinwit[0].scriptWitness.stack) == [bytes(32)]


@pytest.mark.parametrize("height", range(1, 17))
def test_the_first_heights_still_have_a_script_sig_of_two_bytes_and_more(height: int) -> None:
    coinbase = build(height=height, tag=b"", job_tag=b"", extranonce_size=2)
    script_sig = CTransaction.deserialize(coinbase.transaction(b"\x01\x02")).vin[0].scriptSig
    assert script_sig == bytes([0x50 + height, 0x00, 0x02, 0x01, 0x02])


@pytest.mark.parametrize("height", [-1, 0, MAX_HEIGHT + 1])
def test_a_height_out_of_range_is_refused(height: int) -> None:
    with pytest.raises(CoinbaseError, match=f"not {height}"):
        build(height=height)


def test_a_tag_too_long_is_refused_with_the_length_that_is_allowed() -> None:
    # 100 - 4 for the height - 25 for job tag and extranonce - 1 for the tag's own length.
    build(tag=bytes(70))
    with pytest.raises(CoinbaseError, match="the tag has 71 bytes, at most 70 are allowed"):
        build(tag=bytes(71))


@given(HEIGHTS, st.integers(0, 110), st.integers(1, 110))
def test_the_longest_tag_fits_and_one_more_byte_does_not(
    height: int, job_tag_size: int, extranonce_size: int
) -> None:
    job_tag = bytes(job_tag_size)
    allowed = max_tag_size(
        height=height, job_tag_size=job_tag_size, extranonce_size=extranonce_size
    )
    if allowed >= 0:
        coinbase = build(
            height=height, tag=bytes(allowed), job_tag=job_tag, extranonce_size=extranonce_size
        )
        tx = CTransaction.deserialize(coinbase.transaction(bytes(extranonce_size)))
        # 99: a tag of 76 bytes takes two more than one of 75, so that 100 may be out of reach.
        assert len(tx.vin[0].scriptSig) in (99, 100)
    with pytest.raises(CoinbaseError, match=r"allowed|do not fit"):
        build(
            height=height,
            tag=bytes(allowed + 1),
            job_tag=job_tag,
            extranonce_size=extranonce_size,
        )


def test_a_job_tag_that_leaves_no_room_is_refused() -> None:
    with pytest.raises(CoinbaseError, match="do not fit a scriptSig of 100"):
        build(tag=b"", job_tag=bytes(600))


@pytest.mark.parametrize("size", [-1, 0])
def test_a_coinbase_without_extranonce_is_refused(size: int) -> None:
    with pytest.raises(CoinbaseError, match="without an extranonce"):
        build(extranonce_size=size)


@pytest.mark.parametrize("value_sat", [-1, MAX_MONEY_SAT + 1])
def test_a_value_out_of_range_is_refused(value_sat: int) -> None:
    with pytest.raises(CoinbaseError, match=f"{value_sat} sat is out of range"):
        build(outputs=(TxOut(value_sat, b"\x51"),))


def test_values_out_of_range_together_are_refused() -> None:
    build(outputs=(TxOut(MAX_MONEY_SAT, b"\x51"), TxOut(0, b"\x52")))
    with pytest.raises(CoinbaseError, match="together"):
        build(outputs=(TxOut(MAX_MONEY_SAT, b"\x51"), TxOut(1, b"\x52")))


def test_a_coinbase_without_an_output_is_refused() -> None:
    build(outputs=())
    with pytest.raises(CoinbaseError, match="at least one output"):
        build(outputs=(), witness_commitment=None)


@given(
    height=HEIGHTS,
    extranonce_size=st.integers(1, 20),
    size=st.integers(250, 30_000),
    output_size=st.integers(31, 43),
    commitment=st.sampled_from([None, COMMITMENT]),
)
def test_outputs_that_fill_their_room_make_a_coinbase_of_no_more_than_its_size(
    height: int, extranonce_size: int, size: int, output_size: int, commitment: bytes | None
) -> None:
    fixed = {
        "height": height,
        "tag": b"/poolserver/",
        "job_tag": bytes(16),
        "extranonce_size": extranonce_size,
        "witness_commitment": commitment,
    }
    room = outputs_room(size, **fixed)  # type: ignore[arg-type]
    count = room // output_size
    outputs = tuple(TxOut(0, bytes(output_size - 9)) for _ in range(max(1, count)))
    made = build(outputs=outputs, **fixed)  # type: ignore[arg-type]
    whole = len(made.coinb1) + extranonce_size + len(made.coinb2)
    assert whole <= size or count < 1
    assert size - whole < output_size + 3 or count < 1
