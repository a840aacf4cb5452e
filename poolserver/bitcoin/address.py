"""From a payout address to the script that pays it.

Base58 is decoded by python-bitcoinlib. Its address classes above that (``CBitcoinAddress``,
``CBech32Data``) are not used: they judge by ``bitcoin.params``, a global that ``SelectParams``
replaces for the whole process, and know neither bech32m nor testnet4. ``CBase58Data`` only
checks the checksum and gives the version byte, whatever the network, so the network stays an
argument here. Segwit addresses of all versions are read by our own codec.
"""

from bitcoin.base58 import Base58ChecksumError, CBase58Data, InvalidBase58Error

from poolserver.bitcoin import bech32
from poolserver.bitcoin.networks import NETWORKS, Network
from poolserver.bitcoin.script import (
    OP_0,
    OP_1,
    OP_CHECKSIG,
    OP_DUP,
    OP_EQUAL,
    OP_EQUALVERIFY,
    OP_HASH160,
    push_data,
)

_SEGWIT_PREFIXES = tuple({f"{network.bech32_hrp}1" for network in NETWORKS.values()})
_HASH160_SIZE = 20
_TAPROOT_SIZE = 32


class AddressError(ValueError):
    """The text is not an address this pool can pay; the message names the trouble."""


def script_pubkey_from_address(address: str, network: Network) -> bytes:
    """Give the scriptPubKey (22..34 bytes) that pays to an address on a network.

    >>> script_pubkey_from_address(
    ...     "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", NETWORKS["main"]
    ... ).hex()
    '0014751e76e8199196d454941c45d1b3a323f1433bd6'

    Known are P2PKH, P2SH (BIP13), P2WPKH, P2WSH (BIP141, BIP173) and P2TR (BIP341, BIP350).
    All other witness programmes are valid addresses of no known meaning, whose coins anyone
    can spend until a soft fork gives them one: a pool has no reason to pay to these, and a
    miner's typing error or trick is the likelier cause, so they are refused.

    Raises:
        AddressError: the text is malformed, of another network, or of a refused kind.
    """
    if not 0 < len(address) <= bech32.MAX_LENGTH:
        raise AddressError(
            f"an address has 1..{bech32.MAX_LENGTH} characters, this text has {len(address)}"
        )
    is_segwit = address.lower().startswith(_SEGWIT_PREFIXES)
    script_pubkey, homes = _read_segwit(address) if is_segwit else _read_base58(address)
    if network not in homes:
        names = " or ".join(home.name for home in homes)
        raise AddressError(f"{address!r} is a {names} address, this pool runs on {network.name}")
    return script_pubkey


def _read_segwit(address: str) -> tuple[bytes, list[Network]]:
    """Give the scriptPubKey and the networks that the address belongs to."""
    try:
        hrp, version, program = bech32.decode_witness(address)
    except bech32.Bech32Error as error:
        raise AddressError(f"{address!r} is not a segwit address: {error}") from error
    homes = [network for network in NETWORKS.values() if network.bech32_hrp == hrp]
    if not homes:  # a '1' typed into the data moves the separator
        raise AddressError(f"{address!r} is not a Bitcoin address: prefix {hrp!r} is unknown")
    if version == 0:
        return bytes([OP_0]) + push_data(program), homes
    if version == 1 and len(program) == _TAPROOT_SIZE:
        return bytes([OP_1]) + push_data(program), homes
    raise AddressError(
        f"{address!r} has witness version {version} with {len(program)} bytes, "
        "which has no meaning yet: anyone could spend what is paid to it"
    )


def _read_base58(address: str) -> tuple[bytes, list[Network]]:
    """Give the scriptPubKey and the networks that the address belongs to."""
    try:
        decoded = CBase58Data(address)
    except Base58ChecksumError as error:
        raise AddressError(
            f"{address!r} has a wrong checksum: a character is wrong or missing"
        ) from error
    except InvalidBase58Error as error:
        raise AddressError(
            f"{address!r} is not an address: it has neither a segwit prefix "
            "nor only the characters of base58"
        ) from error
    payload, version = bytes(decoded), int(decoded.nVersion)
    if len(payload) != _HASH160_SIZE:  # not repeated: it may be a private key, pasted by mistake
        raise AddressError(f"a base58 address holds {_HASH160_SIZE} bytes, this one {len(payload)}")
    homes = [network for network in NETWORKS.values() if network.p2pkh_version == version]
    if homes:
        opening, closing = [OP_DUP, OP_HASH160], [OP_EQUALVERIFY, OP_CHECKSIG]
        return bytes(opening) + push_data(payload) + bytes(closing), homes
    homes = [network for network in NETWORKS.values() if network.p2sh_version == version]
    if homes:
        return bytes([OP_HASH160]) + push_data(payload) + bytes([OP_EQUAL]), homes
    raise AddressError(f"{address!r} is not a Bitcoin address: version byte {version} is unknown")
