import pytest

from .. import prevhash_to_stratum_hex, swap_words


def test_prevhash_has_the_bytes_of_each_word_reversed() -> None:
    prevhash_le = bytes(range(32))
    assert prevhash_to_stratum_hex(prevhash_le) == (
        "03020100070605040b0a09080f0e0d0c13121110171615141b1a19181f1e1d1c"
    )
    assert swap_words(swap_words(prevhash_le)) == prevhash_le


def test_a_hash_has_32_bytes() -> None:
    with pytest.raises(ValueError, match="a hash has 32 bytes, not 31"):
        swap_words(bytes(31))
