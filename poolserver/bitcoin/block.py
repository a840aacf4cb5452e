"""A found block, put together for submitblock.

The template's transactions go in as the node sent them, in hex and unparsed: 3,000 of them
would take a tenth of a second to parse, and a found block has no tenth of a second to lose.
"""

from poolserver.bitcoin.header import HEADER_SIZE
from poolserver.bitcoin.merkle import WITNESS_RESERVED_VALUE
from poolserver.bitcoin.script import compact_size, push_data

COINBASE_INPUT_OPENING = b"\x01" + bytes(32) + b"\xff\xff\xff\xff"
"""Every coinbase has one input, and this spends nothing: a zero txid, index 2^32-1."""

_VERSION_SIZE = 4
_LOCKTIME_SIZE = 4
_MARKER_AND_FLAG = b"\x00\x01"
# One witness for the one input, of one item.
_COINBASE_WITNESS = compact_size(1) + push_data(WITNESS_RESERVED_VALUE)


def assemble_block(
    header: bytes,
    coinbase_tx: bytes,
    transactions_hex: bytes,
    transaction_count: int,
    *,
    witness: bool,
) -> str:
    """Give a whole block in hex.

    ``header`` is 80 bytes, ``coinbase_tx`` the non-witness serialisation, ``transactions_hex``
    the ``data`` of all the template's transactions in one, and ``transaction_count`` how many
    they are. ``witness`` says that the coinbase carries a witness commitment: then, and only
    then, it must have a witness (BIP141).

    Raises:
        ValueError: the header is not 80 bytes, or the coinbase is none.
    """
    if len(header) != HEADER_SIZE:
        raise ValueError(f"a header is {HEADER_SIZE} bytes, not {len(header)}")
    _check_coinbase(coinbase_tx)
    coinbase = with_witness(coinbase_tx) if witness else coinbase_tx
    count = compact_size(1 + transaction_count)
    return (header + count + coinbase).hex() + transactions_hex.decode("ascii")


def with_witness(coinbase_tx: bytes) -> bytes:
    """Give a coinbase in its witness serialisation (BIP144): marker, flag, the reserved value.

    Raises:
        ValueError: ``coinbase_tx`` is not the non-witness serialisation of a coinbase.
    """
    _check_coinbase(coinbase_tx)
    version = coinbase_tx[:_VERSION_SIZE]
    body = coinbase_tx[_VERSION_SIZE:-_LOCKTIME_SIZE]
    locktime = coinbase_tx[-_LOCKTIME_SIZE:]
    return version + _MARKER_AND_FLAG + body + _COINBASE_WITNESS + locktime


def _check_coinbase(tx: bytes) -> None:
    if not tx.startswith(COINBASE_INPUT_OPENING, _VERSION_SIZE):
        raise ValueError("not the non-witness serialisation of a coinbase")
