"""The block subsidy, by the schedule that every full node follows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolserver.bitcoin.networks import MAIN, NETWORKS, REGTEST, SIGNET, TESTNET4
from poolserver.bitcoin.subsidy import INITIAL_SUBSIDY_SAT, subsidy_sat


@pytest.mark.parametrize(
    ("height", "expected_sat"),
    [
        (0, 5_000_000_000),
        (209_999, 5_000_000_000),
        (210_000, 2_500_000_000),
        (420_000, 1_250_000_000),
        (630_000, 625_000_000),
        (839_999, 625_000_000),
        (840_000, 312_500_000),
        (2_100_000, 4_882_812),  # half a satoshi is cut off
        (6_929_999, 1),
        (6_930_000, 0),
        (64 * 210_000 - 1, 0),
        (64 * 210_000, 0),
        (2**31 - 1, 0),
    ],
)
def test_the_subsidy_halves_every_210_000_blocks(height: int, expected_sat: int) -> None:
    assert subsidy_sat(height, MAIN) == expected_sat
    assert subsidy_sat(height, TESTNET4) == expected_sat
    assert subsidy_sat(height, SIGNET) == expected_sat


def test_regtest_halves_every_150_blocks() -> None:
    assert subsidy_sat(149, REGTEST) == INITIAL_SUBSIDY_SAT
    assert subsidy_sat(150, REGTEST) == INITIAL_SUBSIDY_SAT // 2
    assert subsidy_sat(64 * 150, REGTEST) == 0


def test_all_subsidies_together_stay_below_21_million() -> None:
    # The sum that test/validation_tests.cpp of Bitcoin Core knows.
    total = sum(210_000 * subsidy_sat(era * 210_000, MAIN) for era in range(70))
    assert total == 2_099_999_997_690_000


@given(st.integers(0, 2**31 - 1), st.sampled_from(sorted(NETWORKS)))
def test_the_subsidy_never_rises(height: int, name: str) -> None:
    network = NETWORKS[name]
    assert 0 <= subsidy_sat(height + 1, network) <= subsidy_sat(height, network)


def test_there_is_no_block_before_the_first() -> None:
    with pytest.raises(ValueError, match="-1"):
        subsidy_sat(-1, MAIN)
