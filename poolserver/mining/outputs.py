"""Outputs of a coinbase: their bytes, what is too little for one, and to whom none may go."""

from poolserver.bitcoin.script import OP_0, OP_1, OP_RETURN, compact_size

_VALUE_SIZE = 8
_OP_16 = OP_1 + 15
# Consensus: a longer script cannot be run, so what it is paid is burnt (MAX_SCRIPT_SIZE).
_MAX_SCRIPT_SIZE = 10_000
# What Bitcoin Core takes an output to cost when it is spent (GetDustThreshold in
# src/policy/policy.cpp): an input with 107 bytes of signature and key, a quarter of these where
# they are witness; at 3 sat/vB (DUST_RELAY_TX_FEE in src/policy/policy.h).
_SPENDING_SIZE = 32 + 4 + 1 + 107 + 4
_WITNESS_SPENDING_SIZE = 32 + 4 + 1 + 107 // 4 + 4
_DUST_SAT_PER_BYTE = 3


def output_size(script_pubkey: bytes) -> int:
    """Give the bytes of an output in a transaction: 31 for P2WPKH, 43 for P2TR."""
    size = len(script_pubkey)
    return _VALUE_SIZE + len(compact_size(size)) + size


def dust_limit_sat(script_pubkey: bytes) -> int:
    """Give the least amount that is worth its own spending, by Bitcoin Core's reckoning.

    >>> dust_limit_sat(bytes.fromhex("0014751e76e8199196d454941c45d1b3a323f1433bd6"))
    294

    A block may pay less: dust is relay policy, which does not look into coinbases. But to
    spend it costs more than it brings. Source: GetDustThreshold in src/policy/policy.cpp, which
    counts a taproot input like one of P2WPKH; for spendable scripts only.
    """
    is_witness = _is_witness_program(script_pubkey)
    spending_size = _WITNESS_SPENDING_SIZE if is_witness else _SPENDING_SIZE
    return _DUST_SAT_PER_BYTE * (output_size(script_pubkey) + spending_size)


def check_spendable(script_pubkey: bytes, whose: str) -> None:
    """Refuse a script to which coins would be lost.

    Raises:
        ValueError: anyone could spend them, or nobody; the text says whose it is.
    """
    if not script_pubkey:
        raise ValueError(f"the script of {whose} is empty: anyone could spend what is paid to it")
    if script_pubkey[0] == OP_RETURN or len(script_pubkey) > _MAX_SCRIPT_SIZE:
        raise ValueError(f"the script of {whose} is unspendable: what is paid to it is burnt")


def _is_witness_program(script_pubkey: bytes) -> bool:
    """BIP141: a version, OP_0 or OP_1..OP_16, and one push of 2..40 bytes."""
    if not 4 <= len(script_pubkey) <= 42 or script_pubkey[1] != len(script_pubkey) - 2:
        return False
    return script_pubkey[0] == OP_0 or OP_1 <= script_pubkey[0] <= _OP_16
