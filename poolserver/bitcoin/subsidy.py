"""The block subsidy: the new coins that a block's coinbase may claim beside the fees."""

from poolserver.bitcoin.networks import Network

INITIAL_SUBSIDY_SAT = 50 * 100_000_000
# A shift of a 64-bit integer by its whole width is undefined in C++, so the rule ends it there.
# The subsidy is below one satoshi long before: from the 33rd halving on.
_MAX_HALVINGS = 64


def subsidy_sat(height: int, network: Network) -> int:
    """Give the subsidy of the block at ``height``, in satoshis.

    Source: ``GetBlockSubsidy`` of Bitcoin Core (``validation.cpp``).

    Raises:
        ValueError: ``height`` is negative.
    """
    if height < 0:
        raise ValueError(f"no block has the height {height}")
    halvings = height // network.halving_interval
    return INITIAL_SUBSIDY_SAT >> halvings if halvings < _MAX_HALVINGS else 0
